package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// faulty is the source of the service that these tests break.
func faulty(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "faulty", "main.go"))
	require.NoError(t, err)
	return string(raw)
}

// edited returns the source with one place changed, and the number of the line where the change begins.
func edited(t *testing.T, source, before, after string) (string, int) {
	t.Helper()
	require.Equal(t, 1, strings.Count(source, before), "the place to change is there once")
	at := strings.Index(source, before)
	return strings.Replace(source, before, after, 1), 1 + strings.Count(source[:at], "\n")
}

// broken is one project with one service that is live and well, before it is broken.
type broken struct {
	t    *testing.T
	rig  *installed
	name string
	repo *repo
}

// newBroken makes it with a memory limit and further lines of its blueprint.
func newBroken(t *testing.T, limit string, more ...string) *broken {
	t.Helper()
	rig := setup(t)
	name, g := rig.project(t, "  - name: api\n    type: web\n    command: [/app]\n    port: 8080\n"+
		"    healthCheck: {path: /healthz, interval: 1s, timeout: 2s, grace: 30s}\n    drain: 1s\n    resources: {memory: "+limit+"}\n"+strings.Join(more, ""))
	b := &broken{t: t, rig: rig, name: name, repo: g}
	b.push("Serve scores", faulty(t), nil)
	return b
}

func (b *broken) ref() platform.SlotRef { return platform.SlotRef{Project: b.name, Service: "api"} }

// push compiles the source as its Dockerfile would, commits both, and waits until the release is live.
func (b *broken) push(message, source string, more files) string {
	b.t.Helper()
	tree := files{"main.go": source, "go.mod": "module faulty\n\ngo 1.22\n", "Dockerfile": dockerfile}
	for name, text := range tree {
		require.NoError(b.t, os.WriteFile(filepath.Join(b.repo.dir, name), []byte(text), 0o644))
	}
	compile := exec.CommandContext(b.t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", "app", ".")
	compile.Dir, compile.Env = b.repo.dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	said, err := compile.CombinedOutput()
	require.NoError(b.t, err, "%s", said)
	sha := b.repo.commit(message, tree)
	for name, text := range more {
		b.repo.commit("Write "+name, files{name: text})
	}
	b.repo.push(b.name)
	d := b.rig.settled(b.t, b.name, "api")
	require.Equal(b.t, platform.PhaseLive, d.Phase, "%+v", d.Failure)
	return sha
}

// ask keeps asking the service through the router, as users do, until stop is called. Most answers are errors.
func (b *broken) ask() (stop func()) {
	b.t.Helper()
	slot, err := b.rig.client.GetSlot(b.t.Context(), b.ref())
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.t.Context())
	var users sync.WaitGroup
	users.Go(func() {
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			asked, done := context.WithTimeout(ctx, 2*time.Second)
			req, err := http.NewRequestWithContext(asked, http.MethodGet, "http://"+b.rig.config.router+"/predict?user=17", nil)
			if err == nil {
				req.Host = slot.Hosts[0]
				if res, err := http.DefaultClient.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}
			done()
		}
	})
	return func() {
		cancel()
		users.Wait()
	}
}

// sampled waits until the memory of what is live was measured: a release is blamed only beside what the one before needed.
func (b *broken) sampled() {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		now := time.Now()
		series, err := b.rig.client.QueryMetrics(b.t.Context(), b.name, observability.MetricQuery{Expr: observability.MetricMemory, From: now, To: now})
		return err == nil && len(series) > 0
	}, patience, 200*time.Millisecond, "the memory of the live release is measured")
}

// incident waits until one with the signal opened by itself and its diagnosis satisfies enough.
func (b *broken) incident(signal platform.Signal, enough func(platform.Diagnosis) bool) platform.IncidentDetail {
	b.t.Helper()
	var found platform.IncidentDetail
	require.Eventually(b.t, func() bool {
		list, err := b.rig.client.ListIncidents(b.t.Context(), platform.IncidentFilter{SlotRef: b.ref()})
		if err != nil {
			return false
		}
		for _, in := range list.Items {
			if in.Signal != signal {
				continue
			}
			found, err = b.rig.client.GetIncident(b.t.Context(), in.ID)
			return err == nil && found.Diagnosis != nil && enough(*found.Diagnosis)
		}
		return false
	}, 2*patience, 200*time.Millisecond, "an incident %s opens by itself and is explained", signal)
	return found
}

func explained(platform.Diagnosis) bool { return true }

// shown is the diagnosis as a user reads it.
func (b *broken) shown(in platform.IncidentDetail) string {
	b.t.Helper()
	code, out, errOut := b.rig.fairlead(b.t, b.repo.dir, b.rig.admin, "diagnose", string(in.ID))
	require.Zero(b.t, code, errOut)
	b.t.Log("\n" + out)
	return out
}

func TestDiagnosis_ServiceThatEatsItsMemoryInALoopIsExplained(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "48Mi")
	b.sampled()
	source, _ := edited(t, faulty(t), "\tlog.Println(\"predict\", r.URL.RawQuery)\n", "\tlog.Println(\"predict\", r.URL.RawQuery)\n\treplay = append(replay, bytes.Repeat([]byte(\"x\"), 4<<20))\n")
	source, _ = edited(t, source, "var weights", "// replay keeps every request.\nvar replay [][]byte\n\nvar weights")
	source, _ = edited(t, source, "import (\n", "import (\n\t\"bytes\"\n")
	guilty := b.push("Keep requests for replay", source, files{"README.md": "Scores.\n"})
	stop := b.ask()
	defer stop()
	oom := b.incident(platform.SignalOOM, explained)
	loop := b.incident(platform.SignalCrashLoop, explained)
	stop()
	out := b.shown(oom)
	b.shown(loop)
	for _, in := range []platform.IncidentDetail{oom, loop} {
		d := in.Diagnosis
		require.Equal(t, platform.CategoryOOMKilled, d.Category, d.Summary)
		top := d.Causes[0]
		kinds := map[platform.EvidenceKind]bool{}
		for _, c := range top.Claims {
			kinds[evidenceKind(t, in, c.Evidence[0])] = true
		}
		require.True(t, kinds[platform.EvidenceInstance], "the engine's own word")
		require.GreaterOrEqual(t, len(top.Claims), 2, "two signs at least")
		require.NotNil(t, top.Change)
		require.Equal(t, guilty, top.Change.ID)
		require.Equal(t, platform.ActionRollback, d.Suggestions[0].Action.Kind, "the cure comes first")
		require.Equal(t, platform.ActionScale, d.Suggestions[1].Action.Kind)
		require.GreaterOrEqual(t, d.Suggestions[1].Action.MemoryBytes, int64(96<<20))
		require.Contains(t, d.Summary, "48 MiB")
	}
	require.Contains(t, out, platform.ShortSHA(guilty))
	require.Contains(t, out, "fairlead approve")
}

func evidenceKind(t *testing.T, in platform.IncidentDetail, id platform.EvidenceID) platform.EvidenceKind {
	t.Helper()
	for _, e := range in.Evidence {
		if e.ID == id {
			return e.Kind
		}
	}
	require.Failf(t, "unknown evidence", "%s", id)
	return ""
}

func TestDiagnosis_ServiceThatPanicsInALoopIsTiedToTheCommitAndTheLine(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "128Mi")
	source, line := edited(t, faulty(t), "\tscores <- sum\n", "\tscores <- sum / weights[len(weights)]\n")
	guilty := b.push("Divide by the last weight", source, files{"README.md": "Scores.\n"})
	stop := b.ask()
	defer stop()
	in := b.incident(platform.SignalCrashLoop, explained)
	stop()
	out := b.shown(in)
	d := in.Diagnosis
	require.Equal(t, platform.CategoryCodeError, d.Category, d.Summary)
	top := d.Causes[0]
	require.Equal(t, guilty, top.Change.ID, "the newer commit is innocent")
	require.Equal(t, "main.go", top.Location.File)
	require.Equal(t, line, top.Location.Line)
	require.Contains(t, top.Location.Hunk, "weights[len(weights)]")
	require.Contains(t, d.Summary, "index out of range [3] with length 3")
	require.Equal(t, platform.ActionRollback, d.Suggestions[0].Action.Kind)
	require.Equal(t, 1, d.Suggestions[0].Action.ToRelease)
	require.Contains(t, out, platform.ShortSHA(guilty))
	require.Contains(t, out, "Ada")
}

func TestDiagnosis_ServiceThatDiesOnANewSettingIsTiedToTheSettingAndNotToCode(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "128Mi")
	changed, err := b.rig.client.SetEnv(t.Context(), platform.SetEnvRequest{SlotRef: b.ref(), Set: []platform.Variable{{Key: "BATCH_SIZE", Value: "plenty-of-it"}}})
	require.NoError(t, err)
	require.NotNil(t, changed.Deploy)
	require.Equal(t, platform.PhaseLive, b.rig.settled(t, b.name, "api").Phase)
	stop := b.ask()
	defer stop()
	in := b.incident(platform.SignalCrashLoop, explained)
	stop()
	out := b.shown(in)
	d := in.Diagnosis
	require.Equal(t, platform.CategoryBadConfig, d.Category, d.Summary)
	top := d.Causes[0]
	require.Equal(t, "BATCH_SIZE", top.Variable)
	require.Equal(t, platform.ChangeConfig, top.Change.Kind)
	require.Contains(t, out, "BATCH_SIZE is not a number")
	require.Equal(t, platform.ActionRollback, d.Suggestions[0].Action.Kind)
	require.Equal(t, 1, d.Suggestions[0].Action.ToRelease)
}

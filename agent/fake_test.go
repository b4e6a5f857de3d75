package agent_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// onset is the zero of every story.
var onset = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world answers every read from memory, as the platform would.
type world struct {
	deploys   map[platform.DeployID]platform.Deploy
	releases  []platform.Release
	healthy   []int
	configs   map[int64]platform.Config
	instances []platform.Instance
	probes    map[platform.InstanceID][]platform.Probe
	slots     []platform.SlotDetail
	commits   []platform.Commit // oldest first
	diffs     map[string]string // by SHA
	events    []platform.Event
	lines     []observability.Line
	series    map[string][]observability.Series // by metric
	past      []evidence.Explained
	broken    map[string]bool // reads that fail
	incident  platform.Incident
}

const slotID = platform.SlotID("slot_api")

// spec is what the example service runs with.
func spec() platform.ServiceSpec {
	return platform.ServiceSpec{
		Name: "api", Kind: platform.KindWeb, Port: 8080, Replicas: 1,
		Build:     &platform.BuildSpec{Context: "api", Dockerfile: "api/Dockerfile"},
		Health:    platform.HealthCheck{Kind: platform.HealthHTTP, Path: "/healthz", Grace: platform.DefaultHealthGrace, Failures: 3},
		Resources: platform.Resources{MemoryBytes: 256 << 20},
		Env:       map[string]string{"MODEL_DIR": "/models"},
	}
}

// newWorld has release v3 live and healthy at commit base, and two commits after it: an innocent one that is older and
// one that a test gives a diff.
func newWorld(signal platform.Signal) *world {
	w := &world{
		deploys: map[platform.DeployID]platform.Deploy{}, configs: map[int64]platform.Config{0: {}, 1: {Version: 1}},
		probes: map[platform.InstanceID][]platform.Probe{}, diffs: map[string]string{},
		series: map[string][]observability.Series{}, broken: map[string]bool{}, healthy: []int{3},
	}
	w.releases = []platform.Release{{ID: "rel_3", SlotID: slotID, Service: "api", Number: 3, ImageID: "sha256:old", Commit: sha("base"), ConfigVersion: 1, Spec: spec(), DeployID: "dep_3"}}
	w.incident = platform.Incident{
		ID: "inc_1", ProjectID: "prj_shop", SlotID: slotID, Project: "shop", Environment: "production", Service: "api", Signal: signal,
		State: platform.IncidentOpen, DeployID: "dep_4", OnsetAt: onset, OpenedAt: onset.Add(10 * time.Second),
	}
	return w
}

func sha(name string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := range 40 {
		b.WriteByte(hex[(int(name[i%len(name)])+i*7)%16])
	}
	return b.String()
}

// push adds a commit on top of the last one.
func (w *world) push(name, author, message, diff string) string {
	parent := sha("base")
	if n := len(w.commits); n > 0 {
		parent = w.commits[n-1].SHA
	}
	w.commits = append(w.commits, platform.Commit{SHA: sha(name), Parent: parent, Branch: "main", Author: author, Message: message, At: onset.Add(time.Duration(len(w.commits)-20) * time.Minute)})
	w.diffs[sha(name)] = diff
	return sha(name)
}

func (w *world) head() string { return w.commits[len(w.commits)-1].SHA }

// release makes v4 from the newest commit.
func (w *world) release(change func(*platform.Release)) {
	r := platform.Release{ID: "rel_4", SlotID: slotID, Service: "api", Number: 4, ImageID: "sha256:new", ConfigVersion: 1, Spec: spec(), DeployID: "dep_4"}
	if len(w.commits) > 0 {
		r.Commit = w.head()
	}
	if change != nil {
		change(&r)
	}
	w.releases = append(w.releases, r)
	w.incident.ReleaseID, w.incident.ReleaseNumber = "rel_4", 4
}

// deploy makes the deploy of the newest commit, in the given phase.
func (w *world) deploy(phase platform.Phase, failure *platform.DeployFailure) {
	d := platform.Deploy{
		ID: "dep_4", SlotID: slotID, Project: "shop", Environment: "production", Service: "api", Trigger: platform.TriggerPush, Phase: phase,
		Spec: spec(), ConfigVersion: 1, Failure: failure, PreviousRelease: "rel_3", CreatedAt: onset.Add(-time.Minute),
	}
	if len(w.commits) > 0 {
		d.Commit, d.Message, d.Author = w.head(), w.commits[len(w.commits)-1].Subject(), w.commits[len(w.commits)-1].Author
	}
	if w.incident.ReleaseID != "" {
		d.ReleaseID, d.ReleaseNumber = "rel_4", 4
		d.Spec = w.releases[len(w.releases)-1].Spec
	}
	w.deploys[d.ID] = d
}

func ptr[T any](v T) *T { return &v }

// dead adds an instance of v4 that ended by itself.
func (w *world) dead(id string, code int, change func(*platform.Instance)) {
	in := platform.Instance{
		ID: platform.InstanceID(id), SlotID: slotID, ReleaseID: "rel_4", ReleaseNumber: 4, DeployID: "dep_4", Project: "shop", Environment: "production",
		Service: "api", State: platform.InstanceDead, ExitCode: ptr(code), StartedAt: onset.Add(-2 * time.Second), EndedAt: ptr(onset),
	}
	if change != nil {
		change(&in)
	}
	w.instances = append(w.instances, in)
}

// ready adds an instance of v4 that runs well.
func (w *world) ready(id string) {
	w.instances = append(w.instances, platform.Instance{
		ID: platform.InstanceID(id), SlotID: slotID, ReleaseID: "rel_4", ReleaseNumber: 4, DeployID: "dep_4", Service: "api",
		State: platform.InstanceReady, StartedAt: onset.Add(-time.Minute), ReadyAt: ptr(onset.Add(-50 * time.Second)),
	})
}

// say adds a line of a release; the text may be a trace of several lines.
func (w *world) say(release int, instance string, after time.Duration, level observability.Level, text string) {
	w.lines = append(w.lines, observability.Line{
		At: onset.Add(after), Project: "shop", Environment: "production", Service: "api", Release: release, Instance: instance,
		Source: observability.SourceRuntime, Level: level, Message: text, Seq: uint64(len(w.lines)),
	})
}

// build adds the lines of the failed build.
func (w *world) build(text string) {
	for i, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		w.lines = append(w.lines, observability.Line{
			At: onset.Add(time.Duration(i-100) * time.Millisecond), Project: "shop", Deploy: "dep_4", Service: "api", Source: observability.SourceBuild, Message: line, Seq: uint64(i),
		})
	}
}

// requests gives a release a counter that rises from 0 at from to n at to.
func (w *world) requests(release int, class string, from, to time.Duration, n float64) {
	s := observability.Series{Labels: map[string]string{"release": fmt.Sprint(release), "class": class, "service": "api"}}
	const steps = 60
	for i := range steps + 1 {
		s.Points = append(s.Points, observability.Point{At: onset.Add(from + (to-from)*time.Duration(i)/steps), Value: n * float64(i) / steps})
	}
	w.series[observability.MetricRequests] = append(w.series[observability.MetricRequests], s)
}

func (w *world) fails(read string) error {
	if w.broken[read] {
		return platform.Errorf(platform.CodeUnavailable, "The store at 10.0.0.7 does not answer.")
	}
	return nil
}

func notFound(what string) error {
	return platform.Errorf(platform.CodeNotFound, "There is no %s.", what)
}

func (w *world) Deploy(_ context.Context, id platform.DeployID) (platform.Deploy, error) {
	if d, ok := w.deploys[id]; ok {
		return d, w.fails("deploy")
	}
	return platform.Deploy{}, notFound("deploy")
}

func (w *world) Release(_ context.Context, id platform.ReleaseID) (platform.Release, error) {
	for _, r := range w.releases {
		if r.ID == id {
			return r, w.fails("release")
		}
	}
	return platform.Release{}, notFound("release")
}

func (w *world) PreviousHealthyRelease(_ context.Context, _ platform.SlotID, before int) (platform.Release, error) {
	for i := len(w.releases) - 1; i >= 0; i-- {
		if r := w.releases[i]; slices.Contains(w.healthy, r.Number) && (before == 0 || r.Number < before) {
			return r, w.fails("previous")
		}
	}
	return platform.Release{}, notFound("healthy release")
}

func (w *world) Config(_ context.Context, _ platform.SlotID, version int64) (platform.Config, error) {
	return w.configs[version], w.fails("config")
}

func (w *world) Instances(context.Context, platform.SlotID, time.Time) ([]platform.Instance, error) {
	return w.instances, w.fails("instances")
}

func (w *world) Probes(_ context.Context, id platform.InstanceID) ([]platform.Probe, error) {
	return w.probes[id], w.fails("probes")
}

func (w *world) Slots(context.Context, string, string) ([]platform.SlotDetail, error) {
	return w.slots, w.fails("slots")
}

func (w *world) Commits(_ context.Context, _, after, upto string) ([]platform.Commit, error) {
	var out []platform.Commit
	for _, c := range w.commits {
		if c.SHA == after {
			out = nil
			continue
		}
		out = append(out, c)
		if c.SHA == upto {
			break
		}
	}
	return out, w.fails("commits")
}

func (w *world) Diff(_ context.Context, _, _, to string) (string, error) {
	return w.diffs[to], w.fails("diff")
}

func (w *world) Events(_ context.Context, f platform.EventFilter) ([]platform.Event, error) {
	var out []platform.Event
	for _, e := range w.events {
		if f.Service == "" || e.Service == "" || e.Service == f.Service {
			out = append(out, e)
		}
	}
	return out, w.fails("events")
}

// logs and metrics are views of the world, since both contracts have a method called Query.
type logs struct{ w *world }

func (l logs) Query(_ context.Context, q observability.LogQuery) (observability.LogPage, error) {
	var out []observability.Line
	for _, line := range l.w.lines {
		if matches(line, q) {
			out = append(out, line)
		}
	}
	slices.SortStableFunc(out, func(a, b observability.Line) int { return a.At.Compare(b.At) })
	if q.Backward {
		slices.Reverse(out)
	}
	page := observability.LogPage{Lines: out}
	if q.Limit > 0 && len(out) > q.Limit {
		page.Lines, page.Next = out[:q.Limit], "more"
	}
	if l.w.broken["log store"] { // what the spool says while the store behind it is away
		return page, &observability.IncompleteError{Err: platform.Errorf(platform.CodeUnavailable, "These are only the lines that wait.")}
	}
	return page, l.w.fails("logs")
}

func matches(l observability.Line, q observability.LogQuery) bool {
	return (q.Service == "" || q.Service == l.Service) && (q.Release == 0 || q.Release == l.Release) && (q.Deploy == "" || q.Deploy == l.Deploy) &&
		(q.Instance == "" || q.Instance == l.Instance) && (q.Source == "" || q.Source == l.Source) &&
		(len(q.Levels) == 0 || slices.Contains(q.Levels, l.Level)) && (q.From.IsZero() || !l.At.Before(q.From)) && (q.To.IsZero() || l.At.Before(q.To))
}

type metrics struct{ w *world }

var metricName = regexp.MustCompile(`^[a-z_]+`)

func (m metrics) Query(_ context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	var out []observability.Series
	for _, s := range m.w.series[metricName.FindString(q.Expr)] {
		kept := observability.Series{Labels: s.Labels}
		for _, p := range s.Points {
			if !p.At.Before(q.From) && !p.At.After(q.To) {
				kept.Points = append(kept.Points, p)
			}
		}
		out = append(out, kept)
	}
	return out, m.w.fails("metrics")
}

func (w *world) Explained(context.Context, string, string, int) ([]evidence.Explained, error) {
	return w.past, w.fails("past")
}

func (w *world) sources() evidence.Sources {
	return evidence.Sources{Releases: w, Runtime: w, Commits: w, Events: w, Logs: logs{w}, Metrics: metrics{w}, Past: w}
}

func clock() time.Time { return onset.Add(time.Minute) }

// investigate runs the agent over the world. Whatever it answers has to hold against its evidence.
func (w *world) investigate(t *testing.T) agent.Result {
	t.Helper()
	res, err := agent.New(agent.Options{Sources: w.sources(), Now: clock}).Investigate(t.Context(), w.incident)
	if err != nil {
		t.Fatalf("investigate: %v", err)
	}
	for _, gap := range res.Diagnosis.Gaps {
		if strings.Contains(gap, "withdrawn") {
			t.Fatalf("the diagnosis did not pass its own check: %s", gap)
		}
	}
	return res
}

package worker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// workshop checks out nothing and builds what it is told to.
type workshop struct {
	mu       sync.Mutex
	requests []BuildRequest
	fail     error
	block    bool // until the context ends
	canceled chan struct{}
}

func (s *workshop) Checkout(context.Context, string, string) (string, func(), error) {
	return "tree", func() {}, nil
}

func (s *workshop) Build(ctx context.Context, req BuildRequest) (string, error) {
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	req.Output("stdout", "step 1: uses hunter22 here")
	if s.block {
		<-ctx.Done()
		close(s.canceled)
		return "", ctx.Err()
	}
	return runtimetest.ImageID("one"), s.fail
}

type lines struct {
	mu  sync.Mutex
	all []observability.Line
}

func (l *lines) Append(_ context.Context, more []observability.Line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, more...)
	return nil
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.all {
		b.WriteString(line.Message + "\n")
	}
	return b.String()
}

// pushed makes a project whose service is built, and records a push.
func (r *rig) pushed() platform.Deploy {
	r.t.Helper()
	text := "project: shop\nservices:\n  - name: api\n    type: web\n    context: .\n    port: 8000\n    healthCheck: {path: /healthz}\n    buildSecrets: [TOKEN]\n"
	_, err := r.plane.CreateProject(r.t.Context(), ada, platform.CreateProjectRequest{Blueprint: text})
	require.NoError(r.t, err)
	_, err = r.plane.SetEnv(r.t.Context(), ada, platform.SetEnvRequest{SlotRef: ref, Set: []platform.Variable{{Key: "TOKEN", Value: "hunter22", Secret: true}}})
	require.NoError(r.t, err)
	sha := strings.Repeat("ab", 20)
	result, err := r.plane.RecordPush(r.t.Context(), ada, platform.Push{
		Project: "shop", Branch: "main", New: sha, Blueprint: text, Trees: map[string]string{".": "t1"},
		Commits: []platform.Commit{{SHA: sha, Branch: "main", Author: "Ada <ada@example.com>", Message: "first", Files: []string{"main.py"}, At: time.Now()}},
	})
	require.NoError(r.t, err)
	require.Len(r.t, result.Deploys, 1)
	return result.Deploys[0]
}

func TestBuild_StreamsItsLogWithoutSecretsAndGoesLive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	shop, log := &workshop{}, &lines{}
	r.options.Source, r.options.Builder, r.options.Logs = shop, shop, log
	d := r.pushed()
	r.start()
	live := r.reaches(d.ID, platform.PhaseLive)
	require.Equal(t, "fairlead/shop/api:"+string(d.ID), live.Image)
	require.Equal(t, map[string]string{"TOKEN": "hunter22"}, shop.requests[0].Secrets)
	require.Contains(t, log.text(), "step 1: uses [redacted:TOKEN] here")
	require.NotContains(t, log.text(), "hunter22")
}

func TestBuild_FailureEndsTheDeployWithTheBuildersWords(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop := &workshop{fail: platform.Errorf(platform.CodeInvalid, "Dockerfile line 3: unknown instruction RNU hunter22.").WithHint("Write RUN.")}
	r.options.Source, r.options.Builder, r.options.Logs = shop, shop, &lines{}
	d := r.pushed()
	r.start()
	failed := r.reaches(d.ID, platform.PhaseFailed)
	require.Equal(t, platform.FailureBuild, failed.Failure.Reason)
	require.Equal(t, "Dockerfile line 3: unknown instruction RNU [redacted:TOKEN].", failed.Failure.Message)
	require.Equal(t, "Write RUN.", failed.Failure.Hint)
	require.Equal(t, platform.PhaseBuilding, failed.Failure.Phase)
}

func TestBuild_IsCanceledWithItsDeploy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop := &workshop{block: true, canceled: make(chan struct{})}
	r.options.Source, r.options.Builder, r.options.Logs = shop, shop, &lines{}
	d := r.pushed()
	r.start()
	require.Eventually(t, func() bool { shop.mu.Lock(); defer shop.mu.Unlock(); return len(shop.requests) == 1 }, patience, 5*time.Millisecond)
	_, err := r.plane.CancelDeploy(t.Context(), ada, d.ID)
	require.NoError(t, err)
	r.reaches(d.ID, platform.PhaseCanceled)
	select {
	case <-shop.canceled:
	case <-time.After(patience):
		require.Fail(t, "the build runs on")
	}
}

func TestBuild_OutageOfWhatItNeedsIsNotAFailure(t *testing.T) {
	t.Parallel()
	b := newBuilds(Options{})
	out := newBuildLog(nil, control.Work{})
	x := b.outcome(t.Context(), out, platform.Errorf(platform.CodeUnavailable, "The engine does not answer."))
	require.Nil(t, x.failed)
	require.Error(t, x.err)
	x = b.outcome(t.Context(), out, errors.New("exit 1"))
	require.Equal(t, platform.FailureBuild, x.failed.Reason)
}

func TestBuild_LostInACrashIsMadeAgainUnderTheSameTag(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	shop := &workshop{}
	r.options.Source, r.options.Builder, r.options.Logs = shop, shop, &lines{}
	d := r.pushed()
	r.startCrashing("building/build")
	r.start()
	r.reaches(d.ID, platform.PhaseLive)
	require.Len(t, shop.requests, 2)
	require.Equal(t, shop.requests[0].Tag, shop.requests[1].Tag)
	list, err := r.plane.ListReleases(t.Context(), ada, ref, platform.Page{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "one release")
}

func TestBuild_ConfigurationChangeRunsTheSameImage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	shop := &workshop{}
	r.options.Source, r.options.Builder, r.options.Logs = shop, shop, &lines{}
	d := r.pushed()
	r.engine.Behave("fairlead/shop/api:"+string(d.ID), runtimetest.Behaviour{})
	r.start()
	r.reaches(d.ID, platform.PhaseLive)
	result, err := r.plane.SetEnv(t.Context(), ada, platform.SetEnvRequest{SlotRef: ref, Set: []platform.Variable{{Key: "LEVEL", Value: "debug"}}})
	require.NoError(t, err)
	require.NotNil(t, result.Deploy)
	require.Eventually(t, func() bool {
		now, err := r.plane.GetDeploy(t.Context(), ada, result.Deploy.ID)
		return err == nil && now.Phase != platform.PhaseQueued && now.Phase != platform.PhaseBuilding
	}, patience, 5*time.Millisecond)
	require.Len(t, shop.requests, 1, "nothing is built again")
}

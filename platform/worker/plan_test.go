package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
)

// answers is a door that answers what a test sets; whatever else is asked panics.
type answers struct {
	plane
	deploy platform.Deploy
	work   control.Work
}

func (a *answers) GetDeploy(context.Context, platform.Actor, platform.DeployID) (platform.Deploy, error) {
	return a.deploy, nil
}

func (a *answers) SlotWork(context.Context, platform.SlotID) (control.Work, error) {
	return a.work, nil
}

// gauge answers the share of failed requests: the first question is for the failed, the second for all.
type gauge struct {
	failed, total float64
	asked         []string
}

func (g *gauge) Query(_ context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	g.asked = append(g.asked, q.Expr)
	value := g.total
	if len(g.asked)%2 == 1 {
		value = g.failed
	}
	return []observability.Series{{Points: []observability.Point{{At: q.To, Value: value}}}}, nil
}

func verifying(t *testing.T) (*Worker, *answers, *gauge, platform.Plan, time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	executed, finished := now.Add(-40*time.Second), now.Add(-35*time.Second)
	a := &answers{
		deploy: platform.Deploy{ID: "dep_1", Phase: platform.PhaseLive, FinishedAt: &finished},
		work: control.Work{
			Slot:      platform.Slot{LiveRelease: 3, LiveReleaseID: "rel_3", Replicas: 1},
			Instances: []platform.Instance{{ReleaseID: "rel_3", State: platform.InstanceReady}},
		},
	}
	g := &gauge{total: 200}
	p := platform.Plan{
		ID: "plan_1", Project: "shop", Environment: "production", Service: "api", State: platform.PlanExecuting, DeployID: "dep_1", ExecutedAt: &executed,
		Body: platform.PlanBody{Expectation: platform.Expectation{
			Summary: "v3 serves without errors.", LiveRelease: 3, MaxErrorRate: 0.01, Healthy: true,
			Window: platform.Duration(30 * time.Second), Within: platform.Duration(2 * time.Minute),
		}},
	}
	return New(Options{Plane: a, Metrics: g}), a, g, p, now
}

func TestPlan_IsVerifiedOnceItsExpectationHeldForTheWindow(t *testing.T) {
	t.Parallel()
	w, _, g, p, now := verifying(t)
	v, err := w.verify(t.Context(), p, now)
	require.NoError(t, err)
	require.True(t, v.held)
	require.Contains(t, v.words, "v3 serves without errors")
	require.Contains(t, g.asked[0], `class=~"5xx|none"`)
	require.Contains(t, g.asked[0], `release="3"`)

	v, err = w.verify(t.Context(), p, now.Add(-10*time.Second))
	require.NoError(t, err)
	require.True(t, v.pending, "only 25 s of 30 s have passed")
}

func TestPlan_ErrorsBeyondTheDeadlineFailIt(t *testing.T) {
	t.Parallel()
	w, _, g, p, now := verifying(t)
	g.failed = 20
	v, err := w.verify(t.Context(), p, now)
	require.NoError(t, err)
	require.True(t, v.pending, "it may still get better")
	v, err = w.verify(t.Context(), p, now.Add(2*time.Minute))
	require.NoError(t, err)
	require.False(t, v.held || v.pending)
	require.Contains(t, v.words, "10.0% of requests failed")
}

func TestPlan_FailedDeployFailsItAtOnce(t *testing.T) {
	t.Parallel()
	w, a, _, p, now := verifying(t)
	a.deploy.Phase, a.deploy.Failure = platform.PhaseFailed, &platform.DeployFailure{Message: "It never got well."}
	v, err := w.verify(t.Context(), p, now)
	require.NoError(t, err)
	require.False(t, v.held || v.pending)
	require.Contains(t, v.words, "It never got well.")
}

func TestPlan_WaitsForReleaseAndInstances(t *testing.T) {
	t.Parallel()
	w, a, _, p, now := verifying(t)
	a.work.Instances[0].State = platform.InstanceUnhealthy
	v, err := w.verify(t.Context(), p, now)
	require.NoError(t, err)
	require.True(t, v.pending)
	a.work.Slot.LiveRelease = 4
	v, err = w.verify(t.Context(), p, now.Add(2*time.Minute))
	require.NoError(t, err)
	require.Contains(t, v.words, "release 4 is live, not 3")
}

// TestPlan_RollbackByAnAgentIsExecutedOnceAfterAHumansYes goes through the queue: propose, approve, execute.
func TestPlan_RollbackByAnAgentIsExecutedOnceAfterAHumansYes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "two"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.reaches(r.deploy("two").ID, platform.PhaseLive)
	agent := platform.Actor{Kind: platform.ActorAgent, Name: "fixer", Role: platform.RoleOperator, Channel: "mcp"}
	p, err := r.plane.Propose(t.Context(), agent, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api", ToRelease: 1}, Reason: "it errs",
	})
	require.NoError(t, err)
	require.Equal(t, platform.PlanPending, p.State)
	_, err = r.plane.Decide(t.Context(), ada, p.ID, platform.DecideRequest{Approve: true, Hash: p.Hash})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now, err := r.plane.GetPlan(t.Context(), ada, p.ID)
		return err == nil && now.State == platform.PlanExecuting && now.DeployID != "" && r.slot().LiveRelease == 1
	}, patience, 20*time.Millisecond)
	r.settles(1, 1)
	require.Eventually(t, func() bool {
		now, err := r.plane.GetPlan(t.Context(), ada, p.ID)
		return err == nil && now.State == platform.PlanVerified
	}, 2*patience, 100*time.Millisecond, "it is verified once it has held for the window")
	list, err := r.plane.ListDeploys(t.Context(), ada, platform.DeployFilter{SlotRef: ref})
	require.NoError(t, err)
	require.Len(t, list.Items, 3)
}

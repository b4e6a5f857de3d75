package control

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func yes() platform.DecideRequest { return platform.DecideRequest{Approve: true} }

// twoReleases is a shop whose api has v1 behind it and v2 live.
func twoReleases(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := shop(t, change...)
	b.pushLive(1)
	b.pushLive(2)
	return b
}

func TestPlan_AgentProposesHumanApprovesRollbackRunsOnceAndResolves(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	incident, err := b.Report(ctx, platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalErrorRate, ReleaseID: b.slot().LiveReleaseID, Title: "half of the answers are errors"})
	require.NoError(t, err)
	plan, err := b.Propose(ctx, fixer, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api"}, IncidentID: incident.ID, Reason: "v2 errs",
	})
	require.NoError(t, err)
	require.Equal(t, platform.PlanPending, plan.State)
	require.Equal(t, 1, plan.Body.Action.ToRelease)
	require.Equal(t, platform.RiskR1, plan.Body.Risk)
	require.Equal(t, 1, plan.Body.Approvals)

	_, err = b.Decide(ctx, fixer, plan.ID, yes())
	code(t, platform.CodeDenied, err, "is an agent")
	plan, err = b.Decide(ctx, bob, plan.ID, platform.DecideRequest{Approve: true, Hash: plan.Hash, Comment: "go"})
	require.NoError(t, err)
	require.Equal(t, platform.PlanApproved, plan.State)
	_, err = b.Decide(ctx, ada, plan.ID, yes())
	code(t, platform.CodeConflict, err, "already approved by bob at")

	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanExecuting, plan.State)
	again, err := b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, plan.DeployID, again.DeployID)
	d, err := b.GetDeploy(ctx, ada, plan.DeployID)
	require.NoError(t, err)
	require.Equal(t, 1, d.ReleaseNumber)
	require.Equal(t, plan.ID, d.PlanID)
	b.live(d)
	plan, err = b.FinishPlan(ctx, plan.ID, true, "The error rate is 0 %.")
	require.NoError(t, err)
	require.Equal(t, platform.PlanVerified, plan.State)
	detail, err := b.GetIncident(ctx, ada, incident.ID)
	require.NoError(t, err)
	require.Equal(t, platform.IncidentResolved, detail.State)
	require.Contains(t, detail.Resolution, "Roll api back from v2 to v1")
	require.Equal(t, 1, b.slot().LiveRelease)
	report, err := b.VerifyEvents(ctx, ada)
	require.NoError(t, err)
	require.True(t, report.OK)
}

func TestDecide_EachRefusalIsAClearErrorAndAnEvent(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	own := b.propose(bob, platform.Action{Kind: platform.ActionRestart})
	env := b.propose(fixer, platform.Action{Kind: platform.ActionSetEnv, EnvKey: "KEY"})
	stranger := person("eve", platform.RoleOperator)
	stranger.Projects = []string{"other"}
	for name, c := range map[string]struct {
		actor platform.Actor
		plan  platform.PlanID
		req   platform.DecideRequest
		code  platform.ErrorCode
		words string
		quiet bool
	}{
		"viewer":        {vic, plan.ID, yes(), platform.CodeDenied, "has the role viewer", false},
		"automation":    {ci, plan.ID, yes(), platform.CodeDenied, "is automation", false},
		"agent":         {fixer, plan.ID, yes(), platform.CodeDenied, "is an agent", false},
		"system":        {worker, plan.ID, yes(), platform.CodeDenied, "Only people", false},
		"own plan":      {bob, own.ID, yes(), platform.CodeDenied, "asked for this plan", false},
		"out of scope":  {stranger, plan.ID, yes(), platform.CodeNotFound, "no plan", true},
		"unknown":       {ada, "plan_nope", yes(), platform.CodeNotFound, "no plan", true},
		"hash":          {ada, plan.ID, platform.DecideRequest{Approve: true, Hash: "beef"}, platform.CodeConflict, "hash beef", false},
		"missing value": {ada, env.ID, yes(), platform.CodeInvalid, "needs the value of KEY", false},
		"other value":   {ada, plan.ID, platform.DecideRequest{Approve: true, EnvValue: "x"}, platform.CodeInvalid, "does not ask for a value", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(b.kinds())
			_, err := b.Decide(ctx, c.actor, c.plan, c.req)
			code(t, c.code, err, c.words)
			kinds := b.kinds()[before:]
			if c.quiet {
				require.Empty(t, kinds)
				return
			}
			require.Equal(t, []platform.EventKind{platform.EventPlanRefused}, kinds)
		})
	}
}

func TestDecide_ExpiredPlanIsRefused(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	b.clock.Advance(DefaultPlanTTL)
	_, err := b.Decide(t.Context(), ada, plan.ID, yes())
	code(t, platform.CodeConflict, err, "expired at")
	plan, err = b.GetPlan(t.Context(), ada, plan.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PlanExpired, plan.State)
	_, err = b.Decide(t.Context(), ada, plan.ID, yes())
	code(t, platform.CodeConflict, err, "expired at")
	other := b.propose(fixer, platform.Action{Kind: platform.ActionRestart})
	n, err := b.ExpirePlans(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	b.clock.Advance(DefaultPlanTTL)
	n, err = b.ExpirePlans(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	other, err = b.GetPlan(t.Context(), ada, other.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PlanExpired, other.State)
}

func TestDecide_TwoAtOnceYieldOneApproval(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = b.Decide(t.Context(), []platform.Actor{ada, bob}[i%2], plan.ID, yes())
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		code(t, platform.CodeConflict, err)
	}
	require.Equal(t, 1, won)
	plan, err := b.GetPlan(t.Context(), ada, plan.ID)
	require.NoError(t, err)
	require.Len(t, plan.Approvals, 1)
}

func TestExecutePlan_StaleAfterAnotherDeployWentLive(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	plan, err := b.Decide(t.Context(), ada, plan.ID, yes())
	require.NoError(t, err)
	b.pushLive(3)
	plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "api v3 went live at")
	require.Empty(t, plan.DeployID)
	require.Equal(t, 3, b.slot().LiveRelease)
	plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanStale, plan.State)
}

func TestExecutePlan_StaleWhileAnotherDeployMovesTraffic(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	plan, err := b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	d := b.push(3).Deploys[0]
	require.Equal(t, "api", d.Service)
	for _, phase := range []platform.Phase{platform.PhaseBuilding, platform.PhaseStarting, platform.PhaseChecking, platform.PhaseShifting, platform.PhaseDraining} {
		d, err = b.AdvanceDeploy(ctx, d.ID, d.Phase, DeployUpdate{Phase: phase, Image: "x", ImageID: "sha256:x"})
		require.NoError(t, err)
	}
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Equal(t, "api v3 is going live: it has taken over the traffic from v2.", plan.Outcome)
	require.Empty(t, plan.DeployID)
}

// TestExecutePlan_ChangeThatIsRefusedFailsThePlanAndLeavesNothingBehind lets the service get a disk that one instance
// may write, after three were approved.
func TestExecutePlan_ChangeThatIsRefusedFailsThePlanAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 3})
	plan, err := b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	b.push(3, func(p *platform.Push) {
		p.Blueprint = strings.Replace(shopBlueprint, "port: 8080\n", "port: 8080\n    autoDeploy: false\n    disk: {name: data, mountPath: /data}\n", 1)
	})
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanFailed, plan.State)
	require.Contains(t, plan.Outcome, "which one instance at a time may write")
	require.Equal(t, 1, b.slot().Replicas)
	again, err := b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanFailed, again.State, "it is not tried for ever")
}

func TestExecutePlan_NeedsTheApprovedHash(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	_, err := b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	code(t, platform.CodeApprovalRequired, err)
	_, err = b.Decide(t.Context(), ada, plan.ID, yes())
	require.NoError(t, err)
	_, err = b.ExecutePlan(t.Context(), plan.ID, "other", nil)
	code(t, platform.CodeConflict, err)
}

func TestExecutePlan_BelievesTheApprovalsAndNotTheState(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	pool := b.store.Pool()
	_, err := pool.Exec(t.Context(), `UPDATE plans SET doc = doc || '{"state":"approved"}' WHERE id = $1`, plan.ID)
	require.NoError(t, err)
	_, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	code(t, platform.CodeApprovalRequired, err)
	_, err = pool.Exec(t.Context(), `UPDATE plans SET doc = jsonb_set(doc, '{body,action,to_release}', '99') WHERE id = $1`, plan.ID)
	require.ErrorContains(t, err, "the body of a plan is never changed")
	_, err = pool.Exec(t.Context(), `UPDATE plans SET doc = doc || '{"hash":"x"}' WHERE id = $1`, plan.ID)
	require.ErrorContains(t, err, "the body of a plan is never changed")
}

func TestPropose_TheSameAgainReturnsTheWaitingPlan(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	one := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	two := b.propose(bob, platform.Action{Kind: platform.ActionRollback, ToRelease: 1})
	require.Equal(t, one.ID, two.ID)
	b.pushLive(3)
	three := b.propose(fixer, platform.Action{Kind: platform.ActionRollback, ToRelease: 1})
	require.NotEqual(t, one.ID, three.ID, "the world moved, so the old plan would only be stale")
}

func TestPropose_DryRunRecordsNothing(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	before := b.kinds()
	plan, err := b.Propose(t.Context(), fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/api"}, DryRun: true})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Body.Before)
	require.Equal(t, before, b.kinds())
	_, err = b.GetPlan(t.Context(), ada, plan.ID)
	code(t, platform.CodeNotFound, err)
}

func TestPropose_ArgumentsThatDoNotFitAreNamed(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	for name, a := range map[string]platform.Action{
		"kind":         {Kind: "explode"},
		"slot":         {Kind: platform.ActionRestart, Slot: "api"},
		"replicas":     {Kind: platform.ActionScale, Replicas: 1000},
		"nothing":      {Kind: platform.ActionScale},
		"foreign":      {Kind: platform.ActionRestart, Replicas: 2},
		"key":          {Kind: platform.ActionSetEnv, EnvKey: "1X"},
		"short commit": {Kind: platform.ActionRevertCommit, Commit: "abc"},
		"live already": {Kind: platform.ActionRollback, ToRelease: 2},
		"no release":   {Kind: platform.ActionRollback, ToRelease: 9},
	} {
		t.Run(name, func(t *testing.T) {
			if a.Slot == "" {
				a.Slot = "shop/production/api"
			}
			_, err := b.Propose(t.Context(), fixer, platform.ProposeRequest{Action: a})
			require.Error(t, err)
			var e *platform.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Field)
			require.NotEqual(t, platform.CodeInternal, e.Code)
		})
	}
}

func TestPlan_HashHoldsAfterARoundTripWithHostileText(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan, err := b.Propose(t.Context(), fixer, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/production/api"}, Reason: "bad \xff\x00 <b>&</b> \u2028 Bearer abcdefghijklmnop",
	})
	require.NoError(t, err)
	kept, err := b.GetPlan(t.Context(), ada, plan.ID)
	require.NoError(t, err)
	require.Equal(t, plan.Hash, kept.Body.Hash())
	require.NotContains(t, kept.Body.Reason, "abcdefghijklmnop")
}

func TestSetEnvPlan_ApproverGivesTheValueAndTheFailedDeployIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	failed := b.push(3).Deploys[0]
	failed = b.fail(failed, platform.FailureExited)
	incidents, err := b.ListIncidents(ctx, ada, platform.IncidentFilter{State: platform.IncidentOpen})
	require.NoError(t, err)
	require.Len(t, incidents.Items, 1)
	plan, err := b.Propose(ctx, fixer, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionSetEnv, Slot: "shop/production/api", EnvKey: "API_KEY"}, IncidentID: incidents.Items[0].ID,
	})
	require.NoError(t, err)
	plan, err = b.Decide(ctx, bob, plan.ID, platform.DecideRequest{Approve: true, EnvValue: "s3cret-value"})
	require.NoError(t, err)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	d, err := b.GetDeploy(ctx, ada, plan.DeployID)
	require.NoError(t, err)
	require.Equal(t, failed.Commit, d.Commit)
	require.Equal(t, platform.TriggerConfig, d.Trigger)
	work, err := b.DeployWork(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, "s3cret-value", work.Secrets["API_KEY"])
	b.live(d)
	incidents, err = b.ListIncidents(ctx, ada, platform.IncidentFilter{State: platform.IncidentOpen})
	require.NoError(t, err)
	require.Empty(t, incidents.Items)
	requireNowhere(t, b, "s3cret-value")
}

func TestRevertPlan_CallsGitOnceAndFollowsTheDeploy(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRevertCommit, Commit: sha(2)})
	require.Equal(t, sha(2), plan.Body.Preconditions.BranchHead)
	plan, err := b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	calls := 0
	broken := errors.New("git is away") // before the push: the next try makes it
	_, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, func(context.Context, string, string, string) error { calls++; return broken })
	require.ErrorIs(t, err, broken)
	revert := func(_ context.Context, project, commit, head string) error {
		calls++
		require.Equal(t, []string{"shop", sha(2), sha(2)}, []string{project, commit, head})
		b.push(3, func(p *platform.Push) { p.Commits[0].Message = "Revert\n\nThis reverts commit " + sha(2) + "." })
		return nil
	}
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, revert)
	require.NoError(t, err)
	require.NotEmpty(t, plan.DeployID)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, revert)
	require.NoError(t, err)
	require.Equal(t, 2, calls)
	require.Equal(t, platform.PlanExecuting, plan.State)
}

func TestRevertPlan_CrashAfterThePushIsNotRevertedTwice(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRevertCommit, Commit: sha(2)})
	plan, err := b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	crash := errors.New("crash")
	_, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, func(context.Context, string, string, string) error {
		b.push(3, func(p *platform.Push) { p.Commits[0].Message = "Revert\n\nThis reverts commit " + sha(2) + "." })
		return crash
	})
	require.ErrorIs(t, err, crash)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, func(context.Context, string, string, string) error {
		t.Error("reverted twice")
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, platform.PlanExecuting, plan.State)
	require.NotEmpty(t, plan.DeployID)
}

func TestRevertPlan_ConflictInGitFailsThePlanWithItsWords(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRevertCommit, Commit: sha(2)})
	plan, err := b.Decide(t.Context(), ada, plan.ID, yes())
	require.NoError(t, err)
	plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, func(context.Context, string, string, string) error {
		return platform.Errorf(platform.CodeConflict, "main.py cannot be merged.")
	})
	require.NoError(t, err)
	require.Equal(t, platform.PlanFailed, plan.State)
	require.Contains(t, plan.Outcome, "main.py cannot be merged.")
}

func TestRevertPlan_BranchThatMovedIsStale(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRevertCommit, Commit: sha(2)})
	plan, err := b.Decide(t.Context(), ada, plan.ID, yes())
	require.NoError(t, err)
	b.push(3)
	plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "main moved from")
}

func TestPlan_ScaleWithMemoryMakesAReleaseOfTheSameImage(t *testing.T) {
	t.Parallel()
	b := twoReleases(t, func(o *Options) {
		o.Host = func(context.Context) (Host, error) { return Host{MemoryBytes: 8 << 30, CPUs: 2}, nil }
	})
	ctx := t.Context()
	_, err := b.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionScale, Slot: "shop/api", MemoryBytes: 64 << 30}})
	code(t, platform.CodeInvalid, err, "64 GiB", "8 GiB")
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 3, MemoryBytes: 1 << 30})
	plan, err = b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	d, err := b.GetDeploy(ctx, ada, plan.DeployID)
	require.NoError(t, err)
	require.EqualValues(t, 1<<30, d.Spec.Resources.MemoryBytes)
	require.Equal(t, 3, b.slot().Replicas)
	require.Equal(t, 3, d.ReleaseNumber)
	work, err := b.DeployWork(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, b.slot().Live.ImageID, work.Release.ImageID)
}

func TestPlan_ApprovalDoesNotOutliveItsTime(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRestart})
	plan, err := b.Decide(t.Context(), ada, plan.ID, yes())
	require.NoError(t, err)
	b.clock.Advance(startWithin + time.Minute)
	plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "no longer holds")
}

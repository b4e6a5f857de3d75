package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

func benchPlane(b *testing.B) *Plane {
	b.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(b, err)
	return New(Options{Store: storetest.Open(b), Sealer: sealer})
}

// The walk over every mutation: each appends at least one event of its kind, in the same transaction.
func TestEveryMutation_AppendsItsEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	step := func(kind platform.EventKind, do func() error) {
		t.Helper()
		before := len(b.kinds())
		require.NoError(t, do())
		require.Contains(t, b.kinds()[before:], kind)
	}
	step(platform.EventProjectCreated, func() error {
		_, err := b.CreateProject(ctx, ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
		return err
	})
	var first, second platform.Deploy
	step(platform.EventCommitPushed, func() error { first = b.push(1).Deploys[0]; return nil })
	step(platform.EventDeployLive, func() error { first = b.live(first); return nil })
	step(platform.EventDeployQueued, func() error {
		var err error
		second, err = b.Deploy(ctx, bob, platform.DeployRequest{SlotRef: api, Image: "nginx"})
		return err
	})
	step(platform.EventDeployPhase, func() error { _, err := b.CancelDeploy(ctx, bob, second.ID); return err })
	step(platform.EventDeployCanceled, func() error {
		_, err := b.AdvanceDeploy(ctx, second.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseCanceled})
		return err
	})
	step(platform.EventSlotScaled, func() error {
		_, err := b.Scale(ctx, bob, platform.ScaleRequest{SlotRef: api, Replicas: 2})
		return err
	})
	step(platform.EventSlotRestarted, func() error { _, err := b.Restart(ctx, bob, api, "stuck"); return err })
	step(platform.EventReleaseCreated, func() error {
		result, err := b.SetEnv(ctx, bob, set(platform.Variable{Key: "A", Value: "1"}))
		if err == nil {
			b.live(*result.Deploy)
		}
		return err
	})
	step(platform.EventDeployQueued, func() error { _, err := b.Rollback(ctx, bob, platform.RollbackRequest{SlotRef: api}); return err })
	for _, s := range []struct {
		state platform.InstanceState
		kind  platform.EventKind
	}{
		{platform.InstanceStarting, platform.EventInstanceStarted},
		{platform.InstanceReady, platform.EventInstanceReady},
		{platform.InstanceUnhealthy, platform.EventInstanceUnhealthy},
		{platform.InstanceDead, platform.EventInstanceDied},
	} {
		step(s.kind, func() error { return b.RecordInstance(ctx, b.instance("ins_1", first, s.state), "") })
	}
	var incident platform.Incident
	step(platform.EventIncidentOpened, func() error {
		var err error
		incident, err = b.Report(ctx, b.finding())
		return err
	})
	step(platform.EventIncidentDiagnosed, func() error {
		_, err := b.RecordDiagnosis(ctx, nil, platform.Diagnosis{ID: "diag_1", IncidentID: incident.ID, Summary: "none"})
		return err
	})
	step(platform.EventIncidentMerged, func() error { _, err := b.Diagnose(ctx, bob, incident.ID); return err })
	var plan platform.Plan
	step(platform.EventPlanProposed, func() error { plan = b.propose(fixer, platform.Action{Kind: platform.ActionRestart}); return nil })
	step(platform.EventPlanRejected, func() error {
		_, err := b.Decide(ctx, bob, plan.ID, platform.DecideRequest{Comment: "no"})
		return err
	})
	plan = b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 3})
	step(platform.EventPlanApproved, func() error { _, err := b.Decide(ctx, bob, plan.ID, yes()); return err })
	step(platform.EventPlanExecuting, func() error { _, err := b.ExecutePlan(ctx, plan.ID, plan.Hash, nil); return err })
	step(platform.EventPlanVerified, func() error { _, err := b.FinishPlan(ctx, plan.ID, true, "well"); return err })
	var token platform.CreatedToken
	step(platform.EventTokenCreated, func() error {
		var err error
		token, err = b.CreateToken(ctx, ada, platform.CreateTokenRequest{Name: "x", Kind: platform.ActorHuman, Role: platform.RoleViewer})
		return err
	})
	step(platform.EventTokenRevoked, func() error { return b.RevokeToken(ctx, ada, token.ID) })
	step(platform.EventServerStarted, func() error { return b.RecordStart(ctx, platform.EventServerStarted, "started") })
	step(platform.EventProjectDeleted, func() error { return b.DeleteProject(ctx, ada, platform.DeleteProjectRequest{Project: "shop"}) })
	report, err := b.VerifyEvents(ctx, vic)
	require.NoError(t, err)
	require.True(t, report.OK)
}

func (b *bench) instance(id platform.InstanceID, d platform.Deploy, state platform.InstanceState) platform.Instance {
	return platform.Instance{
		ID: id, ProjectID: d.ProjectID, SlotID: d.SlotID, ReleaseID: d.ReleaseID, ReleaseNumber: d.ReleaseNumber, DeployID: d.ID,
		Project: d.Project, Environment: d.Environment, Service: d.Service, State: state, StartedAt: b.now(),
	}
}

func TestRecordInstance_EventOnlyWhenTheStateChangesAndTheEndIsFinal(t *testing.T) {
	t.Parallel()
	b := shop(t)
	d := b.pushLive(1)
	ctx := t.Context()
	exit := 137
	require.NoError(t, b.RecordInstance(ctx, b.instance("ins_1", d, platform.InstanceStarting), ""))
	before := len(b.kinds())
	same := b.instance("ins_1", d, platform.InstanceStarting)
	same.Address = "10.0.0.2:8080"
	require.NoError(t, b.RecordInstance(ctx, same, ""))
	require.Len(t, b.kinds(), before)
	dead := b.instance("ins_1", d, platform.InstanceDead)
	dead.ExitCode, dead.OOMKilled = &exit, true
	require.NoError(t, b.RecordInstance(ctx, dead, ""))
	require.NoError(t, b.RecordInstance(ctx, b.instance("ins_1", d, platform.InstanceReady), ""))
	running, err := b.ListInstances(ctx, vic, api, false)
	require.NoError(t, err)
	require.Empty(t, running)
	all, err := b.ListInstances(ctx, vic, api, true)
	require.NoError(t, err)
	require.Equal(t, platform.InstanceDead, all[0].State)
	code(t, platform.CodeInvalid, b.RecordInstance(ctx, b.instance("ins_2", d, "odd"), ""))
}

func TestWhy_TellsTheChainFromInstanceToApproval(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	_, err := b.Decide(ctx, bob, plan.ID, yes())
	require.NoError(t, err)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	d, err := b.GetDeploy(ctx, ada, plan.DeployID)
	require.NoError(t, err)
	require.NoError(t, b.RecordInstance(ctx, b.instance("ins_back", d, platform.InstanceStarting), ""))
	require.NoError(t, b.RecordInstance(ctx, b.instance("ins_other", d, platform.InstanceStarting), ""))
	why, err := b.Why(ctx, vic, "ins_back")
	require.NoError(t, err)
	kinds := []platform.EventKind{}
	for _, e := range why.Events {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []platform.EventKind{
		platform.EventPlanProposed, platform.EventPlanApproved, platform.EventDeployQueued, platform.EventPlanExecuting, platform.EventInstanceStarted,
	}, kinds)
	require.Contains(t, why.Summary, "ins_back is instance 0 of api v1")
	require.Equal(t, 1, why.Release.Number)
	_, err = b.Why(ctx, vic, "ins_none")
	code(t, platform.CodeNotFound, err)
}

func TestWhy_NamesTheRuleThatFoundTheFault(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	slot := b.slot()
	incident, err := b.Report(ctx, platform.Finding{
		SlotID: slot.ID, Signal: platform.SignalAlert, Rule: "queue-grows", Severity: platform.SeverityWarning, ReleaseID: slot.LiveReleaseID, Title: "the queue grows",
		OnsetAt: time.Now(), SeenAt: time.Now(),
	})
	require.NoError(t, err)
	plan, err := b.Propose(ctx, fixer, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api"}, IncidentID: incident.ID, Reason: "it grows since the release",
	})
	require.NoError(t, err)
	_, err = b.Decide(ctx, bob, plan.ID, yes())
	require.NoError(t, err)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	d, err := b.GetDeploy(ctx, ada, plan.DeployID)
	require.NoError(t, err)
	require.NoError(t, b.RecordInstance(ctx, b.instance("ins_back", d, platform.InstanceStarting), ""))
	why, err := b.Why(ctx, vic, "ins_back")
	require.NoError(t, err)
	var told []string
	for _, e := range why.Events {
		told = append(told, string(e.Kind)+" by "+e.Actor.Name)
	}
	require.Contains(t, told, string(platform.EventIncidentOpened)+" by detector")
	require.Contains(t, told, string(platform.EventPlanProposed)+" by "+fixer.Name)
	require.Contains(t, told, string(platform.EventPlanApproved)+" by "+bob.Name)
	require.Contains(t, why.Summary, "found by the rule queue-grows")
}

func TestWatchEvents_YieldsOldOnesThenNewOnesInOrder(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan platform.Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- b.WatchEvents(ctx, vic, platform.EventFilter{Project: "shop", AfterSeq: 1}, func(e platform.Event) error {
			seen <- e
			return nil
		})
	}()
	require.EqualValues(t, 2, (<-seen).Seq)
	began := time.Now()
	b.push(1)
	next := <-seen
	require.EqualValues(t, 3, next.Seq)
	require.Less(t, time.Since(began), watchPoll, "told by a signal, not by looking")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	stop := errors.New("enough")
	require.ErrorIs(t, b.WatchEvents(t.Context(), vic, platform.EventFilter{}, func(platform.Event) error { return stop }), stop)
	code(t, platform.CodeNotFound, b.WatchEvents(t.Context(), vic, platform.EventFilter{Project: "nope"}, nil))
}

func TestListEvents_PagesBothWays(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	for _, backward := range []bool{false, true} {
		var seqs []int64
		f := platform.EventFilter{Project: "shop", Backward: backward, Page: platform.Page{Limit: 4}}
		for {
			list, err := b.ListEvents(t.Context(), vic, f)
			require.NoError(t, err)
			for _, e := range list.Items {
				seqs = append(seqs, e.Seq)
			}
			if f.Cursor = list.Next; f.Cursor == "" {
				break
			}
		}
		require.Greater(t, len(seqs), 8)
		for i := 1; i < len(seqs); i++ {
			require.Equal(t, backward, seqs[i] < seqs[i-1])
		}
	}
}

func TestEnqueueOpenWork_GivesEveryOpenThingAJobOnce(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.push(3)
	_, err := b.Report(ctx, b.finding())
	require.NoError(t, err)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRestart})
	_, err = b.Decide(ctx, bob, plan.ID, yes())
	require.NoError(t, err)
	_, err = b.store.Pool().Exec(ctx, "DELETE FROM river_job")
	require.NoError(t, err)
	open, err := b.OpenDeploys(ctx)
	require.NoError(t, err)
	n, err := b.EnqueueOpenWork(ctx)
	require.NoError(t, err)
	require.Equal(t, len(open)+2, n)
	n, err = b.EnqueueOpenWork(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestPlane_StoppedPostgresIsUnavailableWithinThreeSecondsAndNothingIsLost(t *testing.T) {
	t.Parallel()
	pg := storetest.StartServer(t)
	s, err := store.Open(t.Context(), store.Options{URL: pg.URL()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	b := benchOn(t, s)
	ctx := t.Context()
	_, err = b.CreateProject(ctx, ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
	require.NoError(t, err)
	d := b.push(1).Deploys[0]
	seen := make(chan platform.Event, 100)
	watch, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- b.WatchEvents(watch, vic, platform.EventFilter{Kinds: []platform.EventKind{platform.EventProjectCreated, platform.EventDeployPhase}}, func(e platform.Event) error {
			seen <- e
			return nil
		})
	}()
	defer func() { cancel(); <-ended }()
	require.Equal(t, platform.EventProjectCreated, (<-seen).Kind, "the watcher runs")
	pg.Stop()
	for name, do := range map[string]func() error{
		"advance": func() error {
			_, err := b.AdvanceDeploy(ctx, d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
			return err
		},
		"authenticate": func() error { _, err := b.Authenticate(ctx, "flt_"+strings.Repeat("a", 48), "api"); return err },
		"status":       func() error { _, err := b.Status(ctx, vic); return err },
		"push":         func() error { return b.AuthorizePush(ctx, bob, "shop") },
	} {
		began := time.Now()
		err := do()
		code(t, platform.CodeUnavailable, err, "The database does not answer.", "Traffic to your services is not affected")
		require.Less(t, time.Since(began), 3*time.Second, name)
	}
	pg.Start()
	require.Eventually(t, func() bool {
		moved, err := b.AdvanceDeploy(ctx, d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
		if err == nil {
			d = moved
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, string(d.ID), (<-seen).Subject, "the watcher waited")
	b.live(d)
}

func TestLogs_SecretsAreRedactedAndFollowersGetEachLineOnce(t *testing.T) {
	t.Parallel()
	hub := observability.NewHub()
	logs := &memoryLogs{}
	b := shop(t, func(o *Options) { o.Logs, o.Live = logs, hub })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := b.SetEnv(ctx, bob, set(platform.Variable{Key: "API_KEY", Value: "s3cret-value", Secret: true}))
	require.NoError(t, err)
	line := func(n int) observability.Line {
		return observability.Line{At: b.now(), Project: "shop", Service: "api", Instance: "ins_1", Message: "key s3cret-value", Seq: uint64(n), Fields: map[string]string{"k": "s3cret-value"}}
	}
	logs.add(line(1))
	page, err := b.SearchLogs(ctx, vic, observability.LogQuery{Project: "shop", Service: "api"})
	require.NoError(t, err)
	require.Equal(t, "key [redacted]", page.Lines[0].Message)
	require.Equal(t, "[redacted]", page.Lines[0].Fields["k"])
	_, err = b.SearchLogs(ctx, vic, observability.LogQuery{Project: "shop", Service: "apo"})
	code(t, platform.CodeNotFound, err, "api")
	got := make(chan observability.Line, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- b.FollowLogs(ctx, vic, observability.LogQuery{Project: "shop"}, func(l observability.Line) error { got <- l; return nil })
	}()
	require.EqualValues(t, 1, (<-got).Seq)
	two, three := line(2), line(3)
	hub.Publish([]observability.Line{two})
	logs.add(two)
	logs.add(three) // the hub lost it
	require.EqualValues(t, 2, (<-got).Seq)
	last := <-got
	require.EqualValues(t, 3, last.Seq)
	require.Equal(t, "key [redacted]", last.Message)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, got)
	require.Equal(t, "key s3cret-value", logs.lines[0].Message, "what is stored is not touched")
}

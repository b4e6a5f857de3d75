package control

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

var inShop = platform.AgentSwitchRequest{Project: "shop", Reason: "it scales too much"}

func TestStopAgents_NothingOfAgentsIsCarriedOutAndEachRefusalSaysWhoStoppedIt(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	pending := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	approved, err := b.Decide(ctx, bob, b.propose(fixer, platform.Action{Kind: platform.ActionRestart}).ID, yes())
	require.NoError(t, err)
	status, err := b.StopAgents(ctx, bob, inShop)
	require.NoError(t, err)
	require.Len(t, status.Stops, 1)
	require.Equal(t, "bob", status.Stops[0].Actor.Name)

	_, err = b.Decide(ctx, ada, pending.ID, yes())
	code(t, platform.CodeConflict, err, "bob stopped agents in shop on", `saying "it scales too much"`, "an admin starts them again with fairlead agent start --project shop")
	require.Contains(t, b.refusals()[0], "ada tried to approve")
	require.Contains(t, b.refusals()[0], "bob stopped agents in shop")
	approved = b.carry(approved)
	require.Equal(t, platform.PlanStale, approved.State)
	require.Contains(t, approved.Outcome, "bob stopped agents in shop")

	again := b.propose(fixer, platform.Action{Kind: platform.ActionRestart})
	require.Equal(t, platform.PlanPending, again.State, "agents may go on thinking")
	incident, err := b.Report(ctx, platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalErrorRate, ReleaseID: b.slot().LiveReleaseID, Title: "errors"})
	require.NoError(t, err)
	_, err = b.Diagnose(ctx, vic, incident.ID)
	require.NoError(t, err, "diagnosis goes on")
	require.Equal(t, platform.PlanExecuting, b.carry(b.propose(ci, scaleToTwo), bob).State, "what people and automation ask for is not stopped")
	_, err = b.Decide(ctx, ada, again.ID, platform.DecideRequest{})
	require.NoError(t, err, "it may be rejected")

	whole, err := b.Status(ctx, vic)
	require.NoError(t, err)
	require.Len(t, whole.Stops, 1)
	_, err = b.StartAgents(ctx, ada, inShop)
	require.NoError(t, err)
	whole, err = b.Status(ctx, vic)
	require.NoError(t, err)
	require.Empty(t, whole.Stops)
	require.Contains(t, b.kinds(), platform.EventAgentStopped)
	require.Contains(t, b.kinds(), platform.EventAgentStarted)
	require.Equal(t, platform.PlanExecuting, b.carry(b.propose(fixer, platform.Action{Kind: platform.ActionRestart}), bob).State)
}

func TestStopAgents_WhoMayAndWhere(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	scoped := person("sue", platform.RoleAdmin)
	scoped.Projects = []string{"shop"}
	stop := func(who platform.Actor, project string) error {
		_, err := b.StopAgents(ctx, who, platform.AgentSwitchRequest{Project: project})
		return err
	}
	start := func(who platform.Actor, project string) error {
		_, err := b.StartAgents(ctx, who, platform.AgentSwitchRequest{Project: project})
		return err
	}
	code(t, platform.CodeDenied, stop(vic, "shop"), "has the role viewer")
	code(t, platform.CodeDenied, stop(fixer, "shop"), "is an agent")
	code(t, platform.CodeDenied, stop(scoped, ""), "may not stop agents everywhere")
	code(t, platform.CodeNotFound, stop(ada, "shpo"), `Did you mean "shop"?`)
	require.NoError(t, stop(ci, "shop"), "a stop is always safe")
	require.NoError(t, stop(bob, ""))
	before := b.kinds()
	require.NoError(t, stop(ada, ""), "again changes nothing")
	require.Equal(t, before, b.kinds())
	status, err := b.AgentStatus(ctx, scoped, "")
	require.NoError(t, err)
	require.Len(t, status.Stops, 2)
	require.Equal(t, "bob", status.Stops[0].Actor.Name, "everywhere first, and who stopped it first")

	root := ci
	root.Role = platform.RoleAdmin
	code(t, platform.CodeDenied, start(bob, ""), "needs the role admin")
	code(t, platform.CodeDenied, start(root, ""), "is automation")
	code(t, platform.CodeDenied, start(fixer, ""), "is an agent")
	code(t, platform.CodeDenied, start(scoped, ""), "everywhere")
	require.NoError(t, start(ada, ""))
	require.NoError(t, start(ada, ""), "again changes nothing")
	status, err = b.AgentStatus(ctx, scoped, "shop")
	require.NoError(t, err)
	require.Len(t, status.Stops, 1, "the project stays stopped")
	require.NoError(t, start(scoped, "shop"))
}

func TestStopAgents_AutomaticPlansWaitForTheStart(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("autonomy: [{level: auto, actions: [scale]}]")
	early := b.propose(fixer, scaleToTwo)
	require.Equal(t, platform.PlanApproved, early.State)
	_, err := b.StopAgents(ctx, bob, inShop)
	require.NoError(t, err)
	early = b.carry(early)
	require.Equal(t, platform.PlanPending, early.State, "it was about to begin, and waits")
	late := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 3})
	require.Equal(t, platform.PlanPending, late.State)
	require.Zero(t, late.Body.Approvals)
	_, err = b.Decide(ctx, ada, late.ID, yes())
	code(t, platform.CodeConflict, err, "bob stopped agents")
	_, err = b.ExpirePlans(ctx)
	require.NoError(t, err)
	status, err := b.AgentStatus(ctx, vic, "shop")
	require.NoError(t, err)
	require.Len(t, status.Waiting, 2)
	require.Equal(t, 1, b.slot().Replicas)

	status, err = b.StartAgents(ctx, ada, inShop)
	require.NoError(t, err)
	require.Empty(t, status.Waiting)
	early, err = b.GetPlan(ctx, ada, early.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PlanApproved, early.State)
	require.Equal(t, platform.PlanExecuting, b.carry(early).State)
	require.Equal(t, 2, b.slot().Replicas)
}

func TestStopAgents_WhatWaitedTooLongExpires(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("autonomy: [{level: auto, actions: [scale]}]")
	_, err := b.StopAgents(ctx, bob, inShop)
	require.NoError(t, err)
	plan := b.propose(fixer, scaleToTwo)
	b.clock.Advance(DefaultPlanTTL + time.Minute)
	_, err = b.StartAgents(ctx, ada, inShop)
	require.NoError(t, err)
	n, err := b.ExpirePlans(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	plan, err = b.GetPlan(ctx, ada, plan.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PlanExpired, plan.State)
}

// TestStopAgents_NothingBeginsOnceItHasReturned races executions with a stop: whatever began has its event before the stop's.
func TestStopAgents_NothingBeginsOnceItHasReturned(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	var plans []platform.Plan
	for n := range 6 {
		plan, err := b.Decide(ctx, bob, b.propose(fixer, platform.Action{Kind: platform.ActionSetEnv, EnvKey: "KEY", EnvValue: string(rune('a' + n))}).ID, yes())
		require.NoError(t, err)
		plans = append(plans, plan)
	}
	var wg sync.WaitGroup
	for _, plan := range plans {
		wg.Go(func() { _, _ = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil) })
	}
	wg.Go(func() { _, _ = b.StopAgents(ctx, bob, inShop) })
	wg.Wait()
	stopped := false
	for _, kind := range b.kinds() {
		stopped = stopped || kind == platform.EventAgentStopped
		require.False(t, stopped && kind == platform.EventPlanExecuting, "a plan began after the stop")
	}
	require.True(t, stopped)
}

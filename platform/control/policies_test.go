package control

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// policed sets the policy of the shop.
func (b *bench) policed(text string) platform.ProjectPolicy {
	b.t.Helper()
	set, err := b.SetPolicy(b.t.Context(), ada, platform.SetPolicyRequest{Project: "shop", Text: text})
	require.NoError(b.t, err)
	return set
}

// refusals are the summaries of what was refused, oldest first.
func (b *bench) refusals() []string {
	b.t.Helper()
	list, err := b.ListEvents(b.t.Context(), ada, platform.EventFilter{Kinds: []platform.EventKind{platform.EventPlanRefused}})
	require.NoError(b.t, err)
	var out []string
	for _, e := range list.Items {
		out = append(out, e.Summary)
	}
	return out
}

// carry approves a plan by the actors and begins it.
func (b *bench) carry(plan platform.Plan, by ...platform.Actor) platform.Plan {
	b.t.Helper()
	var err error
	for _, actor := range by {
		plan, err = b.Decide(b.t.Context(), actor, plan.ID, yes())
		require.NoError(b.t, err)
	}
	plan, err = b.ExecutePlan(b.t.Context(), plan.ID, plan.Hash, nil)
	require.NoError(b.t, err)
	return plan
}

var scaleToTwo = platform.Action{Kind: platform.ActionScale, Replicas: 2}

const nowFrozen = "freezes: [{name: always, from: 2020-01-01 00:00, to: 2999-01-01 00:00, except: {roles: [admin]}, exceptActions: [rollback]}]"

func TestSetPolicy_EachVersionIsKeptToldAndHoldsAtOnce(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	none, err := b.GetPolicy(ctx, vic, "shop", 0)
	require.NoError(t, err)
	require.Zero(t, none.Version)
	require.Equal(t, platform.Policy{}, none.Policy)

	one := b.policed("autonomy: [{services: [api], level: suggest}]")
	require.EqualValues(t, 1, one.Version)
	require.Equal(t, platform.AutonomySuggest, b.slot().Autonomy)
	two := b.policed("limits: [{maxReplicas: 4}]")
	require.EqualValues(t, 2, two.Version)
	require.Equal(t, platform.AutonomyApprove, b.slot().Autonomy, "a policy that says nothing of it sets the default")
	require.EqualValues(t, 1, b.slot().Generation, "plans are not stale by it")

	held, err := b.GetPolicy(ctx, fixer, "shop", 0)
	require.NoError(t, err)
	require.Equal(t, two.Policy, held.Policy)
	require.Equal(t, "ada", held.Actor.Name)
	old, err := b.GetPolicy(ctx, vic, "shop", 1)
	require.NoError(t, err)
	require.Equal(t, one.Text, old.Text)
	_, err = b.GetPolicy(ctx, vic, "shop", 9)
	code(t, platform.CodeNotFound, err, "no version 9")
	events, err := b.ListEvents(ctx, ada, platform.EventFilter{Kinds: []platform.EventKind{platform.EventPolicySet}})
	require.NoError(t, err)
	require.Len(t, events.Items, 2)
	require.Equal(t, "ada set the policy of shop to version 1: 0 rules, 0 freezes, 0 limits.", events.Items[0].Summary)
	require.JSONEq(t, `{"version":1,"before":0,"autonomy":{"production/api":"suggest"}}`, string(events.Items[0].Payload))

	b.push(1, func(p *platform.Push) {
		p.Blueprint = shopBlueprint + "  - {name: ledger, type: private, image: 'ledger:1', port: 9100}\n"
	})
	b.policed("autonomy: [{services: [ledger], level: off}]")
	b.push(2, func(p *platform.Push) {
		p.Blueprint = shopBlueprint + "  - {name: late, type: private, image: 'late:1', port: 9100}\n"
	})
	late, err := b.GetSlot(ctx, ada, platform.SlotRef{Project: "shop", Service: "late"})
	require.NoError(t, err)
	require.Equal(t, platform.AutonomyApprove, late.Autonomy)
	b.policed("autonomy: [{level: suggest}]")
	b.push(3, func(p *platform.Push) {
		p.Blueprint = shopBlueprint + "  - {name: later, type: private, image: 'later:1', port: 9100}\n"
	})
	later, err := b.GetSlot(ctx, ada, platform.SlotRef{Project: "shop", Service: "later"})
	require.NoError(t, err)
	require.Equal(t, platform.AutonomySuggest, later.Autonomy, "a service that comes later has what the policy says")
}

func TestSetPolicy_WhatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	before := b.kinds()
	other := int64(7)
	root := ci
	root.Role = platform.RoleAdmin
	for name, c := range map[string]struct {
		actor platform.Actor
		req   platform.SetPolicyRequest
		code  platform.ErrorCode
		words string
	}{
		"operator":       {bob, platform.SetPolicyRequest{Text: "{}"}, platform.CodeDenied, "needs the role admin"},
		"automation":     {root, platform.SetPolicyRequest{Text: "{}"}, platform.CodeDenied, "is automation"},
		"agent":          {fixer, platform.SetPolicyRequest{Text: "{}"}, platform.CodeDenied, "is an agent"},
		"key":            {ada, platform.SetPolicyRequest{Text: "rulez: []"}, platform.CodeInvalid, `policy, line 1, column 1: "rulez" is not a key that may stand here. Did you mean rules?`},
		"empty":          {ada, platform.SetPolicyRequest{}, platform.CodeInvalid, "the file is empty"},
		"service":        {ada, platform.SetPolicyRequest{Text: "limits: [{services: [apy], maxReplicas: 1}]"}, platform.CodeInvalid, `limits[0] names the service "apy", which shop does not have. Did you mean "api"?`},
		"environment":    {ada, platform.SetPolicyRequest{Text: "rules: [{name: a, environments: [prod], approvals: 1}]"}, platform.CodeInvalid, `The rule a names the environment "prod"`},
		"other version":  {ada, platform.SetPolicyRequest{Text: "{}", IfVersion: &other}, platform.CodeConflict, "at version 0, not 7"},
		"checked":        {ada, platform.SetPolicyRequest{Text: "{}", DryRun: true}, "", ""},
		"viewer checks":  {vic, platform.SetPolicyRequest{Text: "{}", DryRun: true}, "", ""},
		"checked, wrong": {vic, platform.SetPolicyRequest{Text: "- x", DryRun: true}, platform.CodeInvalid, "is a list"},
	} {
		c.req.Project = "shop"
		set, err := b.SetPolicy(ctx, c.actor, c.req)
		if c.code == "" {
			require.NoError(t, err, name)
			require.EqualValues(t, 1, set.Version, name)
			continue
		}
		require.Equal(t, c.code, platform.CodeOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, c.words, name)
	}
	require.Equal(t, before, b.kinds())
}

func TestPolicy_BoundsWhatPeopleChangeByHand(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	scale := func(who platform.Actor, n int) error {
		_, err := b.Scale(ctx, who, platform.ScaleRequest{SlotRef: api, Replicas: n})
		return err
	}
	b.policed("rules: [{name: no-ci, who: {kinds: [automation]}, actions: [scale], deny: true}, {name: pairs, who: {roles: [operator]}, actions: [scale], approvals: 1}]\nlimits: [{maxReplicas: 3}]")
	code(t, platform.CodeDenied, scale(ci, 2), "The rule no-ci denies scale to kind automation.", "fairlead policy explain")
	code(t, platform.CodeApprovalRequired, scale(bob, 2), "Policy v1 lets bob not scale shop/production/api alone", "fairlead plans propose scale api")
	code(t, platform.CodeDenied, scale(ada, 4), "4 instances of api in production are more than the 3")
	require.NoError(t, scale(ada, 3))

	b.policed(nowFrozen)
	code(t, platform.CodeConflict, scale(bob, 1), "The freeze always holds until")
	require.NoError(t, scale(ada, 2))
	_, err := b.Restart(ctx, bob, api, "")
	code(t, platform.CodeConflict, err, "The freeze always")
	_, err = b.SetEnv(ctx, bob, platform.SetEnvRequest{SlotRef: api, Set: []platform.Variable{{Key: "A", Value: "b"}}})
	code(t, platform.CodeConflict, err, "The freeze always")
	_, err = b.Deploy(ctx, ci, platform.DeployRequest{SlotRef: api, Commit: sha(2)})
	code(t, platform.CodeConflict, err, "The freeze always")
	require.Equal(t, 2, b.slot().LiveRelease)
	pushed := b.push(3)
	require.Empty(t, pushed.Deploys, "the commits are kept, and nothing is deployed")
	require.Contains(t, strings.Join(pushed.Notes, "\n"), "api: not deployed: The freeze always holds until")
	require.Contains(t, strings.Join(pushed.Notes, "\n"), "fairlead deploy api")
	_, err = b.Rollback(ctx, bob, platform.RollbackRequest{SlotRef: api})
	require.NoError(t, err, "an action that the freeze excepts")
}

func TestPolicy_RuleAsksForMoreApprovalsByWhomItNames(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("planExpiry: 10m\nrules: [{name: admins, who: {kinds: [agent]}, actions: [scale], approvals: 2, approvers: {roles: [admin]}}]")
	plan := b.propose(fixer, scaleToTwo)
	require.Equal(t, 2, plan.Body.Approvals)
	require.Equal(t, "v1", plan.Body.PolicyVersion)
	require.Equal(t, 10*time.Minute, plan.Body.ExpiresAt.Sub(plan.Body.CreatedAt))
	_, err := b.Decide(ctx, bob, plan.ID, yes())
	code(t, platform.CodeDenied, err, "asks for an approval by role admin")
	plan, err = b.Decide(ctx, ada, plan.ID, yes())
	require.NoError(t, err)
	require.Equal(t, platform.PlanPending, plan.State)
	_, err = b.Decide(ctx, ada, plan.ID, yes())
	code(t, platform.CodeConflict, err, "approved this plan already")
	plan = b.carry(plan, person("eve", platform.RoleAdmin))
	require.Equal(t, platform.PlanExecuting, plan.State)
	require.Equal(t, 2, b.slot().Replicas)
	require.Len(t, b.refusals(), 2)
}

func TestPolicy_DeniedProposalsAreRefusedAndThoseOfTheInvestigationTold(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("rules: [{name: hands-off, who: {kinds: [agent]}, actions: [rollback], deny: true}]")
	_, err := b.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/api"}})
	code(t, platform.CodeDenied, err, "The rule hands-off denies rollback to kind agent.")
	incident, err := b.Report(ctx, platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalErrorRate, ReleaseID: b.slot().LiveReleaseID, Title: "errors"})
	require.NoError(t, err)
	plans, err := b.RecordDiagnosis(ctx, nil, platform.Diagnosis{
		ID: platform.NewID[platform.DiagnosisID](platform.PrefixDiagnosis), IncidentID: incident.ID, Verdict: platform.VerdictCause, Summary: "v2 errs", At: b.clock.Now(),
		Suggestions: []platform.Suggestion{
			{Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api"}, Reason: "v1 did not"},
			{Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/production/api"}, Reason: "or this"},
		},
	})
	require.NoError(t, err, "the diagnosis is kept all the same")
	require.Len(t, plans, 1)
	require.Equal(t, platform.ActionRestart, plans[0].Body.Action.Kind)
	require.Equal(t, []string{"diagnosis suggested rollback and was refused: The rule hands-off denies rollback to kind agent. Policy v1 said so; fairlead policy explain --action rollback shows each check."}, b.refusals())
}

// TestExecutePlan_PolicyIsAskedAgainWhenItBegins changes the world between the approval and the beginning.
func TestExecutePlan_PolicyIsAskedAgainWhenItBegins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		words         string
	}{
		"policy asks for more":      {"{}", "rules: [{name: two, approvals: 2}]", "The plan was made under policy v1, and v2 holds now. It needs 2 approvals by people with the role operator or admin. The plan has 1 approval."},
		"policy names others":       {"{}", "rules: [{name: admins, approvals: 1, approvers: {roles: [admin]}}]", "It needs 1 approval by people with role admin."},
		"policy denies":             {"{}", "rules: [{name: never, deny: true}]", "The plan was made under policy v1, and v2 holds now. The rule never denies scale to everybody."},
		"a freeze began":            {"{}", nowFrozen, "The freeze always holds until"},
		"too many instances":        {"{}", "limits: [{maxReplicas: 1}]", "2 instances of api in production are more than the 1"},
		"the autonomy is lower":     {"{}", "autonomy: [{level: suggest}]", "The autonomy of shop/production/api was set to suggest after the plan was made."},
		"a policy that says so too": {"{}", "rules: [{name: one, approvals: 1}]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoReleases(t)
			b.policed(c.before)
			plan, err := b.Decide(t.Context(), bob, b.propose(fixer, scaleToTwo).ID, yes())
			require.NoError(t, err)
			b.policed(c.after)
			plan, err = b.ExecutePlan(t.Context(), plan.ID, plan.Hash, nil)
			require.NoError(t, err)
			if c.words == "" {
				require.Equal(t, platform.PlanExecuting, plan.State)
				require.Equal(t, 2, b.slot().Replicas)
				return
			}
			require.Equal(t, platform.PlanStale, plan.State, plan.Outcome)
			require.Contains(t, plan.Outcome, c.words)
			require.Equal(t, 1, b.slot().Replicas)
			require.Contains(t, b.kinds(), platform.EventPlanStale)
		})
	}
}

func TestPolicy_LimitsOfPlansPerHourAndAfterAFailure(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("limits: [{perHour: 2, coolDown: 30m}]")
	var approved []platform.Plan
	for n := 2; n <= 4; n++ { // three are approved before the first begins
		plan, err := b.Decide(ctx, bob, b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: n}).ID, yes())
		require.NoError(t, err)
		approved = append(approved, plan)
	}
	first := b.carry(approved[0])
	require.Equal(t, platform.PlanExecuting, first.State)
	_, err := b.FinishPlan(ctx, first.ID, false, "The error rate is 40 %.")
	require.NoError(t, err)
	second := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 5})
	_, err = b.Decide(ctx, bob, second.ID, yes())
	code(t, platform.CodeConflict, err, "A plan of api failed on", "the cool-down of 30m0s lasts until")
	b.clock.Advance(29 * time.Minute)
	_, err = b.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionScale, Slot: "shop/api", Replicas: 6}})
	require.NoError(t, err, "proposing is free")
	b.clock.Advance(2 * time.Minute)
	next := b.carry(b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 5}), bob)
	require.Equal(t, platform.PlanExecuting, next.State)
	_, err = b.FinishPlan(ctx, next.ID, true, "It is well.")
	require.NoError(t, err)
	third := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 6})
	_, err = b.Decide(ctx, bob, third.ID, yes())
	code(t, platform.CodeConflict, err, "2 plans of api were carried out within the last hour, and the limit is 2.")
	_, err = b.Scale(ctx, bob, platform.ScaleRequest{SlotRef: api, Replicas: 3})
	require.NoError(t, err, "a person's own change is no plan")
	b.clock.Advance(30 * time.Minute)
	last := b.carry(b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 6}), bob)
	require.Equal(t, platform.PlanExecuting, last.State)
}

func TestPolicy_LimitReachedBetweenApprovalAndBeginningIsStale(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.policed("limits: [{perHour: 1}]")
	restart, err := b.Decide(ctx, bob, b.propose(fixer, platform.Action{Kind: platform.ActionSetEnv, EnvKey: "A", EnvValue: "b"}).ID, yes())
	require.NoError(t, err)
	revert, err := b.Decide(ctx, bob, b.propose(fixer, platform.Action{Kind: platform.ActionRevertCommit, Commit: sha(2)}).ID, yes())
	require.NoError(t, err)
	require.Equal(t, platform.PlanExecuting, b.carry(restart).State)
	plan := b.carry(revert)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "1 plan of api were carried out within the last hour")
}

func TestAuto_ListedActionRunsWithNoHumanAndTheRestAsks(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	b.policed("autonomy: [{services: [api], level: auto, actions: [scale]}]\nlimits: [{maxReplicas: 4}]")
	require.Equal(t, platform.AutonomyAuto, b.slot().Autonomy)
	plan := b.propose(fixer, scaleToTwo)
	require.Equal(t, platform.PlanApproved, plan.State)
	require.Zero(t, plan.Body.Approvals)
	plan = b.carry(plan)
	require.Equal(t, platform.PlanExecuting, plan.State)
	require.Equal(t, 2, b.slot().Replicas)
	require.Equal(t, platform.PlanPending, b.propose(fixer, platform.Action{Kind: platform.ActionRollback}).State, "it is not listed")
	require.Equal(t, platform.PlanPending, b.propose(ci, platform.Action{Kind: platform.ActionScale, MemoryBytes: 64 << 20}).State, "only of agents")
	_, err := b.Propose(t.Context(), fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionScale, Slot: "shop/api", Replicas: 5}})
	code(t, platform.CodeDenied, err, "more than the 4")
	for n := 3; n <= 4; n++ {
		require.Equal(t, platform.PlanExecuting, b.carry(b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: n})).State)
	}
	fourth := b.propose(fixer, platform.Action{Kind: platform.ActionScale, Replicas: 1})
	require.Equal(t, platform.PlanPending, fourth.State, "three within an hour are enough, whatever the policy says")
	require.Equal(t, 1, fourth.Body.Approvals)
}

func TestAuto_PolicyThatLetsItNoMoreMakesItStale(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	b.policed("autonomy: [{level: auto, actions: [scale]}]")
	plan := b.propose(fixer, scaleToTwo)
	require.Equal(t, platform.PlanApproved, plan.State)
	b.policed("{}")
	plan = b.carry(plan)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "It needs 1 approval by people with the role operator or admin. The plan has 0 approvals.")
}

func TestPolicy_SpendIsComparedWithWhatTheProjectCostSoFar(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	ctx := t.Context()
	spent := func() platform.Micro {
		s, err := m.spent(ctx, "shop")
		require.NoError(t, err)
		require.Equal(t, "EUR", s.Currency)
		require.LessOrEqual(t, s.Day, s.Month)
		return s.Month
	}
	for spent() == 0 { // once, or twice at the beginning of a month
		m.run(10*time.Minute, true)
	}
	limit := func(most platform.Micro) { m.policed("spend: {perMonth: " + most.String() + "}") }
	propose := func() (platform.Plan, error) {
		return m.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionScale, Slot: "shop/api", Replicas: 2}})
	}
	limit(spent())
	_, err := propose()
	code(t, platform.CodeDenied, err, "EUR are spent of")
	_, err = m.Scale(ctx, ada, platform.ScaleRequest{SlotRef: api, Replicas: 2})
	code(t, platform.CodeDenied, err, "EUR are spent of")
	_, err = m.Restart(ctx, ada, api, "")
	require.NoError(t, err, "what adds nothing is not bounded")

	limit(100_000 * platform.MicroOne)
	plan, err := propose()
	require.NoError(t, err, "what it adds is not known, since the service has no limits: a human decides")
	require.Equal(t, 1, plan.Body.Approvals)
	plan, err = m.Decide(ctx, bob, plan.ID, yes())
	require.NoError(t, err)
	limit(spent())
	plan = m.carry(plan)
	require.Equal(t, platform.PlanStale, plan.State)
	require.Contains(t, plan.Outcome, "EUR are spent of")

	m.live(m.push(2, func(p *platform.Push) {
		p.Blueprint = strings.Replace(shopBlueprint, "port: 8080\n", "port: 8080\n    resources: {cpus: 0.5, memory: 128M}\n", 1)
	}).Deploys[0])
	_, err = propose()
	code(t, platform.CodeDenied, err, "It would cost more than the policy allows:", "spent + 0.6280 an hour for")
	limit(100_000 * platform.MicroOne)
	_, err = propose()
	require.NoError(t, err)
}

func TestExplainPolicy_ShowsEachCheckForWhoeverIsAskedAbout(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	_, err := b.CreateToken(ctx, ada, platform.CreateTokenRequest{Name: "fixer", Kind: platform.ActorAgent, Role: platform.RoleOperator})
	require.NoError(t, err)
	b.policed("rules: [{name: agents, who: {kinds: [agent]}, actions: [scale], approvals: 2}]\nlimits: [{maxReplicas: 6}]")
	ask := func(who platform.Actor, q platform.PolicyQuestion) platform.PolicyDecision {
		t.Helper()
		q.SlotRef, q.Action = api, platform.ActionScale
		d, err := b.ExplainPolicy(ctx, who, q)
		require.NoError(t, err)
		require.Equal(t, "v1", d.Version)
		require.Equal(t, "role", d.Steps[0].Check)
		require.Greater(t, len(d.Steps), 8)
		return d
	}
	d := ask(vic, platform.PolicyQuestion{Name: "fixer"})
	require.Equal(t, platform.PolicyApproval, d.Outcome)
	require.Equal(t, 2, d.Approvals)
	require.True(t, d.Plan)
	require.Equal(t, "fixer", d.Actor.Name)
	require.Equal(t, platform.PolicyDenied, ask(vic, platform.PolicyQuestion{}).Outcome, "a viewer may not scale")
	require.Equal(t, platform.PolicyAllowed, ask(bob, platform.PolicyQuestion{}).Outcome)
	d = ask(bob, platform.PolicyQuestion{Plan: true})
	require.Equal(t, platform.PolicyApproval, d.Outcome)
	require.Equal(t, 1, d.Approvals)
	require.Equal(t, platform.PolicyDenied, ask(vic, platform.PolicyQuestion{Kind: platform.ActorAgent, Replicas: 9}).Outcome)
	require.Equal(t, platform.PolicyApproval, ask(vic, platform.PolicyQuestion{Kind: platform.ActorAgent, Name: "diagnosis"}).Outcome)
	require.Equal(t, platform.PolicyDenied, ask(vic, platform.PolicyQuestion{Kind: platform.ActorHuman, Name: "new", Role: platform.RoleViewer}).Outcome)
	for name, q := range map[string]platform.PolicyQuestion{
		"action": {SlotRef: api, Action: "explode"}, "service": {SlotRef: platform.SlotRef{Project: "shop", Service: "apy"}, Action: platform.ActionScale},
		"kind": {SlotRef: api, Action: platform.ActionScale, Kind: "robot"}, "role": {SlotRef: api, Action: platform.ActionScale, Role: "boss"},
		"actor": {SlotRef: api, Action: platform.ActionScale, Name: "fixr"},
	} {
		_, err := b.ExplainPolicy(ctx, vic, q)
		var e *platform.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, name, e.Field)
	}
}

package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/policy"
)

var (
	kinds    = []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation, platform.ActorAgent, platform.ActorSystem}
	roles    = []platform.Role{platform.RoleSender, platform.RoleViewer, platform.RoleOperator, platform.RoleAdmin}
	names    = []string{"ada", "bob", "fixer"}
	risks    = []platform.Risk{platform.RiskR0, platform.RiskR1, platform.RiskR2, platform.RiskR3}
	levels   = []platform.Autonomy{platform.AutonomyOff, platform.AutonomySuggest, platform.AutonomyApprove, platform.AutonomyAuto}
	services = []string{"api", "db"}
	places   = []string{"production", "staging"}
)

func some[T any](t *rapid.T, from []T, what string) []T {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, what)
}

func drawnActor(t *rapid.T, what string) platform.Actor {
	return platform.Actor{
		Kind: rapid.SampledFrom(kinds).Draw(t, what+" kind"), Role: rapid.SampledFrom(roles).Draw(t, what+" role"),
		Name: rapid.SampledFrom(names).Draw(t, what+" name"), Owner: rapid.SampledFrom(names).Draw(t, what+" owner"),
	}
}

func drawnWho(t *rapid.T) platform.Who {
	return platform.Who{Kinds: some(t, kinds, "kinds"), Roles: some(t, roles, "roles"), Names: some(t, names, "names")}
}

func drawnWhere(t *rapid.T) platform.Where {
	return platform.Where{Environments: some(t, places, "environments"), Services: some(t, services, "services")}
}

// drawnPolicy is any policy, those that no parser would let pass included.
func drawnPolicy(t *rapid.T) platform.Policy {
	p := platform.Policy{SelfApproveR1: rapid.Bool().Draw(t, "self")}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		p.Rules = append(p.Rules, platform.PolicyRule{
			Name: "r", Who: drawnWho(t), Actions: some(t, platform.PolicyActions(), "actions"), Where: drawnWhere(t),
			Deny: rapid.Bool().Draw(t, "deny"), Approvals: rapid.IntRange(-3, 5).Draw(t, "approvals"), Approvers: drawnWho(t),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "autonomies") {
		p.Autonomy = append(p.Autonomy, platform.AutonomyRule{Where: drawnWhere(t), Level: rapid.SampledFrom(levels).Draw(t, "level"), Actions: some(t, platform.PolicyActions(), "auto")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "freezes") {
		p.Freezes = append(p.Freezes, platform.Freeze{
			Name: "f", From: rapid.SampledFrom([]string{"wed 00:00", "fri 17:00", "11:00", "x"}).Draw(t, "from"), To: rapid.SampledFrom([]string{"thu 06:00", "13:00"}).Draw(t, "to"), Zone: "UTC",
			Where: drawnWhere(t), Except: []platform.Who{drawnWho(t)}, ExceptActions: some(t, platform.PolicyActions(), "except"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "limits") {
		p.Limits = append(p.Limits, platform.SlotLimits{
			Where: drawnWhere(t), PerHour: rapid.IntRange(0, 3).Draw(t, "hour"), CoolDown: platform.Duration(rapid.IntRange(0, 2).Draw(t, "cool")) * platform.Duration(time.Hour),
			MaxReplicas: rapid.IntRange(0, 4).Draw(t, "most"),
		})
	}
	p.Spend.PerDay = platform.Micro(rapid.Int64Range(0, 20_000_000).Draw(t, "spend"))
	return p
}

func drawnQuestion(t *rapid.T) policy.Question {
	q := policy.Question{
		Actor: drawnActor(t, "actor"), Action: rapid.SampledFrom(platform.PolicyActions()).Draw(t, "action"), Environment: rapid.SampledFrom(places).Draw(t, "environment"),
		Service: rapid.SampledFrom(services).Draw(t, "service"), Risk: rapid.SampledFrom(risks).Draw(t, "risk"), Plan: rapid.Bool().Draw(t, "plan"),
		Autonomy: rapid.SampledFrom(levels).Draw(t, "autonomy"), At: noon, Replicas: rapid.IntRange(0, 6).Draw(t, "replicas"), ReplicasNow: 1,
		Bigger: rapid.Bool().Draw(t, "bigger"),
	}
	if rapid.Bool().Draw(t, "added known") {
		q.AddedPerHour = micro(0.5)
	}
	for range rapid.IntRange(0, 2).Draw(t, "approvers") {
		q.Approvers = append(q.Approvers, drawnActor(t, "approver"))
	}
	return q
}

func drawnFacts(t *rapid.T) policy.Facts {
	f := carried([]int{50, 30, 20, 10}[:rapid.IntRange(0, 4).Draw(t, "carried")]...)
	if rapid.Bool().Draw(t, "failed") {
		f.LastFailure = failed(time.Duration(rapid.IntRange(0, 100).Draw(t, "ago")) * time.Minute).LastFailure
	}
	if rapid.Bool().Draw(t, "stopped") {
		f.Stop = stopped.Stop
	}
	if rapid.Bool().Draw(t, "prices") {
		f.Spent = spent(float64(rapid.IntRange(0, 20).Draw(t, "spent")), 0).Spent
	}
	return f
}

func TestDecide_NoPolicyGoesBelowTheFloor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawnPolicy(t), drawnQuestion(t)
		d := policy.Decide(p, q, drawnFacts(t))
		if d.Approvals < 0 {
			t.Fatalf("%d approvals", d.Approvals)
		}
		if q.Risk == platform.RiskR3 && d.Approvals < 2 {
			t.Fatalf("%d approvals of what loses data", d.Approvals)
		}
		auto := q.Risk == platform.RiskR1 && q.Actor.Kind == platform.ActorAgent && q.Autonomy == platform.AutonomyAuto
		if q.Plan && d.Approvals < policy.Floor(q.Risk) && !auto {
			t.Fatalf("%d approvals of a plan of risk %s", d.Approvals, q.Risk)
		}
		if d.Outcome == platform.PolicyAllowed && d.Approvals > 0 {
			t.Fatalf("allowed at once, and %d approvals are needed", d.Approvals)
		}
	})
}

func TestDecide_AgentsChangeNothingThemselvesAndAStopAlwaysWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q, f := drawnQuestion(t), drawnFacts(t)
		q.Actor.Kind = platform.ActorAgent
		d := policy.Decide(drawnPolicy(t), q, f)
		if !q.Plan && d.Outcome != platform.PolicyDenied {
			t.Fatalf("an agent's own change is %s", d.Outcome)
		}
		if f.Stop != nil && (d.Outcome == platform.PolicyAllowed || d.Outcome == platform.PolicyApproval) {
			t.Fatalf("agents are stopped, and it is %s", d.Outcome)
		}
	})
}

func TestMayApprove_OnlyPeopleAndNeverTheRequesterOfMoreThanR1(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawnPolicy(t), drawnQuestion(t)
		body := platform.PlanBody{RequestedBy: q.Actor, Risk: q.Risk}
		actor := drawnActor(t, "approver")
		err := policy.MayApprove(p, policy.Decide(p, q, policy.Facts{}), actor, body)
		if err == nil && actor.Kind != platform.ActorHuman {
			t.Fatalf("%s approves", actor.Kind)
		}
		if err == nil && actor.Principal() == q.Actor.Principal() && (q.Risk != platform.RiskR1 || !p.SelfApproveR1) {
			t.Fatalf("the requester approves a plan of risk %s", q.Risk)
		}
	})
}

func TestDecide_ADecisionDoesNotDependOnWhatComesLater(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q, f := drawnPolicy(t), drawnQuestion(t), drawnFacts(t)
		require.Equal(t, policy.Decide(p, q, f), policy.Decide(p, q, f))
		longer := p
		longer.Rules = append(append([]platform.PolicyRule{}, p.Rules...), platform.PolicyRule{Name: "last", Deny: true})
		if q.Action != platform.ActionDeploy && len(p.Rules) > 0 && p.Rules[0].Who.Everybody() && len(p.Rules[0].Actions)+len(p.Rules[0].Environments)+len(p.Rules[0].Services) == 0 {
			require.Equal(t, policy.Decide(p, q, f).Outcome, policy.Decide(longer, q, f).Outcome)
		}
	})
}

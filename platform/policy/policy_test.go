package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/policy"
)

var (
	noon  = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) // a Wednesday
	agent = platform.Actor{Kind: platform.ActorAgent, Name: "fixer", Owner: "ada", Role: platform.RoleOperator}
	ada   = platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin}
	bob   = platform.Actor{Kind: platform.ActorHuman, Name: "bob", Role: platform.RoleOperator}
	ci    = platform.Actor{Kind: platform.ActorAutomation, Name: "ci", Owner: "ada", Role: platform.RoleOperator}
)

// asked is an agent's plan to scale the api in production to two instances.
func asked(change ...func(*policy.Question)) policy.Question {
	q := policy.Question{
		Actor: agent, Action: platform.ActionScale, Environment: "production", Service: "api", Risk: platform.RiskR1, Plan: true,
		Autonomy: platform.AutonomyApprove, At: noon, Replicas: 2, ReplicasNow: 1, Bigger: true,
	}
	for _, c := range change {
		c(&q)
	}
	return q
}

func by(a platform.Actor) func(*policy.Question)  { return func(q *policy.Question) { q.Actor = a } }
func risk(r platform.Risk) func(*policy.Question) { return func(q *policy.Question) { q.Risk = r } }
func level(a platform.Autonomy) func(*policy.Question) {
	return func(q *policy.Question) { q.Autonomy = a }
}
func to(n int) func(*policy.Question) { return func(q *policy.Question) { q.Replicas = n } }
func approved(a ...platform.Actor) func(*policy.Question) {
	return func(q *policy.Question) { q.Approvers = a }
}
func direct(q *policy.Question) { q.Plan = false }

var (
	autoPolicy = platform.Policy{Autonomy: []platform.AutonomyRule{{
		Where: platform.Where{Environments: []string{"production"}}, Level: platform.AutonomyAuto, Actions: []platform.ActionKind{platform.ActionScale},
	}}}
	weekend = platform.Policy{Freezes: []platform.Freeze{{
		Name: "midweek", From: "wed 00:00", To: "thu 06:00", Zone: "UTC", Except: []platform.Who{{Roles: []platform.Role{platform.RoleAdmin}}},
		ExceptActions: []platform.ActionKind{platform.ActionRollback},
	}}}
	stopped = policy.Facts{Stop: &platform.AgentStop{Project: "shop", Actor: ada, Reason: "it scales too much", At: noon.Add(-time.Hour)}}
)

func limited(l platform.SlotLimits) platform.Policy {
	return platform.Policy{Limits: []platform.SlotLimits{l}}
}

func ruled(rules ...platform.PolicyRule) platform.Policy { return platform.Policy{Rules: rules} }

func micro(f float64) *platform.Micro {
	m := platform.MicroOf(f)
	return &m
}

func carried(minutesAgo ...int) policy.Facts {
	var f policy.Facts
	for _, m := range minutesAgo {
		f.Carried = append(f.Carried, noon.Add(-time.Duration(m)*time.Minute))
	}
	return f
}

func failed(ago time.Duration) policy.Facts {
	at := noon.Add(-ago)
	return policy.Facts{LastFailure: &at}
}

func spent(day, month float64) policy.Facts {
	return policy.Facts{Spent: &policy.Spent{Day: platform.MicroOf(day), Month: platform.MicroOf(month), Currency: "EUR"}}
}

func TestDecide_EachCheckHasItsSay(t *testing.T) {
	t.Parallel()
	admins := platform.Who{Roles: []platform.Role{platform.RoleAdmin}}
	agents := platform.Who{Kinds: []platform.ActorKind{platform.ActorAgent}}
	added := func(q *policy.Question) { q.AddedPerHour = micro(0.5) }
	day := platform.Policy{Spend: platform.SpendLimits{PerDay: platform.MicroOf(10)}}
	month := platform.Policy{Spend: platform.SpendLimits{PerMonth: platform.MicroOf(100)}}
	autoDay := autoPolicy
	autoDay.Spend = day.Spend
	autoRule := autoPolicy
	autoRule.Rules = []platform.PolicyRule{{Name: "ask", Approvals: 1}}
	for _, c := range []struct {
		name      string
		policy    platform.Policy
		question  policy.Question
		facts     policy.Facts
		want      platform.PolicyOutcome
		approvals int
		words     string
	}{
		{"nothing is said, R0", platform.Policy{}, asked(risk(platform.RiskR0)), policy.Facts{}, platform.PolicyAllowed, 0, "Nothing speaks"},
		{"nothing is said, R1", platform.Policy{}, asked(), policy.Facts{}, platform.PolicyApproval, 1, "1 approval"},
		{"nothing is said, R2", platform.Policy{}, asked(risk(platform.RiskR2)), policy.Facts{}, platform.PolicyApproval, 1, "1 approval"},
		{"nothing is said, R3", platform.Policy{}, asked(risk(platform.RiskR3)), policy.Facts{}, platform.PolicyApproval, 2, "2 approvals"},
		{"a risk that is not known is the worst", platform.Policy{}, asked(risk("R9")), policy.Facts{}, platform.PolicyApproval, 2, "2 approvals"},
		{"a person's own change", platform.Policy{}, asked(by(bob), direct), policy.Facts{}, platform.PolicyAllowed, 0, ""},
		{"a person's own change that loses data", platform.Policy{}, asked(by(ada), direct, risk(platform.RiskR3)), policy.Facts{}, platform.PolicyApproval, 2, ""},
		{"an agent's own change", platform.Policy{}, asked(direct), policy.Facts{}, platform.PolicyDenied, 0, "changes nothing by itself"},

		{"stopped", platform.Policy{}, asked(), stopped, platform.PolicyNotNow, 1, `ada stopped agents in shop on Wed 25 Nov 11:00 UTC, saying "it scales too much"; an admin starts them again with fairlead agent start --project shop.`},
		{"stopped, a person's plan", platform.Policy{}, asked(by(bob)), stopped, platform.PolicyApproval, 1, ""},
		{"stopped, automation's plan", platform.Policy{}, asked(by(ci)), stopped, platform.PolicyApproval, 1, ""},
		{"stopped, approved", platform.Policy{}, asked(approved(ada, bob)), stopped, platform.PolicyNotNow, 1, "ada stopped"},
		{"stopped, automatic", autoPolicy, asked(level(platform.AutonomyAuto)), stopped, platform.PolicyNotNow, 0, "ada stopped"},

		{"off, an agent", platform.Policy{}, asked(level(platform.AutonomyOff)), policy.Facts{}, platform.PolicyDenied, 1, "is off"},
		{"off, a person", platform.Policy{}, asked(level(platform.AutonomyOff), by(bob)), policy.Facts{}, platform.PolicyNotNow, 1, "plans are advice"},
		{"suggest", platform.Policy{}, asked(level(platform.AutonomySuggest)), policy.Facts{}, platform.PolicyNotNow, 1, "plans are advice"},

		{"a rule denies", ruled(platform.PolicyRule{Name: "no-agents", Who: agents, Deny: true}), asked(), policy.Facts{}, platform.PolicyDenied, 1, "The rule no-agents denies scale to kind agent."},
		{"a rule asks for two", ruled(platform.PolicyRule{Name: "two", Approvals: 2, Approvers: admins}), asked(), policy.Facts{}, platform.PolicyApproval, 2, "2 approvals by people with role admin"},
		{"a rule goes below the floor", ruled(platform.PolicyRule{Name: "free"}), asked(risk(platform.RiskR3)), policy.Facts{}, platform.PolicyApproval, 2, "2 approvals"},
		{"a rule of another action", ruled(platform.PolicyRule{Name: "x", Actions: []platform.ActionKind{platform.ActionRestart}, Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"a rule that does not name deploys", ruled(platform.PolicyRule{Name: "x", Approvals: 2}), asked(by(ci), direct, func(q *policy.Question) { q.Action = platform.ActionDeploy }), policy.Facts{}, platform.PolicyAllowed, 0, ""},
		{"a rule that does", ruled(platform.PolicyRule{Name: "x", Actions: []platform.ActionKind{platform.ActionDeploy}, Deny: true}), asked(by(ci), direct, func(q *policy.Question) { q.Action = platform.ActionDeploy }), policy.Facts{}, platform.PolicyDenied, 0, ""},
		{"a rule of another environment", ruled(platform.PolicyRule{Name: "x", Where: platform.Where{Environments: []string{"staging"}}, Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"a rule of another service", ruled(platform.PolicyRule{Name: "x", Where: platform.Where{Services: []string{"db"}}, Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"a rule of another name", ruled(platform.PolicyRule{Name: "x", Who: platform.Who{Names: []string{"eve"}}, Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"a rule of another role", ruled(platform.PolicyRule{Name: "x", Who: admins, Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"the first rule that matches decides", ruled(platform.PolicyRule{Name: "a", Approvals: 3}, platform.PolicyRule{Name: "b", Deny: true}), asked(), policy.Facts{}, platform.PolicyApproval, 3, ""},
		{"a rule about people's own changes", ruled(platform.PolicyRule{Name: "pair", Approvals: 1}), asked(by(bob), direct), policy.Facts{}, platform.PolicyApproval, 1, ""},

		{"frozen", weekend, asked(), policy.Facts{}, platform.PolicyNotNow, 1, "The freeze midweek holds until Thu 26 Nov 06:00 UTC, but for role admin."},
		{"frozen, a person's own change", weekend, asked(by(bob), direct), policy.Facts{}, platform.PolicyNotNow, 0, "midweek"},
		{"frozen, an admin", weekend, asked(by(ada), direct), policy.Facts{}, platform.PolicyAllowed, 0, ""},
		{"frozen, an admin approves", weekend, asked(approved(ada)), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"frozen, an agent with the role admin", weekend, asked(by(platform.Actor{Kind: platform.ActorAgent, Name: "x", Role: platform.RoleAdmin})), policy.Facts{}, platform.PolicyNotNow, 1, ""},
		{"frozen, an action that is not", weekend, asked(func(q *policy.Question) { q.Action = platform.ActionRollback }), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"the freeze is over", weekend, asked(func(q *policy.Question) { q.At = noon.AddDate(0, 0, 1) }), policy.Facts{}, platform.PolicyApproval, 1, ""},

		{"too many instances", limited(platform.SlotLimits{MaxReplicas: 4}), asked(to(5)), policy.Facts{}, platform.PolicyDenied, 1, "5 instances of api in production are more than the 4"},
		{"as many as allowed", limited(platform.SlotLimits{MaxReplicas: 4}), asked(to(4)), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"fewer than there are", limited(platform.SlotLimits{MaxReplicas: 4}), asked(to(6), func(q *policy.Question) { q.ReplicasNow = 8 }), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"too many, by a person", limited(platform.SlotLimits{MaxReplicas: 4}), asked(to(5), by(ada), direct), policy.Facts{}, platform.PolicyDenied, 0, ""},

		{"too dear for the day", day, asked(added), spent(4.5, 90), platform.PolicyDenied, 1, "4.50 spent + 0.5000 an hour for 12h0m0s = 10.50 EUR, and the limit is 10.00"},
		{"within the day", day, asked(added), spent(4, 90), platform.PolicyApproval, 1, ""},
		{"too dear for the month", month, asked(added), spent(4, 34.1), platform.PolicyDenied, 1, "the limit is 100.00"},
		{"within the month", month, asked(added), spent(4, 33.9), platform.PolicyApproval, 1, ""},
		{"no bigger", day, asked(func(q *policy.Question) { q.Bigger = false }), spent(99, 99), platform.PolicyApproval, 1, ""},
		{"no prices", day, asked(added), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"no resources, spent", day, asked(), spent(10, 10), platform.PolicyDenied, 1, "10.00 EUR are spent of 10.00"},
		{"no resources, not spent", day, asked(), spent(9, 10), platform.PolicyApproval, 1, ""},

		{"too many plans", limited(platform.SlotLimits{PerHour: 2}), asked(), carried(40, 10), platform.PolicyNotNow, 1, "2 plans of api were carried out within the last hour"},
		{"one more plan", limited(platform.SlotLimits{PerHour: 2}), asked(), carried(10), platform.PolicyApproval, 1, ""},
		{"too many plans, a person's own change", limited(platform.SlotLimits{PerHour: 2}), asked(by(bob), direct), carried(40, 10), platform.PolicyAllowed, 0, ""},
		{"cooling down", limited(platform.SlotLimits{CoolDown: platform.Duration(time.Hour)}), asked(), failed(time.Minute), platform.PolicyNotNow, 1, "the cool-down of 1h0m0s lasts until Wed 25 Nov 12:59 UTC"},
		{"cooled down", limited(platform.SlotLimits{CoolDown: platform.Duration(time.Hour)}), asked(), failed(time.Hour), platform.PolicyApproval, 1, ""},

		{"automatic", autoPolicy, asked(level(platform.AutonomyAuto)), policy.Facts{}, platform.PolicyAllowed, 0, ""},
		{"automatic, R2", autoPolicy, asked(level(platform.AutonomyAuto), risk(platform.RiskR2)), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, not listed", autoPolicy, asked(level(platform.AutonomyAuto), func(q *policy.Question) { q.Action = platform.ActionSetEnv }), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, elsewhere", autoPolicy, asked(level(platform.AutonomyAuto), func(q *policy.Question) { q.Environment = "staging" }), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, by automation", autoPolicy, asked(level(platform.AutonomyAuto), by(ci)), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, the slot says otherwise", autoPolicy, asked(), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, a rule asks", autoRule, asked(level(platform.AutonomyAuto)), policy.Facts{}, platform.PolicyApproval, 1, ""},
		{"automatic, often", autoPolicy, asked(level(platform.AutonomyAuto)), carried(30, 20, 10), platform.PolicyApproval, 1, ""},
		{"automatic, after a failure", autoPolicy, asked(level(platform.AutonomyAuto)), failed(time.Minute), platform.PolicyApproval, 1, ""},
		{"automatic, what it costs is not known", autoDay, asked(level(platform.AutonomyAuto)), policy.Facts{}, platform.PolicyApproval, 1, ""},
	} {
		d := policy.Decide(c.policy, c.question, c.facts)
		require.Equal(t, c.want, d.Outcome, "%s: %s", c.name, d.Reason)
		require.Equal(t, c.approvals, d.Approvals, c.name)
		require.Contains(t, d.Reason, c.words, c.name)
		for _, s := range d.Steps {
			require.NotEmpty(t, s.Why, "%s: %s", c.name, s.Check)
			require.True(t, strings.HasSuffix(s.Why, "."), "%s: %s: %s", c.name, s.Check, s.Why)
		}
	}
}

func TestDecide_SaysWhenWhatIsInTheWayPasses(t *testing.T) {
	t.Parallel()
	d := policy.Decide(limited(platform.SlotLimits{PerHour: 2}), asked(), carried(50, 40, 10))
	require.Equal(t, noon.Add(20*time.Minute), *d.Until, "when the one of 40 minutes ago is an hour old")
	d = policy.Decide(weekend, asked(), policy.Facts{})
	require.Equal(t, noon.Add(18*time.Hour), *d.Until)
	require.Nil(t, policy.Decide(platform.Policy{}, asked(), stopped).Until)
}

func TestDecide_EveryRuleIsListedInOrder(t *testing.T) {
	t.Parallel()
	d := policy.Decide(ruled(
		platform.PolicyRule{Name: "a", Actions: []platform.ActionKind{platform.ActionRestart}}, platform.PolicyRule{Name: "b", Approvals: 2}, platform.PolicyRule{Name: "c"}, platform.PolicyRule{Name: "d"},
	), asked(), policy.Facts{})
	var got []string
	for _, s := range d.Steps {
		if strings.HasPrefix(s.Check, "rule ") {
			got = append(got, s.Check+": "+string(s.Result)+": "+s.Why)
		}
	}
	require.Equal(t, []string{
		"rule a: no match: It is about restart, not scale.", "rule b: matched: It asks for 2 approvals.",
		"rule c: not asked: The rule b decided before.", "rule d: not asked: The rule b decided before.",
	}, got)
}

func TestLimits_TheFirstThatSetsOneSetsIt(t *testing.T) {
	t.Parallel()
	p := platform.Policy{Limits: []platform.SlotLimits{
		{Where: platform.Where{Services: []string{"api"}}, MaxReplicas: 8}, {Where: platform.Where{Services: []string{"db"}}, PerHour: 1}, {MaxReplicas: 2, PerHour: 4},
	}}
	require.Equal(t, platform.SlotLimits{MaxReplicas: 8, PerHour: 4}, policy.Limits(p, "production", "api"))
	require.Equal(t, platform.SlotLimits{MaxReplicas: 2, PerHour: 1}, policy.Limits(p, "production", "db"))
}

func TestMayApprove_WhoMayAndWhoMayNot(t *testing.T) {
	t.Parallel()
	body := func(by platform.Actor, r platform.Risk) platform.PlanBody {
		return platform.PlanBody{RequestedBy: by, Risk: r}
	}
	admins := platform.PolicyDecision{Approvers: platform.Who{Roles: []platform.Role{platform.RoleAdmin}}, Version: "v3"}
	for _, c := range []struct {
		name     string
		policy   platform.Policy
		decision platform.PolicyDecision
		actor    platform.Actor
		body     platform.PlanBody
		words    string // "" when they may
	}{
		{"another person", platform.Policy{}, platform.PolicyDecision{}, bob, body(agent, platform.RiskR1), ""},
		{"an agent", platform.Policy{}, platform.PolicyDecision{}, agent, body(bob, platform.RiskR1), "Only people approve plans"},
		{"automation", platform.Policy{}, platform.PolicyDecision{}, ci, body(bob, platform.RiskR1), "Only people approve plans"},
		{"the requester", platform.Policy{}, platform.PolicyDecision{}, bob, body(bob, platform.RiskR1), "bob asked for this plan"},
		{"the requester where R1 is let", platform.Policy{SelfApproveR1: true}, platform.PolicyDecision{}, bob, body(bob, platform.RiskR1), ""},
		{"the requester of R2 where R1 is let", platform.Policy{SelfApproveR1: true}, platform.PolicyDecision{}, bob, body(bob, platform.RiskR2), "bob asked for this plan"},
		{"who answers for the asker, R1", platform.Policy{}, platform.PolicyDecision{}, ada, body(agent, platform.RiskR1), ""},
		{"who answers for the asker, R3", platform.Policy{}, platform.PolicyDecision{}, ada, body(agent, platform.RiskR3), "answers for fixer"},
		{"not among the approvers", platform.Policy{}, admins, bob, body(agent, platform.RiskR1), "Policy v3 asks for an approval by role admin, and bob has the role operator."},
		{"among the approvers", platform.Policy{}, admins, ada, body(agent, platform.RiskR1), ""},
	} {
		err := policy.MayApprove(c.policy, c.decision, c.actor, c.body)
		if c.words == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, c.words, c.name)
		require.Equal(t, platform.CodeDenied, platform.CodeOf(err), c.name)
	}
}

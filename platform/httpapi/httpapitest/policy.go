package httpapitest

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

const policyText = `rules:
  - name: agents-ask-two
    who: {kinds: [agent]}
    actions: [scale]
    environments: [production]
    approvals: 2
freezes:
  - name: weekend
    from: fri 17:00
    to: mon 07:00
    timeZone: Europe/Prague
    except: {roles: [admin]}
limits:
  - maxReplicas: 6
`

func (p *Plane) fillPolicy() {
	ada := platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin}
	agents := platform.Who{Kinds: []platform.ActorKind{platform.ActorAgent}}
	p.Policy = platform.ProjectPolicy{
		Project: "shop", Version: 3, Text: policyText, Actor: &ada, UpdatedAt: at(600),
		Policy: platform.Policy{
			Rules: []platform.PolicyRule{{
				Name: "agents-ask-two", Who: agents, Actions: []platform.ActionKind{platform.ActionScale}, Where: platform.Where{Environments: []string{"production"}}, Approvals: 2,
			}},
			Freezes: []platform.Freeze{{Name: "weekend", From: "fri 17:00", To: "mon 07:00", Zone: "Europe/Prague", Except: []platform.Who{{Roles: []platform.Role{platform.RoleAdmin}}}}},
			Limits:  []platform.SlotLimits{{MaxReplicas: 6}},
		},
	}
	p.Decision = platform.PolicyDecision{
		Outcome: platform.PolicyDenied, Approvals: 2, Reason: "9 instances of api in production are more than the 6 that the policy allows.", Version: "v3",
		Action: platform.ActionScale, Actor: platform.Actor{Kind: platform.ActorAgent, Name: "fixer", Role: platform.RoleOperator}, Slot: "shop/production/api",
		Risk: platform.RiskR1, Plan: true,
		Steps: []platform.PolicyStep{
			{Check: "role", Result: platform.StepPassed, Why: "fixer is agent with the role operator and may propose."},
			{Check: "kill switch", Result: platform.StepPassed, Why: "Agents are not stopped."},
			{Check: "rule agents-ask-two", Result: platform.StepMatched, Why: "It asks for 2 approvals."},
			{Check: "platform floor", Result: platform.StepPassed, Why: "R1 asks for at least 1 approval; the rule asks for more."},
			{Check: "freeze weekend", Result: platform.StepPassed, Why: "It does not hold on Wed 11 Mar 15:09 UTC."},
			{Check: "most instances", Result: platform.StepDenies, Why: "9 instances of api in production are more than the 6 that the policy allows."},
			{Check: "spend per day", Result: platform.StepSkipped, Why: "The policy sets no limit."},
		},
	}
	p.Stopped = platform.AgentStatus{
		Stops:   []platform.AgentStop{{Project: "shop", Actor: ada, Reason: "it scales too much", At: at(12)}},
		Waiting: []platform.Plan{},
	}
}

// GetPolicy answers the sample policy.
func (p *Plane) GetPolicy(_ context.Context, actor platform.Actor, project string, version int64) (platform.ProjectPolicy, error) {
	return p.Policy, p.read("GetPolicy", actor, version)
}

// SetPolicy answers the sample policy with the text, as the next version.
func (p *Plane) SetPolicy(_ context.Context, actor platform.Actor, req platform.SetPolicyRequest) (platform.ProjectPolicy, error) {
	next := p.Policy
	next.Version++
	next.Text = req.Text
	if req.DryRun {
		return next, p.read("SetPolicy", actor, req)
	}
	return next, p.write("SetPolicy", actor, req)
}

// ExplainPolicy answers the sample decision.
func (p *Plane) ExplainPolicy(_ context.Context, actor platform.Actor, q platform.PolicyQuestion) (platform.PolicyDecision, error) {
	return p.Decision, p.read("ExplainPolicy", actor, q)
}

// AgentStatus answers the sample's stops.
func (p *Plane) AgentStatus(_ context.Context, actor platform.Actor, project string) (platform.AgentStatus, error) {
	return p.Stopped, p.read("AgentStatus", actor, project)
}

// StopAgents answers the sample's stops.
func (p *Plane) StopAgents(_ context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	return p.Stopped, p.write("StopAgents", actor, req)
}

// StartAgents answers that nothing is stopped.
func (p *Plane) StartAgents(_ context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	return platform.AgentStatus{Stops: []platform.AgentStop{}, Waiting: []platform.Plan{}}, p.write("StartAgents", actor, req)
}

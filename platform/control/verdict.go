package control

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// request is an action that policy is asked about: when it is proposed, approved, begun, or made by hand.
type request struct {
	actor     platform.Actor // who asked for it
	slot      platform.Slot
	action    platform.Action
	risk      platform.Risk
	plan      bool // proposed, rather than made by the actor
	approvers []platform.Actor
	spent     *policy.Spent // nil when not known
}

// verdict is what policy says now, and what it was asked under.
type verdict struct {
	policy platform.Policy
	platform.PolicyDecision
}

// planRequest is the request of a plan with those who approve it.
func planRequest(slot platform.Slot, body platform.PlanBody, approvals []platform.Approval, spent *policy.Spent, more ...platform.Actor) request {
	r := request{actor: body.RequestedBy, slot: slot, action: body.Action, risk: body.Risk, plan: true, spent: spent, approvers: more}
	for _, a := range approvals {
		if a.Approved {
			r.approvers = append(r.approvers, a.Actor)
		}
	}
	return r
}

// askPolicy asks policy: the choke point of everything that is proposed, and of what people and automation change by hand.
func (p *Plane) askPolicy(ctx context.Context, tx *store.Tx, r request) (verdict, error) {
	held, err := tx.PolicyOf(ctx, platform.Project{ID: r.slot.ProjectID, Name: r.slot.Project})
	if err != nil {
		return verdict{}, err
	}
	now := p.now()
	facts := policy.Facts{Spent: r.spent}
	if facts.Stop, err = stopOf(ctx, tx, r.slot.Project); err != nil {
		return verdict{}, err
	}
	if facts.Carried, err = tx.CarriedOut(ctx, r.slot.ID, now.Add(-time.Hour)); err != nil {
		return verdict{}, err
	}
	if facts.LastFailure, err = tx.LastFailedPlan(ctx, r.slot.ID); err != nil {
		return verdict{}, err
	}
	q := policy.Question{
		Actor: r.actor, Action: r.action.Kind, Environment: r.slot.Environment, Service: r.slot.Service, Risk: r.risk, Plan: r.plan, Autonomy: r.slot.Autonomy,
		At: now, Replicas: r.action.Replicas, ReplicasNow: r.slot.Replicas, Approvers: r.approvers,
	}
	if r.action.Kind == platform.ActionScale {
		if q.Bigger, q.AddedPerHour, err = p.growth(ctx, tx, r.slot, r.action); err != nil {
			return verdict{}, err
		}
	}
	v := verdict{policy: held.Policy, PolicyDecision: policy.Decide(held.Policy, q, facts)}
	v.Version, v.Slot = policyVersion(held.Version), r.slot.Ref()
	return v, nil
}

// policyVersion is how plans and sentences name a version.
func policyVersion(n int64) string {
	if n == 0 {
		return "default"
	}
	return fmt.Sprintf("v%d", n)
}

// stopOf returns the stop that holds in a project, nil when agents may act there.
func stopOf(ctx context.Context, tx *store.Tx, project string) (*platform.AgentStop, error) {
	stops, err := tx.AgentStops(ctx, []string{project})
	if err != nil || len(stops) == 0 {
		return nil, err
	}
	return &stops[0], nil
}

// growth says whether a scale makes a slot bigger, and what it then costs more in an hour by its limits; nil is not known.
func (p *Plane) growth(ctx context.Context, tx *store.Tx, slot platform.Slot, a platform.Action) (bool, *platform.Micro, error) {
	var was platform.Resources
	if slot.LiveReleaseID != "" {
		live, err := tx.ReleaseByID(ctx, slot.LiveReleaseID)
		if err != nil {
			return false, nil, err
		}
		was = live.Spec.Resources
	}
	replicas, will := slot.Replicas, was
	if a.Replicas != 0 {
		replicas = a.Replicas
	}
	if a.MemoryBytes != 0 {
		will.MemoryBytes = a.MemoryBytes
	}
	bigger := replicas > slot.Replicas || will.MemoryBytes > was.MemoryBytes
	if !bigger || was.CPUs == 0 || was.MemoryBytes == 0 || p.o.Prices == nil {
		return bigger, nil, nil
	}
	prices, _ := p.o.Prices() // with an error they are the last good ones
	if prices == nil {
		return bigger, nil, nil
	}
	hour := func(n int, r platform.Resources) platform.Micro {
		each := prices.Cost(slot.Project, platform.Usage{
			CPUSeconds: platform.MicroOf(r.CPUs * 3600), MemoryGBHours: platform.MicroOf(float64(r.MemoryBytes) / 1e9), GPUHours: platform.MicroOf(float64(r.GPUs)),
		})
		return each * platform.Micro(n)
	}
	added := hour(replicas, will) - hour(slot.Replicas, was)
	return bigger, &added, nil
}

// refusal is why what policy was asked about is not done now, nil when it may be, once it has its approvals.
func (v verdict) refusal() error {
	switch v.Outcome {
	case platform.PolicyDenied:
		return platform.Errorf(platform.CodeDenied, "%s", v.Reason).WithHint("%s", v.explainHint())
	case platform.PolicyNotNow:
		if v.Stopped {
			return platform.Errorf(platform.CodeConflict, "%s", v.Reason)
		}
		return platform.Errorf(platform.CodeConflict, "%s", v.Reason).WithHint("%s", v.explainHint())
	case platform.PolicyAllowed, platform.PolicyApproval:
	}
	return nil
}

// explainHint says how every check is seen.
func (v verdict) explainHint() string {
	return fmt.Sprintf("Policy %s said so; fairlead policy explain --action %s shows each check.", v.Version, v.Action)
}

// permit refuses what an actor changes by hand where the policy of the project does. Fairlead itself is not asked.
func (p *Plane) permit(ctx context.Context, tx *store.Tx, actor platform.Actor, slot platform.Slot, action platform.Action, spent *policy.Spent) error {
	if actor.Kind == platform.ActorSystem {
		return nil
	}
	v, err := p.askPolicy(ctx, tx, request{actor: actor, slot: slot, action: action, risk: riskOf(slot, action.Kind), spent: spent})
	if err != nil {
		return err
	}
	if v.Outcome == platform.PolicyApproval {
		return platform.Errorf(platform.CodeApprovalRequired, "Policy %s lets %s not %s %s alone: %s", v.Version, actor.Name, action.Kind, slot.Ref(), v.Reason).
			WithHint("Propose it, and another person approves it: fairlead plans propose %s %s.", action.Kind, slot.Service)
	}
	return v.refusal()
}

// riskOf is what can go wrong with an action on a slot as it is now.
func riskOf(slot platform.Slot, kind platform.ActionKind) platform.Risk {
	if kind == platform.ActionRestart && slot.Replicas <= 1 {
		return platform.RiskR2 // what the only instance holds in memory is gone
	}
	return platform.RiskR1
}

// Package policy decides what may be carried out: by whom, where, when and after how many approvals.
//
// It owns the floor that no project's policy goes below, the order in which checks are made and the sentences that
// explain them. It is pure: what the caller knows goes in, a decision with every step comes out. It must not know how a
// policy is written or stored, nor who may call what: that is control.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// What bounds plans that are carried out with no human, whatever a policy says.
const (
	AutoPerHour  = 3
	AutoCoolDown = 15 * time.Minute
)

// Floor is how many different people must at least approve a plan of that risk. Only an R1 plan of an agent can need
// none, where the autonomy of its slot is auto and lists the action.
func Floor(risk platform.Risk) int {
	switch risk {
	case platform.RiskR0:
		return 0
	case platform.RiskR1, platform.RiskR2:
		return 1
	default: // R3, and what is not known
		return 2
	}
}

// Question is what somebody wants to do.
type Question struct {
	Actor       platform.Actor // who asked for it
	Action      platform.ActionKind
	Environment string
	Service     string
	Risk        platform.Risk
	// Plan is set for what was proposed, rather than what the actor changes itself.
	Plan     bool
	Autonomy platform.Autonomy // of the slot
	At       time.Time
	// Replicas is the number wanted, 0 when it stays, and ReplicasNow the one that holds.
	Replicas, ReplicasNow int
	// Bigger is set for what costs more afterwards, AddedPerHour by how much; nil is not known.
	Bigger       bool
	AddedPerHour *platform.Micro
	// Approvers are those who have approved so far, or are about to: a freeze may except them.
	Approvers []platform.Actor
}

// Facts are what happened in the slot and the project so far.
type Facts struct {
	Stop        *platform.AgentStop
	Carried     []time.Time // when plans of the slot were carried out within the last hour, oldest first
	LastFailure *time.Time  // when the newest plan of the slot that failed ended
	Spent       *Spent      // nil when nothing has a price
}

// Spent is what the project cost so far.
type Spent struct {
	Day, Month platform.Micro
	Currency   string
}

// Decide says whether what the question asks for may be carried out now, and how it came to that.
func Decide(p platform.Policy, q Question, f Facts) platform.PolicyDecision {
	d := &decision{policy: p, q: q, facts: f, limits: Limits(p, q.Environment, q.Service)}
	d.out.Steps = []platform.PolicyStep{}
	d.stop()
	d.autonomy()
	rule := d.rules()
	d.floor(rule)
	d.freezes()
	d.replicas()
	d.spend()
	d.rate()
	d.coolDown()
	d.auto(rule)
	return d.settle()
}

// Limits are those that hold in a slot.
func Limits(p platform.Policy, environment, service string) platform.SlotLimits {
	var out platform.SlotLimits
	for _, l := range p.Limits {
		if !l.Has(environment, service) {
			continue
		}
		if out.PerHour == 0 {
			out.PerHour = l.PerHour
		}
		if out.CoolDown == 0 {
			out.CoolDown = l.CoolDown
		}
		if out.MaxReplicas == 0 {
			out.MaxReplicas = l.MaxReplicas
		}
	}
	return out
}

// Autonomy is the level that a policy sets in a slot, and approve where it sets none.
func Autonomy(p platform.Policy, environment, service string) platform.Autonomy {
	if rule := autonomyRule(p, environment, service); rule != nil {
		return rule.Level
	}
	return platform.AutonomyApprove
}

func autonomyRule(p platform.Policy, environment, service string) *platform.AutonomyRule {
	for i := range p.Autonomy {
		if p.Autonomy[i].Has(environment, service) {
			return &p.Autonomy[i]
		}
	}
	return nil
}

// MayApprove returns why the actor may not approve a plan, nil when it may. d is what policy says of the plan.
func MayApprove(p platform.Policy, d platform.PolicyDecision, actor platform.Actor, body platform.PlanBody) error {
	asked := body.RequestedBy
	switch {
	case actor.Kind != platform.ActorHuman:
		return platform.Errorf(platform.CodeDenied, "Only people approve plans; %s is %s.", actor.Name, actor.Kind).WithHint("A person must decide: fairlead approve <plan>.")
	case body.Risk == platform.RiskR3 && actor.Name == asked.Owner:
		return platform.Errorf(platform.CodeDenied, "%s answers for %s, who asked for this plan, so a plan that can lose data needs others to approve it.", actor.Name, asked.Name).
			WithHint("Ask two other people.")
	case actor.Principal() == asked.Principal() && !(body.Risk == platform.RiskR1 && p.SelfApproveR1):
		return platform.Errorf(platform.CodeDenied, "%s asked for this plan and cannot approve it.", actor.Name).WithHint("Ask another person to approve it.")
	case !d.Approvers.Has(actor):
		return platform.Errorf(platform.CodeDenied, "Policy %s asks for an approval by %s, and %s has the role %s.", d.Version, Words(d.Approvers), actor.Name, actor.Role).
			WithHint("Ask one of them to approve it.")
	}
	return nil
}

// Words describes whom a choice of actors means.
func Words(w platform.Who) string {
	var words []string
	for _, part := range []struct{ name, list string }{{"kind", joined(w.Kinds)}, {"role", joined(w.Roles)}, {"name", joined(w.Names)}} {
		if part.list != "" {
			words = append(words, part.name+" "+part.list)
		}
	}
	if len(words) == 0 {
		return "everybody"
	}
	return strings.Join(words, " and ")
}

func joined[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, one := range list {
		words[i] = string(one)
	}
	return strings.Join(words, " or ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func clock(at time.Time) string { return at.UTC().Format("Mon 2 Jan 15:04 UTC") }

// excepted reports whether one of the people behind the question is among those chosen: an agent is not.
func (d *decision) excepted(choices []platform.Who) string {
	people := slices.Clone(d.q.Approvers)
	if d.q.Actor.Kind != platform.ActorAgent {
		people = append(people, d.q.Actor)
	}
	for _, w := range choices {
		for _, a := range people {
			if w.Has(a) {
				return a.Name
			}
		}
	}
	return ""
}

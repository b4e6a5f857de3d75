package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// decision is a decision while its checks are made.
type decision struct {
	policy platform.Policy
	q      Question
	facts  Facts
	limits platform.SlotLimits
	out    platform.PolicyDecision

	denied, held string // the first reason of each
	unknown      string // the first thing that could not be checked
}

func (d *decision) step(check string, result platform.StepResult, format string, args ...any) {
	d.out.Steps = append(d.out.Steps, platform.PolicyStep{Check: check, Result: result, Why: fmt.Sprintf(format, args...)})
}

func (d *decision) deny(check, format string, args ...any) {
	d.step(check, platform.StepDenies, format, args...)
	if d.denied == "" {
		d.denied = fmt.Sprintf(format, args...)
	}
}

// hold notes what is in the way now; until is zero when nobody knows how long.
func (d *decision) hold(check string, until time.Time, format string, args ...any) {
	d.step(check, platform.StepHolds, format, args...)
	if d.held == "" {
		d.held = fmt.Sprintf(format, args...)
		if !until.IsZero() {
			d.out.Until = &until
		}
	}
}

func (d *decision) byAgent() bool { return d.q.Actor.Kind == platform.ActorAgent }

// StopWords says who stopped agents and how they are started again.
func StopWords(s platform.AgentStop) string {
	where, flag := "agents everywhere", ""
	if s.Project != "" {
		where, flag = "agents in "+s.Project, " --project "+s.Project
	}
	why := ""
	if s.Reason != "" {
		why = ", saying " + fmt.Sprintf("%q", platform.Truncate(s.Reason, 200))
	}
	return fmt.Sprintf("%s stopped %s on %s%s; an admin starts them again with fairlead agent start%s.", s.Actor.Name, where, clock(s.At), why, flag)
}

func (d *decision) stop() {
	const check = "kill switch"
	switch {
	case d.facts.Stop == nil:
		d.step(check, platform.StepPassed, "Agents are not stopped.")
	case !d.byAgent():
		d.step(check, platform.StepSkipped, "It stops what agents asked for, and %s is %s. %s", d.q.Actor.Name, d.q.Actor.Kind, StopWords(*d.facts.Stop))
	default:
		d.hold(check, time.Time{}, "%s", StopWords(*d.facts.Stop))
		d.out.Stopped = true
	}
}

func (d *decision) autonomy() {
	const check = "autonomy"
	switch {
	case !d.q.Plan && d.byAgent():
		d.deny(check, "%s is an agent and changes nothing by itself; it proposes.", d.q.Actor.Name)
	case !d.q.Plan:
		d.step(check, platform.StepSkipped, "It is about plans, and this is a change that %s makes.", d.q.Actor.Name)
	case d.q.Autonomy == platform.AutonomyOff && d.byAgent():
		d.deny(check, "The autonomy of %s in %s is off: agents propose nothing there.", d.q.Service, d.q.Environment)
	case d.q.Autonomy == platform.AutonomyOff || d.q.Autonomy == platform.AutonomySuggest:
		d.hold(check, time.Time{}, "The autonomy of %s in %s is %s: plans are advice and are not carried out.", d.q.Service, d.q.Environment, d.q.Autonomy)
	default:
		d.step(check, platform.StepPassed, "It is %s in %s of %s.", d.q.Autonomy, d.q.Environment, d.q.Service)
	}
}

// rules finds the first rule that matches, and says of each one before why it does not.
func (d *decision) rules() *platform.PolicyRule {
	var decides *platform.PolicyRule
	for i := range d.policy.Rules {
		rule := &d.policy.Rules[i]
		check := "rule " + rule.Name
		why := d.mismatch(*rule)
		switch {
		case decides != nil:
			d.step(check, platform.StepSkipped, "The rule %s decided before.", decides.Name)
			continue
		case why != "":
			d.step(check, platform.StepOther, "%s", why)
			continue
		case rule.Deny:
			d.deny(check, "The rule %s denies %s to %s.", rule.Name, d.q.Action, Words(rule.Who))
		default:
			d.step(check, platform.StepMatched, "It asks for %s.", plural(rule.Approvals, "approval"))
			d.out.Approvers = rule.Approvers
		}
		decides = rule
	}
	return decides
}

func (d *decision) mismatch(r platform.PolicyRule) string {
	a := d.q.Actor
	switch {
	case len(r.Actions) == 0 && d.q.Action == platform.ActionDeploy:
		return "It does not name deploy, which only rules that do are about."
	case len(r.Actions) > 0 && !slices.Contains(r.Actions, d.q.Action):
		return fmt.Sprintf("It is about %s, not %s.", joined(r.Actions), d.q.Action)
	case !r.Where.Has(d.q.Environment, d.q.Service):
		return fmt.Sprintf("It is about %s, not %s in %s.", whereWords(r.Where), d.q.Service, d.q.Environment)
	case !r.Who.Has(a):
		return fmt.Sprintf("It is about %s, and %s is %s with the role %s.", Words(r.Who), a.Name, a.Kind, a.Role)
	}
	return ""
}

func whereWords(w platform.Where) string {
	service, environment := "every service", "every environment"
	if len(w.Services) > 0 {
		service = joined(w.Services)
	}
	if len(w.Environments) > 0 {
		environment = joined(w.Environments)
	}
	return service + " in " + environment
}

// floor sets how many must approve: what the rule says, or else what the platform does, and never less than the platform.
func (d *decision) floor(rule *platform.PolicyRule) {
	const check = "platform floor"
	least := Floor(d.q.Risk)
	if !d.q.Plan && least < 2 {
		least = 0 // who may make a change themselves has asked nobody so far
	}
	d.out.Approvals = least
	switch {
	case rule != nil && !rule.Deny && rule.Approvals > least:
		d.out.Approvals = rule.Approvals
		d.step(check, platform.StepPassed, "%s asks for at least %s; the rule asks for more.", d.q.Risk, plural(least, "approval"))
	case rule != nil && !rule.Deny && rule.Approvals < least:
		d.step(check, platform.StepPassed, "%s asks for at least %s, and no rule goes below that.", d.q.Risk, plural(least, "approval"))
	default:
		d.step(check, platform.StepPassed, "%s asks for at least %s.", d.q.Risk, plural(least, "approval"))
	}
}

func (d *decision) freezes() {
	for _, f := range d.policy.Freezes {
		check := "freeze " + f.Name
		until, holds := f.Until(d.q.At)
		switch {
		case !f.Where.Has(d.q.Environment, d.q.Service):
			d.step(check, platform.StepOther, "It is about %s, not %s in %s.", whereWords(f.Where), d.q.Service, d.q.Environment)
		case !holds:
			d.step(check, platform.StepPassed, "It does not hold on %s.", clock(d.q.At))
		case slices.Contains(f.ExceptActions, d.q.Action):
			d.step(check, platform.StepPassed, "It holds until %s and excepts %s.", clock(until), d.q.Action)
		case d.excepted(f.Except) != "":
			d.step(check, platform.StepPassed, "It holds until %s and excepts %s.", clock(until), d.excepted(f.Except))
		default:
			d.hold(check, until, "The freeze %s holds until %s%s.", f.Name, clock(until), exceptWords(f.Except))
		}
	}
}

func exceptWords(except []platform.Who) string {
	words := ""
	for i, w := range except {
		if i == 0 {
			words = ", but for "
		} else {
			words += ", or "
		}
		words += Words(w)
	}
	return words
}

func (d *decision) replicas() {
	const check = "most instances"
	switch {
	case d.limits.MaxReplicas == 0:
		d.step(check, platform.StepSkipped, "The policy sets no limit.")
	case d.q.Replicas == 0:
		d.step(check, platform.StepSkipped, "The number of instances stays.")
	case d.q.Replicas <= d.q.ReplicasNow:
		d.step(check, platform.StepPassed, "It does not add to the %d that there are.", d.q.ReplicasNow)
	case d.q.Replicas > d.limits.MaxReplicas:
		d.deny(check, "%d instances of %s in %s are more than the %d that the policy allows.", d.q.Replicas, d.q.Service, d.q.Environment, d.limits.MaxReplicas)
	default:
		d.step(check, platform.StepPassed, "%d of at most %d.", d.q.Replicas, d.limits.MaxReplicas)
	}
}

// spend compares what was spent, and what the change adds until the end of the day or the month, with the limits.
func (d *decision) spend() {
	day := time.Date(d.q.At.UTC().Year(), d.q.At.UTC().Month(), d.q.At.UTC().Day()+1, 0, 0, 0, 0, time.UTC)
	month := time.Date(d.q.At.UTC().Year(), d.q.At.UTC().Month()+1, 1, 0, 0, 0, 0, time.UTC)
	spent := Spent{}
	if d.facts.Spent != nil {
		spent = *d.facts.Spent
	}
	d.spendOf("spend per day", d.policy.Spend.PerDay, spent.Day, day)
	d.spendOf("spend per month", d.policy.Spend.PerMonth, spent.Month, month)
}

func (d *decision) spendOf(check string, most, spent platform.Micro, end time.Time) {
	switch {
	case most == 0:
		d.step(check, platform.StepSkipped, "The policy sets no limit.")
		return
	case !d.q.Bigger:
		d.step(check, platform.StepSkipped, "This does not make anything bigger.")
		return
	case d.facts.Spent == nil:
		d.notKnown(check, "Nothing has a price, so what was spent is not known.")
		return
	}
	currency := d.facts.Spent.Currency
	left := end.Sub(d.q.At)
	if d.q.AddedPerHour == nil {
		if spent >= most {
			d.deny(check, "%s %s are spent of %s.", spent.Fixed(2), currency, most.Fixed(2))
			return
		}
		d.notKnown(check, fmt.Sprintf("%s %s are spent of %s; what this adds is not known, since the service has no limits of CPU and memory.", spent.Fixed(2), currency, most.Fixed(2)))
		return
	}
	sum := spent + d.q.AddedPerHour.TimesOver(int64(left/time.Second), int64(time.Hour/time.Second))
	arithmetic := fmt.Sprintf("%s spent + %s an hour for %s = %s %s, and the limit is %s",
		spent.Fixed(2), d.q.AddedPerHour.Fixed(4), left.Round(time.Minute), sum.Fixed(2), currency, most.Fixed(2))
	if sum > most {
		d.deny(check, "It would cost more than the policy allows: %s.", arithmetic)
		return
	}
	d.step(check, platform.StepPassed, "%s.", arithmetic)
}

func (d *decision) notKnown(check, why string) {
	d.step(check, platform.StepUnknown, "%s", why)
	if d.unknown == "" {
		d.unknown = why
	}
}

func (d *decision) rate() {
	const check = "plans per hour"
	switch {
	case !d.q.Plan:
		d.step(check, platform.StepSkipped, "It is about plans.")
	case d.limits.PerHour == 0:
		d.step(check, platform.StepSkipped, "The policy sets no limit.")
	case len(d.facts.Carried) >= d.limits.PerHour:
		d.hold(check, freeAgain(d.facts.Carried, d.limits.PerHour), "%s of %s were carried out within the last hour, and the limit is %d.",
			plural(len(d.facts.Carried), "plan"), d.q.Service, d.limits.PerHour)
	default:
		d.step(check, platform.StepPassed, "%d of at most %d within the last hour.", len(d.facts.Carried), d.limits.PerHour)
	}
}

// freeAgain is when fewer than most of the plans lie within the last hour.
func freeAgain(carried []time.Time, most int) time.Time {
	return carried[len(carried)-most].Add(time.Hour)
}

func (d *decision) coolDown() {
	const check = "cool-down"
	switch {
	case !d.q.Plan:
		d.step(check, platform.StepSkipped, "It is about plans.")
	case d.limits.CoolDown == 0:
		d.step(check, platform.StepSkipped, "The policy sets none.")
	case d.cools(d.limits.CoolDown.D()):
		d.hold(check, d.facts.LastFailure.Add(d.limits.CoolDown.D()), "A plan of %s failed on %s, and the cool-down of %s lasts until %s.",
			d.q.Service, clock(*d.facts.LastFailure), d.limits.CoolDown, clock(d.facts.LastFailure.Add(d.limits.CoolDown.D())))
	default:
		d.step(check, platform.StepPassed, "No plan of %s failed within %s.", d.q.Service, d.limits.CoolDown)
	}
}

func (d *decision) cools(lasts time.Duration) bool {
	return d.facts.LastFailure != nil && d.q.At.Before(d.facts.LastFailure.Add(lasts))
}

// auto lets an R1 plan of an agent run with no human, where the slot says so and nothing else speaks against it.
func (d *decision) auto(rule *platform.PolicyRule) {
	const check = "automatic"
	if why := d.notAuto(rule); why != "" {
		d.step(check, platform.StepSkipped, "%s", why)
		return
	}
	d.out.Approvals, d.out.Approvers = 0, platform.Who{}
	d.step(check, platform.StepMatched, "%s is listed for automatic execution in %s of %s, and it can be undone.", d.q.Action, d.q.Environment, d.q.Service)
}

// notAuto says why a human must decide; "" when none must. The kill switch is no reason: what it holds waits for it.
func (d *decision) notAuto(rule *platform.PolicyRule) string {
	listed := autonomyRule(d.policy, d.q.Environment, d.q.Service)
	switch {
	case !d.q.Plan || !d.byAgent():
		return "Only plans of agents are carried out with no human."
	case d.q.Autonomy != platform.AutonomyAuto || listed == nil || listed.Level != platform.AutonomyAuto:
		return fmt.Sprintf("The autonomy of %s in %s is %s.", d.q.Service, d.q.Environment, d.q.Autonomy)
	case !slices.Contains(listed.Actions, d.q.Action):
		return fmt.Sprintf("%s is not listed for automatic execution.", d.q.Action)
	case d.q.Risk != platform.RiskR1:
		return fmt.Sprintf("It is %s, and only R1 is carried out with no human.", d.q.Risk)
	case rule != nil && rule.Approvals > 0:
		return fmt.Sprintf("The rule %s asks for a human.", rule.Name)
	case d.denied != "":
		return "It is denied."
	case d.held != "" && !(d.out.Stopped && d.holds() == 1):
		return "Something is in the way now, so a human decides."
	case d.unknown != "":
		return "A human decides what cannot be checked: " + d.unknown
	case len(d.facts.Carried) >= AutoPerHour:
		return fmt.Sprintf("%s were carried out within the last hour; after %d a human decides.", plural(len(d.facts.Carried), "plan"), AutoPerHour)
	case d.cools(AutoCoolDown):
		return fmt.Sprintf("A plan of %s failed less than %s ago, so a human decides.", d.q.Service, AutoCoolDown)
	}
	return ""
}

func (d *decision) holds() int {
	n := 0
	for _, s := range d.out.Steps {
		if s.Result == platform.StepHolds {
			n++
		}
	}
	return n
}

// settle draws the outcome from what the checks said: denied before not now before approvals.
func (d *decision) settle() platform.PolicyDecision {
	out := d.out
	out.Action, out.Actor, out.Risk, out.Plan = d.q.Action, d.q.Actor, d.q.Risk, d.q.Plan
	switch {
	case d.denied != "":
		out.Outcome, out.Reason, out.Until = platform.PolicyDenied, d.denied, nil
	case d.held != "":
		out.Outcome, out.Reason = platform.PolicyNotNow, d.held
	case out.Approvals > 0:
		out.Outcome, out.Reason = platform.PolicyApproval, fmt.Sprintf("It needs %s by %s.", plural(out.Approvals, "approval"), approverWords(out.Approvers))
	default:
		out.Outcome, out.Reason = platform.PolicyAllowed, "Nothing speaks against it."
	}
	return out
}

func approverWords(w platform.Who) string {
	if w.Everybody() {
		return "people with the role operator or admin"
	}
	return "people with " + Words(w)
}

package platform

import (
	"slices"
	"time"
)

// Policy is what a project says about who may change what, where, when and with how many approvals. Its zero value says
// nothing: then the platform's own rules hold, which no policy can go below.
type Policy struct {
	Rules    []PolicyRule   `json:"rules,omitempty"` // in order; the first that matches decides
	Autonomy []AutonomyRule `json:"autonomy,omitempty"`
	Freezes  []Freeze       `json:"freezes,omitempty"`
	Limits   []SlotLimits   `json:"limits,omitempty"`
	Spend    SpendLimits    `json:"spend,omitzero"`
	// PlanExpiry is how long a plan waits for its decision; 0 means the installation's.
	PlanExpiry Duration `json:"plan_expiry,omitempty"`
	// SelfApproveR1 lets a human approve an R1 plan of their own.
	SelfApproveR1 bool `json:"self_approve_r1,omitempty"`
}

// Who chooses actors; an empty field chooses every one.
type Who struct {
	Kinds []ActorKind `json:"kinds,omitempty"`
	Roles []Role      `json:"roles,omitempty"`
	Names []string    `json:"names,omitempty"`
}

// Everybody reports whether w chooses every actor.
func (w Who) Everybody() bool { return len(w.Kinds)+len(w.Roles)+len(w.Names) == 0 }

// Has reports whether w chooses the actor.
func (w Who) Has(a Actor) bool {
	return within(w.Kinds, a.Kind) && within(w.Roles, a.Role) && within(w.Names, a.Name)
}

func within[T comparable](chosen []T, one T) bool {
	return len(chosen) == 0 || slices.Contains(chosen, one)
}

// Where chooses slots; an empty field chooses every one.
type Where struct {
	Environments []string `json:"environments,omitempty"`
	Services     []string `json:"services,omitempty"`
}

// Has reports whether w chooses the service in the environment.
func (w Where) Has(environment, service string) bool {
	return within(w.Environments, environment) && within(w.Services, service)
}

// PolicyRule says how many approvals some actions of some actors need, or that they are denied.
type PolicyRule struct {
	Name    string       `json:"name"`
	Who     Who          `json:"who,omitzero"`
	Actions []ActionKind `json:"actions,omitempty"`
	Where
	Deny      bool `json:"deny,omitempty"`
	Approvals int  `json:"approvals"` // raised to the platform's floor
	Approvers Who  `json:"approvers,omitzero"`
}

// AutonomyRule sets how far the agent may go in some slots; the first that matches a slot holds there.
type AutonomyRule struct {
	Where
	Level Autonomy `json:"level"`
	// Actions are those that are carried out with no human: auto only.
	Actions []ActionKind `json:"actions,omitempty"`
}

// SlotLimits bound what happens in some slots. Of several that match a slot the first that sets a limit sets it.
type SlotLimits struct {
	Where
	PerHour     int      `json:"per_hour,omitempty"`     // plans carried out within an hour in one slot
	CoolDown    Duration `json:"cool_down,omitempty"`    // after a plan of the slot that failed
	MaxReplicas int      `json:"max_replicas,omitempty"` // that a change may ask for
}

// SpendLimits are amounts, in the currency of the price list, above which nothing is made bigger. 0 is no limit.
type SpendLimits struct {
	PerDay   Micro `json:"per_day,omitempty"`   // of a UTC day
	PerMonth Micro `json:"per_month,omitempty"` // of a calendar month, UTC
}

// ActionDeploy is a deploy that a person or automation asks for, or that a push starts. Policies name it;
// nobody proposes it, so it is none of ActionKinds.
const ActionDeploy = "deploy"

// PolicyActions returns every action that a policy may name.
func PolicyActions() []ActionKind { return append(slices.Clone(ActionKinds), ActionDeploy) }

// Bounds of a policy.
const (
	MaxPolicySize    = 64 << 10
	MaxPolicyRules   = 100
	MaxApprovals     = 5
	MinPlanExpiry    = Duration(time.Minute)
	MaxPlanExpiry    = Duration(24 * time.Hour)
	MaxCoolDown      = Duration(24 * time.Hour)
	MaxPlansPerHour  = 100
	MaxPolicyHistory = 100
)

// ProjectPolicy is one version of a project's policy. Version 0 is that of a project which never set one.
type ProjectPolicy struct {
	Project   string    `json:"project"`
	Version   int64     `json:"version"`
	Text      string    `json:"text"` // as it was given
	Policy    Policy    `json:"policy"`
	Actor     *Actor    `json:"actor,omitempty"` // who set it
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// SetPolicyRequest sets the policy of a project to what the text says.
type SetPolicyRequest struct {
	Project string `json:"project"`
	Text    string `json:"text"`
	// IfVersion, where given, must be the version that holds: what was read is what is changed.
	IfVersion *int64 `json:"if_version,omitempty"`
	// DryRun checks the text and answers what would be set; whoever may read may ask.
	DryRun bool `json:"dry_run,omitempty"`
}

// PolicyQuestion asks what would become of an action. Kind, Role and Name describe the actor; whoever asks when all are empty.
type PolicyQuestion struct {
	SlotRef
	Kind   ActorKind  `json:"kind,omitempty"`
	Role   Role       `json:"role,omitempty"`
	Name   string     `json:"name,omitempty"`
	Action ActionKind `json:"action"`
	// Replicas and MemoryBytes are what a scale would ask for; 0 leaves them as they are.
	Replicas    int   `json:"replicas,omitempty"`
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// Plan asks about a plan rather than a change that the actor makes itself; an agent's always is one.
	Plan bool `json:"plan,omitempty"`
}

// PolicyOutcome is what policy says.
type PolicyOutcome string

// The outcomes.
const (
	PolicyAllowed  PolicyOutcome = "allowed"  // at once
	PolicyApproval PolicyOutcome = "approval" // once so many people said yes
	PolicyNotNow   PolicyOutcome = "not_now"  // a stop, a freeze or a limit is in the way, and will pass
	PolicyDenied   PolicyOutcome = "denied"
)

// StepResult is what one check said.
type StepResult string

// The results of a check.
const (
	StepPassed  StepResult = "passed"
	StepMatched StepResult = "matched" // the rule that decides
	StepOther   StepResult = "no match"
	StepSkipped StepResult = "not asked" // it has no say here
	StepHolds   StepResult = "not now"
	StepDenies  StepResult = "denies"
	StepUnknown StepResult = "unknown"
)

// PolicyStep is one check that was made, in order, and why it said what it did.
type PolicyStep struct {
	Check  string     `json:"check"`
	Result StepResult `json:"result"`
	Why    string     `json:"why"`
}

// PolicyDecision is what policy says of an action and how it came to that.
type PolicyDecision struct {
	Outcome   PolicyOutcome `json:"outcome"`
	Approvals int           `json:"approvals"` // how many different people must say yes; also while it is not now
	Approvers Who           `json:"approvers,omitzero"`
	Reason    string        `json:"reason"` // one sentence: what decided
	// Stopped is set when the kill switch is what is in the way.
	Stopped bool `json:"stopped,omitempty"`
	// Until is when what is in the way passes, where that is known.
	Until   *time.Time   `json:"until,omitempty"`
	Steps   []PolicyStep `json:"steps"`
	Version string       `json:"version"` // of the policy
	// Action, Actor, Slot and Risk are what was asked.
	Action ActionKind `json:"action,omitempty"`
	Actor  Actor      `json:"actor,omitzero"`
	Slot   string     `json:"slot,omitempty"`
	Risk   Risk       `json:"risk,omitempty"`
	Plan   bool       `json:"plan"`
}

// AgentStop says that nothing which agents proposed is carried out, in one project or, with an empty one, anywhere.
type AgentStop struct {
	Project string    `json:"project,omitempty"`
	Actor   Actor     `json:"actor"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// AgentSwitchRequest stops or starts agents in a project, or everywhere when it is empty.
type AgentSwitchRequest struct {
	Project string `json:"project,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// AgentStatus is what is stopped, and what waits for that.
type AgentStatus struct {
	Stops []AgentStop `json:"stops"` // the whole installation's first
	// Waiting are the plans of agents that need no approval and wait for the start.
	Waiting []Plan `json:"waiting"`
}

package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// ActionKind is the closed set of things an agent may propose.
type ActionKind string

// The actions.
const (
	ActionRollback     ActionKind = "rollback"
	ActionRestart      ActionKind = "restart"
	ActionScale        ActionKind = "scale"
	ActionSetEnv       ActionKind = "set_env"
	ActionRevertCommit ActionKind = "revert_commit"
)

// ActionKinds lists every action.
var ActionKinds = []ActionKind{ActionRollback, ActionRestart, ActionScale, ActionSetEnv, ActionRevertCommit}

// Valid reports whether k is one of the actions above.
func (k ActionKind) Valid() bool {
	for _, known := range ActionKinds {
		if k == known {
			return true
		}
	}
	return false
}

// Action is a typed action on one slot. Only the fields of its kind are set.
type Action struct {
	Kind ActionKind `json:"kind"`
	Slot string     `json:"slot"` // project/environment/service
	// ToRelease is the number of the release to bring back: rollback.
	ToRelease int `json:"to_release,omitempty"`
	// Replicas is the wanted number of instances: scale. MemoryBytes raises the limit of each: scale.
	Replicas    int   `json:"replicas,omitempty"`
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// EnvKey and EnvValue set one variable: set_env. The value is empty when a human must give it while approving.
	EnvKey   string `json:"env_key,omitempty"`
	EnvValue string `json:"env_value,omitempty"`
	// FromRelease takes the variable's value from a past release's configuration: set_env.
	FromRelease int `json:"from_release,omitempty"`
	// Commit is the full SHA to revert on the default branch: revert_commit.
	Commit string `json:"commit,omitempty"`
}

// Risk is what can go wrong with an action.
type Risk string

// The risk classes.
const (
	RiskR0 Risk = "R0" // read or advice
	RiskR1 Risk = "R1" // reversible
	RiskR2 Risk = "R2" // disruptive
	RiskR3 Risk = "R3" // loses data
)

// Title says the risk to people: "R1: reversible".
func (r Risk) Title() string {
	switch r {
	case RiskR0:
		return "R0: changes nothing"
	case RiskR1:
		return "R1: reversible"
	case RiskR2:
		return "R2: disruptive"
	case RiskR3:
		return "R3: loses data"
	}
	return string(r)
}

// PlanBody is what is frozen, hashed, shown and approved. What is approved is exactly what runs.
type PlanBody struct {
	Action        Action        `json:"action"`
	SlotID        SlotID        `json:"slot_id"`
	IncidentID    IncidentID    `json:"incident_id,omitempty"`
	Risk          Risk          `json:"risk"`
	Title         string        `json:"title"`
	Reason        string        `json:"reason"`
	Before        []string      `json:"before"` // lines that describe the present state
	After         []string      `json:"after"`  // lines that describe the state wanted
	BlastRadius   string        `json:"blast_radius"`
	Reversible    string        `json:"reversible"` // how to undo it
	Preconditions Preconditions `json:"preconditions"`
	Expectation   Expectation   `json:"expectation"`
	Evidence      []EvidenceID  `json:"evidence,omitempty"`
	RequestedBy   Actor         `json:"requested_by"`
	PolicyVersion string        `json:"policy_version"`
	Approvals     int           `json:"approvals"` // how many different humans must say yes; 0 when policy allows it at once
	CreatedAt     time.Time     `json:"created_at"`
	ExpiresAt     time.Time     `json:"expires_at"`
}

// Preconditions are re-checked when the plan is executed; a difference makes the plan stale.
type Preconditions struct {
	LiveReleaseID  ReleaseID `json:"live_release_id,omitempty"`
	SlotGeneration int64     `json:"slot_generation"`
	// TargetReleaseID must still exist with its image: rollback.
	TargetReleaseID ReleaseID `json:"target_release_id,omitempty"`
	// BranchHead is the head of the default branch: revert_commit.
	BranchHead string `json:"branch_head,omitempty"`
}

// Expectation is what must be seen for the plan to count as verified.
type Expectation struct {
	Summary string `json:"summary"`
	// LiveRelease is the number that must be live, 0 when any.
	LiveRelease int `json:"live_release,omitempty"`
	// MaxErrorRate is the highest share of 5xx answers, 0 to 1, over Window after the change. Negative means not checked.
	MaxErrorRate float64 `json:"max_error_rate"`
	// Healthy asks that every instance passes its health check.
	Healthy bool     `json:"healthy"`
	Window  Duration `json:"window"`   // how long it must hold
	Within  Duration `json:"deadline"` // how long it may take to come true
}

// Approvers says who may say yes.
func (b PlanBody) Approvers() string {
	asked := b.RequestedBy.Principal()
	switch b.Approvals {
	case 0:
		return "nobody's approval: policy allows it"
	case 1:
		return "one person with role operator or admin, other than " + asked
	}
	return fmt.Sprintf("%d different people with role operator or admin, other than %s", b.Approvals, asked)
}

// CanonicalJSON is the form that is hashed: Go's encoding of the struct, whose field order is fixed.
func (b PlanBody) CanonicalJSON() []byte {
	raw, err := json.Marshal(b)
	if err != nil {
		panic("platform: a plan body always encodes: " + err.Error())
	}
	return raw
}

// Hash is the sha256 of CanonicalJSON in hex. It names exactly what a human approved.
func (b PlanBody) Hash() string {
	sum := sha256.Sum256(b.CanonicalJSON())
	return hex.EncodeToString(sum[:])
}

// PlanState is where a plan stands.
type PlanState string

// The states of a plan.
const (
	PlanPending   PlanState = "pending"   // waits for a human
	PlanApproved  PlanState = "approved"  // will be executed
	PlanExecuting PlanState = "executing" // its change was made; its effect is awaited
	PlanVerified  PlanState = "verified"  // the expectation held
	PlanFailed    PlanState = "failed"    // the change failed or the expectation did not hold
	PlanRejected  PlanState = "rejected"
	PlanExpired   PlanState = "expired"
	PlanStale     PlanState = "stale" // the world moved before it ran
)

// Terminal reports whether a plan in this state will never change again.
func (s PlanState) Terminal() bool {
	switch s {
	case PlanVerified, PlanFailed, PlanRejected, PlanExpired, PlanStale:
		return true
	case PlanPending, PlanApproved, PlanExecuting:
	}
	return false
}

// Plan is a frozen action and what became of it.
type Plan struct {
	ID          PlanID     `json:"id"`
	ProjectID   ProjectID  `json:"project_id"`
	Project     string     `json:"project"`
	Environment string     `json:"environment"`
	Service     string     `json:"service"`
	Body        PlanBody   `json:"body"`
	Hash        string     `json:"hash"`
	State       PlanState  `json:"state"`
	Approvals   []Approval `json:"approvals"`
	DeployID    DeployID   `json:"deploy_id,omitempty"` // the deploy that carries it out, where one does
	Outcome     string     `json:"outcome,omitempty"`
	DecidedAt   *time.Time `json:"decided_at,omitempty"`
	ExecutedAt  *time.Time `json:"executed_at,omitempty"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
}

// NeedsValue reports whether a human must give the value of the variable that the plan sets while they approve it.
func (p Plan) NeedsValue() bool {
	a := p.Body.Action
	return a.Kind == ActionSetEnv && a.EnvValue == "" && a.FromRelease == 0
}

// Approval is one human's decision on one plan hash. It is used once.
type Approval struct {
	ID       ApprovalID `json:"id"`
	PlanID   PlanID     `json:"plan_id"`
	PlanHash string     `json:"plan_hash"`
	Actor    Actor      `json:"actor"`
	Approved bool       `json:"approved"` // false for a rejection
	Comment  string     `json:"comment,omitempty"`
	At       time.Time  `json:"at"`
}

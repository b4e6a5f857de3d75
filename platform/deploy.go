package platform

import "time"

// Phase is where a deploy stands.
type Phase string

// The phases, in order; then the ways a deploy ends without going live.
const (
	PhaseQueued    Phase = "queued"
	PhaseBuilding  Phase = "building"
	PhaseReleasing Phase = "releasing" // the pre-deploy command runs in the new image
	PhaseStarting  Phase = "starting"  // instances are created; the process may still be loading its model
	PhaseChecking  Phase = "checking"  // instances run; the health check decides
	PhaseShifting  Phase = "shifting"  // the router is taking the new table
	PhaseDraining  Phase = "draining"  // the old instances finish what they have
	PhaseLive      Phase = "live"

	PhaseFailed     Phase = "failed" // the old release still serves
	PhaseCanceled   Phase = "canceled"
	PhaseSuperseded Phase = "superseded" // a newer deploy of the same slot took its place before it went live
)

// Phases lists the phases of a successful deploy in order.
var Phases = []Phase{PhaseQueued, PhaseBuilding, PhaseReleasing, PhaseStarting, PhaseChecking, PhaseShifting, PhaseDraining, PhaseLive}

// Valid reports whether p is one of the phases above.
func (p Phase) Valid() bool {
	switch p {
	case PhaseQueued, PhaseBuilding, PhaseReleasing, PhaseStarting, PhaseChecking, PhaseShifting, PhaseDraining, PhaseLive,
		PhaseFailed, PhaseCanceled, PhaseSuperseded:
		return true
	}
	return false
}

// Terminal reports whether a deploy in this phase will never move again.
func (p Phase) Terminal() bool {
	return p == PhaseLive || p == PhaseFailed || p == PhaseCanceled || p == PhaseSuperseded
}

// Committed reports whether traffic may already have moved: from here a deploy only goes forward.
func (p Phase) Committed() bool { return p == PhaseShifting || p == PhaseDraining || p == PhaseLive }

// Trigger says what asked for a deploy.
type Trigger string

// The triggers.
const (
	TriggerPush     Trigger = "push"
	TriggerManual   Trigger = "manual" // a commit that was pushed before
	TriggerImage    Trigger = "image"  // a ready image
	TriggerConfig   Trigger = "config" // an environment variable changed
	TriggerRollback Trigger = "rollback"
	TriggerPromote  Trigger = "promote"
)

// Valid reports whether t is one of the triggers above.
func (t Trigger) Valid() bool {
	switch t {
	case TriggerPush, TriggerManual, TriggerImage, TriggerConfig, TriggerRollback, TriggerPromote:
		return true
	}
	return false
}

// Deploy is the process of bringing one release live in one slot. At most one per slot is past queued and not terminal.
type Deploy struct {
	ID          DeployID  `json:"id"`
	ProjectID   ProjectID `json:"project_id"`
	SlotID      SlotID    `json:"slot_id"`
	ServiceID   ServiceID `json:"service_id"`
	Project     string    `json:"project"`
	Environment string    `json:"environment"`
	Service     string    `json:"service"`

	Trigger Trigger `json:"trigger"`
	Phase   Phase   `json:"phase"`
	Commit  string  `json:"commit,omitempty"`
	Branch  string  `json:"branch,omitempty"`
	Message string  `json:"message,omitempty"` // first line of the commit message
	Author  string  `json:"author,omitempty"`

	// Spec is what will run; the release freezes it.
	Spec          ServiceSpec `json:"spec"`
	ConfigVersion int64       `json:"config_version"`
	// Image is the ready image reference, for TriggerImage, or the image that the build made.
	Image           string    `json:"image,omitempty"`
	ReleaseID       ReleaseID `json:"release_id,omitempty"`     // empty until there is an image
	ReleaseNumber   int       `json:"release_number,omitempty"` // 0 until then
	PreviousRelease ReleaseID `json:"previous_release_id,omitempty"`

	Failure *DeployFailure `json:"failure,omitempty"`
	Probes  ProbeCount     `json:"probes"`
	// TableVersion is the route table that moved traffic here; draining waits for the router to acknowledge it.
	TableVersion uint64 `json:"table_version,omitempty"`
	// CancelRequested is set by CancelDeploy; the next step honours it while the phase is not Committed.
	CancelRequested bool `json:"cancel_requested,omitempty"`

	Actor      Actor      `json:"actor"`
	PlanID     PlanID     `json:"plan_id,omitempty"` // the approved plan that asked for it, where one did
	CreatedAt  time.Time  `json:"created_at"`
	PhaseAt    time.Time  `json:"phase_at"` // when the present phase began
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// BuildTook is how long the image build took; 0 until it ended well, and where there was none.
	BuildTook time.Duration `json:"build_took_ns,omitempty"`
}

// Ref is how people write the deploy's slot: project/environment/service.
func (d Deploy) Ref() string { return d.Project + "/" + d.Environment + "/" + d.Service }

// DeployFailure says where and why a deploy ended.
type DeployFailure struct {
	Phase   Phase         `json:"phase"`  // the phase it failed in
	Reason  FailureReason `json:"reason"` // what kind of failure
	Message string        `json:"message"`
	Hint    string        `json:"hint,omitempty"`
	// InstanceID is the dead or unhealthy instance, where there is one.
	InstanceID InstanceID `json:"instance_id,omitempty"`
	ExitCode   *int       `json:"exit_code,omitempty"`
	OOMKilled  bool       `json:"oom_killed,omitempty"`
}

// FailureReason is the closed set of ways a deploy fails, by what was observed, not by its cause: that is diagnosis.
type FailureReason string

// The reasons.
const (
	FailureBuild     FailureReason = "build_failed"
	FailurePreDeploy FailureReason = "pre_deploy_failed"
	FailureCreate    FailureReason = "create_failed"  // the engine refused to create or start the instance
	FailureExited    FailureReason = "exited"         // the process ended before it was well
	FailureUnhealthy FailureReason = "never_healthy"  // the grace period passed
	FailureImage     FailureReason = "image_missing"  // the image is not there and cannot be pulled
	FailureShift     FailureReason = "router_refused" // the router refused the table
	FailureInternal  FailureReason = "internal"
)

// ProbeCount counts the requests that Fairlead itself sent through the router while a deploy swapped instances.
type ProbeCount struct {
	Sent   int `json:"sent"`
	Failed int `json:"failed"`
}

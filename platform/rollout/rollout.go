// Package rollout decides the next step of a deploy.
//
// It is pure: values in, values out; no I/O, no clock, no randomness. It owns the state machine of a deploy
// (queued -> building -> releasing -> starting -> checking -> shifting -> draining -> live, and the ways to end
// early) and must not know how a step is carried out: worker does that, and control records it.
package rollout

import (
	"time"

	"github.com/fairlead/fairlead/platform"
)

// StepKind is what to do next.
type StepKind string

// The steps. Each is idempotent: doing it again after a crash has no further effect.
const (
	StepBuild     StepKind = "build"      // make the image from the commit, or find the ready one
	StepPreDeploy StepKind = "pre_deploy" // run the pre-deploy command in the new image
	StepStart     StepKind = "start"      // create or adopt the wanted instances
	StepStopOld   StepKind = "stop_old"   // hold swaps: the old instances end before the new ones start
	StepShift     StepKind = "shift"      // publish the route table with the new targets until the router acknowledges it
	StepRetire    StepKind = "retire"     // stop the old instances that have drained
	StepWait      StepKind = "wait"       // nothing to do yet; look again when something changes or after Step.After
	StepEnter     StepKind = "enter"      // only record the new phase
	StepCleanUp   StepKind = "clean_up"   // remove the instances that this deploy made, then record its end
	StepDone      StepKind = "done"       // already terminal
)

// Step is the decision: what to do, and the phase to record when it is done.
type Step struct {
	Kind  StepKind
	Phase platform.Phase // the phase that holds after the step; equal to the present one for waits
	After time.Duration  // StepWait: look again after this at the latest; always above zero
	// Failure is set when Phase is failed.
	Failure *platform.DeployFailure
	Reason  string // for the timeline: why this step
}

// Observed is what the worker sees when it asks. Times are durations so that no clock is needed.
type Observed struct {
	InPhase time.Duration // how long the present phase has lasted
	// Newer is true when a newer deploy of the same slot waits.
	Newer bool
	// Busy is true when another deploy of the same slot is past queued and not terminal.
	Busy bool
	// HasRelease is true when the release exists with its image.
	HasRelease bool
	BuildError *platform.DeployFailure // nil while building or built
	// PreDeployRunning is true while the container of the pre-deploy command exists and has not ended.
	PreDeployRunning bool
	// PreDeploy says how the pre-deploy command went; nil while it has not ended.
	PreDeploy *PreDeployResult
	Wanted    int        // instances wanted of the new release
	New       []Instance // instances of this deploy
	Old       []Instance // instances of other releases in the slot whose process still runs
	// CreateError is set when the engine refused to create or start an instance, or a step cannot be carried out at all.
	CreateError *platform.DeployFailure
	// Acked is the table version that the router serves.
	Acked uint64
	// Routed is true when the slot has routes, so that shifting must be acknowledged.
	Routed bool
	// Canceled is true when a cancel was asked for.
	Canceled bool
}

// Instance is what the worker sees of one container.
type Instance struct {
	ID        platform.InstanceID
	Running   bool
	Ready     bool // passed its health check at least once and at the last look
	Exited    bool // it ran and ended; ExitCode and OOMKilled say how
	Up        time.Duration
	ExitCode  int
	OOMKilled bool
	InFlight  int64  // requests the router holds on it; -1 when the router cannot be asked
	LastProbe string // words of the last failing probe
}

// PreDeployResult is how the pre-deploy command ended.
type PreDeployResult struct {
	ExitCode int
	Detail   string
}

// Limits and pauses of the state table. Waits end early when something changes: After is only the latest time.
const (
	// PreDeployLimit is how long a pre-deploy command may run.
	PreDeployLimit = time.Hour

	waitQueued   = 2 * time.Second
	waitRunning  = 250 * time.Millisecond
	waitHealthy  = 2 * time.Second
	waitDraining = 100 * time.Millisecond
)

package rollout

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// world is a slot as the properties see it: what runs, what the router serves and what the row of the deploy says.
type world struct {
	deploy  platform.Deploy
	release bool
	inPhase time.Duration

	newer, busy, routed      bool
	wanted                   int
	fresh, old               []Instance
	buildFails, engineSaysNo bool
	preDeploy                *PreDeployResult
	preRuns                  bool
	createError              *platform.DeployFailure
	buildError               *platform.DeployFailure
	published, acked         uint64

	stoppedOld  bool // hold swap
	retired     bool
	wasAllReady bool // every wanted new instance was ready at some moment before traffic moved
	terminals   int
	trail       []string
}

func (w *world) observed() Observed {
	return Observed{
		InPhase: w.inPhase, Newer: w.newer, Busy: w.busy, HasRelease: w.release, BuildError: w.buildError,
		PreDeployRunning: w.preRuns, PreDeploy: w.preDeploy, Wanted: w.wanted,
		New: append([]Instance{}, w.fresh...), Old: append([]Instance{}, w.old...),
		CreateError: w.createError, Acked: w.acked, Routed: w.routed,
	}
}

// effect does what the worker would do for a step, without recording the phase: a crash comes between the two.
func (w *world) effect(step Step) {
	switch step.Kind {
	case StepBuild:
		if w.buildFails {
			w.buildError = &platform.DeployFailure{Reason: platform.FailureBuild, Message: "line 3"}
			return
		}
		w.release = true
	case StepPreDeploy:
		w.preRuns = true
	case StepStart:
		if w.engineSaysNo {
			w.createError = &platform.DeployFailure{Reason: platform.FailureCreate, Message: "no such device"}
			return
		}
		for n := len(w.fresh); n < w.wanted; n++ {
			w.fresh = append(w.fresh, Instance{ID: platform.InstanceID(fmt.Sprintf("ins_%d", n)), Running: true})
		}
	case StepStopOld:
		w.old, w.stoppedOld = nil, true
	case StepShift:
		w.published++
		w.acked = w.published
	case StepRetire:
		w.old, w.retired = nil, true
	case StepCleanUp:
		w.fresh = nil
	case StepWait, StepEnter, StepDone:
	}
}

// record commits the phase of a step, as control does.
func (w *world) record(step Step) {
	w.trail = append(w.trail, fmt.Sprintf("%s:%s->%s", w.deploy.Phase, step.Kind, step.Phase))
	if step.Kind == StepBuild && w.buildError != nil {
		return
	}
	if step.Kind == StepShift {
		w.deploy.TableVersion = w.acked
	}
	if step.Phase == w.deploy.Phase {
		return
	}
	if step.Phase == platform.PhaseShifting {
		w.wasAllReady = count(w.fresh, ready) >= w.wanted
	}
	w.deploy.Phase, w.deploy.Failure, w.inPhase = step.Phase, step.Failure, 0
	if step.Phase.Terminal() {
		w.terminals++
	}
}

// settle lets the world catch up with what was asked of it, so that a deploy that waits has something to see.
func (w *world) settle() {
	w.inPhase += 5 * time.Second
	w.busy = false
	if w.preRuns {
		w.preRuns, w.preDeploy = false, &PreDeployResult{}
	}
	for i := range w.fresh {
		if w.fresh[i].Running {
			w.fresh[i].Ready = true
		}
	}
	for i := range w.old {
		w.old[i].InFlight = 0
	}
}

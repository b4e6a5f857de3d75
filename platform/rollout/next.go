package rollout

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Next returns the next step of d, given what is observed. The state table, row by row from the top, first match wins
// (README.md holds the same table with reasons):
//
//	any          terminal                               done
//	uncommitted  cancel asked for                       clean_up  -> canceled
//	uncommitted  a newer deploy waits                   clean_up  -> superseded
//	queued       another deploy of the slot is busy     wait
//	queued                                              enter     -> building, or what follows when there is a release
//	building     build failed                           clean_up  -> failed
//	building     release exists                         enter     -> releasing | starting
//	building                                            build     -> releasing | starting
//	releasing    no command, or it ended with 0         enter     -> starting
//	releasing    it ended otherwise, or took too long   clean_up  -> failed
//	releasing    it runs | it does not                  wait | pre_deploy
//	starting     refused, exited, grace passed          clean_up  -> failed
//	starting     hold swap and an old one runs          stop_old
//	starting     fewer than wanted | all run            start | enter -> checking
//	checking     refused, exited, grace passed          clean_up  -> failed
//	checking     fewer than wanted | all ready          start | enter -> shifting
//	shifting     not routed                             enter     -> draining
//	shifting                                            shift     -> draining, once acknowledged
//	draining     the router serves an older table       shift
//	draining     no new one is ready, time left         wait
//	draining     an old one holds requests, time left   wait
//	draining     an old one runs | none does            retire | enter -> live
//
// It returns an error only for a phase that does not exist.
func Next(d platform.Deploy, o Observed) (Step, error) {
	if !d.Phase.Valid() {
		return Step{}, fmt.Errorf("deploy %s is in unknown phase %q", d.ID, d.Phase)
	}
	if d.Phase.Terminal() {
		return Step{Kind: StepDone, Phase: d.Phase}, nil
	}
	if !d.Phase.Committed() {
		if step, ends := endedEarly(d, o); ends {
			return step, nil
		}
	}
	switch d.Phase {
	case platform.PhaseQueued:
		return queued(d, o), nil
	case platform.PhaseBuilding:
		return building(d, o), nil
	case platform.PhaseReleasing:
		return releasing(d, o), nil
	case platform.PhaseStarting:
		return starting(d, o), nil
	case platform.PhaseChecking:
		return checking(d, o), nil
	case platform.PhaseShifting:
		return shifting(d, o), nil
	default:
		return draining(d, o), nil
	}
}

// HoldSwap reports whether the old instances must end before new ones of the spec start, because only one process may
// write the disk.
func HoldSwap(spec platform.ServiceSpec) bool {
	return spec.Disk != nil && spec.Disk.Swap != platform.SwapOverlap
}

// endedEarly decides the ends that somebody else asked for; the newest deploy of a slot never ends by supersession.
func endedEarly(d platform.Deploy, o Observed) (Step, bool) {
	switch {
	case o.Canceled || d.CancelRequested:
		return Step{Kind: StepCleanUp, Phase: platform.PhaseCanceled, Reason: "canceled while " + string(d.Phase)}, true
	case o.Newer:
		return Step{Kind: StepCleanUp, Phase: platform.PhaseSuperseded, Reason: "a newer deploy of " + d.Ref() + " waits"}, true
	}
	return Step{}, false
}

func queued(d platform.Deploy, o Observed) Step {
	switch {
	case o.Busy:
		return wait(d, waitQueued, "another deploy of "+d.Ref()+" is under way")
	case o.HasRelease:
		return enter(afterBuild(d), "its release exists")
	default:
		return enter(platform.PhaseBuilding, "its turn has come")
	}
}

func building(d platform.Deploy, o Observed) Step {
	switch {
	case o.BuildError != nil:
		return fail(d, *o.BuildError)
	case o.HasRelease:
		return enter(afterBuild(d), "the image is there")
	default:
		return Step{Kind: StepBuild, Phase: afterBuild(d), Reason: "the image must be made"}
	}
}

// afterBuild skips releasing where there is no command. A rollback does not run it: the command belongs to going
// forward (migrations), and the release it returns to has run its own.
func afterBuild(d platform.Deploy) platform.Phase {
	if len(d.Spec.PreDeploy) == 0 || d.Trigger == platform.TriggerRollback {
		return platform.PhaseStarting
	}
	return platform.PhaseReleasing
}

func releasing(d platform.Deploy, o Observed) Step {
	switch {
	case o.CreateError != nil:
		return fail(d, *o.CreateError)
	case len(d.Spec.PreDeploy) == 0:
		return enter(platform.PhaseStarting, "there is no pre-deploy command")
	case o.PreDeploy != nil && o.PreDeploy.ExitCode == 0:
		return enter(platform.PhaseStarting, "the pre-deploy command succeeded")
	case o.PreDeploy != nil:
		return fail(d, preDeployFailure(*o.PreDeploy))
	case o.InPhase > PreDeployLimit:
		return fail(d, platform.DeployFailure{
			Reason:  platform.FailurePreDeploy,
			Message: fmt.Sprintf("The pre-deploy command did not end within %s.", PreDeployLimit),
			Hint:    "Make it shorter, or move long work into a worker service.",
		})
	case o.PreDeployRunning:
		return wait(d, waitHealthy, "the pre-deploy command runs")
	default:
		return Step{Kind: StepPreDeploy, Phase: d.Phase, Reason: "the pre-deploy command must run in the new image"}
	}
}

func starting(d platform.Deploy, o Observed) Step {
	if step, failed := startFailure(d, o); failed {
		return step
	}
	switch {
	case HoldSwap(d.Spec) && len(o.Old) > 0:
		return Step{Kind: StepStopOld, Phase: d.Phase, Reason: "only one instance may write disk " + d.Spec.Disk.Name}
	case len(o.New) < o.Wanted:
		return Step{Kind: StepStart, Phase: d.Phase, Reason: fmt.Sprintf("%d of %d instances exist", len(o.New), o.Wanted)}
	case count(o.New, running) < o.Wanted:
		return wait(d, waitRunning, "the engine is starting the instances")
	default:
		return enter(platform.PhaseChecking, fmt.Sprintf("%d of %d instances run", count(o.New, running), o.Wanted))
	}
}

func checking(d platform.Deploy, o Observed) Step {
	if step, failed := startFailure(d, o); failed {
		return step
	}
	switch {
	case len(o.New) < o.Wanted:
		return Step{Kind: StepStart, Phase: d.Phase, Reason: fmt.Sprintf("%d of %d instances exist", len(o.New), o.Wanted)}
	case count(o.New, ready) < o.Wanted:
		return wait(d, min(waitHealthy, graceLeft(d, o)), fmt.Sprintf("%d of %d instances are ready", count(o.New, ready), o.Wanted))
	default:
		return enter(platform.PhaseShifting, fmt.Sprintf("%d of %d instances are ready", count(o.New, ready), o.Wanted))
	}
}

// shifting only goes forward: the table that names the new instances may already be out. The version that the router
// acknowledged is recorded with the next phase.
func shifting(d platform.Deploy, o Observed) Step {
	if !o.Routed {
		return enter(platform.PhaseDraining, "no route leads here")
	}
	return Step{Kind: StepShift, Phase: platform.PhaseDraining, Reason: "traffic moves to the new instances"}
}

func draining(d platform.Deploy, o Observed) Step {
	left := d.Spec.Drain.D() - o.InPhase
	switch {
	case o.Routed && (d.TableVersion == 0 || o.Acked < d.TableVersion):
		return Step{Kind: StepShift, Phase: d.Phase, Reason: fmt.Sprintf("the router serves table %d, not yet %d", o.Acked, d.TableVersion)}
	case len(o.Old) == 0:
		return enter(platform.PhaseLive, "no old instance is left")
	case o.Wanted > 0 && count(o.New, ready) == 0 && left > 0:
		return wait(d, min(waitDraining, left), "no new instance is ready any more, so the old ones serve")
	case busy(o.Old) && left > 0:
		return wait(d, min(waitDraining, left), "old instances finish their requests")
	default:
		return Step{Kind: StepRetire, Phase: d.Phase, Reason: fmt.Sprintf("%d old instances are drained", len(o.Old))}
	}
}

func enter(p platform.Phase, reason string) Step {
	return Step{Kind: StepEnter, Phase: p, Reason: reason}
}

func wait(d platform.Deploy, after time.Duration, reason string) Step {
	return Step{Kind: StepWait, Phase: d.Phase, After: max(after, time.Millisecond), Reason: reason}
}

package rollout

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// fail ends d with f, stamped with the phase it failed in.
func fail(d platform.Deploy, f platform.DeployFailure) Step {
	f.Phase = d.Phase
	return Step{Kind: StepCleanUp, Phase: platform.PhaseFailed, Failure: &f, Reason: f.Message}
}

// startFailure says whether the new instances can no longer come up. A failing probe within the grace is not a
// failure; a process that ended is one at once, however much grace is left.
func startFailure(d platform.Deploy, o Observed) (Step, bool) {
	if o.CreateError != nil {
		return fail(d, *o.CreateError), true
	}
	for _, in := range o.New {
		if in.Exited {
			return fail(d, exited(d, in)), true
		}
	}
	for _, in := range o.New {
		if !in.Ready && in.Up > grace(d) {
			return fail(d, neverHealthy(d, in)), true
		}
	}
	// The engine may hang between create and start: then no instance is ever up.
	if count(o.New, running) < o.Wanted && o.InPhase > grace(d) {
		return fail(d, platform.DeployFailure{
			Reason:  platform.FailureCreate,
			Message: fmt.Sprintf("Only %d of %d instances were running after %s.", count(o.New, running), o.Wanted, platform.Duration(grace(d))),
			Hint:    "See whether the container engine answers: fairlead status.",
		}), true
	}
	return Step{}, false
}

func exited(d platform.Deploy, in Instance) platform.DeployFailure {
	code := in.ExitCode
	f := platform.DeployFailure{
		Reason: platform.FailureExited, InstanceID: in.ID, ExitCode: &code, OOMKilled: in.OOMKilled,
		Message: fmt.Sprintf("The process of instance %s ended with exit code %d before it was well.", in.ID, code),
		Hint:    fmt.Sprintf("Read its last lines: fairlead logs %s --instance %s.", d.Ref(), in.ID),
	}
	if in.OOMKilled {
		f.Message = fmt.Sprintf("The kernel killed instance %s for memory before it was well.", in.ID)
		f.Hint = "Raise resources.memory, or make the process need less while it starts."
	}
	return f
}

func neverHealthy(d platform.Deploy, in Instance) platform.DeployFailure {
	message := fmt.Sprintf("Instance %s did not pass its health check within %s", in.ID, platform.Duration(grace(d)))
	if in.LastProbe != "" {
		message += ": " + in.LastProbe
	}
	return platform.DeployFailure{
		Reason: platform.FailureUnhealthy, InstanceID: in.ID, Message: message + ".",
		Hint: "Check the port and the health path of the service, or raise healthCheck.grace when it needs longer to start.",
	}
}

func preDeployFailure(r PreDeployResult) platform.DeployFailure {
	code := r.ExitCode
	message := fmt.Sprintf("The pre-deploy command ended with exit code %d", code)
	if r.Detail != "" {
		message += ": " + r.Detail
	}
	return platform.DeployFailure{
		Reason: platform.FailurePreDeploy, ExitCode: &code, Message: message + ".",
		Hint: "Read its output in the deploy's log, fix the command and deploy again.",
	}
}

func grace(d platform.Deploy) time.Duration {
	if g := d.Spec.Health.Grace.D(); g > 0 {
		return g
	}
	return platform.DefaultHealthGrace.D()
}

// graceLeft is the time until the first instance that is not ready has used up its grace.
func graceLeft(d platform.Deploy, o Observed) time.Duration {
	left := grace(d)
	for _, in := range o.New {
		if !in.Ready {
			left = min(left, grace(d)-in.Up)
		}
	}
	return left + time.Millisecond
}

func count(instances []Instance, is func(Instance) bool) int {
	n := 0
	for _, in := range instances {
		if is(in) {
			n++
		}
	}
	return n
}

func running(in Instance) bool { return in.Running }

func ready(in Instance) bool { return in.Running && in.Ready }

func busy(instances []Instance) bool {
	return count(instances, func(in Instance) bool { return in.InFlight != 0 }) > 0
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/rollout"
	"github.com/fairlead/fairlead/platform/runtime"
)

// When a step cannot be carried out.
const (
	retryFirst = 250 * time.Millisecond
	retryMax   = 5 * time.Second
	// giveUp is when an error that is not an outage fails a deploy that has not moved traffic.
	giveUpAfter = 2 * time.Minute
	giveUpTries = 20
)

// outcome is what a step led to.
type outcome struct {
	ended bool          // the deploy is terminal
	wait  time.Duration // nothing to do before this; 0 means go on
}

// kickDeploy looks at a deploy now, in a goroutine of the worker's.
func (w *Worker) kickDeploy(id platform.DeployID) {
	if w.run == nil || w.run.Err() != nil {
		return
	}
	w.spawn(func() {
		ctx, finish := w.traceKick(w.run, id)
		defer finish(nil)
		w.turns.take("deploy:"+string(id), func() { w.advance(ctx, id) })
	})
}

// advance takes steps of a deploy until there is nothing to do, and sees to it that it is looked at again. It reports
// whether the deploy has ended.
func (w *Worker) advance(ctx context.Context, id platform.DeployID) (ended bool) {
	for ctx.Err() == nil {
		out, err := w.step(ctx, id)
		switch {
		case err != nil:
			return w.stumble(ctx, id, err)
		case out.ended:
			w.closed(id)
			return true
		case out.wait > 0:
			w.memory.walked(id)
			w.timers.after("deploy:"+string(id), out.wait, func() { w.kickDeploy(id) })
			return false
		}
		w.memory.walked(id)
	}
	return false
}

// stumble decides when to try again after an error, and gives a deploy up whose step can never be carried out.
func (w *Worker) stumble(ctx context.Context, id platform.DeployID, err error) (ended bool) {
	if ctx.Err() != nil || errors.Is(err, errStopping) {
		return false
	}
	switch platform.CodeOf(err) {
	case platform.CodeNotFound:
		w.closed(id) // deleted together with its project
		return true
	case platform.CodeConflict: // it moved under us: look again
	default:
		w.log.WarnContext(ctx, "deploy step not carried out", "deploy", id, "error", err)
	}
	tries, lasted := w.memory.stumbled(id, time.Now())
	if !unavailable(err) && tries >= giveUpTries && lasted >= giveUpAfter {
		w.memory.refuse(id, &platform.DeployFailure{
			Reason: platform.FailureInternal, Message: "Fairlead could not carry out the next step: " + err.Error() + ".",
			Hint: "See the server's log; when the cause is gone, deploy again.",
		})
	}
	pause := min(retryFirst<<min(tries-1, 8), retryMax)
	w.timers.after("deploy:"+string(id), pause, func() { w.kickDeploy(id) })
	return false
}

// closed forgets a deploy that ended and wakes the others of its slot, and the slot itself.
func (w *Worker) closed(id platform.DeployID) {
	slot, known := w.memory.slot(id)
	w.memory.close(id)
	w.builds.forget(id)
	w.swaps.forget(id)
	if !known {
		return
	}
	for _, other := range w.memory.others(slot, id) {
		w.kickDeploy(other)
	}
	w.kickSlot(slot)
}

// step observes, asks what is next, does it and has it recorded. The slot's lock is held throughout.
func (w *Worker) step(ctx context.Context, id platform.DeployID) (outcome, error) {
	slot, known := w.memory.slot(id)
	if !known {
		work, err := w.o.Plane.DeployWork(ctx, id)
		if err != nil {
			return outcome{}, fmt.Errorf("read deploy %s: %w", id, err)
		}
		if work.Deploy.Phase.Terminal() {
			return outcome{ended: true}, nil
		}
		slot = work.Slot.ID
		w.memory.open(id, slot)
	}
	release, err := w.locks.acquire(ctx, slot)
	if err != nil {
		return outcome{}, err
	}
	defer release()
	work, err := w.o.Plane.DeployWork(ctx, id)
	if err != nil {
		return outcome{}, fmt.Errorf("read deploy %s: %w", id, err)
	}
	if work.Deploy.Phase.Terminal() {
		return outcome{ended: true}, nil
	}
	seen, err := w.observe(ctx, work)
	if err != nil {
		return outcome{}, err
	}
	next, err := rollout.Next(work.Deploy, seen.Observed)
	if err != nil {
		return outcome{}, fmt.Errorf("decide the next step: %w", err)
	}
	ctx, span := traceStep(ctx, work.Deploy, next)
	out, err := w.carryOut(ctx, work, seen, next)
	span.End(err)
	return out, err
}

// carryOut does one step and records it.
func (w *Worker) carryOut(ctx context.Context, work control.Work, seen sight, next rollout.Step) (outcome, error) {
	d := work.Deploy
	update := control.DeployUpdate{Phase: next.Phase, Failure: next.Failure, Reason: next.Reason}
	if d.Phase == platform.PhaseDraining {
		if seen.Routed {
			w.swaps.begin(w.run, d, work.Slot.Hosts, w.spawn) // goes on; after a crash it begins again
		}
		w.tend(ctx, work, seen)
	}
	var err error
	switch next.Kind {
	case rollout.StepDone:
		return outcome{ended: true}, nil
	case rollout.StepWait:
		if d.Phase == platform.PhaseQueued {
			w.wakeOthers(d)
		}
		return outcome{wait: next.After}, nil
	case rollout.StepEnter:
		w.entering(work, seen, next.Phase, &update)
	case rollout.StepBuild:
		return w.build(ctx, work, update)
	case rollout.StepPreDeploy:
		err = w.startPreDeploy(ctx, work)
	case rollout.StepStart:
		err = w.start(ctx, work, seen)
	case rollout.StepStopOld:
		err = w.stopOld(ctx, work, seen)
	case rollout.StepShift:
		err = w.shift(ctx, work, &update)
	case rollout.StepRetire:
		err = w.retire(ctx, work, seen)
	case rollout.StepCleanUp:
		err = w.cleanUp(ctx, work, seen, next)
	}
	if err != nil {
		return outcome{}, w.refusedForGood(d, err)
	}
	if err := w.fault(string(d.Phase) + "/" + string(next.Kind)); err != nil {
		return outcome{}, errStopping
	}
	if next.Phase == d.Phase {
		return outcome{}, nil
	}
	return w.record(ctx, d, update)
}

func (w *Worker) record(ctx context.Context, d platform.Deploy, update control.DeployUpdate) (outcome, error) {
	moved, err := w.o.Plane.AdvanceDeploy(ctx, d.ID, d.Phase, update)
	if err != nil {
		return outcome{}, fmt.Errorf("record deploy %s as %s: %w", d.ID, update.Phase, err)
	}
	w.log.InfoContext(ctx, "deploy moved", "deploy", d.ID, "slot", d.Ref(), "from", d.Phase, "phase", moved.Phase, "reason", update.Reason)
	if err := w.fault("recorded/" + string(moved.Phase)); err != nil {
		return outcome{}, errStopping
	}
	return outcome{ended: moved.Phase.Terminal()}, nil
}

// refusedForGood turns an error that repeating cannot cure into the deploy's failure, which the next look finds.
func (w *Worker) refusedForGood(d platform.Deploy, err error) error {
	var failure *platform.DeployFailure
	switch {
	case d.Phase.Committed():
		return err
	case errors.Is(err, runtime.ErrImageMissing):
		failure = &platform.DeployFailure{
			Reason: platform.FailureImage, Message: "The image of the release is not on this host any more and cannot be pulled.",
			Hint: "Deploy the commit again to build it anew.",
		}
	case errors.Is(err, runtime.ErrRefused), errors.Is(err, runtime.ErrNotOurs):
		failure = createFailure(err.Error())
	default:
		return err
	}
	w.memory.refuse(d.ID, failure)
	return nil
}

// createFailure is a refusal in the engine's own words, without what we were about to do.
func createFailure(words string) *platform.DeployFailure {
	if _, own, found := strings.Cut(words, runtime.ErrRefused.Error()+": "); found {
		words = own
	}
	words = strings.TrimSuffix(strings.TrimSpace(words), ".")
	return &platform.DeployFailure{
		Reason: platform.FailureCreate, Message: "The container engine refused to start the instance: " + words + ".",
		Hint: "Correct the command, the limits or the devices that the service asks for.",
	}
}

// entering prepares what the next phase needs: the probes of the swap begin before the first table goes out, unless
// nothing serves yet.
func (w *Worker) entering(work control.Work, seen sight, phase platform.Phase, update *control.DeployUpdate) {
	switch phase {
	case platform.PhaseShifting:
		if len(seen.Old) > 0 && seen.Routed {
			w.swaps.begin(w.run, work.Deploy, work.Slot.Hosts, w.spawn)
		}
	case platform.PhaseLive:
		update.Probes = w.swaps.end(work.Deploy.ID)
	default:
	}
}

// build sees to it that the image is being made, or records the one that was.
func (w *Worker) build(ctx context.Context, work control.Work, update control.DeployUpdate) (outcome, error) {
	d := work.Deploy
	state, begun := w.builds.state(d.ID)
	switch {
	case !begun:
		w.builds.begin(tracing.Follow(w.run, ctx), work, w.buildLabels(d), w.spawn, func() { w.kickDeploy(d.ID) })
		return outcome{wait: time.Second}, nil
	case !state.done:
		return outcome{wait: time.Second}, nil
	case state.err != nil:
		w.builds.forget(d.ID)
		return outcome{}, state.err
	}
	if err := w.fault("building/build"); err != nil {
		return outcome{}, errStopping
	}
	update.Image, update.ImageID = state.image, state.id
	return w.record(ctx, d, update)
}

// start creates or adopts every wanted instance of the deploy that is not there.
func (w *Worker) start(ctx context.Context, work control.Work, seen sight) error {
	var missing []plan
	for ordinal := range seen.Wanted {
		id := deployInstance(work.Deploy.ID, ordinal)
		if seen.has(id) {
			continue
		}
		row := newRow(work, id, ordinal, "started by deploy "+string(work.Deploy.ID)+" ("+askedBy(work.Deploy)+")")
		row.DeployID = work.Deploy.ID
		missing = append(missing, plan{row: row, work: work, spec: work.Deploy.Spec})
	}
	err := together(missing, func(p plan) error { return w.begin(ctx, p, string(work.Deploy.ID)) })
	return errors.Join(err, w.removePreDeploy(ctx, work, seen))
}

// askedBy says in words what led to a deploy.
func askedBy(d platform.Deploy) string {
	return string(d.Trigger) + " by " + d.Actor.Name
}

// stopOld takes the old instances out of the table and ends them, for disks that allow one writer.
func (w *Worker) stopOld(ctx context.Context, work control.Work, seen sight) error {
	for _, m := range seen.old {
		w.memory.leave(m.row.ID, time.Now())
	}
	if seen.Routed {
		if _, err := w.routes.publish(ctx); err != nil {
			return err
		}
	}
	return together(seen.old, func(m member) error {
		_, err := w.end(ctx, m, stopGrace(work.Slot, work.Deploy.Spec), "stopped first by deploy "+string(work.Deploy.ID)+": its disk allows one writer", string(work.Deploy.ID))
		return err
	})
}

// shift publishes the table that leads to the new instances and returns once the router serves it.
func (w *Worker) shift(ctx context.Context, work control.Work, update *control.DeployUpdate) error {
	version, err := w.routes.publish(ctx)
	if err != nil {
		return err
	}
	if work.Deploy.TableVersion == 0 {
		update.TableVersion = version
	}
	w.swaps.begin(w.run, work.Deploy, work.Slot.Hosts, w.spawn)
	update.Probes = w.swaps.count(work.Deploy.ID)
	return nil
}

// retire ends the old instances: the router has acknowledged and they hold no request, or had their time. Where the
// new ones died meanwhile the table leads to the old again, so these leave it first.
func (w *Worker) retire(ctx context.Context, work control.Work, seen sight) error {
	for _, m := range seen.old {
		w.memory.leave(m.row.ID, time.Now())
	}
	if seen.Routed {
		if err := w.routes.refresh(ctx); err != nil {
			return err
		}
	}
	reason := "replaced by deploy " + string(work.Deploy.ID)
	if work.Release != nil {
		reason = fmt.Sprintf("replaced by release %d, deploy %s", work.Release.Number, work.Deploy.ID)
	}
	return together(seen.old, func(m member) error {
		_, err := w.end(ctx, m, stopGrace(work.Slot, work.Deploy.Spec), reason, string(work.Deploy.ID))
		return err
	})
}

// cleanUp removes what an unsuccessful deploy made, its output collected and its ends recorded.
func (w *Worker) cleanUp(ctx context.Context, work control.Work, seen sight, next rollout.Step) error {
	w.builds.forget(work.Deploy.ID)
	reason := "removed with deploy " + string(work.Deploy.ID) + ", which ended as " + string(next.Phase)
	err := together(append(append([]member(nil), seen.fresh...), seen.preDeploy...), func(m member) error {
		_, err := w.end(ctx, m, stopGrace(work.Slot, work.Deploy.Spec), reason, string(work.Deploy.ID))
		return err
	})
	if err != nil {
		return err
	}
	w.swaps.end(work.Deploy.ID)
	return nil
}

// wakeOthers lets the deploy that is under way in the slot see that a newer one waits.
func (w *Worker) wakeOthers(d platform.Deploy) {
	for _, id := range w.memory.others(d.SlotID, d.ID) {
		w.kickDeploy(id)
	}
}

// unavailable reports an outage of something that Fairlead needs: waiting cures it.
func unavailable(err error) bool {
	return errors.Is(err, runtime.ErrUnavailable) || platform.CodeOf(err) == platform.CodeUnavailable
}

package control

import (
	"context"
	"fmt"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
)

// DeployUpdate is what a step found out. Nil fields leave the row as it is.
type DeployUpdate struct {
	Phase        platform.Phase // the new phase
	Failure      *platform.DeployFailure
	Image        string // image reference, once built or found
	ImageID      string // content id; with it the release is created in the same transaction
	TableVersion uint64
	Probes       *platform.ProbeCount
	Reason       string // for the event
}

var worker = platform.SystemActor("worker")

// AdvanceDeploy moves a deploy from one phase to the next: row, events, release where ImageID is first given, the slot's live release when
// the phase becomes live (in which case Generation rises), the incident finding when it fails, and the next job, in one transaction.
// A deploy that is no longer in phase `from` is a conflict and nothing is changed.
func (p *Plane) AdvanceDeploy(ctx context.Context, id platform.DeployID, from platform.Phase, u DeployUpdate) (platform.Deploy, error) {
	var d platform.Deploy
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		found, err := tx.DeployByID(ctx, id)
		if err != nil {
			return err
		}
		a := advance{plane: p, tx: tx, update: u}
		if a.slot, err = tx.LockSlot(ctx, found.SlotID); err != nil {
			return err
		}
		if a.deploy, err = tx.LockDeploy(ctx, id); err != nil {
			return err
		}
		if err := a.check(from); err != nil {
			return err
		}
		err = a.do(ctx)
		d = a.deploy
		return err
	})
	return d, err
}

// advance is one move of one deploy, with its slot and itself locked.
type advance struct {
	plane  *Plane
	tx     *store.Tx
	update DeployUpdate
	slot   platform.Slot
	deploy platform.Deploy

	madeRelease bool // this step froze the release
}

func (a *advance) check(from platform.Phase) error {
	if !a.update.Phase.Valid() {
		return platform.Errorf(platform.CodeInvalid, "%q is not a phase.", a.update.Phase).WithField("phase")
	}
	if a.deploy.Phase != from || from.Terminal() {
		return platform.Errorf(platform.CodeConflict, "The deploy %s is %s, no longer %s.", a.deploy.ID, a.deploy.Phase, from)
	}
	// A cancel that was accepted holds, also one that came between the look at the deploy and this step.
	if a.deploy.CancelRequested && !from.Committed() && a.update.Phase.Committed() {
		return platform.Errorf(platform.CodeConflict, "The deploy %s was canceled while %s.", a.deploy.ID, from)
	}
	return nil
}

func (a *advance) do(ctx context.Context) error {
	moved := a.deploy.Phase != a.update.Phase
	if err := a.take(ctx); err != nil {
		return err
	}
	if !moved {
		return a.tx.UpdateDeploy(ctx, a.deploy)
	}
	now := a.plane.now()
	from := a.deploy.Phase
	if from == platform.PhaseBuilding && a.madeRelease && a.deploy.Spec.Build != nil {
		a.deploy.BuildTook = now.Sub(a.deploy.PhaseAt)
	}
	a.deploy.Phase, a.deploy.PhaseAt = a.update.Phase, now
	if a.deploy.Phase.Terminal() {
		a.deploy.FinishedAt = &now
	}
	if err := a.tx.UpdateDeploy(ctx, a.deploy); err != nil {
		return err
	}
	a.tellPhase(from)
	if !a.deploy.Phase.Terminal() {
		a.tx.Enqueue(jobs.AdvanceDeploy{DeployID: a.deploy.ID})
		return nil
	}
	return a.finish(ctx)
}

// take copies what the step found out, and freezes the release once its image is known.
func (a *advance) take(ctx context.Context) error {
	u, d := a.update, &a.deploy
	if u.Failure != nil {
		d.Failure = u.Failure
	}
	if u.Image != "" {
		d.Image = u.Image
	}
	if u.TableVersion != 0 {
		d.TableVersion = u.TableVersion
	}
	if u.Probes != nil {
		d.Probes = *u.Probes
	}
	if u.ImageID == "" || d.ReleaseID != "" {
		return nil
	}
	release, err := a.plane.createRelease(ctx, a.tx, a.slot, *d, u.ImageID)
	d.ReleaseID, d.ReleaseNumber, a.madeRelease = release.ID, release.Number, true
	return err
}

// createRelease freezes what a deploy brings live.
func (p *Plane) createRelease(ctx context.Context, tx *store.Tx, slot platform.Slot, d platform.Deploy, imageID string) (platform.Release, error) {
	number, err := tx.NextReleaseNumber(ctx, slot.ServiceID)
	if err != nil {
		return platform.Release{}, err
	}
	r := platform.Release{
		ID: platform.NewID[platform.ReleaseID](platform.PrefixRelease), ProjectID: slot.ProjectID, ServiceID: slot.ServiceID, SlotID: slot.ID,
		Service: slot.Service, Number: number, ImageID: imageID, ImageRef: d.Image, Spec: d.Spec, Commit: d.Commit,
		ConfigVersion: d.ConfigVersion, DeployID: d.ID, CreatedAt: p.now(),
	}
	p.record(tx, fact{
		kind: platform.EventReleaseCreated, actor: worker, at: inSlot(slot), subject: string(r.ID), cause: string(d.ID),
		summary: fmt.Sprintf("%s v%d was made.", r.Service, r.Number),
		payload: map[string]any{"number": r.Number, "image_id": r.ImageID, "commit": r.Commit, "config_version": r.ConfigVersion},
	})
	return r, tx.InsertRelease(ctx, r)
}

func (a *advance) tellPhase(from platform.Phase) {
	d := a.deploy
	kinds := map[platform.Phase]platform.EventKind{
		platform.PhaseLive: platform.EventDeployLive, platform.PhaseFailed: platform.EventDeployFailed,
		platform.PhaseCanceled: platform.EventDeployCanceled, platform.PhaseSuperseded: platform.EventDeploySuperseded,
	}
	kind, special := kinds[d.Phase]
	if !special {
		kind = platform.EventDeployPhase
	}
	payload := map[string]any{"from": from, "phase": d.Phase, "release": d.ReleaseNumber, "reason": a.update.Reason}
	if d.Failure != nil {
		payload["failure"] = string(d.Failure.Reason)
		payload["message"] = platform.Truncate(d.Failure.Message, 1000)
	}
	if d.Phase == platform.PhaseLive {
		payload["probes_sent"], payload["probes_failed"] = d.Probes.Sent, d.Probes.Failed
	}
	cause := string(d.PlanID)
	a.plane.record(a.tx, fact{
		kind: kind, actor: worker, at: ofDeploy(d), subject: string(d.ID), cause: cause, summary: phaseSentence(d, a.update.Reason), payload: payload,
	})
}

func phaseSentence(d platform.Deploy, reason string) string {
	name := d.Service
	if d.ReleaseNumber > 0 {
		name = fmt.Sprintf("%s v%d", d.Service, d.ReleaseNumber)
	}
	switch d.Phase {
	case platform.PhaseLive:
		return fmt.Sprintf("%s went live; %d of %d probe requests failed.", name, d.Probes.Failed, d.Probes.Sent)
	case platform.PhaseFailed:
		text := "The deploy of " + name + " failed"
		if d.Failure != nil {
			text += " while " + string(d.Failure.Phase) + ": " + platform.Truncate(d.Failure.Message, 400)
		}
		return text
	case platform.PhaseCanceled:
		return "The deploy of " + name + " was canceled."
	case platform.PhaseSuperseded:
		return "The deploy of " + name + " gave way to a newer one."
	default:
		text := "The deploy of " + name + " is " + string(d.Phase)
		if reason != "" {
			text += ": " + platform.Truncate(reason, 300)
		}
		return text + "."
	}
}

// finish does what the end of a deploy means for its slot, and lets the next one begin.
func (a *advance) finish(ctx context.Context) error {
	var err error
	switch a.deploy.Phase {
	case platform.PhaseLive:
		err = a.goLive(ctx)
	case platform.PhaseFailed:
		err = a.fail(ctx)
	default:
	}
	if err != nil {
		return err
	}
	open, err := a.tx.OpenDeploysOf(ctx, a.slot.ID)
	if err != nil {
		return err
	}
	for _, next := range open {
		a.tx.Enqueue(jobs.AdvanceDeploy{DeployID: next.ID})
	}
	return nil
}

func (a *advance) goLive(ctx context.Context) error {
	d := a.deploy
	if d.ReleaseID == "" {
		return platform.Errorf(platform.CodeInvalid, "The deploy %s cannot be live: it has no release.", d.ID).WithField("image_id")
	}
	if err := a.setPrevious(ctx); err != nil {
		return err
	}
	a.slot.LiveReleaseID, a.slot.LiveRelease = d.ReleaseID, d.ReleaseNumber
	a.slot.Generation++
	if err := a.tx.UpdateSlot(ctx, a.slot); err != nil {
		return err
	}
	a.tx.Enqueue(jobs.ReconcileSlot{SlotID: a.slot.ID})
	stale, err := a.tx.OpenIncidentsOf(ctx, a.slot.ID, platform.SignalBuildFailed, platform.SignalDeployFailed)
	if err != nil {
		return err
	}
	for _, i := range stale {
		words := fmt.Sprintf("%s v%d went live.", d.Service, d.ReleaseNumber)
		if err := a.plane.resolve(ctx, a.tx, worker, i, words, string(d.ID)); err != nil {
			return err
		}
	}
	return nil
}

// setPrevious remembers the release that a rollback without a number goes to: the one that gives way, unless something
// is known against it (it is being rolled back from, or has an open incident).
func (a *advance) setPrevious(ctx context.Context) error {
	gives := a.slot.LiveReleaseID
	if gives == "" || gives == a.deploy.ReleaseID {
		return nil
	}
	bad := a.deploy.Trigger == platform.TriggerRollback
	incidents, err := a.tx.OpenIncidentsOf(ctx, a.slot.ID)
	if err != nil {
		return err
	}
	for _, i := range incidents {
		bad = bad || i.ReleaseID == gives
	}
	if !bad {
		a.slot.PreviousRelease = gives
	} else if a.slot.PreviousRelease == a.deploy.ReleaseID {
		a.slot.PreviousRelease = ""
	}
	return nil
}

func (a *advance) fail(ctx context.Context) error {
	d := a.deploy
	signal := platform.SignalDeployFailed
	title := "The deploy of " + d.Service + " failed"
	if d.Failure != nil && d.Failure.Reason == platform.FailureBuild {
		signal = platform.SignalBuildFailed
		title = "The build of " + d.Service + " failed"
	}
	if d.Commit != "" {
		title += " at " + platform.ShortSHA(d.Commit)
	}
	if d.Failure != nil {
		title += ": " + platform.Truncate(d.Failure.Message, 200)
	}
	now := a.plane.now()
	_, err := a.plane.report(ctx, a.tx, a.slot, platform.Finding{
		SlotID: a.slot.ID, Signal: signal, ReleaseID: d.ReleaseID, DeployID: d.ID, Title: title, OnsetAt: now, SeenAt: now,
	})
	return err
}

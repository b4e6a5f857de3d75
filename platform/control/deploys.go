package control

import (
	"context"
	"fmt"
	"regexp"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
)

// deployOrder is what a new deploy shall bring live.
type deployOrder struct {
	slot    platform.Slot // locked
	trigger platform.Trigger
	spec    platform.ServiceSpec
	commit  platform.Commit // zero for a ready image
	branch  string
	image   string            // ready image reference; "" when the commit is built
	release *platform.Release // an existing release; its image, spec and configuration run as they are
	plan    platform.PlanID
	cause   string // event or plan that led to it
	why     string // words for the event, after "deploy of api queued"
	config  int64  // version of the configuration; 0 means the slot's newest
}

// queueDeploy adds a deploy and wakes every deploy of the slot that is under way, so that those it takes the place of
// notice. The caller holds the slot.
func (p *Plane) queueDeploy(ctx context.Context, tx *store.Tx, actor platform.Actor, o deployOrder) (platform.Deploy, error) {
	now := p.now()
	d := platform.Deploy{
		ID: platform.NewID[platform.DeployID](platform.PrefixDeploy), ProjectID: o.slot.ProjectID, SlotID: o.slot.ID, ServiceID: o.slot.ServiceID,
		Project: o.slot.Project, Environment: o.slot.Environment, Service: o.slot.Service,
		Trigger: o.trigger, Phase: platform.PhaseQueued, Commit: o.commit.SHA, Branch: o.branch,
		Message: platform.Truncate(o.commit.Subject(), 200), Author: o.commit.Author,
		Spec: o.spec, ConfigVersion: o.slot.ConfigVersion, Image: o.image, PreviousRelease: o.slot.LiveReleaseID,
		Actor: actor, PlanID: o.plan, CreatedAt: now, PhaseAt: now,
	}
	if o.config != 0 {
		d.ConfigVersion = o.config
	}
	if r := o.release; r != nil {
		d.ReleaseID, d.ReleaseNumber, d.Image, d.Commit = r.ID, r.Number, r.ImageRef, r.Commit
		d.Spec, d.ConfigVersion = r.Spec, r.ConfigVersion
	}
	open, err := tx.OpenDeploysOf(ctx, o.slot.ID)
	if err != nil {
		return d, err
	}
	for _, other := range open {
		tx.Enqueue(jobs.AdvanceDeploy{DeployID: other.ID})
	}
	tx.Enqueue(jobs.AdvanceDeploy{DeployID: d.ID})
	p.record(tx, fact{
		kind: platform.EventDeployQueued, actor: actor, at: ofDeploy(d), subject: string(d.ID), cause: o.cause,
		summary: fmt.Sprintf("A deploy of %s was queued: %s.", d.Service, describeDeploy(d, o.why)),
		payload: map[string]any{
			"trigger": d.Trigger, "commit": d.Commit, "image": d.Image, "release": d.ReleaseNumber, "config_version": d.ConfigVersion, "plan": d.PlanID,
		},
	})
	return d, tx.InsertDeploy(ctx, d)
}

func describeDeploy(d platform.Deploy, why string) string {
	text := ""
	switch {
	case d.Trigger == platform.TriggerRollback:
		text = fmt.Sprintf("back to v%d", d.ReleaseNumber)
	case d.Trigger == platform.TriggerConfig:
		text = fmt.Sprintf("with configuration %d", d.ConfigVersion)
	case d.Commit != "" && d.Message != "":
		text = platform.ShortSHA(d.Commit) + " " + d.Message
	case d.Commit != "":
		text = platform.ShortSHA(d.Commit)
	default:
		text = "the image " + d.Image
	}
	if why != "" {
		text += " (" + platform.Truncate(why, 300) + ")"
	}
	return text
}

// Deploy queues a deploy of a pushed commit or of a ready image; with neither, of the head of the default branch.
func (p *Plane) Deploy(ctx context.Context, actor platform.Actor, req platform.DeployRequest) (platform.Deploy, error) {
	if req.Commit != "" && req.Image != "" {
		return platform.Deploy{}, platform.Errorf(platform.CodeInvalid, "Both a commit and an image are given.").
			WithHint("Give one of them.").WithField("image")
	}
	var d platform.Deploy
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		slot, err := lockSlot(ctx, tx, actor, verbDeploy, req.SlotRef)
		if err != nil {
			return err
		}
		if err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionDeploy}, nil); err != nil {
			return err
		}
		order, err := p.orderFor(ctx, tx, slot, req)
		if err != nil {
			return err
		}
		d, err = p.queueDeploy(ctx, tx, actor, order)
		return err
	})
	return d, err
}

// maxImageLength is longer than any reference that a registry accepts.
const maxImageLength = 500

var imageForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)

func (p *Plane) orderFor(ctx context.Context, tx *store.Tx, slot platform.Slot, req platform.DeployRequest) (deployOrder, error) {
	service, err := tx.ServiceByID(ctx, slot.ServiceID)
	if err != nil {
		return deployOrder{}, err
	}
	o := deployOrder{slot: slot, trigger: platform.TriggerManual, spec: service.Spec, image: service.Spec.Image}
	if req.Image != "" {
		if len(req.Image) > maxImageLength || !imageForm.MatchString(req.Image) {
			return o, platform.Errorf(platform.CodeInvalid, "%q is not the name of an image.", platform.Truncate(req.Image, 100)).
				WithHint("Write it as name:tag, registry/name:tag or sha256:....").WithField("image")
		}
		o.trigger, o.image, o.spec.Image, o.spec.Build = platform.TriggerImage, req.Image, req.Image, nil
		return o, nil
	}
	if service.Spec.Build == nil && req.Commit == "" {
		o.trigger = platform.TriggerImage
		return o, nil
	}
	o.commit, o.branch, err = resolveCommit(ctx, tx, slot.ProjectID, req.Commit)
	return o, err
}

// minSHA is the shortest beginning of a SHA that names a commit.
const minSHA = 4

var shaForm = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

// resolveCommit finds a pushed commit by branch, by SHA or by the unique beginning of one; "" is the default branch.
func resolveCommit(ctx context.Context, tx *store.Tx, id platform.ProjectID, ref string) (platform.Commit, string, error) {
	project, err := tx.ProjectByRef(ctx, string(id))
	if err != nil {
		return platform.Commit{}, "", err
	}
	if ref == "" {
		ref = project.DefaultBranch
	}
	branches, err := tx.ListBranches(ctx, id)
	if err != nil {
		return platform.Commit{}, "", err
	}
	names := []string{}
	for _, b := range branches {
		if b.Name == ref {
			c, err := tx.CommitBySHA(ctx, id, b.Head)
			return c, b.Name, err
		}
		names = append(names, b.Name)
	}
	if len(branches) == 0 {
		return platform.Commit{}, "", platform.Errorf(platform.CodeConflict, "Nothing was pushed to %s yet.", project.Name).
			WithHint("Push a commit first: git push fairlead %s.", project.DefaultBranch)
	}
	c, err := commitBeginning(ctx, tx, project, ref, names)
	return c, "", err
}

func commitBeginning(ctx context.Context, tx *store.Tx, project platform.Project, ref string, branches []string) (platform.Commit, error) {
	missing := platform.Errorf(platform.CodeNotFound, "%s has no branch and no pushed commit %q.", project.Name, platform.Truncate(ref, 80)).WithField("commit")
	if !shaForm.MatchString(ref) {
		return platform.Commit{}, didYouMean(missing, ref, branches)
	}
	found, err := tx.CommitsBeginning(ctx, project.ID, ref)
	switch {
	case err != nil:
		return platform.Commit{}, err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return platform.Commit{}, platform.Errorf(platform.CodeInvalid, "More than one commit begins with %q.", ref).
			WithHint("Give more of it; at least %d characters, all 40 to be sure.", minSHA).WithField("commit")
	}
	return platform.Commit{}, didYouMean(missing, ref, branches)
}

// Rollback queues a deploy of a release that was live before, as it was then: image, spec and configuration.
func (p *Plane) Rollback(ctx context.Context, actor platform.Actor, req platform.RollbackRequest) (platform.Deploy, error) {
	var d platform.Deploy
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		slot, err := lockSlot(ctx, tx, actor, verbRollback, req.SlotRef)
		if err != nil {
			return err
		}
		if err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionRollback}, nil); err != nil {
			return err
		}
		release, err := rollbackTarget(ctx, tx, slot, req.ToRelease)
		if err != nil {
			return err
		}
		d, err = p.queueDeploy(ctx, tx, actor, deployOrder{slot: slot, trigger: platform.TriggerRollback, release: &release, why: req.Reason})
		return err
	})
	return d, err
}

// rollbackTarget returns the release with that number, or for 0 the one before the live one, if it can be rolled back to.
func rollbackTarget(ctx context.Context, tx *store.Tx, slot platform.Slot, number int) (platform.Release, error) {
	if slot.LiveReleaseID == "" {
		return platform.Release{}, nothingLive(slot)
	}
	if number < 0 {
		return platform.Release{}, platform.Errorf(platform.CodeInvalid, "%d is not the number of a release.", number).WithField("to_release")
	}
	if number == 0 && slot.PreviousRelease == "" {
		return platform.Release{}, platform.Errorf(platform.CodeConflict, "No release of %s was live and well before v%d.", slot.Ref(), slot.LiveRelease).
			WithHint("Name one with to_release, or deploy an older commit.").WithField("to_release")
	}
	find := func() (platform.Release, error) { return tx.ReleaseByNumber(ctx, slot, number) }
	if number == 0 {
		find = func() (platform.Release, error) { return tx.ReleaseByID(ctx, slot.PreviousRelease) }
	}
	release, err := find()
	if err != nil {
		return release, err
	}
	return release, checkTarget(ctx, tx, slot, release)
}

func checkTarget(ctx context.Context, tx *store.Tx, slot platform.Slot, release platform.Release) error {
	if release.ID == slot.LiveReleaseID {
		return platform.Errorf(platform.CodeConflict, "v%d of %s is live already.", release.Number, slot.Ref()).WithField("to_release")
	}
	was, err := tx.WasLive(ctx, slot.ID, release.ID)
	if err != nil {
		return err
	}
	if !was {
		return platform.Errorf(platform.CodeConflict, "v%d of %s was never live, so it is not known to work.", release.Number, slot.Ref()).
			WithHint("Choose a release that was live, or deploy its commit again.").WithField("to_release")
	}
	if release.ImageID == "" {
		return platform.Errorf(platform.CodeConflict, "The image of v%d of %s is not known.", release.Number, slot.Ref()).
			WithHint("Deploy its commit again.").WithField("to_release")
	}
	return nil
}

// CancelDeploy asks for the end of a deploy; the worker's next step honours it. Once traffic may have moved it is a conflict.
func (p *Plane) CancelDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error) {
	var d platform.Deploy
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		if err := authorize(actor, verbCancel, ""); err != nil {
			return err
		}
		var err error
		if d, err = tx.LockDeploy(ctx, id); err != nil {
			return err
		}
		if err := hidden(actor, verbCancel, d.Project, "deploy", string(id)); err != nil {
			return err
		}
		return p.cancel(ctx, tx, actor, &d)
	})
	return d, err
}

func (p *Plane) cancel(ctx context.Context, tx *store.Tx, actor platform.Actor, d *platform.Deploy) error {
	switch {
	case d.Phase.Terminal():
		return platform.Errorf(platform.CodeConflict, "The deploy has ended already: it is %s.", d.Phase)
	case d.Phase.Committed():
		return platform.Errorf(platform.CodeConflict, "The deploy is %s: traffic may have moved, so it cannot be canceled.", d.Phase).
			WithHint("Roll back when it is live.")
	case d.CancelRequested:
		return nil
	}
	d.CancelRequested = true
	p.record(tx, fact{
		kind: platform.EventDeployPhase, actor: actor, at: ofDeploy(*d), subject: string(d.ID),
		summary: fmt.Sprintf("%s asked to cancel the deploy of %s.", actor.Name, d.Service),
		payload: map[string]any{"phase": d.Phase, "cancel_requested": true},
	})
	tx.Enqueue(jobs.AdvanceDeploy{DeployID: d.ID})
	return tx.UpdateDeploy(ctx, *d)
}

// GetDeploy returns one deploy.
func (p *Plane) GetDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error) {
	var d platform.Deploy
	err := p.store.View(ctx, func(tx *store.Tx) error {
		if err := authorize(actor, verbRead, ""); err != nil {
			return err
		}
		found, err := tx.DeployByID(ctx, id)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbRead, found.Project, "deploy", string(id)); err != nil {
			return err
		}
		d = found
		return nil
	})
	return d, err
}

// ListDeploys returns deploys, newest first.
func (p *Plane) ListDeploys(ctx context.Context, actor platform.Actor, f platform.DeployFilter) (platform.List[platform.Deploy], error) {
	var list platform.List[platform.Deploy]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, f.SlotRef)
		if err != nil {
			return err
		}
		list, err = tx.ListDeploys(ctx, scope, f.Commit, f.Page)
		return err
	})
	return list, err
}

package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
)

// Work is everything the worker needs for a deploy: the rows, and the environment with secrets opened.
type Work struct {
	Deploy    platform.Deploy
	Slot      platform.Slot
	Release   *platform.Release   // of the deploy; nil until there is an image
	Env       []string            // KEY=value of the deploy's config version over its spec, with FAIRLEAD_* added; secrets opened
	Secrets   map[string]string   // the secret ones alone, for build secrets and redaction
	Instances []platform.Instance // of the slot, not ended
	Newer     bool                // a newer deploy of the slot waits
	Busy      bool                // another deploy of the slot is past queued and not terminal
}

// DeployWork returns what the worker needs for a deploy. FAIRLEAD_INSTANCE is the worker's to add.
func (p *Plane) DeployWork(ctx context.Context, id platform.DeployID) (Work, error) {
	var w Work
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		w = Work{}
		if w.Deploy, err = tx.DeployByID(ctx, id); err != nil {
			return err
		}
		if w.Slot, err = tx.SlotByID(ctx, w.Deploy.SlotID); err != nil {
			return err
		}
		if w.Deploy.ReleaseID != "" {
			release, err := tx.ReleaseByID(ctx, w.Deploy.ReleaseID)
			if err != nil {
				return err
			}
			w.Release = &release
		}
		if w.Newer, err = tx.HasNewerQueued(ctx, w.Deploy); err != nil {
			return err
		}
		if w.Busy, err = tx.HasOtherMoving(ctx, w.Deploy); err != nil {
			return err
		}
		return p.fillWork(ctx, tx, &w, w.Deploy.Spec, w.Deploy.ConfigVersion)
	})
	return w, err
}

// SlotWork is the same for the live release of a slot, for the reconciler. Release is nil when nothing is live.
func (p *Plane) SlotWork(ctx context.Context, id platform.SlotID) (Work, error) {
	var w Work
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		w = Work{}
		if w.Slot, err = tx.SlotByID(ctx, id); err != nil {
			return err
		}
		open, err := tx.OpenDeploysOf(ctx, id)
		if err != nil {
			return err
		}
		for _, d := range open {
			w.Newer = w.Newer || d.Phase == platform.PhaseQueued
			w.Busy = w.Busy || d.Phase != platform.PhaseQueued
		}
		if w.Slot.LiveReleaseID == "" {
			w.Instances, err = tx.ListInstances(ctx, id, false)
			return err
		}
		release, err := tx.ReleaseByID(ctx, w.Slot.LiveReleaseID)
		if err != nil {
			return err
		}
		w.Release = &release
		if w.Deploy, err = tx.DeployByID(ctx, release.DeployID); err != nil && platform.CodeOf(err) != platform.CodeNotFound {
			return err
		}
		return p.fillWork(ctx, tx, &w, release.Spec, release.ConfigVersion)
	})
	return w, err
}

func (p *Plane) fillWork(ctx context.Context, tx *store.Tx, w *Work, spec platform.ServiceSpec, version int64) error {
	var err error
	if w.Instances, err = tx.ListInstances(ctx, w.Slot.ID, false); err != nil {
		return err
	}
	config, err := tx.ConfigAt(ctx, w.Slot.ID, version)
	if err != nil {
		return err
	}
	env := maps.Clone(spec.Env)
	if env == nil {
		env = map[string]string{}
	}
	w.Secrets = map[string]string{}
	for _, v := range config.Vars {
		value := v.Value
		if v.Secret {
			if value, err = p.o.Sealer.Open(v.Value, sealPlace(w.Slot.ID, v.Key)); err != nil {
				return fmt.Errorf("open the secret %s of %s: %w", v.Key, w.Slot.Ref(), err)
			}
			w.Secrets[v.Key] = value
		}
		env[v.Key] = value
	}
	own(env, w, spec)
	for _, key := range slices.Sorted(maps.Keys(env)) {
		w.Env = append(w.Env, key+"="+env[key])
	}
	return nil
}

// own adds what Fairlead tells every instance about itself.
func own(env map[string]string, w *Work, spec platform.ServiceSpec) {
	if spec.Port > 0 {
		env["PORT"] = strconv.Itoa(spec.Port)
	}
	env["FAIRLEAD_PROJECT"], env["FAIRLEAD_ENVIRONMENT"], env["FAIRLEAD_SERVICE"] = w.Slot.Project, w.Slot.Environment, w.Slot.Service
	commit := w.Deploy.Commit
	if w.Release != nil {
		env["FAIRLEAD_RELEASE"] = strconv.Itoa(w.Release.Number)
		commit = w.Release.Commit
	}
	if commit != "" {
		env["FAIRLEAD_COMMIT"] = commit
	}
}

// RecordInstance inserts or updates the record of an instance, with the event when its state changed. The record of an
// instance that has ended stays as it is.
func (p *Plane) RecordInstance(ctx context.Context, in platform.Instance, cause string) error {
	if !in.State.Valid() {
		return platform.Errorf(platform.CodeInvalid, "%q is not the state of an instance.", in.State).WithField("state")
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		was, err := tx.LockInstance(ctx, in.ID)
		if err != nil || was != nil && was.State.Ended() {
			return err
		}
		if was == nil || was.State != in.State {
			p.recordState(tx, in, cause)
		}
		return tx.PutInstance(ctx, in)
	})
}

func (p *Plane) recordState(tx *store.Tx, in platform.Instance, cause string) {
	kinds := map[platform.InstanceState]struct {
		kind platform.EventKind
		verb string
	}{
		platform.InstanceStarting:  {platform.EventInstanceStarted, "started"},
		platform.InstanceReady:     {platform.EventInstanceReady, "is ready"},
		platform.InstanceUnhealthy: {platform.EventInstanceUnhealthy, "fails its health check"},
		platform.InstanceStopped:   {platform.EventInstanceStopped, "was stopped"},
		platform.InstanceDead:      {platform.EventInstanceDied, "died"},
	}
	k, told := kinds[in.State]
	if !told {
		return
	}
	if cause == "" {
		cause = string(in.DeployID)
	}
	payload := map[string]any{"release": in.ReleaseNumber, "ordinal": in.Ordinal, "deploy": in.DeployID, "reason": platform.Truncate(in.Reason, 1000)}
	if in.ExitCode != nil {
		payload["exit_code"], payload["oom_killed"] = *in.ExitCode, in.OOMKilled
	}
	p.record(tx, fact{
		kind: k.kind, actor: worker, at: place{in.Project, in.Environment, in.Service}, subject: string(in.ID), cause: cause,
		summary: instanceSentence(in, k.verb), payload: payload,
	})
}

func instanceSentence(in platform.Instance, verb string) string {
	text := fmt.Sprintf("Instance %d of %s v%d %s", in.Ordinal, in.Service, in.ReleaseNumber, verb)
	if in.State == platform.InstanceDead {
		switch {
		case in.OOMKilled:
			text += ", out of memory"
		case in.ExitCode != nil:
			text += fmt.Sprintf(" with exit code %d", *in.ExitCode)
		}
	}
	if in.Reason != "" {
		text += ": " + platform.Truncate(in.Reason, 300)
	}
	return text + "."
}

// ListWorkSlots returns every slot: for boot and for the route table.
func (p *Plane) ListWorkSlots(ctx context.Context) ([]platform.Slot, error) {
	var slots []platform.Slot
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		slots, err = tx.ListSlots(ctx, "")
		return err
	})
	return slots, err
}

// OpenDeploys returns every deploy that is not terminal, oldest first.
func (p *Plane) OpenDeploys(ctx context.Context) ([]platform.Deploy, error) {
	var open []platform.Deploy
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		open, err = tx.OpenDeploys(ctx)
		return err
	})
	return open, err
}

// EnqueueOpenWork enqueues a job for every deploy, approved plan and undiagnosed incident that has none that can run,
// and frees jobs held by dead clients: called at boot. It returns how many jobs it added or freed.
func (p *Plane) EnqueueOpenWork(ctx context.Context) (int, error) {
	freed, err := p.store.FreeDeadJobs(ctx)
	if err != nil {
		return 0, err
	}
	added := 0
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		added = 0
		open, err := tx.OpenDeploys(ctx)
		if err != nil {
			return err
		}
		for _, d := range open {
			tx.EnqueueMissing(jobs.AdvanceDeploy{DeployID: d.ID}, &added)
		}
		plans, err := tx.PlansIn(ctx, platform.PlanApproved, platform.PlanExecuting)
		if err != nil {
			return err
		}
		for _, plan := range plans {
			tx.EnqueueMissing(jobs.ExecutePlan{PlanID: plan.ID, Hash: plan.Hash}, &added)
		}
		incidents, err := tx.UndiagnosedIncidents(ctx)
		if err != nil {
			return err
		}
		for _, i := range incidents {
			tx.EnqueueMissing(jobs.DiagnoseIncident{IncidentID: i.ID}, &added)
		}
		return nil
	})
	return freed + added, err
}

// GetRelease serves the evidence of a diagnosis.
func (p *Plane) GetRelease(ctx context.Context, id platform.ReleaseID) (platform.Release, error) {
	var r platform.Release
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		r, err = tx.ReleaseByID(ctx, id)
		return err
	})
	return r, err
}

// CommitsBetween returns the recorded commits after the one SHA up to and including the other, oldest first, on first parents.
func (p *Plane) CommitsBetween(ctx context.Context, project, after, upto string) ([]platform.Commit, error) {
	var commits []platform.Commit
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := tx.ProjectByRef(ctx, project)
		if err != nil {
			return err
		}
		commits, err = tx.CommitsBetween(ctx, found.ID, after, upto)
		return err
	})
	return commits, err
}

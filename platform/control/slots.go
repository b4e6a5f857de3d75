package control

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
)

// What SlotDetail.Status says.
const (
	statusLive      = "live"
	statusDeploying = "deploying"
	statusDegraded  = "degraded"
	statusDown      = "down"
	statusWaiting   = "waiting for a first deploy"
)

// GetSlot returns a slot with what runs there now.
func (p *Plane) GetSlot(ctx context.Context, actor platform.Actor, ref platform.SlotRef) (platform.SlotDetail, error) {
	var detail platform.SlotDetail
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, actor, verbRead, ref)
		if err != nil {
			return err
		}
		detail, err = p.slotDetail(ctx, tx, slot)
		return err
	})
	if err == nil {
		detail.Disk = p.diskUse(detail.Slot)
	}
	return detail, err
}

// diskUse is what was last measured of a slot's disk; nil when it has none.
func (p *Plane) diskUse(slot platform.Slot) *platform.DiskUse {
	if p.o.Current == nil {
		return nil
	}
	var use *platform.DiskUse
	for _, s := range p.o.Current.Current(observability.SampleFilter{Projects: []string{slot.Project}, Environment: slot.Environment}) {
		if s.Labels["service"] != slot.Service || s.Labels["disk"] == "" {
			continue
		}
		if use == nil {
			use = &platform.DiskUse{Name: s.Labels["disk"]}
		}
		switch s.Name {
		case observability.MetricDiskUsed:
			use.UsedBytes = int64(s.Value)
		case observability.MetricDiskCapacity:
			use.CapacityBytes = int64(s.Value)
		case observability.MetricDiskFull:
			left := platform.Duration(time.Duration(s.Value * float64(time.Second)).Round(time.Minute))
			use.FullIn = &left
		}
	}
	return use
}

// ListSlots returns the slots of a project.
func (p *Plane) ListSlots(ctx context.Context, actor platform.Actor, project string) ([]platform.SlotDetail, error) {
	var details []platform.SlotDetail
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, project)
		if err != nil {
			return err
		}
		details, err = p.slotDetails(ctx, tx, actor, found.ID)
		return err
	})
	return details, err
}

// slotDetails returns the slots of a project, or of all that the actor may see when project is "".
func (p *Plane) slotDetails(ctx context.Context, tx *store.Tx, actor platform.Actor, project platform.ProjectID) ([]platform.SlotDetail, error) {
	slots, err := tx.ListSlots(ctx, project)
	if err != nil {
		return nil, err
	}
	details := []platform.SlotDetail{}
	for _, s := range slots {
		if !actor.MaySee(s.Project) {
			continue
		}
		d, err := p.slotDetail(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		details = append(details, d)
	}
	return details, nil
}

func (p *Plane) slotDetail(ctx context.Context, tx *store.Tx, slot platform.Slot) (platform.SlotDetail, error) {
	d := platform.SlotDetail{Slot: slot, URL: p.slotURL(slot)}
	var err error
	if d.Deploy, err = tx.NewestDeploy(ctx, slot.ID); err != nil {
		return d, err
	}
	if d.Instances, err = tx.ListInstances(ctx, slot.ID, false); err != nil {
		return d, err
	}
	if d.Incidents, err = tx.OpenIncidentsOf(ctx, slot.ID); err != nil {
		return d, err
	}
	if slot.LiveReleaseID != "" {
		live, err := tx.ReleaseByID(ctx, slot.LiveReleaseID)
		if err != nil {
			return d, err
		}
		d.Live = &live
	}
	d.Status = slotStatus(d)
	return d, nil
}

// slotStatus says in a word how a slot does.
func slotStatus(d platform.SlotDetail) string {
	if d.Deploy != nil && !d.Deploy.Phase.Terminal() {
		return statusDeploying
	}
	if d.Live == nil {
		return statusWaiting
	}
	ready := 0
	for _, in := range d.Instances {
		if in.State == platform.InstanceReady {
			ready++
		}
	}
	switch {
	case ready == 0 && d.Replicas > 0:
		return statusDown
	case ready < d.Replicas || suffers(d.Incidents):
		return statusDegraded
	}
	return statusLive
}

// suffers reports whether an incident concerns what serves now, rather than a deploy that did not get so far.
func suffers(incidents []platform.Incident) bool {
	for _, i := range incidents {
		if i.Signal != platform.SignalBuildFailed && i.Signal != platform.SignalDeployFailed {
			return true
		}
	}
	return false
}

// slotURL is the slot's address through the router.
func (p *Plane) slotURL(slot platform.Slot) string {
	u, err := url.Parse(p.o.RouterURL)
	if len(slot.Hosts) == 0 || err != nil || u.Host == "" {
		return ""
	}
	host := slot.Hosts[0]
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// Scale sets the wanted number of instances.
func (p *Plane) Scale(ctx context.Context, actor platform.Actor, req platform.ScaleRequest) (platform.Slot, error) {
	if err := authorize(actor, verbScale, ""); err != nil {
		return platform.Slot{}, err
	}
	spent := p.spending(ctx, req.Project, platform.ActionScale)
	var slot platform.Slot
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if slot, err = lockSlot(ctx, tx, actor, verbScale, req.SlotRef); err != nil {
			return err
		}
		if err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionScale, Replicas: req.Replicas}, spent); err != nil {
			return err
		}
		slot, err = p.scale(ctx, tx, actor, slot, req.Replicas, "")
		return err
	})
	return slot, err
}

func (p *Plane) scale(ctx context.Context, tx *store.Tx, actor platform.Actor, slot platform.Slot, replicas int, cause string) (platform.Slot, error) {
	if err := p.checkReplicas(ctx, tx, slot, replicas); err != nil {
		return slot, err
	}
	if slot.Replicas == replicas {
		return slot, nil
	}
	was := slot.Replicas
	slot.Replicas = replicas
	slot.Generation++
	p.record(tx, fact{
		kind: platform.EventSlotScaled, actor: actor, at: inSlot(slot), subject: string(slot.ID), cause: cause,
		summary: fmt.Sprintf("%s scaled %s from %d to %d.", actor.Name, slot.Service, was, replicas),
		payload: map[string]any{"from": was, "to": replicas},
	})
	tx.Enqueue(jobs.ReconcileSlot{SlotID: slot.ID})
	return slot, tx.UpdateSlot(ctx, slot)
}

func (p *Plane) checkReplicas(ctx context.Context, tx *store.Tx, slot platform.Slot, replicas int) error {
	if replicas < 0 || replicas > platform.MaxReplicas {
		return platform.Errorf(platform.CodeInvalid, "%d instances are not possible.", replicas).
			WithHint("Choose 0 to %d.", platform.MaxReplicas).WithField("replicas")
	}
	service, err := tx.ServiceByID(ctx, slot.ServiceID)
	if err != nil {
		return err
	}
	if disk := service.Spec.Disk; disk != nil && disk.Swap != platform.SwapOverlap && replicas > 1 {
		return platform.Errorf(platform.CodeInvalid, "%s has the disk %s, which one instance at a time may write.", slot.Service, disk.Name).
			WithHint("Keep one instance, or set the disk's swap to overlap if its data is read-mostly.").WithField("replicas")
	}
	return nil
}

// Restart replaces the instances of a slot with fresh ones of the same release.
func (p *Plane) Restart(ctx context.Context, actor platform.Actor, ref platform.SlotRef, reason string) (platform.Slot, error) {
	var slot platform.Slot
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if slot, err = lockSlot(ctx, tx, actor, verbRestart, ref); err != nil {
			return err
		}
		if err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionRestart}, nil); err != nil {
			return err
		}
		slot, err = p.restart(ctx, tx, actor, slot, reason, "")
		return err
	})
	return slot, err
}

func (p *Plane) restart(ctx context.Context, tx *store.Tx, actor platform.Actor, slot platform.Slot, reason, cause string) (platform.Slot, error) {
	if slot.LiveReleaseID == "" {
		return slot, nothingLive(slot)
	}
	now := p.now()
	slot.RestartedAt = &now
	slot.Generation++
	summary := fmt.Sprintf("%s restarted %s.", actor.Name, slot.Service)
	if reason != "" {
		summary += " Reason: " + platform.Truncate(reason, 300)
	}
	p.record(tx, fact{
		kind: platform.EventSlotRestarted, actor: actor, at: inSlot(slot), subject: string(slot.ID), cause: cause, summary: summary,
	})
	tx.Enqueue(jobs.ReconcileSlot{SlotID: slot.ID})
	return slot, tx.UpdateSlot(ctx, slot)
}

func nothingLive(slot platform.Slot) error {
	return platform.Errorf(platform.CodeConflict, "Nothing is live in %s yet.", slot.Ref()).WithHint("Deploy it first: fairlead deploy %s.", slot.Service)
}

// ListReleases returns the releases of a slot's service, newest first.
func (p *Plane) ListReleases(ctx context.Context, actor platform.Actor, ref platform.SlotRef, page platform.Page) (platform.List[platform.Release], error) {
	var list platform.List[platform.Release]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, actor, verbRead, ref)
		if err != nil {
			return err
		}
		list, err = tx.ListReleases(ctx, slot, page)
		return err
	})
	return list, err
}

// ListInstances returns the instances of a slot that have not ended, or with ended the newest of all.
func (p *Plane) ListInstances(ctx context.Context, actor platform.Actor, ref platform.SlotRef, ended bool) ([]platform.Instance, error) {
	var list []platform.Instance
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, actor, verbRead, ref)
		if err != nil {
			return err
		}
		list, err = tx.ListInstances(ctx, slot.ID, ended)
		return err
	})
	return list, err
}

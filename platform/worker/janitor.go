package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// What the janitor does how often, and how many releases keep their image.
const (
	expireEvery  = 3 * time.Second
	cleanEvery   = 10 * time.Minute
	reviewEvery  = time.Minute
	keptReleases = 10
)

// janitor expires plans, judges quiet alerts from outside again, removes instances of slots that are gone, images that no release may need again,
// and old deliveries.
func (w *Worker) janitor(ctx context.Context) {
	expire, clean, review := time.NewTicker(expireEvery), time.NewTicker(cleanEvery), time.NewTicker(reviewEvery)
	defer expire.Stop()
	defer clean.Stop()
	defer review.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-expire.C:
			_, expireErr := w.o.Plane.ExpirePlans(ctx)
			err = errors.Join(expireErr, w.removeOrphans(ctx))
		case <-review.C:
			err = w.o.Plane.ReviewAlerts(ctx)
		case <-clean.C:
			err = errors.Join(w.removeImages(ctx), w.o.Plane.ForgetDeliveries(ctx))
		}
		if err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "cleaning up not finished", "error", err)
		}
	}
}

// removeOrphans ends the containers of this installation whose slot no longer exists: its project or environment was
// deleted. Volumes stay: data is never removed by a sweep.
func (w *Worker) removeOrphans(ctx context.Context) error {
	// The containers are listed first, so that a slot made meanwhile is not taken for one that is gone.
	containers, err := w.o.Runtime.List(ctx, map[string]string{runtime.LabelInstallation: w.o.Installation})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	slots, err := w.o.Plane.ListWorkSlots(ctx)
	if err != nil {
		return fmt.Errorf("list slots: %w", err)
	}
	known := map[platform.SlotID]bool{}
	networks := map[string]bool{}
	for _, s := range slots {
		known[s.ID] = true
		networks[NetworkName(s.Project, s.Environment)] = true
	}
	left := map[string]bool{}
	err = together(containers, func(c runtime.Container) error {
		slot := platform.SlotID(c.Labels[runtime.LabelSlot])
		if slot == "" || known[slot] || c.Labels[runtime.LabelRole] == runtime.RoleSystem {
			return nil
		}
		m := member{row: rowOf(c, platform.Slot{ID: slot}), c: c, exists: true}
		_, err := w.end(ctx, m, routedGrace, "its project or environment was deleted", "")
		return err
	})
	for _, c := range containers {
		network := NetworkName(c.Labels[runtime.LabelProject], c.Labels[runtime.LabelEnvironment])
		if slot := platform.SlotID(c.Labels[runtime.LabelSlot]); slot != "" && !known[slot] && !networks[network] {
			left[network] = true
		}
	}
	for network := range left {
		err = errors.Join(err, w.o.Runtime.RemoveNetwork(ctx, network))
	}
	if len(left) > 0 {
		err = errors.Join(err, w.routes.refresh(ctx))
	}
	return err
}

// removeImages deletes the images of releases older than the newest keptReleases of their slot. One that a kept
// release, the live one or the one before it also uses stays, and the engine keeps what a container uses.
func (w *Worker) removeImages(ctx context.Context) error {
	slots, err := w.o.Plane.ListWorkSlots(ctx)
	if err != nil {
		return fmt.Errorf("list slots: %w", err)
	}
	kept, old := map[string]bool{}, map[string]bool{}
	for _, slot := range slots {
		ref := platform.SlotRef{Project: slot.Project, Environment: slot.Environment, Service: slot.Service}
		list, err := w.o.Plane.ListReleases(ctx, platform.SystemActor("worker"), ref, platform.Page{Limit: 4 * keptReleases})
		if err != nil {
			return fmt.Errorf("list releases of %s: %w", slot.Ref(), err)
		}
		for i, r := range list.Items {
			if i < keptReleases || r.ID == slot.LiveReleaseID || r.ID == slot.PreviousRelease {
				kept[r.ImageID] = true
			} else {
				old[r.ImageID] = true
			}
		}
	}
	var errs []error
	for image := range kept {
		w.memory.setImageGone(image, false)
	}
	for image := range old {
		if image == "" || kept[image] || w.memory.imageGone(image) {
			continue
		}
		if err := w.o.Runtime.RemoveImage(ctx, image); err != nil && !errors.Is(err, runtime.ErrNotFound) {
			errs = append(errs, fmt.Errorf("remove image %s: %w", image, err))
			continue
		}
		w.memory.setImageGone(image, true)
	}
	return errors.Join(errs...)
}

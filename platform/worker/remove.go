package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/runtime"
)

// buildStops is how long a canceled build may take until the removal looks again.
const buildStops = 200 * time.Millisecond

// workRemoval removes what a deleted project left: its containers, then its networks, its images, its volumes where that
// was asked for, and last its repository. Each may be gone already; what could not be removed is tried again, and until
// then no project of that name can be made.
func (w *Worker) workRemoval(ctx context.Context, args jobs.RemoveProject) (time.Duration, error) {
	if w.builds.stop(args.Project) {
		return buildStops, nil // its image would come after the others went
	}
	w.refreshRoutes(ctx) // nobody is sent there any more
	match := map[string]string{runtime.LabelInstallation: w.o.Installation, runtime.LabelProject: args.Project}
	containers, err := w.o.Runtime.List(ctx, match)
	if err != nil {
		return 0, fmt.Errorf("list the containers of %s: %w", args.Project, err)
	}
	err = together(containers, func(c runtime.Container) error {
		slot := platform.Slot{ID: platform.SlotID(c.Labels[runtime.LabelSlot])}
		_, err := w.end(ctx, member{row: rowOf(c, slot), c: c, exists: true}, routedGrace, "its project was deleted", "")
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := w.stopHere("removal/ended"); err != nil {
		return 0, err
	}
	if err := w.removeBelongings(ctx, match, args); err != nil {
		return 0, err
	}
	if w.o.Forget == nil {
		return 0, nil
	}
	if err := w.o.Forget(ctx, args.Project); err != nil {
		return 0, fmt.Errorf("remove the repository of %s: %w", args.Project, err)
	}
	return 0, nil
}

func (w *Worker) removeBelongings(ctx context.Context, match map[string]string, args jobs.RemoveProject) error {
	left, err := w.o.Runtime.Belongings(ctx, match)
	if err != nil {
		return fmt.Errorf("list what %s left: %w", args.Project, err)
	}
	var errs []error
	for _, network := range left.Networks {
		errs = append(errs, w.o.Runtime.RemoveNetwork(ctx, network))
	}
	for _, image := range left.Images {
		errs = append(errs, w.o.Runtime.RemoveImage(ctx, image))
	}
	if args.Volumes {
		for _, volume := range left.Volumes {
			errs = append(errs, w.o.Runtime.RemoveVolume(ctx, volume))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove what %s left: %w", args.Project, err)
	}
	return nil
}

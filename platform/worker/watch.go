package worker

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// How often the worker looks without being told: signals make it fast, these make it sure.
const (
	deploysEvery = 3 * time.Second
	slotsEvery   = 15 * time.Second
	routerEvery  = 500 * time.Millisecond
	openEvery    = time.Minute
	reconnect    = time.Second
)

// watch turns what happens to containers into looks at their deploy or slot.
func (w *Worker) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.o.Runtime.Watch(ctx, func(e runtime.Event) { w.happened(ctx, e) })
		if ctx.Err() != nil {
			return
		}
		w.log.WarnContext(ctx, "container events broke off", "error", err)
		if !pause(ctx, reconnect) {
			return
		}
		w.kickAll(ctx)
	}
}

func (w *Worker) happened(ctx context.Context, e runtime.Event) {
	if e.Kind == runtime.EventResync {
		w.spawn(func() { w.kickAll(ctx) })
		return
	}
	if e.Labels[runtime.LabelInstallation] != w.o.Installation {
		return
	}
	slot := platform.SlotID(e.Labels[runtime.LabelSlot])
	deploy := platform.DeployID(e.Labels[runtime.LabelDeploy])
	if _, open := w.memory.slot(deploy); open {
		w.kickDeploy(deploy)
		return
	}
	if slot != "" && e.Kind != runtime.EventStarted {
		w.kickSlot(slot)
	}
}

// healthChanged is called by the prober when an instance became ready or unhealthy.
func (w *Worker) healthChanged(t target) {
	if _, open := w.memory.slot(t.deploy); open {
		w.kickDeploy(t.deploy)
		return
	}
	w.kickSlot(t.slot)
}

// sweep looks at everything open from time to time, and at once when the worker starts: the truth is the rows.
func (w *Worker) sweep(ctx context.Context) {
	w.kickAll(ctx)
	deploys, slots := time.NewTicker(deploysEvery), time.NewTicker(slotsEvery)
	router, open := time.NewTicker(routerEvery), time.NewTicker(openEvery)
	defer deploys.Stop()
	defer slots.Stop()
	defer router.Stop()
	defer open.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-deploys.C:
			w.kickDeploys(ctx)
		case <-slots.C:
			w.kickSlots(ctx)
			w.refreshRoutes(ctx)
		case <-router.C:
			w.lookAtRouter(ctx)
		case <-open.C:
			if _, err := w.o.Plane.EnqueueOpenWork(ctx); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "open work not enqueued", "error", err)
			}
		}
	}
}

func (w *Worker) kickAll(ctx context.Context) {
	w.kickDeploys(ctx)
	w.kickSlots(ctx)
}

func (w *Worker) kickDeploys(ctx context.Context) {
	open, err := w.o.Plane.OpenDeploys(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.log.WarnContext(ctx, "open deploys not listed", "error", err)
		}
		return
	}
	for _, d := range open {
		w.memory.open(d.ID, d.SlotID)
	}
	for _, d := range open {
		w.kickDeploy(d.ID)
	}
}

func (w *Worker) kickSlots(ctx context.Context) {
	slots, err := w.o.Plane.ListWorkSlots(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.log.WarnContext(ctx, "slots not listed", "error", err)
		}
		return
	}
	for _, s := range slots {
		w.kickSlot(s.ID)
	}
}

// lookAtRouter publishes the table again to a router that is new or behind.
func (w *Worker) lookAtRouter(ctx context.Context) {
	if w.routes.behind(ctx) {
		w.refreshRoutes(ctx)
	}
}

func (w *Worker) refreshRoutes(ctx context.Context) {
	if err := w.routes.refresh(ctx); err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "routes not published", "error", err)
	}
}

// pause waits for d and reports whether ctx still runs.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

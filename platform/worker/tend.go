package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/runtime"
)

// tend looks after the new instances of a deploy that has moved traffic and still waits for the old ones: until it is
// live the reconciler leaves them to it. One that died is buried and started anew, and the table follows their health.
// What cannot be done now is tried at the next look: it must not keep the deploy from its end.
func (w *Worker) tend(ctx context.Context, work control.Work, seen sight) {
	changed := seen.changed
	runs, interrupted := map[int]bool{}, map[int]platform.Instance{}
	for _, m := range seen.fresh {
		switch {
		case m.running():
			runs[m.row.Ordinal] = true
		case !m.exists && m.row.RuntimeID == "":
			interrupted[m.row.Ordinal] = m.row
		default:
			changed = true
			w.noteTending(ctx, work, w.buryFresh(ctx, work, m))
		}
	}
	for ordinal := range seen.Wanted {
		if !runs[ordinal] {
			w.noteTending(ctx, work, w.revive(ctx, work, ordinal, interrupted[ordinal]))
		}
	}
	if changed && seen.Routed {
		w.noteTending(ctx, work, w.routes.refresh(ctx))
	}
}

func (w *Worker) noteTending(ctx context.Context, work control.Work, err error) {
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "new instances not looked after", "deploy", work.Deploy.ID, "slot", work.Slot.Ref(), "error", err)
	}
}

func (w *Worker) buryFresh(ctx context.Context, work control.Work, m member) error {
	row, err := w.end(ctx, m, 0, "stopped", string(work.Deploy.ID))
	if err == nil && row.State == platform.InstanceDead {
		w.countDeath(row)
	}
	return err
}

// revive starts an instance in place of one that is not there, when its backoff has passed. row is the record of a
// start that a crash interrupted, which is finished under the same identity.
func (w *Worker) revive(ctx context.Context, work control.Work, ordinal int, row platform.Instance) error {
	r := w.memory.restartState(work.Slot.ID, work.Release.ID, ordinal)
	if time.Now().Before(r.due) {
		return nil
	}
	if row.ID == "" {
		reason := fmt.Sprintf("started by deploy %s: the one before it died (%d in a row)", work.Deploy.ID, r.deaths)
		row = newRow(work, platform.NewID[platform.InstanceID](platform.PrefixInstance), ordinal, reason)
		row.DeployID, row.Restarts = work.Deploy.ID, r.deaths
	}
	err := w.begin(ctx, plan{row: row, work: work, spec: work.Deploy.Spec}, string(work.Deploy.ID))
	if errors.Is(err, runtime.ErrRefused) || errors.Is(err, runtime.ErrImageMissing) {
		r.due = time.Now().Add(backoff(r.deaths + 2))
		w.memory.setRestart(work.Slot.ID, ordinal, r)
	}
	return err
}

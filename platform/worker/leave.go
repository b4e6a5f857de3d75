package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// going tells members that were taken out of the table, by this server or by one before it, from those that stay: what
// began to leave never comes back, since it may have been asked to end already.
func (w *Worker) going(group []member) (going, staying []member) {
	for _, m := range group {
		if m.running() && (m.row.State == platform.InstanceDraining || w.memory.isLeaving(m.row.ID)) {
			going = append(going, m)
		} else {
			staying = append(staying, m)
		}
	}
	return going, staying
}

// letGo takes members out of the table, waits until they hold no request or their drain time is over, and ends them.
// It does not block: what still drains is looked at again.
func (w *Worker) letGo(ctx context.Context, s *scene, group []member, reason string) error {
	if len(group) == 0 {
		return nil
	}
	now := time.Now()
	routed := len(s.work.Slot.Hosts) > 0
	for _, m := range group {
		w.memory.leave(m.row.ID, now)
	}
	if routed {
		if err := w.routes.refresh(ctx); err != nil {
			return err
		}
		s.inFlight = nil // what was counted before the table changed says nothing about after
	}
	var errs []error
	for _, m := range group {
		errs = append(errs, w.recordDraining(ctx, &m, reason))
		if routed && !w.drained(ctx, s, m, now) {
			s.soon(100 * time.Millisecond)
			continue
		}
		_, err := w.end(ctx, m, stopGrace(s.work.Slot, s.work.Release.Spec), reason, "")
		errs = append(errs, err, w.stopHere("reconcile/end"))
	}
	return errors.Join(errs...)
}

func (w *Worker) recordDraining(ctx context.Context, m *member, reason string) error {
	if !m.known || m.row.State == platform.InstanceDraining {
		return nil
	}
	m.row.State, m.row.Reason = platform.InstanceDraining, reason
	if err := w.stopHere("reconcile/left"); err != nil {
		return err
	}
	if err := w.o.Plane.RecordInstance(ctx, m.row, ""); err != nil {
		return fmt.Errorf("record instance %s: %w", m.row.ID, err)
	}
	return nil
}

// drained reports whether a member that left the table holds no request any more, or had its time.
func (w *Worker) drained(ctx context.Context, s *scene, m member, now time.Time) bool {
	if now.Sub(w.memory.leave(m.row.ID, now)) >= s.work.Release.Spec.Drain.D() {
		return true
	}
	if s.inFlight == nil {
		_, inFlight, err := w.routes.acked(ctx)
		if err != nil {
			return false
		}
		s.inFlight = inFlight
	}
	return s.inFlight[m.row.ID] == 0
}

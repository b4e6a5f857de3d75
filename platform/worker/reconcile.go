package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/rollout"
	"github.com/fairlead/fairlead/platform/runtime"
)

// Backoff of restarts: at once, then 1 s, 2 s, 4 s ... An instance that ran long enough starts the count anew.
const (
	backoffFirst = time.Second
	backoffMax   = time.Minute
	ranWell      = 5 * time.Minute
)

// kickSlot looks at a slot now, in a goroutine of the worker's.
func (w *Worker) kickSlot(id platform.SlotID) {
	if w.run == nil || w.run.Err() != nil {
		return
	}
	w.spawn(func() {
		ctx, finish := w.o.Tracer.Later(w.run, "", "look at slot", slog.String("fairlead.slot.id", string(id)))
		defer finish(nil)
		w.turns.take("slot:"+string(id), func() { w.reconcileNow(ctx, id) })
	})
}

func (w *Worker) lookAgain(id platform.SlotID, after time.Duration) {
	w.timers.after("slot:"+string(id), after, func() { w.kickSlot(id) })
}

// reconcileNow makes a slot what it should be as far as that goes now, and sees to it that it is looked at again.
func (w *Worker) reconcileNow(ctx context.Context, id platform.SlotID) {
	again, err := w.reconcile(ctx, id)
	switch {
	case ctx.Err() != nil || errors.Is(err, errStopping):
	case platform.CodeOf(err) == platform.CodeNotFound:
		w.log.InfoContext(ctx, "slot is gone", "slot", id)
	case err != nil:
		w.log.WarnContext(ctx, "slot not reconciled", "slot", id, "error", err)
		w.lookAgain(id, retryMax)
	case again > 0:
		w.lookAgain(id, again)
	}
}

// scene is one slot as the reconciler sees it.
type scene struct {
	work     control.Work
	open     []platform.Deploy // of this slot, not terminal
	members  []member
	live     []member // running instances of the live release, and records whose start a crash interrupted
	changed  bool     // the table may differ now
	again    time.Duration
	inFlight map[platform.InstanceID]int64
}

// soon asks for another look after d at the latest.
func (s *scene) soon(d time.Duration) {
	if s.again == 0 || d < s.again {
		s.again = max(d, time.Millisecond)
	}
}

// deploying returns the deploy that is past queued, if there is one.
func (s *scene) deploying() (platform.Deploy, bool) {
	for _, d := range s.open {
		if d.Phase != platform.PhaseQueued {
			return d, true
		}
	}
	return platform.Deploy{}, false
}

// reconcile buries the dead, removes strays, keeps the wanted number of instances of the live release, and replaces
// those that a restart asked for. The slot's lock is held throughout.
func (w *Worker) reconcile(ctx context.Context, id platform.SlotID) (again time.Duration, err error) {
	release, err := w.locks.acquire(ctx, id)
	if err != nil {
		return 0, err
	}
	defer release()
	s, err := w.look(ctx, id)
	if err != nil {
		return 0, err
	}
	if err := w.settleMembers(ctx, s); err != nil {
		return 0, err
	}
	if err := w.keepReplicas(ctx, s); err != nil {
		return 0, err
	}
	w.report(ctx, s)
	if s.changed {
		if err := w.routes.refresh(ctx); err != nil {
			return 0, err
		}
	}
	return s.again, nil
}

func (w *Worker) look(ctx context.Context, id platform.SlotID) (*scene, error) {
	work, err := w.o.Plane.SlotWork(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read slot %s: %w", id, err)
	}
	open, err := w.o.Plane.OpenDeploys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list open deploys: %w", err)
	}
	s := &scene{work: work}
	for _, d := range open {
		if d.SlotID == id {
			s.open = append(s.open, d)
		}
	}
	s.members, err = w.view(ctx, work)
	return s, err
}

// settleMembers goes through what exists: the live run on, the dead are buried, strays are removed, and what an open
// deploy made is left to it.
func (w *Worker) settleMembers(ctx context.Context, s *scene) error {
	var errs []error
	for _, m := range s.members {
		switch {
		case s.ownedByDeploy(m):
		case !m.exists && m.row.RuntimeID == "" && s.ofLive(m):
			s.live = append(s.live, m) // its start was interrupted: keepReplicas starts the same identity
		case m.running() && s.ofLive(m) && m.role == runtime.RoleInstance:
			before := m.row.State
			errs = append(errs, w.noteHealth(ctx, &m, s.work.Release.Spec, string(m.row.DeployID)))
			s.changed = s.changed || m.row.State != before
			s.live = append(s.live, m)
		case m.running() && s.leftToDeploy(m):
		case m.running():
			errs = append(errs, w.removeStray(ctx, s, m))
		case m.exists && !m.exited() && !m.refused() && s.ofLive(m):
			s.live = append(s.live, m) // created, never started
		default:
			errs = append(errs, w.bury(ctx, s, m))
		}
	}
	return errors.Join(errs...)
}

// ownedByDeploy reports whether an open deploy made m and decides about it.
func (s *scene) ownedByDeploy(m member) bool {
	for _, d := range s.open {
		if m.row.DeployID == d.ID {
			return true
		}
	}
	return false
}

// leftToDeploy reports whether a deploy that has moved traffic will retire m itself.
func (s *scene) leftToDeploy(m member) bool {
	d, ok := s.deploying()
	return ok && d.Phase.Committed() && m.role == runtime.RoleInstance
}

func (s *scene) ofLive(m member) bool {
	return s.work.Release != nil && m.row.ReleaseID == s.work.Release.ID
}

func (w *Worker) removeStray(ctx context.Context, s *scene, m member) error {
	s.changed = true
	_, err := w.end(ctx, m, routedGrace, "it belonged to no live release and no open deploy", "")
	return err
}

// bury records how a member ended, removes its container once its output is collected, and counts the death when
// nobody asked for it.
func (w *Worker) bury(ctx context.Context, s *scene, m member) error {
	row, err := w.end(ctx, m, 0, "stopped", string(m.row.DeployID))
	if err != nil {
		return err
	}
	s.changed = true
	if row.State != platform.InstanceDead || !s.ofLive(m) || m.role == runtime.RolePreDeploy {
		return nil
	}
	w.countDeath(row)
	return nil
}

// countDeath makes the next start of the same ordinal wait the longer the more died in a row.
func (w *Worker) countDeath(row platform.Instance) {
	now := time.Now()
	r := w.memory.restartState(row.SlotID, row.ReleaseID, row.Ordinal)
	if r.deaths == 0 {
		r.deaths = row.Restarts
	}
	if row.EndedAt != nil && row.EndedAt.Sub(row.StartedAt) >= ranWell {
		r.deaths = 0
	}
	r.deaths++
	r.due = now.Add(backoff(r.deaths))
	w.memory.setRestart(row.SlotID, row.Ordinal, r)
	w.memory.buried(row, now)
}

// backoff is the pause before the restart that follows the n-th death in a row.
func backoff(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	return min(backoffFirst<<min(n-2, 16), backoffMax)
}

// keepReplicas starts what is missing and lets go of what is too much, ordinal by ordinal.
func (w *Worker) keepReplicas(ctx context.Context, s *scene) error {
	if s.work.Release == nil {
		return nil
	}
	if d, ok := s.deploying(); ok {
		held := rollout.HoldSwap(d.Spec) && d.Phase != platform.PhaseBuilding && d.Phase != platform.PhaseReleasing
		if d.Phase.Committed() || held {
			return nil
		}
	}
	byOrdinal := map[int][]member{}
	for _, m := range s.live {
		byOrdinal[m.row.Ordinal] = append(byOrdinal[m.row.Ordinal], m)
	}
	ordinals := make([]int, 0, len(byOrdinal)+s.work.Slot.Replicas)
	for ordinal := range s.work.Slot.Replicas {
		ordinals = append(ordinals, ordinal)
	}
	for ordinal := range byOrdinal {
		if ordinal >= s.work.Slot.Replicas {
			ordinals = append(ordinals, ordinal)
		}
	}
	sort.Ints(ordinals)
	rolling := false
	var errs []error
	for _, ordinal := range ordinals {
		moving, err := w.keepOrdinal(ctx, s, ordinal, byOrdinal[ordinal], rolling)
		rolling = rolling || moving
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// keepOrdinal looks after one ordinal. rolling says that another one is being replaced just now, so that a restart
// goes one at a time; moving says that this one is.
func (w *Worker) keepOrdinal(ctx context.Context, s *scene, ordinal int, group []member, rolling bool) (moving bool, err error) {
	if ordinal >= s.work.Slot.Replicas {
		return false, w.letGo(ctx, s, group, fmt.Sprintf("scaled to %d", s.work.Slot.Replicas))
	}
	going, staying := w.going(group)
	if err := w.letGo(ctx, s, going, "replaced while it was draining"); err != nil {
		return false, err
	}
	fresh, outdated, interrupted := s.sortGroup(staying)
	switch {
	case len(interrupted) > 0:
		return len(outdated) > 0, w.startAgain(ctx, s, interrupted[0])
	case len(fresh) == 0 && len(outdated) == 0:
		return false, w.replace(ctx, s, ordinal)
	case len(outdated) == 0:
		return false, w.letGo(ctx, s, fresh[1:], "one instance of this ordinal is enough")
	case rolling:
		return true, nil
	case len(fresh) == 0 && rollout.HoldSwap(s.work.Release.Spec):
		return true, w.letGo(ctx, s, outdated, "restarted: its disk allows one writer")
	case len(fresh) == 0:
		return true, w.replace(ctx, s, ordinal)
	case w.prober.health(fresh[0].row.ID).ready:
		return true, w.letGo(ctx, s, outdated, "restarted")
	}
	s.soon(time.Second)
	return true, nil
}

// sortGroup tells instances started since the last restart was asked for from older ones, and from those whose start
// was interrupted; each oldest first.
func (s *scene) sortGroup(group []member) (fresh, outdated, interrupted []member) {
	sort.Slice(group, func(i, j int) bool { return group[i].row.StartedAt.Before(group[j].row.StartedAt) })
	asked := s.work.Slot.RestartedAt
	for _, m := range group {
		switch {
		case !m.running():
			interrupted = append(interrupted, m)
		case asked != nil && m.row.StartedAt.Before(*asked):
			outdated = append(outdated, m)
		default:
			fresh = append(fresh, m)
		}
	}
	return fresh, outdated, interrupted
}

// replace starts a new instance of an ordinal, when its backoff has passed.
func (w *Worker) replace(ctx context.Context, s *scene, ordinal int) error {
	r := w.memory.restartState(s.work.Slot.ID, s.work.Release.ID, ordinal)
	if left := time.Until(r.due); left > 0 {
		s.soon(left)
		return nil
	}
	reason := "started by the reconciler: " + s.whyMissing(r)
	row := newRow(s.work, platform.NewID[platform.InstanceID](platform.PrefixInstance), ordinal, reason)
	row.Restarts = r.deaths
	return w.startRow(ctx, s, row)
}

func (s *scene) whyMissing(r restart) string {
	switch {
	case r.deaths > 0:
		return fmt.Sprintf("the one before it died (%d in a row)", r.deaths)
	case s.work.Slot.RestartedAt != nil && len(s.live) >= s.work.Slot.Replicas:
		return "a restart was asked for"
	}
	return fmt.Sprintf("%d instances are wanted", s.work.Slot.Replicas)
}

// startAgain finishes a start that a crash interrupted, under the same identity.
func (w *Worker) startAgain(ctx context.Context, s *scene, m member) error {
	return w.startRow(ctx, s, m.row)
}

func (w *Worker) startRow(ctx context.Context, s *scene, row platform.Instance) error {
	err := w.begin(ctx, plan{row: row, work: s.work, spec: s.work.Release.Spec}, string(row.DeployID))
	if err == nil {
		s.soon(5 * time.Second)
		return w.stopHere("reconcile/start")
	}
	if !errors.Is(err, runtime.ErrRefused) && !errors.Is(err, runtime.ErrImageMissing) {
		return err
	}
	// What the engine refused is buried, and counted, at the next look.
	r := w.memory.restartState(s.work.Slot.ID, row.ReleaseID, row.Ordinal)
	r.due = time.Now().Add(backoff(r.deaths + 2))
	w.memory.setRestart(s.work.Slot.ID, row.Ordinal, r)
	return err
}

func (w *Worker) stopHere(point string) error {
	if err := w.fault(point); err != nil {
		return errStopping
	}
	return nil
}

// report hands what was seen to the rules and their findings to control.
func (w *Worker) report(ctx context.Context, s *scene) {
	if w.o.Findings == nil || s.work.Release == nil {
		return
	}
	seen := w.memory.dead(s.work.Slot.ID)
	for _, m := range s.live {
		seen = append(seen, m.row)
	}
	sort.SliceStable(seen, func(i, j int) bool { return seen[i].StartedAt.Before(seen[j].StartedAt) })
	for _, f := range w.o.Findings.Instances(s.work.Slot, seen, time.Now().UTC()) {
		what := signature(f, seen)
		if w.memory.reported(f, what) {
			continue
		}
		if _, err := w.o.Plane.Report(ctx, f); err != nil {
			w.log.WarnContext(ctx, "finding not reported", "slot", s.work.Slot.Ref(), "signal", f.Signal, "error", err)
			continue
		}
		w.memory.setReported(f, what)
	}
}

// signature is what a finding was made from: looking again at the same instances in the same states is not a new finding.
func signature(f platform.Finding, seen []platform.Instance) string {
	parts := make([]string, 0, len(seen)+1)
	parts = append(parts, fmt.Sprint(f.Resolved))
	for _, in := range seen {
		parts = append(parts, string(in.ID)+"="+string(in.State))
	}
	return strings.Join(parts, " ")
}

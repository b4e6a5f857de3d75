package worker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/runtime"
)

// member is one instance as record and as container; either may be missing after a crash.
type member struct {
	row    platform.Instance
	known  bool // there is a record that has not ended
	c      runtime.Container
	exists bool // there is a container
	role   string
	health health // as it was when the record was brought up to date: decisions rest on nothing newer
}

func (m member) running() bool { return m.exists && m.c.Running }

// exited reports whether the process ran and ended.
func (m member) exited() bool { return m.exists && !m.c.Running && !m.c.StartedAt.IsZero() }

// refused reports whether the engine would not start the container.
func (m member) refused() bool {
	return m.exists && !m.c.Running && m.c.StartedAt.IsZero() && m.c.Error != ""
}

// view joins the records of a slot with the containers that carry its label. The labels are the ledger: a container
// without a record is described by them alone.
func (w *Worker) view(ctx context.Context, work control.Work) ([]member, error) {
	containers, err := w.o.Runtime.List(ctx, map[string]string{
		runtime.LabelInstallation: w.o.Installation, runtime.LabelSlot: string(work.Slot.ID),
	})
	if err != nil {
		return nil, fmt.Errorf("list the instances of %s: %w", work.Slot.Ref(), err)
	}
	rows := map[platform.InstanceID]platform.Instance{}
	for _, row := range work.Instances {
		rows[row.ID] = row
	}
	members := make([]member, 0, len(containers)+len(rows))
	for _, c := range containers {
		id := platform.InstanceID(c.Labels[runtime.LabelInstance])
		m := member{c: c, exists: true, role: c.Labels[runtime.LabelRole]}
		if row, ok := rows[id]; ok {
			m.row, m.known = row, true
			delete(rows, id)
		} else {
			m.row = rowOf(c, work.Slot)
		}
		m.row.RuntimeID = c.ID
		if c.Address != "" {
			m.row.Address = c.Address
		}
		members = append(members, m)
	}
	for _, row := range work.Instances {
		if _, left := rows[row.ID]; left {
			members = append(members, member{row: row, known: true, role: runtime.RoleInstance})
		}
	}
	return members, nil
}

func rowOf(c runtime.Container, slot platform.Slot) platform.Instance {
	ordinal, _ := strconv.Atoi(c.Labels[runtime.LabelOrdinal])
	number, _ := strconv.Atoi(c.Labels[runtime.LabelReleaseNo])
	return platform.Instance{
		ID: platform.InstanceID(c.Labels[runtime.LabelInstance]), ProjectID: slot.ProjectID, SlotID: slot.ID,
		ReleaseID: platform.ReleaseID(c.Labels[runtime.LabelRelease]), ReleaseNumber: number,
		DeployID: platform.DeployID(c.Labels[runtime.LabelDeploy]), Project: c.Labels[runtime.LabelProject],
		Environment: c.Labels[runtime.LabelEnvironment], Service: c.Labels[runtime.LabelService], Ordinal: ordinal,
		State: platform.InstanceStarting, StartedAt: c.StartedAt,
	}
}

// noteHealth records that an instance became ready or unhealthy, once, and keeps it probed.
func (w *Worker) noteHealth(ctx context.Context, m *member, spec platform.ServiceSpec, cause string) error {
	m.health = w.prober.health(m.row.ID)
	if !m.running() {
		return nil
	}
	if m.row.State != platform.InstanceDraining {
		w.prober.watch(targetOf(m.row, m.c, spec))
	}
	h := w.prober.health(m.row.ID)
	m.health = h
	state := m.row.State
	switch {
	case state == platform.InstanceDraining || !h.known:
		return nil
	case h.ready:
		state = platform.InstanceReady
	case h.everReady:
		state = platform.InstanceUnhealthy
	}
	if state == m.row.State {
		return nil
	}
	row := m.row
	if state == platform.InstanceUnhealthy {
		row.Reason = h.lastWords
	} else if row.State == platform.InstanceUnhealthy {
		row.Reason = "passes its health check again"
	}
	row.State = state
	if state == platform.InstanceReady && row.ReadyAt == nil {
		at := time.Now().UTC()
		if !h.readyAt.IsZero() {
			at = h.readyAt.UTC()
		}
		row.ReadyAt = &at
	}
	if err := w.o.Plane.RecordInstance(ctx, row, cause); err != nil {
		return fmt.Errorf("record instance %s: %w", row.ID, err)
	}
	m.row, m.known = row, true
	return nil
}

// adoptLimit is how long the first table waits for the first probes of instances that were not known to be ready.
const adoptLimit = time.Second

// adopt begins to probe what ran before this server started, as well as it was known to be, and only then lets the
// table be published: a table made from ignorance would send nobody anywhere.
func (w *Worker) adopt(ctx context.Context) {
	for {
		err := w.adoptSlots(ctx)
		if err == nil {
			break
		}
		if !pause(ctx, openRetry) {
			return
		}
		w.log.WarnContext(ctx, "running instances not adopted yet", "error", err)
	}
	w.prober.awaitFirst(ctx, adoptLimit)
	w.routes.open()
	w.refreshRoutes(ctx)
}

func (w *Worker) adoptSlots(ctx context.Context) error {
	all, err := w.o.Plane.ListWorkSlots(ctx)
	if err != nil {
		return fmt.Errorf("list slots: %w", err)
	}
	for _, slot := range all {
		work, err := w.o.Plane.SlotWork(ctx, slot.ID)
		if err != nil {
			return fmt.Errorf("read slot %s: %w", slot.Ref(), err)
		}
		members, err := w.view(ctx, work)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.running() && m.row.State == platform.InstanceDraining {
				w.memory.leave(m.row.ID, time.Now()) // it may have been asked to end: it gets no request again
			}
			if m.running() && work.Release != nil && m.row.ReleaseID == work.Release.ID {
				w.prober.watch(targetOf(m.row, m.c, work.Release.Spec))
			}
		}
	}
	return w.adoptDeploys(ctx)
}

// adoptDeploys does the same for instances of deploys whose traffic may have moved already.
func (w *Worker) adoptDeploys(ctx context.Context) error {
	open, err := w.o.Plane.OpenDeploys(ctx)
	if err != nil {
		return fmt.Errorf("list open deploys: %w", err)
	}
	for _, d := range open {
		work, err := w.o.Plane.DeployWork(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("read deploy %s: %w", d.ID, err)
		}
		members, err := w.view(ctx, work)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.running() && m.row.DeployID == d.ID && m.role == runtime.RoleInstance {
				t := targetOf(m.row, m.c, d.Spec)
				t.wasReady = t.wasReady || d.Phase.Committed() // it passed the gate
				w.prober.watch(t)
			}
		}
	}
	return nil
}

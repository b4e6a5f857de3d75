package worker

import (
	"context"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/rollout"
	"github.com/fairlead/fairlead/platform/runtime"
)

// sight is what rollout is told, with the members behind it.
type sight struct {
	rollout.Observed
	fresh     []member // of this deploy, containers and bare records
	old       []member // running ones of other deploys
	preDeploy []member // containers of this deploy's pre-deploy command
	changed   bool     // the health of a new instance is another than before
}

// has reports whether the instance's process was started: one whose start a crash interrupted is to be started again.
func (s sight) has(id platform.InstanceID) bool {
	for _, in := range s.New {
		if in.ID == id {
			return true
		}
	}
	return false
}

// observe looks at everything that a decision about the deploy needs.
func (w *Worker) observe(ctx context.Context, work control.Work) (sight, error) {
	d := work.Deploy
	s := sight{Observed: rollout.Observed{
		InPhase: time.Since(d.PhaseAt), Newer: work.Newer, Busy: work.Busy, HasRelease: work.Release != nil,
		Wanted: work.Slot.Replicas, Routed: len(work.Slot.Hosts) > 0, Canceled: d.CancelRequested,
		CreateError: w.memory.refusal(d.ID),
	}}
	if state, ok := w.builds.state(d.ID); ok && state.done {
		s.BuildError = state.failed
	}
	if d.Phase == platform.PhaseQueued || d.Phase == platform.PhaseBuilding {
		return s, nil // nothing of it runs yet
	}
	members, err := w.view(ctx, work)
	if err != nil {
		return s, err
	}
	if err := w.sort(ctx, work, members, &s); err != nil {
		return s, err
	}
	if d.Phase == platform.PhaseDraining && s.Routed {
		w.askRouter(ctx, &s)
	}
	return s, nil
}

// sort tells the new instances from the old and records what their probes found.
func (w *Worker) sort(ctx context.Context, work control.Work, members []member, s *sight) error {
	d := work.Deploy
	for _, m := range members {
		ours := m.row.DeployID == d.ID
		switch {
		case m.role == runtime.RolePreDeploy:
			if ours {
				s.preDeploy = append(s.preDeploy, m)
				w.observePreDeploy(ctx, m, s)
			}
		case ours:
			before := m.row.State
			if err := w.noteHealth(ctx, &m, d.Spec, string(d.ID)); err != nil {
				return err
			}
			s.changed = s.changed || m.row.State != before
			s.fresh = append(s.fresh, m)
			if m.refused() && s.CreateError == nil {
				s.CreateError = createFailure(m.c.Error)
				s.CreateError.InstanceID = m.row.ID
			}
			if m.running() || m.exited() {
				s.New = append(s.New, w.instance(m))
			}
		case m.running():
			s.old = append(s.old, m)
			s.Old = append(s.Old, w.instance(m))
		}
	}
	return nil
}

func (w *Worker) instance(m member) rollout.Instance {
	h := m.health
	in := rollout.Instance{
		ID: m.row.ID, Running: m.running(), Ready: h.ready, Exited: m.exited(), ExitCode: m.c.ExitCode, OOMKilled: m.c.OOMKilled,
		LastProbe: h.lastWords,
	}
	if in.Running && !m.c.StartedAt.IsZero() {
		in.Up = time.Since(m.c.StartedAt)
	}
	return in
}

// askRouter fills in what the router serves and holds. A router that does not answer holds an unknown number.
func (w *Worker) askRouter(ctx context.Context, s *sight) {
	version, inFlight, err := w.routes.acked(ctx)
	if err != nil {
		w.log.WarnContext(ctx, "router not asked", "error", err)
	}
	s.Acked = version
	for i := range s.Old {
		s.Old[i].InFlight = inFlight[s.Old[i].ID]
		if err != nil {
			s.Old[i].InFlight = -1
		}
	}
}

// observePreDeploy says how the pre-deploy command stands.
func (w *Worker) observePreDeploy(ctx context.Context, m member, s *sight) {
	switch {
	case m.running():
		s.PreDeployRunning = true
	case m.refused() && s.CreateError == nil:
		s.CreateError = createFailure(m.c.Error)
	case m.exited() && s.PreDeploy == nil:
		detail := ""
		if m.c.ExitCode != 0 {
			detail = w.lastWords(ctx, m.c.ID)
		}
		s.PreDeploy = &rollout.PreDeployResult{ExitCode: m.c.ExitCode, Detail: detail}
	}
}

// lastWords is the last line that a container wrote.
func (w *Worker) lastWords(ctx context.Context, container string) string {
	last := ""
	err := w.o.Runtime.Logs(ctx, container, runtime.LogOptions{}, func(f runtime.LogFrame) error {
		if line := strings.TrimSpace(string(f.Line)); line != "" {
			last = line
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return platform.Truncate(last, 300)
}

// startPreDeploy runs the pre-deploy command in the new image, with the service's environment and disk-free.
func (w *Worker) startPreDeploy(ctx context.Context, work control.Work) error {
	d := work.Deploy
	row := newRow(work, preDeployInstance(d.ID), 0, "pre-deploy command of deploy "+string(d.ID))
	row.DeployID = d.ID
	p := plan{row: row, work: work, spec: d.Spec}
	p.spec.Disk = nil
	if err := w.prepare(ctx, p); err != nil {
		return err
	}
	spec := w.instanceSpec(p)
	spec.Name += "-pre-deploy"
	spec.Command, spec.Port, spec.Aliases = d.Spec.PreDeploy, 0, nil
	spec.Labels = w.labels(row, runtime.RolePreDeploy)
	_, err := w.o.Runtime.Start(ctx, spec)
	return err
}

// removePreDeploy removes the container of a pre-deploy command whose end is recorded by now.
func (w *Worker) removePreDeploy(ctx context.Context, work control.Work, seen sight) error {
	return together(seen.preDeploy, func(m member) error {
		_, err := w.end(ctx, m, routedGrace, "its command ended", string(work.Deploy.ID))
		return err
	})
}

package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// ListAlerts returns every rule of the services that the actor may see and how it stands, those that fire first.
func (p *Plane) ListAlerts(ctx context.Context, actor platform.Actor, ref platform.SlotRef) ([]platform.Alert, error) {
	firing, others := []platform.Alert{}, []platform.Alert{}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		firing, others = firing[:0], others[:0]
		scope, err := scopeOf(ctx, tx, actor, ref)
		if err != nil {
			return err
		}
		slots, err := ruledSlots(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range slots {
			if !scope.Holds(s.Slot) {
				continue
			}
			silences, err := tx.SilencesOf(ctx, s.Slot.Project)
			if err != nil {
				return err
			}
			open, err := tx.OpenIncidentsOf(ctx, s.Slot.ID, platform.SignalAlert)
			if err != nil {
				return err
			}
			for _, rule := range s.Rules {
				if a := p.alert(s.Slot, rule, open, silences); a.State == platform.AlertFiring {
					firing = append(firing, a)
				} else {
					others = append(others, a)
				}
			}
		}
		return nil
	})
	return append(firing, others...), err
}

func (p *Plane) alert(slot platform.Slot, rule platform.AlertRule, open []platform.Incident, silences []platform.Silence) platform.Alert {
	a := platform.Alert{Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Rule: rule, State: platform.AlertQuiet}
	finding := platform.Finding{Signal: platform.SignalAlert, Rule: rule.Name}
	for _, s := range silences {
		if s.Active(p.now()) && s.Covers(slot, finding) {
			a.State, a.SilencedBy = platform.AlertSilenced, s.ID
		}
	}
	for _, i := range open {
		if i.Rule == rule.Name {
			a.State, a.IncidentID = platform.AlertFiring, i.ID
		}
	}
	return a
}

// ListRuledSlots returns every slot in which something is live, with the rules that hold for it: those of the newest
// blueprint, whichever release runs.
func (p *Plane) ListRuledSlots(ctx context.Context) ([]platform.RuledSlot, error) {
	var out []platform.RuledSlot
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		out, err = ruledSlots(ctx, tx)
		return err
	})
	return out, err
}

func ruledSlots(ctx context.Context, tx *store.Tx) ([]platform.RuledSlot, error) {
	slots, err := tx.ListSlots(ctx, "")
	if err != nil {
		return nil, err
	}
	services := map[platform.ServiceID]platform.Service{}
	read := map[platform.ProjectID]bool{}
	out := []platform.RuledSlot{}
	for _, slot := range slots {
		if slot.LiveReleaseID == "" {
			continue
		}
		if !read[slot.ProjectID] {
			all, err := tx.ListServices(ctx, slot.ProjectID)
			if err != nil {
				return nil, err
			}
			for _, s := range all {
				services[s.ID] = s
			}
			read[slot.ProjectID] = true
		}
		out = append(out, platform.RuledSlot{Slot: slot, Rules: services[slot.ServiceID].Spec.AlertRules()})
	}
	return out, nil
}

// checkAlerts refuses a rule whose expression the metric store cannot evaluate.
func (p *Plane) checkAlerts(ctx context.Context, project string, spec platform.ServiceSpec) error {
	if p.o.Metrics == nil {
		return nil
	}
	now := p.now()
	for i, rule := range spec.Alerts {
		if rule.Expr == "" {
			continue
		}
		err := promql.CheckNames(rule.Expr)
		if err == nil {
			_, err = p.o.Metrics.Query(ctx, observability.MetricQuery{Project: project, Service: spec.Name, Expr: rule.Expr, From: now, To: now})
		}
		var known *platform.Error
		if errors.As(err, &known) && known.Code == platform.CodeInvalid {
			return platform.Errorf(platform.CodeInvalid, "The alert rule %s of %s cannot be used: %s", rule.Name, spec.Name, known.Message).
				WithHint("%s", ruleHint(known)).
				WithField(fmt.Sprintf("services.%s.alerts[%d].expr", spec.Name, i))
		}
		if err != nil {
			// The store is away: the rule is kept, and its evaluation says what is wrong with it, if anything is.
			p.o.Log.Warn("an alert rule is not checked", "service", spec.Name, "rule", rule.Name, "error", err)
		}
	}
	return nil
}

// ruleHint is how a rule is to be written; a name that does not exist has a better one.
func ruleHint(refusal *platform.Error) string {
	if strings.HasPrefix(refusal.Message, "There is no metric") {
		return refusal.Hint
	}
	return "Write PromQL over this service's series, such as rate(fairlead_instance_cpu_seconds_total[5m]) > 0.9."
}

// ListSilences returns the silences of a project that have not ended, newest first.
func (p *Plane) ListSilences(ctx context.Context, actor platform.Actor, project string) ([]platform.Silence, error) {
	var out []platform.Silence
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, project)
		if err != nil {
			return err
		}
		out, err = tx.SilencesOf(ctx, found.Name)
		return err
	})
	return out, err
}

// CreateSilence keeps findings of a project, environment, service or rule from opening incidents for a while. What is
// open already stays open.
func (p *Plane) CreateSilence(ctx context.Context, actor platform.Actor, req platform.CreateSilenceRequest) (platform.Silence, error) {
	if err := authorize(actor, verbSilence, ""); err != nil {
		return platform.Silence{}, err
	}
	if err := req.Check(); err != nil {
		return platform.Silence{}, err
	}
	var silence platform.Silence
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := findProject(ctx, tx, actor, verbSilence, req.Project)
		if err != nil {
			return err
		}
		at := place{project: project.Name, environment: req.Environment}
		if req.Service != "" {
			slot, err := findSlot(ctx, tx, actor, verbSilence, req.SlotRef)
			if err != nil {
				return err
			}
			at = inSlot(slot)
			if req.Environment == "" {
				at.environment = ""
			}
		}
		now := p.now()
		silence = platform.Silence{
			ID: platform.NewID[platform.SilenceID](platform.PrefixSilence), Project: at.project, Environment: at.environment, Service: at.service,
			Rule: req.Rule, Reason: store.Clean(req.Reason), Actor: actor, StartsAt: now, EndsAt: now.Add(req.For.D()),
		}
		p.record(tx, fact{
			kind: platform.EventSilenceCreated, actor: actor, at: at, subject: string(silence.ID),
			summary: fmt.Sprintf("%s silenced %s until %s: %s", actor.Name, silence.What(), silence.EndsAt.Format(time.RFC3339), silence.Reason),
			payload: map[string]any{"rule": silence.Rule, "ends_at": silence.EndsAt},
		})
		return tx.InsertSilence(ctx, silence)
	})
	return silence, err
}

// EndSilence ends a silence now. Ending one that has ended is no error.
func (p *Plane) EndSilence(ctx context.Context, actor platform.Actor, id platform.SilenceID) error {
	if err := authorize(actor, verbSilence, ""); err != nil {
		return err
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		silence, err := tx.LockSilence(ctx, id)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbSilence, silence.Project, "silence", string(id)); err != nil {
			return err
		}
		now := p.now()
		if !silence.EndsAt.After(now) {
			return nil
		}
		silence.EndsAt, silence.EndedBy = now, actor.Name
		p.record(tx, fact{
			kind: platform.EventSilenceEnded, actor: actor, at: place{silence.Project, silence.Environment, silence.Service}, subject: string(id),
			summary: fmt.Sprintf("%s ended the silence of %s; it had kept %s quiet.", actor.Name, silence.What(), plural(silence.Kept, "finding")),
		})
		return tx.UpdateSilence(ctx, silence)
	})
}

// silenced counts a finding on the silence that covers it, and reports whether there is one.
func (p *Plane) silenced(ctx context.Context, tx *store.Tx, slot platform.Slot, f platform.Finding) (bool, error) {
	silences, err := tx.SilencesOf(ctx, slot.Project)
	if err != nil {
		return false, err
	}
	now := p.now()
	for _, s := range silences {
		if !s.Active(now) || !s.Covers(slot, f) {
			continue
		}
		if s, err = tx.LockSilence(ctx, s.ID); err != nil {
			return false, err
		}
		s.Kept++
		s.LastKeptAt = &now
		return true, tx.UpdateSilence(ctx, s)
	}
	return false, nil
}

package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

var (
	detector  = platform.SystemActor("detector")
	diagnosis = platform.Actor{Kind: platform.ActorAgent, Name: "diagnosis", Role: platform.RoleViewer, Channel: "worker"}
)

// ListIncidents returns incidents, newest first.
func (p *Plane) ListIncidents(ctx context.Context, actor platform.Actor, f platform.IncidentFilter) (platform.List[platform.Incident], error) {
	var list platform.List[platform.Incident]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, f.SlotRef)
		if err != nil {
			return err
		}
		list, err = tx.ListIncidents(ctx, scope, f.State, f.Page)
		return err
	})
	return list, err
}

// GetIncident returns an incident with everything known about it. Evidence is that of the newest diagnosis.
func (p *Plane) GetIncident(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.IncidentDetail, error) {
	var detail platform.IncidentDetail
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findIncident(ctx, tx, actor, verbRead, id)
		if err != nil {
			return err
		}
		detail, err = incidentDetail(ctx, tx, found)
		return err
	})
	return detail, err
}

// ListIncidentEvidence returns every item that was frozen for the newest diagnosis of an incident, by number, that with the
// facts as data among them. There is none before the first diagnosis.
func (p *Plane) ListIncidentEvidence(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.List[platform.Evidence], error) {
	l := platform.List[platform.Evidence]{Items: []platform.Evidence{}}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findIncident(ctx, tx, actor, verbRead, id)
		if err != nil {
			return err
		}
		diagnosis, err := tx.NewestDiagnosis(ctx, found.ID)
		if err != nil || diagnosis == nil {
			return err
		}
		all, err := tx.ListEvidence(ctx, found.ID)
		for _, e := range all {
			if slices.Contains(diagnosis.Evidence, e.ID) {
				l.Items = append(l.Items, e)
			}
		}
		return err
	})
	return l, err
}

func findIncident(ctx context.Context, tx *store.Tx, actor platform.Actor, v verb, id platform.IncidentID) (platform.Incident, error) {
	if err := authorize(actor, v, ""); err != nil {
		return platform.Incident{}, err
	}
	found, err := tx.IncidentByID(ctx, id)
	if err != nil {
		return found, err
	}
	if err := hidden(actor, v, found.Project, "incident", string(id)); err != nil {
		return platform.Incident{}, err
	}
	return found, nil
}

func incidentDetail(ctx context.Context, tx *store.Tx, i platform.Incident) (platform.IncidentDetail, error) {
	d := platform.IncidentDetail{Incident: i, Evidence: []platform.Evidence{}}
	var err error
	if d.Diagnosis, err = tx.NewestDiagnosis(ctx, i.ID); err != nil {
		return d, err
	}
	all, err := tx.ListEvidence(ctx, i.ID)
	if err != nil {
		return d, err
	}
	for _, e := range all {
		if d.Diagnosis != nil && e.Kind != platform.EvidenceFacts && slices.Contains(d.Diagnosis.Evidence, e.ID) {
			d.Evidence = append(d.Evidence, e)
		}
	}
	plans, err := tx.ListPlans(ctx, store.Scope{}, i.ID, "", platform.Page{Limit: platform.MaxPageLimit})
	if err != nil {
		return d, err
	}
	d.Plans = plans.Items
	about := []string{string(i.ID)}
	if i.DeployID != "" {
		about = append(about, string(i.DeployID))
	}
	for _, plan := range d.Plans {
		about = append(about, string(plan.ID))
	}
	d.Events, err = tx.EventsAbout(ctx, about...)
	return d, err
}

// Diagnose asks for a fresh diagnosis of an incident; the worker makes it.
func (p *Plane) Diagnose(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.Incident, error) {
	var found platform.Incident
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if found, err = findIncident(ctx, tx, actor, verbDiagnose, id); err != nil {
			return err
		}
		slot, err := tx.SlotByID(ctx, found.SlotID)
		if err != nil {
			return err
		}
		if slot.Autonomy == platform.AutonomyOff {
			return platform.Errorf(platform.CodeConflict, "Diagnosis is off for %s.", slot.Ref()).
				WithHint("Set its autonomy to suggest or approve.")
		}
		tx.Enqueue(jobs.DiagnoseIncident{IncidentID: id})
		p.record(tx, fact{
			kind: platform.EventIncidentMerged, actor: actor, at: ofIncident(found), subject: string(id),
			summary: fmt.Sprintf("%s asked for a fresh diagnosis of %q.", actor.Name, found.Title),
		})
		return nil
	})
	return found, err
}

// Report opens, merges or resolves an incident; opening enqueues its diagnosis. A finding that resolves what is not
// open, or that a silence keeps quiet, opens nothing and returns a zero incident.
func (p *Plane) Report(ctx context.Context, f platform.Finding) (platform.Incident, error) {
	if !f.Signal.Valid() {
		return platform.Incident{}, platform.Errorf(platform.CodeInvalid, "%q is not a signal.", f.Signal).WithField("signal")
	}
	var incident platform.Incident
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		slot, err := tx.LockSlot(ctx, f.SlotID)
		if err != nil {
			return err
		}
		incident, err = p.report(ctx, tx, slot, f)
		return err
	})
	return incident, err
}

// report is Report inside a transaction that holds the slot.
func (p *Plane) report(ctx context.Context, tx *store.Tx, slot platform.Slot, f platform.Finding) (platform.Incident, error) {
	f.Title = secret.Redact(store.Clean(f.Title))
	if f.SeenAt.IsZero() {
		f.SeenAt = p.now()
	}
	if f.OnsetAt.IsZero() {
		f.OnsetAt = f.SeenAt
	}
	if f.Resolved {
		return p.reportResolved(ctx, tx, slot, f)
	}
	open, err := tx.OpenIncident(ctx, f)
	if err != nil {
		return platform.Incident{}, err
	}
	if open != nil {
		return p.merge(ctx, tx, slot, *open, f)
	}
	if kept, err := p.silenced(ctx, tx, slot, f); kept || err != nil {
		return platform.Incident{}, err
	}
	if cause, err := coveredBy(ctx, tx, f); cause != nil || err != nil {
		if err != nil {
			return platform.Incident{}, err
		}
		return p.join(ctx, tx, slot, *cause, f)
	}
	return p.open(ctx, tx, slot, f)
}

// ruleOf names what found the fault: an alert rule of the service, else the detector's rule, which has the signal's name.
func ruleOf(i platform.Incident) string {
	if i.Rule != "" {
		return i.Rule
	}
	return string(i.Signal)
}

func (p *Plane) open(ctx context.Context, tx *store.Tx, slot platform.Slot, f platform.Finding) (platform.Incident, error) {
	i := platform.Incident{
		ID: platform.NewID[platform.IncidentID](platform.PrefixIncident), ProjectID: slot.ProjectID, SlotID: slot.ID,
		Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Signal: f.Signal,
		Rule: f.Rule, Severity: f.Severity, Title: f.Title, State: platform.IncidentOpen, ReleaseID: f.ReleaseID, DeployID: f.DeployID, Count: 1,
		OnsetAt: f.OnsetAt.UTC(), OpenedAt: p.now(), LastSeenAt: f.SeenAt.UTC(),
	}
	if f.ReleaseID != "" {
		release, err := tx.ReleaseByID(ctx, f.ReleaseID)
		if err != nil {
			return i, err
		}
		i.ReleaseNumber = release.Number
	}
	p.record(tx, fact{
		kind: platform.EventIncidentOpened, actor: detector, at: inSlot(slot), subject: string(i.ID), cause: string(i.DeployID),
		summary: "An incident opened: " + i.Title,
		payload: map[string]any{"signal": i.Signal, "rule": ruleOf(i), "release": i.ReleaseNumber, "onset_at": i.OnsetAt},
	})
	if slot.Autonomy != platform.AutonomyOff {
		tx.Enqueue(jobs.DiagnoseIncident{IncidentID: i.ID})
	}
	return i, tx.InsertIncident(ctx, i)
}

// coveredBy returns the open incident that a finding is a symptom of, nil when there is none.
func coveredBy(ctx context.Context, tx *store.Tx, f platform.Finding) (*platform.Incident, error) {
	open, err := tx.OpenIncidentsOf(ctx, f.SlotID)
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		if detect.Covers(i, f) {
			return &i, nil
		}
	}
	return nil, nil
}

// join makes a finding part of the incident that it is a symptom of. A symptom that is new to it is told and diagnosed with it.
func (p *Plane) join(ctx context.Context, tx *store.Tx, slot platform.Slot, i platform.Incident, f platform.Finding) (platform.Incident, error) {
	i, err := tx.LockIncident(ctx, i.ID)
	if err != nil {
		return i, err
	}
	i.Count++
	if f.SeenAt.After(i.LastSeenAt) {
		i.LastSeenAt = f.SeenAt.UTC()
	}
	name := string(f.Signal)
	if f.Rule != "" {
		name = f.Rule
	}
	if !slices.Contains(i.Also, name) {
		i.Also = append(i.Also, name)
		p.record(tx, fact{
			kind: platform.EventIncidentMerged, actor: detector, at: inSlot(slot), subject: string(i.ID), cause: string(f.DeployID),
			summary: "Seen with it: " + f.Title, payload: map[string]any{"count": i.Count, "also": name},
		})
		if slot.Autonomy != platform.AutonomyOff {
			tx.Enqueue(jobs.DiagnoseIncident{IncidentID: i.ID})
		}
	}
	return i, tx.UpdateIncident(ctx, i)
}

// merge counts one more finding. A finding about another deploy brings new facts, so it is told and diagnosed again;
// of the others every tenth is told.
func (p *Plane) merge(ctx context.Context, tx *store.Tx, slot platform.Slot, i platform.Incident, f platform.Finding) (platform.Incident, error) {
	const tellEvery = 10
	i.Count++
	if f.SeenAt.After(i.LastSeenAt) {
		i.LastSeenAt = f.SeenAt.UTC()
	}
	fresh := f.DeployID != "" && f.DeployID != i.DeployID
	if fresh {
		i.DeployID, i.Title = f.DeployID, f.Title
		if slot.Autonomy != platform.AutonomyOff {
			tx.Enqueue(jobs.DiagnoseIncident{IncidentID: i.ID})
		}
	}
	if fresh || i.Count%tellEvery == 0 {
		p.record(tx, fact{
			kind: platform.EventIncidentMerged, actor: detector, at: inSlot(slot), subject: string(i.ID), cause: string(f.DeployID),
			summary: fmt.Sprintf("Seen again (%d times): %s", i.Count, f.Title), payload: map[string]any{"count": i.Count},
		})
	}
	return i, tx.UpdateIncident(ctx, i)
}

func (p *Plane) reportResolved(ctx context.Context, tx *store.Tx, slot platform.Slot, f platform.Finding) (platform.Incident, error) {
	open, err := tx.OpenIncidentsOf(ctx, slot.ID, f.Signal)
	if err != nil {
		return platform.Incident{}, err
	}
	var last platform.Incident
	for _, i := range open {
		if f.ReleaseID != "" && i.ReleaseID != f.ReleaseID || f.Rule != "" && i.Rule != f.Rule {
			continue
		}
		if err := p.resolve(ctx, tx, detector, i, f.Title, string(f.DeployID)); err != nil {
			return last, err
		}
		if last, err = tx.IncidentByID(ctx, i.ID); err != nil {
			return last, err
		}
	}
	return last, nil
}

// resolve closes an incident with the words that say how it ended; who comes second finds it closed.
func (p *Plane) resolve(ctx context.Context, tx *store.Tx, actor platform.Actor, found platform.Incident, words, cause string) error {
	i, err := tx.LockIncident(ctx, found.ID)
	if err != nil || i.State == platform.IncidentResolved {
		return err
	}
	now := p.now()
	i.State, i.ResolvedAt, i.Resolution = platform.IncidentResolved, &now, words
	p.record(tx, fact{
		kind: platform.EventIncidentResolved, actor: actor, at: ofIncident(i), subject: string(i.ID), cause: cause,
		summary: fmt.Sprintf("The incident %q is resolved: %s", i.Title, words),
	})
	return tx.UpdateIncident(ctx, i)
}

// RecordDiagnosis stores evidence and diagnosis, and freezes each suggestion into a pending plan as the actor
// "agent:diagnosis". A suggestion that does not fit the slot any more is left out. Recording the same diagnosis again
// returns the same plans.
func (p *Plane) RecordDiagnosis(ctx context.Context, evidence []platform.Evidence, d platform.Diagnosis) ([]platform.Plan, error) {
	spent := p.spendingOf(ctx, d)
	var plans []platform.Plan
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		plans = []platform.Plan{}
		found, err := tx.IncidentByID(ctx, d.IncidentID)
		if err != nil {
			return err
		}
		// The slot first, as everywhere: then the incident.
		if _, err := tx.LockSlot(ctx, found.SlotID); err != nil {
			return err
		}
		incident, err := tx.LockIncident(ctx, d.IncidentID)
		if err != nil {
			return err
		}
		if incident.DiagnosisID == d.ID {
			list, err := tx.ListPlans(ctx, store.Scope{}, incident.ID, "", platform.Page{})
			plans = list.Items
			return err
		}
		if err := p.keepDiagnosis(ctx, tx, incident, evidence, d); err != nil {
			return err
		}
		plans, err = p.freezeSuggestions(ctx, tx, incident, d, spent)
		return err
	})
	return plans, err
}

// spendingOf is what the project of a diagnosis spent, where one of its suggestions adds to that.
func (p *Plane) spendingOf(ctx context.Context, d platform.Diagnosis) *policy.Spent {
	for _, s := range d.Suggestions {
		if ref, err := parseRef(s.Action.Slot); err == nil && s.Action.Kind == platform.ActionScale {
			return p.spending(ctx, ref.Project, s.Action.Kind)
		}
	}
	return nil
}

func (p *Plane) keepDiagnosis(ctx context.Context, tx *store.Tx, incident platform.Incident, evidence []platform.Evidence, d platform.Diagnosis) error {
	for i := range evidence {
		evidence[i].IncidentID = incident.ID
		evidence[i].Excerpt = store.Clean(evidence[i].Excerpt)
		evidence[i] = evidence[i].Seal()
	}
	if err := tx.PutEvidence(ctx, evidence); err != nil {
		return err
	}
	if err := tx.InsertDiagnosis(ctx, d); err != nil {
		return err
	}
	incident.DiagnosisID = d.ID
	p.record(tx, fact{
		kind: platform.EventIncidentDiagnosed, actor: diagnosis, at: ofIncident(incident), subject: string(incident.ID), cause: string(incident.ID),
		summary: "Diagnosis: " + platform.Truncate(d.Summary, 500),
		payload: map[string]any{
			"diagnosis": d.ID, "verdict": d.Verdict, "category": d.Category, "confidence": d.Confidence, "evidence": len(evidence), "engine": d.Engine,
		},
	})
	return tx.UpdateIncident(ctx, incident)
}

func (p *Plane) freezeSuggestions(ctx context.Context, tx *store.Tx, incident platform.Incident, d platform.Diagnosis, spent *policy.Spent) ([]platform.Plan, error) {
	plans := []platform.Plan{}
	for _, s := range d.Suggestions {
		plan, err := p.propose(ctx, tx, diagnosis, proposal{
			ProposeRequest: platform.ProposeRequest{Action: s.Action, IncidentID: incident.ID, Reason: s.Reason}, evidence: s.Evidence, spent: spent,
		})
		switch platform.CodeOf(err) {
		case "":
			plans = append(plans, plan)
		case platform.CodeDenied: // by policy: told, since a person may want to know what was thought of
			p.record(tx, fact{
				kind: platform.EventPlanRefused, actor: diagnosis, at: ofIncident(incident), subject: string(incident.ID), cause: string(incident.ID),
				summary: fmt.Sprintf("%s suggested %s and was refused: %s", diagnosis.Name, s.Action.Kind, err.Error()), payload: map[string]any{"code": platform.CodeDenied},
			})
		case platform.CodeInvalid, platform.CodeConflict, platform.CodeNotFound:
			p.o.Log.Info("suggestion does not fit", "incident", incident.ID, "action", s.Action.Kind, "error", err)
		default:
			return nil, err
		}
	}
	return plans, nil
}

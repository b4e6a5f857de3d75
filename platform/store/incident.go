package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// InsertIncident adds an incident; the caller holds its slot by LockSlot and has found no open one of its kind.
func (t *Tx) InsertIncident(ctx context.Context, i platform.Incident) error {
	return t.put(ctx, "incidents", i)
}

// UpdateIncident writes an incident over the one with its id.
func (t *Tx) UpdateIncident(ctx context.Context, i platform.Incident) error {
	return t.replace(ctx, "incidents", string(i.ID), i, notFound("incident", string(i.ID)))
}

// IncidentByID returns one incident.
func (t *Tx) IncidentByID(ctx context.Context, id platform.IncidentID) (platform.Incident, error) {
	return one[platform.Incident](ctx, t, notFound("incident", string(id)), "SELECT doc FROM incidents WHERE id = $1", id)
}

// LockIncident returns one incident and keeps others from changing it.
func (t *Tx) LockIncident(ctx context.Context, id platform.IncidentID) (platform.Incident, error) {
	return one[platform.Incident](ctx, t, notFound("incident", string(id)), "SELECT doc FROM incidents WHERE id = $1 FOR UPDATE", id)
}

// OpenIncident returns the open incident that a finding belongs to, nil when there is none: of its slot, signal and
// release, or of its slot and rule, which goes on over releases.
func (t *Tx) OpenIncident(ctx context.Context, f platform.Finding) (*platform.Incident, error) {
	return first[platform.Incident](ctx, t,
		"SELECT doc FROM incidents WHERE slot_id = $1 AND signal = $2 AND rule = $3 AND (release_id = $4 OR rule <> '') AND state = 'open' FOR UPDATE",
		f.SlotID, f.Signal, f.Rule, f.ReleaseID)
}

// OpenIncidentsOf returns the open incidents of a slot, of the given signals or of all when there are none, oldest first.
func (t *Tx) OpenIncidentsOf(ctx context.Context, slot platform.SlotID, signals ...platform.Signal) ([]platform.Incident, error) {
	return many[platform.Incident](ctx, t,
		"SELECT doc FROM incidents WHERE slot_id = $1 AND state = 'open' AND (signal = ANY($2) OR cardinality($2::text[]) = 0) ORDER BY n",
		slot, append([]platform.Signal{}, signals...))
}

// UndiagnosedIncidents returns every open incident that no diagnosis was recorded for.
func (t *Tx) UndiagnosedIncidents(ctx context.Context) ([]platform.Incident, error) {
	return many[platform.Incident](ctx, t, "SELECT doc FROM incidents WHERE state = 'open' AND coalesce(doc->>'diagnosis_id', '') = '' ORDER BY n")
}

// ListIncidents returns one page, newest first; state "" means all.
func (t *Tx) ListIncidents(ctx context.Context, s Scope, state platform.IncidentState, page platform.Page) (platform.List[platform.Incident], error) {
	l := s.listing("incidents", page)
	if state != "" {
		l.where.and("state = ?", state)
	}
	return list[platform.Incident](ctx, t, l)
}

// PutEvidence records observations; one that is there already is left as it is.
func (t *Tx) PutEvidence(ctx context.Context, evidence []platform.Evidence) error {
	for _, e := range evidence {
		doc, err := encode(e)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO evidence (doc) VALUES ($1) ON CONFLICT (id) DO NOTHING", doc); err != nil {
			return err
		}
	}
	return nil
}

// ListEvidence returns the evidence of an incident by number.
func (t *Tx) ListEvidence(ctx context.Context, incident platform.IncidentID) ([]platform.Evidence, error) {
	return many[platform.Evidence](ctx, t, "SELECT doc FROM evidence WHERE incident_id = $1 ORDER BY number", incident)
}

// InsertDiagnosis records a diagnosis.
func (t *Tx) InsertDiagnosis(ctx context.Context, d platform.Diagnosis) error {
	return t.put(ctx, "diagnoses", d)
}

// NewestDiagnosis returns the newest diagnosis of an incident, nil when there is none.
func (t *Tx) NewestDiagnosis(ctx context.Context, incident platform.IncidentID) (*platform.Diagnosis, error) {
	return first[platform.Diagnosis](ctx, t, "SELECT doc FROM diagnoses WHERE incident_id = $1 ORDER BY n DESC LIMIT 1", incident)
}

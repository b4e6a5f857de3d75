package control

import (
	"encoding/json"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// place is where something happened; empty fields where it did not happen in a project or a service.
type place struct{ project, environment, service string }

func inProject(p platform.Project) place { return place{project: p.Name} }

func inSlot(s platform.Slot) place { return place{s.Project, s.Environment, s.Service} }

func ofDeploy(d platform.Deploy) place { return place{d.Project, d.Environment, d.Service} }

func ofPlan(p platform.Plan) place { return place{p.Project, p.Environment, p.Service} }

func ofIncident(i platform.Incident) place { return place{i.Project, i.Environment, i.Service} }

// fact is an event before it gets its place in the chain.
type fact struct {
	kind    platform.EventKind
	actor   platform.Actor
	at      place
	subject string
	cause   string
	summary string
	payload map[string]any // values never hold secrets
}

// record appends an event to the transaction. Text that came from outside is cleared of what looks like a credential.
func (p *Plane) record(tx *store.Tx, f fact) platform.EventID {
	var payload json.RawMessage
	if len(f.payload) > 0 {
		for k, v := range f.payload {
			if text, ok := v.(string); ok {
				f.payload[k] = secret.Redact(text)
			}
		}
		raw, err := json.Marshal(f.payload)
		if err != nil {
			p.o.Log.Error("event payload does not encode", "kind", f.kind, "error", err)
		} else {
			payload = raw
		}
	}
	return tx.AppendEvent(platform.Event{
		At: p.now(), Kind: f.kind, Actor: f.actor, Project: f.at.project, Environment: f.at.environment, Service: f.at.service,
		Subject: f.subject, Cause: f.cause, Summary: secret.Redact(f.summary), Payload: payload,
	})
}

package httpapitest

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
)

func (p *Plane) fillAlerts() {
	for _, rule := range platform.DefaultAlerts(platform.KindWeb) {
		p.Alerts = append(p.Alerts, platform.Alert{Project: "shop", Environment: "production", Service: "api", Rule: rule, State: platform.AlertQuiet})
	}
	p.Alerts[0].State, p.Alerts[0].IncidentID = platform.AlertFiring, IncidentID
	p.Alerts[1].State, p.Alerts[1].SilencedBy = platform.AlertSilenced, "sil_01"
	kept := Now.Add(-time.Minute)
	p.Silences = []platform.Silence{{
		ID: "sil_01", Project: "shop", Service: "api", Rule: "cpu-throttled", Reason: "batch scoring runs until noon",
		Actor:    platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin},
		StartsAt: Now.Add(-time.Hour), EndsAt: Now.Add(time.Hour), Kept: 3, LastKeptAt: &kept,
	}}
}

// ListAlerts lists the sample rules.
func (p *Plane) ListAlerts(_ context.Context, actor platform.Actor, ref platform.SlotRef) ([]platform.Alert, error) {
	return p.Alerts, p.read("ListAlerts", actor, ref)
}

// ListSilences lists the sample silence.
func (p *Plane) ListSilences(_ context.Context, actor platform.Actor, project string) ([]platform.Silence, error) {
	return p.Silences, p.read("ListSilences", actor, project)
}

// CreateSilence answers the silence that was asked for.
func (p *Plane) CreateSilence(_ context.Context, actor platform.Actor, req platform.CreateSilenceRequest) (platform.Silence, error) {
	s := p.Silences[0]
	s.Environment, s.Service, s.Rule, s.Reason = req.Environment, req.Service, req.Rule, req.Reason
	s.EndsAt, s.Kept, s.LastKeptAt = Now.Add(req.For.D()), 0, nil
	return s, p.write("CreateSilence", actor, req)
}

// EndSilence knows the sample silence.
func (p *Plane) EndSilence(_ context.Context, actor platform.Actor, id platform.SilenceID) error {
	if id != p.Silences[0].ID {
		return missing("silence", string(id))
	}
	return p.write("EndSilence", actor, id)
}

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
	value := 0.021
	p.Inbox = []platform.InboundAlert{
		{
			ID: "alr_02", Project: "shop", Environment: "production", Service: "api", Source: platform.InboundAlertmanager, Fingerprint: "c1", Name: "HighErrorRate",
			Severity: "info", State: platform.InboundFiring, Decision: platform.InboundPage, Kind: "outage", Reason: "38% of the requests to api fail.",
			Evidence: []string{"alr_02"}, IncidentID: IncidentID, StartsAt: Now.Add(-10 * time.Minute), LastSeenAt: Now.Add(-time.Minute),
			Firings: []time.Time{Now.Add(-10 * time.Minute)}, Count: 2,
		},
		{
			ID: "alr_01", Project: "shop", Environment: "production", Service: "api", Source: platform.InboundGrafana, Fingerprint: "c2", Name: "ProbeFailed",
			Severity: "critical", Value: &value, State: platform.InboundFiring, Decision: platform.InboundSuppress, Kind: "flapping",
			Reason: "It fired 14 times in an hour and was over after 40s; nothing shows an effect on users.", Evidence: []string{"alr_01"},
			StartsAt: Now.Add(-time.Hour), LastSeenAt: Now.Add(-2 * time.Minute), Firings: []time.Time{Now.Add(-2 * time.Minute)}, Stayed: platform.Duration(40 * time.Second), Count: 28,
		},
	}
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

// ListInboundAlerts lists the sample alerts from outside.
func (p *Plane) ListInboundAlerts(_ context.Context, actor platform.Actor, f platform.InboundFilter) (platform.List[platform.InboundAlert], error) {
	return platform.List[platform.InboundAlert]{Items: p.Inbox}, p.read("ListInboundAlerts", actor, f)
}

// ReceiveAlerts answers the first sample.
func (p *Plane) ReceiveAlerts(_ context.Context, actor platform.Actor, req platform.ReceiveAlertsRequest) ([]platform.InboundAlert, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	return p.Inbox[:1], p.write("ReceiveAlerts", actor, req)
}

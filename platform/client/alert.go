package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// ListAlerts returns every alert rule of what ref names and how it stands, those that fire first.
func (c *Client) ListAlerts(ctx context.Context, ref platform.SlotRef) (platform.List[platform.Alert], error) {
	return get[platform.List[platform.Alert]](ctx, c, values{}.addSlot(ref), "alerts")
}

// ListSilences returns the silences of a project that have not ended.
func (c *Client) ListSilences(ctx context.Context, project string) (platform.List[platform.Silence], error) {
	return get[platform.List[platform.Silence]](ctx, c, nil, "projects", "project="+project, "silences")
}

// CreateSilence silences alerts for a while.
func (c *Client) CreateSilence(ctx context.Context, req platform.CreateSilenceRequest) (platform.Silence, error) {
	body := map[string]any{"reason": req.Reason, "for": req.For}
	for key, value := range map[string]string{"environment": req.Environment, "service": req.Service, "rule": req.Rule} {
		if value != "" {
			body[key] = value
		}
	}
	return send[platform.Silence](ctx, c, request{method: http.MethodPost, body: body}, "projects", "project="+req.Project, "silences")
}

// EndSilence ends a silence now.
func (c *Client) EndSilence(ctx context.Context, id platform.SilenceID) error {
	return discard(ctx, c, request{method: http.MethodDelete}, "silences", "silence="+string(id))
}

// ListInboundAlerts returns one page of the alerts from outside and what was made of them, newest first.
func (c *Client) ListInboundAlerts(ctx context.Context, f platform.InboundFilter) (platform.List[platform.InboundAlert], error) {
	query := values{}.addSlot(f.SlotRef).add("state", string(f.State)).add("decision", string(f.Decision)).addPage(f.Page)
	return get[platform.List[platform.InboundAlert]](ctx, c, query, "alerts", "inbox")
}

// SendAlerts sends alerts in the generic form: req.Source is generic.
func (c *Client) SendAlerts(ctx context.Context, req platform.ReceiveAlertsRequest) (platform.List[platform.InboundAlert], error) {
	alerts := make([]map[string]any, 0, len(req.Alerts))
	for _, a := range req.Alerts {
		alerts = append(alerts, generic(a))
	}
	query := values{}.add("environment", req.Environment).add("service", req.Service)
	return send[platform.List[platform.InboundAlert]](ctx, c, request{method: http.MethodPost, query: url.Values(query), body: map[string]any{"alerts": alerts}},
		"projects", "project="+req.Project, "alerts", "generic")
}

// generic is an alert as the generic form has it, without what is empty.
func generic(a platform.ReceivedAlert) map[string]any {
	out := map[string]any{"name": a.Name}
	for key, value := range map[string]string{
		"id": a.Fingerprint, "service": a.Service, "environment": a.Environment, "severity": a.Severity, "summary": a.Summary, "metric": a.Metric,
		"pattern": a.Pattern, "release": a.Release,
	} {
		if value != "" {
			out[key] = value
		}
	}
	if a.Resolved {
		out["status"] = "resolved"
	}
	if len(a.Labels) > 0 {
		out["labels"] = a.Labels
	}
	for key, value := range map[string]*float64{"value": a.Value, "threshold": a.Threshold} {
		if value != nil {
			out[key] = *value
		}
	}
	for key, at := range map[string]time.Time{"starts_at": a.StartsAt, "ends_at": a.EndsAt} {
		if !at.IsZero() {
			out[key] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return out
}

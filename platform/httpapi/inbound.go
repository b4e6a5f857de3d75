package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// InboundQuery says what alerts are about that do not say it themselves.
type InboundQuery struct {
	ProjectPath
	Environment string `query:"environment" maxLength:"80" doc:"Environment of alerts that name none; production when left out."`
	Service     string `query:"service" maxLength:"80" doc:"Service of alerts that name none of the project's."`
}

// notificationInput is the body that Alertmanager (version 4) and Grafana send. Fields that are not named here are let through.
type notificationInput struct {
	InboundQuery
	Body struct {
		_       struct{}            `additionalProperties:"true"`
		Version string              `json:"version,omitempty" maxLength:"10" doc:"Of the form; 4 for Alertmanager."`
		Status  string              `json:"status,omitempty" maxLength:"20" doc:"Of the group."`
		Alerts  []notificationAlert `json:"alerts" minItems:"1" maxItems:"200" doc:"What fires and what is over."`
	}
}

type notificationAlert struct {
	_            struct{}          `additionalProperties:"true"`
	Status       string            `json:"status" enum:"firing,resolved"`
	Labels       map[string]string `json:"labels" maxProperties:"64" doc:"alertname is the name; service, app or job names the service."`
	Annotations  map[string]string `json:"annotations,omitempty" maxProperties:"64" doc:"summary or description; metric, value, threshold and pattern where there are such."`
	StartsAt     string            `json:"startsAt,omitempty" maxLength:"64"`
	EndsAt       string            `json:"endsAt,omitempty" maxLength:"64"`
	GeneratorURL string            `json:"generatorURL,omitempty" maxLength:"4096"`
	Fingerprint  string            `json:"fingerprint,omitempty" maxLength:"128"`
	Values       any               `json:"values,omitempty" doc:"Of Grafana: what was measured, by the letter of the query."`
}

type genericInput struct {
	InboundQuery
	Body struct {
		_      struct{}       `additionalProperties:"true"`
		Alerts []genericAlert `json:"alerts" minItems:"1" maxItems:"200"`
	}
}

type genericAlert struct {
	_           struct{}          `additionalProperties:"true"`
	Name        string            `json:"name" minLength:"1" maxLength:"1024" doc:"What fires."`
	ID          string            `json:"id,omitempty" maxLength:"128" doc:"The same for each notification of the same alert; made from name, service and labels when left out."`
	Status      string            `json:"status,omitempty" enum:"firing,resolved" doc:"firing when left out."`
	Service     string            `json:"service,omitempty" maxLength:"80"`
	Environment string            `json:"environment,omitempty" maxLength:"80"`
	Severity    string            `json:"severity,omitempty" maxLength:"80" doc:"Kept and shown; it decides nothing."`
	Summary     string            `json:"summary,omitempty" maxLength:"4096"`
	Metric      string            `json:"metric,omitempty" maxLength:"1024"`
	Value       *float64          `json:"value,omitempty"`
	Threshold   *float64          `json:"threshold,omitempty"`
	Pattern     string            `json:"pattern,omitempty" maxLength:"4096" doc:"Of the lines that it is about."`
	Release     string            `json:"release,omitempty" maxLength:"80"`
	Labels      map[string]string `json:"labels,omitempty" maxProperties:"64"`
	StartsAt    string            `json:"starts_at,omitempty" maxLength:"64"`
	EndsAt      string            `json:"ends_at,omitempty" maxLength:"64"`
}

type listInboundInput struct {
	SlotQuery
	PageQuery
	State    platform.InboundState    `query:"state" enum:"firing,resolved" doc:"Only in this state."`
	Decision platform.InboundDecision `query:"decision" enum:"page,suppress" doc:"Only with this decision."`
}

func (a *API) registerInbound() {
	handle(a, operation{
		ID: "list-inbound-alerts", Method: http.MethodGet, Path: "/v1/alerts/inbox", Tag: "alerts", Summary: "List alerts from outside and what was made of them",
		Description: "Newest first; what was suppressed is here too, with the reason and the evidence.",
	}, func(ctx context.Context, actor platform.Actor, in *listInboundInput) (platform.List[platform.InboundAlert], error) {
		return full(a.plane.ListInboundAlerts(ctx, actor, platform.InboundFilter{SlotRef: in.ref(), Page: in.page(), State: in.State, Decision: in.Decision}))
	})
	const describes = "Each alert pages, which opens an incident, or is suppressed with a reason; both are recorded. The same notification again changes " +
		"nothing. A resolved alert ends its incident. An alert that names no service of the project is kept in the inbox as unrouted."
	for _, source := range []platform.InboundSource{platform.InboundAlertmanager, platform.InboundGrafana} {
		handle(a, operation{
			ID: "receive-" + string(source) + "-alerts", Method: http.MethodPost, Path: "/v1/projects/{project}/alerts/" + string(source), Tag: "alerts",
			Summary: "Take a notification of " + string(source), Description: describes, Errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
		}, func(ctx context.Context, actor platform.Actor, in *notificationInput) (platform.List[platform.InboundAlert], error) {
			return a.receive(ctx, actor, in.InboundQuery, source, notified(in.Body.Alerts))
		})
	}
	handle(a, operation{
		ID: "receive-alerts", Method: http.MethodPost, Path: "/v1/projects/{project}/alerts/generic", Tag: "alerts", Summary: "Take alerts of anything else",
		Description: describes, Errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
	}, func(ctx context.Context, actor platform.Actor, in *genericInput) (platform.List[platform.InboundAlert], error) {
		return a.receive(ctx, actor, in.InboundQuery, platform.InboundGeneric, generic(in.Body.Alerts))
	})
}

func (a *API) receive(ctx context.Context, actor platform.Actor, q InboundQuery, source platform.InboundSource, alerts []platform.ReceivedAlert) (platform.List[platform.InboundAlert], error) {
	return list(a.plane.ReceiveAlerts(ctx, actor, platform.ReceiveAlertsRequest{
		Project: q.Project, Environment: q.Environment, Service: q.Service, Source: source, Alerts: alerts,
	}))
}

func notified(alerts []notificationAlert) []platform.ReceivedAlert {
	out := make([]platform.ReceivedAlert, 0, len(alerts))
	for _, n := range alerts {
		said := func(keys ...string) string {
			for _, k := range keys {
				for _, from := range []map[string]string{n.Annotations, n.Labels} {
					if v := from[k]; v != "" {
						return v
					}
				}
			}
			return ""
		}
		r := platform.ReceivedAlert{
			Fingerprint: n.Fingerprint, Name: said("alertname", "rulename"), Severity: said("severity", "priority"), Summary: said("summary", "description", "message"),
			Metric: said("metric", "metric_name"), Value: figure(said("value")), Threshold: figure(said("threshold")), Pattern: said("pattern"),
			Release: said("release", "version"), Labels: n.Labels, StartsAt: when(n.StartsAt), EndsAt: when(n.EndsAt), Resolved: n.Status == "resolved",
		}
		if values, ok := n.Values.(map[string]any); ok && r.Value == nil && len(values) == 1 {
			for _, v := range values {
				if number, ok := v.(float64); ok {
					r.Value = &number
				}
			}
		}
		out = append(out, r)
	}
	return out
}

func generic(alerts []genericAlert) []platform.ReceivedAlert {
	out := make([]platform.ReceivedAlert, 0, len(alerts))
	for _, g := range alerts {
		out = append(out, platform.ReceivedAlert{
			Fingerprint: g.ID, Name: g.Name, Service: g.Service, Environment: g.Environment, Severity: g.Severity, Summary: g.Summary, Metric: g.Metric,
			Value: g.Value, Threshold: g.Threshold, Pattern: g.Pattern, Release: g.Release, Labels: g.Labels,
			StartsAt: when(g.StartsAt), EndsAt: when(g.EndsAt), Resolved: g.Status == "resolved",
		})
	}
	return out
}

// figure reads a number as people write it in annotations; nil when it is none.
func figure(s string) *float64 {
	s = strings.TrimSpace(s)
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || v != v || v > 1e300 || v < -1e300 {
		return nil
	}
	return &v
}

// when reads a time; zero for one that cannot be read, which is as good as none.
func when(s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return at
}

package control

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/servicemap"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// ServiceMap says who depends on whom in an environment: as it was seen in the range, which is the last hour when nothing
// is said, and as it is declared. What cannot be read is told in its notes.
func (p *Plane) ServiceMap(ctx context.Context, actor platform.Actor, req platform.MapRequest) (platform.ServiceMap, error) {
	var in servicemap.Input
	err := p.store.View(ctx, func(tx *store.Tx) error {
		project, err := findProject(ctx, tx, actor, verbRead, req.Project)
		if err != nil {
			return err
		}
		in, err = p.mapInput(ctx, tx, project, req.Environment)
		return err
	})
	if err != nil {
		return platform.ServiceMap{}, err
	}
	if err := p.closeMapRange(&req); err != nil {
		return platform.ServiceMap{}, err
	}
	in.From, in.To = req.From.UTC(), req.To.UTC()
	if in.Routes, err = p.mapRoutes(ctx, in.ServiceMap); err != nil {
		p.o.Log.Warn("the router's counts cannot be read for a service map", "project", in.Project, "error", err)
		in.Notes = append(in.Notes, "The router's counts could not be read.")
	}
	if in.Calls, err = p.mapCalls(ctx, in.ServiceMap); err != nil {
		return platform.ServiceMap{}, err
	}
	return servicemap.Build(in), nil
}

// mapInput reads what is declared.
func (p *Plane) mapInput(ctx context.Context, tx *store.Tx, project platform.Project, environment string) (servicemap.Input, error) {
	var in servicemap.Input
	if environment == "" {
		environment = platform.ProductionName
	}
	environments, err := tx.ListEnvironments(ctx, project.ID)
	if err != nil {
		return in, err
	}
	slots, err := tx.ListSlots(ctx, project.ID)
	if err != nil {
		return in, err
	}
	scope, err := scopeIn(project, environments, slots, environment)
	if err != nil {
		return in, err
	}
	in.Project, in.Environment = scope.Project, scope.Environment
	for _, slot := range slots {
		if slot.Environment != scope.Environment {
			continue
		}
		service, err := p.mapService(ctx, tx, slot)
		if err != nil {
			return in, err
		}
		in.Services = append(in.Services, service)
	}
	return in, nil
}

func (p *Plane) mapService(ctx context.Context, tx *store.Tx, slot platform.Slot) (servicemap.Service, error) {
	out := servicemap.Service{Name: slot.Service, Kind: slot.Kind, Hosts: slot.Hosts, Variables: map[string]string{}}
	var spec platform.ServiceSpec
	version := slot.ConfigVersion
	if slot.LiveReleaseID != "" {
		live, err := tx.ReleaseByID(ctx, slot.LiveReleaseID)
		if err != nil {
			return out, err
		}
		spec, version = live.Spec, live.ConfigVersion
	} else {
		service, err := tx.ServiceByID(ctx, slot.ServiceID)
		if err != nil {
			return out, err
		}
		spec = service.Spec
	}
	for key, value := range spec.Env {
		out.Variables[key] = value
	}
	if spec.Disk != nil {
		out.Disk = spec.Disk.Name
	}
	config, err := tx.ConfigAt(ctx, slot.ID, version)
	if err != nil {
		return out, err
	}
	for _, v := range config.Vars {
		value := v.Value
		if v.Secret {
			// Only the names of services that it holds leave the map.
			if value, err = p.o.Sealer.Open(v.Value, sealPlace(slot.ID, v.Key)); err != nil {
				p.o.Log.Error("secret does not open", "slot", slot.ID, "key", v.Key, "error", err)
				value = ""
			}
		}
		out.Variables[v.Key] = value
	}
	instances, err := tx.ListInstances(ctx, slot.ID, false)
	for _, in := range instances {
		out.Addresses, out.Host = append(out.Addresses, in.Address), p.o.HostName
	}
	return out, err
}

// mapRoutes reads what the router counted of each service.
func (p *Plane) mapRoutes(ctx context.Context, m platform.ServiceMap) ([]servicemap.Route, error) {
	if p.o.Metrics == nil {
		return nil, nil
	}
	window := strconv.Itoa(max(1, int(m.To.Sub(m.From).Seconds()))) + "s"
	routes := map[string]*servicemap.Route{}
	read := func(expr string, take func(r *servicemap.Route, labels map[string]string, value float64)) error {
		series, err := p.o.Metrics.Query(ctx, observability.MetricQuery{Project: m.Project, Environment: m.Environment, Expr: expr, From: m.To, To: m.To})
		if err != nil {
			return err
		}
		for _, s := range series {
			if len(s.Points) == 0 || s.Labels["service"] == "" {
				continue
			}
			name := s.Labels["service"]
			if routes[name] == nil {
				routes[name] = &servicemap.Route{Service: name}
			}
			if value := s.Points[len(s.Points)-1].Value; !math.IsNaN(value) && !math.IsInf(value, 0) {
				take(routes[name], s.Labels, value)
			}
		}
		return nil
	}
	err := read(fmt.Sprintf("sum by (service, class) (increase(%s[%s]))", observability.MetricRequests, window), func(r *servicemap.Route, labels map[string]string, value float64) {
		r.Requests += value
		if class := labels["class"]; class == "5xx" || class == "none" {
			r.Failed += value
		}
	})
	for quantile, field := range map[string]func(*servicemap.Route) *platform.Duration{
		"0.5": func(r *servicemap.Route) *platform.Duration { return &r.P50 }, "0.95": func(r *servicemap.Route) *platform.Duration { return &r.P95 },
	} {
		if err != nil {
			break
		}
		expr := fmt.Sprintf("histogram_quantile(%s, sum by (service, le) (increase(%s[%s])))", quantile, observability.MetricLatencyHist, window)
		err = read(expr, func(r *servicemap.Route, _ map[string]string, seconds float64) {
			*field(r) = platform.Duration(time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond))
		})
	}
	out := make([]servicemap.Route, 0, len(routes))
	for _, r := range routes {
		out = append(out, *r)
	}
	return out, err
}

// mapCalls reads the spans of the range.
func (p *Plane) mapCalls(ctx context.Context, m platform.ServiceMap) (*servicemap.Calls, error) {
	if p.o.Spans == nil {
		return nil, nil
	}
	calls := &servicemap.Calls{}
	q := observability.SpanQuery{Project: m.Project, Environment: m.Environment, From: m.From, To: m.To}
	err := p.o.Spans.Each(ctx, q, func(s *observability.Span) bool {
		calls.Add(s)
		return true
	})
	return calls, err
}

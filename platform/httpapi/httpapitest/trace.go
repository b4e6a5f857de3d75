package httpapitest

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// TraceID is the sample trace.
const TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"

func (p *Plane) fillTraces() {
	span := func(n int, service, name string, kind observability.SpanKind, begin, took time.Duration) observability.Span {
		s := observability.Span{Project: "shop", Environment: "production", Kind: kind}
		s.TraceID, s.SpanID, s.Service, s.Name = TraceID, "00f067aa0ba902b"+string(rune('0'+n)), service, name
		if n > 1 {
			s.ParentID = "00f067aa0ba902b" + string(rune('0'+n-1))
		}
		s.At, s.Took = Now.Add(-5*time.Minute+begin), platform.Duration(took)
		return s
	}
	spans := []observability.Span{
		span(1, "api", "POST /recommend", observability.SpanServer, 0, 412*time.Millisecond),
		span(2, "api", "GET", observability.SpanClient, 8*time.Millisecond, 400*time.Millisecond),
		span(3, "features", "GET /features", observability.SpanServer, 10*time.Millisecond, 396*time.Millisecond),
		span(4, "features", "SELECT users", observability.SpanClient, 11*time.Millisecond, 390*time.Millisecond),
	}
	spans[0].Attributes = map[string]string{"http.request.method": "POST", "http.response.status_code": "502"}
	for i := range spans {
		spans[i].Failed = i != 2
	}
	spans[3].Error = "canceling statement due to statement timeout"
	spans[3].Attributes = map[string]string{"db.system": "postgresql", "server.address": "db"}
	p.Trace = observability.TraceDetail{Trace: observability.TraceOf(spans), Tree: spans}
	other := p.Trace.Trace
	other.TraceID, other.At, other.Took = "4bf92f3577b34da6a3ce929d0e0e4735", Now.Add(-6*time.Minute), platform.Duration(23*time.Millisecond)
	other.Failed, other.Error, other.Spans = 0, "", 3
	p.Traces = []observability.Trace{p.Trace.Trace, other}

	edge := func(from, to string, kind platform.EdgeKind, requests, failed int64, p50, p95 time.Duration, sources ...platform.EdgeSource) platform.MapEdge {
		return platform.MapEdge{
			Edge: platform.Edge{From: from, To: to, Kind: kind}, Sources: sources, Requests: requests, Failed: failed,
			P50: platform.Duration(p50), P95: platform.Duration(p95),
		}
	}
	p.Map = platform.ServiceMap{
		Project: "shop", Environment: "production", From: Now.Add(-time.Hour), To: Now, Notes: []string{},
		Nodes: []platform.MapNode{
			{Name: platform.RouterNode, Kind: platform.NodeRouter},
			{Name: "api", Kind: platform.NodeService, Service: platform.KindWeb, Host: "host1"},
			{Name: "features", Kind: platform.NodeService, Service: platform.KindPrivate, Host: "host1"},
			{Name: "trainer", Kind: platform.NodeService, Service: platform.KindWorker},
			{Name: "db.internal:5432", Kind: platform.NodeOutside, System: "postgresql"},
		},
		Edges: []platform.MapEdge{
			edge(platform.RouterNode, "api", platform.EdgeCalls, 12840, 31, 18*time.Millisecond, 140*time.Millisecond, platform.SourceRouter),
			edge("api", "features", platform.EdgeCalls, 12702, 30, 9*time.Millisecond, 88*time.Millisecond, platform.SourceDeclared, platform.SourceTraces),
			edge("features", "trainer", platform.EdgeSharesDisk, 0, 0, 0, 0, platform.SourceDisk),
			edge("features", "db.internal:5432", platform.EdgeUses, 25404, 0, 2*time.Millisecond, 7*time.Millisecond, platform.SourceTraces),
		},
	}
	p.Map.Edges[1].Via, p.Map.Edges[2].Via = "FEATURES_URL", "models"
}

// SearchTraces lists the sample traces.
func (p *Plane) SearchTraces(_ context.Context, actor platform.Actor, q observability.TraceQuery) (observability.TracePage, error) {
	return observability.TracePage{Traces: p.Traces}, p.read("SearchTraces", actor, q)
}

// GetTrace knows the sample trace.
func (p *Plane) GetTrace(_ context.Context, actor platform.Actor, project, id string) (observability.TraceDetail, error) {
	if id != p.Trace.TraceID {
		return observability.TraceDetail{}, missing("trace", id)
	}
	return p.Trace, p.read("GetTrace", actor, project)
}

// ServiceMap answers the sample map.
func (p *Plane) ServiceMap(_ context.Context, actor platform.Actor, req platform.MapRequest) (platform.ServiceMap, error) {
	return p.Map, p.read("ServiceMap", actor, req)
}

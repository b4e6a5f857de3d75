package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Spans is the part of observability.Spans that is read.
type Spans interface {
	Query(ctx context.Context, q observability.SpanQuery) (observability.SpanPage, error)
}

// How many spans are frozen.
const (
	failedSpans = 300 // looked at, of the environment, the earliest first
	failedOfOne = 40  // of one service
	slowSpans   = 10  // of each service that is involved
	wholeTraces = 3   // traces with a failure that are frozen whole
	spansOfOne  = 100 // of one of these
)

// spans freezes what failed around the onset, the slowest operations of the services that are involved, and a few of the
// failed traces whole, so that the first failure of a chain is among them.
func (r *run) spans() {
	if r.src.Spans == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	q := observability.SpanQuery{Project: r.f.Incident.Project, Environment: r.f.Incident.Environment, From: r.onset().Add(-r.opt.Before), To: r.w.now}
	if !q.From.Before(q.To) {
		return
	}
	found := &foundSpans{of: map[string][]observability.Span{}, seen: map[string]bool{}}
	failed := q
	failed.Failed, failed.Limit = true, failedSpans
	page, ok := r.querySpans(failed)
	if !ok {
		return
	}
	r.addFailed(found, page.Spans)
	for _, service := range r.involved() {
		slow := q
		slow.Service, slow.Slowest, slow.Limit = service, true, slowSpans
		page, ok := r.querySpans(slow)
		if !ok {
			return
		}
		found.add(page.Spans...)
	}
	r.freezeSpans(found, q, page.More)
}

func (r *run) querySpans(q observability.SpanQuery) (observability.SpanPage, bool) {
	page, err := r.src.Spans.Query(r.ctx, q)
	if err != nil {
		r.w.failed("the traces", err)
	}
	return page, err == nil
}

// addFailed adds failed spans, as many of each service as are of use, and the first traces that they are in.
func (r *run) addFailed(found *foundSpans, failed []observability.Span) {
	count := map[string]int{}
	var whole []string
	for _, s := range failed {
		if count[s.Service]++; count[s.Service] <= failedOfOne {
			found.add(s)
		}
		if !slices.Contains(whole, s.TraceID) && len(whole) < wholeTraces {
			whole = append(whole, s.TraceID)
		}
	}
	for _, id := range whole {
		if page, ok := r.querySpans(observability.SpanQuery{Project: r.f.Incident.Project, Environment: r.f.Incident.Environment, TraceID: id, Limit: spansOfOne}); ok {
			found.add(page.Spans...)
		}
	}
}

// foundSpans are spans by service, each once.
type foundSpans struct {
	of   map[string][]observability.Span
	seen map[string]bool
}

func (f *foundSpans) add(spans ...observability.Span) {
	for _, s := range spans {
		if key := s.TraceID + s.SpanID; !f.seen[key] {
			f.seen[key] = true
			f.of[s.Service] = append(f.of[s.Service], s)
		}
	}
}

// freezeSpans makes an item for each service, the incident's first.
func (r *run) freezeSpans(found *foundSpans, q observability.SpanQuery, more bool) {
	services := make([]string, 0, len(found.of))
	for name := range found.of {
		services = append(services, name)
	}
	slices.SortFunc(services, func(a, b string) int {
		if (a == r.f.Incident.Service) != (b == r.f.Incident.Service) {
			if a == r.f.Incident.Service {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, service := range services {
		spans := found.of[service]
		slices.SortFunc(spans, func(a, b observability.Span) int { return a.At.Compare(b.At) })
		name := r.nodeName(service)
		d := r.w.draft(platform.EvidenceTrace, "Spans of "+name+" around the onset: what failed, and the slowest", "traces:"+name)
		d.From, d.To, d.Truncated = q.From, q.To, more
		for i := range spans {
			fact := r.spanFact(&spans[i], name)
			fact.Cite = d.ID
			if d.write(spanLine(fact)) {
				r.f.Spans = append(r.f.Spans, fact)
			}
		}
		r.w.freeze(d)
	}
	slices.SortStableFunc(r.f.Spans, func(a, b causes.Span) int { return a.At.Compare(b.At) })
}

// told are the attributes that say what an operation was and whom it called.
var told = []string{
	"http.request.method", "http.route", "http.response.status_code", "http.status_code", "url.path", "rpc.method", "db.system.name", "db.system", "db.namespace",
	"messaging.system", "messaging.destination.name", "peer.service", "server.address", "server.port", "net.peer.name", "exception.type", "service.version",
}

// spanFact is a span as it is frozen: its texts clean, each on one line.
func (r *run) spanFact(s *observability.Span, service string) causes.Span {
	fact := causes.Span{Span: platform.Span{
		At: s.At, TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Service: service, Name: r.oneLine(s.Name, 300),
		Took: s.Took, Failed: s.Failed, Error: r.oneLine(s.Error, 1000),
	}}
	for _, key := range told {
		if value := r.oneLine(s.Attributes[key], 300); value != "" {
			if fact.Attributes == nil {
				fact.Attributes = map[string]string{}
			}
			fact.Attributes[key] = value
		}
	}
	return fact
}

func spanLine(s causes.Span) string {
	line := fmt.Sprintf("%s %s took %s", stamp(s.At), s.Name, s.Took)
	if s.Failed {
		line += ", failed"
		if s.Error != "" {
			line += ": " + s.Error
		}
	}
	line += fmt.Sprintf(" [trace %s span %s", s.TraceID, s.SpanID)
	if s.ParentID != "" {
		line += " parent " + s.ParentID
	}
	for _, key := range told {
		if value := s.Attributes[key]; value != "" {
			line += " " + key + "=" + value
		}
	}
	return line + "]"
}

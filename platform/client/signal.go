package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ListEvents returns one page of the timeline, oldest first.
func (c *Client) ListEvents(ctx context.Context, f platform.EventFilter) (platform.List[platform.Event], error) {
	return get[platform.List[platform.Event]](ctx, c, eventValues(f).addPage(f.Page), "events")
}

// VerifyEvents verifies the hash chain of all events.
func (c *Client) VerifyEvents(ctx context.Context) (platform.ChainReport, error) {
	return get[platform.ChainReport](ctx, c, nil, "events", "verification")
}

// WatchEvents yields events after f.AfterSeq and then new ones, each once, across broken connections, until ctx ends
// or yield returns an error.
func (c *Client) WatchEvents(ctx context.Context, f platform.EventFilter, yield func(platform.Event) error) error {
	s := stream{client: c, request: request{method: http.MethodGet, path: "/v1/events/stream", query: url.Values(eventValues(f))}}
	return s.run(ctx, func(m message) error {
		var e platform.Event
		if err := m.decode(&e); err != nil {
			return err
		}
		return yield(e)
	})
}

func eventValues(f platform.EventFilter) values {
	kinds := make([]string, len(f.Kinds))
	for i, k := range f.Kinds {
		kinds[i] = string(k)
	}
	return values{}.addSlot(platform.SlotRef{Project: f.Project, Environment: f.Environment, Service: f.Service}).
		add("subject", f.Subject).add("kind", strings.Join(kinds, ",")).
		addTime("since", f.Since).addTime("until", f.Until).addInt("after", f.AfterSeq)
}

// QueryMetrics evaluates PromQL over a project's metrics.
func (c *Client) QueryMetrics(ctx context.Context, project string, q observability.MetricQuery) ([]observability.Series, error) {
	query := values{}.add("query", q.Expr).addTime("from", q.From).addTime("to", q.To)
	if q.Step > 0 {
		query.add("step", strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64)+"s")
	}
	l, err := get[platform.List[observability.Series]](ctx, c, query, "projects", "project="+project, "metrics")
	return l.Items, err
}

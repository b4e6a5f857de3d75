package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sort"
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

// SearchLogs returns one page of lines.
func (c *Client) SearchLogs(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	query := logValues(q).addTime("to", q.To).addBool("backward", q.Backward).add("cursor", q.Cursor)
	return get[observability.LogPage](ctx, c, query, "projects", "project="+q.Project, "logs")
}

// FollowLogs yields the newest q.Limit lines and then new ones, across broken connections, until ctx ends or yield
// returns an error.
func (c *Client) FollowLogs(ctx context.Context, q observability.LogQuery, yield func(observability.Line) error) error {
	p, err := path("projects", "project="+q.Project, "logs", "stream")
	if err != nil {
		return err
	}
	return c.followLines(ctx, request{method: http.MethodGet, path: p, query: url.Values(logValues(q))}, yield)
}

// BuildLog returns one page of a deploy's build log, oldest first.
func (c *Client) BuildLog(ctx context.Context, id platform.DeployID, page platform.Page) (observability.LogPage, error) {
	return get[observability.LogPage](ctx, c, values{}.addPage(page), "deploys", "deploy="+string(id), "build-log")
}

// FollowBuildLog yields a deploy's build log from its beginning and then new lines, until ctx ends or yield returns an error.
func (c *Client) FollowBuildLog(ctx context.Context, id platform.DeployID, yield func(observability.Line) error) error {
	p, err := path("deploys", "deploy="+string(id), "build-log", "stream")
	if err != nil {
		return err
	}
	return c.followLines(ctx, request{method: http.MethodGet, path: p}, yield)
}

// followLines drops lines that come again after a reconnect: the server goes on from the time of the last one.
func (c *Client) followLines(ctx context.Context, r request, yield func(observability.Line) error) error {
	seen := newRecent(observability.MaxLogLimit)
	s := stream{client: c, request: r}
	return s.run(ctx, func(m message) error {
		var l observability.Line
		if err := m.decode(&l); err != nil {
			return err
		}
		if !seen.add(fmt.Sprint(l.Source, l.Instance, l.Deploy, l.At.UnixNano(), l.Seq)) {
			return nil
		}
		return yield(l)
	})
}

func logValues(q observability.LogQuery) values {
	levels := make([]string, len(q.Levels))
	for i, l := range q.Levels {
		levels[i] = string(l)
	}
	v := values{}.add("environment", q.Environment).add("service", q.Service).addInt("release", int64(q.Release)).
		add("deploy", q.Deploy).add("instance", q.Instance).add("source", q.Source).add("level", strings.Join(levels, ",")).
		add("text", q.Text).add("regex", q.Regex).addTime("from", q.From).addInt("limit", int64(q.Limit))
	names := make([]string, 0, len(q.Fields))
	for name := range q.Fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v.add("field", name+"="+q.Fields[name])
	}
	return v
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

// recent remembers the newest n keys.
type recent struct {
	keys map[string]bool
	ring []string
	next int
}

func newRecent(n int) *recent {
	return &recent{keys: make(map[string]bool, n), ring: make([]string, n)}
}

// add reports whether the key is new, and remembers it.
func (r *recent) add(key string) bool {
	if r.keys[key] {
		return false
	}
	delete(r.keys, r.ring[r.next])
	r.keys[key], r.ring[r.next] = true, key
	r.next = (r.next + 1) % len(r.ring)
	return true
}

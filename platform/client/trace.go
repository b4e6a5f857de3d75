package client

import (
	"context"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// SearchTraces returns one page of traces, the newest first.
func (c *Client) SearchTraces(ctx context.Context, q observability.TraceQuery) (observability.TracePage, error) {
	query := values{}.add("project", q.Project).add("environment", q.Environment).add("service", q.Service).addBool("failed", q.Failed).
		addTime("from", q.From).addTime("to", q.To).addInt("limit", int64(q.Limit)).add("cursor", q.Cursor)
	if q.MinTook != 0 {
		query.add("min_took", q.MinTook.String())
	}
	return get[observability.TracePage](ctx, c, query, "traces")
}

// GetTrace returns one trace of a project with its spans.
func (c *Client) GetTrace(ctx context.Context, project, id string) (observability.TraceDetail, error) {
	return get[observability.TraceDetail](ctx, c, values{}.add("project", project), "traces", "trace="+id)
}

// ServiceMap returns who depends on whom in an environment.
func (c *Client) ServiceMap(ctx context.Context, req platform.MapRequest) (platform.ServiceMap, error) {
	query := values{}.add("environment", req.Environment).addTime("from", req.From).addTime("to", req.To)
	return get[platform.ServiceMap](ctx, c, query, "projects", "project="+req.Project, "map")
}

package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// GetUsage reports what was used and what it costs.
func (c *Client) GetUsage(ctx context.Context, req platform.UsageRequest) (platform.UsageReport, error) {
	query := values{}.add("project", req.Project).addTime("from", req.From).addTime("to", req.To).add("by", string(req.By))
	return get[platform.UsageReport](ctx, c, query, "usage")
}

// SetBudget sets what a project may cost in a month; 0 takes the budget away.
func (c *Client) SetBudget(ctx context.Context, req platform.SetBudgetRequest) (platform.Budget, error) {
	body := map[string]any{"monthly": req.Monthly}
	return send[platform.Budget](ctx, c, request{method: http.MethodPut, body: body}, "projects", "project="+req.Project, "budget")
}

// SetRetention sets how long and how many log lines of a project are kept.
func (c *Client) SetRetention(ctx context.Context, req platform.SetRetentionRequest) (platform.Project, error) {
	return send[platform.Project](ctx, c, request{method: http.MethodPut, body: req.LogRetention}, "projects", "project="+req.Project, "log-retention")
}

package client

import (
	"context"
	"net/http"

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

package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// Deploy asks for a deploy of a pushed commit or a ready image and returns it queued.
func (c *Client) Deploy(ctx context.Context, req platform.DeployRequest) (platform.Deploy, error) {
	body := struct {
		Commit string `json:"commit,omitempty"`
		Image  string `json:"image,omitempty"`
	}{req.Commit, req.Image}
	return sendSlot[platform.Deploy](ctx, c, http.MethodPost, req.SlotRef, body, "deploys")
}

// Rollback asks for an older release and returns the deploy that brings it back.
func (c *Client) Rollback(ctx context.Context, req platform.RollbackRequest) (platform.Deploy, error) {
	body := struct {
		ToRelease int    `json:"to_release,omitempty"`
		Reason    string `json:"reason,omitempty"`
	}{req.ToRelease, req.Reason}
	return sendSlot[platform.Deploy](ctx, c, http.MethodPost, req.SlotRef, body, "rollbacks")
}

// CancelDeploy asks a deploy to stop before traffic moves.
func (c *Client) CancelDeploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error) {
	return send[platform.Deploy](ctx, c, request{method: http.MethodPost}, "deploys", "deploy="+string(id), "cancel")
}

// GetDeploy returns a deploy.
func (c *Client) GetDeploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error) {
	return get[platform.Deploy](ctx, c, nil, "deploys", "deploy="+string(id))
}

// ListDeploys returns one page of deploys, newest first.
func (c *Client) ListDeploys(ctx context.Context, f platform.DeployFilter) (platform.List[platform.Deploy], error) {
	return get[platform.List[platform.Deploy]](ctx, c, values{}.addSlot(f.SlotRef).add("commit", f.Commit).addPage(f.Page), "deploys")
}

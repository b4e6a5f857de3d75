package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// ListChannels returns the channels of a project, or all with "".
func (c *Client) ListChannels(ctx context.Context, project string) (platform.List[platform.Channel], error) {
	return get[platform.List[platform.Channel]](ctx, c, values{}.add("project", project), "channels")
}

// GetChannel returns one channel.
func (c *Client) GetChannel(ctx context.Context, id platform.ChannelID) (platform.Channel, error) {
	return get[platform.Channel](ctx, c, nil, "channels", "channel="+string(id))
}

// CreateChannel adds a destination of notifications.
func (c *Client) CreateChannel(ctx context.Context, req platform.CreateChannelRequest) (platform.Channel, error) {
	return send[platform.Channel](ctx, c, request{method: http.MethodPost, body: req}, "channels")
}

// UpdateChannel changes what the request names.
func (c *Client) UpdateChannel(ctx context.Context, req platform.UpdateChannelRequest) (platform.Channel, error) {
	return send[platform.Channel](ctx, c, request{method: http.MethodPatch, body: req}, "channels", "channel="+string(req.Channel))
}

// DeleteChannel removes a channel with its log.
func (c *Client) DeleteChannel(ctx context.Context, id platform.ChannelID) error {
	return discard(ctx, c, request{method: http.MethodDelete}, "channels", "channel="+string(id))
}

// TestChannel sends a test message and returns what the receiver said.
func (c *Client) TestChannel(ctx context.Context, id platform.ChannelID) (platform.Delivery, error) {
	return send[platform.Delivery](ctx, c, request{method: http.MethodPost}, "channels", "channel="+string(id), "test")
}

// ListDeliveries returns what was and is to be sent to a channel, newest first.
func (c *Client) ListDeliveries(ctx context.Context, id platform.ChannelID, page platform.Page) (platform.List[platform.Delivery], error) {
	return get[platform.List[platform.Delivery]](ctx, c, values{}.addPage(page), "channels", "channel="+string(id), "deliveries")
}

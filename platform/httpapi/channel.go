package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type createChannelInput struct {
	WriteHeader
	Body struct {
		Name         string                 `json:"name" minLength:"1" maxLength:"63" doc:"A DNS label, once per project."`
		Project      string                 `json:"project,omitempty" maxLength:"80" doc:"Only events of this project; left out means the installation: every project and what belongs to none."`
		Kind         platform.ChannelKind   `json:"kind" enum:"webhook,slack,email"`
		URL          string                 `json:"url,omitempty" maxLength:"2000" doc:"Of a webhook: https, or http to this host's loopback."`
		SlackChannel string                 `json:"slack_channel,omitempty" maxLength:"81" doc:"Id or name of the Slack channel."`
		Email        *platform.EmailTarget  `json:"email,omitempty" doc:"Recipients and the mail server."`
		Secret       string                 `json:"secret,omitempty" maxLength:"4096" doc:"Signing key, bot token or SMTP password. It is sealed and never shown again."`
		Filter       platform.ChannelFilter `json:"filter,omitempty" doc:"Which events; left out means incidents, failed deploys and proposed plans."`
		Quiet        *platform.QuietHours   `json:"quiet,omitempty" doc:"When nothing but what is critical is sent; what is held comes as one digest."`
		PerMinute    int                    `json:"per_minute,omitempty" minimum:"0" maximum:"600" doc:"Messages a minute; 30 when left out. What is over comes as a digest."`
		Dedup        *platform.Duration     `json:"dedup,omitempty" doc:"How long the same event is one message with a count; 5m when left out."`
	}
}

// ChannelPath names a channel.
type ChannelPath struct {
	Channel platform.ChannelID `path:"channel" maxLength:"80" doc:"Id of the channel: chn_..."`
}

type updateChannelInput struct {
	ChannelPath
	WriteHeader
	Body platform.UpdateChannelRequest
}

func (a *API) registerChannels() {
	handle(a, operation{
		ID: "list-channels", Method: http.MethodGet, Path: "/v1/channels", Tag: "notifications", Summary: "List channels",
		Description: "Destinations of notifications. Secrets are never shown; of a webhook's URL only admins see more than the host.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		Project string `query:"project" maxLength:"80" doc:"Only of this project."`
	},
	) (platform.List[platform.Channel], error) {
		return list(a.plane.ListChannels(ctx, actor, in.Project))
	})
	handle(a, operation{
		ID: "create-channel", Method: http.MethodPost, Path: "/v1/channels", Tag: "notifications", Summary: "Add a channel",
		Description: "Admins only. It hears of events from now on.", Status: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *createChannelInput) (platform.Channel, error) {
		return a.plane.CreateChannel(ctx, actor, platform.CreateChannelRequest(in.Body))
	})
	handle(a, operation{
		ID: "get-channel", Method: http.MethodGet, Path: "/v1/channels/{channel}", Tag: "notifications", Summary: "Get a channel",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *ChannelPath) (platform.Channel, error) {
		return a.plane.GetChannel(ctx, actor, in.Channel)
	})
	handle(a, operation{
		ID: "update-channel", Method: http.MethodPatch, Path: "/v1/channels/{channel}", Tag: "notifications", Summary: "Change a channel",
		Description: "Admins only. What is left out stays; another target is another channel.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *updateChannelInput) (platform.Channel, error) {
		in.Body.Channel = in.Channel
		return a.plane.UpdateChannel(ctx, actor, in.Body)
	})
	a.registerDeliveries()
}

func (a *API) registerDeliveries() {
	type named struct {
		ChannelPath
		WriteHeader
	}
	handleEmpty(a, operation{
		ID: "delete-channel", Method: http.MethodDelete, Path: "/v1/channels/{channel}", Tag: "notifications", Summary: "Remove a channel with its log",
		Description: "Admins only.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *named) error {
		return a.plane.DeleteChannel(ctx, actor, in.Channel)
	})
	handle(a, operation{
		ID: "test-channel", Method: http.MethodPost, Path: "/v1/channels/{channel}/test", Tag: "notifications", Summary: "Send a test message now",
		Description: "Admins only. Answers what the receiver said; it is tried once.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *named) (platform.Delivery, error) {
		return a.plane.TestChannel(ctx, actor, in.Channel)
	})
	handle(a, operation{
		ID: "list-deliveries", Method: http.MethodGet, Path: "/v1/channels/{channel}/deliveries", Tag: "notifications", Summary: "List a channel's deliveries",
		Description: "Newest first, with how each attempt went. They are kept for thirty days.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		ChannelPath
		PageQuery
	},
	) (platform.List[platform.Delivery], error) {
		return full(a.plane.ListDeliveries(ctx, actor, in.Channel, in.page()))
	})
}

package httpapitest

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
)

func (p *Plane) fillChannels() {
	ada := platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin}
	hook := platform.CreateChannelRequest{
		Name: "ops", Project: "shop", Kind: platform.ChannelWebhook, URL: "https://hooks.example.org/T0/private", Secret: "never shown",
		Quiet: &platform.QuietHours{Zone: "Europe/Berlin", From: "22:00", To: "07:00"},
	}.Applied()
	mail := platform.CreateChannelRequest{
		Name: "on-call", Kind: platform.ChannelEmail, Secret: "never shown", Filter: platform.ChannelFilter{Kinds: []string{"incident.*"}},
		Email: &platform.EmailTarget{
			To: []string{"oncall@example.org"}, From: "fairlead@example.org", Server: "mail.example.org:587", Security: platform.MailStartTLS, Username: "fairlead",
		},
	}.Applied()
	hook.ID, mail.ID = "chn_01", "chn_02"
	hook.CreatedBy, mail.CreatedBy = ada, ada
	hook.CreatedAt, mail.CreatedAt = Now.Add(-time.Hour), Now.Add(-time.Minute)
	mail.Enabled, mail.DisabledBecause = false, "Nothing arrived for 72 hours."
	p.Channels = []platform.Channel{hook, mail}
	ended, next := Now.Add(-time.Minute), Now.Add(time.Minute)
	p.Deliveries = []platform.Delivery{
		{
			ID: "dlv_02", ChannelID: "chn_01", Why: platform.DeliverQuiet, Events: []int64{8, 9, 11}, State: platform.DeliveryPending,
			CreatedAt: Now.Add(-time.Minute), DueAt: next, Tries: 1,
			Attempts: []platform.DeliveryTry{{At: Now, Status: 503, Words: "503 Service Unavailable", Took: platform.Duration(20 * time.Millisecond), NextAt: &next}},
		},
		{
			ID: "dlv_01", ChannelID: "chn_01", Why: platform.DeliverEvent, Key: "inc_01 incident.opened", Events: []int64{7}, State: platform.DeliverySent,
			CreatedAt: ended, DueAt: ended, EndedAt: &ended, Tries: 1,
			Attempts: []platform.DeliveryTry{{At: ended, OK: true, Status: 200, Words: "200 OK", Took: platform.Duration(12 * time.Millisecond)}},
		},
	}
}

func (p *Plane) channel(id platform.ChannelID) (platform.Channel, error) {
	for _, c := range p.Channels {
		if c.ID == id {
			return c, nil
		}
	}
	return platform.Channel{}, missing("channel", string(id))
}

// ListChannels lists the sample channels.
func (p *Plane) ListChannels(_ context.Context, actor platform.Actor, project string) ([]platform.Channel, error) {
	return p.Channels, p.read("ListChannels", actor, project)
}

// GetChannel knows the sample channels.
func (p *Plane) GetChannel(_ context.Context, actor platform.Actor, id platform.ChannelID) (platform.Channel, error) {
	c, err := p.channel(id)
	if err != nil {
		return c, err
	}
	return c, p.read("GetChannel", actor, id)
}

// CreateChannel answers the channel that was asked for.
func (p *Plane) CreateChannel(_ context.Context, actor platform.Actor, req platform.CreateChannelRequest) (platform.Channel, error) {
	c := req.Applied()
	c.ID, c.CreatedBy, c.CreatedAt = "chn_03", actor, Now
	if err := p.write("CreateChannel", actor, req); err != nil {
		return c, err
	}
	return c, platform.CheckChannel(c, req.Secret)
}

// UpdateChannel answers the sample channel as it is wanted.
func (p *Plane) UpdateChannel(_ context.Context, actor platform.Actor, req platform.UpdateChannelRequest) (platform.Channel, error) {
	c, err := p.channel(req.Channel)
	if err != nil {
		return c, err
	}
	return req.Apply(c), p.write("UpdateChannel", actor, req)
}

// DeleteChannel knows the sample channels.
func (p *Plane) DeleteChannel(_ context.Context, actor platform.Actor, id platform.ChannelID) error {
	if _, err := p.channel(id); err != nil {
		return err
	}
	return p.write("DeleteChannel", actor, id)
}

// TestChannel answers a message that arrived.
func (p *Plane) TestChannel(_ context.Context, actor platform.Actor, id platform.ChannelID) (platform.Delivery, error) {
	if _, err := p.channel(id); err != nil {
		return platform.Delivery{}, err
	}
	d := p.Deliveries[1]
	d.ID, d.ChannelID, d.Why, d.Key, d.Events = "dlv_03", id, platform.DeliverTest, "", []int64{}
	return d, p.write("TestChannel", actor, id)
}

// ListDeliveries lists the sample deliveries.
func (p *Plane) ListDeliveries(_ context.Context, actor platform.Actor, id platform.ChannelID, _ platform.Page) (platform.List[platform.Delivery], error) {
	if _, err := p.channel(id); err != nil {
		return platform.List[platform.Delivery]{}, err
	}
	return platform.List[platform.Delivery]{Items: p.Deliveries}, p.read("ListDeliveries", actor, id)
}

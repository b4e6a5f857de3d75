package control

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// maxChannels is how many channels an installation may have: each looks at every event.
const maxChannels = 200

// testLimit is how long TestChannel waits for the worker's attempt.
const testLimit = 25 * time.Second

// secretPlace is what the sealed secret of a channel is bound to.
func secretPlace(id platform.ChannelID) string { return "channel/" + string(id) }

// ListChannels returns the channels that the actor may see: those of a project, or with "" all within the actor's
// scope. The installation's own are seen by those whose scope is every project.
func (p *Plane) ListChannels(ctx context.Context, actor platform.Actor, project string) ([]platform.Channel, error) {
	out := []platform.Channel{}
	if err := authorize(actor, verbRead, ""); err != nil {
		return out, err
	}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var projects []string
		if len(actor.Projects) > 0 {
			projects = actor.Projects
		}
		if project != "" {
			found, err := findProject(ctx, tx, actor, verbRead, project)
			if err != nil {
				return err
			}
			projects = []string{found.Name}
		}
		all, err := tx.ListChannels(ctx, projects)
		out = out[:0]
		for _, c := range all {
			out = append(out, c.Shown(actor))
		}
		return err
	})
	return out, err
}

// GetChannel returns one channel.
func (p *Plane) GetChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) (platform.Channel, error) {
	var found platform.Channel
	if err := authorize(actor, verbRead, ""); err != nil {
		return found, err
	}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.ChannelByID(ctx, id)
		if err != nil {
			return err
		}
		found = c.Shown(actor)
		return hidden(actor, verbRead, c.Project, "channel", string(id))
	})
	if err != nil {
		return platform.Channel{}, err
	}
	return found, nil
}

// ListDeliveries returns what was and is to be sent to a channel, newest first, with how each attempt went.
func (p *Plane) ListDeliveries(ctx context.Context, actor platform.Actor, id platform.ChannelID, page platform.Page) (platform.List[platform.Delivery], error) {
	var out platform.List[platform.Delivery]
	if err := authorize(actor, verbRead, ""); err != nil {
		return out, err
	}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.ChannelByID(ctx, id)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbRead, c.Project, "channel", string(id)); err != nil {
			return err
		}
		out, err = tx.ListDeliveries(ctx, id, page)
		return err
	})
	return out, err
}

// CreateChannel adds a channel, which hears of events from now on. Its secret is sealed and never shown again.
func (p *Plane) CreateChannel(ctx context.Context, actor platform.Actor, req platform.CreateChannelRequest) (platform.Channel, error) {
	if err := authorize(actor, verbNotify, ""); err != nil {
		return platform.Channel{}, err
	}
	c := req.Applied()
	if err := platform.CheckChannel(c, req.Secret); err != nil {
		return platform.Channel{}, err
	}
	if err := p.reachable(ctx, c); err != nil {
		return platform.Channel{}, err
	}
	c.ID = platform.NewID[platform.ChannelID](platform.PrefixChannel)
	sealed, err := p.sealSecret(c.ID, req.Secret)
	if err != nil {
		return platform.Channel{}, err
	}
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		if err := inScope(ctx, tx, actor, &c); err != nil {
			return err
		}
		if err := roomFor(ctx, tx, c); err != nil {
			return err
		}
		c.CreatedBy, c.CreatedAt = actor, p.now()
		p.recordChannel(tx, actor, platform.EventChannelCreated, c, fmt.Sprintf("%s added the %s channel %s.", actor.Name, c.Kind, c.Name))
		return tx.InsertChannel(ctx, c, sealed)
	})
	if err != nil {
		return platform.Channel{}, err
	}
	return c, nil
}

// inScope puts the channel into its project, and leaves the installation's own to those whose scope is every project.
func inScope(ctx context.Context, tx *store.Tx, actor platform.Actor, c *platform.Channel) error {
	if c.Project == "" {
		if len(actor.Projects) > 0 {
			return platform.Errorf(platform.CodeDenied, "%s is limited to %s and cannot add a channel for every project.", actor.Name, listed(actor.Projects)).
				WithHint("Name the project of the channel.").WithField("project")
		}
		return nil
	}
	found, err := findProject(ctx, tx, actor, verbNotify, c.Project)
	c.Project = found.Name
	return err
}

func roomFor(ctx context.Context, tx *store.Tx, c platform.Channel) error {
	taken, err := tx.HasChannel(ctx, c.Project, c.Name)
	if err != nil {
		return err
	}
	if taken {
		return platform.Errorf(platform.CodeConflict, "There is a channel %q already.", c.Name).WithHint("Choose another name, or remove that one first.").WithField("name")
	}
	all, err := tx.ListChannels(ctx, nil)
	if err == nil && len(all) >= maxChannels {
		return platform.Errorf(platform.CodeExhausted, "There are %d channels, as many as an installation may have.", maxChannels).WithHint("Remove one that nobody reads.")
	}
	return err
}

// reachable refuses a target on a network that notifications must not reach. The sender asks again at each connection,
// since a name may lead elsewhere by then.
func (p *Plane) reachable(ctx context.Context, c platform.Channel) error {
	if p.o.Reach == nil {
		return nil
	}
	host, field := "", "url"
	switch c.Kind {
	case platform.ChannelWebhook:
		u, err := url.Parse(c.URL)
		if err != nil {
			return err
		}
		host = u.Hostname()
	case platform.ChannelEmail:
		host, _, _ = net.SplitHostPort(c.Email.Server)
		field = "email.server"
	case platform.ChannelSlack:
		return nil
	}
	if err := p.o.Reach(ctx, host); err != nil {
		return platform.Errorf(platform.CodeInvalid, "Notifications cannot go to %s: %s.", platform.Truncate(host, 80), strings.TrimSuffix(err.Error(), ".")).
			WithHint("Choose a host that is reached over the public network, or start the server with --notify-allow and the network of the receiver, such as 10.0.0.0/8.").
			WithField(field)
	}
	return nil
}

func (p *Plane) sealSecret(id platform.ChannelID, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	return p.o.Sealer.Seal(value, secretPlace(id))
}

func (p *Plane) recordChannel(tx *store.Tx, actor platform.Actor, kind platform.EventKind, c platform.Channel, words string) {
	p.record(tx, fact{
		kind: kind, actor: actor, at: place{project: c.Project}, subject: string(c.ID), summary: words,
		payload: map[string]any{"name": c.Name, "kind": c.Kind, "enabled": c.Enabled, "kinds": c.Filter.Kinds},
	})
}

// lockOwn returns a channel that the actor may change.
func lockOwn(ctx context.Context, tx *store.Tx, actor platform.Actor, id platform.ChannelID) (platform.Channel, error) {
	c, err := tx.LockChannel(ctx, id)
	if err != nil {
		return c, err
	}
	return c, hidden(actor, verbNotify, c.Project, "channel", string(id))
}

// UpdateChannel changes a channel. One that is enabled again hears of events from now on.
func (p *Plane) UpdateChannel(ctx context.Context, actor platform.Actor, req platform.UpdateChannelRequest) (platform.Channel, error) {
	if err := authorize(actor, verbNotify, ""); err != nil {
		return platform.Channel{}, err
	}
	sealed, err := p.sealSecret(req.Channel, req.Secret)
	if err != nil {
		return platform.Channel{}, err
	}
	var changed platform.Channel
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		old, err := lockOwn(ctx, tx, actor, req.Channel)
		if err != nil {
			return err
		}
		changed = req.Apply(old)
		if err := platform.CheckChannel(changed, req.Secret); err != nil {
			return err
		}
		if sealed != "" {
			if err := tx.PutChannelSecret(ctx, changed.ID, sealed); err != nil {
				return err
			}
		}
		switch {
		case changed.Enabled && !old.Enabled:
			err = tx.SkipEvents(ctx, changed.ID)
		case old.Enabled && !changed.Enabled:
			err = p.giveUpAll(ctx, tx, changed, "The channel was disabled.")
		}
		if err != nil {
			return err
		}
		p.recordChannel(tx, actor, platform.EventChannelChanged, changed, fmt.Sprintf("%s changed the channel %s.", actor.Name, changed.Name))
		return tx.UpdateChannel(ctx, changed)
	})
	if err != nil {
		return platform.Channel{}, err
	}
	return changed, nil
}

// DeleteChannel removes a channel with its delivery log. What was not sent yet is not sent any more.
func (p *Plane) DeleteChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) error {
	if err := authorize(actor, verbNotify, ""); err != nil {
		return err
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		c, err := lockOwn(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		p.recordChannel(tx, actor, platform.EventChannelRemoved, c, fmt.Sprintf("%s removed the channel %s.", actor.Name, c.Name))
		return tx.DeleteChannel(ctx, id)
	})
}

// TestChannel has a test message sent now, also to a channel that is disabled, and returns how that went. It is tried
// once. It waits for the worker: unavailable when none takes it within half a minute.
func (p *Plane) TestChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) (platform.Delivery, error) {
	if err := authorize(actor, verbNotify, ""); err != nil {
		return platform.Delivery{}, err
	}
	var test platform.Delivery
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		c, err := lockOwn(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		test = newDelivery(c.ID, platform.DeliverTest, p.now())
		p.recordChannel(tx, actor, platform.EventChannelTested, c, fmt.Sprintf("%s sent a test message to the channel %s.", actor.Name, c.Name))
		return tx.PutDelivery(ctx, test)
	})
	if err != nil {
		return platform.Delivery{}, err
	}
	return p.awaitDelivery(ctx, test.ID)
}

func (p *Plane) awaitDelivery(ctx context.Context, id platform.DeliveryID) (platform.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		var d platform.Delivery
		err := p.store.View(ctx, func(tx *store.Tx) error {
			var err error
			d, err = tx.DeliveryByID(ctx, id)
			return err
		})
		if err == nil && d.EndedAt != nil || err != nil && platform.CodeOf(err) != platform.CodeUnavailable && ctx.Err() == nil {
			return d, err
		}
		select {
		case <-ctx.Done():
			return platform.Delivery{}, platform.Errorf(platform.CodeUnavailable, "The test message was not sent in time.").
				WithHint("Look at the channel's deliveries in a while.")
		case <-look.C:
		}
	}
}

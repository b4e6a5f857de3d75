package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// InsertChannel adds a channel that hears of events from now on, with its sealed secret.
func (t *Tx) InsertChannel(ctx context.Context, c platform.Channel, sealed string) error {
	doc, err := encode(c)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO channels (doc, secret, after_seq) SELECT $1, $2, seq FROM chain_head", doc, sealed)
	return err
}

// UpdateChannel writes a channel over the one with its id.
func (t *Tx) UpdateChannel(ctx context.Context, c platform.Channel) error {
	return t.replace(ctx, "channels", string(c.ID), c, notFound("channel", string(c.ID)))
}

// PutChannelSecret replaces the sealed secret of a channel.
func (t *Tx) PutChannelSecret(ctx context.Context, id platform.ChannelID, sealed string) error {
	_, err := t.exec(ctx, "UPDATE channels SET secret = $2 WHERE id = $1", id, sealed)
	return err
}

// ChannelSecret returns the sealed secret of a channel.
func (t *Tx) ChannelSecret(ctx context.Context, id platform.ChannelID) (string, error) {
	var sealed string
	err := t.tx.QueryRow(ctx, "SELECT secret FROM channels WHERE id = $1", id).Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", notFound("channel", string(id))
	}
	return sealed, err
}

// ChannelByID returns one channel.
func (t *Tx) ChannelByID(ctx context.Context, id platform.ChannelID) (platform.Channel, error) {
	return one[platform.Channel](ctx, t, notFound("channel", string(id)), "SELECT doc FROM channels WHERE id = $1", id)
}

// LockChannel returns one channel and keeps others from changing it and what is sent to it.
func (t *Tx) LockChannel(ctx context.Context, id platform.ChannelID) (platform.Channel, error) {
	return one[platform.Channel](ctx, t, notFound("channel", string(id)), "SELECT doc FROM channels WHERE id = $1 FOR UPDATE", id)
}

// HasChannel reports whether a channel has that name in the project.
func (t *Tx) HasChannel(ctx context.Context, project, name string) (bool, error) {
	var yes bool
	err := t.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM channels WHERE project = $1 AND name = $2)", project, name).Scan(&yes)
	return yes, err
}

// ListChannels returns the channels of those projects, of all and of the installation when nil, by name.
func (t *Tx) ListChannels(ctx context.Context, projects []string) ([]platform.Channel, error) {
	if projects == nil {
		return many[platform.Channel](ctx, t, "SELECT doc FROM channels ORDER BY project, name")
	}
	return many[platform.Channel](ctx, t, "SELECT doc FROM channels WHERE project = ANY($1) ORDER BY project, name", projects)
}

// DeleteChannel removes a channel with its deliveries.
func (t *Tx) DeleteChannel(ctx context.Context, id platform.ChannelID) error {
	_, err := t.exec(ctx, "DELETE FROM channels WHERE id = $1", id)
	return err
}

// ChannelsBehind returns the ids of enabled channels that have not looked at the newest event.
func (t *Tx) ChannelsBehind(ctx context.Context) ([]platform.ChannelID, error) {
	rows, err := t.tx.Query(ctx, "SELECT c.id FROM channels c, chain_head h WHERE c.enabled AND c.after_seq < h.seq ORDER BY c.n")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[platform.ChannelID])
}

// NextEvents returns the oldest events that the channel has not looked at, and moves it past them: they must be dealt
// with in the same transaction.
func (t *Tx) NextEvents(ctx context.Context, id platform.ChannelID, limit int) ([]platform.Event, error) {
	events, err := t.readEvents(ctx, " WHERE seq > (SELECT after_seq FROM channels WHERE id = $1) ORDER BY seq LIMIT $2", id, limit)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	_, err = t.exec(ctx, "UPDATE channels SET after_seq = $2 WHERE id = $1", id, events[len(events)-1].Seq)
	return events, err
}

// SkipEvents moves the channel past every event there is.
func (t *Tx) SkipEvents(ctx context.Context, id platform.ChannelID) error {
	_, err := t.exec(ctx, "UPDATE channels SET after_seq = (SELECT seq FROM chain_head) WHERE id = $1", id)
	return err
}

// EventsAt returns the events with those numbers, oldest first.
func (t *Tx) EventsAt(ctx context.Context, seqs []int64) ([]platform.Event, error) {
	return t.readEvents(ctx, " WHERE seq = ANY($1) ORDER BY seq", seqs)
}

// PutDelivery adds a delivery, or writes it over the one with its id.
func (t *Tx) PutDelivery(ctx context.Context, d platform.Delivery) error {
	doc, err := encode(d)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE deliveries SET doc = $2, due_at = $3 WHERE id = $1", d.ID, doc, d.DueAt)
	if err != nil || n > 0 {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO deliveries (doc, created_at, due_at) VALUES ($1, $2, $3)", doc, d.CreatedAt, d.DueAt)
	return err
}

// DeliveryByID returns one delivery.
func (t *Tx) DeliveryByID(ctx context.Context, id platform.DeliveryID) (platform.Delivery, error) {
	return one[platform.Delivery](ctx, t, notFound("delivery", string(id)), "SELECT doc FROM deliveries WHERE id = $1", id)
}

// OpenDeliveries returns the deliveries of a channel that new events may belong to, oldest first: those made since then,
// and digests and repeats that wait for their time.
func (t *Tx) OpenDeliveries(ctx context.Context, channel platform.ChannelID, since time.Time) ([]platform.Delivery, error) {
	return many[platform.Delivery](ctx, t, `SELECT doc FROM deliveries WHERE channel_id = $1
		AND (created_at >= $2 OR state = 'pending' AND why IN ('repeated', 'quiet_hours', 'rate_limit')) ORDER BY n`, channel, since)
}

// UnsentDeliveries returns the deliveries of a channel that have not ended, oldest first.
func (t *Tx) UnsentDeliveries(ctx context.Context, channel platform.ChannelID) ([]platform.Delivery, error) {
	return many[platform.Delivery](ctx, t, "SELECT doc FROM deliveries WHERE channel_id = $1 AND state IN ('pending', 'sending') ORDER BY n", channel)
}

// NextDelivery returns a delivery that is due at that time, nil when there is none, and locks its channel: one message
// at a time goes to a channel, whichever server sends it. A test goes to a channel that is disabled too.
func (t *Tx) NextDelivery(ctx context.Context, at time.Time) (*platform.Delivery, error) {
	return first[platform.Delivery](ctx, t, `SELECT d.doc FROM deliveries d JOIN channels c ON c.id = d.channel_id
		WHERE d.state IN ('pending', 'sending') AND d.due_at <= $1 AND (d.why = 'test' OR c.enabled AND coalesce((c.doc->>'paused_until')::timestamptz <= $1, true))
		AND NOT EXISTS (SELECT FROM deliveries o WHERE o.channel_id = d.channel_id AND o.state = 'sending' AND o.due_at > $1)
		ORDER BY d.state = 'sending' DESC, d.due_at, d.n LIMIT 1 FOR UPDATE OF c SKIP LOCKED`, at)
}

// ListDeliveries returns the deliveries of a channel, newest first.
func (t *Tx) ListDeliveries(ctx context.Context, channel platform.ChannelID, page platform.Page) (platform.List[platform.Delivery], error) {
	l := listing{name: "deliveries", scope: string(channel), from: "deliveries", page: page}
	l.where.and("channel_id = ?", channel)
	return list[platform.Delivery](ctx, t, l)
}

// ForgetDeliveries removes deliveries that ended and were made before then, and returns how many.
func (t *Tx) ForgetDeliveries(ctx context.Context, before time.Time) (int, error) {
	n, err := t.exec(ctx, "DELETE FROM deliveries WHERE created_at < $1 AND state IN ('sent', 'failed')", before)
	return int(n), err
}

// Thread returns what a channel's receiver called the first message about an incident, "" when there was none.
func (t *Tx) Thread(ctx context.Context, channel platform.ChannelID, incident platform.IncidentID) (string, error) {
	var ref string
	err := t.tx.QueryRow(ctx, "SELECT ref FROM threads WHERE channel_id = $1 AND incident_id = $2", channel, incident).Scan(&ref)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return ref, err
}

// PutThread keeps what the first message about an incident was called; a later one does not replace it.
func (t *Tx) PutThread(ctx context.Context, channel platform.ChannelID, incident platform.IncidentID, ref string) error {
	_, err := t.exec(ctx, "INSERT INTO threads (channel_id, incident_id, ref) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", channel, incident, Clean(ref))
	return err
}

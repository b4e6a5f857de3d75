package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// Times and sizes of the outbox.
const (
	fillBatch = 500
	// sendLease is how long a message may be on its way before it counts as lost with its server: longer than an
	// attempt may take.
	sendLease  = time.Minute
	ratePeriod = time.Minute
	// longestPause is how long a receiver that fails is left alone; longer only where it asks for that.
	longestPause  = time.Minute
	maxAskedPause = time.Hour
)

var notifier = platform.SystemActor("notifier")

func newDelivery(channel platform.ChannelID, why platform.DeliveryWhy, now time.Time) platform.Delivery {
	return platform.Delivery{
		ID: platform.NewID[platform.DeliveryID](platform.PrefixDelivery), ChannelID: channel, Why: why,
		Events: []int64{}, State: platform.DeliveryPending, CreatedAt: now, DueAt: now, Attempts: []platform.DeliveryTry{},
	}
}

// outbox puts events into the deliveries of one channel. It is pure: what changed is to be written with the number of
// the last event in one transaction, so that each event is in exactly one delivery.
type outbox struct {
	channel platform.Channel
	now     time.Time
	open    []*platform.Delivery // oldest first
	changed map[platform.DeliveryID]bool
}

func newOutbox(c platform.Channel, open []platform.Delivery, now time.Time) *outbox {
	o := &outbox{channel: c, now: now, changed: map[platform.DeliveryID]bool{}}
	for _, d := range open {
		o.open = append(o.open, &d)
	}
	return o
}

// take puts one event that passed the filter where it belongs: held by quiet hours, the same as one before, over the
// rate, or a message of its own.
func (o *outbox) take(e platform.Event, severity platform.Severity) {
	if q := o.channel.Quiet; q != nil && (q.HoldCritical || severity != platform.SeverityCritical) {
		if end, holds := q.Until(o.now); holds {
			o.digest(platform.DeliverQuiet, end, e)
			return
		}
	}
	key := e.Subject + " " + string(e.Kind)
	if e.Subject != "" && o.channel.Dedup > 0 && o.repeated(key, e) {
		return
	}
	if o.sent() >= o.channel.PerMinute {
		o.digest(platform.DeliverExcess, o.now.Add(ratePeriod), e)
		return
	}
	o.add(platform.DeliverEvent, key, o.now, e)
}

// repeated counts an event on the message that told, or is to tell, the same within the window. A message that may have
// left stays as it is: the next one counts what came after it.
func (o *outbox) repeated(key string, e platform.Event) bool {
	var end time.Time
	for _, d := range o.open {
		if d.Key != key || d.Why.Digest() {
			continue
		}
		if o.joins(d, e) {
			return true
		}
		if d.Why == platform.DeliverEvent && d.CreatedAt.Add(o.channel.Dedup.D()).After(o.now) {
			end = d.CreatedAt.Add(o.channel.Dedup.D())
		}
	}
	if end.IsZero() {
		return false
	}
	o.add(platform.DeliverAgain, key, end, e)
	return true
}

func (o *outbox) digest(why platform.DeliveryWhy, due time.Time, e platform.Event) {
	for _, d := range o.open {
		if d.Why == why && o.joins(d, e) {
			return
		}
	}
	o.add(why, "", due, e)
}

// joins adds an event to a message that was never attempted and has room.
func (o *outbox) joins(d *platform.Delivery, e platform.Event) bool {
	if d.State != platform.DeliveryPending || d.Tries > 0 || len(d.Events) >= platform.MaxDigestEvents {
		return false
	}
	d.Events = append(d.Events, e.Seq)
	o.changed[d.ID] = true
	return true
}

func (o *outbox) add(why platform.DeliveryWhy, key string, due time.Time, e platform.Event) {
	d := newDelivery(o.channel.ID, why, o.now)
	d.Key, d.DueAt, d.Events = key, due, []int64{e.Seq}
	o.open = append(o.open, &d)
	o.changed[d.ID] = true
}

// sent counts the messages of the last minute that were not held back.
func (o *outbox) sent() int {
	n := 0
	for _, d := range o.open {
		if d.Why == platform.DeliverEvent && o.now.Sub(d.CreatedAt) < ratePeriod {
			n++
		}
	}
	return n
}

// FillOutboxes looks at new events for every enabled channel and returns how many deliveries it made or added to. Each
// event is looked at once per channel, whatever ends in between: the place in the log and the deliveries are one
// transaction.
func (p *Plane) FillOutboxes(ctx context.Context) (int, error) {
	var behind []platform.ChannelID
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		behind, err = tx.ChannelsBehind(ctx)
		return err
	})
	total := 0
	for _, id := range behind {
		n, one := p.fillWhole(ctx, id)
		total += n
		if platform.CodeOf(one) == platform.CodeNotFound { // removed meanwhile
			continue
		}
		if err = errors.Join(err, one); platform.CodeOf(one) == platform.CodeUnavailable {
			break
		}
	}
	return total, err
}

func (p *Plane) fillWhole(ctx context.Context, id platform.ChannelID) (total int, err error) {
	for more := true; more && err == nil; {
		var n int
		n, more, err = p.fillOutbox(ctx, id)
		total += n
	}
	return total, err
}

func (p *Plane) fillOutbox(ctx context.Context, id platform.ChannelID) (made int, more bool, err error) {
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		made, more = 0, false
		c, err := tx.LockChannel(ctx, id)
		if err != nil || !c.Enabled {
			return err
		}
		events, err := tx.NextEvents(ctx, id, fillBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		more = len(events) == fillBatch
		now := p.now()
		open, err := tx.OpenDeliveries(ctx, id, now.Add(-max(c.Dedup.D(), ratePeriod)))
		if err != nil {
			return err
		}
		box := newOutbox(c, open, now)
		for _, e := range events {
			incident, err := incidentOf(ctx, tx, e)
			if err != nil {
				return err
			}
			if severity := platform.EventSeverity(e, incident); c.Passes(e, severity) {
				box.take(e, severity)
			}
		}
		for _, d := range box.open {
			if box.changed[d.ID] {
				if err := tx.PutDelivery(ctx, *d); err != nil {
					return err
				}
			}
		}
		made = len(box.changed)
		return nil
	})
	return made, more, err
}

// incidentOf is the incident that an event or its plan is about, nil when there is none, or none any more.
func incidentOf(ctx context.Context, tx *store.Tx, e platform.Event) (*platform.Incident, error) {
	id := platform.IncidentID(e.Subject)
	if platform.HasPrefix(e.Subject, platform.PrefixPlan) {
		plan, err := tx.PlanByID(ctx, platform.PlanID(e.Subject))
		if err != nil && platform.CodeOf(err) != platform.CodeNotFound {
			return nil, err
		}
		id = plan.Body.IncidentID
	}
	if !platform.HasPrefix(string(id), platform.PrefixIncident) {
		return nil, nil //nolint:nilnil // nil is the answer: there is none
	}
	incident, err := tx.IncidentByID(ctx, id)
	if platform.CodeOf(err) == platform.CodeNotFound {
		return nil, nil //nolint:nilnil // its project was deleted
	}
	return &incident, err
}

// ClaimNotice takes a message that is due and returns it with everything that it may tell, nil when none is due. It is
// the caller's for a minute: RecordReceipt must follow, else it is sent again with the same id.
func (p *Plane) ClaimNotice(ctx context.Context) (*platform.Notice, error) {
	var notice *platform.Notice
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		notice = nil
		now := p.now()
		next, err := tx.NextDelivery(ctx, now)
		if err != nil || next == nil {
			return err
		}
		d, err := stillDue(ctx, tx, *next, now)
		if err != nil || d == nil {
			return err
		}
		if notice, err = p.notice(ctx, tx, *d); err != nil {
			return err
		}
		d.State, d.DueAt = platform.DeliverySending, now.Add(sendLease)
		notice.Delivery = *d
		return tx.PutDelivery(ctx, *d)
	})
	return notice, err
}

// stillDue reads a delivery again under its channel's lock: another server may have taken it, or another one of the
// channel, a moment ago.
func stillDue(ctx context.Context, tx *store.Tx, found platform.Delivery, now time.Time) (*platform.Delivery, error) {
	unsent, err := tx.UnsentDeliveries(ctx, found.ChannelID)
	var due *platform.Delivery
	for _, d := range unsent {
		if d.State == platform.DeliverySending && d.DueAt.After(now) {
			return nil, err
		}
		if d.ID == found.ID && !d.DueAt.After(now) {
			due = &d
		}
	}
	return due, err
}

func (p *Plane) notice(ctx context.Context, tx *store.Tx, d platform.Delivery) (*platform.Notice, error) {
	c, err := tx.ChannelByID(ctx, d.ChannelID)
	if err != nil {
		return nil, err
	}
	n := &platform.Notice{Channel: c, Delivery: d, Severity: platform.SeverityInfo, APIURL: p.o.APIURL}
	sealed, err := tx.ChannelSecret(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if n.Secret, err = p.openSecret(c, sealed); err != nil {
		// One channel must not hold up the others: it fails as if its receiver did not answer.
		p.o.Log.Error("the secret of a channel does not open", "channel", c.ID, "error", err)
		n.Broken = "The channel's secret does not open: set it again, or bring the server's key back."
	}
	if n.Events, err = tx.EventsAt(ctx, d.Events[max(0, len(d.Events)-platform.MaxNoticeEvents):]); err != nil {
		return nil, err
	}
	for i, e := range n.Events {
		incident, err := incidentOf(ctx, tx, e)
		if err != nil {
			return nil, err
		}
		if s := platform.EventSeverity(e, incident); s.Rank() > n.Severity.Rank() {
			n.Severity = s
		}
		if i == 0 {
			n.Incident = incident
		} else if n.Incident != nil && (incident == nil || incident.ID != n.Incident.ID) {
			n.Incident = nil
			break
		}
	}
	if n.Incident == nil || d.Why.Digest() {
		n.Incident = nil
		return n, nil
	}
	if n.Diagnosis, err = tx.NewestDiagnosis(ctx, n.Incident.ID); err != nil {
		return nil, err
	}
	plans, err := tx.ListPlans(ctx, store.Scope{}, n.Incident.ID, "", platform.Page{})
	if err != nil {
		return nil, err
	}
	n.Plans = plans.Items
	n.Thread, err = tx.Thread(ctx, c.ID, n.Incident.ID)
	return n, err
}

func (p *Plane) openSecret(c platform.Channel, sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	return p.o.Sealer.Open(sealed, secretPlace(c.ID))
}

// RecordReceipt records how an attempt went, and what follows for the channel: one whose receiver wants nothing any
// more, or to which nothing arrived for three days, is disabled.
func (p *Plane) RecordReceipt(ctx context.Context, n platform.Notice, r platform.Receipt) error {
	r.Words = store.Clean(r.Words)
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		c, err := tx.LockChannel(ctx, n.Channel.ID)
		if err != nil {
			return err
		}
		d, err := tx.DeliveryByID(ctx, n.Delivery.ID)
		if err != nil || d.EndedAt != nil {
			return err // what was given up while it was on its way stays so
		}
		now := p.now()
		d = d.After(r, now)
		if err := tx.PutDelivery(ctx, d); err != nil {
			return err
		}
		if r.Thread != "" && n.Incident != nil {
			if err := tx.PutThread(ctx, c.ID, n.Incident.ID, r.Thread); err != nil {
				return err
			}
		}
		if d.State == platform.DeliveryFailed && d.Why != platform.DeliverTest {
			p.recordLost(tx, c, d)
		}
		return p.judge(ctx, tx, c, d, r)
	})
	if platform.CodeOf(err) == platform.CodeNotFound { // the channel was removed meanwhile
		return nil
	}
	return err
}

func (p *Plane) recordLost(tx *store.Tx, c platform.Channel, d platform.Delivery) {
	last := d.Attempts[len(d.Attempts)-1]
	p.record(tx, fact{
		kind: platform.EventNotificationFailed, actor: notifier, at: place{project: c.Project}, subject: string(c.ID),
		summary: fmt.Sprintf("A message about %s to the channel %s was given up after %s: %s", plural(len(d.Events), "event"), c.Name, plural(d.Tries, "attempt"),
			firstWords(last.Words)),
		payload: map[string]any{"delivery": d.ID, "events": d.Events, "tries": d.Tries, "status": last.Status},
	})
}

func firstWords(text string) string {
	if text = strings.TrimSpace(platform.Truncate(text, 200)); text == "" {
		return "no answer."
	}
	return text
}

// judge keeps since when nothing arrives and until when the receiver is left alone, and disables the channel when that
// is hopeless.
func (p *Plane) judge(ctx context.Context, tx *store.Tx, c platform.Channel, d platform.Delivery, r platform.Receipt) error {
	now := p.now()
	if d.Why == platform.DeliverTest && !r.OK && !r.Gone {
		return nil
	}
	if r.OK {
		if c.FailingSince == nil && c.PausedUntil == nil {
			return nil
		}
		c.FailingSince, c.PausedUntil = nil, nil
		return tx.UpdateChannel(ctx, c)
	}
	if c.FailingSince == nil {
		c.FailingSince = &now
	}
	if d.State == platform.DeliveryPending {
		// Others to the same receiver wait as well, but not for long: it may refuse this message only.
		until := now.Add(max(min(platform.Backoff(d.Tries, 0), longestPause), min(r.RetryAfter, maxAskedPause)))
		c.PausedUntil = &until
	}
	why := ""
	switch {
	case r.Gone:
		why = "Its receiver said that it is gone."
	case now.Sub(*c.FailingSince) >= platform.DisableAfter.D():
		why = fmt.Sprintf("Nothing arrived for %.0f hours.", platform.DisableAfter.D().Hours())
	}
	if why == "" || !c.Enabled {
		return tx.UpdateChannel(ctx, c)
	}
	c.Enabled, c.DisabledBecause = false, why
	p.recordChannel(tx, notifier, platform.EventChannelDisabled, c, fmt.Sprintf("The channel %s is disabled: %s", c.Name, why))
	return errors.Join(p.giveUpAll(ctx, tx, c, why), tx.UpdateChannel(ctx, c))
}

// giveUpAll ends what a channel was still to be told, with the reason in its log and one event about all of it.
func (p *Plane) giveUpAll(ctx context.Context, tx *store.Tx, c platform.Channel, why string) error {
	unsent, err := tx.UnsentDeliveries(ctx, c.ID)
	if err != nil {
		return err
	}
	now := p.now()
	messages, events := 0, 0
	for _, d := range unsent {
		if d.Why == platform.DeliverTest {
			continue
		}
		d.State, d.EndedAt = platform.DeliveryFailed, &now
		d.Attempts = append(d.Attempts, platform.DeliveryTry{At: now, Words: why})
		if err := tx.PutDelivery(ctx, d); err != nil {
			return err
		}
		messages, events = messages+1, events+len(d.Events)
	}
	if messages > 0 {
		p.record(tx, fact{
			kind: platform.EventNotificationFailed, actor: notifier, at: place{project: c.Project}, subject: string(c.ID),
			summary: fmt.Sprintf("%s about %s to the channel %s will not be sent: %s", plural(messages, "message"), plural(events, "event"), c.Name, why),
			payload: map[string]any{"deliveries": messages, "events": events},
		})
	}
	return nil
}

// ForgetDeliveries removes what ended more than thirty days ago from the delivery log.
func (p *Plane) ForgetDeliveries(ctx context.Context) error {
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.ForgetDeliveries(ctx, p.now().Add(-platform.DeliveryKept.D()))
		return err
	})
}

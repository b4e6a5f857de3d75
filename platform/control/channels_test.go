package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

var signingKey = strings.Repeat("s3cret-", 6)

func webhook(change ...func(*platform.CreateChannelRequest)) platform.CreateChannelRequest {
	none := platform.Duration(0)
	r := platform.CreateChannelRequest{
		Name: "ops", Project: "shop", Kind: platform.ChannelWebhook, URL: "https://hooks.example.org/T0/very-private", Secret: signingKey,
		Filter: platform.ChannelFilter{Kinds: []string{"incident.*"}}, Dedup: &none,
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// trouble is a shop with something live and a channel that hears of its incidents.
func trouble(t *testing.T, change ...func(*platform.CreateChannelRequest)) (*bench, platform.Channel) {
	t.Helper()
	b := shop(t)
	b.pushLive(1)
	c, err := b.CreateChannel(t.Context(), ada, webhook(change...))
	require.NoError(t, err)
	return b, c
}

func (b *bench) breaks(signal platform.Signal, change ...func(*platform.Finding)) platform.Incident {
	b.t.Helper()
	f := platform.Finding{SlotID: b.slot().ID, Signal: signal, Title: "it " + string(signal)}
	for _, c := range change {
		c(&f)
	}
	i, err := b.Report(b.t.Context(), f)
	require.NoError(b.t, err)
	return i
}

func (b *bench) claim() *platform.Notice {
	b.t.Helper()
	_, err := b.FillOutboxes(b.t.Context())
	require.NoError(b.t, err)
	n, err := b.ClaimNotice(b.t.Context())
	require.NoError(b.t, err)
	return n
}

func (b *bench) receipt(n *platform.Notice, r platform.Receipt) platform.Delivery {
	b.t.Helper()
	require.NoError(b.t, b.RecordReceipt(b.t.Context(), *n, r))
	for _, d := range b.deliveries(n.Channel.ID) {
		if d.ID == n.Delivery.ID {
			return d
		}
	}
	return platform.Delivery{}
}

func (b *bench) deliveries(id platform.ChannelID) []platform.Delivery {
	b.t.Helper()
	list, err := b.ListDeliveries(b.t.Context(), ada, id, platform.Page{Limit: platform.MaxPageLimit})
	require.NoError(b.t, err)
	return list.Items
}

func (b *bench) events(kind platform.EventKind) []platform.Event {
	b.t.Helper()
	list, err := b.ListEvents(b.t.Context(), ada, platform.EventFilter{Kinds: []platform.EventKind{kind}})
	require.NoError(b.t, err)
	return list.Items
}

func TestChannel_SecretIsSealedAndItsURLShownToAdminsOnly(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	require.True(t, c.HasSecret)
	require.NoError(t, b.store.View(t.Context(), func(tx *store.Tx) error {
		sealed, err := tx.ChannelSecret(t.Context(), c.ID)
		require.NotContains(t, sealed, signingKey)
		require.NotEmpty(t, sealed)
		_, elsewhere := b.o.Sealer.Open(sealed, secretPlace("chn_other"))
		require.Error(t, elsewhere, "it opens in its place only")
		return err
	}))
	for _, actor := range []platform.Actor{bob, vic, fixer, ci} {
		list, err := b.ListChannels(t.Context(), actor, "shop")
		require.NoError(t, err)
		require.Equal(t, "https://hooks.example.org/...", list[0].URL, actor.Name)
		one, err := b.GetChannel(t.Context(), actor, c.ID)
		require.NoError(t, err)
		require.Equal(t, list[0].URL, one.URL)
	}
	mine, err := b.GetChannel(t.Context(), ada, c.ID)
	require.NoError(t, err)
	require.Equal(t, "https://hooks.example.org/T0/very-private", mine.URL)
	for _, e := range b.events(platform.EventChannelCreated) {
		require.NotContains(t, string(e.Payload)+e.Summary, "very-private")
		require.NotContains(t, string(e.Payload)+e.Summary, signingKey)
	}
}

func TestChannel_OnlyAdminsChangeAndOnlyWithinTheirScope(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	ctx := t.Context()
	scoped := ada
	scoped.Projects = []string{"shop"}
	stranger := ada
	stranger.Projects = []string{"other"}
	for _, actor := range []platform.Actor{bob, vic, fixer} {
		_, err := b.CreateChannel(ctx, actor, webhook())
		code(t, platform.CodeDenied, err)
		_, err = b.UpdateChannel(ctx, actor, platform.UpdateChannelRequest{Channel: c.ID})
		code(t, platform.CodeDenied, err)
		_, err = b.TestChannel(ctx, actor, c.ID)
		code(t, platform.CodeDenied, err)
		code(t, platform.CodeDenied, b.DeleteChannel(ctx, actor, c.ID))
	}
	_, err := b.CreateChannel(ctx, scoped, webhook(func(r *platform.CreateChannelRequest) { r.Project, r.Name = "", "all" }))
	code(t, platform.CodeDenied, err, "limited to shop")
	whole, err := b.CreateChannel(ctx, ada, webhook(func(r *platform.CreateChannelRequest) { r.Project, r.Name = "", "all" }))
	require.NoError(t, err)
	list, err := b.ListChannels(ctx, scoped, "")
	require.NoError(t, err)
	require.Len(t, list, 1, "the installation's own is not seen by who sees one project")
	_, err = b.GetChannel(ctx, scoped, whole.ID)
	code(t, platform.CodeNotFound, err)
	code(t, platform.CodeNotFound, b.DeleteChannel(ctx, scoped, whole.ID))
	_, err = b.ListDeliveries(ctx, stranger, c.ID, platform.Page{})
	code(t, platform.CodeNotFound, err)
	require.NoError(t, b.DeleteChannel(ctx, scoped, c.ID))
	require.Len(t, b.events(platform.EventChannelRemoved), 1)
	_, err = b.CreateChannel(ctx, ada, webhook(func(r *platform.CreateChannelRequest) { r.Project, r.Name = "", "all" }))
	code(t, platform.CodeConflict, err, "already")
}

func TestChannel_ThatMustNotBeReachedIsRefused(t *testing.T) {
	t.Parallel()
	b := shop(t, func(o *Options) {
		o.Reach = func(_ context.Context, host string) error {
			return errors.New(host + " leads to 10.0.0.7, a private address")
		}
	})
	_, err := b.CreateChannel(t.Context(), ada, webhook())
	code(t, platform.CodeInvalid, err, "10.0.0.7", "--notify-allow")
	_, err = b.CreateChannel(t.Context(), ada, platform.CreateChannelRequest{Name: "chat", Kind: platform.ChannelSlack, SlackChannel: "#ops", Secret: "xoxb-1"})
	require.NoError(t, err, "Slack is where it is")
}

func TestOutbox_EachEventThatPassesIsOneMessageWhateverEndsInBetween(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	i := b.breaks(platform.SignalCrashLoop)
	b.breaks(platform.SignalOOM)
	for range 3 { // filling again finds nothing: the place in the log is kept with the messages
		_, err := b.FillOutboxes(t.Context())
		require.NoError(t, err)
	}
	again := benchOn(t, b.store) // another server after a kill -9
	_, err := again.FillOutboxes(t.Context())
	require.NoError(t, err)
	require.Len(t, b.deliveries(c.ID), 2)
	n := b.claim()
	require.Equal(t, i.ID, n.Incident.ID)
	require.Equal(t, signingKey, n.Secret)
	require.Equal(t, platform.EventIncidentOpened, n.Events[0].Kind)
	require.Equal(t, platform.SeverityCritical, n.Severity)
	require.Nil(t, b.claim(), "one message at a time goes to a channel")
	b.clock.Advance(2 * sendLease)
	lost := b.claim()
	require.Equal(t, n.Delivery.ID, lost.Delivery.ID, "what a dead server was sending is sent again under the same id")
	require.Equal(t, platform.DeliverySent, b.receipt(lost, platform.Receipt{OK: true, Status: 200}).State)
	second := b.claim()
	require.NotEqual(t, lost.Delivery.ID, second.Delivery.ID)
	b.receipt(second, platform.Receipt{OK: true})
	require.Nil(t, b.claim())
}

func TestOutbox_TheSameAgainIsCountedAndNeverLost(t *testing.T) {
	t.Parallel()
	b, c := trouble(t, func(r *platform.CreateChannelRequest) {
		window := platform.Duration(5 * time.Minute)
		r.Dedup = &window
	})
	i := b.breaks(platform.SignalCrashLoop)
	first := b.claim()
	b.receipt(first, platform.Receipt{OK: true})
	for range 3 {
		_, err := b.Diagnose(t.Context(), bob, i.ID) // each is an incident.merged of the same incident
		require.NoError(t, err)
	}
	once := b.claim()
	require.Len(t, once.Events, 3, "waiting together, they are one message")
	b.receipt(once, platform.Receipt{OK: true})
	_, err := b.Diagnose(t.Context(), bob, i.ID)
	require.NoError(t, err)
	_, err = b.Diagnose(t.Context(), bob, i.ID)
	require.NoError(t, err)
	require.Nil(t, b.claim(), "the window is open")
	b.clock.Advance(5 * time.Minute)
	later := b.claim()
	require.NotNil(t, later)
	require.Equal(t, platform.DeliverAgain, later.Delivery.Why)
	require.Len(t, later.Events, 2)
	require.Len(t, b.deliveries(c.ID), 3)
}

func TestOutbox_QuietHoursHoldADigestAndLetCriticalPass(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	now := b.clock.Now()
	_, err := b.UpdateChannel(t.Context(), ada, platform.UpdateChannelRequest{Channel: c.ID, Quiet: &platform.QuietHours{
		Zone: "UTC", From: now.Add(-time.Hour).Format("15:04"), To: now.Add(2 * time.Hour).Format("15:04"),
	}})
	require.NoError(t, err)
	rule := func(name string) func(*platform.Finding) {
		return func(f *platform.Finding) { f.Rule, f.Severity = name, platform.SeverityWarning }
	}
	b.breaks(platform.SignalAlert, rule("slow"))
	b.breaks(platform.SignalAlert, rule("full"))
	require.Nil(t, b.claim())
	b.breaks(platform.SignalOOM)
	urgent := b.claim()
	require.NotNil(t, urgent, "critical passes")
	require.Equal(t, platform.SeverityCritical, urgent.Severity)
	b.receipt(urgent, platform.Receipt{OK: true})
	b.clock.Advance(2 * time.Hour)
	digest := b.claim()
	require.NotNil(t, digest)
	require.Equal(t, platform.DeliverQuiet, digest.Delivery.Why)
	require.Len(t, digest.Events, 2, "what was held comes as one")
	require.Nil(t, digest.Incident)
}

func TestOutbox_WhatIsOverTheRateComesAsADigest(t *testing.T) {
	t.Parallel()
	b, c := trouble(t, func(r *platform.CreateChannelRequest) { r.PerMinute = 2 })
	i := b.breaks(platform.SignalCrashLoop)
	for range 9 {
		_, err := b.Diagnose(t.Context(), bob, i.ID)
		require.NoError(t, err)
	}
	sent := []int64{}
	for n := b.claim(); n != nil; n = b.claim() {
		require.False(t, n.Delivery.Why.Digest())
		sent = append(sent, n.Delivery.Events...)
		b.receipt(n, platform.Receipt{OK: true})
	}
	require.Len(t, sent, 2)
	b.clock.Advance(time.Minute)
	digest := b.claim()
	require.NotNil(t, digest)
	require.Equal(t, platform.DeliverExcess, digest.Delivery.Why)
	require.Len(t, append(sent, digest.Delivery.Events...), 10, "none is lost")
	require.Len(t, b.deliveries(c.ID), 3)
}

func TestReceipt_FailureIsTriedAgainAndAfterADayGivenUpAndTold(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	b.breaks(platform.SignalCrashLoop)
	tries := 0
	for range 200 {
		if n := b.claim(); n != nil {
			tries++
			d := b.receipt(n, platform.Receipt{Status: 503, Words: "503 Service Unavailable"})
			if d.State == platform.DeliveryFailed {
				require.Equal(t, 503, d.Attempts[len(d.Attempts)-1].Status)
				break
			}
			require.NotNil(t, d.Attempts[len(d.Attempts)-1].NextAt)
		}
		b.clock.Advance(15 * time.Minute)
	}
	require.Greater(t, tries, 20)
	failed := b.events(platform.EventNotificationFailed)
	require.Len(t, failed, 1)
	require.Contains(t, failed[0].Summary, "503 Service Unavailable")
	found, err := b.GetChannel(t.Context(), ada, c.ID)
	require.NoError(t, err)
	require.NotNil(t, found.FailingSince)
	require.True(t, found.Enabled)
	b.clock.Advance(49 * time.Hour)
	b.breaks(platform.SignalOOM)
	b.receipt(b.claim(), platform.Receipt{Words: "connection refused"})
	found, err = b.GetChannel(t.Context(), ada, c.ID)
	require.NoError(t, err)
	require.False(t, found.Enabled, "nothing arrived for three days")
	require.Contains(t, found.DisabledBecause, "72 hours")
	require.Len(t, b.events(platform.EventChannelDisabled), 1)
	require.Equal(t, platform.DeliveryFailed, b.deliveries(c.ID)[0].State)
}

func TestReceipt_OneWhoIsGoneDisablesAndOneWhoAsksIsLeftAlone(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	i := b.breaks(platform.SignalCrashLoop)
	d := b.receipt(b.claim(), platform.Receipt{Status: 429, RetryAfter: 10 * time.Minute})
	require.WithinDuration(t, b.clock.Now().Add(10*time.Minute), d.DueAt, 5*time.Second)
	_, err := b.Diagnose(t.Context(), bob, i.ID)
	require.NoError(t, err)
	b.clock.Advance(5 * time.Minute)
	require.Nil(t, b.claim(), "other messages wait as well")
	b.clock.Advance(6 * time.Minute)
	b.receipt(b.claim(), platform.Receipt{Status: 410, Gone: true, Words: "410 Gone"})
	found, err := b.GetChannel(t.Context(), ada, c.ID)
	require.NoError(t, err)
	require.False(t, found.Enabled)
	b.breaks(platform.SignalOOM)
	require.Nil(t, b.claim())
	yes := true
	_, err = b.UpdateChannel(t.Context(), ada, platform.UpdateChannelRequest{Channel: c.ID, Enabled: &yes})
	require.NoError(t, err)
	require.Nil(t, b.claim(), "it hears of what happens from now on")
	_, err = b.Diagnose(t.Context(), bob, i.ID)
	require.NoError(t, err)
	require.NotNil(t, b.claim())
}

func TestClaim_ChannelWhoseSecretDoesNotOpenHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b, _ := trouble(t)
	b.breaks(platform.SignalCrashLoop)
	other, err := secret.New([]byte(strings.Repeat("z", 32)))
	require.NoError(t, err)
	moved := benchOn(t, b.store, func(o *Options) { o.Sealer = other })
	second, err := moved.CreateChannel(t.Context(), ada, webhook(func(r *platform.CreateChannelRequest) { r.Name = "second" }))
	require.NoError(t, err)
	moved.breaks(platform.SignalOOM)
	lost := moved.claim()
	require.Contains(t, lost.Broken, "does not open")
	require.Empty(t, lost.Secret)
	well := moved.claim()
	require.Equal(t, second.ID, well.Channel.ID)
	require.Empty(t, well.Broken)
}

func TestTestChannel_IsTriedOnceNowAndAnswersWhatTheReceiverSaid(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	go func() {
		for t.Context().Err() == nil {
			if n, err := b.ClaimNotice(t.Context()); err == nil && n != nil {
				_ = b.RecordReceipt(t.Context(), *n, platform.Receipt{Status: 404, Words: "404 Not Found"})
				return
			}
		}
	}()
	d, err := b.TestChannel(t.Context(), ada, c.ID)
	require.NoError(t, err)
	require.Equal(t, platform.DeliveryFailed, d.State)
	require.Equal(t, 404, d.Attempts[0].Status)
	require.Len(t, b.events(platform.EventChannelTested), 1)
	require.Empty(t, b.events(platform.EventNotificationFailed))
}

func TestForgetDeliveries_KeepsAMonth(t *testing.T) {
	t.Parallel()
	b, c := trouble(t)
	b.breaks(platform.SignalCrashLoop)
	b.receipt(b.claim(), platform.Receipt{OK: true})
	require.NoError(t, b.ForgetDeliveries(t.Context()))
	require.Len(t, b.deliveries(c.ID), 1)
	b.clock.Advance(platform.DeliveryKept.D() + time.Hour)
	require.NoError(t, b.ForgetDeliveries(t.Context()))
	require.Empty(t, b.deliveries(c.ID))
}

func TestFillOutboxes_TwoServersAtOnceMakeEachMessageOnce(t *testing.T) {
	t.Parallel()
	b := benchOn(t, storetest.Open(t))
	_, err := b.CreateProject(t.Context(), ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
	require.NoError(t, err)
	b.pushLive(1)
	c, err := b.CreateChannel(t.Context(), ada, webhook())
	require.NoError(t, err)
	i := b.breaks(platform.SignalCrashLoop)
	for range 20 {
		_, err := b.Diagnose(t.Context(), bob, i.ID)
		require.NoError(t, err)
	}
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			_, err := b.FillOutboxes(t.Context())
			ended <- err
		}()
	}
	for range cap(ended) {
		require.NoError(t, <-ended)
	}
	seen := map[int64]int{}
	for _, d := range b.deliveries(c.ID) {
		for _, seq := range d.Events {
			seen[seq]++
		}
	}
	require.Len(t, seen, 21)
	for seq, n := range seen {
		require.Equal(t, 1, n, "event %d", seq)
	}
}

package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// told is an alert of api as a source would send it.
func told(name string, change ...func(*platform.ReceivedAlert)) platform.ReceivedAlert {
	a := platform.ReceivedAlert{Fingerprint: "fp-" + name, Name: name, Severity: "warning", Labels: map[string]string{"alertname": name, "service": "api"}}
	for _, c := range change {
		c(&a)
	}
	return a
}

func labelled(service string) func(*platform.ReceivedAlert) {
	return func(a *platform.ReceivedAlert) {
		a.Labels["service"] = service
		a.Fingerprint += service
	}
}

func isOver(a *platform.ReceivedAlert) { a.Resolved = true }

func (b *bench) receive(alerts ...platform.ReceivedAlert) []platform.InboundAlert {
	b.t.Helper()
	out, err := b.ReceiveAlerts(b.t.Context(), ci, platform.ReceiveAlertsRequest{Project: "shop", Source: platform.InboundAlertmanager, Alerts: alerts})
	require.NoError(b.t, err)
	require.Len(b.t, out, len(alerts))
	return out
}

func (b *bench) openIncidents() []platform.Incident {
	b.t.Helper()
	l, err := b.ListIncidents(b.t.Context(), ada, platform.IncidentFilter{State: platform.IncidentOpen})
	require.NoError(b.t, err)
	return l.Items
}

func TestInbound_APageOpensAnIncidentOnceAndEndsItWhenItIsOver(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	first := b.receive(told("HighErrorRate"))[0]
	require.Equal(t, platform.InboundPage, first.Decision)
	open := b.openIncidents()
	require.Len(t, open, 1)
	require.Equal(t, open[0].ID, first.IncidentID)
	require.Equal(t, platform.SignalAlert, open[0].Signal)
	require.Equal(t, "alertmanager-high-error-rate", open[0].Rule)
	require.NoError(t, platform.CheckName("rule", open[0].Rule))
	require.Equal(t, "api", open[0].Service)

	again := b.receive(told("HighErrorRate"))[0]
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, 2, again.Count)
	require.Equal(t, 1, b.openIncidents()[0].Count, "the same notification again changes nothing")
	require.Len(t, b.events(platform.EventAlertPaged), 1)

	over := b.receive(told("HighErrorRate", isOver))[0]
	require.Equal(t, platform.InboundResolved, over.State)
	require.NotNil(t, over.ResolvedAt)
	require.Empty(t, b.openIncidents())
	require.Len(t, b.events(platform.EventAlertResolved), 1)
	b.receive(told("HighErrorRate", isOver))
	require.Len(t, b.events(platform.EventAlertResolved), 1, "over is over")
}

func TestInbound_WhatIsSuppressedIsListedWithItsReason(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	got := b.receive(told("MonthlyCostBudget", func(a *platform.ReceivedAlert) { a.Severity = "critical" }))[0]
	require.Equal(t, platform.InboundSuppress, got.Decision)
	require.Empty(t, b.openIncidents())
	l, err := b.ListInboundAlerts(t.Context(), vic, platform.InboundFilter{SlotRef: api, Decision: platform.InboundSuppress})
	require.NoError(t, err)
	require.Len(t, l.Items, 1)
	require.Contains(t, l.Items[0].Reason, "cost")
	require.Equal(t, []string{string(got.ID)}, l.Items[0].Evidence[:1])
	require.Len(t, b.events(platform.EventAlertSuppressed), 1)
	l, err = b.ListInboundAlerts(t.Context(), vic, platform.InboundFilter{Decision: platform.InboundPage})
	require.NoError(t, err)
	require.Empty(t, l.Items)
}

func TestInbound_TwoAlertsOfOneCauseOpenOneIncident(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	got := b.receive(told("HighErrorRate"), told("HighLatency"))
	require.Equal(t, platform.InboundPage, got[0].Decision)
	require.Equal(t, platform.InboundSuppress, got[1].Decision)
	require.Equal(t, string(got[0].ID), got[1].DuplicateOf)
	require.Len(t, b.openIncidents(), 1)
	later := b.receive(told("ServiceDown"))[0]
	require.Equal(t, platform.InboundSuppress, later.Decision)
	require.Equal(t, string(got[0].IncidentID), later.DuplicateOf, "the open incident is about it already")
}

func TestInbound_ASymptomOfADependencyIsSeenByTheLiveMapAndPagesOnceThatIsOver(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	set, err := b.SetEnv(t.Context(), bob, platform.SetEnvRequest{SlotRef: api, Set: []platform.Variable{{Key: "FEATURES_URL", Value: "http://features:9000"}}})
	require.NoError(t, err)
	b.live(*set.Deploy)
	origin := b.receive(told("InstanceDown", labelled("features")))[0]
	require.Equal(t, platform.InboundPage, origin.Decision)
	symptom := b.receive(told("HighErrorRate"))[0]
	require.Equal(t, platform.InboundSuppress, symptom.Decision, symptom.Reason)
	require.Equal(t, "symptom", symptom.Kind)
	require.Equal(t, string(origin.IncidentID), symptom.DuplicateOf)
	require.Contains(t, symptom.Reason, "api depends on features")
	require.Len(t, b.openIncidents(), 1)

	b.clock.Advance(time.Minute)
	b.receive(told("InstanceDown", labelled("features"), isOver))
	require.NoError(t, b.ReviewAlerts(t.Context()))
	open := b.openIncidents()
	require.Len(t, open, 1, "what a dependency explained is no symptom of it any more")
	require.Equal(t, "api", open[0].Service)
}

func TestInbound_WhatDependsOnNothingThatFailsPages(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	require.Equal(t, platform.InboundPage, b.receive(told("InstanceDown"))[0].Decision)
	other := b.receive(told("HighErrorRate", labelled("features")))[0]
	require.Equal(t, platform.InboundPage, other.Decision, "features does not depend on api: %s", other.Reason)
}

func TestInbound_AQuietOneIsJudgedAgainWhenItsIncidentIsGone(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	got := b.receive(told("HighErrorRate"), told("HighLatency"))
	require.Equal(t, platform.InboundSuppress, got[1].Decision)
	b.receive(told("HighErrorRate", isOver))
	require.Empty(t, b.openIncidents())
	require.NoError(t, b.ReviewAlerts(t.Context()))
	open := b.openIncidents()
	require.Len(t, open, 1)
	require.Equal(t, "alertmanager-high-latency", open[0].Rule)
	require.NoError(t, b.ReviewAlerts(t.Context()))
	require.Equal(t, 1, b.openIncidents()[0].Count)
}

func TestInbound_FlappingIsSuppressedByItsHistoryAndPagesOnceItStays(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	b.clock.Advance(time.Hour) // the rollouts are over
	var last platform.InboundAlert
	for range 9 {
		last = b.receive(told("ProbeFailed"))[0]
		b.clock.Advance(20 * time.Second)
		b.receive(told("ProbeFailed", isOver))
		b.clock.Advance(2 * time.Minute)
	}
	require.Equal(t, platform.InboundSuppress, last.Decision, last.Reason)
	require.Equal(t, "flapping", last.Kind)
	require.Len(t, last.Firings, 9)
	require.Equal(t, platform.InboundSuppress, b.receive(told("ProbeFailed"))[0].Decision)
	b.clock.Advance(6 * time.Minute)
	require.NoError(t, b.ReviewAlerts(t.Context()))
	require.Len(t, b.openIncidents(), 1, "it stays now, and nothing excuses it")
}

func TestInbound_AnAlertOfNoServiceOfOursIsKeptAndNamesTheNearest(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	got := b.receive(told("HighErrorRate", labelled("apii")))[0]
	require.Equal(t, platform.InboundPage, got.Decision)
	require.Equal(t, "unrouted", got.Kind)
	require.Contains(t, got.Reason, `did it mean "api"?`)
	require.Empty(t, got.Service)
	require.Empty(t, b.openIncidents())
	l, err := b.ListInboundAlerts(t.Context(), ada, platform.InboundFilter{})
	require.NoError(t, err)
	require.Len(t, l.Items, 1)

	named, err := b.ReceiveAlerts(t.Context(), ci, platform.ReceiveAlertsRequest{
		Project: "shop", Service: "api", Source: platform.InboundGrafana, Alerts: []platform.ReceivedAlert{{Name: "Anything"}},
	})
	require.NoError(t, err)
	require.Equal(t, "api", named[0].Service, "the address of the webhook names it")
}

func TestInbound_ASilenceKeepsAPageQuietAndItIsSaid(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	_, err := b.CreateSilence(t.Context(), ada, platform.CreateSilenceRequest{SlotRef: api, Reason: "the database moves", For: platform.Duration(time.Hour)})
	require.NoError(t, err)
	got := b.receive(told("HighErrorRate"))[0]
	require.Equal(t, platform.InboundSuppress, got.Decision)
	require.Equal(t, "silenced", got.Kind)
	require.Empty(t, b.openIncidents())
	b.clock.Advance(61 * time.Minute)
	require.NoError(t, b.ReviewAlerts(t.Context()))
	require.Len(t, b.openIncidents(), 1)
}

func TestInbound_BadNotificationsNameTheFieldAndChangeNothing(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	before := b.kinds()
	for name, req := range map[string]platform.ReceiveAlertsRequest{
		"source": {Project: "shop", Source: "carrier-pigeon", Alerts: []platform.ReceivedAlert{told("X")}},
		"none":   {Project: "shop", Source: platform.InboundGeneric},
		"nobody": {Project: "shop", Source: platform.InboundGeneric, Alerts: []platform.ReceivedAlert{{}}},
	} {
		_, err := b.ReceiveAlerts(t.Context(), ci, req)
		code(t, platform.CodeInvalid, err)
		var e *platform.Error
		require.ErrorAs(t, err, &e, name)
		require.NotEmpty(t, e.Field)
		require.NotEmpty(t, e.Hint)
	}
	_, err := b.ReceiveAlerts(t.Context(), fixer, platform.ReceiveAlertsRequest{Project: "shop", Source: platform.InboundGeneric, Alerts: []platform.ReceivedAlert{told("X")}})
	code(t, platform.CodeDenied, err)
	require.Equal(t, before, b.kinds())
}

func TestInbound_SecretsAndControlCharactersAreNotKept(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	got := b.receive(told("HighErrorRate", func(a *platform.ReceivedAlert) {
		a.Summary = "login with postgres://u:hunter2secret@db/x\x00 fails"
	}))[0]
	require.NotContains(t, got.Summary, "hunter2secret")
	require.NotContains(t, got.Summary, "\x00")
	require.NotContains(t, b.openIncidents()[0].Title, "hunter2secret")
}

func TestInboundRule_IsADNSLabelWhateverTheName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"HighErrorRate": "grafana-high-error-rate", "API p99 > 1s!": "grafana-api-p99-1s", "": "grafana", "дым": "grafana",
		"KubePodCrashLooping_2": "grafana-kube-pod-crash-looping-2",
	} {
		rule := platform.InboundAlert{Source: platform.InboundGrafana, Name: name}.Rule()
		require.Equal(t, want, rule)
		require.NoError(t, platform.CheckName("rule", rule))
	}
}

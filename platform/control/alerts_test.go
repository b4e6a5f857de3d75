package control

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func (b *bench) alerted(rule string, change ...func(*platform.Finding)) platform.Incident {
	b.t.Helper()
	f := platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalAlert, Rule: rule, Severity: platform.SeverityWarning, Title: "api: " + rule}
	for _, c := range change {
		c(&f)
	}
	i, err := b.Report(b.t.Context(), f)
	require.NoError(b.t, err)
	return i
}

func over(f *platform.Finding) { f.Resolved = true }

func TestAlerts_EachRuleIsAnIncidentOfItsOwn(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	memory, cpu := b.alerted("memory-near-limit"), b.alerted("cpu-throttled")
	require.NotEqual(t, memory.ID, cpu.ID)
	require.Equal(t, memory.ID, b.alerted("memory-near-limit").ID, "it merges")
	require.Equal(t, memory.ID, b.alerted("memory-near-limit", func(f *platform.Finding) { f.ReleaseID = b.slot().LiveReleaseID }).ID, "over releases too")
	require.Equal(t, memory.ID, b.alerted("memory-near-limit", over).ID)
	alerts, err := b.ListAlerts(t.Context(), ada, api)
	require.NoError(t, err)
	require.Len(t, alerts, len(platform.DefaultAlerts(platform.KindWeb)))
	require.Equal(t, "cpu-throttled", alerts[0].Rule.Name, "what fires comes first")
	require.Equal(t, platform.AlertFiring, alerts[0].State)
	require.Equal(t, cpu.ID, alerts[0].IncidentID)
	for _, a := range alerts[1:] {
		require.Equal(t, platform.AlertQuiet, a.State)
	}
}

func TestSilence_KeepsWhatItCoversQuietAndCountsIt(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	s, err := b.CreateSilence(ctx, ada, platform.CreateSilenceRequest{SlotRef: api, Rule: "cpu-throttled", Reason: "batch scoring", For: platform.Duration(time.Hour)})
	require.NoError(t, err)
	require.Empty(t, b.alerted("cpu-throttled").ID)
	require.Empty(t, b.alerted("cpu-throttled").ID)
	require.NotEmpty(t, b.alerted("memory-near-limit").ID, "another rule is not covered")
	all, err := b.ListSilences(ctx, ada, "shop")
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, 2, all[0].Kept)
	require.NotNil(t, all[0].LastKeptAt)

	require.NoError(t, b.EndSilence(ctx, ada, s.ID))
	require.NoError(t, b.EndSilence(ctx, ada, s.ID), "again is no error")
	require.NotEmpty(t, b.alerted("cpu-throttled").ID)
	all, err = b.ListSilences(ctx, ada, "shop")
	require.NoError(t, err)
	require.Empty(t, all)
	require.Contains(t, b.kinds(), platform.EventSilenceCreated)
	require.Contains(t, b.kinds(), platform.EventSilenceEnded)
}

func TestSilence_OfAProjectNeverHidesAFailedDeploy(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	_, err := b.CreateSilence(t.Context(), ada, platform.CreateSilenceRequest{SlotRef: platform.SlotRef{Project: "shop"}, Reason: "the database moves", For: platform.Duration(time.Hour)})
	require.NoError(t, err)
	quiet, err := b.Report(t.Context(), b.finding())
	require.NoError(t, err)
	require.Empty(t, quiet.ID)
	told, err := b.Report(t.Context(), b.finding(func(f *platform.Finding) { f.Signal = platform.SignalDeployFailed }))
	require.NoError(t, err)
	require.NotEmpty(t, told.ID)
}

func TestSilence_DoesNotHideWhatIsOpenAlreadyAndEndsByItself(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	open := b.alerted("cpu-throttled")
	_, err := b.CreateSilence(t.Context(), ada, platform.CreateSilenceRequest{SlotRef: api, Reason: "looking into it", For: platform.Duration(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, open.ID, b.alerted("cpu-throttled").ID)
	require.Equal(t, platform.IncidentResolved, b.alerted("cpu-throttled", over).State)
	require.Empty(t, b.alerted("cpu-throttled").ID)
	b.clock.Advance(time.Hour)
	require.NotEmpty(t, b.alerted("cpu-throttled").ID)
}

func TestSilence_BadRequestsNameTheFieldAndChangeNothing(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	before := b.kinds()
	for field, req := range map[string]platform.CreateSilenceRequest{
		"for":     {SlotRef: api, Reason: "x"},
		"reason":  {SlotRef: api, For: platform.DefaultFor},
		"rule":    {SlotRef: api, Reason: "x", For: platform.DefaultFor, Rule: "Not A Rule"},
		"service": {SlotRef: platform.SlotRef{Project: "shop", Service: "apu"}, Reason: "x", For: platform.DefaultFor},
	} {
		_, err := b.CreateSilence(t.Context(), ada, req)
		require.Error(t, err, field)
		var e *platform.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, field, e.Field)
	}
	require.Equal(t, before, b.kinds())
	code(t, platform.CodeNotFound, b.EndSilence(t.Context(), ada, "sil_none"))
}

// refusing is a metric store that takes no expression.
type refusing struct{ asked []observability.MetricQuery }

func (r *refusing) Query(_ context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	r.asked = append(r.asked, q)
	if !strings.Contains(q.Expr, "good") {
		return nil, platform.Errorf(platform.CodeInvalid, "The metric expression does not parse.")
	}
	return nil, nil
}

func TestBlueprint_AlertRuleThatCannotBeEvaluatedIsRefusedAndOthersHoldWithoutADeploy(t *testing.T) {
	t.Parallel()
	metrics := &refusing{}
	b := shop(t, func(o *Options) { o.Metrics = metrics })
	b.pushLive(1)
	push := func(n int, expr string) (platform.PushResult, error) {
		text := strings.Replace(shopBlueprint, "    env: {LOG_LEVEL: info}\n",
			"    env: {LOG_LEVEL: info}\n    alerts:\n      - name: mine\n        expr: "+expr+"\n      - name: cpu-throttled\n        off: true\n", 1)
		return b.RecordPush(t.Context(), bob, platform.Push{
			Project: "shop", Branch: "main", New: sha(n), Old: sha(1), Blueprint: text,
			Commits: []platform.Commit{{SHA: sha(n), Parent: sha(1), Branch: "main", Author: "Ada <ada@example.com>", Message: "rules", At: time.Now()}},
			Trees:   map[string]string{"api": "api-1", "features": "features-1"},
		})
	}
	result, err := push(2, "bad(")
	require.NoError(t, err, "the commits are kept")
	require.Contains(t, strings.Join(result.Notes, " "), "The alert rule mine of api cannot be used: The metric expression does not parse.")
	slots, err := b.ListRuledSlots(t.Context())
	require.NoError(t, err)
	require.Equal(t, platform.DefaultAlerts(platform.KindWeb), slots[0].Rules, "nothing of it is applied")
	result, err = push(3, "good > 1")
	require.NoError(t, err)
	require.Empty(t, result.Deploys, "rules take effect without a deploy")
	require.Equal(t, "api", metrics.asked[len(metrics.asked)-1].Service, "an expression sees its own service")
	slots, err = b.ListRuledSlots(t.Context())
	require.NoError(t, err)
	var names []string
	for _, rule := range slots[0].Rules {
		names = append(names, rule.Name)
	}
	require.Equal(t, []string{"mine", "memory-near-limit", "error-log-surge", "disk-fills", "latency-regression"}, names)
}

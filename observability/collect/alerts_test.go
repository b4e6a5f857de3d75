package collect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// ruledBench is a slot with rules, and the real stores that they are measured in.
type ruledBench struct {
	*bench
	rules   []platform.AlertRule
	metrics *embedded.Metrics
	logs    observability.Logs
	alerts  *collect.Alerts
}

func (b *ruledBench) ListRuledSlots(context.Context) ([]platform.RuledSlot, error) {
	return []platform.RuledSlot{{Slot: b.slot, Rules: b.rules}}, nil
}

func newRuled(t *testing.T, rules ...platform.AlertRule) *ruledBench {
	t.Helper()
	routes, _, metrics := newBench(t)
	b := &ruledBench{bench: routes, rules: rules, metrics: metrics, logs: &observabilitytest.MemoryLogs{}}
	b.alerts = &collect.Alerts{Slots: b, Logs: b.logs, Metrics: metrics, Reporter: b, Log: discard}
	return b
}

func (b *ruledBench) sample(t *testing.T, service string, at time.Time, value float64) {
	t.Helper()
	require.NoError(t, b.metrics.Append(t.Context(), []observability.Sample{{
		Name: "heat", At: at, Value: value, Labels: map[string]string{"project": "shop", "environment": "production", "service": service},
	}}))
}

var hot = platform.AlertRule{Name: "hot", Expr: "heat > 90", For: platform.Duration(time.Minute), Severity: platform.SeverityCritical, Summary: "it is too hot"}

func TestAlerts_RuleOfOneServiceOpensAfterItsTimeAndEndsAfterIt(t *testing.T) {
	t.Parallel()
	b := newRuled(t, hot)
	now := time.Now().Add(-20 * time.Minute).Truncate(time.Second)
	look := func(heat float64) {
		b.sample(t, "api", now, heat)
		b.sample(t, "features", now, 99) // another service's heat is nothing to this rule
		require.NoError(t, b.alerts.Look(t.Context(), now))
		now = now.Add(30 * time.Second)
	}
	look(20)
	look(95)
	look(95)
	require.Empty(t, b.findings)
	look(97)
	require.Len(t, b.findings, 1)
	f := b.findings[0]
	require.Equal(t, platform.SignalAlert, f.Signal)
	require.Equal(t, "hot", f.Rule)
	require.Equal(t, platform.SeverityCritical, f.Severity)
	require.Equal(t, "api: it is too hot (measured 97)", f.Title)
	look(95)
	require.Len(t, b.findings, 1, "it is not repeated within a minute")
	look(50)
	look(50)
	require.Len(t, b.findings, 1)
	look(50)
	require.Len(t, b.findings, 2)
	require.True(t, b.findings[1].Resolved)
	look(50)
	require.Len(t, b.findings, 2, "that it is over is told once")
}

func TestAlerts_NoDataIsNeitherGoodNorBadForAStoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	b := newRuled(t, hot)
	now := time.Now().Add(-20 * time.Minute).Truncate(time.Second)
	for range 4 {
		b.sample(t, "api", now, 95)
		require.NoError(t, b.alerts.Look(t.Context(), now))
		now = now.Add(30 * time.Second)
	}
	require.Len(t, b.findings, 1)
	b.alerts.Metrics = broken{}
	for range 10 {
		require.NoError(t, b.alerts.Look(t.Context(), now))
		now = now.Add(30 * time.Second)
	}
	require.Len(t, b.findings, 1, "what cannot be read has not ended")
}

type broken struct{}

func (broken) Query(context.Context, observability.MetricQuery) ([]observability.Series, error) {
	return nil, errors.New("away")
}

func TestAlerts_LinesAreCountedAndComparedWithTheUsual(t *testing.T) {
	t.Parallel()
	rule := platform.AlertRule{Name: "surge", For: 0, Severity: platform.SeverityWarning, Logs: &platform.LogAlert{
		Level: "error", Text: "declined", Window: platform.Duration(time.Minute), Count: 10, Factor: 5,
	}}
	b := newRuled(t, rule)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	say := func(from time.Time, n int, level observability.Level, text string) {
		var lines []observability.Line
		for i := range n {
			lines = append(lines, observability.Line{
				At: from.Add(time.Duration(i) * time.Second), Project: "shop", Environment: "production", Service: "api",
				Source: observability.SourceRuntime, Level: level, Message: text, Seq: uint64(i), Instance: instanceOf(level),
			})
		}
		require.NoError(t, b.logs.Append(t.Context(), lines))
	}
	for minute := range 12 { // four a minute are usual
		say(start.Add(time.Duration(minute)*time.Minute), 4, observability.LevelError, "card declined")
	}
	now := start.Add(13 * time.Minute)
	say(now.Add(-time.Minute), 19, observability.LevelError, "card declined")
	say(now.Add(-time.Minute), 50, observability.LevelInfo, "card declined")
	require.NoError(t, b.alerts.Look(t.Context(), now))
	require.Empty(t, b.findings, "19 are not five times four, and lines of a lesser level do not count")
	say(now.Add(-30*time.Second), 2, observability.LevelFatal, "card declined")
	require.NoError(t, b.alerts.Look(t.Context(), now))
	require.Len(t, b.findings, 1)
	require.Equal(t, "api: surge (21 lines in 1m0s, usually 4)", b.findings[0].Title)
}

func instanceOf(l observability.Level) string { return "ins_" + string(l) }

func TestAlerts_FindingThatCannotBeReportedIsReportedAtTheNextLook(t *testing.T) {
	t.Parallel()
	b := newRuled(t, platform.AlertRule{Name: "hot", Expr: "heat > 90", Severity: platform.SeverityWarning})
	now := time.Now().Add(-20 * time.Minute).Truncate(time.Second)
	b.sample(t, "api", now, 95)
	b.refuse = errors.New("away")
	require.NoError(t, b.alerts.Look(t.Context(), now))
	b.refuse = nil
	require.NoError(t, b.alerts.Look(t.Context(), now.Add(time.Second)))
	require.Len(t, b.findings, 1)
}

package detect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
)

var alertRule = platform.AlertRule{Name: "slow", Summary: "requests are slow", For: platform.Duration(2 * time.Minute), Severity: platform.SeverityWarning}

func TestAlert_FiresOnceItHasHeldForItsTimeAndNotBefore(t *testing.T) {
	t.Parallel()
	m, now := detect.AlertMemory{}, time.Unix(1_800_000_000, 0)
	for range 8 {
		m = m.Look(alertRule, detect.Reading{Holds: true, Value: 3}, now)
		require.False(t, m.Firing)
		now = now.Add(15 * time.Second)
	}
	m = m.Look(alertRule, detect.Reading{Holds: true, Value: 3}, now)
	require.True(t, m.Firing)
	require.Equal(t, now.Add(-2*time.Minute), m.Since, "the onset is when it began to hold")
}

func TestAlert_OneLookThatDoesNotHoldBeginsTheTimeAnew(t *testing.T) {
	t.Parallel()
	m, now := detect.AlertMemory{}, time.Unix(1_800_000_000, 0)
	m = m.Look(alertRule, detect.Reading{Holds: true}, now)
	m = m.Look(alertRule, detect.Reading{}, now.Add(time.Minute))
	m = m.Look(alertRule, detect.Reading{Holds: true}, now.Add(2*time.Minute))
	require.False(t, m.Firing)
}

func TestAlert_FlappingStaysOneIncident(t *testing.T) {
	t.Parallel()
	m, now := detect.AlertMemory{}, time.Unix(1_800_000_000, 0)
	m = m.Look(alertRule, detect.Reading{Holds: true}, now)
	m = m.Look(alertRule, detect.Reading{Holds: true}, now.Add(2*time.Minute))
	for i := range 20 {
		m = m.Look(alertRule, detect.Reading{Holds: i%2 == 1}, now.Add(2*time.Minute+time.Duration(i)*time.Minute))
		require.True(t, m.Firing)
	}
	over := now.Add(time.Hour)
	m = m.Look(alertRule, detect.Reading{}, over)
	require.True(t, m.Firing)
	m = m.Look(alertRule, detect.Reading{}, over.Add(2*time.Minute))
	require.False(t, m.Firing)
	require.True(t, m.Settled(alertRule, over.Add(2*time.Minute)))
}

// TestAlert_IsNeverOnBeforeItsTimeNorOffBeforeIt draws readings at any distance.
func TestAlert_IsNeverOnBeforeItsTimeNorOffBeforeIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := platform.AlertRule{Name: "r", For: platform.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "for"))}
		m, now := detect.AlertMemory{}, time.Unix(1_800_000_000, 0)
		var held, over time.Duration // without a break, so far
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			step := time.Duration(rapid.Int64Range(1, int64(3*time.Minute)).Draw(t, "step"))
			now = now.Add(step)
			was, holds := m, rapid.Bool().Draw(t, "holds")
			m = m.Look(rule, detect.Reading{Holds: holds}, now)
			if holds {
				if was.Since.IsZero() {
					held = 0
				} else {
					held += step
				}
				over = 0
			} else {
				if was.Over.IsZero() {
					over = 0
				} else {
					over += step
				}
			}
			if m.Firing && !was.Firing {
				require.GreaterOrEqual(t, held, rule.For.D())
			}
			if was.Firing && !m.Firing {
				require.GreaterOrEqual(t, over, max(rule.For.D(), time.Minute))
			}
		}
	})
}

func TestLines_NeedTheCountAndWhereAskedForManyTimesTheUsual(t *testing.T) {
	t.Parallel()
	plain := platform.LogAlert{Count: 20}
	require.True(t, detect.Lines(plain, 20, 500).Holds)
	require.False(t, detect.Lines(plain, 19, 0).Holds)
	surge := platform.LogAlert{Count: 20, Factor: 10}
	require.False(t, detect.Lines(surge, 100, 11).Holds, "a service that always logs as many is not surging")
	require.True(t, detect.Lines(surge, 110, 11).Holds)
	require.True(t, detect.Lines(surge, 20, 0).Holds, "a quiet service that begins to log errors is")
}

func TestAlertFinding_SaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	slot, now := platform.Slot{ID: "slot_1", Service: "api"}, time.Unix(1_800_000_000, 0)
	f := detect.AlertFinding(slot, alertRule, detect.AlertMemory{Since: now.Add(-time.Minute)}, detect.Reading{Holds: true, Value: 2.34567}, now)
	require.Equal(t, "api: requests are slow (measured 2.35)", f.Title)
	require.Equal(t, now.Add(-time.Minute), f.OnsetAt)
	rule := platform.AlertRule{Name: "declined", Logs: &platform.LogAlert{Window: platform.Duration(5 * time.Minute), Factor: 10}}
	f = detect.AlertFinding(slot, rule, detect.AlertMemory{}, detect.Reading{Holds: true, Value: 120, Usual: 3.5}, now)
	require.Equal(t, "api: declined (120 lines in 5m0s, usually 3.5)", f.Title)
}

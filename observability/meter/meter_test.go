package meter_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
)

// value returns the one sample of that name and label.
func value(t *testing.T, m *meter.Meter, name, label, of string) float64 {
	t.Helper()
	samples, err := m.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	var found []observability.Sample
	for _, s := range samples {
		if s.Name == name && s.Labels[label] == of {
			found = append(found, s)
		}
	}
	require.Len(t, found, 1, "%s{%s=%q}", name, label, of)
	return found[0].Value
}

func TestMeter_CountsBySeriesFromManyGoroutines(t *testing.T) {
	t.Parallel()
	m := meter.New()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				m.Add("calls_total", 1, "tool", "logs")
				m.Add("calls_total", 2, "tool", "deploy")
				m.Observe("took_seconds", 30*time.Millisecond, "tool", "logs")
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 4000, value(t, m, "calls_total", "tool", "logs"))
	require.EqualValues(t, 8000, value(t, m, "calls_total", "tool", "deploy"))
	require.EqualValues(t, 4000, value(t, m, "took_seconds_count", "tool", "logs"))
	require.InDelta(t, 120, value(t, m, "took_seconds_sum", "tool", "logs"), 0.001)
}

func TestMeter_BucketsAreCumulativeAndABoundBelongsToItsBucket(t *testing.T) {
	t.Parallel()
	m := meter.New()
	for _, took := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 5 * time.Minute, time.Hour} {
		m.Observe("took_seconds", took)
	}
	require.EqualValues(t, 2, value(t, m, "took_seconds_bucket", "le", "0.001"))
	require.EqualValues(t, 3, value(t, m, "took_seconds_bucket", "le", "0.0025"))
	require.EqualValues(t, 3, value(t, m, "took_seconds_bucket", "le", "60"))
	require.EqualValues(t, 4, value(t, m, "took_seconds_bucket", "le", "300"))
	require.EqualValues(t, 5, value(t, m, "took_seconds_bucket", "le", "+Inf"))
}

func TestMeter_KeepsABoundedNumberOfSeriesAndANilOneNone(t *testing.T) {
	t.Parallel()
	var none *meter.Meter
	none.Add("calls_total", 1)
	none.Observe("took_seconds", time.Second)
	samples, err := none.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	require.Empty(t, samples)

	m := meter.New()
	for i := range 30_000 {
		m.Add("calls_total", 1, "tool", strconv.Itoa(i))
	}
	samples, err = m.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	require.Len(t, samples, 20_000)
}

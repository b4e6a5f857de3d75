package collect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/spool"
)

// TestSpools_TellWhatWaitsAndWhatBecameOfTheRest: "Fairlead on Fairlead", the spool's own figures, over a real spool.
func TestSpools_TellWhatWaitsAndWhatBecameOfTheRest(t *testing.T) {
	t.Parallel()
	receiver := &observabilitytest.MemoryLogs{}
	receiver.Fail(errors.New("away"))
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), Target: receiver, MinFreeBytes: 1})
	require.NoError(t, err)
	source := collect.Spools(func() map[string]spool.Stats { return map[string]spool.Stats{"siem": s.Stats()} })
	figures := func() map[string]float64 {
		samples, err := source(t.Context(), time.Now())
		require.NoError(t, err)
		found := map[string]float64{}
		for _, sample := range samples {
			require.Equal(t, "siem", sample.Labels["receiver"])
			_, described := observability.Describe(sample.Name)
			require.True(t, described, sample.Name)
			found[sample.Name+sample.Labels["level"]] = sample.Value
		}
		return found
	}
	now := time.Now()
	require.NoError(t, s.Append(t.Context(), []observability.Line{
		{At: now, Project: "shop", Source: "runtime", Message: "one"}, {At: now, Project: "shop", Source: "runtime", Message: "two", Seq: 1},
	}))
	f := figures()
	require.EqualValues(t, 2, f[observability.MetricSpoolLines])
	require.Positive(t, f[observability.MetricSpoolBytes])
	require.Zero(t, f[observability.MetricSpoolSent])
	require.Contains(t, f, observability.MetricSpoolDropped+"debug")

	receiver.Fail(nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return figures()[observability.MetricSpoolSent] == 2 }, 30*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	require.Zero(t, figures()[observability.MetricSpoolLines])
	require.NoError(t, s.Close())
}

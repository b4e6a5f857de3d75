package collect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
)

func TestCollector_SeriesOfAnInstanceThatIsGoneEnd(t *testing.T) {
	t.Parallel()
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	engine := newEngine()
	engine.start("one")
	run(t, collect.Options{Engine: engine, Logs: &observabilitytest.MemoryLogs{}, Metrics: metrics, SampleEvery: 10 * time.Millisecond, RescanEvery: 10 * time.Millisecond})
	values := func() int {
		series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: observability.MetricMemory})
		require.NoError(t, err)
		return len(series)
	}
	eventually(t, "it is sampled", func() bool { return values() == 1 })
	engine.end("one")
	eventually(t, "what is gone uses nothing", func() bool { return values() == 0 })
}

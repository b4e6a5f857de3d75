package embedded_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

func openMetrics(t *testing.T, dir string) *embedded.Metrics {
	t.Helper()
	metrics, err := embedded.OpenMetrics(dir, embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	return metrics
}

func TestMetrics_KeepTheContract(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseMetrics(t, func(t *testing.T) observability.Metrics { return openMetrics(t, t.TempDir()) })
}

func TestMetrics_SamplesOutliveAReopenAndASecondOpenerIsRefused(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), time.Now().Add(-time.Minute)
	metrics, err := embedded.OpenMetrics(dir, embedded.MetricOptions{})
	require.NoError(t, err)
	_, err = embedded.OpenMetrics(dir, embedded.MetricOptions{})
	require.ErrorIs(t, err, embedded.ErrInUse)
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "kept", At: at, Value: 7}}))
	require.NoError(t, metrics.Close())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(metrics.Append(t.Context(), nil)))

	series, err := openMetrics(t, dir).Query(t.Context(), observability.MetricQuery{Expr: "kept", To: at})
	require.NoError(t, err)
	require.Equal(t, 7.0, series[0].Points[0].Value)
}

func TestMetrics_QueryOfTooManySamplesIsRefused(t *testing.T) {
	t.Parallel()
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{MaxSamples: 10})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	at := time.Now().Add(-time.Minute)
	for i := range 30 {
		require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "many", At: at.Add(time.Duration(i) * time.Second), Value: 1}}))
	}
	_, err = metrics.Query(t.Context(), observability.MetricQuery{Expr: "many", From: at, To: at.Add(30 * time.Second)})
	require.Equal(t, platform.CodeExhausted, platform.CodeOf(err))
}

// expressions try to read the series of another project in every way that the language has for choosing series.
var expressions = []string{
	`m`, `{__name__="m"}`, `m{project="other"}`, `{project=~".+"}`, `m{project!="shop"}`, `m or m{project="other"}`,
	`sum by (project) (rate(m[5m] offset 1s))`, `max_over_time(sum(m)[5m:10s])`, `label_replace(m{project="other"}, "project", "shop", "", "")`,
	`m{project="other"} @ end()`, `count({__name__=~"m|n"})`, `absent(m{project="other"})`, `m{project="other" or project="shop"}`,
	`topk(5, m) * on () group_left () n{project="other"}`, `{"m", project="other"}`, `time() + scalar(m{project="other"})`, `-m{project="other"}`, `(m)`,
}

func TestScope_NoExpressionReadsAnotherProject(t *testing.T) {
	t.Parallel()
	metrics := openMetrics(t, t.TempDir())
	at := time.Now().Add(-time.Minute)
	for i := range 10 {
		var samples []observability.Sample
		for _, name := range []string{"m", "n"} {
			samples = append(samples, observability.Sample{Name: name, Labels: map[string]string{"project": "other"}, At: at.Add(time.Duration(i) * time.Second), Value: 4242})
		}
		require.NoError(t, metrics.Append(t.Context(), samples))
	}
	for _, expr := range expressions {
		scoped, err := promql.Scope(expr, "shop")
		if err != nil {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
			continue
		}
		require.Contains(t, scoped, `project="shop"`, expr)
		series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: scoped, To: at.Add(10 * time.Second)})
		require.NoError(t, err, scoped)
		for _, s := range series {
			require.NotEqual(t, "other", s.Labels["__name__"])
			for _, p := range s.Points {
				require.NotEqual(t, 4242.0, p.Value, scoped)
			}
		}
		if !strings.Contains(expr, "absent") && !strings.Contains(expr, "time()") {
			require.Empty(t, series, scoped)
		}
	}
	own, err := promql.Scope("sum(m)", "other")
	require.NoError(t, err)
	series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: own, To: at.Add(10 * time.Second)})
	require.NoError(t, err)
	require.Equal(t, 4242.0, series[0].Points[0].Value)
}

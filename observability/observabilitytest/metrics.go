package observabilitytest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ExerciseMetrics runs everything that the contract of observability.Metrics promises. open returns an empty store and
// closes it at the end of its test.
func ExerciseMetrics(t *testing.T, open func(t *testing.T) observability.Metrics) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, metrics observability.Metrics)
	}{
		{"InstantAnswersTheNewestValue", instantAnswers},
		{"RangeAnswersAscendingPoints", rangeAnswers},
		{"RateOfACounter", rateOfCounter},
		{"FirstOfTwoSamplesWins", firstSampleWins},
		{"OutOfOrderSamples", outOfOrder},
		{"BadQueriesAreRefusedByField", badMetricQueries},
		{"BadSamplesAreRefusedByField", badSamples},
		{"HostileLabelValues", hostileLabels},
		{"NothingMatches", nothingMatches},
		{"ProjectRestrictsEverySelector", projectRestricts},
		{"EnvironmentAndServiceRestrictEverySelector", slotRestricts},
		{"SystemProjectIsWhatBelongsToNone", systemProject},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func measure(at time.Time, value float64, service string) observability.Sample {
	return observability.Sample{Name: "fairlead_test", Labels: map[string]string{"project": "shop", "service": service}, At: at, Value: value}
}

func ask(t *testing.T, metrics observability.Metrics, q observability.MetricQuery) []observability.Series {
	t.Helper()
	series, err := metrics.Query(t.Context(), q)
	require.NoError(t, err)
	return series
}

func projectRestricts(t *testing.T, metrics observability.Metrics) {
	at := base()
	other := measure(at, 40, "api")
	other.Labels["project"] = "other"
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at, 2, "api"), other}))
	for _, expr := range []string{`sum(fairlead_test)`, `sum(fairlead_test{project="shop"})`, `sum(fairlead_test{project=~".*"} or fairlead_test)`} {
		got := ask(t, metrics, observability.MetricQuery{Project: "shop", Expr: expr, From: at, To: at})
		require.Len(t, got, 1, expr)
		require.InDelta(t, 2, got[0].Points[0].Value, 0, expr)
	}
	require.Empty(t, ask(t, metrics, observability.MetricQuery{Project: "shop", Expr: `sum(fairlead_test{project="other"})`, From: at, To: at}))
}

func slotRestricts(t *testing.T, metrics observability.Metrics) {
	at := base()
	place := func(environment, service string, value float64) observability.Sample {
		s := measure(at, value, service)
		s.Labels["environment"] = environment
		return s
	}
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{
		place("production", "api", 2), place("production", "web", 40), place("staging", "api", 800),
	}))
	for _, expr := range []string{`sum(fairlead_test)`, `sum(fairlead_test{environment=~".*"} or fairlead_test{service="web"})`} {
		got := ask(t, metrics, observability.MetricQuery{Project: "shop", Environment: "production", Service: "api", Expr: expr, From: at, To: at})
		require.Len(t, got, 1, expr)
		require.InDelta(t, 2, got[0].Points[0].Value, 0, expr)
	}
	got := ask(t, metrics, observability.MetricQuery{Project: "shop", Environment: "production", Expr: `sum(fairlead_test)`, From: at, To: at})
	require.InDelta(t, 42, got[0].Points[0].Value, 0)
}

func systemProject(t *testing.T, metrics observability.Metrics) {
	at := base()
	host := observability.Sample{Name: "fairlead_test", Labels: map[string]string{"mode": "idle"}, At: at, Value: 7}
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{host, measure(at, 2, "api")}))
	got := ask(t, metrics, observability.MetricQuery{Project: platform.SystemProject, Expr: `sum(fairlead_test) or sum(fairlead_test{project="shop"})`, From: at, To: at})
	require.Len(t, got, 1)
	require.InDelta(t, 7, got[0].Points[0].Value, 0, "no series of a project")
}

func instantAnswers(t *testing.T, metrics observability.Metrics) {
	at := base()
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at, 1, "api"), measure(at.Add(time.Second), 2, "api"), measure(at, 5, "web")}))
	got := ask(t, metrics, observability.MetricQuery{Expr: `fairlead_test{service="api"}`, From: at.Add(time.Second), To: at.Add(time.Second)})
	want := []observability.Series{{
		Labels: map[string]string{"__name__": "fairlead_test", "project": "shop", "service": "api"},
		Points: []observability.Point{{At: at.Add(time.Second), Value: 2}},
	}}
	require.Empty(t, cmp.Diff(want, got))
	require.Len(t, ask(t, metrics, observability.MetricQuery{Expr: "fairlead_test", To: at.Add(time.Second)}), 2, "a zero From asks for one instant")
	scalar := ask(t, metrics, observability.MetricQuery{Expr: "1 + 1", To: at})
	require.Equal(t, 2.0, scalar[0].Points[0].Value)
}

func rangeAnswers(t *testing.T, metrics observability.Metrics) {
	at := base()
	for i := range 10 {
		require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at.Add(time.Duration(i)*time.Second), float64(i), "api")}))
	}
	got := ask(t, metrics, observability.MetricQuery{Expr: "fairlead_test", From: at, To: at.Add(9 * time.Second), Step: 3 * time.Second})
	require.Len(t, got, 1)
	require.Equal(t, []observability.Point{
		{At: at, Value: 0}, {At: at.Add(3 * time.Second), Value: 3}, {At: at.Add(6 * time.Second), Value: 6}, {At: at.Add(9 * time.Second), Value: 9},
	}, got[0].Points)
	require.Len(t, ask(t, metrics, observability.MetricQuery{Expr: "fairlead_test", From: at, To: at.Add(9 * time.Second)})[0].Points, 10, "the default step of a short range is 1 s")
}

func rateOfCounter(t *testing.T, metrics observability.Metrics) {
	at := base()
	var samples []observability.Sample
	for i := range 61 {
		samples = append(samples, measure(at.Add(time.Duration(i)*time.Second), float64(10*i), "api"))
	}
	require.NoError(t, metrics.Append(t.Context(), samples))
	got := ask(t, metrics, observability.MetricQuery{Expr: "sum by (service) (rate(fairlead_test[30s]))", To: at.Add(time.Minute)})
	require.InDelta(t, 10, got[0].Points[0].Value, 0.01)
	require.Equal(t, map[string]string{"service": "api"}, got[0].Labels)
}

func firstSampleWins(t *testing.T, metrics observability.Metrics) {
	at := base()
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at, 1, "api")}))
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at, 2, "api"), measure(at, 3, "web")}))
	got := ask(t, metrics, observability.MetricQuery{Expr: "sum(fairlead_test)", To: at})
	require.Equal(t, 4.0, got[0].Points[0].Value)
}

func outOfOrder(t *testing.T, metrics observability.Metrics) {
	at := base()
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at, 1, "api")}))
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{measure(at.Add(-30*time.Minute), 2, "api")}), "half an hour late is taken")
	err := metrics.Append(t.Context(), []observability.Sample{measure(at.Add(-2*time.Hour), 3, "api"), measure(at.Add(time.Second), 4, "api")})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.Equal(t, 4.0, ask(t, metrics, observability.MetricQuery{Expr: "fairlead_test", To: at.Add(time.Second)})[0].Points[0].Value, "the good one of the batch is stored")
	require.Equal(t, 2.0, ask(t, metrics, observability.MetricQuery{Expr: "fairlead_test", To: at.Add(-30 * time.Minute)})[0].Points[0].Value)
}

func badMetricQueries(t *testing.T, metrics observability.Metrics) {
	now := time.Now()
	for _, c := range []struct {
		field string
		q     observability.MetricQuery
	}{
		{"expr", observability.MetricQuery{Expr: "sum("}},
		{"expr", observability.MetricQuery{Expr: ""}},
		{"expr", observability.MetricQuery{Expr: "nosuchfunction(x)"}},
		{"expr", observability.MetricQuery{Expr: `"text"`, From: now.Add(-time.Minute), To: now}},
		{"from", observability.MetricQuery{Expr: "up", From: now, To: now.Add(-time.Hour)}},
		{"step", observability.MetricQuery{Expr: "up", From: now.Add(-24 * time.Hour), To: now, Step: time.Millisecond}},
		{"step", observability.MetricQuery{Expr: "up", From: now.Add(-time.Hour), To: now, Step: -time.Second}},
	} {
		_, err := metrics.Query(t.Context(), c.q)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, "%+v", c.q)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Equal(t, c.field, refused.Field, "%+v", c.q)
		require.NotEmpty(t, refused.Hint)
	}
}

func badSamples(t *testing.T, metrics observability.Metrics) {
	for field, sample := range map[string]observability.Sample{
		"name": {Name: "bad name", At: base()}, "at": {Name: "ok"}, "labels": {Name: "ok", At: base(), Labels: map[string]string{"a-b": "x"}},
	} {
		var refused *platform.Error
		require.ErrorAs(t, metrics.Append(t.Context(), []observability.Sample{sample}), &refused)
		require.Equal(t, field, refused.Field)
	}
}

func hostileLabels(t *testing.T, metrics observability.Metrics) {
	at := base()
	for i, value := range []string{`"} or up{x="`, "\xff", "line\nbreak", "世界"} {
		s := measure(at, float64(i), value)
		require.NoError(t, metrics.Append(t.Context(), []observability.Sample{s}))
		got := ask(t, metrics, observability.MetricQuery{Expr: fmt.Sprintf("fairlead_test{service=%q}", observability.EscapeInvalid(value)), To: at})
		require.Len(t, got, 1)
		require.Equal(t, float64(i), got[0].Points[0].Value)
	}
}

func nothingMatches(t *testing.T, metrics observability.Metrics) {
	require.Empty(t, ask(t, metrics, observability.MetricQuery{Expr: "nothing_here"}))
	require.NoError(t, metrics.Append(t.Context(), nil))
}

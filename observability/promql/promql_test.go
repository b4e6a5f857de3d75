package promql_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

func TestScope_RefusesWhatSelectsSeriesOnItsOwn(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{`info(m)`, `info(m, {project="other"})`, `sum(`, ``} {
		_, err := promql.Scope(expr, "shop")
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), expr)
	}
	_, err := promql.Scope("m", "")
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

// FuzzScope checks that whatever parses still parses once scoped, and that scoping it again changes its meaning no more.
func FuzzScope(f *testing.F) {
	for _, expr := range []string{
		`m`, `{__name__="m"}`, `m or m{project="other"}`, `sum by (project) (rate(m[5m] offset 1s))`, `max_over_time(sum(m)[5m:10s])`,
		`m{project="other"} @ end()`, `{"m", project="other"}`, `absent(m{project="other"})`, `time() + scalar(m)`,
	} {
		f.Add(expr, "shop")
	}
	f.Add("m", `x"} or m{project="other`)
	f.Fuzz(func(t *testing.T, expr, project string) {
		scoped, err := promql.Scope(expr, project)
		if err != nil {
			return
		}
		_, err = promql.Scope(scoped, project)
		require.NoError(t, err, scoped)
	})
}

func TestRestrict_PutsEveryLabelOnEverySelector(t *testing.T) {
	t.Parallel()
	got, err := promql.Restrict(`a / on () b{c="d"}`, map[string]string{"site": "x", "project": "shop"})
	require.NoError(t, err)
	require.Equal(t, `a{project="shop",site="x"} / on () b{c="d",project="shop",site="x"}`, got)
}

func TestRange_FillsInDefaultsAndNamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	q, err := promql.Range(observability.MetricQuery{}, now)
	require.NoError(t, err)
	require.Equal(t, observability.MetricQuery{From: now, To: now, Step: time.Second}, q)
	q, err = promql.Range(observability.MetricQuery{From: now.Add(-24 * time.Hour)}, now)
	require.NoError(t, err)
	require.Equal(t, 6*time.Minute, q.Step)
	for field, bad := range map[string]observability.MetricQuery{
		"from": {From: now, To: now.Add(-time.Second)}, "step": {From: now.Add(-time.Hour), Step: -time.Second},
	} {
		_, err := promql.Range(bad, now)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, field, refused.Field)
	}
}

func TestCheckNames_OnlyOurOwnMisspelledNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		`up`, `app_requests_total`, `sum(rate(fairlead_requests_total[1m]))`, `fairlead_request_seconds_bucket`, `{__name__=~"fairlead_.*"}`, `sum(`,
		`process_resident_memory_bytes`, `1 + 1`,
	} {
		require.NoError(t, promql.CheckNames(expr), expr)
	}
	for expr, hint := range map[string]string{
		`sum(rate(fairlead_reqests_total[1m]))`:             "Did you mean fairlead_requests_total? `fairlead metrics list` names them all.",
		`up or fairlead_nothing_like_it_at_all`:             "`fairlead metrics list` names them all.",
		`histogram_quantile(0.9, fairlead_request_seconds)`: "It is a histogram: write fairlead_request_seconds_bucket, _sum or _count. `fairlead metrics list` names them all.",
	} {
		err := promql.CheckNames(expr)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, expr)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Contains(t, refused.Message, "There is no metric fairlead_")
		require.Equal(t, hint, refused.Hint)
		require.Equal(t, "expr", refused.Field)
	}
}

func TestDefaultAlerts_NameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	for _, kind := range []platform.ServiceKind{platform.KindWeb, platform.KindPrivate, platform.KindWorker} {
		for _, rule := range platform.DefaultAlerts(kind) {
			if rule.Expr != "" {
				require.NoError(t, promql.CheckNames(rule.Expr), rule.Name)
			}
		}
	}
}

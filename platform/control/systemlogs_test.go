package control

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

func TestSearchLogs_FairleadsOwnLinesAreForAdminsOfTheWholeInstallation(t *testing.T) {
	t.Parallel()
	logs := &memoryLogs{}
	b := newBench(t, func(o *Options) { o.Logs = logs })
	logs.add(observability.Line{
		At: time.Now(), Project: platform.SystemProject, Service: "fairlead", Source: observability.SourceSystem, Message: "login with password=hunter2",
	})
	q := observability.LogQuery{Project: platform.SystemProject}
	read := func(actor platform.Actor) error {
		page, err := b.SearchLogs(t.Context(), actor, q)
		if err == nil {
			require.Len(t, page.Lines, 1)
			require.Equal(t, "login with password=[redacted]", page.Lines[0].Message)
		}
		return err
	}
	for _, kind := range []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation} {
		require.NoError(t, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin}))
		code(t, platform.CodeDenied, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleOperator}))
		code(t, platform.CodeNotFound, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin, Projects: []string{"shop"}}))
	}
	code(t, platform.CodeDenied, read(platform.Actor{Kind: platform.ActorAgent, Name: "x", Owner: "ada", Role: platform.RoleAdmin}))
	code(t, platform.CodeUnauthenticated, read(platform.Actor{}))
	code(t, platform.CodeInvalid, platform.CheckName("project", platform.SystemProject))
}

func TestQueryMetrics_OfNoProjectAreForAdminsOfTheWholeInstallation(t *testing.T) {
	t.Parallel()
	store := &refusing{}
	b := newBench(t, func(o *Options) { o.Metrics = store })
	read := func(actor platform.Actor) error {
		_, err := b.QueryMetrics(t.Context(), actor, platform.SystemProject, observability.MetricQuery{Expr: "fairlead_host_load"})
		return err
	}
	for _, kind := range []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation} {
		_ = read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin})
		require.Len(t, store.asked, 1)
		require.Equal(t, map[string]string{"project": ""}, store.asked[0].Only(), "the label is absent")
		store.asked = nil
		code(t, platform.CodeDenied, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleOperator}))
		code(t, platform.CodeNotFound, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin, Projects: []string{"shop"}}))
	}
	code(t, platform.CodeDenied, read(platform.Actor{Kind: platform.ActorAgent, Name: "x", Owner: "ada", Role: platform.RoleAdmin}))
	require.Empty(t, store.asked)
}

// plenty is a metric store that answers more series than anybody reads.
type plenty struct{ series int }

func (p plenty) Query(context.Context, observability.MetricQuery) ([]observability.Series, error) {
	return make([]observability.Series, p.series), nil
}

func TestQueryMetrics_AnAnswerOfTooManySeriesIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.Metrics = plenty{promql.MaxSeries + 1} })
	admin := platform.Actor{Kind: platform.ActorHuman, Name: "x", Role: platform.RoleAdmin}
	_, err := b.QueryMetrics(t.Context(), admin, platform.SystemProject, observability.MetricQuery{Expr: "up"})
	code(t, platform.CodeExhausted, err, "gives 5001 series; the limit is 5000")
	b.o.Metrics = plenty{promql.MaxSeries}
	_, err = b.QueryMetrics(t.Context(), admin, platform.SystemProject, observability.MetricQuery{Expr: "up"})
	require.NoError(t, err)
}

package cli

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestMetrics_EveryFlagReachesTheQuery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ok("metrics", `rate(x{a="b"}[1m])`, "--project", "shop", "--since", "1h", "--until", "2026-03-14T15:00:00Z", "--step", "90s")
	calls := b.plane.Calls()
	require.Equal(t, observability.MetricQuery{
		Expr: `rate(x{a="b"}[1m])`, From: httpapitest.Now.Add(-time.Hour), To: httpapitest.Now.Truncate(time.Hour), Step: 90 * time.Second,
	}, calls[len(calls)-1].Arg)
}

func TestMetrics_BadQueriesNameTheFix(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		given      []string
		words, fix string
	}{
		{[]string{"metrics"}, "promql", ""},
		{[]string{"metrics", "up", "--since", "tomorrow"}, `--since cannot be "tomorrow".`, "Write how long ago"},
		{[]string{"metrics", "up", "--step", "15s"}, "--step has no meaning for one moment.", "Say with --since"},
		{[]string{"metrics", "up", "--since", "1h", "--step", "-15s"}, "--step -15s is not a positive duration.", "Write for example 15s."},
		{[]string{"metrics", "up", "--sine", "1h"}, "There is no flag --sine", "Did you mean --since?"},
	} {
		r := b.run(c.given...)
		require.NotZero(t, r.code, c.given)
		require.Contains(t, r.err, c.words)
		require.Contains(t, r.err, c.fix)
	}
}

func TestSpark_DrawsTheCourseAndKeepsPeaks(t *testing.T) {
	t.Parallel()
	course := func(values ...float64) []observability.Point {
		points := make([]observability.Point, len(values))
		for i, v := range values {
			points[i].Value = v
		}
		return points
	}
	require.Equal(t, "▁▄█", spark(course(0, 5, 10), 0, 10))
	require.Equal(t, "▁▁▁", spark(course(7, 7, 7), 7, 7), "what does not move is flat")
	require.Equal(t, "▁", spark(course(math.Inf(1)), math.Inf(1), math.Inf(1)))
	long := make([]float64, 400)
	long[217] = 1
	graph := []rune(spark(course(long...), 0, 1))
	require.Len(t, graph, sparkWidth)
	require.Equal(t, '█', graph[21], "one peak among many points is seen")
}

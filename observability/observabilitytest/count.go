package observabilitytest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func count(t *testing.T, logs observability.Logs, q observability.LogQuery, step time.Duration) []observability.LogCount {
	t.Helper()
	counts, err := logs.Count(t.Context(), q, step)
	require.NoError(t, err)
	return counts
}

func total(counts []observability.LogCount) int64 {
	var n int64
	for _, c := range counts {
		n += c.Lines
	}
	return n
}

func countsByStep(t *testing.T, logs observability.Logs) {
	at := base().Add(-time.Hour).Truncate(time.Hour)
	add := func(offset time.Duration, level observability.Level) observability.Line {
		l := sample(at.Add(offset))
		l.Level, l.Seq = level, uint64(offset)
		return l
	}
	appendLines(t, logs,
		add(0, "error"), add(time.Millisecond, "error"), add(7*time.Minute-time.Millisecond, "error"), add(time.Minute, "info"), add(2*time.Minute, ""),
		add(7*time.Minute, "debug"), add(3*7*time.Minute, "fatal"), add(3*7*time.Minute+time.Millisecond, "warn"),
	)
	eventually(t, logs, observability.LogQuery{}, 8)
	step := 7 * time.Minute
	// Steps of seven minutes do not begin at the full hour: they are multiples since the Unix epoch.
	counter := observability.NewTally(step)
	for _, l := range read(t, logs, observability.LogQuery{}) {
		counter.Add(l.At, l.Level, 1)
	}
	q := observability.LogQuery{From: at, To: at.Add(time.Hour), Limit: 1, Backward: true, Cursor: "plays no part"}
	got := count(t, logs, q, step)
	if diff := cmp.Diff(counter.Counts(), got); diff != "" {
		t.Fatalf("counts differ (-want +got):\n%s", diff)
	}
	for _, c := range got {
		require.Zero(t, c.At.UnixNano()%int64(step), "a step begins at a multiple of itself")
		require.Positive(t, c.Lines, "what would be zero is absent")
	}
	// From is inclusive, To exclusive, and the first step holds only what lies within the range.
	require.Equal(t, []observability.LogCount{
		{At: at, Level: "", Lines: 1}, {At: at, Level: "info", Lines: 1}, {At: at, Level: "error", Lines: 2}, {At: at.Add(6 * time.Minute), Level: "error", Lines: 1},
	}, count(t, logs, observability.LogQuery{From: at, To: at.Add(7 * time.Minute)}, 6*time.Minute))
	require.Equal(t, []observability.LogCount{{At: at, Level: "error", Lines: 1}},
		count(t, logs, observability.LogQuery{From: at.Add(time.Millisecond), To: at.Add(30 * time.Second)}, time.Minute))
	require.Empty(t, count(t, logs, observability.LogQuery{From: at.Add(-time.Hour), To: at}, time.Minute))
}

func countsFollowFilters(t *testing.T, logs observability.Logs) {
	at := base()
	for i := range 40 {
		l := sample(at.Add(time.Duration(i) * time.Second))
		l.Message = fmt.Sprintf("Request %d took a.b|c", i)
		l.Level, l.Release = observability.Levels[i%len(observability.Levels)], 7+i%2
		if i%4 == 0 {
			l.Fields = map[string]string{"user": "ada", "n": fmt.Sprint(i % 8)}
			l.Service, l.Instance, l.Deploy = "web", "ins_2", "dep_2"
		}
		if i%10 == 0 {
			l.Message = "bad \xff byte\nsecond line"
			l.Source = observability.SourceBuild
		}
		if i == 7 {
			l.Message = ""
		}
		appendLines(t, logs, l)
	}
	eventually(t, logs, observability.LogQuery{}, 40)
	for _, q := range []observability.LogQuery{
		{},
		{Project: "shop"},
		{Project: "other"},
		{Service: "web"},
		{Release: 8},
		{Instance: "ins_2"},
		{Deploy: "dep_2"},
		{Source: observability.SourceBuild},
		{Environment: "production", Levels: []observability.Level{"error", "fatal"}},
		{Text: "a.b|c"},
		{Text: "A.B|C"},
		{Text: "a.b"},
		{Text: "request"},
		{Text: "\xff"},
		{Text: `\xff`},
		{Text: "byte\nsecond"},
		{Regex: `^Request \d+ took`},
		{Regex: "byte.second"},
		{Regex: "^second"},
		{Regex: ".*"},
		{Regex: "^$"},
		{Regex: "(?i)REQUEST 1"},
		{Text: "took", Regex: "1"},
		{Fields: map[string]string{"user": "ada"}},
		{Fields: map[string]string{"user": "ada", "n": "4"}},
		{Fields: map[string]string{"user": ""}},
		{Fields: map[string]string{"user": "AD"}},
		{Text: "Request", Levels: []observability.Level{"debug"}},
	} {
		q.From, q.To = at, at.Add(40*time.Second)
		want := len(read(t, logs, q))
		require.EqualValues(t, want, total(count(t, logs, q, 15*time.Second)), "%+v", q)
	}
}

func countsAddUp(t *testing.T, logs observability.Logs) {
	at := base()
	var lines []observability.Line
	for i := range 300 {
		l := sample(at.Add(time.Duration(i) * 997 * time.Millisecond))
		l.Seq = uint64(i)
		lines = append(lines, l)
	}
	appendLines(t, logs, lines...)
	eventually(t, logs, observability.LogQuery{Limit: 1000}, len(lines))
	middle := at.Add(101 * time.Second)
	whole := observability.LogQuery{From: at, To: at.Add(5 * time.Minute)}
	first, second := whole, whole
	first.To, second.From = middle, middle
	sum := observability.NewTally(10 * time.Second)
	for _, q := range []observability.LogQuery{first, second} {
		for _, c := range count(t, logs, q, 10*time.Second) {
			sum.Add(c.At, c.Level, c.Lines)
		}
	}
	require.Equal(t, sum.Counts(), count(t, logs, whole, 10*time.Second))
	require.EqualValues(t, len(lines), total(sum.Counts()))
}

func badCounts(t *testing.T, logs observability.Logs) {
	now := time.Now()
	hour := observability.LogQuery{From: now.Add(-time.Hour), To: now}
	for _, c := range []struct {
		field string
		q     observability.LogQuery
		step  time.Duration
	}{
		{"from", observability.LogQuery{}, time.Minute},
		{"from", observability.LogQuery{From: now, To: now.Add(-time.Hour)}, time.Minute},
		{"from", observability.LogQuery{From: now.Add(time.Hour)}, time.Minute},
		{"step", hour, 0},
		{"step", hour, -time.Minute},
		{"step", hour, 999 * time.Millisecond},
		{"step", hour, time.Second + time.Microsecond},
		{"step", hour, time.Second},
		{"step", observability.LogQuery{From: time.Unix(0, 0)}, time.Minute},
		{"regex", observability.LogQuery{From: now.Add(-time.Hour), Regex: "("}, time.Minute},
		{"level", observability.LogQuery{From: now.Add(-time.Hour), Levels: []observability.Level{"loud"}}, time.Minute},
	} {
		_, err := logs.Count(t.Context(), c.q, c.step)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, "%+v", c)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Equal(t, c.field, refused.Field, "%+v", c)
		require.NotEmpty(t, refused.Hint)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := logs.Count(ended, hour, time.Minute)
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
}

package observabilitytest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ExerciseLogs runs everything that the contract of observability.Logs promises. open returns an empty store and
// closes it at the end of its test.
func ExerciseLogs(t *testing.T, open func(t *testing.T) observability.Logs) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, logs observability.Logs)
	}{
		{"AppendedLineComesBackWholeWithinTwoSeconds", linesComeBackWhole},
		{"EachFilterRestricts", eachFilterRestricts},
		{"TextIsMatchedLiterally", textIsMatchedLiterally},
		{"RangeIncludesFromAndExcludesTo", rangeBounds},
		{"PagesLoseAndDoubleNothing", pagesLoseNothing},
		{"PagesOfEqualTimesLoseAndDoubleNothing", equalTimesLoseNothing},
		{"TextThatIsNotUTF8IsEscaped", invalidTextIsEscaped},
		{"OverlongTextIsCut", overlongTextIsCut},
		{"BadQueriesAreRefusedByField", badQueries},
		{"CursorOfAnotherProjectIsRefused", foreignCursor},
		{"LineWithoutTimeIsRefused", lineWithoutTime},
		{"EmptyStoreAnswersAnEmptyPage", emptyStore},
		{"LongRangesAreReadToTheirEnd", longRanges},
		{"CanceledContextEndsTheCall", canceledContext},
		{"CountsAreByAlignedStepAndLevel", countsByStep},
		{"CountsFollowTheFilters", countsFollowFilters},
		{"CountsOfNeighbouringRangesAddUp", countsAddUp},
		{"BadCountsAreRefusedByField", badCounts},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

// base is when the lines of these tests were written: in the past, within every retention.
func base() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Second).UTC() }

func sample(at time.Time) observability.Line {
	return observability.Line{
		At: at, Project: "shop", Environment: "production", Service: "api", Release: 7, Deploy: "dep_1", Instance: "ins_1",
		Source: observability.SourceRuntime, Stream: "stdout", Level: observability.LevelInfo, Message: "hello world",
	}
}

func appendLines(t *testing.T, logs observability.Logs, lines ...observability.Line) {
	t.Helper()
	require.NoError(t, logs.Append(t.Context(), lines))
}

// read returns all lines of a query, page by page.
func read(t *testing.T, logs observability.Logs, q observability.LogQuery) []observability.Line {
	t.Helper()
	var all []observability.Line
	for {
		page, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Lines...)
		if page.Next == "" {
			return all
		}
		require.NotEmpty(t, page.Lines, "a page with a next one holds lines")
		q.Cursor = page.Next
	}
}

func messages(lines []observability.Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Message
	}
	return out
}

// eventually waits until the query answers n lines, for at most the two seconds of the contract.
func eventually(t *testing.T, logs observability.Logs, q observability.LogQuery, n int) []observability.Line {
	t.Helper()
	var got []observability.Line
	require.Eventually(t, func() bool {
		got = read(t, logs, q)
		return len(got) >= n
	}, 2*time.Second, 10*time.Millisecond, "lines become visible within 2 s")
	require.Len(t, got, n)
	return got
}

func linesComeBackWhole(t *testing.T, logs observability.Logs) {
	at := base().Add(123456789)
	want := sample(at)
	want.Raw = "\x1b[31mhello\x1b[0m\tworld"
	want.Message = "hello\nworld \"quoted\" \\ {braces} |pipe| *star* ünïcode 世界"
	want.Fields = map[string]string{"user.id": "42", "path": "/a b?c=d", "_msg": "inner", "project": "inner", "über": "x", "a:b": `"`, "f.x": "1"}
	want.Seq, want.Level = 9, observability.LevelError
	want.EndAt, want.EndSeq = at.Add(time.Second), 3
	bare := observability.Line{At: at.Add(time.Minute), Project: "shop", Source: observability.SourceSystem}
	appendLines(t, logs, want, bare)
	got := eventually(t, logs, observability.LogQuery{Project: "shop"}, 2)
	if diff := cmp.Diff([]observability.Line{want, bare}, got); diff != "" {
		t.Fatalf("lines differ (-want +got):\n%s", diff)
	}
}

func eachFilterRestricts(t *testing.T, logs observability.Logs) {
	at := base()
	variants := map[string]func(*observability.Line){
		"project": func(l *observability.Line) { l.Project = "other" }, "environment": func(l *observability.Line) { l.Environment = "staging" },
		"service": func(l *observability.Line) { l.Service = "web" }, "release": func(l *observability.Line) { l.Release = 8 },
		"deploy": func(l *observability.Line) { l.Deploy = "dep_2" }, "instance": func(l *observability.Line) { l.Instance = "ins_2" },
		"source": func(l *observability.Line) { l.Source = observability.SourceBuild }, "level": func(l *observability.Line) { l.Level = observability.LevelError },
		"warn": func(l *observability.Line) { l.Level = observability.LevelWarn }, "text": func(l *observability.Line) { l.Message = "needle in it" },
		"fields": func(l *observability.Line) { l.Fields = map[string]string{"user": "ada", "n": "1"} }, "unknown": func(l *observability.Line) { l.Level = "" },
	}
	lines := []observability.Line{sample(at)}
	i := 0
	for name, change := range variants {
		i++
		l := sample(at.Add(time.Duration(i) * time.Millisecond))
		l.Raw = name
		change(&l)
		lines = append(lines, l)
	}
	appendLines(t, logs, lines...)
	eventually(t, logs, observability.LogQuery{}, len(lines))
	for _, c := range []struct {
		q    observability.LogQuery
		want []string
	}{
		{observability.LogQuery{Project: "other"}, []string{"project"}},
		{observability.LogQuery{Environment: "staging"}, []string{"environment"}},
		{observability.LogQuery{Service: "web"}, []string{"service"}},
		{observability.LogQuery{Release: 8}, []string{"release"}},
		{observability.LogQuery{Deploy: "dep_2"}, []string{"deploy"}},
		{observability.LogQuery{Instance: "ins_2"}, []string{"instance"}},
		{observability.LogQuery{Source: observability.SourceBuild}, []string{"source"}},
		{observability.LogQuery{Levels: []observability.Level{"error"}}, []string{"level"}},
		{observability.LogQuery{Levels: []observability.Level{"error", "warn"}}, []string{"level", "warn"}},
		{observability.LogQuery{Text: "eedle in"}, []string{"text"}},
		{observability.LogQuery{Regex: `^needle\s.n`}, []string{"text"}},
		{observability.LogQuery{Fields: map[string]string{"user": "ada"}}, []string{"fields"}},
		{observability.LogQuery{Fields: map[string]string{"user": "ada", "n": "1"}}, []string{"fields"}},
		{observability.LogQuery{Fields: map[string]string{"user": "ad"}}, nil},
		{observability.LogQuery{Fields: map[string]string{"user": "ada", "n": "2"}}, nil},
		{observability.LogQuery{Project: "shop", Service: "web", Instance: "ins_2"}, nil},
		{observability.LogQuery{Project: `shop"} or {project="other`}, nil},
		{observability.LogQuery{Project: "sho"}, nil},
		{observability.LogQuery{Text: "Needle"}, nil},
		{observability.LogQuery{Text: "Needle IN", IgnoreCase: true}, []string{"text"}},
		{observability.LogQuery{Text: "need.e", IgnoreCase: true}, nil},
		{observability.LogQuery{Regex: `^NEEDLE\s`, IgnoreCase: true}, []string{"text"}},
	} {
		var got []string
		for _, l := range read(t, logs, c.q) {
			got = append(got, l.Raw)
		}
		require.ElementsMatch(t, c.want, got, "%+v", c.q)
	}
}

func textIsMatchedLiterally(t *testing.T, logs observability.Logs) {
	at := base()
	texts := []string{`a "b" c`, `back\slash`, "tab\there", "two\nlines", "star*", "50% | pipe", "'single'", "`tick`", "{x=1}", "日本語の", "a.b", "axb", "$var", "(paren"}
	for i, text := range texts {
		l := sample(at.Add(time.Duration(i) * time.Millisecond))
		l.Message = "before " + text + " after"
		appendLines(t, logs, l)
	}
	eventually(t, logs, observability.LogQuery{Project: "shop"}, len(texts))
	for _, text := range texts {
		require.Equal(t, []string{"before " + text + " after"}, messages(read(t, logs, observability.LogQuery{Project: "shop", Text: text})), "%q", text)
	}
}

func rangeBounds(t *testing.T, logs observability.Logs) {
	at := base()
	for i := range 5 {
		l := sample(at.Add(time.Duration(i) * time.Second))
		l.Message = fmt.Sprint(i)
		appendLines(t, logs, l)
	}
	eventually(t, logs, observability.LogQuery{}, 5)
	q := observability.LogQuery{From: at.Add(time.Second), To: at.Add(3 * time.Second)}
	require.Equal(t, []string{"1", "2"}, messages(read(t, logs, q)))
	q.Backward = true
	require.Equal(t, []string{"2", "1"}, messages(read(t, logs, q)))
	require.Equal(t, []string{"4", "3", "2", "1", "0"}, messages(read(t, logs, observability.LogQuery{Backward: true})))
	require.Equal(t, []string{"3", "4"}, messages(read(t, logs, observability.LogQuery{From: at.Add(2*time.Second + 1)})))
}

func pagesLoseNothing(t *testing.T, logs observability.Logs) {
	at := base()
	var lines []observability.Line
	for i := range 250 {
		l := sample(at.Add(time.Duration(i/3) * 700 * time.Millisecond))
		l.Message, l.Seq = fmt.Sprintf("line %04d", i), uint64(i%3)
		lines = append(lines, l)
	}
	appendLines(t, logs, lines...)
	want := messages(eventually(t, logs, observability.LogQuery{Limit: 1000}, len(lines)))
	require.Equal(t, messages(lines), want)
	for _, limit := range []int{1, 7, 100, 249, 250, 251} {
		require.Equal(t, want, messages(read(t, logs, observability.LogQuery{Limit: limit})), "limit %d", limit)
		backward := messages(read(t, logs, observability.LogQuery{Limit: limit, Backward: true}))
		for i := range backward {
			require.Equal(t, want[len(want)-1-i], backward[i], "limit %d backward", limit)
		}
		require.Len(t, backward, len(want))
	}
	folded := observability.LogQuery{Text: "LINE 00", IgnoreCase: true, Limit: 30}
	require.Equal(t, want[:100], messages(read(t, logs, folded)), "a search that ignores case has pages too")
	page, err := logs.Query(t.Context(), observability.LogQuery{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Lines, 100)
	require.NotEmpty(t, page.Next)
}

func equalTimesLoseNothing(t *testing.T, logs observability.Logs) {
	at := base()
	seen := map[string]int{}
	var lines []observability.Line
	for i := range 60 {
		l := sample(at)
		l.Message, l.Seq, l.Instance = fmt.Sprint("same ", i), uint64(i/2), fmt.Sprintf("ins_%d", i%2)
		lines = append(lines, l)
	}
	appendLines(t, logs, lines...)
	eventually(t, logs, observability.LogQuery{}, len(lines))
	for _, backward := range []bool{false, true} {
		clear(seen)
		for _, l := range read(t, logs, observability.LogQuery{Limit: 7, Backward: backward}) {
			seen[l.Message]++
		}
		require.Len(t, seen, len(lines))
		for message, n := range seen {
			require.Equal(t, 1, n, message)
		}
	}
}

func invalidTextIsEscaped(t *testing.T, logs observability.Logs) {
	l := sample(base())
	l.Message, l.Raw = "bad \xff\xfe end", "raw \x80"
	l.Fields = map[string]string{"k\xff": "v\xc3"}
	appendLines(t, logs, l)
	got := eventually(t, logs, observability.LogQuery{}, 1)[0]
	require.Equal(t, `bad \xff\xfe end`, got.Message)
	require.Equal(t, `raw \x80`, got.Raw)
	require.Equal(t, map[string]string{`k\xff`: `v\xc3`}, got.Fields)
}

func overlongTextIsCut(t *testing.T, logs observability.Logs) {
	l := sample(base())
	l.Message = strings.Repeat("世", observability.MaxLineBytes)
	l.Fields = map[string]string{strings.Repeat("k", 500): "v", "big": strings.Repeat("v", 1<<20), "small": "kept"}
	for i := range 3000 {
		l.Fields[fmt.Sprintf("z%d", i)] = "x"
	}
	appendLines(t, logs, l)
	got := eventually(t, logs, observability.LogQuery{}, 1)[0]
	require.True(t, got.Truncated)
	require.LessOrEqual(t, len(got.Message), observability.MaxLineBytes)
	require.Greater(t, len(got.Message), observability.MaxLineBytes-4)
	require.True(t, utf8.ValidString(got.Message))
	require.Len(t, got.Fields, observability.MaxFields)
	require.Equal(t, "kept", got.Fields["small"])
	require.Len(t, got.Fields["big"], observability.MaxFieldValue)
}

func badQueries(t *testing.T, logs observability.Logs) {
	now := time.Now()
	for _, c := range []struct {
		field string
		q     observability.LogQuery
	}{
		{"regex", observability.LogQuery{Regex: "("}},
		{"regex", observability.LogQuery{Regex: "(?=x)"}},
		{"regex", observability.LogQuery{Regex: strings.Repeat("a", 5000)}},
		{"regex", observability.LogQuery{Regex: "a(b", IgnoreCase: true}},
		{"ignore_case", observability.LogQuery{Text: "a", Regex: "b", IgnoreCase: true}},
		{"text", observability.LogQuery{Text: strings.Repeat("a", 5000)}},
		{"cursor", observability.LogQuery{Cursor: "nonsense"}},
		{"cursor", observability.LogQuery{Cursor: "l1.0000000000000000.1.1"}},
		{"cursor", observability.LogQuery{Cursor: "l1.x.y.z"}},
		{"from", observability.LogQuery{From: now, To: now.Add(-time.Hour)}},
		{"from", observability.LogQuery{From: now, To: now}},
		{"limit", observability.LogQuery{Limit: -1}},
		{"limit", observability.LogQuery{Limit: observability.MaxLogLimit + 1}},
		{"level", observability.LogQuery{Levels: []observability.Level{"loud"}}},
		{"fields", observability.LogQuery{Fields: map[string]string{"": "x"}}},
	} {
		_, err := logs.Query(t.Context(), c.q)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, "%+v", c.q)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Equal(t, c.field, refused.Field)
		require.NotEmpty(t, refused.Hint)
	}
}

func foreignCursor(t *testing.T, logs observability.Logs) {
	at := base()
	for i := range 5 {
		mine, theirs := sample(at.Add(time.Duration(i))), sample(at.Add(time.Duration(i)))
		theirs.Project = "other"
		appendLines(t, logs, mine, theirs)
	}
	eventually(t, logs, observability.LogQuery{}, 10)
	page, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop", Limit: 2})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for _, q := range []observability.LogQuery{
		{Project: "other"}, {Project: "shop", Backward: true}, {Project: "shop", Text: "x"}, {},
	} {
		q.Cursor = page.Next
		_, err = logs.Query(t.Context(), q)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "cursor", refused.Field)
	}
	// The limit and the range may change between pages.
	rest, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop", Limit: 50, From: at, Cursor: page.Next})
	require.NoError(t, err)
	require.Len(t, rest.Lines, 3)
}

func lineWithoutTime(t *testing.T, logs observability.Logs) {
	err := logs.Append(t.Context(), []observability.Line{sample(base()), {Project: "shop", Message: "no time"}})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	page, err := logs.Query(t.Context(), observability.LogQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Lines, "nothing of a refused batch is stored")
}

func emptyStore(t *testing.T, logs observability.Logs) {
	for _, backward := range []bool{false, true} {
		page, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop", Backward: backward})
		require.NoError(t, err)
		require.Empty(t, page.Lines)
		require.Empty(t, page.Next)
	}
	require.NoError(t, logs.Append(t.Context(), nil))
}

func longRanges(t *testing.T, logs observability.Logs) {
	now := time.Now().Add(-time.Second).UTC()
	var lines []observability.Line
	for i, ago := range []time.Duration{6 * 24 * time.Hour, 3 * 24 * time.Hour, 25 * time.Hour, 7 * time.Hour, 61 * time.Second, time.Second, 0} {
		l := sample(now.Add(-ago))
		l.Message = fmt.Sprint(i)
		lines = append(lines, l)
	}
	appendLines(t, logs, lines...)
	eventually(t, logs, observability.LogQuery{}, len(lines))
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, messages(read(t, logs, observability.LogQuery{Limit: 2})))
	require.Equal(t, []string{"6", "5", "4", "3", "2", "1", "0"}, messages(read(t, logs, observability.LogQuery{Limit: 2, Backward: true})))
	far := observability.LogQuery{From: time.Unix(0, 0), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	require.Len(t, read(t, logs, far), len(lines))
}

func canceledContext(t *testing.T, logs observability.Logs) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, logs.Append(ctx, []observability.Line{sample(base())}))
}

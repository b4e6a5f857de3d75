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

// ExerciseSpans runs everything that the contract of observability.Spans promises. open returns an empty store with room for
// some thousand spans and closes it at the end of its test.
func ExerciseSpans(t *testing.T, open func(t *testing.T) observability.Spans) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, spans observability.Spans)
	}{
		{"WholeSpanComesBack", wholeSpan},
		{"EachFilterAlone", spanFilters},
		{"ProjectsAreApart", spanProjects},
		{"SlowestFirst", slowestFirst},
		{"LimitSaysThatThereIsMore", spanLimit},
		{"OfTwoWithOneIDTheFirstStays", spanTwice},
		{"TraceAtAGlance", traceGlance},
		{"TracesAreFiltered", traceFilters},
		{"PagesOfTracesHoldEachOnce", tracePages},
		{"EachYieldsUntilItIsToldToStop", eachStops},
		{"BadQueriesAreRefusedByField", badSpanQueries},
		{"HostileText", hostileSpans},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

// Span is span n of trace n/10 of the sample shop, by the second.
func Span(at time.Time, n int, change ...func(*observability.Span)) observability.Span {
	s := observability.Span{Project: "shop", Environment: "production", Kind: observability.SpanServer}
	s.TraceID, s.SpanID = fmt.Sprintf("%032x", 0xa0+n/10), fmt.Sprintf("%016x", 0xb000+n)
	s.At, s.Took = at.Add(time.Duration(n)*time.Second), platform.Duration(time.Duration(n+1)*time.Millisecond)
	s.Service, s.Name = "api", "GET /cart"
	for _, c := range change {
		c(&s)
	}
	return s
}

func keep(t *testing.T, store observability.Spans, spans ...observability.Span) {
	t.Helper()
	require.NoError(t, store.Append(t.Context(), spans))
}

func spanIDs(t *testing.T, store observability.Spans, q observability.SpanQuery) []string {
	t.Helper()
	page, err := store.Query(t.Context(), q)
	require.NoError(t, err)
	ids := []string{}
	for _, s := range page.Spans {
		ids = append(ids, s.SpanID[12:])
	}
	return ids
}

func wholeSpan(t *testing.T, store observability.Spans) {
	want := Span(base(), 1, func(s *observability.Span) {
		s.ParentID, s.Failed, s.Error = "00000000000000ff", true, "connection refused"
		s.Kind = observability.SpanClient
		s.Attributes = map[string]string{"server.address": "features", "http.response.status_code": "503", "empty": ""}
	})
	keep(t, store, want)
	page, err := store.Query(t.Context(), observability.SpanQuery{Project: "shop"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(observability.SpanPage{Spans: []observability.Span{want}}, page))
}

func spanFilters(t *testing.T, store observability.Spans) {
	at := base()
	keep(
		t, store, Span(at, 0), Span(at, 1, func(s *observability.Span) { s.Failed = true }), Span(at, 2, func(s *observability.Span) { s.Service = "web" }),
		Span(at, 3, func(s *observability.Span) { s.Environment = "staging" }), Span(at, 10),
	)
	for name, c := range map[string]struct {
		q    observability.SpanQuery
		want []string
	}{
		"all":         {observability.SpanQuery{}, []string{"b000", "b001", "b002", "b003", "b00a"}},
		"environment": {observability.SpanQuery{Environment: "staging"}, []string{"b003"}},
		"service":     {observability.SpanQuery{Service: "web"}, []string{"b002"}},
		"failed":      {observability.SpanQuery{Failed: true}, []string{"b001"}},
		"trace":       {observability.SpanQuery{TraceID: fmt.Sprintf("%032X", 0xa1)}, []string{"b00a"}},
		"no trace":    {observability.SpanQuery{TraceID: fmt.Sprintf("%032x", 0xff)}, []string{}},
		"took":        {observability.SpanQuery{MinTook: 4 * time.Millisecond}, []string{"b003", "b00a"}},
		"from":        {observability.SpanQuery{From: at.Add(2 * time.Second)}, []string{"b002", "b003", "b00a"}},
		"to":          {observability.SpanQuery{To: at.Add(2 * time.Second)}, []string{"b000", "b001"}},
	} {
		c.q.Project = "shop"
		require.Equal(t, c.want, spanIDs(t, store, c.q), name)
	}
}

func spanProjects(t *testing.T, store observability.Spans) {
	at := base()
	keep(t, store, Span(at, 0), Span(at, 1, func(s *observability.Span) { s.Project = "other" }))
	require.Equal(t, []string{"b000"}, spanIDs(t, store, observability.SpanQuery{Project: "shop"}))
	require.Equal(t, []string{"b001"}, spanIDs(t, store, observability.SpanQuery{Project: "other"}))
	require.Empty(t, spanIDs(t, store, observability.SpanQuery{Project: "other", TraceID: Span(at, 0).TraceID, Service: "web"}))
	page, err := store.Traces(t.Context(), observability.TraceQuery{Project: "other"})
	require.NoError(t, err)
	require.Len(t, page.Traces, 1)
	require.Equal(t, 1, page.Traces[0].Spans, "one trace id in two projects is two traces")
}

func slowestFirst(t *testing.T, store observability.Spans) {
	at := base()
	keep(t, store, Span(at, 3), Span(at, 9), Span(at, 1), Span(at, 25))
	require.Equal(t, []string{"b019", "b009"}, spanIDs(t, store, observability.SpanQuery{Project: "shop", Slowest: true, Limit: 2}))
}

func spanLimit(t *testing.T, store observability.Spans) {
	for n := range 300 {
		keep(t, store, Span(base(), 299-n))
	}
	page, err := store.Query(t.Context(), observability.SpanQuery{Project: "shop", Limit: 3})
	require.NoError(t, err)
	require.True(t, page.More)
	require.Equal(t, []string{"b000", "b001", "b002"}, spanIDs(t, store, observability.SpanQuery{Project: "shop", Limit: 3}))
	page, err = store.Query(t.Context(), observability.SpanQuery{Project: "shop", Limit: 300})
	require.NoError(t, err)
	require.False(t, page.More)
	require.Len(t, page.Spans, 300)
}

func spanTwice(t *testing.T, store observability.Spans) {
	keep(t, store, Span(base(), 1), Span(base(), 1, func(s *observability.Span) { s.Name = "again" }))
	keep(t, store, Span(base(), 1))
	page, err := store.Query(t.Context(), observability.SpanQuery{Project: "shop"})
	require.NoError(t, err)
	require.Len(t, page.Spans, 1)
	require.Equal(t, "GET /cart", page.Spans[0].Name)
}

func traceGlance(t *testing.T, store observability.Spans) {
	at := base()
	keep(
		t, store,
		Span(at, 2, func(s *observability.Span) { s.ParentID, s.Service, s.Name = "000000000000b001", "features", "lookup" }),
		Span(at, 1, func(s *observability.Span) { s.ParentID, s.Failed, s.Error = "000000000000b003", true, "features: 503" }),
		Span(at, 3, func(s *observability.Span) {
			s.Service, s.Name, s.Took = "web", "GET /", platform.Duration(time.Second)
		}),
	)
	page, err := store.Traces(t.Context(), observability.TraceQuery{Project: "shop"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]observability.Trace{{
		TraceID: Span(at, 1).TraceID, Environment: "production", At: at.Add(time.Second), Took: platform.Duration(3 * time.Second),
		Service: "web", Name: "GET /", Spans: 3, Failed: 1, Error: "features: 503", Services: []string{"api", "features", "web"},
	}}, page.Traces))
}

func traceFilters(t *testing.T, store observability.Spans) {
	at := base()
	keep(
		t, store, Span(at, 0), Span(at, 1), Span(at, 10, func(s *observability.Span) { s.Failed = true }),
		Span(at, 20, func(s *observability.Span) { s.Service = "web" }), Span(at, 30, func(s *observability.Span) { s.Environment = "staging" }),
	)
	for name, c := range map[string]struct {
		q    observability.TraceQuery
		want []int
	}{
		"all":         {observability.TraceQuery{}, []int{0xa3, 0xa2, 0xa1, 0xa0}},
		"failed":      {observability.TraceQuery{Failed: true}, []int{0xa1}},
		"service":     {observability.TraceQuery{Service: "web"}, []int{0xa2}},
		"environment": {observability.TraceQuery{Environment: "staging"}, []int{0xa3}},
		"both":        {observability.TraceQuery{Environment: "staging", Service: "web"}, []int{}},
		"took":        {observability.TraceQuery{MinTook: time.Second}, []int{0xa0}},
		"from":        {observability.TraceQuery{From: at.Add(20 * time.Second)}, []int{0xa3, 0xa2}},
		"to":          {observability.TraceQuery{To: at.Add(20 * time.Second)}, []int{0xa1, 0xa0}},
	} {
		c.q.Project = "shop"
		page, err := store.Traces(t.Context(), c.q)
		require.NoError(t, err, name)
		want := []string{}
		for _, id := range c.want {
			want = append(want, fmt.Sprintf("%032x", id))
		}
		got := []string{}
		for _, found := range page.Traces {
			got = append(got, found.TraceID)
		}
		require.Equal(t, want, got, name)
	}
}

func tracePages(t *testing.T, store observability.Spans) {
	at := base()
	for n := range 25 {
		// Two traces of each time, so that a page ends between them.
		keep(t, store, Span(at, 10*n, func(s *observability.Span) { s.At = at.Add(time.Duration(n/2) * time.Second) }))
	}
	seen := map[string]bool{}
	q := observability.TraceQuery{Project: "shop", Limit: 4}
	for range 7 {
		page, err := store.Traces(t.Context(), q)
		require.NoError(t, err)
		for _, found := range page.Traces {
			require.False(t, seen[found.TraceID], "twice")
			seen[found.TraceID] = true
		}
		q.Cursor = page.Next
	}
	require.Empty(t, q.Cursor)
	require.Len(t, seen, 25)
}

func eachStops(t *testing.T, store observability.Spans) {
	for n := range 20 {
		keep(t, store, Span(base(), n))
	}
	seen := 0
	require.NoError(t, store.Each(t.Context(), observability.SpanQuery{Project: "shop", Limit: 1}, func(*observability.Span) bool { seen++; return true }))
	require.Equal(t, 20, seen, "no limit holds")
	seen = 0
	require.NoError(t, store.Each(t.Context(), observability.SpanQuery{Project: "shop"}, func(*observability.Span) bool { seen++; return seen < 5 }))
	require.Equal(t, 5, seen)
}

func badSpanQueries(t *testing.T, store observability.Spans) {
	now := time.Now()
	refused := func(err error, field string) {
		t.Helper()
		var e *platform.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, platform.CodeInvalid, e.Code)
		require.Equal(t, field, e.Field)
		require.NotEmpty(t, e.Hint)
	}
	for field, q := range map[string]observability.SpanQuery{
		"project": {}, "trace": {Project: "shop", TraceID: "abc"}, "limit": {Project: "shop", Limit: observability.MaxSpanLimit + 1},
		"min_took": {Project: "shop", MinTook: -1}, "from": {Project: "shop", From: now, To: now.Add(-time.Hour)},
	} {
		_, err := store.Query(t.Context(), q)
		refused(err, field)
		refused(store.Each(t.Context(), q, func(*observability.Span) bool { return true }), field)
	}
	for field, q := range map[string]observability.TraceQuery{
		"project": {}, "limit": {Project: "shop", Limit: -1}, "min_took": {Project: "shop", MinTook: -1},
		"from": {Project: "shop", From: now, To: now.Add(-time.Hour)}, "cursor": {Project: "shop", Cursor: "l1.x"},
	} {
		_, err := store.Traces(t.Context(), q)
		refused(err, field)
	}
}

func hostileSpans(t *testing.T, store observability.Spans) {
	want := Span(base(), 1, func(s *observability.Span) {
		s.Service, s.Name, s.Error = "a\x00b/../\"'", "\x1b[31m\u202e", "line\nbreak"
		s.Attributes = map[string]string{"": "\x00", "世界": "\xff\xfe"}
	})
	keep(t, store, want)
	page, err := store.Query(t.Context(), observability.SpanQuery{Project: "shop", Service: want.Service})
	require.NoError(t, err)
	require.Len(t, page.Spans, 1)
	require.Empty(t, cmp.Diff(want, page.Spans[0]))
}

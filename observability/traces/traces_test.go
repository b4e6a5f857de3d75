package traces_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/traces"
	"github.com/fairlead/fairlead/platform"
)

func open(t *testing.T, options traces.Options) *traces.Store {
	t.Helper()
	s, err := traces.Open(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore_KeepsTheContract(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseSpans(t, func(t *testing.T) observability.Spans { return open(t, traces.Options{Dir: t.TempDir()}) })
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var began = time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC)

// span is the only span of trace n.
func span(n int, change ...func(*observability.Span)) observability.Span {
	return observabilitytest.Span(began, 10*n, append([]func(*observability.Span){func(s *observability.Span) {
		s.At, s.Took = began.Add(time.Duration(n)*time.Millisecond), platform.Duration(time.Millisecond)
	}}, change...)...)
}

func failed(s *observability.Span) { s.Failed = true }

func put(t *testing.T, s *traces.Store, spans ...observability.Span) {
	t.Helper()
	require.NoError(t, s.Append(t.Context(), spans))
}

// found returns the numbers of the project's traces that are kept.
func found(t *testing.T, s *traces.Store, project string) map[int]bool {
	t.Helper()
	out := map[int]bool{}
	require.NoError(t, s.Each(t.Context(), observability.SpanQuery{Project: project}, func(span *observability.Span) bool {
		out[int(span.At.Sub(began).Milliseconds())] = true
		return true
	}))
	return out
}

func TestStore_SpansComeBackAfterARestart(t *testing.T) {
	t.Parallel()
	now := &clock{now: began}
	options := traces.Options{Dir: t.TempDir(), SegmentBytes: 2 << 10, Now: now.Now}
	s, err := traces.Open(options)
	require.NoError(t, err)
	put(t, s, span(0, func(s *observability.Span) { s.Attributes = map[string]string{"k": "v"} }))
	now.move(40 * time.Minute)
	for n := 1; n < 100; n++ {
		put(t, s, span(n))
	}
	_, err = traces.Open(options)
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err), "one process at a time")
	before, err := s.Traces(t.Context(), observability.TraceQuery{Project: "shop", Limit: 200})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s = open(t, options)
	after, err := s.Traces(t.Context(), observability.TraceQuery{Project: "shop", Limit: 200})
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Len(t, after.Traces, 100)
	require.NoError(t, s.Close())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(s.Append(t.Context(), nil)))

	now.move(30 * time.Minute)
	s = open(t, options)
	require.Len(t, found(t, s, "shop"), 99, "the first is older than an hour")
}

func TestStore_TornEndCostsTheSpansInItOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := traces.Open(traces.Options{Dir: dir})
	require.NoError(t, err)
	put(t, s, span(1))
	put(t, s, span(2))
	require.NoError(t, s.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*.spans"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], raw[:len(raw)-3], 0o600))

	s = open(t, traces.Options{Dir: dir})
	require.Equal(t, map[int]bool{1: true}, found(t, s, "shop"))
	put(t, s, span(3))
	require.NoError(t, s.Close())
	require.Equal(t, map[int]bool{1: true, 3: true}, found(t, open(t, traces.Options{Dir: dir}), "shop"), "what comes later is read too")
}

func TestStore_TracesOlderThanTheWindowGoAndTheirFilesWithThem(t *testing.T) {
	t.Parallel()
	now := &clock{now: began}
	dir := t.TempDir()
	s := open(t, traces.Options{Dir: dir, Age: time.Hour, SegmentBytes: 1, Now: now.Now})
	put(t, s, span(1), span(2))
	now.move(50 * time.Minute)
	put(t, s, span(2, func(s *observability.Span) { s.SpanID = "00000000000000aa" }), span(3))
	now.move(20 * time.Minute)
	require.NoError(t, s.Prune(t.Context()))
	require.Equal(t, map[int]bool{2: true, 3: true}, found(t, s, "shop"), "a trace is as old as its last span")
	files, err := filepath.Glob(filepath.Join(dir, "*.spans"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	now.move(2 * time.Hour)
	require.NoError(t, s.Prune(t.Context()))
	require.Equal(t, traces.Stats{}, s.Stats())
}

func TestStore_FailedAndSlowTracesStayLongerThanThoseThatWentWell(t *testing.T) {
	t.Parallel()
	s := open(t, traces.Options{MaxBytes: 1 << 20})
	slow := func(s *observability.Span) { s.Took = platform.Duration(5 * time.Second) }
	for n := range 300 { // so that it is known what is slow
		put(t, s, span(n))
	}
	put(t, s, span(300, failed), span(301, slow))
	for n := 302; n < 20_000; n++ {
		put(t, s, span(n))
	}
	kept := found(t, s, "shop")
	require.True(t, kept[300], "failed")
	require.True(t, kept[301], "slow")
	require.False(t, kept[302], "went well, and is as old")
	require.True(t, kept[19_999])
	stats := s.Stats()
	require.LessOrEqual(t, stats.Bytes, int64(1<<20))
	require.Equal(t, 20_000, stats.Spans+int(stats.Evicted))
	require.Equal(t, len(kept), stats.Spans)
}

func TestStore_AFloodOfFailuresLeavesRoomForWhatGoesWell(t *testing.T) {
	t.Parallel()
	s := open(t, traces.Options{MaxBytes: 1 << 20})
	for n := range 10_000 {
		change := failed
		if n%10 == 0 {
			change = func(*observability.Span) {}
		}
		put(t, s, span(n, change))
	}
	well := 0
	for n := range found(t, s, "shop") {
		if n%10 == 0 {
			well++
		}
	}
	require.Greater(t, well, 100)
	require.LessOrEqual(t, s.Stats().Bytes, int64(1<<20))
}

func TestStore_ALoudProjectCostsAQuietOneNothing(t *testing.T) {
	t.Parallel()
	s := open(t, traces.Options{MaxBytes: 1 << 20})
	quiet := func(s *observability.Span) { s.Project = "quiet" }
	for n := range 50 {
		put(t, s, span(n, quiet))
	}
	for n := range 10_000 {
		put(t, s, span(n, failed))
	}
	require.Len(t, found(t, s, "quiet"), 50)
}

func TestStore_ATraceHasALimit(t *testing.T) {
	t.Parallel()
	s := open(t, traces.Options{MaxSpans: 5})
	for n := range 8 {
		put(t, s, observabilitytest.Span(began, n))
	}
	page, err := s.Traces(t.Context(), observability.TraceQuery{Project: "shop"})
	require.NoError(t, err)
	require.Equal(t, 5, page.Traces[0].Spans)
	require.Equal(t, 3, page.Traces[0].Dropped)
	require.Equal(t, uint64(3), s.Stats().Dropped)
}

func TestStore_FilesStayWithinTheirBound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, traces.Options{Dir: dir, MaxBytes: 64 << 10, SegmentBytes: 8 << 10})
	for n := range 5000 {
		put(t, s, span(n, func(s *observability.Span) { s.Name = strings.Repeat("x", 200) }))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.spans"))
	require.NoError(t, err)
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		total += info.Size()
	}
	require.LessOrEqual(t, total, int64(128<<10))
	require.Greater(t, len(files), 5)
}

func TestStore_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, traces.Options{Dir: t.TempDir(), MaxBytes: 1 << 20})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 500 {
				_ = s.Append(t.Context(), []observability.Span{span(1000*w+n, failed)})
			}
		})
		all.Go(func() {
			for range 50 {
				_, _ = s.Traces(t.Context(), observability.TraceQuery{Project: "shop", Service: "api"})
				_, _ = s.Query(t.Context(), observability.SpanQuery{Project: "shop", Failed: true})
				_ = s.Prune(t.Context())
				s.Stats()
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, s.Stats().Bytes, int64(1<<20))
}

func BenchmarkAppend(b *testing.B) {
	s, err := traces.Open(traces.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	defer s.Close()
	attributes := map[string]string{}
	for i := range 15 {
		attributes[fmt.Sprintf("http.request.attribute.%d", i)] = "a value of usual length"
	}
	batch := make([]observability.Span, 512)
	n := 0
	for b.Loop() {
		for i := range batch {
			batch[i] = observabilitytest.Span(began, n, func(s *observability.Span) { s.Attributes = attributes })
			n++
		}
		require.NoError(b, s.Append(b.Context(), batch))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "spans/s")
}

package spool_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/observability/spool"
)

// parsed returns lines as the parser makes them of JSON output.
func parsed(n int) []observability.Line {
	base := observability.Line{
		Project: "shop", Environment: "production", Service: "api", Instance: "ins_1", Deploy: "dep_1", Source: observability.SourceRuntime,
		Stream: "stdout", Release: 1, At: time.Now().Add(-time.Hour),
	}
	out := make([]observability.Line, n)
	for i := range out {
		base.At = base.At.Add(time.Microsecond)
		out[i] = parse.Text(base, fmt.Sprintf(`{"level":"info","msg":"request done","path":"/predict","status":200,"ms":%d,"user":"ada"}`, i), nil)
	}
	return out
}

// nowhere takes every line.
type nowhere struct{ lines int }

func (n *nowhere) Append(_ context.Context, lines []observability.Line) error {
	n.lines += len(lines)
	return nil
}

func openBench(b *testing.B, target spool.Sender) *spool.Spool {
	s, err := spool.Open(spool.Options{Dir: b.TempDir(), Target: target})
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkAppend measures lines made durable, in batches as the collector's, by one appender and by eight.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 8} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			s := openBench(b, &nowhere{})
			lines := parsed(512)
			var late []time.Duration
			var mu sync.Mutex
			var all sync.WaitGroup
			b.ResetTimer()
			for range appenders {
				all.Go(func() {
					for i := 0; i < b.N/512/appenders+1; i++ {
						began := time.Now()
						if err := s.Append(context.Background(), lines); err != nil {
							panic(err)
						}
						mu.Lock()
						late = append(late, time.Since(began))
						mu.Unlock()
					}
				})
			}
			all.Wait()
			b.StopTimer()
			slices.Sort(late)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(s.Stats().Bytes)/float64(s.Stats().Lines+1), "B/line")
		})
	}
}

// BenchmarkDrain measures a backlog going to a target that costs nothing, and to the embedded store.
func BenchmarkDrain(b *testing.B) {
	for name, open := range map[string]func(*testing.B) spool.Sender{
		"nowhere": func(*testing.B) spool.Sender { return &nowhere{} },
		"embedded": func(b *testing.B) spool.Sender {
			logs, err := embedded.OpenLogs(b.TempDir(), embedded.LogOptions{})
			require.NoError(b, err)
			b.Cleanup(func() { _ = logs.Close() })
			return logs
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := openBench(b, open(b))
			lines := parsed(1024)
			for range b.N/1024 + 1 {
				require.NoError(b, s.Append(b.Context(), lines))
			}
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			b.ResetTimer()
			go func() { ended <- s.Run(ctx) }()
			for tick := time.NewTicker(time.Millisecond); s.Stats().State != spool.StateIdle; {
				<-tick.C
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			stop()
			require.NoError(b, <-ended)
		})
	}
}

// BenchmarkSearchable measures the time from a line's Append to a query of the whole that has it.
func BenchmarkSearchable(b *testing.B) {
	logs, err := embedded.OpenLogs(b.TempDir(), embedded.LogOptions{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = logs.Close() })
	s := openBench(b, logs)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var late []time.Duration
	for i := 0; b.Loop(); i++ {
		l := parsed(1)[0]
		l.At, l.Message = time.Now(), fmt.Sprintf("needle %d", i)
		began := time.Now()
		require.NoError(b, s.Append(b.Context(), []observability.Line{l}))
		for found := false; !found; {
			page, err := s.Query(b.Context(), observability.LogQuery{Project: "shop", Text: l.Message, From: began.Add(-time.Minute)})
			require.NoError(b, err)
			found = len(page.Lines) > 0
		}
		late = append(late, time.Since(began))
	}
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-ms")
	stop()
	require.NoError(b, <-ended)
}

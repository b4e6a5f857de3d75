package collect_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform/secret"
)

// nowhere is a store that keeps nothing but normal lines' attention.
type nowhere struct{ lines int }

func (n *nowhere) Append(_ context.Context, lines []observability.Line) error {
	for i := range lines {
		_ = lines[i].Normal()
	}
	n.lines += len(lines)
	return nil
}

// appender is what the benchmark needs of a store.
type appender interface {
	Append(ctx context.Context, lines []observability.Line) error
}

// twentySecrets is what a project of some size has.
func twentySecrets() map[string]string {
	out := map[string]string{}
	for i := range 20 {
		out[fmt.Sprintf("SECRET_%d", i)] = fmt.Sprintf("%d-%s", i, strings.Repeat("k3yM", 7))
	}
	return out
}

// said are lines of three kinds, written at a time.
func said(at time.Time) map[string][]string {
	json := fmt.Sprintf(`{"level":"info","ts":%q,"msg":"request done","path":"/predict","status":200,"ms":12,"user":"ada"}`, at.Format(time.RFC3339Nano))
	plain := at.Format("2006-01-02 15:04:05,000") + " INFO app.api request 12345 for /predict done in 12 ms"
	logfmt := `level=info ts=` + at.Format(time.RFC3339Nano) + ` msg="request done" path=/predict status=200 ms=12 user=ada`
	access := `10.0.0.7 - - [` + at.Format("02/Jan/2006:15:04:05 -0700") + `] "GET /predict?q=1 HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"`
	return map[string][]string{
		"json": {json}, "plain": {plain}, "mixed": {json, plain, json, logfmt, plain, access, json, "  loading shard 3 of 12", plain, json},
	}
}

// BenchmarkParseToStore measures one line from the engine's bytes to the store, with twenty secrets looked for and a
// hub that nobody reads. lines/cpu-s is lines for each second of one core, the store's and the garbage collector's own
// goroutines included: it does not depend on what else the machine does.
func BenchmarkParseToStore(b *testing.B) {
	for _, kind := range []string{"json", "plain", "mixed"} {
		for _, into := range []string{"discard", "embedded"} {
			b.Run(kind+"/"+into, func(b *testing.B) {
				var store appender = &nowhere{}
				if into == "embedded" {
					logs, err := embedded.OpenLogs(b.TempDir(), embedded.LogOptions{})
					require.NoError(b, err)
					defer func() { require.NoError(b, logs.Close()) }()
					store = logs
				}
				collectLines(b, store, kind)
			})
		}
	}
}

func collectLines(b *testing.B, store appender, kind string) {
	start := time.Now().Add(-time.Hour).UTC()
	texts := said(start)[kind]
	parts := make([][]byte, len(texts))
	for i, text := range texts {
		parts[i] = []byte(text)
	}
	hub := observability.NewHub()
	batch := make([]observability.Line, 0, 512)
	base := observability.Line{Project: "shop", Environment: "production", Service: "api", Instance: "ins_1", Source: "runtime", Stream: "stdout", Release: 1}
	j := parse.NewJoiner(base, secret.NewRedactor(twentySecrets()).Redact, func(l observability.Line) { batch = append(batch, l) })
	b.ReportAllocs()
	before := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		j.Add(parse.Part{At: start.Add(time.Duration(i%1_000_000) * time.Microsecond), Text: parts[i%len(parts)]})
		if len(batch) == cap(batch) {
			hub.Publish(batch)
			require.NoError(b, store.Append(b.Context(), batch))
			batch = batch[:0]
		}
	}
	spent := cpuTime(b) - before
	b.ReportMetric(float64(b.N)/spent.Seconds(), "lines/cpu-s")
}

// cpuTime is what this process has spent of all cores.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

package parse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
)

// join runs lines through a joiner, one part each, a nanosecond apart.
func join(text string) []observability.Line {
	var out []observability.Line
	j := parse.NewJoiner(observability.Line{Stream: "stderr"}, nil, func(l observability.Line) { out = append(out, l) })
	for i, line := range strings.Split(text, "\n") {
		j.Add(parse.Part{At: time.Unix(0, int64(i+1)), Text: []byte(line)})
	}
	j.Flush()
	return out
}

const (
	pythonTrace = `Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    os.environ["MODEL_PATH"]
KeyError: 'MODEL_PATH'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 5, in <module>
    raise RuntimeError("no model")
RuntimeError: no model`
	goTrace = `panic: runtime error: index out of range [3] with length 1

goroutine 1 [running]:
main.f({0xc000012345, 0x3})
	/app/main.go:12 +0x1d
main.main()
	/app/main.go:7 +0x20
created by net/http.(*Server).Serve in goroutine 1
	/usr/lib/go/src/net/http/server.go:3086 +0x4cb
exit status 2`
	javaTrace = `Exception in thread "main" java.lang.IllegalStateException: no pool
	at com.example.Pool.get(Pool.java:10)
	... 3 more
Caused by: java.io.IOException: refused
	at java.net.Socket.connect(Socket.java:1)`
	nodeTrace = `TypeError: Cannot read properties of undefined (reading 'x')
    at predict (/app/server.js:10:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {
  code: 'E'
}`
)

func TestJoiner_JoinsTracesAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trace string
		level observability.Level
	}{"python": {pythonTrace, "error"}, "go": {goTrace, "fatal"}, "java": {javaTrace, "error"}, "node": {nodeTrace, "error"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := join("INFO before\n" + c.trace + "\nINFO after\nINFO end")
			require.Len(t, got, 4, "%q", got)
			require.Equal(t, c.trace, got[1].Message)
			require.Equal(t, c.level, got[1].Level)
			require.Equal(t, "INFO after", got[2].Message)
			lines := int64(strings.Count(c.trace, "\n") + 1)
			require.Equal(t, time.Unix(0, 2).UTC(), got[1].At)
			require.Equal(t, time.Unix(0, 1+lines).UTC(), got[1].EndAt)
			twice := join(c.trace + "\n" + c.trace)
			for _, l := range twice {
				require.Equal(t, c.level, l.Level)
			}
		})
	}
}

func TestJoiner_ExceptionAloneIsALineAndGoesOutAtTheNext(t *testing.T) {
	t.Parallel()
	got := join("ValueError: bad input\nnext\nINFO x Error: y\nlast")
	require.Len(t, got, 4)
	require.Equal(t, "ValueError: bad input", got[0].Message)
	require.True(t, got[0].EndAt.IsZero())
}

func TestJoiner_PartialPiecesBecomeOneLineAndOverlongOnesAreCut(t *testing.T) {
	t.Parallel()
	var out []observability.Line
	j := parse.NewJoiner(observability.Line{}, nil, func(l observability.Line) { out = append(out, l) })
	at := time.Unix(5, 0)
	for i := range 3 {
		j.Add(parse.Part{At: at, Seq: uint64(i), Text: []byte(strings.Repeat("x", 10)), Partial: i < 2})
	}
	for i := range 20 {
		j.Add(parse.Part{At: at.Add(1), Seq: uint64(i), Text: []byte(strings.Repeat("y", 16<<10)), Partial: i < 19})
	}
	j.Add(parse.Part{At: at.Add(2), Text: []byte("no end"), Partial: true})
	since, waiting := j.Pending()
	require.True(t, waiting)
	require.Equal(t, at.Add(2), since)
	j.Flush()
	require.Len(t, out, 3)
	require.Equal(t, strings.Repeat("x", 30), out[0].Message)
	require.Equal(t, uint64(2), out[0].EndSeq)
	require.True(t, out[1].Truncated)
	require.Len(t, out[1].Message, observability.MaxLineBytes)
	require.Equal(t, uint64(19), out[1].EndSeq)
	require.Equal(t, "no end", out[2].Message)
}

// Every part lies in exactly one record, and records do not overlap: what collection relies on to store each once.
func TestJoiner_EveryPartIsInExactlyOneRecord(t *testing.T) {
	t.Parallel()
	words := append(strings.Split(pythonTrace+"\n"+goTrace+"\n"+javaTrace+"\n"+nodeTrace, "\n"), "plain", "", `{"msg":"x"}`, "  indented", strings.Repeat("z", 70000))
	rapid.Check(t, func(t *rapid.T) {
		var out []observability.Line
		j := parse.NewJoiner(observability.Line{}, nil, func(l observability.Line) { out = append(out, l) })
		n := rapid.IntRange(1, 60).Draw(t, "n")
		var places []string
		for i := range n {
			p := parse.Part{At: time.Unix(0, int64(i/3)), Seq: uint64(i % 3), Text: []byte(rapid.SampledFrom(words).Draw(t, "text")), Partial: rapid.IntRange(0, 4).Draw(t, "partial") == 0}
			places = append(places, fmt.Sprint(p.At.UnixNano(), p.Seq))
			j.Add(p)
			if rapid.IntRange(0, 9).Draw(t, "idle") == 0 {
				j.FlushTrace()
			}
		}
		j.Flush()
		_, waiting := j.Pending()
		require.False(t, waiting)
		next := 0
		for _, l := range out {
			endAt, endSeq := l.End()
			require.Equal(t, places[next], fmt.Sprint(l.At.UnixNano(), l.Seq))
			for places[next] != fmt.Sprint(endAt.UnixNano(), endSeq) {
				next++
			}
			next++
		}
		require.Equal(t, n, next)
	})
}

func BenchmarkJoiner(b *testing.B) {
	for name, text := range map[string]string{
		"plain":  "2024-01-01 00:00:00,123 INFO request 12345 done in 12 ms",
		"json":   `{"level":"info","ts":"2024-01-01T00:00:00Z","msg":"request done","path":"/predict","status":200,"ms":12,"user":"ada"}`,
		"logfmt": `level=info ts=2024-01-01T00:00:00Z msg="request done" path=/predict status=200 ms=12 user=ada`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			j := parse.NewJoiner(observability.Line{Project: "shop", Service: "api"}, nil, func(observability.Line) {})
			for i := 0; b.Loop(); i++ {
				j.Add(parse.Part{At: time.Unix(0, int64(i)), Text: []byte(text)})
			}
		})
	}
}

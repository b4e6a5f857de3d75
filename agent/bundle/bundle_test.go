package bundle_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/platform"
)

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

const incident = `{"id":"i1","title":"errors","service":"api","signal":"error_rate","summary":"5xx","detected_at":"2026-03-01T10:00:00Z","pager":{"x":1}}`

func TestRead_TakesEveryFileOfTheFormat(t *testing.T) {
	t.Parallel()
	b, err := bundle.Read(folder(t, map[string]string{
		"incident.json": incident,
		"logs.ndjson": `{"ts":"2026-03-01T09:59:00Z","service":"api","instance":"a-1","release":"v4","level":"ERROR","msg":"order 17 failed","fields":{"error":"dial tcp 10.0.0.3:5432: connect: connection refused","user":"u1"}}
{"ts":"2026-03-01T09:59:01Z","service":"api","instance":"a-1","release":"v4","level":"ERROR","msg":"order 18 failed","fields":{"error":"dial tcp 10.0.0.3:5432: connect: connection refused","user":"u2"}}`,
		"metrics.csv":         "ts,service,metric,value,instance\n2026-03-01T09:58:00Z,api,http_requests_total,10,a-1\n1772359140,api,http_requests_total,20,a-1\n2026-03-01T09:58:00Z,api,\"latency{quantile=\"\"0.99\"\"}\",3,\n",
		"spans.ndjson":        `{"ts":"2026-03-01T09:58:00Z","trace_id":"t","span_id":"s","parent_id":null,"service":"api","name":"GET /","duration_ms":12.5,"status":"error","error":"boom","attributes":{"http.status_code":500}}`,
		"changes.ndjson":      `{"ts":"2026-03-01T09:50:00Z","kind":"deploy","id":"d1","service":"api","release":"v4","commit":"abc"}` + "\n" + `{"ts":"2026-03-01T09:40:00Z","kind":"commit","id":"abc","message":"x","files":["a.py"],"diff":"--- a/a.py\n+++ b/a.py\n"}`,
		"topology.json":       `[{"from":"api","to":"db","kind":"uses"},{"from":"x"}]`,
		"patterns.ndjson":     `{"signature":"timeout <*>","service":"api","count":"40","delta_vs_baseline":3.5}`,
		"alerts.ndjson":       `{"id":"a1","ts":"2026-03-01T09:59:00Z","service":"api","name":"High errors","value":3,"threshold":1,"fired_count_1h":2,"resolved_after_s":40}`,
		"open_incidents.json": `[{"id":"o1","title":"db slow"}]`,
		"instances.json":      `[{"service":"api","instance":"a-1","release":"v4","state":"exited","exit_code":137,"oom_killed":true,"restarts":3,"stopped_by":null}]`,
		"probes.ndjson":       `{"ts":"2026-03-01T09:59:00Z","service":"api","ok":false,"status":503}`,
	}))
	require.NoError(t, err)
	require.Equal(t, "api", b.Incident.Service)
	require.Len(t, b.Logs.Groups, 1, "lines that differ in values only are one group")
	g := b.Logs.Groups[0]
	require.Equal(t, 2, g.Count)
	require.Equal(t, "error", g.Level)
	require.Equal(t, map[string]int{"v4": 2}, g.Releases)
	require.Contains(t, g.Exemplars[0].Text, "connection refused", "the words of an error count, wherever they stand")
	require.Len(t, b.Metrics, 2)
	require.Len(t, b.Metrics[0].Points, 2)
	require.Equal(t, "a-1", b.Metrics[0].Labels["instance"])
	require.Equal(t, 12500*time.Microsecond, b.Spans[0].Took)
	require.Empty(t, b.Spans[0].ParentID)
	require.Equal(t, "500", b.Spans[0].Attributes["http.status_code"])
	require.Equal(t, []string{"abc", "d1"}, []string{b.Changes[0].ID, b.Changes[1].ID}, "the oldest first")
	require.Equal(t, "abc", b.Changes[1].Commit)
	require.Len(t, b.Topology, 1)
	require.InDelta(t, 3.5, *b.Patterns[0].Delta, 0)
	require.Equal(t, 40*time.Second, b.Alerts[0].ResolvedAfter)
	require.Equal(t, 137, *b.Instances[0].ExitCode)
	require.True(t, b.Instances[0].OOMKilled)
	require.Empty(t, b.Instances[0].StoppedBy)
	require.False(t, b.Probes[0].OK)
	require.Equal(t, []string{"1 record of topology.json could not be read"}, b.Gaps)
}

func TestRead_CountsWhatItCannotReadAndGoesOn(t *testing.T) {
	t.Parallel()
	b, err := bundle.Read(folder(t, map[string]string{
		"incident.json": incident,
		"logs.ndjson":   "not json\n{\"ts\":\"2026-03-01T09:59:00Z\",\"msg\":\"fine\"}\n{\"ts\":\"soon\",\"msg\":\"x\"}\n{\"ts\":\"2026-03-01T09:59:00Z\"\n" + strings.Repeat("x", 2<<20) + "\n",
		"metrics.csv":   "2026-03-01T09:58:00Z,api,up,1\n2026-03-01T09:58:00Z,api,up,NaN\nshort\n",
	}))
	require.NoError(t, err)
	require.Equal(t, 1, b.Logs.Lines)
	require.Equal(t, 4, b.Logs.Bad)
	require.Len(t, b.Metrics[0].Points, 1)
	require.Contains(t, b.Gaps, "4 records of logs.ndjson could not be read")
	require.Contains(t, b.Gaps, "2 records of metrics.csv could not be read")
	require.Contains(t, b.Gaps, "the bundle has no changes.ndjson")
}

func TestRead_SaysWhatIsWrongWithTheFolder(t *testing.T) {
	t.Parallel()
	_, err := bundle.Read(t.TempDir())
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	_, err = bundle.Read(folder(t, map[string]string{"incident.json": "[1]"}))
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	file := filepath.Join(t.TempDir(), "incident.json")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = bundle.Read(file)
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	require.ErrorContains(t, err, "is a file, not a folder")
}

func TestRead_JoinsTheLinesOfAStackTrace(t *testing.T) {
	t.Parallel()
	line := func(second int, instance, msg string) string {
		return fmt.Sprintf(`{"ts":"2026-03-01T09:59:%02dZ","service":"api","instance":%q,"level":"error","msg":%q}`, second, instance, msg) + "\n"
	}
	b, err := bundle.Read(folder(t, map[string]string{
		"incident.json": incident,
		"logs.ndjson": line(1, "a", "Traceback (most recent call last):") + line(1, "b", "other words") + line(1, "a", `  File "/app/main.py", line 3, in run`) +
			line(1, "a", "    x()") + line(1, "a", "ValueError: bad") + line(9, "a", "later words"),
	}))
	require.NoError(t, err)
	var texts []string
	for _, g := range b.Logs.Groups {
		texts = append(texts, g.Exemplars[0].Text)
	}
	require.Contains(t, texts, "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in run\n    x()\nValueError: bad")
	require.Contains(t, texts, "later words")
}

// million writes a log of n lines as a busy service leaves it, and returns its folder.
func million(tb testing.TB, n int) string {
	tb.Helper()
	dir := folder(tb, map[string]string{"incident.json": incident})
	f, err := os.Create(filepath.Join(dir, "logs.ndjson"))
	require.NoError(tb, err)
	w := bufio.NewWriterSize(f, 1<<20)
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour / time.Duration(n))
		fmt.Fprintf(w, `{"ts":%q,"service":"svc-%d","instance":"svc-%d-%d","release":"v%d","level":"info","msg":"GET /orders/%d 200 in %d ms for user u%d from 10.0.%d.%d","fields":{"path":"/orders/%d","status":200}}`+"\n",
			at.Format(time.RFC3339Nano), i%8, i%8, i%3, 4+i%2, i, i%400, i%7919, i%250, i%211, i)
	}
	require.NoError(tb, w.Flush())
	require.NoError(tb, f.Close())
	return dir
}

func TestRead_FoldsManyLinesIntoLittleMemory(t *testing.T) {
	t.Parallel()
	dir := million(t, 60_000)
	b, err := bundle.Read(dir)
	require.NoError(t, err)
	require.Equal(t, 60_000, b.Logs.Lines)
	require.Len(t, b.Logs.Groups, 8)
	again, err := bundle.Read(dir)
	require.NoError(t, err)
	require.Equal(t, b, again, "the same files give the same bundle")
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapInuse, uint64(200<<20))
}

func BenchmarkRead_AMillionLines(b *testing.B) {
	dir := million(b, 1_000_000)
	for b.Loop() {
		got, err := bundle.Read(dir)
		require.NoError(b, err)
		require.Equal(b, 1_000_000, got.Logs.Lines)
	}
}

func TestRead_AListWrittenOverManyLinesReadsAsOneOnOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "incident.json"), []byte("{\n  \"id\": \"i\",\n  \"service\": \"a\"\n}\n"), 0o600))
	list := "[\r\n {\r\n  \"service\": \"a\",\n  \"instance\": \"a-1\",\n  \"state\": \"exited\",\n  \"exit_code\": 3\r\n },\n {\n  \"service\": \"a\",\n  \"state\": \"exited\",\n  \"oom_killed\": true\n,\n  \"stopped_by\": null\n }\n]\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "instances.json"), []byte(list), 0o600))
	b, err := bundle.Read(dir)
	require.NoError(t, err)
	require.Len(t, b.Instances, 2)
	require.NotNil(t, b.Instances[0].ExitCode)
	require.Equal(t, 3, *b.Instances[0].ExitCode)
	require.True(t, b.Instances[1].OOMKilled)
	require.Empty(t, b.Instances[1].StoppedBy, "null before the end of a line is nobody")
}

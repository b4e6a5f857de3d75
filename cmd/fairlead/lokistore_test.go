package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/platform"
)

// TestLokiStore_AnOutageOfLokiLosesNoLineAndDoublesNone runs the whole server with its logs in a real Loki, which is killed
// while lines come and is away for a while. The server is started anew meanwhile.
func TestLokiStore_AnOutageOfLokiLosesNoLineAndDoublesNone(t *testing.T) {
	t.Parallel()
	store := lokitest.Start(t)
	r := setupWith(t, func(c *serverConfig) error {
		c.loki = loki.Options{URL: store.URL(), Tenant: store.Tenant()}
		return nil
	})
	project, g := r.project(t, pushedServices)
	w := r.numberWriter(t, project)

	w.write(2000)
	r.lines(t, observability.LogQuery{Project: project}, 2000)
	half := make(chan struct{})
	go func() {
		defer close(half)
		w.write(3000) // some of them on their way when Loki dies
	}()
	store.Kill()
	<-half
	w.write(1000)

	page, err := r.client.SearchLogs(t.Context(), observability.LogQuery{Project: project, Text: "number 5999"})
	require.NoError(t, err)
	require.Equal(t, []string{"number 5999"}, messagesOf(page.Lines), "what waits is found")
	require.Contains(t, page.Incomplete, "these are only the lines that wait for it")
	code, out, errOut := r.fairlead(t, g.dir, r.admin, "logs", "--grep", "number 5999")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "number 5999")
	require.Contains(t, errOut, "Incomplete: The log store does not answer")
	require.Contains(t, r.refused(t, 8, g.dir, "logs", "--grep", "nothing says this"), "no line that waits for it matches")
	require.Eventually(t, func() bool { return strings.Contains(r.partDetail(t, "logs"), "lines wait on disk: Loki at") }, patience, 50*time.Millisecond)

	require.NoError(t, r.halt())
	require.NoError(t, r.start(), "the server is ready without its log store")
	w.write(1000)
	store.Start(t)
	w.write(1000)

	r.requireNumbers(t, project, w.written)
	require.Eventually(t, func() bool { return !strings.Contains(r.partDetail(t, "logs"), "wait on disk") }, patience, 50*time.Millisecond)
}

// numberWriter pushes numbered lines to the server as an application does.
type numberWriter struct {
	t       *testing.T
	client  *loki.Logs
	project string
	written int
}

func (r *installed) numberWriter(t *testing.T, project string) *numberWriter {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(r.sender(t, project)), 0o600))
	client, err := loki.Open(loki.Options{URL: r.url(), TokenFile: file})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return &numberWriter{t: t, client: client, project: project}
}

// write pushes the next n numbers, a hundred in each push, and returns once the server has taken them.
func (w *numberWriter) write(n int) {
	for end := w.written + n; w.written < end; {
		lines := make([]observability.Line, 100)
		for i := range lines {
			lines[i] = observability.Line{
				At: time.Now(), Project: w.project, Environment: platform.ProductionName, Service: "api", Source: observability.SourceRuntime,
				Level: observability.LevelInfo, Message: fmt.Sprintf("number %d", w.written+i),
			}
		}
		if err := w.client.Append(w.t.Context(), lines); err != nil {
			w.t.Errorf("push numbers: %v", err)
			return
		}
		w.written += len(lines)
	}
}

// requireNumbers waits until every number below total is found, and requires each of them once.
func (r *installed) requireNumbers(t *testing.T, project string, total int) {
	t.Helper()
	var seen map[string]int
	require.Eventually(t, func() bool {
		seen = map[string]int{}
		q := observability.LogQuery{Project: project, Text: "number ", Limit: observability.MaxLogLimit}
		for more := true; more; more = q.Cursor != "" {
			page, err := r.client.SearchLogs(t.Context(), q)
			if err != nil || page.Incomplete != "" {
				return false
			}
			for _, l := range page.Lines {
				seen[l.Message]++
			}
			q.Cursor = page.Next
		}
		return len(seen) >= total
	}, patience, 100*time.Millisecond, "all %d numbers are found", total)
	for i := range total {
		require.Equal(t, 1, seen[fmt.Sprintf("number %d", i)], "number %d", i)
	}
	require.Len(t, seen, total)
}

// partDetail is what the status says of a part.
func (r *installed) partDetail(t *testing.T, name string) string {
	t.Helper()
	status, err := r.client.Status(t.Context())
	require.NoError(t, err)
	for _, part := range status.Parts {
		if part.Name == name {
			return part.Detail
		}
	}
	require.Fail(t, "there is no part "+name)
	return ""
}

func messagesOf(lines []observability.Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Message
	}
	return out
}

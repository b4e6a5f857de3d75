package loki_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/platform"
)

func TestMain(m *testing.M) { os.Exit(lokitest.Run(m)) }

// turns bounds the contract's tests that run at a time: their stores are tenants of one server, which shares the cores with
// all of them, and the contract gives it two seconds.
var turns = make(chan struct{}, 3)

func takeTurn(t *testing.T) {
	t.Helper()
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
}

// open returns an empty store in the real server.
func open(t *testing.T) *loki.Logs {
	t.Helper()
	server := lokitest.Shared(t)
	return openWith(t, loki.Options{URL: server.URL(), Tenant: server.Tenant()})
}

func openWith(t *testing.T, options loki.Options) *loki.Logs {
	t.Helper()
	logs, err := loki.Open(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	return logs
}

func line(at time.Time, message string) observability.Line {
	return observability.Line{
		At: at.UTC(), Project: "shop", Environment: "production", Service: "api", Release: 7, Deploy: "dep_1", Instance: "ins_1",
		Source: observability.SourceRuntime, Stream: "stdout", Level: observability.LevelInfo, Message: message,
	}
}

// readAll returns all lines of a query.
func readAll(t *testing.T, logs observability.Logs, q observability.LogQuery) []observability.Line {
	t.Helper()
	var all []observability.Line
	for {
		page, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Lines...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
}

// eventually waits until a query answers n lines, and returns them.
func eventually(t *testing.T, logs observability.Logs, q observability.LogQuery, n int) []observability.Line {
	t.Helper()
	var got []observability.Line
	require.Eventually(t, func() bool {
		got = readAll(t, logs, q)
		return len(got) >= n
	}, 20*time.Second, 20*time.Millisecond)
	require.Len(t, got, n)
	return got
}

func messages(lines []observability.Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Message
	}
	return out
}

// fakeServer answers pushes as a test wants, and keeps what it was sent.
type fakeServer struct {
	*httptest.Server

	mu     sync.Mutex // guards the fields below
	pushes []pushed
}

type pushed struct {
	at     time.Time
	header http.Header
	lines  []observability.Line
}

// serve starts a fake server; answer is called for each push with its number, from 0, and its lines.
func serve(t *testing.T, answer func(w http.ResponseWriter, n int, p pushed)) *fakeServer {
	t.Helper()
	f := &fakeServer{}
	f.Server = httptest.NewServer(f.handler(answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeServer) handler(answer func(w http.ResponseWriter, n int, p pushed)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, err := loki.Decode(r, anywhere, loki.ReceiveLimits{Oldest: 100 * 365 * 24 * time.Hour, Newest: 100 * 365 * 24 * time.Hour}, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p := pushed{at: time.Now(), header: r.Header, lines: read.Lines}
		f.mu.Lock()
		n := len(f.pushes)
		f.pushes = append(f.pushes, p)
		f.mu.Unlock()
		answer(w, n, p)
	})
}

// anywhere lets a stream go where its labels say.
func anywhere(labels map[string]string) (platform.TelemetryScope, error) {
	return platform.TelemetryScope{Project: labels["project"], Environment: labels["environment"], Services: slices.Collect(maps.Values(labels))}, nil
}

func (f *fakeServer) got() []pushed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]pushed(nil), f.pushes...)
}

func accept(w http.ResponseWriter, _ int, _ pushed) { w.WriteHeader(http.StatusNoContent) }

// writeFile writes a file of a test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// sinkFunc is a sink that is a function.
type sinkFunc func(ctx context.Context, lines []observability.Line) error

func (f sinkFunc) Append(ctx context.Context, lines []observability.Line) error { return f(ctx, lines) }

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

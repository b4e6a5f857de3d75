package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// slowLogs is a store whose queries end with their context only.
type slowLogs struct{ *observabilitytest.MemoryLogs }

func (slowLogs) Query(ctx context.Context, _ observability.LogQuery) (observability.LogPage, error) {
	<-ctx.Done()
	return observability.LogPage{}, observability.Overdue(ctx)
}

func (slowLogs) Count(ctx context.Context, _ observability.LogQuery, _ time.Duration) ([]observability.LogCount, error) {
	<-ctx.Done()
	return nil, observability.Overdue(ctx)
}

// shopWith is the real control plane with the project shop and these parts.
func shopWith(t *testing.T, change func(*control.Options, *httpapi.Options)) *installation {
	t.Helper()
	i := installAt(t, storetest.Open(t), t.TempDir(), change)
	_, err := i.plane.CreateProject(t.Context(), platform.SystemActor("test"), platform.CreateProjectRequest{Blueprint: blueprint})
	require.NoError(t, err)
	return i
}

func (i *installation) problem(path string) httpapi.Problem {
	i.t.Helper()
	b := bundle{t: i.t, url: i.url}
	return b.problem(http.MethodGet, path, i.token, "")
}

func TestLogs_QueryThatTakesTooLongSaysHowToAskForLess(t *testing.T) {
	t.Parallel()
	i := shopWith(t, func(o *control.Options, h *httpapi.Options) {
		o.Logs, h.RequestTimeout = slowLogs{}, time.Second
	})
	for _, path := range []string{
		"/v1/logs?project=shop", "/v1/logs/histogram?project=shop", "/v1/logs/patterns?project=shop", "/v1/logs/export?project=shop",
		"/v1/logs/stream?project=shop", "/v1/logs/around?project=shop&around=2026-03-14T15:09:26Z%2B1",
	} {
		p := i.problem(path)
		require.Equal(t, http.StatusServiceUnavailable, p.Status, path)
		require.Contains(t, p.Detail, "ended before it was done", path)
		require.Contains(t, p.Hint, "Ask for a shorter range", path)
	}
}

func TestLogs_BadQueriesNameTheFix(t *testing.T) {
	t.Parallel()
	i := shopWith(t, func(o *control.Options, _ *httpapi.Options) { o.Logs = &observabilitytest.MemoryLogs{} })
	paths := []string{"/v1/logs", "/v1/logs/histogram", "/v1/logs/patterns", "/v1/logs/export", "/v1/logs/stream"}
	for _, c := range []struct {
		query, field, detail, hint string
		not                        string // has no such parameter
	}{
		{"regex=a(b", "regex", "missing closing ): `a(b`", "Use RE2 syntax", ""},
		{"regex=a(b&ignore_case=true", "regex", "missing closing ): `a(b`", "Use RE2 syntax", ""},
		{"from=1h&to=2h", "from", "The range is reversed", "Give a beginning that is before the end.", "stream"},
		{"from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "from", "The range of 59 days is over the limit of 32.", "Ask for a shorter range", "stream"},
		{"txt=x", "txt", `The query parameter "txt" is not known.`, `Did you mean "text"?`, ""},
		{"field=user", "field", `field "user" is not name=value.`, "Write for example", ""},
		{"text=a&regex=b&ignore_case=true", "ignore_case", "takes text or a regular expression", "Leave one of them out", ""},
		{"service=apy", "service", `shop has no service "apy"`, "api", ""},
	} {
		for _, path := range paths {
			if c.not != "" && strings.HasSuffix(path, c.not) {
				continue
			}
			p := i.problem(path + "?project=shop&" + c.query)
			require.Equal(t, c.field, p.Field, "%s?%s: %s", path, c.query, p.Detail)
			require.Contains(t, p.Detail, c.detail, path)
			require.Contains(t, p.Hint, c.hint, path)
		}
	}
	p := i.problem("/v1/logs/histogram?project=shop&from=24h&step=1s")
	require.Equal(t, "step", p.Field)
	require.Contains(t, p.Detail, "steps of 1s; the limit is 2000.")
	require.Contains(t, p.Hint, "longer step or a shorter range")
	p = i.problem("/v1/logs?project=shop&cursor=l1.x.1.1")
	require.Equal(t, "cursor", p.Field)
	require.Contains(t, p.Hint, "leave the cursor out")
}

func TestExport_EndsWithWhatWentWrong(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Fail = func(call string) error {
		if call == "ExportLogs" {
			return platform.Errorf(platform.CodeUnavailable, "The log store does not answer.")
		}
		return nil
	}
	status, header, raw := b.do(http.MethodGet, "/v1/logs/export?project=shop", httpapitest.AdminToken, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "application/x-ndjson", header.Get("Content-Type"))
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, lines, 2)
	var last struct{ Error httpapi.Problem }
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &last))
	require.Equal(t, "The log store does not answer.", last.Error.Detail)
}

// TestExport_WaitsForASlowReader yields 200 MB of lines to a reader that does not read: what is on the way must not grow.
func TestExport_WaitsForASlowReader(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	line := observability.Line{At: httpapitest.Now, Project: "shop", Message: strings.Repeat("x", 10<<10)}
	var yielded atomic.Int64
	moved, ended := make(chan struct{}, 1), make(chan error, 1)
	b.plane.OnExport = func(yield func(observability.Line) error) error {
		for range 20_000 {
			if err := yield(line); err != nil {
				ended <- err
				return err
			}
			yielded.Add(1)
			select {
			case moved <- struct{}{}:
			default:
			}
		}
		ended <- nil
		return nil
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/v1/logs/export?project=shop", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	for still := false; !still; { // until nothing has moved for a while
		select {
		case <-moved:
		case <-time.After(300 * time.Millisecond):
			still = true
		}
	}
	held := yielded.Load() * int64(len(line.Message))
	t.Logf("%d KiB on the way to a reader that does not read", held>>10)
	require.Less(t, held, int64(32<<20), "sockets and buffers hold what they hold")
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for range 2 * yielded.Load() {
		require.True(t, lines.Scan(), "it goes on when the reader does")
	}
	leave()
	require.Error(t, <-ended, "and ends when the reader has gone")
}

// TestFollow_LinesArriveWithin200Milliseconds follows over HTTP, from the hub that collectors publish to.
func TestFollow_LinesArriveWithin200Milliseconds(t *testing.T) {
	t.Parallel()
	hub := observability.NewHub()
	logs := &observabilitytest.MemoryLogs{}
	i := shopWith(t, func(o *control.Options, _ *httpapi.Options) { o.Logs, o.Live = logs, hub })
	const n = 1000
	began := time.Now()
	sent := make([]atomic.Int64, n+1) // since began
	took := make([]time.Duration, 0, n)
	line := func(seq int) observability.Line {
		return observability.Line{At: time.Now(), Project: "shop", Environment: "production", Service: "api", Instance: "ins_1", Source: "runtime", Message: fmt.Sprint("line ", seq), Seq: uint64(seq)}
	}
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(0)}))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	arrived := make(chan int, n+1)
	ended := make(chan error, 1)
	c := client.New(client.Options{BaseURL: i.url, Token: i.token})
	go func() {
		ended <- c.FollowLogs(ctx, observability.LogQuery{Project: "shop", Service: "api"}, func(l observability.Line) error {
			if l.Seq > 0 {
				took = append(took, time.Since(began)-time.Duration(sent[l.Seq].Load()))
			}
			arrived <- int(l.Seq)
			return nil
		})
	}()
	require.Zero(t, <-arrived, "the newest lines come first")
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for seq := 1; seq <= n; seq++ {
		<-tick.C
		l := line(seq)
		sent[seq].Store(int64(time.Since(began)))
		hub.Publish([]observability.Line{l})
		require.NoError(t, logs.Append(t.Context(), []observability.Line{l}))
	}
	for seq := 1; seq <= n; seq++ {
		require.Equal(t, seq, <-arrived, "each line once and in order")
	}
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	slices.Sort(took)
	t.Logf("followed %d lines: p50 %s, p99 %s, max %s", n, took[n/2], took[n*99/100], took[n-1])
	require.Less(t, took[n*99/100], 200*time.Millisecond)
}

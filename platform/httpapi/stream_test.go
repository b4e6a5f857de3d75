package httpapi_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

type events struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (b bundle) open(ctx context.Context, path string, headers ...string) events {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(b.t, http.StatusOK, resp.StatusCode)
	require.Contains(b.t, resp.Header.Get("Content-Type"), "text/event-stream")
	return events{t: b.t, lines: bufio.NewScanner(resp.Body)}
}

// until reads on to the line with the prefix and returns the rest of it.
func (e events) until(prefix string) string {
	e.t.Helper()
	for e.lines.Scan() {
		if rest, ok := strings.CutPrefix(e.lines.Text(), prefix); ok {
			return rest
		}
	}
	require.Fail(e.t, "the stream ended before "+prefix, e.lines.Err())
	return ""
}

func (b bundle) untilFollowing(n int) {
	b.t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	for {
		now, changed := b.plane.Following()
		if now == n {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.Failf(b.t, "streams", "%d open, want %d", now, n)
		}
	}
}

func TestStream_SendsEachEventAsItComesAndStopsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	ctx, leave := context.WithCancel(t.Context())
	s := b.open(ctx, "/v1/events/stream")
	for _, seq := range []string{"1", "2", "3", "4"} {
		require.Equal(t, seq, s.until("id: "))
	}
	// Each is read before the next is sent: nothing on the way may buffer.
	for _, seq := range []int64{5, 6} {
		b.plane.LiveEvents <- platform.Event{Seq: seq, Kind: platform.EventDeployLive}
		require.Contains(t, s.until("data: "), "")
	}
	b.untilFollowing(1)
	leave()
	b.untilFollowing(0)
}

func TestStream_GoesOnAfterTheLastEventID(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	s := b.open(t.Context(), "/v1/events/stream?project=shop", "Last-Event-ID", "3")
	require.Equal(t, "4", s.until("id: "))
}

func TestStream_BeatsWhileNothingHappens(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Heartbeat: 10 * time.Millisecond})
	s := b.open(t.Context(), "/v1/logs/stream?project=shop")
	s.until(": heartbeat")
	s.until(": heartbeat")
}

func TestStream_OfABuildLogIsThatDeploysBuildOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	s := b.open(t.Context(), "/v1/deploys/dep_02/build-log/stream")
	require.Contains(t, s.until("data: "), "Step 1/4")
	require.Contains(t, s.until("data: "), "Successfully built")
	require.Equal(t, 404, b.problem(http.MethodGet, "/v1/deploys/dep_none/build-log/stream", httpapitest.AdminToken, "").Status)
}

func TestStream_RefusalIsAProblemBeforeItBegins(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Fail = func(call string) error {
		return platform.Errorf(platform.CodeInvalid, "The regex does not parse.").WithField("regex")
	}
	p := b.problem(http.MethodGet, "/v1/logs/stream?project=shop&regex=(", httpapitest.AdminToken, "")
	require.Equal(t, "regex", p.Field)
	p = b.problem(http.MethodGet, "/v1/events/stream", httpapitest.AdminToken, "", "Last-Event-ID", "x")
	require.Equal(t, "Last-Event-ID", p.Field)
}

func TestStream_ErrorAfterItBeganIsSentAsAnEvent(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	calls := 0
	b.plane.Fail = func(string) error {
		if calls++; calls > 1 {
			return platform.Errorf(platform.CodeUnavailable, "Postgres does not answer.")
		}
		return nil
	}
	s := b.open(t.Context(), "/v1/events/stream")
	require.Equal(t, "error", s.until("event: "))
	require.Contains(t, s.until("data: "), "Postgres does not answer.")
}

func TestOperation_EndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{RequestTimeout: time.Hour})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	b.plane.OnStatus = func(ctx context.Context) error {
		leave()
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/v1/status", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(5 * time.Second):
		require.Fail(t, "the operation went on without its client")
	}
}

func TestOperation_EndsAfterTheRequestTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{RequestTimeout: 20 * time.Millisecond})
	b.plane.OnStatus = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	p := b.problem(http.MethodGet, "/v1/status", httpapitest.AdminToken, "")
	require.Equal(t, http.StatusServiceUnavailable, p.Status)
	require.Contains(t, p.Detail, "took longer than 20ms")
}

func TestStream_EndsWithinAHeartbeatOfTheTokensRevocation(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Heartbeat: 10 * time.Millisecond})
	var open []events
	for _, path := range []string{"/v1/events/stream", "/v1/logs/stream?project=shop"} {
		s := b.open(t.Context(), path)
		s.until(": heartbeat")
		open = append(open, s)
	}
	b.plane.Revoke(httpapitest.AdminToken)
	for _, s := range open {
		s.until("event: error")
		require.Contains(t, s.until("data: "), "unauthenticated")
	}
	b.untilFollowing(0)
}

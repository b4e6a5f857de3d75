package worker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

func newTestProber(t *testing.T, engine runtime.Runtime) (*prober, chan target) {
	t.Helper()
	changed := make(chan target, 100)
	p := newProber(engine, slog.New(slog.DiscardHandler), func(x target) { changed <- x })
	ctx, cancel := context.WithCancel(context.Background())
	p.start(ctx)
	t.Cleanup(func() { cancel(); p.wait() })
	return p, changed
}

func TestProber_TellsReadyThenUnhealthyThenReadyAgain(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(http.StatusServiceUnavailable)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "model is loading")
	}))
	defer server.Close()
	p, changed := newTestProber(t, nil)
	x := target{instance: "ins_1", address: strings.TrimPrefix(server.URL, "http://"), port: 8000, check: platform.HealthCheck{
		Kind: platform.HealthHTTP, Path: "/healthz", Interval: platform.Duration(20 * time.Millisecond), Timeout: platform.Duration(time.Second), Failures: 2,
	}}
	p.watch(x)
	p.watch(x) // idempotent
	require.Eventually(t, func() bool { return len(p.Probes("ins_1")) >= 2 }, patience, 5*time.Millisecond)
	require.False(t, p.health("ins_1").ready)
	require.Equal(t, `GET /healthz answered 503: "model is loading"`, p.health("ins_1").lastWords)
	status.Store(http.StatusFound)
	<-changed
	require.True(t, p.health("ins_1").ready, "a redirect is well")
	status.Store(http.StatusInternalServerError)
	<-changed
	h := p.health("ins_1")
	require.True(t, !h.ready && h.everReady)
	status.Store(http.StatusOK)
	<-changed
	require.True(t, p.health("ins_1").ready)
	require.Eventually(t, func() bool { return len(p.Probes("ins_1")) == transcriptSize }, patience, 5*time.Millisecond)
	p.forget("ins_1")
	require.Len(t, p.Probes("ins_1"), transcriptSize, "the transcript outlives the instance")
	require.Empty(t, p.Probes("ins_2"))
}

func TestProber_CommandAndTCPChecksSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	engine := runtimetest.NewFake("test")
	t.Cleanup(engine.Shutdown)
	engine.Behave("queue", runtimetest.Behaviour{Exec: func([]string) runtime.ExecResult {
		return runtime.ExecResult{ExitCode: 2, Stderr: "no\n  broker"}
	}})
	c, err := engine.Start(t.Context(), runtime.Spec{Name: "queue", Image: "queue", Labels: map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: "test", runtime.LabelInstance: "ins_1",
	}})
	require.NoError(t, err)
	check := newChecker(engine)
	status, err := check.probe(t.Context(), target{container: c.ID, check: platform.HealthCheck{Kind: platform.HealthCommand, Command: []string{"queue", "ping"}}})
	require.Equal(t, 2, status)
	require.EqualError(t, err, `"queue ping" ended with exit code 2: "no broker"`)

	server := httptest.NewServer(http.NotFoundHandler())
	tcp := target{address: server.Listener.Addr().String(), port: 9000, check: platform.HealthCheck{Kind: platform.HealthTCP}}
	_, err = check.probe(t.Context(), tcp)
	require.NoError(t, err)
	server.Close()
	_, err = check.probe(t.Context(), tcp)
	require.ErrorIs(t, err, errRefused)
	require.ErrorContains(t, err, "port 9000")
}

func TestProber_SlowAnswerIsNamedWithItsLimit(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	_, err := newChecker(nil).probe(t.Context(), target{address: server.Listener.Addr().String(), check: platform.HealthCheck{
		Kind: platform.HealthHTTP, Timeout: platform.Duration(30 * time.Millisecond),
	}})
	require.EqualError(t, err, "no answer within 30ms")
}

func TestListening_SaysWhereTheProcessListensInstead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		addresses []string
		want      string
	}{
		{[]string{"0.0.0.0:8000"}, ""},
		{[]string{"[::]:8000"}, ""},
		{[]string{"127.0.0.1:8000"}, "nothing listens on port 8000; the process listens on 127.0.0.1:8000"},
		{[]string{"127.0.0.11:41234", "0.0.0.0:5000"}, "nothing listens on port 8000; the process listens on 0.0.0.0:5000"},
		{nil, "nothing listens on port 8000; the process listens on no port"},
	} {
		c := newChecker(listener{addresses: tc.addresses})
		require.Equal(t, tc.want, c.listening(t.Context(), target{port: 8000}))
	}
	require.Empty(t, newChecker(listener{err: errors.New("gone")}).listening(t.Context(), target{port: 8000}))
}

type listener struct {
	runtime.Runtime
	addresses []string
	err       error
}

func (l listener) Listening(context.Context, string) ([]string, error) { return l.addresses, l.err }

func TestSwaps_CountRequestsThatFailedAndNotTheirOwnEnd(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	hosts := make(chan string, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case hosts <- req.Host + req.URL.Path:
		default:
		}
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	s := newSwaps(server.URL + "/")
	d := platform.Deploy{ID: "dep_1", Probes: platform.ProbeCount{Sent: 5}, Spec: platform.ServiceSpec{Health: platform.HealthCheck{Kind: platform.HealthHTTP, Path: "/up"}}}
	spawn := func(fn func()) { go fn() }
	s.begin(t.Context(), d, []string{"api.shop.localhost"}, spawn)
	s.begin(t.Context(), d, []string{"api.shop.localhost"}, spawn)
	require.Equal(t, "api.shop.localhost/up", <-hosts)
	require.Eventually(t, func() bool { return s.count("dep_1").Sent > 8 }, patience, 5*time.Millisecond)
	require.Zero(t, s.count("dep_1").Failed)
	broken.Store(true)
	require.Eventually(t, func() bool { return s.count("dep_1").Failed > 0 }, patience, 5*time.Millisecond)
	require.Positive(t, s.end("dep_1").Failed)
	s.forget("dep_1")
	require.Nil(t, s.count("dep_1"))

	s.begin(t.Context(), platform.Deploy{ID: "dep_2"}, []string{"x"}, func(func()) { t.Error("a slot without an HTTP check is not probed") })
}

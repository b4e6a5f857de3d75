package loadtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRun_SendsOnScheduleAndCountsEachFailure(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	var ids sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if _, doubled := ids.LoadOrStore(req.Header.Get(HeaderID), true); doubled || req.Host != "a.localhost" ||
			req.Method == http.MethodPost && len(body) != 100 {
			http.Error(w, "wrong", http.StatusBadRequest)
			return
		}
		switch n.Add(1) {
		case 10:
			http.Error(w, "sorry", http.StatusInternalServerError)
		case 20:
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	report, err := Run(t.Context(), Plan{
		URL: s.URL, Host: "a.localhost", Rate: 200, Duration: time.Second,
		Mix: []Request{{}, {Method: http.MethodPost, Path: "/p", BodyBytes: 100}},
	})
	require.NoError(t, err)
	require.InDelta(t, 200, report.Sent, 2)
	require.Equal(t, uint64(1), report.ByStatus[http.StatusInternalServerError])
	require.GreaterOrEqual(t, report.Failed, uint64(1), "the client itself may send a GET again, a POST never")
	require.LessOrEqual(t, report.Failed, uint64(2))
	require.Len(t, report.Failures, int(report.Failed))
	require.Zero(t, report.InFlight)
	require.False(t, report.Clean())
	require.Contains(t, report.String(), "sorry")
}

// TestRun_AStallShowsInTheLatencyOfAllThatWasDue is what an open loop is for.
func TestRun_AStallShowsInTheLatencyOfAllThatWasDue(t *testing.T) {
	t.Parallel()
	stall := time.NewTimer(600 * time.Millisecond)
	over := make(chan struct{})
	go func() { <-stall.C; close(over) }()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer s.Close()
	report, err := Run(t.Context(), Plan{URL: s.URL, Rate: 100, Duration: time.Second})
	require.NoError(t, err)
	require.Zero(t, report.Failed, report.String())
	require.Greater(t, report.Max, 400*time.Millisecond)
	require.Greater(t, report.P50, 20*time.Millisecond, "requests due during the stall wait for its end")
}

func TestLoad_StreamsThatEndAreOpenedAgainAndBrokenOnesCounted(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		if n.Add(1)%3 == 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	load, err := Start(t.Context(), Plan{URL: s.URL, Streams: 2, StreamPath: "/s"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { r := load.Snapshot(); return r.StreamsBroken >= 2 && r.StreamsEnded >= 4 }, 10*time.Second, 2*time.Millisecond)
	report := load.Stop()
	require.NotEmpty(t, report.Failures)
	require.Equal(t, report.StreamsBroken, load.Stop().StreamsBroken, "stopping again changes nothing")
}

func TestLoad_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	load, err := Start(ctx, Plan{URL: s.URL, Rate: 100})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return load.Snapshot().Sent > 10 }, 10*time.Second, 2*time.Millisecond)
	cancel()
	require.Zero(t, load.Stop().Failed)
}

func TestPlan_RefusesOtherMachinesAndNonsense(t *testing.T) {
	t.Parallel()
	for _, p := range []Plan{
		{URL: "http://example.com:80", Rate: 1},
		{URL: "http://10.0.0.1:80", Rate: 1},
		{URL: "https://127.0.0.1:1", Rate: 1},
		{URL: "http://127.0.0.1", Rate: 1},
		{URL: "http://127.0.0.1.example.com:80", Rate: 1},
		{URL: "http://127.0.0.1:1"},
		{URL: "http://127.0.0.1:1", Rate: MaxRate + 1},
		{URL: "http://127.0.0.1:1", Rate: 1, Duration: 2 * time.Hour},
		{URL: "http://127.0.0.1:1", Rate: 1, Mix: []Request{{BodyBytes: -1}}},
	} {
		_, err := Start(t.Context(), p)
		require.Error(t, err, "%+v", p)
	}
	require.NoError(t, Plan{URL: "http://[::1]:80", Rate: 1}.Check())
	require.NoError(t, Plan{URL: "http://localhost:80", Rate: 1}.Check())
}

func TestTally_QuantilesAreWithinFivePercent(t *testing.T) {
	t.Parallel()
	for d := time.Microsecond; d < time.Hour; d = d*3/2 + time.Microsecond {
		upper := upperBound(bucketOf(d))
		require.Greater(t, upper, d)
		require.LessOrEqual(t, float64(upper), float64(d)*1.05+2000, d)
	}
}

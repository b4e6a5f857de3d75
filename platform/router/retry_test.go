package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/router/loadtest"
	"github.com/fairlead/fairlead/platform/routing"
)

func TestRetry_RefusedConnectionMovesToAnotherTargetAlsoForPOST(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, routing.Target{Instance: "dead", Release: 1, Address: deadAddress(t)}, at("a", 2, backend(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(w, req.Body)
	})))
	for range 20 {
		res, text := g.do(g.request(t.Context(), http.MethodPost, "/", strings.NewReader("body")))
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, "body", text)
	}
	require.Equal(t, uint64(20), g.snapshot().Routes[0].Status[2])
}

func TestRetry_OnlyTargetRefusesUntilANewerTableComes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, routing.Target{Instance: "dead", Release: 1, Address: deadAddress(t)})
	answer := make(chan string, 1)
	go func() {
		_, text := g.do(g.request(t.Context(), http.MethodPost, "/", strings.NewReader("body")))
		answer <- text
	}()
	require.Eventually(t, func() bool { return g.router.active.Load() == 1 }, soon, look)
	g.put(2, at("a", 2, backend(t, func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) })))
	require.Equal(t, "body", <-answer)
}

func TestRetry_OnlyTargetRefusesForGood(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, routing.Target{Instance: "dead", Release: 3, Address: deadAddress(t)})
	began := time.Now()
	res, _ := g.do(g.request(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("Retry-After"))
	require.Less(t, time.Since(began), redialFor+time.Second)
	count := g.snapshot().Routes[0]
	require.Equal(t, 3, count.Release, "no answer is counted against the release that refused")
	require.Equal(t, uint64(1), count.Status[0])
}

// breaker is an instance that reads the head of each request and resets the connection for the first few.
func breaker(t *testing.T, times int64) (address string, requests *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	requests = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				if requests.Add(1) > times {
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
				}
			}
			conn.Close()
		}
	}()
	return listener.Addr().String(), requests
}

func TestRetry_BrokenOffBeforeTheFirstByteIsSentAgainOnlyWhenSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, body string
		breaks       int64
		want         int
		sent         int64
	}{
		{http.MethodGet, "", 1, http.StatusOK, 2},
		{http.MethodGet, "", 5, http.StatusBadGateway, 2},
		{http.MethodPost, "", 1, http.StatusBadGateway, 1},
		{http.MethodPost, "body", 1, http.StatusBadGateway, 1},
		{http.MethodDelete, "", 1, http.StatusBadGateway, 1},
	} {
		t.Run(fmt.Sprintf("%s %q %d times", c.method, c.body, c.breaks), func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			address, requests := breaker(t, c.breaks)
			g.put(1, routing.Target{Instance: "a", Release: 1, Address: address})
			res, _ := g.do(g.request(t.Context(), c.method, "/", strings.NewReader(c.body)))
			require.Equal(t, c.want, res.StatusCode)
			require.Equal(t, c.sent, requests.Load())
		})
	}
}

// TestKeepAlive_InstanceThatClosesIdleConnectionsCostsNoRequest sends sparse POSTs to the server with the shortest
// keep-alive time in common use (gunicorn, 2 s).
func TestKeepAlive_InstanceThatClosesIdleConnectionsCostsNoRequest(t *testing.T) {
	t.Parallel()
	report, ids := sparsePosts(t, 2*time.Second, 1, 5*time.Second)
	require.Zero(t, report.Failed, report.String())
	require.Zero(t, ids.doubles())
}

// TestKeepAlive_AtTheVeryMomentOfTheCloseNoPostIsDoubled uses keep-alive times far below what the router avoids, so that
// requests meet the close itself. What the instance's kernel had received by then can be neither proven unseen nor sent
// again: that few may fail, and none may come twice.
func TestKeepAlive_AtTheVeryMomentOfTheCloseNoPostIsDoubled(t *testing.T) {
	t.Parallel()
	report, ids := sparsePosts(t, 20*time.Millisecond, 50, 2*time.Second)
	t.Log(report.String())
	require.Less(t, report.Failed, report.Sent/2, report.String())
	require.Zero(t, ids.doubles())
}

func sparsePosts(t *testing.T, keep time.Duration, rate int, last time.Duration) (*loadtest.Report, *seen) {
	t.Helper()
	g := newRig(t)
	ids := &seen{ids: map[string]int{}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		ids.add(req.Header.Get(loadtest.HeaderID))
	}))
	s.Config.IdleTimeout = keep
	s.Start()
	t.Cleanup(s.Close)
	g.put(1, at("a", 1, s))
	report, err := loadtest.Run(t.Context(), loadtest.Plan{
		URL: "http://" + g.address, Host: host, Duration: last,
		Rate: rate, Mix: []loadtest.Request{{Method: "POST", BodyBytes: 500}},
	})
	require.NoError(t, err)
	return report, ids
}

// TestKeepAlive_PostThatTheInstanceNeverReceivedIsSentAgain sets up the race exactly: the server's FIN is on its way
// when the request is sent.
func TestKeepAlive_PostThatTheInstanceNeverReceivedIsSentAgain(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dialed, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialed.Close()
	peer, err := listener.Accept()
	require.NoError(t, err)
	conn := &upstreamConn{Conn: dialed}

	// One whole exchange first: its bytes are acknowledged.
	_, err = conn.Write([]byte("first"))
	require.NoError(t, err)
	five := make([]byte, 5)
	_, err = io.ReadFull(peer, five)
	require.NoError(t, err)
	_, err = peer.Write([]byte("reply"))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, five)
	require.NoError(t, err)

	sent := conn.written.Load()
	require.NoError(t, peer.Close())
	_, err = conn.Write([]byte("second"))
	require.NoError(t, err)
	_, err = conn.Read(five)
	require.ErrorIs(t, err, io.EOF)
	require.True(t, conn.closedBefore(sent), "acknowledged %d, sent before %d", conn.acked.Load(), sent)
	require.False(t, conn.closedBefore(sent-1), "what was received is never taken for unseen")
}

func TestKeepAlive_PostThatTheInstanceReceivedIsNotTakenForUnseen(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialed.Close()
	peer, err := listener.Accept()
	require.NoError(t, err)
	conn := &upstreamConn{Conn: dialed}
	_, err = conn.Write([]byte("request"))
	require.NoError(t, err)
	_, err = io.ReadFull(peer, make([]byte, 7))
	require.NoError(t, err)
	require.NoError(t, peer.Close())
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.False(t, conn.closedBefore(0))
}

func TestBalance_GoesToTheTargetWithFewerRequestsInFlight(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	held := map[string]chan struct{}{"slow": make(chan struct{}), "fast": make(chan struct{})}
	got := map[string]*atomic.Int64{"slow": {}, "fast": {}}
	var targets []routing.Target
	for name := range held {
		targets = append(targets, at(name, 1, backend(t, func(http.ResponseWriter, *http.Request) {
			got[name].Add(1)
			<-held[name]
		})))
	}
	g.put(1, targets...)
	var users sync.WaitGroup
	for n := range int64(12) {
		users.Go(func() { g.get("/") })
		require.Eventually(t, func() bool { return got["slow"].Load()+got["fast"].Load() == n+1 }, soon, look)
	}
	require.Equal(t, int64(6), got["slow"].Load(), "one by one, both fill evenly")
	close(held["fast"])
	require.Eventually(t, func() bool { return g.inFlight("fast") == 0 }, soon, look)
	for range 50 {
		g.get("/")
	}
	require.Equal(t, int64(6), got["slow"].Load())
	close(held["slow"])
	users.Wait()
}

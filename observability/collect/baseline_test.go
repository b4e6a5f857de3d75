package collect_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/router"
	"github.com/fairlead/fairlead/platform/routing"
)

// pair is a real router with real requests, and what counts them into a real store: each can be ended, and its memory
// with it, and begun again on the same folder.
type pair struct {
	t       *testing.T
	folder  string
	slot    platform.Slot
	backend string
	address string
	began   time.Time
	now     time.Time

	endRouter func()
	metrics   *embedded.Metrics
	routes    *collect.Routes
}

func newPair(t *testing.T) *pair {
	t.Helper()
	folder, err := os.MkdirTemp("", "rt") // short: a socket path has 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(backend.Close)
	now := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	p := &pair{
		t: t, folder: folder, backend: strings.TrimPrefix(backend.URL, "http://"), began: now, now: now,
		slot: platform.Slot{ID: "slot_1", Project: "shop", Environment: "production", Service: "api", LiveRelease: 5},
	}
	p.startRouter()
	p.startServer()
	t.Cleanup(func() { require.NoError(t, p.metrics.Close()) })
	return p
}

func (p *pair) startRouter() {
	p.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(p.t, err)
	p.address = listener.Addr().String()
	socket := filepath.Join(p.folder, "s")
	r := router.New(router.Config{Listener: listener, Socket: socket, TableFile: filepath.Join(p.folder, "table.json"), Grace: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	p.endRouter = sync.OnceFunc(func() {
		cancel()
		require.NoError(p.t, <-ended)
	})
	p.t.Cleanup(p.endRouter)
	client := routing.NewClient(socket)
	require.Eventually(p.t, func() bool { return client.Ping(p.t.Context()) == nil }, 30*time.Second, time.Millisecond)
	_, err = client.Put(p.t.Context(), routing.Table{Version: 1, Routes: []routing.Route{{
		Slot: string(p.slot.ID), Name: "shop/production/api", Hosts: []string{"api.shop.localhost"}, PathPrefix: "/",
		Targets: []routing.Target{{Instance: "ins_1", Release: 5, Address: p.backend}},
	}}})
	require.NoError(p.t, err)
}

// startServer begins with what the folder holds, and nothing else.
func (p *pair) startServer() {
	p.t.Helper()
	metrics, err := embedded.OpenMetrics(filepath.Join(p.folder, "metrics"), embedded.MetricOptions{})
	require.NoError(p.t, err)
	p.metrics = metrics
	p.routes = &collect.Routes{
		Router: routing.NewClient(filepath.Join(p.folder, "s")), Slots: &bench{slot: p.slot}, Metrics: metrics, StateDir: p.folder, Log: discard,
	}
}

func (p *pair) request(n int) {
	p.t.Helper()
	for range n {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.address+"/", nil)
		require.NoError(p.t, err)
		req.Host = "api.shop.localhost"
		resp, err := http.DefaultClient.Do(req)
		require.NoError(p.t, err)
		resp.Body.Close()
		require.Equal(p.t, http.StatusOK, resp.StatusCode)
	}
}

// look is what the server does each second.
func (p *pair) look() {
	p.t.Helper()
	p.now = p.now.Add(time.Second)
	require.NoError(p.t, p.routes.Poll(p.t.Context(), p.now))
}

// billed is how many requests the usage finds, reckoned as it reckons.
func (p *pair) billed() float64 {
	p.t.Helper()
	found, err := p.metrics.Query(p.t.Context(), observability.MetricQuery{
		Expr: fmt.Sprintf("%s[1h]", observability.MetricRequests), From: p.now.Add(time.Second), To: p.now.Add(time.Second),
	})
	require.NoError(p.t, err)
	total := 0.0
	for _, s := range found {
		total += usage.NewSeries(s.Points, usage.Life{}).Increase(usage.Window{From: p.began, To: p.now.Add(time.Second)})
	}
	return total
}

// TestRoutes_NoRequestIsBilledTwiceWhicheverProcessStartsAnew: the letters are what happens, in order. r: the router ends
// and starts; s: the server does; b: both, the router first; d: the router restarts while the server is away, and answers
// requests meanwhile. Requests come before and after each.
func TestRoutes_NoRequestIsBilledTwiceWhicheverProcessStartsAnew(t *testing.T) {
	t.Parallel()
	for _, story := range []string{"s", "r", "rs", "sr", "rss", "b", "d", "ds", "dr", "rd", "drs", "dds", "rsrsdbsr"} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.look() // counters begin to be known at zero
			p.request(7)
			p.look()
			want := 7
			for i, what := range story {
				more, meanwhile := 3+i, 0
				if i%2 == 0 {
					more += 20 // above and below what was counted before
				}
				switch what {
				case 'r':
					p.endRouter()
					p.startRouter()
				case 's':
					require.NoError(t, p.metrics.Close())
					p.startServer()
				default:
					require.NoError(t, p.metrics.Close())
					p.endRouter()
					p.startRouter()
					if what == 'd' {
						meanwhile = 2 + 10*(i%2)
						p.request(meanwhile)
					}
					p.startServer()
				}
				p.look()
				p.request(more)
				p.look()
				p.look()
				want += more + meanwhile
			}
			require.InDelta(t, want, p.billed(), 0.01)
		})
	}
}

func TestRoutes_TotalsRiseAcrossServerRestartsAndADamagedBaselineIsSaid(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.request(5)
	p.look()
	p.endRouter()
	p.startRouter()
	p.request(4)
	p.look()
	require.NoError(t, p.metrics.Close())
	p.startServer()
	p.look()
	total := func() float64 {
		series, err := p.metrics.Query(t.Context(), observability.MetricQuery{Project: "shop", Expr: `fairlead_requests_total{class="2xx"}`, To: p.now})
		require.NoError(t, err)
		require.Len(t, series, 1)
		return series[0].Points[0].Value
	}
	require.EqualValues(t, 9, total())

	require.NoError(t, os.WriteFile(filepath.Join(p.folder, "router-baseline.json"), []byte("{"), 0o600))
	require.NoError(t, p.metrics.Close())
	p.startServer()
	p.look()
	require.EqualValues(t, 4, total(), "what the present router answered, for want of better")
}

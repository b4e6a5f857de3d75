package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/router/loadtest"
	"github.com/fairlead/fairlead/platform/routing"
)

// app is an instance that knows when it was told to stop and counts what comes after, and ids that come twice.
type app struct {
	server  *httptest.Server
	stopped atomic.Bool
	late    atomic.Int64 // requests that came after it was stopped
}

// seen counts load ids over all instances.
type seen struct {
	mu      sync.Mutex
	ids     map[string]int
	doubled int
}

func (s *seen) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[id]++
	if s.ids[id] > 1 {
		s.doubled++
	}
}

func (s *seen) doubles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubled
}

func newApp(t *testing.T, ids *seen) *app {
	a := &app{}
	a.server = backend(t, func(w http.ResponseWriter, req *http.Request) {
		if a.stopped.Load() {
			a.late.Add(1)
		}
		if id := req.Header.Get(loadtest.HeaderID); id != "" && req.Method == http.MethodPost {
			ids.add(id)
		}
		switch req.URL.Path {
		case "/slow":
			wait(req.Context(), 2*time.Second)
		case "/events":
			serveEvents(w, req, 20, 50*time.Millisecond)
			return
		case "/socket":
			echoFrames(w)
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, "ok")
	})
	return a
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func serveEvents(w http.ResponseWriter, req *http.Request, count int, every time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	for i := range count {
		fmt.Fprintf(w, "data: %d\n\n", i)
		if flusher.Flush() != nil || req.Context().Err() != nil {
			return
		}
		wait(req.Context(), every)
	}
}

// echoFrames is a WebSocket server without the ceremony: what comes in goes out, unmasked (the mask is zeros).
func echoFrames(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_ = rw.Flush()
	for {
		head := make([]byte, 6)
		if _, err := io.ReadFull(rw, head); err != nil {
			return
		}
		text := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(rw, text); err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{head[0], byte(len(text))}, text...)); err != nil {
			return
		}
	}
}

// TestSwap_UnderLoadLosesNothing does what a deploy does, again and again: start a new instance, put a table with it,
// wait until the old one holds nothing, stop it.
func TestSwap_UnderLoadLosesNothing(t *testing.T) { // not parallel: it needs the machine
	g := newRig(t)
	ids := &seen{ids: map[string]int{}}
	old := newApp(t, ids)
	oldName := "i0"
	put := func(version int, name string, a *app) {
		g.putRoute(uint64(version), routing.Route{
			Slot: "slot_1", Hosts: []string{host}, PathPrefix: "/", DrainFor: time.Minute,
			Targets: []routing.Target{at(name, version, a.server)},
		})
	}
	put(1, oldName, old)
	load, err := loadtest.Start(t.Context(), loadtest.Plan{
		URL: "http://" + g.address, Host: host, Rate: 200,
		Mix: []loadtest.Request{
			{Path: "/", Weight: 40},
			{Method: "POST", Path: "/", BodyBytes: 2000, Weight: 40},
			{Method: "POST", Path: "/", BodyBytes: 300_000, Weight: 4},
			{Method: "POST", Path: "/slow", BodyBytes: 100, Weight: 3},
			{Path: "/slow", Weight: 3},
		},
		Streams: 5, StreamPath: "/events",
	})
	require.NoError(t, err)
	for n := 2; n <= 4; n++ {
		before := load.Snapshot().Sent
		require.Eventually(t, func() bool { return load.Snapshot().Sent > before+100 }, soon, look)
		next, name := newApp(t, ids), fmt.Sprintf("i%d", n)
		put(n, name, next)
		require.Eventually(t, func() bool { return g.inFlight(oldName) == 0 }, soon, look)
		old.stopped.Store(true)
		old.server.Close()
		require.Zero(t, old.late.Load(), "a request came after the instance was reported drained")
		old, oldName = next, name
	}
	report := load.Stop()
	t.Log(report.String())
	require.Zero(t, report.Failed, report.String())
	require.Zero(t, report.StreamsBroken, report.String())
	require.Positive(t, report.StreamsEnded)
	require.Zero(t, ids.doubles())
}

// TestSwap_DrainedTargetIsNeverUsedAgain hammers the invariant: once a newer table is acknowledged and the target
// shows nothing in flight, no request reaches it.
func TestSwap_DrainedTargetIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	r := New(Config{TableFile: t.TempDir() + "/table.json"})
	const names = 4
	var stopped [names]atomic.Bool
	install := func(version uint64, n int) {
		table := routing.Table{Version: version, Routes: []routing.Route{{
			Slot: "s", Hosts: []string{host}, PathPrefix: "/",
			Targets: []routing.Target{{Instance: fmt.Sprint(n), Release: 1, Address: "127.0.0.1:1"}},
		}}}
		r.swap(table)
	}
	install(1, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	var used, late atomic.Int64
	for range 8 {
		users.Go(func() {
			for ctx.Err() == nil {
				held, err := r.acquire(host, "/", nil)
				if err != nil {
					late.Add(1)
					continue
				}
				if stopped[held.target.instance[0]-'0'].Load() {
					late.Add(1)
				}
				used.Add(1)
				held.release()
			}
		})
	}
	for version := uint64(2); version < 3000; version++ {
		previous, next := int(version-2)%names, int(version-1)%names
		stopped[next].Store(false)
		install(version, next)
		for drained := false; !drained; {
			drained = true
			for _, target := range r.snapshot().Targets {
				drained = drained && (target.Instance != fmt.Sprint(previous) || target.InFlight == 0)
			}
		}
		stopped[previous].Store(true)
	}
	cancel()
	users.Wait()
	require.Positive(t, used.Load())
	require.Zero(t, late.Load())
	s := r.snapshot()
	require.Len(t, s.Targets, 1, "drained targets are forgotten")
	require.Zero(t, s.Targets[0].InFlight)
}

func TestDrain_CountsWhatIsInFlightUntilItEnds(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	release := make(chan struct{})
	a := backend(t, func(w http.ResponseWriter, _ *http.Request) { <-release; fmt.Fprint(w, "a") })
	g.put(1, at("a", 1, a))
	answers := make(chan string, 3)
	for range 3 {
		go func() { _, text := g.get("/"); answers <- text }()
	}
	require.Eventually(t, func() bool { return g.inFlight("a") == 3 }, soon, look)
	g.put(2, at("b", 2, backend(t, says("b"))))
	_, text := g.get("/")
	require.Equal(t, "b", text)
	s := g.snapshot()
	require.Len(t, s.Targets, 2)
	require.Equal(t, routing.TargetStatus{Instance: "a", Slot: "slot_1", InFlight: 3, Draining: true}, s.Targets[0])

	g.put(3, at("a", 1, a), at("b", 2, backend(t, says("b"))))
	require.Equal(t, int64(3), g.inFlight("a"), "a target that comes back keeps its count")
	require.False(t, g.snapshot().Targets[0].Draining)
	g.put(4)
	close(release)
	for range 3 {
		require.Equal(t, "a", <-answers)
	}
	require.Eventually(t, func() bool { return len(g.snapshot().Targets) == 0 }, soon, look)
}

func TestDrain_AtItsDeadlineTunnelsAndStreamsAreClosed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := newApp(t, &seen{ids: map[string]int{}})
	route := func(targets ...routing.Target) routing.Route {
		return routing.Route{Slot: "s", Hosts: []string{host}, PathPrefix: "/", DrainFor: 100 * time.Millisecond, Targets: targets}
	}
	g.putRoute(1, route(at("a", 1, a.server)))
	load, err := loadtest.Start(t.Context(), loadtest.Plan{URL: "http://" + g.address, Host: host, Sockets: 2, SocketPath: "/socket"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return load.Snapshot().SocketEchoes > 4 }, soon, look)
	require.Equal(t, int64(2), g.inFlight("a"))
	b := newApp(t, &seen{ids: map[string]int{}})
	g.putRoute(2, route(at("b", 2, b.server)))
	require.Eventually(t, func() bool { return g.inFlight("a") == 0 && g.inFlight("b") == 2 }, soon, look)
	require.Zero(t, load.Stop().SocketsBroken)
	require.Eventually(t, func() bool { return g.inFlight("b") == 0 }, soon, look)
}

// TestDrain_EndsATunnelThatIsStillBeingWrittenTo fails when the router closes over bytes it has not read: the client then
// gets a reset in place of an end.
func TestDrain_EndsATunnelThatIsStillBeingWrittenTo(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := newApp(t, &seen{ids: map[string]int{}})
	g.putRoute(1, routing.Route{Slot: "s", Hosts: []string{host}, PathPrefix: "/", DrainFor: 50 * time.Millisecond, Targets: []routing.Target{at("a", 1, a.server)}})
	conn, err := net.Dial("tcp", g.address)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", host)
	require.Eventually(t, func() bool { return g.inFlight("a") == 1 }, soon, look)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	}()
	g.put(2, at("b", 2, backend(t, says("b"))))
	frame := append([]byte{0x81, 0x80 | 64, 0, 0, 0, 0}, make([]byte, 64)...)
	for {
		select {
		case err := <-ended:
			require.NoError(t, err, "the client sees an end and no reset")
			require.Eventually(t, func() bool { return g.inFlight("a") == 0 }, soon, look)
			return
		default:
			_, err := conn.Write(frame)
			require.NoError(t, err)
		}
	}
}

func TestStop_LetsRequestsInFlightFinish(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	entered, release := make(chan struct{}), make(chan struct{})
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "a")
	})))
	answer := make(chan string, 1)
	go func() { _, text := g.get("/"); answer <- text }()
	<-entered
	stopped := make(chan struct{})
	go func() { g.stop(); close(stopped) }()
	require.Eventually(t, func() bool {
		_, err := http.Get("http://" + g.address)
		return err != nil
	}, soon, look, "nothing new is accepted")
	close(release)
	require.Equal(t, "a", <-answer)
	<-stopped
}

func TestStop_CutsWhatOutlastsTheGraceTime(t *testing.T) {
	t.Parallel()
	g := newRigWith(t, Config{Grace: 100 * time.Millisecond})
	gone := make(chan struct{})
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		close(gone)
	})))
	res, err := http.DefaultTransport.RoundTrip(g.request(t.Context(), http.MethodGet, "/", nil))
	require.NoError(t, err)
	defer res.Body.Close()
	g.stop()
	<-gone
	_, err = io.ReadAll(res.Body)
	require.Error(t, err, "the client sees that the answer broke off")
}

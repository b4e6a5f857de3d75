package router

import (
	"context"
	"fmt"
	"io"
	"log/slog"
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

	"github.com/fairlead/fairlead/platform/routing"
)

const (
	soon = 30 * time.Second // longest wait for what should be at once
	look = 2 * time.Millisecond
	host = "api.shop.localhost"
)

// rig is a running router with its socket client and what it logged.
type rig struct {
	t       *testing.T
	router  *Router
	address string
	folder  string
	client  *routing.Client
	log     *lines
	stop    func() // ends Run and waits for it
}

func newRig(t *testing.T) *rig { return newRigWith(t, Config{}) }

func newRigWith(t *testing.T, config Config) *rig {
	t.Helper()
	folder, err := os.MkdirTemp("", "rt") // short: a socket path has 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return startRig(t, folder, config)
}

func startRig(t *testing.T, folder string, config Config) *rig {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &rig{t: t, address: listener.Addr().String(), folder: folder, log: &lines{}}
	config.Listener = listener
	config.Socket = filepath.Join(folder, "s")
	config.TableFile = filepath.Join(folder, "table.json")
	config.Log = slog.New(slog.NewJSONHandler(g.log, nil))
	if config.Grace == 0 {
		config.Grace = 5 * time.Second
	}
	g.router = New(config)
	g.client = routing.NewClient(config.Socket)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.router.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(g.stop)
	require.Eventually(t, func() bool { return g.client.Ping(t.Context()) == nil }, soon, look)
	return g
}

// put installs one route of host to the targets.
func (g *rig) put(version uint64, targets ...routing.Target) {
	g.t.Helper()
	g.putRoute(version, routing.Route{Slot: "slot_1", Name: "shop/production/api", Hosts: []string{host}, PathPrefix: "/", Targets: targets})
}

func (g *rig) putRoute(version uint64, routes ...routing.Route) {
	g.t.Helper()
	ack, err := g.client.Put(g.t.Context(), routing.Table{Version: version, Routes: routes})
	require.NoError(g.t, err)
	require.Equal(g.t, version, ack.Version)
}

func (g *rig) snapshot() routing.Snapshot {
	g.t.Helper()
	s, err := g.client.Snapshot(g.t.Context())
	require.NoError(g.t, err)
	return s
}

// inFlight is what the snapshot says of the instance: 0 when it is not listed, -1 when there is no snapshot in time.
func (g *rig) inFlight(instance string) int64 {
	s, err := g.client.Snapshot(g.t.Context())
	if err != nil {
		return -1
	}
	for _, target := range s.Targets {
		if target.Instance == instance {
			return target.InFlight
		}
	}
	return 0
}

func (g *rig) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	g.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+g.address+path, body)
	require.NoError(g.t, err)
	req.Host = host
	return req
}

// do sends a request on a connection of its own and returns the answer with its body read.
func (g *rig) do(req *http.Request) (*http.Response, string) {
	g.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	require.NoError(g.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	return res, string(data)
}

func (g *rig) get(path string) (int, string) {
	g.t.Helper()
	res, text := g.do(g.request(g.t.Context(), http.MethodGet, path, nil))
	return res.StatusCode, text
}

// raw sends text as it is and returns all that comes back until the router closes.
func (g *rig) raw(text string) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	require.NoError(g.t, err)
	defer conn.Close()
	require.NoError(g.t, conn.SetDeadline(time.Now().Add(soon)))
	_, err = io.WriteString(conn, text)
	require.NoError(g.t, err)
	data, err := io.ReadAll(conn)
	require.NoError(g.t, err)
	return string(data)
}

// backend is an instance.
func backend(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func at(instance string, release int, s *httptest.Server) routing.Target {
	return routing.Target{Instance: instance, Release: release, Address: s.Listener.Addr().String()}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// deadAddress is one where nothing listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func socketTransport(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

// rawLoose is raw for what the router may cut off with a reset.
func (g *rig) rawLoose(text string) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	require.NoError(g.t, err)
	defer conn.Close()
	require.NoError(g.t, conn.SetDeadline(time.Now().Add(soon)))
	_, _ = io.WriteString(conn, text)
	data, _ := io.ReadAll(conn)
	return string(data)
}

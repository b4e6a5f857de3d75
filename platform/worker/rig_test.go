package worker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	dataplane "github.com/fairlead/fairlead/platform/router"
	"github.com/fairlead/fairlead/platform/routing"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

const host = "api.shop.localhost"

var ada = platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin, Channel: "cli"}

var ref = platform.SlotRef{Project: "shop", Service: "api"}

// rig is one installation: real Postgres, real control, a real router with real requests, and an engine in memory
// whose containers are real HTTP servers.
type rig struct {
	t         *testing.T
	store     *store.Store
	plane     *control.Plane
	engine    *runtimetest.Fake
	routerURL string
	socket    string
	table     string
	options   Options
	stopRoute func()
	host      string
	drain     string // of the blueprint

	worker *Worker
	cancel context.CancelFunc
	ended  chan error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, storetest.Open(t))
}

func newRigOn(t *testing.T, s *store.Store) *rig {
	t.Helper()
	r := &rig{t: t, store: s, engine: runtimetest.NewFake("test"), host: host, drain: "3s"}
	r.plane = newPlane(t, r.store)
	dir, err := os.MkdirTemp("", "fl")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.socket, r.table = filepath.Join(dir, "router.sock"), filepath.Join(dir, "table.json")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.routerURL = "http://" + listener.Addr().String()
	r.startRouter(listener)
	t.Cleanup(r.engine.Shutdown)
	r.options = Options{
		Plane: r.plane, Store: r.store, Installation: "test", Runtime: r.engine, Router: routing.NewClient(r.socket),
		RouterURL: r.routerURL, Log: testLog(t),
	}
	return r
}

func newPlane(t *testing.T, s *store.Store) *control.Plane {
	t.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	return control.New(control.Options{Store: s, Sealer: sealer})
}

func testLog(t *testing.T) *slog.Logger {
	if os.Getenv("FAIRLEAD_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("test", t.Name())
}

func (r *rig) startRouter(listener net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	served := dataplane.New(dataplane.Config{Listener: listener, Socket: r.socket, TableFile: r.table, Grace: time.Second})
	go func() { ended <- served.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(r.t, <-ended)
		})
	}
	r.t.Cleanup(stop)
	r.stopRoute = stop
	require.Eventually(r.t, func() bool { return routing.NewClient(r.socket).Ping(r.t.Context()) == nil }, patience, 5*time.Millisecond)
	return stop
}

// socketTaken stops the router, forgets its saved table, and lets start begin another on the same socket.
func (r *rig) socketTaken(start func()) {
	r.t.Helper()
	r.stopRoute()
	require.NoError(r.t, os.Remove(r.table))
	start()
}

// start runs a worker until stop or the end of the test.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := New(r.options)
	ended := make(chan error, 1)
	r.worker, r.cancel, r.ended = w, cancel, ended
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	r.cancel = func() {
		once.Do(func() {
			cancel()
			require.NoError(r.t, <-ended)
		})
	}
	r.t.Cleanup(r.cancel)
}

// blueprint makes the project; extra lines belong to the service.
func (r *rig) blueprint(image string, extra ...string) {
	r.t.Helper()
	text := "project: shop\nservices:\n  - name: api\n    type: web\n    image: " + image + "\n    port: 8000\n" +
		"    healthCheck: {path: /healthz, interval: 1s, timeout: 2s, grace: 20s}\n    drain: " + r.drain + "\n"
	for _, line := range extra {
		text += "    " + line + "\n"
	}
	_, err := r.plane.CreateProject(r.t.Context(), ada, platform.CreateProjectRequest{Blueprint: text})
	require.NoError(r.t, err)
}

// deploy asks for an image to go live.
func (r *rig) deploy(image string) platform.Deploy {
	r.t.Helper()
	d, err := r.plane.Deploy(r.t.Context(), ada, platform.DeployRequest{SlotRef: ref, Image: image})
	require.NoError(r.t, err)
	return d
}

// reaches waits until the deploy is in the phase; ending otherwise fails the test.
func (r *rig) reaches(id platform.DeployID, phase platform.Phase) platform.Deploy {
	r.t.Helper()
	var d platform.Deploy
	require.Eventually(r.t, func() bool {
		var err error
		d, err = r.plane.GetDeploy(r.t.Context(), ada, id)
		return err == nil && (d.Phase == phase || d.Phase.Terminal())
	}, patience, 5*time.Millisecond, "deploy %s is %s, not %s", id, d.Phase, phase)
	require.Equal(r.t, phase, d.Phase, "%+v", d.Failure)
	return d
}

func (r *rig) slot() platform.SlotDetail {
	r.t.Helper()
	s, err := r.plane.GetSlot(r.t.Context(), ada, ref)
	require.NoError(r.t, err)
	return s
}

func (r *rig) containers() []runtime.Container {
	r.t.Helper()
	list, err := r.engine.List(r.t.Context(), nil)
	require.NoError(r.t, err)
	return list
}

// settles waits until exactly n containers exist, all of the release and running, and n records that are ready.
func (r *rig) settles(n, release int) {
	r.t.Helper()
	var words string
	require.Eventually(r.t, func() bool {
		list, err := r.engine.List(r.t.Context(), nil)
		if err != nil || len(list) != n {
			words = fmt.Sprintf("%d containers", len(list))
			return false
		}
		for _, c := range list {
			if !c.Running || c.Labels[runtime.LabelReleaseNo] != fmt.Sprint(release) {
				words = fmt.Sprintf("container of release %s, running %v", c.Labels[runtime.LabelReleaseNo], c.Running)
				return false
			}
		}
		ready := 0
		rows, err := r.plane.ListInstances(r.t.Context(), ada, ref, false)
		for _, row := range rows {
			if row.State == platform.InstanceReady && row.ReleaseNumber == release {
				ready++
			}
		}
		words = fmt.Sprintf("%d records, %d ready", len(rows), ready)
		return err == nil && ready == n && len(rows) == n
	}, patience, 10*time.Millisecond, "%s", func() string { return words })
}

// get asks the slot through the router and returns the status and which image answered.
func (r *rig) get() (int, string) {
	req, err := http.NewRequest(http.MethodGet, r.routerURL+"/predict", nil)
	require.NoError(r.t, err)
	req.Host = r.host
	res, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("X-Image")
}

// app is what the containers of an image do.
type app struct {
	image      string
	loadFor    time.Duration // 503 on /healthz until then
	never      bool          // 503 for ever
	exitAfter  time.Duration // ends by itself with exitCode
	exitCode   int
	exits      bool
	handleFor  time.Duration // each request takes so long
	started    atomic.Int64
	ready      sync.Map // instance -> time it first answered well
	unhealthy  atomic.Bool
	listenAddr []string
	migrates   bool // with arguments it is a command that ends well
}

// image puts the app on the engine under its name.
func (r *rig) image(a *app) *app {
	var mu sync.Mutex
	listeners := map[string]net.Listener{}
	r.engine.Behave(a.image, runtimetest.Behaviour{
		Listening: a.listenAddr,
		AddressOf: func(labels map[string]string) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			mu.Lock()
			defer mu.Unlock()
			listeners[labels[runtime.LabelInstance]] = listener
			return listener.Addr().String()
		},
		Program: func(system subject.System, args []string) int {
			if a.migrates && len(args) > 0 {
				a.started.Add(1)
				return 0
			}
			mu.Lock()
			listener := listeners[system.Env("FAIRLEAD_INSTANCE")]
			mu.Unlock()
			return a.serve(system, listener)
		},
	})
	return a
}

func (a *app) serve(system subject.System, listener net.Listener) int {
	a.started.Add(1)
	if listener != nil {
		defer listener.Close()
	}
	if a.exits {
		fmt.Fprintln(system.Stderr(), "KeyError: 'MODEL_URL'")
		return a.exitCode
	}
	began := time.Now()
	instance := system.Env("FAIRLEAD_INSTANCE")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Image", a.image)
		if req.URL.Path == "/healthz" {
			if a.never || a.unhealthy.Load() || time.Since(began) < a.loadFor {
				http.Error(w, "loading", http.StatusServiceUnavailable)
				return
			}
			a.ready.LoadOrStore(instance, time.Now())
			return
		}
		timer := time.NewTimer(a.handleFor)
		defer timer.Stop()
		<-timer.C
		fmt.Fprintln(w, "ok")
	})}
	if listener != nil {
		go func() { _ = server.Serve(listener) }()
	}
	defer server.Close()
	if a.exitAfter > 0 {
		timer := time.NewTimer(a.exitAfter)
		defer timer.Stop()
		select {
		case <-timer.C:
			return a.exitCode
		case <-system.Terminated():
			return 0
		}
	}
	<-system.Terminated()
	return 0
}

// load sends requests through the router all the while, half of them POST, and counts those that fail.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	sent   atomic.Int64
	mu     sync.Mutex
	failed []string
}

func (r *rig) load() *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second}
	for i := range 4 {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
				l.once(client, r.routerURL, r.host, []string{http.MethodGet, http.MethodPost}[i%2])
			}
		}()
	}
	r.t.Cleanup(l.stop)
	return l
}

func (l *load) once(client *http.Client, url, host, method string) {
	req, err := http.NewRequest(method, url+"/predict", strings.NewReader("{}"))
	if err != nil {
		panic(err)
	}
	req.Host = host
	l.sent.Add(1)
	res, err := client.Do(req)
	words := ""
	if err != nil {
		words = err.Error()
	} else {
		if res.StatusCode != http.StatusOK {
			words = res.Status
		}
		res.Body.Close()
	}
	if words != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, words)
	}
}

func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}

// none stops the load and asserts that no request failed.
func (l *load) none(t *testing.T) {
	t.Helper()
	l.stop()
	require.Positive(t, l.sent.Load())
	require.Empty(t, l.failed, "of %d requests", l.sent.Load())
}

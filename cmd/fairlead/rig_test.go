package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/cmd/fairlead/cli"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

// TestMain lets the server start this test binary as its router, and takes down the installation that the tests share.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "router" {
		main()
		return
	}
	code := m.Run()
	if err := shared.stop(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, "take the installation down:", err)
		code = 1
	}
	os.Exit(code)
}

// shared is the one installation of this test binary, started by the first test that asks for it.
var shared lazy

type lazy struct {
	once sync.Once
	rig  *installed
	err  error
}

// setup returns the shared installation.
func setup(t *testing.T) *installed {
	t.Helper()
	shared.once.Do(func() { shared.rig, shared.err = install(func(*serverConfig) error { return nil }) })
	require.NoError(t, shared.err)
	return shared.rig
}

// setupWith returns an installation of the test's own whose settings configure changed, and takes it down with the test.
func setupWith(t *testing.T, configure func(*serverConfig) error) *installed {
	t.Helper()
	r, err := install(configure)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("--- end of the server's log\n" + r.log.tail(60))
		}
		require.NoError(t, r.remove())
	})
	return r
}

func (l *lazy) stop(explain bool) error {
	if l.rig == nil {
		return nil
	}
	if explain {
		fmt.Fprintln(os.Stderr, "--- end of the server's log\n"+l.rig.log.tail(60))
	}
	return l.rig.remove()
}

// installed is a real server with its router, Postgres and engine, in a folder of its own.
type installed struct {
	dir    string
	config serverConfig
	admin  string
	client *client.Client // the admin's
	log    logTail
	traces *tracingtest.Collector
	stop   context.CancelFunc

	noTraces func() // ends the collector of traces
	ended    chan error

	compile sync.Once
	app     string // the compiled testdata/app, once binary was asked for it

	mu       sync.Mutex
	projects int             // names given out
	images   map[string]bool // built, the containers of some are gone already
}

func install(configure func(*serverConfig) error) (*installed, error) {
	r := &installed{images: map[string]bool{}}
	err := r.prepare(configure)
	if err == nil {
		err = r.start()
	}
	if err != nil {
		return nil, errors.Join(err, errors.New(r.log.tail(20)), r.remove())
	}
	return r, nil
}

func (r *installed) prepare(configure func(*serverConfig) error) error {
	var err error
	if r.dir, err = os.MkdirTemp("", "fairlead-e2e-"); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o755); err != nil { // the private Postgres runs as another user
		return err
	}
	r.config = serverConfig{state: stateFolder(filepath.Join(r.dir, "state")), baseDomain: "localhost", notifyAllow: []string{"127.0.0.0/8"}}
	r.traces, r.noTraces = tracingtest.Start()
	r.config.traces = r.traces.URL + "/v1/traces"
	for _, address := range []*string{&r.config.api, &r.config.router} {
		if *address, err = freeAddress(); err != nil {
			return err
		}
	}
	return configure(&r.config)
}

// start starts the server, the first time or after halt, and waits until it is ready.
func (r *installed) start() error {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.config.serve(ctx, slog.New(slog.NewTextHandler(&r.log, nil))) }()
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	secret, err := os.ReadFile(r.config.state.path("admin-token"))
	if err != nil {
		return err
	}
	r.admin = strings.TrimSpace(string(secret))
	r.client = client.New(client.Options{BaseURL: r.url(), Token: r.admin})
	return nil
}

// halt stops the server in order; router, Postgres and containers go on.
func (r *installed) halt() error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	err := <-r.ended
	r.stop = nil
	return err
}

// binary returns the path of the compiled testdata/app.
func (r *installed) binary(t *testing.T) string {
	t.Helper()
	r.compile.Do(func() {
		app := filepath.Join(r.dir, "app")
		compile := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", app, "./testdata/app")
		compile.Env = append(os.Environ(), "CGO_ENABLED=0")
		said, err := compile.CombinedOutput()
		require.NoError(t, err, "%s", said)
		r.app = app
	})
	require.NotEmpty(t, r.app, "the test's app compiles")
	return r.app
}

func (r *installed) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for !r.config.ready(ctx) {
		select {
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("the server ended while it was starting: %w", err)
		case <-ctx.Done():
			return errors.New("the server was not ready in time")
		case <-look.C:
		}
	}
	return nil
}

// remove stops server, router and Postgres and deletes what they made: all of it carries this installation's label.
func (r *installed) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if r.noTraces != nil {
		defer r.noTraces()
	}
	all := r.halt()
	if r.dir == "" {
		return all
	}
	_, err := stopProcess(ctx, r.config.state, "router.pid", stopLimit)
	all = errors.Join(all, err)
	if name, err := r.config.state.installation(); err == nil {
		all = errors.Join(all, r.clearEngine(ctx, name))
	}
	_, err = stopPrivatePostgres(ctx, r.config.state)
	return errors.Join(all, err, os.RemoveAll(r.dir))
}

func (r *installed) clearEngine(ctx context.Context, installation string) error {
	engine, err := docker.Open(ctx, docker.Options{Installation: installation})
	if err != nil {
		return err
	}
	defer engine.Close()
	containers, err := engine.List(ctx, nil)
	if err != nil {
		return err
	}
	images := r.images
	for _, c := range containers {
		images[c.ImageID] = true
		err = errors.Join(err, engine.Remove(ctx, c.ID))
	}
	for image := range images {
		err = errors.Join(err, engine.RemoveImage(ctx, image))
	}
	for n := 1; n <= r.projects; n++ {
		err = errors.Join(err, engine.RemoveNetwork(ctx, "fairlead-"+r.projectName(n)+"-"+platform.ProductionName))
	}
	return err
}

func (r *installed) url() string { return "http://" + r.config.api }

// projectName is unique on the engine: networks and containers are named after it.
func (r *installed) projectName(n int) string {
	_, port, _ := net.SplitHostPort(r.config.api)
	return fmt.Sprintf("e2e-%s-%d", port, n)
}

func (r *installed) newName() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.projects++
	return r.projectName(r.projects)
}

// fairlead runs one command line in dir with the token, as a user would, and returns its exit code and what it printed.
func (r *installed) fairlead(t *testing.T, dir, token string, args ...string) (code int, out, errOut string) {
	t.Helper()
	env := map[string]string{"FAIRLEAD_URL": r.url(), "FAIRLEAD_TOKEN": token, "FAIRLEAD_CONFIG": filepath.Join(r.dir, "no-login.json")}
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), cli.Options{
		Args: args, In: strings.NewReader(""), Out: &stdout, Err: &stderr, Version: version, Dir: dir,
		Getenv: func(name string) string { return env[name] }, Commands: processes(),
	})
	return code, stdout.String(), stderr.String()
}

// refused runs a command line that must end with the exit code and returns its error text.
func (r *installed) refused(t *testing.T, exit int, dir string, args ...string) string {
	t.Helper()
	code, out, errOut := r.fairlead(t, dir, r.admin, args...)
	require.Equal(t, exit, code, "%v\n%s%s", args, out, errOut)
	return errOut
}

// call sends a request to the API and returns the status, the header and the body.
func (r *installed) call(t *testing.T, token, method, path string, body io.Reader) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url()+path, body)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(raw)
}

// logTail keeps the server's log in memory.
type logTail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logTail) tail(lines int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Split(strings.TrimSpace(l.text.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

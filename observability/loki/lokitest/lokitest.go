// Package lokitest runs a real Loki server for tests.
//
// It owns the process: its free loopback ports, its temporary folder, waiting until it is ready, its end. The binary is the
// one that LOKI_BIN names, else the one that `make loki` builds; without it a test fails. No production package imports it;
// the log bench does, which runs a Loki beside ours.
package lokitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	startLimit = 120 * time.Second // of a start, on a machine that does much else
	stopLimit  = 20 * time.Second  // of an orderly stop; then it is killed
)

// Server is one Loki server.
type Server struct {
	binary  string
	config  string // file in deploy/loki
	shipped bool   // it is the one for use, with ports and folders of its own
	dir     string
	http    int
	grpc    int

	mu    sync.Mutex // guards the fields below
	cmd   *exec.Cmd  // nil while it is stopped
	ended chan struct{}
	said  *bytes.Buffer // to be read once ended is closed
}

// overrides are limits of single tenants, for tests of what happens at a limit.
const overrides = `overrides:
  small-pages: {max_entries_limit_per_query: 10}
  short-lines: {max_line_size: 1KB}
  lean: {max_structured_metadata_size: 2KB}
  few: {max_structured_metadata_entries_count: 12}
  slow: {ingestion_rate_strategy: local, ingestion_rate_mb: 0.05, ingestion_burst_size_mb: 0.1}
`

// Start returns a server that is ready, and ends it with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	return begin(t, &Server{config: "test.yaml", dir: t.TempDir()})
}

// StartShipped is Start with the file that is for use, deploy/loki/loki.yaml, as it is: flags give it free ports and a folder.
func StartShipped(t testing.TB) *Server {
	t.Helper()
	return begin(t, &Server{config: "loki.yaml", shipped: true, dir: t.TempDir()})
}

func begin(t testing.TB, s *Server) *Server {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

var shared struct {
	once   sync.Once
	server *Server
	dir    string
	err    error
}

// Shared returns the one server of this test program, started at the first call. The program's TestMain calls Run.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "fairlead-loki-"); shared.err == nil {
			shared.server, shared.err = Launch(context.Background(), shared.dir)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Run runs the tests and ends the shared server; TestMain exits with what it returns.
func Run(m *testing.M) int {
	defer func() {
		if shared.server != nil {
			shared.server.kill()
		}
		if shared.dir != "" {
			_ = os.RemoveAll(shared.dir)
		}
	}()
	return m.Run()
}

var tenants atomic.Int64

// Tenant returns a tenant that no other test has: an empty store.
func (s *Server) Tenant() string {
	return "t" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(tenants.Add(1), 10)
}

// URL returns the server's address.
func (s *Server) URL() string { return "http://" + s.address() }

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.http)) }

// Launch returns a server that is ready and keeps what it has in dir, for a program that is no test. The caller kills it.
func Launch(ctx context.Context, dir string) (*Server, error) {
	s := &Server{config: "test.yaml", dir: dir}
	return s, s.start(ctx)
}

func (s *Server) start(ctx context.Context) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	s.config = filepath.Join(root, "deploy", "loki", s.config)
	if s.binary = os.Getenv("LOKI_BIN"); s.binary == "" {
		s.binary = filepath.Join(root, "build", "bin", "loki")
	}
	if _, err := os.Stat(s.binary); err != nil {
		return fmt.Errorf("there is no Loki server at %s: run make loki, or set LOKI_BIN", s.binary)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "overrides.yaml"), []byte(overrides), 0o600); err != nil {
		return fmt.Errorf("write the limits of tenants: %w", err)
	}
	// A free port may be taken by another before the server listens on it: then it ends, and has others.
	for attempt := 0; ; attempt++ {
		if s.http, s.grpc, err = freePorts(); err != nil {
			return err
		}
		if err = s.launch(ctx); err == nil || attempt == 2 || ctx.Err() != nil {
			return err
		}
	}
}

// arguments are the flags of the process. Flags count before what stands in the file.
func (s *Server) arguments() []string {
	if !s.shipped {
		return []string{"-config.file=" + s.config, "-config.expand-env=true"}
	}
	data := filepath.Join(s.dir, "data")
	return []string{
		"-config.file=" + s.config, "-server.http-listen-port=" + strconv.Itoa(s.http), "-server.grpc-listen-port=" + strconv.Itoa(s.grpc),
		"-common.path-prefix=" + data, "-common.storage.filesystem.chunk-directory=" + filepath.Join(data, "chunks"),
		"-common.storage.filesystem.rules-directory=" + filepath.Join(data, "rules"), "-ingester.wal-dir=" + filepath.Join(data, "wal"),
		"-compactor.working-directory=" + filepath.Join(data, "compactor"),
	}
}

// Start starts a server again after Stop or Kill, on the same ports and folder, and waits until it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Flush lets the server write what it holds in memory, after which index/stats counts it.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	resp, err := http.Post(s.URL()+"/flush", "", nil) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// Stop ends the server in order: it keeps what it took.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	cmd, ended := s.running()
	if cmd == nil {
		t.Fatal("the Loki server does not run")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		s.forget()
	case <-time.After(stopLimit):
		s.kill()
	}
}

// Kill ends the server at once.
func (s *Server) Kill() { s.kill() }

func (s *Server) kill() {
	cmd, ended := s.running()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-ended
	s.forget()
}

func (s *Server) running() (*exec.Cmd, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd, s.ended
}

func (s *Server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = nil
}

// launch starts the process and waits until it is ready.
func (s *Server) launch(ctx context.Context) error {
	data := filepath.Join(s.dir, "data")
	cmd := exec.Command(s.binary, s.arguments()...) //nolint:noctx // Stop and Kill end it
	cmd.Env = append(os.Environ(), "LOKI_HTTP_PORT="+strconv.Itoa(s.http), "LOKI_GRPC_PORT="+strconv.Itoa(s.grpc),
		"LOKI_DATA="+data, "LOKI_OVERRIDES="+filepath.Join(s.dir, "overrides.yaml"))
	cmd.SysProcAttr = dieWithParent()
	said := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = said, said
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// The process dies with the thread that started it: this one, which lives as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start Loki: %w", err)
	}
	s.mu.Lock()
	s.cmd, s.ended, s.said = cmd, ended, said
	s.mu.Unlock()
	return s.awaitReady(ctx, ended)
}

func (s *Server) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ended:
			s.forget()
			return fmt.Errorf("the Loki server ended while it started; it said:\n%s", s.said)
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("the Loki server was not ready within %s; it said:\n%s", startLimit, s.said)
		case <-look.C:
			// The first query waits until queriers and frontend have found each other, which /ready does not.
			if s.answers(ctx, "/ready") && s.answers(ctx, "/loki/api/v1/query_range?query=%7Bproject%3D%22none%22%7D") {
				return nil
			}
		}
	}
}

const (
	flushLook  = 250 * time.Millisecond
	flushQuiet = 12 // looks without a change, after which a flush is over
)

// Flushed lets the server write what it holds in memory, and returns how many bytes its chunks and their index have on
// disk, once they do not grow any more. What the write-ahead log holds again does not count.
func (s *Server) Flushed(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/flush", nil)
	if err != nil {
		return 0, fmt.Errorf("ask for a flush: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for a flush: %w", err)
	}
	resp.Body.Close()
	look := time.NewTicker(flushLook)
	defer look.Stop()
	size := int64(-1)
	for quiet := 0; quiet < flushQuiet; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-look.C:
		}
		quiet++
		if now := s.stored(); now != size {
			size, quiet = now, 0
		}
	}
	return size, nil
}

func (s *Server) stored() int64 {
	total := int64(0)
	_ = filepath.WalkDir(filepath.Join(s.dir, "data"), func(_ string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // it is gone
		case entry.IsDir() && entry.Name() == "wal":
			return filepath.SkipDir
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

func (s *Server) answers(ctx context.Context, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("X-Scope-OrgID", "nobody")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freePorts() (first, second int, err error) {
	var ports [2]int
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return 0, 0, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = parent
	}
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// settle is how long a process without a health check must run before it counts as well: one that cannot start is
// gone by then.
const settle = time.Second

// target is one instance that is probed.
type target struct {
	instance  platform.InstanceID
	deploy    platform.DeployID
	slot      platform.SlotID
	container string // engine id
	address   string // host:port
	port      int
	check     platform.HealthCheck
	startedAt time.Time
	wasReady  bool // known to have been ready before this server looked
}

// checker asks instances whether they are well.
type checker struct {
	engine runtime.Runtime
	http   *http.Client
}

func newChecker(engine runtime.Runtime) *checker {
	return &checker{engine: engine, http: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is an answer: 300 to 399 is well
		},
	}}
}

// errRefused marks a probe that found nothing listening.
var errRefused = errors.New("connection refused")

// probe asks once. The error is the reason in words that a user can act on; it wraps errRefused where nothing listens.
func (c *checker) probe(ctx context.Context, t target) (status int, err error) {
	timeout := t.check.Timeout.D()
	if timeout <= 0 {
		timeout = platform.DefaultHealthTimeout.D()
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch t.check.Kind {
	case platform.HealthHTTP:
		status, err = c.probeHTTP(ctx, t)
	case platform.HealthTCP:
		err = c.probeTCP(ctx, t)
	case platform.HealthCommand:
		status, err = c.probeCommand(ctx, t)
	default:
		if up := time.Since(t.startedAt); up < settle {
			err = fmt.Errorf("running for %s", platform.Duration(up.Round(time.Millisecond)))
		}
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", platform.Duration(timeout))
	}
	return status, err
}

func (c *checker) probeHTTP(ctx context.Context, t target) (int, error) {
	path := t.check.Path
	if path == "" {
		path = platform.DefaultHealthPath
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.address+path, nil)
	if err != nil {
		return 0, fmt.Errorf("GET %s: %w", path, err)
	}
	req.Header.Set("User-Agent", "fairlead-health")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, connection(fmt.Sprintf("GET %s on port %d", path, t.port), err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	if res.StatusCode >= 200 && res.StatusCode < 400 {
		return res.StatusCode, nil
	}
	return res.StatusCode, fmt.Errorf("GET %s answered %d%s", path, res.StatusCode, quoted(string(body)))
}

func (c *checker) probeTCP(ctx context.Context, t target) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return connection(fmt.Sprintf("connect to port %d", t.port), err)
	}
	return conn.Close()
}

func (c *checker) probeCommand(ctx context.Context, t target) (int, error) {
	res, err := c.engine.Exec(ctx, t.container, t.check.Command)
	if err != nil {
		return 0, fmt.Errorf("run %q: %w", strings.Join(t.check.Command, " "), err)
	}
	if res.ExitCode != 0 {
		output := res.Stderr
		if output == "" {
			output = res.Stdout
		}
		return res.ExitCode, fmt.Errorf("%q ended with exit code %d%s", strings.Join(t.check.Command, " "), res.ExitCode, quoted(output))
	}
	return 0, nil
}

// listening says in words where the process listens instead, or "" when it does listen on the port.
func (c *checker) listening(ctx context.Context, t target) string {
	addresses, err := c.engine.Listening(ctx, t.container)
	if err != nil {
		return ""
	}
	var others []string
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		loopback := net.ParseIP(host) != nil && net.ParseIP(host).IsLoopback()
		// Docker's own resolver listens on 127.0.0.11 in every container of a user network.
		if host == "127.0.0.11" {
			continue
		}
		if port == fmt.Sprint(t.port) && !loopback {
			return ""
		}
		others = append(others, a)
	}
	if len(others) == 0 {
		return fmt.Sprintf("nothing listens on port %d; the process listens on no port", t.port)
	}
	return fmt.Sprintf("nothing listens on port %d; the process listens on %s", t.port, strings.Join(others, " and "))
}

func connection(what string, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: %w", what, errRefused)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", what, op.Err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// quoted is a short, single-line form of what an instance said.
func quoted(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return ""
	}
	return fmt.Sprintf(": %q", platform.Truncate(s, 160))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/agent/notify"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/forward"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
)

// serverConfig is what `fairlead server` is told by flags and environment.
type serverConfig struct {
	state       stateFolder
	api         string
	router      string
	baseDomain  string
	databaseURL string
	planTTL     time.Duration
	metrics     prometheus.Options // of a metric server besides ours
	loki        loki.Options
	hosts       []string // names besides localhost by which the API may be asked for
	forward     string   // file of the receivers of logs; "" is forward.yaml in the state folder
	notifyAllow []string // private networks that notifications may reach
	prices      string   // file; "" means prices.yaml in the state folder, where there is one
	logAge      time.Duration
	logSize     string
	logBytes    int64
	traces      string // where spans of own work go; "" is where the environment says
}

const (
	defaultAPI    = "127.0.0.1:7700"
	defaultRouter = "127.0.0.1:7780"
	readyLimit    = 90 * time.Second
	stopLimit     = 45 * time.Second
)

func newServerCommand() *cobra.Command {
	var config serverConfig
	var detach bool
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the server: API, MCP, Git remote, workers (starts a router beside itself)",
		Long: "Runs Fairlead. State is kept in FAIRLEAD_STATE; Postgres is the one at DATABASE_URL, else a private one in the\n" +
			"state folder. A router is started beside the server when none answers, and outlives it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.fromEnvironment(); err != nil {
				return err
			}
			if detach {
				return config.detach(cmd.Context(), cmd.OutOrStdout())
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return config.serve(ctx, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
	cmd.Flags().StringVar(&config.api, "api", defaultAPI, "address of the API, MCP and Git")
	cmd.Flags().StringVar(&config.router, "router", defaultRouter, "address on which services answer")
	cmd.Flags().StringVar(&config.baseDomain, "base-domain", "localhost", "domain under which services get their hosts")
	cmd.Flags().StringSliceVar(&config.hosts, "host", nil, "further names by which the API may be asked for")
	cmd.Flags().StringVar(&config.prices, "prices", "", "file of prices for `fairlead usage` (default prices.yaml in the state folder, if it is there)")
	cmd.Flags().DurationVar(&config.logAge, "log-age", 30*24*time.Hour, "how long logs are kept, at least 24h; a project may have its own")
	cmd.Flags().StringVar(&config.logSize, "log-size", "0", "how much disk the logs of all projects may take, such as 50GB; 0 for no limit")
	addLokiFlags(cmd.Flags(), &config.loki)
	cmd.Flags().StringVar(&config.forward, "forward", "", "file that names receivers of logs (default forward.yaml in the state folder)")
	cmd.Flags().StringSliceVar(&config.notifyAllow, "notify-allow", nil, "private networks that notifications may reach, such as 10.0.0.0/8 (default FAIRLEAD_NOTIFY_ALLOW)")
	cmd.Flags().BoolVar(&detach, "detach", false, "start in the background, wait until it is ready, and say how to reach it")
	cmd.AddCommand(newServerStopCommand())
	return cmd
}

func newServerStopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the server, its router and its private Postgres; what was deployed keeps its data",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := defaultState()
			if err != nil {
				return err
			}
			return stopInstallation(cmd.Context(), state, cmd.OutOrStdout())
		},
	}
}

// forwardFile is the file that names the receivers of logs.
func (c *serverConfig) forwardFile() string {
	if c.forward != "" {
		return c.forward
	}
	return c.state.path(forward.FileName)
}

func (c *serverConfig) fromEnvironment() error {
	var err error
	if c.forward != "" {
		if c.forward, err = filepath.Abs(c.forward); err != nil {
			return err
		}
		if _, err := os.Stat(c.forward); err != nil {
			return platform.Errorf(platform.CodeInvalid, "--forward %q: there is no such file.", c.forward).WithHint("Name the file that lists the receivers of logs.")
		}
	}
	if c.state, err = defaultState(); err != nil {
		return err
	}
	for name, address := range map[string]string{"--api": c.api, "--router": c.router} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return platform.Errorf(platform.CodeInvalid, "%s %q is not an address.", name, address).WithHint("Write host:port, for example %s.", defaultAPI)
		}
	}
	if c.logBytes, err = platform.ParseSize("--log-size", c.logSize); err != nil {
		return err
	}
	if err := (platform.LogRetention{Age: platform.Duration(c.logAge), Bytes: c.logBytes}).Check(); err != nil || c.logAge <= 0 {
		return platform.Errorf(platform.CodeInvalid, "Logs cannot be kept for %s and within %s.", c.logAge, platform.FormatSize(c.logBytes)).
			WithHint("Give --log-age at least 24h and at most 87600h, and --log-size at least 1MB or 0.")
	}
	c.databaseURL = os.Getenv("DATABASE_URL")
	if c.metrics, err = metricSettings(os.Getenv); err != nil {
		return err
	}
	if _, err := tracing.Configured(os.Getenv); err != nil {
		return err
	}
	lokiFromEnvironment(&c.loki)
	if text := os.Getenv("FAIRLEAD_PLAN_TTL"); text != "" {
		if c.planTTL, err = time.ParseDuration(text); err != nil || c.planTTL <= 0 {
			return platform.Errorf(platform.CodeInvalid, "FAIRLEAD_PLAN_TTL %q is not a duration.", text).WithHint("Write it as 30m.")
		}
	}
	if text := os.Getenv("FAIRLEAD_NOTIFY_ALLOW"); text != "" && len(c.notifyAllow) == 0 {
		c.notifyAllow = strings.Split(text, ",")
	}
	_, err = c.guard()
	return err
}

// guard keeps notifications out of private networks but those that are allowed.
func (c *serverConfig) guard() (notify.Guard, error) {
	var g notify.Guard
	for _, text := range c.notifyAllow {
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return g, platform.Errorf(platform.CodeInvalid, "--notify-allow %q is not a network.", platform.Truncate(text, 60)).
				WithHint("Write it as 10.0.0.0/8, or 127.0.0.1/32 for one address.")
		}
		g.Allow = append(g.Allow, network.Masked())
	}
	return g, nil
}

// logOptions are how logs are kept.
func (c *serverConfig) logOptions() embedded.LogOptions {
	return embedded.LogOptions{Retention: c.logAge, MaxBytes: c.logBytes}
}

// priceFile is the file that was named, else the one of the state folder.
func (c *serverConfig) priceFile() *priceFile {
	if c.prices != "" {
		return &priceFile{path: c.prices, required: true}
	}
	return &priceFile{path: c.state.path("prices.yaml")}
}

// serve runs everything until ctx ends. A second server on the same state folder is refused.
func (c *serverConfig) serve(ctx context.Context, log *slog.Logger) error {
	if err := c.state.make(); err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.state.writePID("server.pid"); err != nil {
		return fmt.Errorf("write the server's pid file: %w", err)
	}
	defer os.Remove(c.state.path("server.pid"))
	s, err := wire(ctx, c, log)
	if err != nil {
		return err
	}
	defer s.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.api)
	if err != nil {
		return platform.Errorf(platform.CodeConflict, "The API cannot listen on %s: %v.", c.api, err).WithHint("Choose another address with --api, or stop what listens there.")
	}
	s.log.Info("Fairlead is starting", "api", "http://"+c.api, "router", "http://"+c.router, "state", string(c.state))
	return s.run(ctx, listener)
}

func (c *serverConfig) lock() (func(), error) {
	file, err := os.OpenFile(c.state.path("server.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, platform.Errorf(platform.CodeConflict, "A server already runs on the state folder %s.", c.state).
			WithHint("Stop it with `fairlead server stop`, or set FAIRLEAD_STATE to another folder.")
	}
	return func() { file.Close() }, nil
}

// detach starts the server in the background and waits until it is ready.
func (c *serverConfig) detach(ctx context.Context, out io.Writer) error {
	if err := c.state.make(); err != nil {
		return err
	}
	if c.ready(ctx) {
		c.explain(out)
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	file, err := os.OpenFile(c.state.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer file.Close()
	args := []string{
		"server", "--api", c.api, "--router", c.router, "--base-domain", c.baseDomain,
		"--prices", c.prices, "--log-age", c.logAge.String(), "--log-size", c.logSize,
	}
	for _, host := range c.hosts {
		args = append(args, "--host", host)
	}
	args = append(args, lokiArguments(&c.loki)...)
	if c.forward != "" {
		args = append(args, "--forward", c.forward)
	}
	if len(c.notifyAllow) > 0 {
		args = append(args, "--notify-allow", strings.Join(c.notifyAllow, ","))
	}
	cmd := exec.Command(self, args...) //nolint:noctx // it must outlive this process
	cmd.Env = append(os.Environ(), "FAIRLEAD_STATE="+string(c.state))
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := c.awaitReady(ctx, ended, out); err != nil {
		return err
	}
	c.explain(out)
	return nil
}

func (c *serverConfig) awaitReady(ctx context.Context, ended <-chan error, out io.Writer) error {
	fmt.Fprint(out, "starting Fairlead ")
	defer fmt.Fprintln(out)
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	hint := "Its log says why: " + c.state.path("server.log")
	for {
		select {
		case err := <-ended:
			return platform.Errorf(platform.CodeUnavailable, "The server ended while it was starting (%v).", err).WithHint("%s", hint)
		case <-ctx.Done():
			return platform.Errorf(platform.CodeUnavailable, "The server was not ready within %s.", readyLimit).WithHint("%s", hint)
		case <-look.C:
			if c.ready(ctx) {
				return nil
			}
			fmt.Fprint(out, ".")
		}
	}
}

func (c *serverConfig) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.api+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (c *serverConfig) explain(out io.Writer) {
	fmt.Fprintf(out, `Fairlead is up.

  page         http://%[1]s/ui/
  API          http://%[1]s
  services     http://<service>.<project>.%[3]s through the router on %[2]s
  admin token  %[4]s
  Git remote   http://%[1]s/git/<project>.git   (any user name, the token as password)
  MCP          http://%[1]s/mcp

Add it to an MCP client, with a token that an agent may hold:
  fairlead token create my-agent --kind agent --role operator
  claude mcp add --transport http fairlead http://%[1]s/mcp --header "Authorization: Bearer <token>"

The server's log is %[5]s; stop it with: make down
`, c.api, c.router, c.baseDomain, c.state.path("admin-token"), c.state.path("server.log"))
}

// stopInstallation ends server, router and private Postgres, in that order. Containers go on running.
func stopInstallation(ctx context.Context, state stateFolder, out io.Writer) error {
	var all error
	for _, part := range []string{"server", "router"} {
		stopped, err := stopProcess(ctx, state, part+".pid", stopLimit)
		all = errors.Join(all, err)
		if stopped {
			fmt.Fprintf(out, "stopped the %s\n", part)
		}
	}
	stopped, err := stopPrivatePostgres(ctx, state)
	if stopped {
		fmt.Fprintln(out, "stopped the private Postgres")
	}
	return errors.Join(all, err)
}

// routerParts builds the client of the router and the process that keeps it.
func (c *serverConfig) routerParts(log *slog.Logger) (*routing.Client, *routerProcess) {
	client := routing.NewClient(c.state.path("router.sock"))
	return client, &routerProcess{state: c.state, listen: c.router, client: client, log: log}
}

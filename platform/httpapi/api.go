// Package httpapi is the HTTP face of the control plane: JSON resources under /v1, live streams, OpenAPI 3.1 and the
// one net/http handler that also carries the MCP and Git handlers.
//
// It owns routes, authentication at one choke point, the mapping of errors to problem+json, idempotency keys and
// server-sent events. It must not know how anything is stored, run or decided: each operation is one call of the plane.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

// Limits and times of the API.
const (
	// MaxBodyBytes is the largest request body that an operation under /v1 accepts.
	MaxBodyBytes = 1 << 20

	defaultRequestTimeout = 30 * time.Second
	defaultHeartbeat      = 15 * time.Second
	bodyReadTimeout       = 30 * time.Second
	headerReadTimeout     = 10 * time.Second
	keepAliveTimeout      = 2 * time.Minute
	shutdownTimeout       = 10 * time.Second
	maxHeaderBytes        = 64 << 10
)

// Options configure an API. Plane and Logger are required.
type Options struct {
	Plane  plane
	Logger *slog.Logger
	// Version of Fairlead, shown in the OpenAPI document.
	Version string
	// Ready reports every dependency by name for /readyz; nil means there are none.
	Ready func(ctx context.Context) []platform.PartStatus
	// Responses remembers answers for idempotency keys; nil refuses requests that carry one.
	Responses responses
	// Mounts are other handlers of the same address by net/http pattern, for example "/mcp" and "/git/". They
	// authenticate by themselves.
	Mounts map[string]http.Handler
	// Hosts are names that a request's Host may have besides localhost and addresses; others are refused, so that a
	// page of another site cannot reach the API by rebinding its name.
	Hosts []string
	// RequestTimeout bounds an operation that is not a stream; 0 means 30 s.
	RequestTimeout time.Duration
	// Tracer makes a span of each request, and Meter counts them; both may be nil.
	Tracer *tracing.Tracer
	Meter  *meter.Meter
	// Heartbeat is how often an idle stream says that it lives; 0 means 15 s.
	Heartbeat time.Duration
}

// API serves the control plane over HTTP. Run must be running for Handler and Transport to answer.
type API struct {
	opts     Options
	plane    plane
	log      *slog.Logger
	app      *fiber.App
	huma     huma.API
	listener *fasthttputil.InmemoryListener
	link     *link
	writes   *keyLocks
	routes   func() *routeTable
}

// New builds the API and registers every operation. It starts nothing.
func New(opts Options) *API {
	if opts.RequestTimeout == 0 {
		opts.RequestTimeout = defaultRequestTimeout
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = defaultHeartbeat
	}
	a := &API{
		opts: opts, plane: opts.Plane, log: opts.Logger,
		listener: fasthttputil.NewInmemoryListener(), writes: newKeyLocks(),
	}
	a.link = newLink(a.listener)
	a.app = fiber.New(fiber.Config{
		AppName:               "fairlead",
		DisableStartupMessage: true,
		CaseSensitive:         true,
		// Fiber reuses request memory; handlers here keep strings, streams beyond the handler's return.
		Immutable:         true,
		UnescapePath:      true,
		BodyLimit:         2 * MaxBodyBytes,
		ReadBufferSize:    2 * maxHeaderBytes,
		IdleTimeout:       keepAliveTimeout,
		ErrorHandler:      a.writeFiberError,
		StreamRequestBody: false,
	})
	a.app.Use(a.recoverPanic, a.joinContext, a.authenticate, a.repeatable)
	a.huma = humafiber.New(a.app, a.document())
	a.register()
	a.routes = sync.OnceValue(a.findRoutes)
	return a
}

func (a *API) register() {
	a.registerStatus()
	a.registerProjects()
	a.registerServices()
	a.registerReleases()
	a.registerEnv()
	a.registerInstances()
	a.registerDeploys()
	a.registerEvents()
	a.registerLogs()
	a.registerMetrics()
	a.registerTraces()
	a.registerExposition()
	a.registerIncidents()
	a.registerAlerts()
	a.registerInbound()
	a.registerChannels()
	a.registerUsage()
	a.registerPlans()
	a.registerPolicies()
	a.registerTokens()
}

// OpenAPI returns the OpenAPI 3.1 document as indented JSON.
func (a *API) OpenAPI() ([]byte, error) { return marshalIndent(a.huma.OpenAPI()) }

// Handler returns the net/http handler of the whole address: the mounted handlers, and everything else to the API.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range a.opts.Mounts {
		mux.Handle(pattern, a.endable(h))
	}
	mux.Handle(profilePath, a.profiles())
	mux.Handle("/", a.limitBody(a.proxy()))
	return a.observe(a.checkHost(mux))
}

// Transport returns a RoundTripper that reaches the API inside the process, for a client.Client of the MCP face.
// It passes through the same authentication as every other request.
func (a *API) Transport() http.RoundTripper { return observedLink{a} }

// Run serves the in-memory side until ctx ends.
func (a *API) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- a.app.Listener(a.listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	a.link.close()
	if err := a.app.ShutdownWithTimeout(shutdownTimeout); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// Fiber shuts down only what has begun to serve: a context that ends at once would leave it serving for ever.
	_ = a.listener.Close()
	if err := <-done; !errors.Is(err, fasthttputil.ErrInmemoryListenerClosed) {
		return err
	}
	return nil
}

// Serve answers on ln until ctx ends, then lets requests in flight finish for a few seconds. Streams are ended at once.
func (a *API) Serve(ctx context.Context, ln net.Listener) error {
	inner, stopInner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInner()
	innerDone := make(chan error, 1)
	go func() { innerDone <- a.Run(inner) }()

	server := &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: headerReadTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	outerDone := make(chan error, 1)
	go func() { outerDone <- server.Serve(ln) }()

	var err error
	select {
	case err = <-outerDone:
	case err = <-innerDone:
		innerDone <- nil
	case <-ctx.Done():
		a.link.endStreams()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if server.Shutdown(bounded) != nil {
			_ = server.Close()
		}
	}
	stopInner()
	if innerErr := <-innerDone; err == nil {
		err = innerErr
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

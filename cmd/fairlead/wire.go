package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/agent/notify"
	"github.com/fairlead/fairlead/mcp"
	"github.com/fairlead/fairlead/mcp/tools"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/forward"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/otlp"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/observability/traces"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/build"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/dashboard"
	"github.com/fairlead/fairlead/platform/embeddedpg"
	"github.com/fairlead/fairlead/platform/heap"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/routing"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/source"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/worker"
)

// installation is one wired server. This file is the only place where the parts meet.
type installation struct {
	config *serverConfig
	log    *slog.Logger
	name   string

	postgres *embeddedpg.Server // nil with a DATABASE_URL
	store    *store.Store
	stored   observability.Logs // in the state folder, or in Loki
	spool    *spool.Spool       // in front of stored
	logs     *forward.Stream    // in front of spool: what everything appends to and asks
	metrics  *meters
	traces   *traces.Store
	hub      *observability.Hub
	engine   *docker.Runtime
	router   *routing.Client
	beside   *routerProcess
	repos    *source.Repos
	sealer   *secret.Sealer
	plane    *control.Plane
	worker   *worker.Worker
	collect  *collect.Collector
	detector *collect.Detector
	routes   *collect.Routes
	lines    *collect.RouterLog
	own      *collect.OwnLog
	tracer   *tracing.Tracer // nil: no collector is named
	meter    *meter.Meter
	alerts   *collect.Alerts
	upkeep   []*collect.Upkeep
	api      *httpapi.API
}

// wire opens what must be open and builds every part. What it opened is closed again when it fails.
func wire(ctx context.Context, config *serverConfig, log *slog.Logger) (*installation, error) {
	s := &installation{config: config, own: collect.NewOwnLog(log.Handler(), secret.Redact), meter: meter.New()}
	s.log = slog.New(tracing.LogHandler(s.own))
	var err error
	if s.tracer, err = tracing.Open(ctx, tracing.Options{Version: version, Endpoint: config.traces, Log: s.log}); err != nil {
		return nil, err
	}
	for _, build := range []func(context.Context) error{s.openState, s.openStores, s.openEngine, s.buildPlane, s.buildCollectors, s.buildWorker, s.buildFaces} {
		if err := build(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *installation) openState(ctx context.Context) error {
	var err error
	if s.name, err = s.config.state.installation(); err != nil {
		return err
	}
	url := s.config.databaseURL
	if url == "" {
		s.postgres, err = embeddedpg.Open(ctx, embeddedpg.Options{Dir: s.config.state.path("postgres"), Log: s.log, Fallback: s.containerPostgres})
		if err != nil {
			return err
		}
		url = s.postgres.URL()
	}
	s.store, err = store.Open(ctx, store.Options{URL: url, Log: s.log})
	return err
}

func (s *installation) openStores(context.Context) error {
	err := s.openLogs()
	if err != nil {
		return err
	}
	if s.metrics, err = openMeters(s.config.state.path("metrics"), s.config.metrics, s.log); err != nil {
		return err
	}
	s.hub = observability.NewHub()
	return s.openTraces()
}

func (s *installation) openEngine(ctx context.Context) error {
	var err error
	if s.engine, err = docker.Open(ctx, docker.Options{Installation: s.name}); err != nil {
		return err
	}
	s.router, s.beside = s.config.routerParts(s.log)
	s.beside.started = func(ctx context.Context) {
		s.recordStart(ctx, platform.EventRouterStarted, "A router started on "+s.config.router+".")
	}
	s.repos, err = source.Open(s.config.state.path("repos"))
	return err
}

func (s *installation) buildPlane(ctx context.Context) error {
	var err error
	if s.sealer, err = secret.Open(s.config.state.path("key")); err != nil {
		return err
	}
	guard, err := s.config.guard()
	if err != nil {
		return err
	}
	prices := s.config.priceFile()
	if _, err := prices.Prices(); err != nil {
		return err
	}
	s.plane = control.New(control.Options{
		Store: s.store, Sealer: s.sealer, Logs: s.logs, Live: s.hub, Metrics: s.metrics, Current: s.metrics.latest, Prices: prices.Prices, LogsKept: s.logsKept(),
		Spans: s.traces, HostName: hostName(),
		BaseDomain: s.config.baseDomain, RouterURL: "http://" + s.config.router, APIURL: "http://" + s.config.api,
		Host: func(ctx context.Context) (control.Host, error) {
			h, err := s.engine.Host(ctx)
			return control.Host{CPUs: h.CPUs, MemoryBytes: h.MemoryBytes, GPUs: h.GPUs}, err
		},
		Parts: s.parts, Reach: guard.Reach, Version: version, PlanTTL: s.config.planTTL, Log: s.log,
	})
	return s.plane.EnsureAdminToken(ctx, s.config.state.path("admin-token"))
}

func (s *installation) buildCollectors(context.Context) error {
	var err error
	s.collect, err = collect.New(collect.Options{
		Engine: s.engine, Logs: s.logs, Metrics: s.metrics, Hub: s.hub, CursorDir: s.config.state.path("cursors"),
		Match: map[string]string{runtime.LabelInstallation: s.name}, Redactor: s.redactor, Log: s.log,
	})
	s.detector = collect.NewDetector(s.plane, s.log)
	s.routes = &collect.Routes{
		Router: s.router, Slots: s.plane, Metrics: s.metrics, Detector: s.detector, StateDir: s.config.state.path("cursors"), Log: s.log,
	}
	s.lines = &collect.RouterLog{
		Dir: s.config.state.path(routerLog), StateDir: s.config.state.path("cursors"), Logs: s.logs, Hub: s.hub, Slots: s.plane,
		Redactor: s.redactor, Log: s.log,
	}
	s.alerts = &collect.Alerts{Slots: s.plane, Logs: s.logs, Metrics: s.metrics, Reporter: s.plane, Log: s.log}
	s.upkeep = []*collect.Upkeep{
		{Name: "roll up the usage", Every: time.Minute, Do: s.plane.RollUpUsage, Log: s.log},
		{Name: "check the budgets", Every: 5 * time.Minute, Do: s.plane.CheckBudgets, Log: s.log},
		{Name: "drop old logs", Every: 30 * time.Second, Do: s.dropLogs, Log: s.log},
		{Name: "drop old traces", Every: 30 * time.Second, Do: s.traces.Prune, Log: s.log},
	}
	return err
}

// logsKept says what our own log store keeps; a Loki has its own retention and does not say.
func (s *installation) logsKept() func(string, platform.LogRetention) platform.LogsKept {
	if logs, ok := s.stored.(*embedded.ProjectLogs); ok {
		return logs.Kept
	}
	return nil
}

// dropLogs applies every project's log retention to our own log store.
func (s *installation) dropLogs(ctx context.Context) error {
	logs, ok := s.stored.(*embedded.ProjectLogs)
	if !ok {
		return nil
	}
	own, err := s.plane.LogRetentions(ctx)
	if err != nil {
		return err
	}
	return logs.Enforce(own)
}

// redactor removes a project's secret values, as they are when a container begins to be followed or evidence is
// gathered. It is nil while they cannot be read, and what was to be redacted waits: nothing is written down without it.
func (s *installation) redactor(project string) func(string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	values, err := s.plane.Redactions(ctx, project)
	switch {
	case platform.CodeOf(err) == platform.CodeNotFound: // the project was deleted, and its secrets with it
		return secret.Redact
	case err != nil:
		s.log.Warn("the secrets of a project cannot be read for redaction; its output waits", "project", project, "error", err)
		return nil
	}
	return secret.NewValueRedactor(values).Redact
}

func (s *installation) buildWorker(context.Context) error {
	builder, err := build.New(build.Options{})
	if err != nil {
		return err
	}
	facts := &facts{store: s.store, repos: s.repos, slots: func(ctx context.Context, project string) ([]platform.SlotDetail, error) {
		return s.plane.ListSlots(ctx, platform.SystemActor("diagnosis"), project)
	}}
	investigator := agent.New(agent.Options{
		Sources:  evidence.Sources{Releases: facts, Runtime: facts, Commits: facts, Events: facts, Logs: s.logs, Metrics: s.metrics, Spans: s.traces, Map: mapped{s.plane}, Past: facts},
		Evidence: evidence.Options{Redactor: s.redactor},
	})
	guard, err := s.config.guard()
	if err != nil {
		return err
	}
	s.worker = worker.New(worker.Options{
		Plane: s.plane, Store: s.store, Installation: s.name,
		Runtime: s.engine, Router: s.router, RouterURL: "http://" + s.config.router,
		Source: checkouts{s.repos}, Builder: images{builder}, Logs: buildLogs{s.hub, s.logs}, Metrics: s.metrics,
		Findings: s.detector, Investigator: investigation{investigator}, Revert: s.revert,
		Sender:  notify.New(notify.Options{Guard: guard, Redactor: s.redactor, Log: s.log}),
		Drained: s.collect.Drained, Forget: s.repos.Remove, Log: s.log, Tracer: s.tracer, Meter: s.meter,
	})
	facts.probes = s.worker.Probes
	return nil
}

func (s *installation) buildFaces(context.Context) error {
	mcpOptions := mcp.Options{
		Version: version, Log: s.log, Meter: s.meter,
		Client: func(token string) tools.API {
			return client.New(client.Options{BaseURL: "http://" + s.config.api, Token: token, Channel: "mcp", HTTP: &http.Client{Transport: s.api.Transport()}})
		},
		Authenticate: func(ctx context.Context, token string) (platform.Actor, error) {
			return s.plane.Authenticate(ctx, token, "mcp")
		},
	}
	s.api = httpapi.New(httpapi.Options{
		Plane: s.plane, Responses: s.plane, Logger: s.log, Version: version, Ready: s.parts, Hosts: s.config.hosts, Tracer: s.tracer, Meter: s.meter,
		Mounts: map[string]http.Handler{"/mcp": mcp.Handler(mcpOptions), "/git/": s.gitHandler(), lokiPush: s.lokiHandler(), otlp.Endpoint + "/": s.otlpHandler(), dashboard.Root: s.pages()},
	})
	return nil
}

// pages is the web page, which uses the API with the token of whoever signed in.
func (s *installation) pages() http.Handler {
	return dashboard.Handler(dashboard.Options{
		Sealer: s.sealer, Log: s.log,
		Client: func(token string) dashboard.API {
			return client.New(client.Options{BaseURL: "http://" + s.config.api, Token: token, Channel: "dashboard", HTTP: &http.Client{Transport: s.api.Transport()}})
		},
	})
}

// part is something that works until its context ends.
type part struct {
	name string
	run  func(context.Context) error
}

// run starts everything and returns when ctx ends or a part fails; then the others are stopped, faces first.
func (s *installation) run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.keepOwnLog(ctx)()
	if err := s.beside.ensure(ctx); err != nil {
		s.log.Error("no router: traffic waits until one can be started", "error", err)
	}
	s.recordStart(ctx, platform.EventServerStarted, "Fairlead "+version+" started on "+s.config.api+".")
	parts := []part{
		{"api", func(ctx context.Context) error { return s.api.Serve(ctx, listener) }},
		{"worker", s.worker.Run},
		{"collector", s.collect.Run},
		{"routes", s.routes.Run},
		{"router log", s.lines.Run},
		{"alerts", s.alerts.Run},
		{"sampler", s.sampler().Run},
		{"scraper", s.scraper().Run},
		{"metrics", s.metrics.run},
		{"router", s.beside.keep},
		{"heap", heap.Run},
		{"source", s.repos.Run},
	}
	for _, u := range s.upkeep {
		parts = append(parts, part{u.Name, u.Run})
	}
	if s.postgres != nil {
		parts = append(parts, part{"postgres", s.postgres.Watch})
	}
	// Lines go on to the store and the receivers until everything that writes lines has ended.
	draining, drained := context.WithCancel(context.WithoutCancel(ctx))
	var drain sync.WaitGroup
	drain.Go(func() { _ = s.spool.Run(draining) })
	drain.Go(func() { _ = s.logs.Run(draining) })
	ended := make(chan error, len(parts))
	var wait sync.WaitGroup
	for _, p := range parts {
		wait.Go(func() {
			err := p.run(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.Error("a part of the server ended", "part", p.name, "error", err)
			}
			ended <- err
			cancel()
		})
	}
	wait.Wait()
	drained()
	drain.Wait()
	close(ended)
	var all error
	for err := range ended {
		if err != nil && !errors.Is(err, context.Canceled) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// keepOwnLog stores what Fairlead says about itself until what it returns is called, after everything else has ended.
func (s *installation) keepOwnLog(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- s.own.Run(ctx, s.logs, s.hub) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			s.log.Error("the server's last lines are on its standard error only", "error", err)
		}
	}
}

// recordStart notes the start of a process in the timeline; a database that is away now does not stop it.
func (s *installation) recordStart(ctx context.Context, kind platform.EventKind, summary string) {
	if err := s.plane.RecordStart(ctx, kind, summary); err != nil && ctx.Err() == nil {
		s.log.Warn("a start could not be recorded", "kind", kind, "error", err)
	}
}

// close lets go of everything that is open. The router and Postgres go on: they outlive the server.
func (s *installation) close() {
	s.closeTracer()
	if s.store != nil {
		s.store.Close()
	}
	s.closeLogs()
	s.closeTraces()
	if s.metrics != nil {
		if err := s.metrics.close(); err != nil {
			s.log.Error("close the metric store", "error", err)
		}
	}
	if s.engine != nil {
		s.engine.Close()
	}
}

// lastTraces is how long the end of the server waits for the collector of traces.
const lastTraces = 2 * time.Second

func (s *installation) closeTracer() {
	ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
	defer cancel()
	if err := s.tracer.Close(ctx); err != nil {
		s.log.Warn("the last traces are lost", "error", err)
	}
}

func stopPrivatePostgres(ctx context.Context, state stateFolder) (bool, error) {
	stopped, err := embeddedpg.Stop(ctx, state.path("postgres"))
	if err != nil {
		return stopped, fmt.Errorf("stop the private Postgres: %w", err)
	}
	return stopped, nil
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/fairlead/fairlead/observability/otlp"
	"github.com/fairlead/fairlead/observability/traces"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/httpapi"
)

// openTraces opens the store of spans in the state folder.
func (s *installation) openTraces() error {
	var err error
	s.traces, err = traces.Open(traces.Options{Dir: s.config.state.path("traces"), Log: s.log})
	return err
}

// otlpHandler takes what OpenTelemetry's exporters send. Who may send, and whose it is, is decided by the plane.
func (s *installation) otlpHandler() http.Handler {
	senders := httpapi.NewSenders(s.plane)
	return senders.Handler(otlp.NewReceiver(otlp.Options{
		Sender:   func(r *http.Request) (otlp.Sender, error) { return senders.Sender(r) },
		Redactor: s.redactor, Spans: s.traces, Log: s.log,
	}))
}

// traceStatus says how many spans are kept, and how many went before their time.
func (s *installation) traceStatus(context.Context) (string, error) {
	stats := s.traces.Stats()
	text := fmt.Sprintf("%d spans of %d traces", stats.Spans, stats.Traces)
	if stats.Evicted > 0 {
		text += fmt.Sprintf("; %d spans went early for want of room", stats.Evicted)
	}
	return text, nil
}

func (s *installation) closeTraces() {
	if s.traces == nil {
		return
	}
	if err := s.traces.Close(); err != nil {
		s.log.Error("close the store of traces", "error", err)
	}
}

// hostName is this machine's name, as a service map shows it.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}

// mapped lets an investigation ask who depends on whom.
type mapped struct{ plane *control.Plane }

// ServiceMap reads the map of an environment.
func (m mapped) ServiceMap(ctx context.Context, project, environment string, from, to time.Time) (platform.ServiceMap, error) {
	return m.plane.ServiceMap(ctx, platform.SystemActor("diagnosis"), platform.MapRequest{Project: project, Environment: environment, From: from, To: to})
}

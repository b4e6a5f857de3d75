package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/router/loadtest"
)

// load is the traffic of the shop's users: 220 requests a second, GET and POST, and open streams.
type load struct {
	running *loadtest.Load
}

const (
	loadRate    = 220
	loadStreams = 4
)

func (w *world) startLoad(ctx context.Context) error {
	host := platform.DefaultHost("shop", platform.ProductionName, serviceAPI, "localhost")
	running, err := loadtest.Start(ctx, loadtest.Plan{
		URL: "http://" + w.router, Host: host, Rate: loadRate, Duration: 10 * time.Minute,
		Mix: []loadtest.Request{
			{Method: http.MethodGet, Path: "/predict?text=hello", Weight: 2},
			{Method: http.MethodPost, Path: "/predict", BodyBytes: 200, Weight: 1},
		},
		Streams: loadStreams, StreamPath: "/stream?tokens=20",
	})
	if err != nil {
		return fmt.Errorf("start the load: %w", err)
	}
	w.serving = &load{running: running}
	return nil
}

// checkLoad asserts that the load that runs has seen no failed request so far.
func (w *world) checkLoad(when string) {
	s := w.serving.running.Snapshot()
	w.check("not one request failed "+when, s.Sent > 0 && s.Clean(), "%s", s.String())
}

// stopLoad ends the load and asserts once more, now over every request.
func (w *world) stopLoad(when string) {
	report := w.serving.stop()
	w.serving = nil
	w.check("not one request failed "+when, report.Sent > 0 && report.Clean(), "at %d a second: %s", loadRate, report.String())
}

func (l *load) stop() loadtest.Report { return l.running.Stop() }

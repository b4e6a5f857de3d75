package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/scrape"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// lister lists containers; runtime.Runtime has it.
type lister interface {
	List(ctx context.Context, match map[string]string) ([]runtime.Container, error)
}

// Scraper reads the metrics that instances expose themselves, where their spec says so: the container's label
// LabelMetrics. Each instance is read at its own pace; one that hangs holds up no other.
type Scraper struct {
	Engine  lister
	Metrics appender
	// Match chooses the containers; LabelManaged is always added.
	Match map[string]string
	Log   *slog.Logger

	RescanEvery time.Duration // default 10 s
	Limits      scrape.Limits // default scrape.DefaultLimits

	client  *http.Client
	targets map[string]*scrapeTarget // by engine id
}

// Limits of one look at an instance.
const (
	scrapeLimit = 10 * time.Second // or the interval, where it is shorter
	scrapeBytes = 8 << 20          // of a page, once unpacked
)

// Run lists instances and reads them until ctx ends, then returns nil. It is called once.
func (s *Scraper) Run(ctx context.Context) error {
	if s.RescanEvery == 0 {
		s.RescanEvery = 10 * time.Second
	}
	if s.Limits == (scrape.Limits{}) {
		s.Limits = scrape.DefaultLimits
	}
	// No proxy, no redirect: what is asked is the instance, on the network of its environment, and nobody else.
	s.client = &http.Client{
		Transport:     &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: scrapeLimit},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.targets = map[string]*scrapeTarget{}
	ticker := time.NewTicker(s.RescanEvery)
	defer ticker.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		s.rescan(ctx, &running)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// rescan starts reading instances that are new and stops reading those that are gone.
func (s *Scraper) rescan(ctx context.Context, running *sync.WaitGroup) {
	match := map[string]string{runtime.LabelManaged: "true", runtime.LabelRole: runtime.RoleInstance}
	maps.Copy(match, s.Match)
	containers, err := s.Engine.List(ctx, match)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.DebugContext(ctx, "instances with metrics cannot be listed", "error", err)
		}
		return // what is read is read on
	}
	present := map[string]bool{}
	for _, c := range containers {
		target, ok := targetOf(c)
		if !ok {
			continue
		}
		present[c.ID] = true
		if s.targets[c.ID] != nil {
			continue
		}
		own, stop := context.WithCancel(ctx)
		target.stop = stop
		s.targets[c.ID] = target
		running.Go(func() { s.keep(own, target) })
	}
	for id, target := range s.targets {
		if !present[id] {
			target.stop()
			delete(s.targets, id)
		}
	}
}

// scrapeTarget is one instance that exposes metrics.
type scrapeTarget struct {
	url    string
	every  time.Duration
	labels map[string]string
	stop   context.CancelFunc

	memory scrape.Memory
	cut    int
	failed bool
}

// targetOf says where a running container exposes metrics; false when it does not.
func targetOf(c runtime.Container) (*scrapeTarget, bool) {
	var spec platform.MetricsSpec
	if !c.Running || json.Unmarshal([]byte(c.Labels[runtime.LabelMetrics]), &spec) != nil || spec.Every <= 0 {
		return nil, false
	}
	address := c.Address
	if spec.Port != 0 {
		address = net.JoinHostPort(c.IP, strconv.Itoa(spec.Port))
	}
	labels := labelsOf(c.Labels[runtime.LabelProject], c.Labels[runtime.LabelEnvironment], c.Labels[runtime.LabelService], 0)
	labels["release"], labels["instance"] = c.Labels[runtime.LabelReleaseNo], c.Labels[runtime.LabelInstance]
	return &scrapeTarget{url: "http://" + address + spec.Path, every: spec.Every.D(), labels: labels}, true
}

// keep reads one instance until ctx ends; then its series end too.
func (s *Scraper) keep(ctx context.Context, t *scrapeTarget) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		s.look(ctx, t)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	s.append(context.WithoutCancel(ctx), t.memory.Next(nil, time.Now()))
}

// look reads one instance once and stores what it said, or that it did not answer.
func (s *Scraper) look(ctx context.Context, t *scrapeTarget) {
	began := time.Now()
	page, err := s.fetch(ctx, t, began)
	if ctx.Err() != nil {
		return // the instance is on its way out, or the server is
	}
	up := 1.0
	if err != nil {
		up = 0
	}
	if (err != nil) != t.failed {
		t.failed = err != nil
		s.Log.InfoContext(ctx, "an instance's own metrics", "instance", t.labels["instance"], "readable", !t.failed, "error", err)
	}
	t.cut += page.Cut
	samples := page.Samples
	for name, value := range map[string]float64{
		observability.MetricScrapeUp: up, observability.MetricScrapeSeconds: time.Since(began).Seconds(),
		observability.MetricScrapeSamples: float64(len(page.Samples)), observability.MetricScrapeCut: float64(t.cut),
	} {
		samples = append(samples, observability.Sample{Name: name, Labels: t.labels, At: began, Value: value})
	}
	s.append(ctx, append(samples, t.memory.Next(samples, began)...))
}

func (s *Scraper) append(ctx context.Context, samples []observability.Sample) {
	if len(samples) == 0 {
		return
	}
	if err := s.Metrics.Append(ctx, samples); err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "an instance's own metrics cannot be stored", "error", err)
	}
}

// accepted are the formats that can be read, the better one first.
const accepted = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

func (s *Scraper) fetch(ctx context.Context, t *scrapeTarget, now time.Time) (scrape.Page, error) {
	limit := min(scrapeLimit, t.every)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return scrape.Page{}, fmt.Errorf("ask for metrics: %w", err)
	}
	request.Header.Set("Accept", accepted)
	request.Header.Set("User-Agent", "fairlead")
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(limit.Seconds(), 'g', -1, 64))
	response, err := s.client.Do(request)
	if err != nil {
		return scrape.Page{}, fmt.Errorf("ask for metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return scrape.Page{}, fmt.Errorf("ask for metrics: the instance answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, scrapeBytes+1))
	if err != nil {
		return scrape.Page{}, fmt.Errorf("read metrics: %w", err)
	}
	if len(body) > scrapeBytes {
		return scrape.Page{}, fmt.Errorf("read metrics: the page is larger than %d MiB", scrapeBytes>>20)
	}
	return scrape.Parse(body, response.Header.Get("Content-Type"), t.labels, now, s.Limits)
}

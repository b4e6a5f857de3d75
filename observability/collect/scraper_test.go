package collect_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/observability/scrape"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// listing is an engine that lists what a test puts there.
type listing struct {
	mu         sync.Mutex // guards the field below
	containers []runtime.Container
}

func (l *listing) List(context.Context, map[string]string) ([]runtime.Container, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]runtime.Container(nil), l.containers...), nil
}

func (l *listing) set(containers ...runtime.Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.containers = containers
}

func exposing(address string, spec platform.MetricsSpec) runtime.Container {
	raw, _ := json.Marshal(spec)
	return runtime.Container{ID: address, Running: true, Address: strings.TrimPrefix(address, "http://"), Labels: map[string]string{
		runtime.LabelProject: "shop", runtime.LabelEnvironment: "production", runtime.LabelService: "api", runtime.LabelReleaseNo: "3",
		runtime.LabelInstance: "ins_1", runtime.LabelMetrics: string(raw),
	}}
}

// scraping runs a scraper over containers and returns the newest values by name, and what ends it.
func scraping(t *testing.T, engine *listing, limits scrape.Limits) (value func(name string) (float64, bool), stop func()) {
	t.Helper()
	latest := exposition.NewLatest()
	s := &collect.Scraper{Engine: engine, Metrics: latest, Log: discard, RescanEvery: 10 * time.Millisecond, Limits: limits}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return func(name string) (float64, bool) {
		for _, sample := range latest.Current(observability.SampleFilter{Projects: []string{"shop"}, Applications: true}) {
			if sample.Name == name {
				require.Equal(t, "ins_1", sample.Labels["instance"])
				require.Equal(t, "3", sample.Labels["release"])
				return sample.Value, true
			}
		}
		return 0, false
	}, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 15*time.Second, 5*time.Millisecond, what)
}

func TestScraper_ReadsWhatTheInstanceExposesAndSeesItFail(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var asked atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Header.Clone())
		if broken.Load() {
			http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		fmt.Fprintf(packed, "# TYPE depth gauge\ndepth{instance=\"me\"} 7\n# EOF\n")
		_ = packed.Close()
	}))
	t.Cleanup(server.Close)
	engine := &listing{}
	engine.set(exposing(server.URL, platform.MetricsSpec{Path: "/m", Every: platform.Duration(20 * time.Millisecond)}))
	value, _ := scraping(t, engine, scrape.Limits{})
	is := func(name string, want float64) func() bool {
		return func() bool { got, there := value(name); return there && got == want }
	}
	eventually(t, "it is read", is("depth", 7))
	require.True(t, is(observability.MetricScrapeUp, 1)())
	header := asked.Load().(http.Header)
	require.True(t, strings.HasPrefix(header.Get("Accept"), "application/openmetrics-text;version=1.0.0,"))
	require.NotEmpty(t, header.Get("X-Prometheus-Scrape-Timeout-Seconds"))

	broken.Store(true)
	eventually(t, "up says that it fails; a redirect is not followed", is(observability.MetricScrapeUp, 0))
	_, there := value("depth")
	require.False(t, there, "its series ended")
	broken.Store(false)
	eventually(t, "it is read again", is("depth", 7))
	engine.set()
	eventually(t, "all ends with the instance", func() bool {
		_, there := value("depth")
		_, up := value(observability.MetricScrapeUp)
		return !there && !up
	})
}

func TestScraper_AFloodIsCutAndShownAndAHugePageIsRefused(t *testing.T) {
	t.Parallel()
	var huge atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if huge.Load() {
			chunk := []byte("# " + strings.Repeat("x", 1<<16) + "\n")
			for range 9 << 20 / len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
			return
		}
		for i := range 150 {
			fmt.Fprintf(w, "flood{id=\"%d\"} 1\n", i)
		}
	}))
	t.Cleanup(server.Close)
	engine := &listing{}
	engine.set(exposing(server.URL, platform.MetricsSpec{Path: "/", Every: platform.Duration(100 * time.Millisecond)}))
	value, _ := scraping(t, engine, scrape.Limits{Series: 100, Labels: 10, LabelBytes: 100})
	eventually(t, "what is cut is shown", func() bool { cut, _ := value(observability.MetricScrapeCut); return cut >= 50 })
	kept, _ := value(observability.MetricScrapeSamples)
	require.Equal(t, 100.0, kept)
	huge.Store(true)
	eventually(t, "a page over the limit is no page", func() bool { up, there := value(observability.MetricScrapeUp); return there && up == 0 })
}

func TestScraper_AnInstanceThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hanging.Close() })
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "m 1") }))
	t.Cleanup(well.Close)
	engine := &listing{}
	every := platform.Duration(50 * time.Millisecond)
	quiet := exposing("http://quiet", platform.MetricsSpec{})
	engine.set(exposing(hanging.URL, platform.MetricsSpec{Path: "/", Every: every}), exposing(well.URL, platform.MetricsSpec{Path: "/", Every: every}), quiet)
	value, stop := scraping(t, engine, scrape.Limits{})
	eventually(t, "the other is read", func() bool { _, there := value("m"); return there })
	stop()
}

func TestScraper_OfARealContainerUntilItIsGone(t *testing.T) {
	t.Parallel()
	spec, err := json.Marshal(platform.MetricsSpec{Path: "/metrics", Port: 9090, Every: platform.Duration(200 * time.Millisecond)})
	require.NoError(t, err)
	engine, installation, instance := writerWith(t, map[string]string{runtime.LabelMetrics: string(spec)}, "serve", ":9090")
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	s := &collect.Scraper{Engine: engine, Metrics: metrics, Log: discard, RescanEvery: 50 * time.Millisecond, Match: map[string]string{runtime.LabelInstallation: installation}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ask := func(expr string) []observability.Series {
		series, err := metrics.Query(t.Context(), observability.MetricQuery{Project: "shop", Expr: expr})
		require.NoError(t, err)
		return series
	}
	eventually(t, "its counter rises", func() bool { return len(ask("served_total > 2")) == 1 })
	require.Equal(t, instance, ask("served_total")[0].Labels["instance"])
	require.Equal(t, "bank", ask("served_total")[0].Labels["exported_project"], "it says that it is another's")
	list, err := engine.List(t.Context(), map[string]string{runtime.LabelInstance: instance})
	require.NoError(t, err)
	require.NoError(t, engine.Stop(t.Context(), list[0].ID, time.Second))
	eventually(t, "it has no value once it is gone", func() bool { return len(ask("served_total")) == 0 && len(ask("up")) == 0 })
	cancel()
	require.NoError(t, <-done)
}

func TestSampler_ASourceThatFailsOrHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	latest := exposition.NewLatest()
	hold := make(chan struct{})
	held := sync.OnceFunc(func() { close(hold) }) // a look that takes too long is given up, and begun anew
	s := &collect.Sampler{Metrics: latest, Log: discard, Sources: map[string]collect.Timed{
		"hangs": {Every: time.Millisecond, Take: func(ctx context.Context, _ time.Time) ([]observability.Sample, error) {
			<-ctx.Done()
			held()
			return nil, ctx.Err()
		}},
		"fails": {Every: time.Millisecond, Take: func(context.Context, time.Time) ([]observability.Sample, error) { return nil, errBroken }},
		"works": {Every: time.Millisecond, Take: func(_ context.Context, now time.Time) ([]observability.Sample, error) {
			return []observability.Sample{{Name: "m", At: now, Value: 1}}, nil
		}},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	eventually(t, "the one that works is stored", func() bool { return len(latest.Current(observability.SampleFilter{})) == 1 })
	cancel()
	<-hold
	require.NoError(t, <-done)
}

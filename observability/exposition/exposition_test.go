package exposition_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/observability/prometheus/prometheustest"
)

const openMetrics = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

// everything returns one series of every metric of the catalogue for each of two projects, histograms with buckets.
func everything() []observability.Sample {
	var out []observability.Sample
	now := time.Now()
	for _, d := range observability.Catalogue {
		for i, project := range []string{"shop", "other"} {
			add := func(name string, value float64, more ...string) {
				values := map[string]string{}
				for _, label := range d.Labels {
					values[label] = label
					if label == "project" {
						values[label] = project
					}
				}
				for j := 0; j < len(more); j += 2 {
					values[more[j]] = more[j+1]
				}
				out = append(out, observability.Sample{Name: name, Labels: values, At: now, Value: value})
			}
			if d.Kind != observability.Histogram {
				add(d.Name, float64(7*(i+1)))
				continue
			}
			add(d.Name+"_bucket", 3, "le", "+Inf")
			add(d.Name+"_bucket", 2, "le", "10")
			add(d.Name+"_bucket", 1, "le", "0.25")
			add(d.Name+"_sum", 12.5)
			add(d.Name+"_count", 3)
		}
	}
	return out
}

func latest(t *testing.T) *exposition.Latest {
	t.Helper()
	l := exposition.NewLatest()
	require.NoError(t, l.Append(t.Context(), everything()))
	process, err := exposition.NewProcess("v1").Sample(t.Context(), time.Now())
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), process))
	return l
}

// parse reads a page strictly: every line is known, every sample belongs to the metric named before it.
func parse(t *testing.T, contentType string, body []byte) map[string]float64 {
	t.Helper()
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	require.NoError(t, err)
	found := map[string]float64{}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if entry == textparse.EntrySeries {
			var series labels.Labels
			p.Labels(&series)
			_, at, value := p.Series()
			require.Nil(t, at, "times are the scraper's own")
			require.NotContains(t, found, series.String(), "a series is there once")
			found[series.String()] = value
		}
	}
}

func TestEncode_BothFormatsHoldEverySeriesOnce(t *testing.T) {
	t.Parallel()
	samples := latest(t).Current(observability.SampleFilter{})
	var counts []int
	for accept, want := range map[string]string{"": "text/plain; version=0.0.4", "text/html": "text/plain", openMetrics: "application/openmetrics-text; version=1.0.0"} {
		contentType, body, err := exposition.Encode(accept, samples)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(contentType, want), contentType)
		require.Equal(t, want == "application/openmetrics-text; version=1.0.0", bytes.HasSuffix(body, []byte("# EOF\n")))
		counts = append(counts, len(parse(t, contentType, body)))
	}
	require.Equal(t, []int{len(samples), len(samples), len(samples)}, counts)
}

func TestEncode_PrometheusOwnRulesFindNothingToMendInOurMetrics(t *testing.T) {
	t.Parallel()
	contentType, body, err := exposition.Encode("", latest(t).Current(observability.SampleFilter{Projects: []string{"shop"}}))
	require.NoError(t, err)
	require.Contains(t, contentType, "text/plain")
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	require.NoError(t, err)
	histogram := families["fairlead_request_seconds"].GetMetric()[0].GetHistogram()
	require.Equal(t, uint64(3), histogram.GetSampleCount())
	require.Len(t, histogram.GetBucket(), 3)
}

func TestCurrent_AProjectSeesItsOwnSeriesAndNothingOfTheHost(t *testing.T) {
	t.Parallel()
	l := latest(t)
	require.NoError(t, l.Append(t.Context(), []observability.Sample{
		{Name: "own_metric", Labels: map[string]string{"project": "shop", "instance": "ins_1", "environment": "staging"}, At: time.Now()},
	}))
	for _, s := range l.Current(observability.SampleFilter{Projects: []string{"shop"}, Applications: true}) {
		require.Equal(t, "shop", s.Labels["project"], s.Name)
	}
	require.Empty(t, l.Current(observability.SampleFilter{Projects: []string{}}))
	names := func(f observability.SampleFilter) (out []string) {
		for _, s := range l.Current(f) {
			out = append(out, s.Name)
		}
		return out
	}
	all := names(observability.SampleFilter{})
	require.Contains(t, all, "go_goroutines")
	require.Contains(t, all, observability.MetricHostLoad)
	require.NotContains(t, all, "own_metric")
	require.Equal(t, []string{"own_metric"}, names(observability.SampleFilter{Environment: "staging", Applications: true}))
}

func TestLatest_StaleSeriesGoAndOlderSamplesDoNotComeBack(t *testing.T) {
	t.Parallel()
	l, now := exposition.NewLatest(), time.Now()
	give := func(ago time.Duration, value float64) {
		require.NoError(t, l.Append(t.Context(), []observability.Sample{{Name: "m", At: now.Add(-ago), Value: value}}))
	}
	value := func() float64 {
		for _, s := range l.Current(observability.SampleFilter{}) {
			return s.Value
		}
		return math.NaN()
	}
	give(2*time.Second, 1)
	give(4*time.Second, 2)
	require.Equal(t, 1.0, value())
	give(time.Second, observability.StaleMarker)
	require.True(t, math.IsNaN(value()))
	give(time.Hour, 3)
	require.True(t, math.IsNaN(value()), "too old to be shown")
}

func TestEncode_ARealPrometheusScrapesIt(t *testing.T) {
	t.Parallel()
	l := latest(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contentType, body, err := exposition.Encode(r.Header.Get("Accept"), l.Current(observability.SampleFilter{}))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	url := prometheustest.Start(t, prometheustest.Server{Config: fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs: [{job_name: fairlead, honor_labels: true, static_configs: [{targets: [%q]}]}]
`, strings.TrimPrefix(server.URL, "http://"))})
	metrics, err := prometheus.New(prometheus.Options{QueryURL: url})
	require.NoError(t, err)
	ask := func(expr string) []observability.Series {
		series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: expr})
		require.NoError(t, err)
		return series
	}
	require.Eventually(t, func() bool { return len(ask(`fairlead_requests_total`)) == 2 }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, 1.0, ask(`up{job="fairlead",service=""}`)[0].Points[0].Value)
	require.Equal(t, 14.0, ask(`fairlead_instance_memory_bytes{project="other"}`)[0].Points[0].Value)
	require.Equal(t, 3.0, ask(`fairlead_request_seconds_bucket{project="shop",le="+Inf"}`)[0].Points[0].Value)
	require.NotEmpty(t, ask(`process_resident_memory_bytes`))
}

package scrape_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/observability/scrape"
)

var (
	own = map[string]string{"project": "shop", "environment": "production", "service": "api", "release": "3", "instance": "ins_1"}
	at  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

const text = "text/plain; version=0.0.4"

func parse(t *testing.T, body, contentType string) (map[string]float64, int) {
	t.Helper()
	page, err := scrape.Parse([]byte(body), contentType, own, at, scrape.DefaultLimits)
	require.NoError(t, err)
	require.NoError(t, promql.CheckSamples(page.Samples))
	out := map[string]float64{}
	for _, s := range page.Samples {
		require.Equal(t, at, s.At)
		var extra []string
		for name, value := range s.Labels {
			if own[name] != value {
				extra = append(extra, name+"="+value)
			}
		}
		require.Len(t, s.Labels, len(own)+len(extra), "every label that says whose it is is there")
		out[s.Name+"{"+strings.Join(extra, ",")+"}"] = s.Value
	}
	return out, page.Cut
}

func TestParse_BothFormats(t *testing.T) {
	t.Parallel()
	want := map[string]float64{"queue_depth{}": 7, "jobs_total{kind=mail}": 12}
	for contentType, body := range map[string]string{
		text: "# HELP queue_depth how many\n# TYPE queue_depth gauge\nqueue_depth 7\njobs_total{kind=\"mail\"} 12 1700000000000\n",
		"":   "queue_depth 7\njobs_total{kind=\"mail\"} 12\n",
		"application/openmetrics-text; version=1.0.0": "# TYPE queue_depth gauge\nqueue_depth 7\n# TYPE jobs counter\njobs_total{kind=\"mail\"} 12 # {trace_id=\"x\"} 1\n# EOF\n",
	} {
		got, cut := parse(t, body, contentType)
		require.Empty(t, cmp.Diff(want, got), contentType)
		require.Zero(t, cut)
	}
}

func TestParse_AnApplicationCannotPassForAnother(t *testing.T) {
	t.Parallel()
	got, cut := parse(t, "m{project=\"bank\",instance=\"x\"} 1\nfairlead_requests_total{project=\"bank\"} 1\nup 1\n", text)
	require.Equal(t, 2, cut)
	require.Len(t, got, 1)
	for series := range got {
		require.Contains(t, series, "exported_project=bank")
		require.Contains(t, series, "exported_instance=x")
	}
}

func TestParse_AFloodIsCutAndCounted(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	for i := range scrape.DefaultLimits.Series + 300 {
		fmt.Fprintf(&page, "m{id=\"%d\"} 1\n", i)
	}
	got, cut := parse(t, page.String(), text)
	require.Len(t, got, scrape.DefaultLimits.Series)
	require.Equal(t, 300, cut)

	many := make([]string, scrape.DefaultLimits.Labels+1)
	for i := range many {
		many[i] = fmt.Sprintf("l%d=\"v\"", i)
	}
	got, cut = parse(t, "a{"+strings.Join(many, ",")+"} 1\nb{l=\""+strings.Repeat("x", 2000)+"\"} 1\nok 1\nok 2\n", text)
	require.Equal(t, map[string]float64{"ok{}": 1}, got, "of a series that is there twice the first counts")
	require.Equal(t, 3, cut)
}

func TestParse_WhatIsNoPageIsAnErrorAndGivesNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"good 1\n<html>", "m{", "m one\n"} {
		page, err := scrape.Parse([]byte(body), text, own, at, scrape.DefaultLimits)
		require.Error(t, err, body)
		require.Empty(t, page.Samples)
	}
	_, err := scrape.Parse([]byte("m 1\n"), "application/openmetrics-text; version=1.0.0", own, at, scrape.DefaultLimits)
	require.Error(t, err, "OpenMetrics says where it ends; a page that was cut off on its way does not")
}

func TestMemory_SeriesThatAreGoneEndOnce(t *testing.T) {
	t.Parallel()
	var m scrape.Memory
	sample := func(name string) observability.Sample { return observability.Sample{Name: name, At: at, Value: 1} }
	require.Empty(t, m.Next([]observability.Sample{sample("a"), sample("b")}, at))
	ended := m.Next([]observability.Sample{sample("b")}, at.Add(time.Second))
	require.Len(t, ended, 1)
	require.Equal(t, "a", ended[0].Name)
	require.True(t, observability.IsStale(ended[0].Value))
	require.Equal(t, at.Add(time.Second), ended[0].At)
	require.Len(t, m.Next(nil, at), 1, "a look that failed ends all")
	require.Empty(t, m.Next(nil, at))
}

func FuzzParse(f *testing.F) {
	f.Add("m{a=\"b\"} 1\n", text)
	f.Add("# TYPE m counter\nm_total 1\n# EOF\n", "application/openmetrics-text; version=1.0.0")
	f.Add("\xff 1", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		page, err := scrape.Parse([]byte(body), contentType, own, at, scrape.DefaultLimits)
		if err != nil {
			return
		}
		require.NoError(t, promql.CheckSamples(page.Samples))
		for _, s := range page.Samples {
			for name, value := range own {
				require.Equal(t, value, s.Labels[name])
			}
		}
	})
}

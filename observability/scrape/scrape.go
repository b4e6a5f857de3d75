// Package scrape reads what an application exposes about itself: Prometheus text or OpenMetrics.
//
// It owns the limits that keep an application from flooding the store, the labels that it cannot choose for itself, and
// which series ended. It is pure: bytes and times in, samples out. It must not know how a page is fetched or stored.
package scrape

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
)

// Limits are how much of one page is kept.
type Limits struct {
	Series     int // further ones are cut
	Labels     int // of one series; one with more is cut
	LabelBytes int // of a label's name or value; a series with a longer one is cut
}

// DefaultLimits are what Fairlead keeps of each instance.
var DefaultLimits = Limits{Series: 5000, Labels: 40, LabelBytes: 1024}

// Page is what one look at an application found.
type Page struct {
	Samples []observability.Sample
	// Cut counts the samples left out: over a limit, of a kind or name that is not kept.
	Cut int
}

// Parse reads a page. own are the labels that say whose it is: an application's label of such a name is kept as
// exported_name, so that no application can pass for another. Times on the page are not taken over, and neither are
// metrics that begin with fairlead_ or are called up. A page that does not parse is an error and gives nothing.
func Parse(body []byte, contentType string, own map[string]string, at time.Time, limits Limits) (Page, error) {
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if parser == nil {
		return Page{}, fmt.Errorf("read the content type: %w", err)
	}
	var (
		page   Page
		series labels.Labels
		seen   = map[string]bool{}
		key    []byte
	)
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return page, nil
		case err != nil:
			return Page{}, fmt.Errorf("read the page: %w", err)
		case entry == textparse.EntryHistogram:
			page.Cut++ // a native one, which the text formats do not have
			continue
		case entry != textparse.EntrySeries:
			continue
		}
		_, _, value := parser.Series()
		parser.Labels(&series)
		key = series.Bytes(key[:0])
		if len(page.Samples) >= limits.Series || seen[string(key)] || !fits(series, limits) {
			page.Cut++
			continue
		}
		seen[string(key)] = true
		page.Samples = append(page.Samples, observability.Sample{Name: series.Get(promql.NameLabel), Labels: labelled(series, own), At: at, Value: value})
	}
}

// fits reports whether a series may be kept.
func fits(series labels.Labels, limits Limits) bool {
	name := series.Get(promql.NameLabel)
	if !promql.ValidName(name) || strings.HasPrefix(name, "fairlead_") || name == observability.MetricScrapeUp || series.Len()-1 > limits.Labels {
		return false
	}
	good := true
	series.Range(func(l labels.Label) {
		good = good && promql.ValidName(l.Name) && len(l.Name) <= limits.LabelBytes && len(l.Value) <= limits.LabelBytes
	})
	return good
}

func labelled(series labels.Labels, own map[string]string) map[string]string {
	out := make(map[string]string, series.Len()+len(own))
	series.Range(func(l labels.Label) {
		switch _, taken := own[l.Name]; {
		case l.Name == promql.NameLabel:
		case taken:
			out["exported_"+l.Name] = l.Value
		default:
			out[l.Name] = l.Value
		}
	})
	maps.Copy(out, own)
	return out
}

// Memory is what the look before found, to tell which series ended.
type Memory struct {
	last map[string]observability.Sample
}

// Next takes in what a look found, nothing where it failed, and returns a stale marker for each series that was there
// before and is not any more.
func (m *Memory) Next(samples []observability.Sample, at time.Time) []observability.Sample {
	now := make(map[string]observability.Sample, len(samples))
	for i := range samples {
		now[string(promql.SeriesOf(&samples[i]).Bytes(nil))] = samples[i]
	}
	var ended []observability.Sample
	for key, s := range m.last {
		if _, there := now[key]; !there {
			s.At, s.Value = at, observability.StaleMarker
			ended = append(ended, s)
		}
	}
	m.last = now
	return ended
}

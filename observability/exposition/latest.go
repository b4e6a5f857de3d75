// Package exposition shows what Fairlead measures to an outside scraper: the newest value of every series, as Prometheus
// text or OpenMetrics.
//
// It owns the newest values, the two formats and the measures of Fairlead's own process. It must not know who may see
// what: whoever asks gives the filter.
package exposition

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
)

// keepFor is how long a series that got no new sample is still shown: longer than the slowest of our samplers waits.
const keepFor = 10 * time.Minute

// maxSeries bounds the series kept; further new ones are not shown.
const maxSeries = 500_000

// Latest keeps the newest sample of every series. It takes samples as a store does, beside the stores.
type Latest struct {
	mu     sync.RWMutex // guards the fields below
	series map[string]observability.Sample
	swept  time.Time
	now    func() time.Time
}

// NewLatest returns a Latest that holds nothing.
func NewLatest() *Latest {
	return &Latest{series: make(map[string]observability.Sample), now: time.Now}
}

// Append takes samples. A stale marker ends its series; of two samples the newer one stays.
func (l *Latest) Append(_ context.Context, samples []observability.Sample) error {
	if err := promql.CheckSamples(samples); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked()
	var key []byte
	for _, s := range samples {
		key = promql.SeriesOf(&s).Bytes(key[:0])
		last, known := l.series[string(key)]
		switch {
		case known && s.At.Before(last.At):
		case observability.IsStale(s.Value):
			delete(l.series, string(key))
		case known || len(l.series) < maxSeries:
			l.series[string(key)] = s
		}
	}
	return nil
}

// sweepLocked forgets series that got nothing new for long, at most once a minute.
func (l *Latest) sweepLocked() {
	now := l.now()
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for key, s := range l.series {
		if now.Sub(s.At) > keepFor {
			delete(l.series, key)
		}
	}
}

// Current returns the newest samples that pass the filter, sorted by name and labels.
func (l *Latest) Current(filter observability.SampleFilter) []observability.Sample {
	type keyed struct {
		key    string
		sample observability.Sample
	}
	l.mu.RLock()
	oldest := l.now().Add(-keepFor)
	var found []keyed
	for key, s := range l.series {
		if s.At.After(oldest) && filter.Match(&s) {
			found = append(found, keyed{key, s})
		}
	}
	l.mu.RUnlock()
	slices.SortFunc(found, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.sample.Name, b.sample.Name), cmp.Compare(a.key, b.key))
	})
	out := make([]observability.Sample, len(found))
	for i, f := range found {
		out[i] = f.sample
	}
	return out
}

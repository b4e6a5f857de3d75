// Package meter counts what Fairlead itself does: requests answered, jobs worked, tools called.
//
// It owns the counts of one process and how they become samples. It must not know what the names mean: the catalogue does,
// and a test holds the two against each other.
package meter

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// Bounds are the upper bounds of the buckets of every histogram of durations; one more has none.
var Bounds = []time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
}

// maxSeries bounds what is kept, should a label turn out to have no end of values.
const maxSeries = 20_000

// Meter keeps counts since the process began. A nil Meter counts nothing. It is safe for use by several goroutines.
type Meter struct {
	mu      sync.Mutex // guards the fields below
	series  map[string]*series
	scratch []byte
}

// series is one count, gauge or histogram.
type series struct {
	name    string
	labels  map[string]string
	value   float64
	buckets []uint64 // of a histogram, the last without a bound; nil for the others
	sum     time.Duration
}

// New returns a Meter that has counted nothing.
func New() *Meter { return &Meter{series: map[string]*series{}} }

// Add adds to a counter, or to a gauge, which may fall too. labels are names and values in turn, always in the same order.
func (m *Meter) Add(name string, n float64, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.findLocked(name, labels); s != nil {
		s.value += n
	}
}

// Observe adds a duration to a histogram.
func (m *Meter) Observe(name string, took time.Duration, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.findLocked(name, labels)
	if s == nil {
		return
	}
	if s.buckets == nil {
		s.buckets = make([]uint64, len(Bounds)+1)
	}
	i := 0
	for i < len(Bounds) && took > Bounds[i] {
		i++
	}
	s.buckets[i]++
	s.sum += took
}

func (m *Meter) findLocked(name string, labels []string) *series {
	key := append(m.scratch[:0], name...)
	for _, l := range labels {
		key = append(append(key, 0), l...)
	}
	m.scratch = key
	if s := m.series[string(key)]; s != nil {
		return s
	}
	if len(m.series) >= maxSeries {
		return nil
	}
	s := &series{name: name, labels: make(map[string]string, len(labels)/2)}
	for i := 0; i+1 < len(labels); i += 2 {
		s.labels[labels[i]] = labels[i+1]
	}
	m.series[string(key)] = s
	return s
}

// Sample takes one sample of everything that was counted.
func (m *Meter) Sample(_ context.Context, now time.Time) ([]observability.Sample, error) {
	if m == nil {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]observability.Sample, 0, len(m.series))
	for _, s := range m.series {
		if s.buckets == nil {
			out = append(out, observability.Sample{Name: s.name, Labels: s.labels, At: now, Value: s.value})
			continue
		}
		out = append(out, s.histogram(now)...)
	}
	return out, nil
}

func (s *series) histogram(now time.Time) []observability.Sample {
	out := make([]observability.Sample, 0, len(s.buckets)+2)
	total := uint64(0)
	for i, n := range s.buckets {
		total += n
		labels := maps.Clone(s.labels)
		if labels["le"] = "+Inf"; i < len(Bounds) {
			labels["le"] = strconv.FormatFloat(Bounds[i].Seconds(), 'g', -1, 64)
		}
		out = append(out, observability.Sample{Name: s.name + "_bucket", Labels: labels, At: now, Value: float64(total)})
	}
	return append(out,
		observability.Sample{Name: s.name + "_sum", Labels: s.labels, At: now, Value: s.sum.Seconds()},
		observability.Sample{Name: s.name + "_count", Labels: s.labels, At: now, Value: float64(total)})
}

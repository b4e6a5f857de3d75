package prometheus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
)

// Forwarder writes samples behind the back of whoever takes them: Append never waits for the server. While the server is
// away they wait in memory, and when that is full the oldest go first, counted.
type Forwarder struct {
	metrics *Metrics
	wake    chan struct{} // holds one signal that a batch is full

	mu      sync.Mutex // guards the field below
	waiting []observability.Sample

	written, refused, dropped atomic.Int64
}

// NewForwarder returns a forwarder to the store's WriteURL. Run must be running for anything to be written.
func NewForwarder(m *Metrics) *Forwarder { return &Forwarder{metrics: m, wake: make(chan struct{}, 1)} }

// Append takes samples and returns at once. Samples that no store would take are refused with the same invalid error.
func (f *Forwarder) Append(_ context.Context, samples []observability.Sample) error {
	if err := promql.CheckSamples(samples); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, samples...)
	if over := len(f.waiting) - f.metrics.options.QueueSize; over > 0 {
		f.waiting = append([]observability.Sample(nil), f.waiting[over:]...)
		f.dropped.Add(int64(over))
	}
	if len(f.waiting) >= f.metrics.options.BatchSize {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Run writes until ctx ends, then once more what waits (for at most 5 s) and returns nil. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.metrics.options.QueueDelay)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-f.wake:
		}
		f.flush(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	f.flush(last)
	return nil
}

// flush writes everything that waits. A batch that cannot be written yet goes back to the front.
func (f *Forwarder) flush(ctx context.Context) {
	for ctx.Err() == nil {
		batch := f.take()
		if len(batch) == 0 {
			return
		}
		refused, err := f.metrics.push(ctx, batch)
		switch {
		case err != nil && ctx.Err() != nil:
			f.putBack(batch)
			return
		case err != nil: // refused for good, whatever is sent: the next batch shows whether it still is
			f.refused.Add(int64(len(batch)))
			f.metrics.options.Log.WarnContext(ctx, "samples were refused", "samples", len(batch), "error", err)
		default:
			f.refused.Add(int64(refused))
			f.written.Add(int64(len(batch) - refused))
		}
	}
}

func (f *Forwarder) take() []observability.Sample {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.waiting), f.metrics.options.BatchSize)
	batch := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	return batch
}

func (f *Forwarder) putBack(batch []observability.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(append([]observability.Sample(nil), batch...), f.waiting...)
}

// Count is what a forwarder did since it was made.
type Count struct {
	Waiting int
	Written int64
	Refused int64 // by the server, for their age or for good
	Dropped int64 // for want of room while the server was away
}

// Count returns what was done so far.
func (f *Forwarder) Count() Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Count{Waiting: len(f.waiting), Written: f.written.Load(), Refused: f.refused.Load(), Dropped: f.dropped.Load()}
}

// Sample returns the count as samples of Fairlead itself.
func (f *Forwarder) Sample(_ context.Context, now time.Time) ([]observability.Sample, error) {
	count := f.Count()
	of := func(result string, n int64) observability.Sample {
		return observability.Sample{Name: observability.MetricForwarded, Labels: map[string]string{"result": result}, At: now, Value: float64(n)}
	}
	return []observability.Sample{
		of("written", count.Written), of("refused", count.Refused), of("dropped", count.Dropped),
		{Name: observability.MetricForwardWaiting, At: now, Value: float64(count.Waiting)},
	}, nil
}

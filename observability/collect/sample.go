package collect

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/runtime"
)

// samplers is how many containers are sampled at the same time.
const samplers = 8

// sample takes one sample of every running container.
func (c *Collector) sample(ctx context.Context) {
	var (
		mu      sync.Mutex // guards samples
		samples []observability.Sample
		wg      sync.WaitGroup
		slots   = make(chan struct{}, samplers)
	)
	live := map[string]bool{}
	for _, f := range c.all() {
		if f.isDrained() {
			continue
		}
		live[f.id] = true
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			stats, err := c.options.Engine.Stats(ctx, f.id)
			if err != nil {
				if ctx.Err() == nil && !errors.Is(err, runtime.ErrNotFound) {
					c.options.Log.DebugContext(ctx, "a container cannot be sampled", "instance", f.base.Instance, "error", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken := samplesOf(&f.base, stats)
			c.sampled[f.id] = taken
			samples = append(samples, taken...)
		})
	}
	wg.Wait()
	for id, last := range c.sampled {
		if !live[id] {
			samples = append(samples, stale(last, time.Now())...)
			delete(c.sampled, id)
		}
	}
	if err := c.options.Metrics.Append(ctx, samples); err != nil && ctx.Err() == nil {
		c.options.Log.WarnContext(ctx, "samples cannot be stored", "error", err)
	}
}

// stale ends the series of the samples: an instance that is gone uses nothing any more.
func stale(last []observability.Sample, now time.Time) []observability.Sample {
	out := make([]observability.Sample, len(last))
	for i, s := range last {
		if !now.After(s.At) { // the engine's clock is ahead of ours
			now = s.At.Add(time.Millisecond)
		}
		s.At, s.Value = now, observability.StaleMarker
		out[i] = s
	}
	return out
}

func samplesOf(base *observability.Line, s runtime.Stats) []observability.Sample {
	labels := labelsOf(base.Project, base.Environment, base.Service, base.Release)
	labels["instance"] = base.Instance
	values := []struct {
		name  string
		value float64
	}{
		{observability.MetricCPU, s.CPUSeconds},
		{observability.MetricMemory, float64(s.MemoryBytes)},
		{observability.MetricMemoryUsage, float64(s.MemoryUsage)},
		{observability.MetricMemoryLimit, float64(s.MemoryLimit)},
		{observability.MetricNetRx, float64(s.NetRxBytes)},
		{observability.MetricNetTx, float64(s.NetTxBytes)},
		{observability.MetricReadBytes, float64(s.ReadBytes)},
		{observability.MetricWriteBytes, float64(s.WriteBytes)},
		{observability.MetricThrottled, s.Throttled},
		{observability.MetricPIDs, float64(s.PIDs)},
	}
	out := make([]observability.Sample, 0, len(values))
	if s.At.IsZero() {
		return out // the container ended while it was asked
	}
	for _, v := range values {
		out = append(out, observability.Sample{Name: v.name, Labels: labels, At: s.At, Value: v.value})
	}
	if s.OOMKills != nil {
		out = append(out, observability.Sample{Name: observability.MetricOOMKills, Labels: labels, At: s.At, Value: float64(*s.OOMKills)})
	}
	for _, p := range s.Pressure {
		for kind, waited := range map[string]time.Duration{"some": p.Some, "full": p.Full} {
			own := maps.Clone(labels)
			own["resource"], own["kind"] = p.Resource, kind
			out = append(out, observability.Sample{Name: observability.MetricPressure, Labels: own, At: s.At, Value: waited.Seconds()})
		}
	}
	return out
}

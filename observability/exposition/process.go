package exposition

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/fairlead/fairlead/observability"
)

// Process measures Fairlead's own process by the names that every Prometheus client gives: process_cpu_seconds_total,
// process_resident_memory_bytes, process_open_fds, go_goroutines, go_memstats_heap_inuse_bytes and so on.
type Process struct {
	registry *prometheus.Registry
	version  string
}

// NewProcess returns the measures of this process; version is told as fairlead_info.
func NewProcess(version string) *Process {
	return &Process{registry: newProcessRegistry(), version: version}
}

func newProcessRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Sample takes one sample of every measure.
func (p *Process) Sample(_ context.Context, now time.Time) ([]observability.Sample, error) {
	found, err := p.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("measure the process: %w", err)
	}
	out := []observability.Sample{{Name: observability.MetricInfo, Labels: map[string]string{"version": p.version}, At: now, Value: 1}}
	for _, family := range found {
		for _, m := range family.GetMetric() {
			var value float64
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				value = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				value = m.GetGauge().GetValue()
			default: // the one summary, of garbage collections, has no use beyond its counters
				continue
			}
			labels := map[string]string{}
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			out = append(out, observability.Sample{Name: family.GetName(), Labels: labels, At: now, Value: value})
		}
	}
	return out, nil
}

// processDescription says what a measure of the process is.
func processDescription(name string) (observability.Description, bool) {
	d, ok := processDescriptions()[name]
	return d, ok
}

var processDescriptions = sync.OnceValue(func() map[string]observability.Description {
	out := map[string]observability.Description{}
	found, err := newProcessRegistry().Gather()
	if err != nil {
		return out
	}
	for _, family := range found {
		d := observability.Description{Name: family.GetName(), Kind: observability.Gauge, Help: family.GetHelp()}
		if family.GetType() == dto.MetricType_COUNTER {
			d.Kind = observability.Counter
		}
		out[d.Name] = d
	}
	return out
})

// Descriptions returns what the process measures of itself, by name.
func Descriptions() map[string]observability.Description { return processDescriptions() }

package control

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// meter sums what was used in a window, by service and environment. Amounts are kept as fractions until the end, so that
// each is rounded once.
type meter struct {
	window usage.Window
	now    time.Time
	used   map[place]*amounts
}

// amounts are seconds, bytes and counts.
type amounts struct {
	cpu, memory, gpu, egress, build, disk, requests, measured, unmeasured float64
}

func (m *meter) of(at place) *amounts {
	if m.used[at] == nil {
		m.used[at] = &amounts{}
	}
	return m.used[at]
}

// cells returns what was summed, as of a moment.
func (m *meter) cells(at time.Time) []store.UsageCell {
	const gigabyte = 1e9
	out := make([]store.UsageCell, 0, len(m.used))
	for where, a := range m.used {
		out = append(out, store.UsageCell{At: at, Project: where.project, Environment: where.environment, Service: where.service, Usage: platform.Usage{
			CPUSeconds: platform.MicroOf(a.cpu), MemoryGBHours: platform.MicroOf(a.memory / gigabyte / 3600), GPUHours: platform.MicroOf(a.gpu / 3600),
			EgressBytes: int64(a.egress + 0.5), BuildMinutes: platform.MicroOf(a.build / 60), DiskGBHours: platform.MicroOf(a.disk / 3600),
			Requests: int64(a.requests + 0.5), MeasuredSeconds: platform.MicroOf(a.measured), UnmeasuredSeconds: platform.MicroOf(a.unmeasured),
		}})
	}
	return out
}

// shortestPiece is the shortest window that is still cut when it holds too many samples.
const shortestPiece = 2 * time.Minute

// measure computes what was used in a window that lies within one hour. A window with more samples than one query may
// load is measured in halves: windows add up.
func (p *Plane) measure(ctx context.Context, w usage.Window) ([]store.UsageCell, error) {
	cells, err := p.measureWhole(ctx, w)
	if platform.CodeOf(err) != platform.CodeExhausted || w.To.Sub(w.From) < shortestPiece {
		return cells, err
	}
	middle := w.From.Add(w.To.Sub(w.From) / 2)
	first, err := p.measure(ctx, usage.Window{From: w.From, To: middle})
	if err != nil {
		return nil, err
	}
	second, err := p.measure(ctx, usage.Window{From: middle, To: w.To})
	for i := range second {
		second[i].At = w.From
	}
	return merged(append(first, second...)), err
}

func (p *Plane) measureWhole(ctx context.Context, w usage.Window) ([]store.UsageCell, error) {
	m := &meter{window: w, now: p.now(), used: map[place]*amounts{}}
	var instances, builds, disks []store.Span
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		if instances, err = tx.InstancesBetween(ctx, w.From, w.To); err != nil {
			return err
		}
		if builds, err = tx.BuildsBetween(ctx, w.From, w.To); err != nil {
			return err
		}
		disks, err = tx.Disks(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range builds {
		m.of(spot(s)).build += m.life(s).In(w).Seconds()
	}
	for _, s := range disks {
		m.of(spot(s)).disk += float64(s.SizeGB) * m.life(s).In(w).Seconds()
	}
	if err := p.measureInstances(ctx, m, instances); err != nil {
		return nil, err
	}
	requests, err := p.samples(ctx, observability.MetricRequests, w)
	for _, s := range requests {
		m.of(placed(s.Labels)).requests += usage.NewSeries(s.Points, usage.Life{}).Increase(w)
	}
	return m.cells(w.From), err
}

// measureInstances integrates the samples of each instance over its life. Samples of an instance that is not known any
// more, since its project was deleted, count by themselves.
func (p *Plane) measureInstances(ctx context.Context, m *meter, instances []store.Span) error {
	lives := make(map[string]usage.Life, len(instances))
	for _, s := range instances {
		lives[s.ID] = m.life(s)
		m.of(spot(s)).gpu += float64(s.GPUs) * lives[s.ID].In(m.window).Seconds()
	}
	for _, metric := range []string{observability.MetricMemory, observability.MetricCPU, observability.MetricNetTx} {
		found, err := p.samples(ctx, metric, m.window)
		if err != nil {
			return err
		}
		sampled := map[string]bool{}
		for _, s := range found {
			id := s.Labels["instance"]
			sampled[id] = true
			series, a := usage.NewSeries(s.Points, lives[id]), m.of(placed(s.Labels))
			switch metric {
			case observability.MetricCPU:
				a.cpu += series.Increase(m.window)
			case observability.MetricNetTx:
				a.egress += series.Increase(m.window)
			default:
				a.memory += series.Integral(m.window)
				measured, unmeasured := series.Covered(m.window)
				a.measured += measured.Seconds()
				a.unmeasured += unmeasured.Seconds()
			}
		}
		for _, s := range instances {
			if metric == observability.MetricMemory && !sampled[s.ID] {
				m.of(spot(s)).unmeasured += lives[s.ID].In(m.window).Seconds()
			}
		}
	}
	return nil
}

// life is when something lasted; what still does lasts until now.
func (m *meter) life(s store.Span) usage.Life {
	if s.To.IsZero() {
		s.To = m.now
	}
	return usage.Life{From: s.From, To: s.To}
}

func spot(s store.Span) place { return place{s.Project, s.Environment, s.Service} }

func placed(labels map[string]string) place {
	return place{labels["project"], labels["environment"], labels["service"]}
}

// samples reads the samples of a metric that have a say in w.
func (p *Plane) samples(ctx context.Context, metric string, w usage.Window) ([]observability.Series, error) {
	if p.o.Metrics == nil {
		return nil, nil
	}
	wide := w.Widened()
	found, err := p.o.Metrics.Query(ctx, observability.MetricQuery{
		Expr: fmt.Sprintf("%s[%ds]", metric, int(wide.To.Sub(wide.From)/time.Second)+1), From: wide.To, To: wide.To,
	})
	if err != nil {
		return nil, fmt.Errorf("read %s for the usage: %w", metric, err)
	}
	return found, nil
}

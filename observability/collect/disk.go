package collect

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform/runtime"
)

// volumes measures what is on volumes; docker.Runtime has it.
type volumes interface {
	Volumes(ctx context.Context) ([]runtime.Volume, error)
}

// Disks measures the disks of slots by the volumes that carry them.
func Disks(engine volumes) Source {
	return func(ctx context.Context, now time.Time) ([]observability.Sample, error) {
		found, err := engine.Volumes(ctx)
		if err != nil {
			return nil, fmt.Errorf("measure disks: %w", err)
		}
		var out []observability.Sample
		for _, v := range found {
			if v.Labels[runtime.LabelDisk] == "" {
				continue
			}
			out = append(out, observability.Sample{Name: observability.MetricDiskUsed, At: now, Value: float64(v.Bytes), Labels: map[string]string{
				"project": v.Labels[runtime.LabelProject], "environment": v.Labels[runtime.LabelEnvironment],
				"service": v.Labels[runtime.LabelService], "disk": v.Labels[runtime.LabelDisk],
			}})
		}
		return out, nil
	}
}

// querier evaluates PromQL; every store of metrics does.
type querier interface {
	Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error)
}

// Fill is over how long the growth of a disk is looked at, and how often a point of it is taken.
const (
	fillOver = 6 * time.Hour
	fillStep = 5 * time.Minute
)

// fills are the things that fill up: what is used, what it may hold, and the metric that tells when it is full.
var fills = []struct{ used, capacity, full string }{
	{latelyOf(observability.MetricDiskUsed), latelyOf(observability.MetricDiskCapacity), observability.MetricDiskFull},
	{latelyOf(observability.MetricFSSize) + " - " + latelyOf(observability.MetricFSFree), latelyOf(observability.MetricFSSize), observability.MetricFSFull},
}

// latelyOf is the newest value within one step: whatever store answers, and however far it looks back by itself.
func latelyOf(metric string) string { return "last_over_time(" + metric + "[6m])" }

// FillForecast says when disks and file systems are full, from what the store holds of the last hours. One that is not
// filling has no value; a value told before ends.
func FillForecast(metrics querier, rule detect.FillRule) Source {
	told := map[string]observability.Sample{}
	return func(ctx context.Context, now time.Time) ([]observability.Sample, error) {
		var out []observability.Sample
		for _, f := range fills {
			used, err := metrics.Query(ctx, observability.MetricQuery{Expr: f.used, From: now.Add(-fillOver), To: now, Step: fillStep})
			if err != nil {
				return nil, fmt.Errorf("read what disks held: %w", err)
			}
			capacity, err := metrics.Query(ctx, observability.MetricQuery{Expr: f.capacity, To: now})
			if err != nil {
				return nil, fmt.Errorf("read what disks may hold: %w", err)
			}
			room := map[string]float64{}
			for _, s := range capacity {
				if len(s.Points) > 0 {
					room[placeOf(s.Labels)] = s.Points[0].Value
				}
			}
			for _, s := range used {
				labels := maps.Clone(s.Labels)
				delete(labels, "__name__")
				key := f.full + placeOf(labels)
				left, ok := rule.Forecast(s.Points, room[placeOf(labels)])
				sample := observability.Sample{Name: f.full, Labels: labels, At: now, Value: left.Seconds()}
				if _, before := told[key]; !ok && before {
					delete(told, key)
					out = append(out, stale([]observability.Sample{sample}, now)...)
				}
				if ok {
					told[key] = sample
					out = append(out, sample)
				}
			}
		}
		return out, nil
	}
}

// placeOf identifies a disk or a file system by its labels.
func placeOf(labels map[string]string) string {
	return fmt.Sprintf("%q", []string{labels["project"], labels["environment"], labels["service"], labels["disk"], labels["folder"]})
}

package collect

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/spool"
)

// Spools measures what waits on disk for the log store and for each receiver, and what became of the rest. stats gives
// the figures by the receiver's name.
func Spools(stats func() map[string]spool.Stats) Source {
	return func(_ context.Context, now time.Time) ([]observability.Sample, error) {
		var out []observability.Sample
		for receiver, s := range stats() {
			add := func(name string, value float64, more ...string) {
				labels := map[string]string{"receiver": receiver}
				for i := 0; i+1 < len(more); i += 2 {
					labels[more[i]] = more[i+1]
				}
				out = append(out, observability.Sample{Name: name, Labels: labels, At: now, Value: value})
			}
			add(observability.MetricSpoolLines, float64(s.Lines))
			add(observability.MetricSpoolBytes, float64(s.Bytes))
			add(observability.MetricSpoolOldest, s.Oldest.Seconds())
			add(observability.MetricSpoolSent, float64(s.Sent))
			add(observability.MetricSpoolRefused, float64(s.Rejected))
			add(observability.MetricSpoolUnreadable, float64(s.Unreadable))
			for _, level := range observability.Levels { // told at zero too, so that the first drop is a rise
				add(observability.MetricSpoolDropped, float64(s.Dropped[level]), "level", string(level))
			}
			if n := s.Dropped[observability.LevelUnknown]; n > 0 {
				add(observability.MetricSpoolDropped, float64(n), "level", "unknown")
			}
		}
		return out, nil
	}
}

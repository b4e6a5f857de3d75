package collect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// Source takes one sample of everything that it measures. A source that has nothing to measure on this host returns
// nothing and no error.
type Source func(ctx context.Context, now time.Time) ([]observability.Sample, error)

// Sampler asks sources again and again and stores what they give. A source that fails or hangs holds up no other.
type Sampler struct {
	Metrics appender
	Sources map[string]Timed
	Log     *slog.Logger
}

// appender takes samples; every store of metrics does.
type appender interface {
	Append(ctx context.Context, samples []observability.Sample) error
}

// Timed is a source and how often it is asked.
type Timed struct {
	Every time.Duration
	Take  Source
}

// Held asks source only so often and says again what it gave in between, so that what is costly to measure has a value
// at every moment. Ends of series are said once.
func Held(source Source, every time.Duration) Source {
	var (
		last  []observability.Sample
		asked time.Time
	)
	return func(ctx context.Context, now time.Time) ([]observability.Sample, error) {
		if !asked.IsZero() && now.Sub(asked) < every {
			again := make([]observability.Sample, 0, len(last))
			for _, s := range last {
				if !observability.IsStale(s.Value) {
					s.At = now
					again = append(again, s)
				}
			}
			return again, nil
		}
		found, err := source(ctx, now)
		if err != nil {
			return nil, err
		}
		last, asked = found, now
		return found, nil
	}
}

// sourceLimit is the longest that one look at a source may take.
const sourceLimit = time.Minute

// Run asks every source at once and then at its interval, until ctx ends, and returns nil. It is called once.
func (s *Sampler) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for name, source := range s.Sources {
		wg.Go(func() { s.keep(ctx, name, source) })
	}
	wg.Wait()
	return nil
}

func (s *Sampler) keep(ctx context.Context, name string, source Timed) {
	ticker := time.NewTicker(source.Every)
	defer ticker.Stop()
	failed := false
	for {
		err := s.take(ctx, source.Take, time.Now())
		if err != nil && !failed && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "something cannot be measured", "source", name, "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Sampler) take(ctx context.Context, source Source, now time.Time) error {
	bounded, cancel := context.WithTimeout(ctx, sourceLimit)
	defer cancel()
	samples, err := source(bounded, now)
	if err != nil || len(samples) == 0 {
		return err
	}
	return s.Metrics.Append(ctx, samples)
}

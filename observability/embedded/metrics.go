package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	engine "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

// MetricOptions are the settings of the metric store. Zero values mean the defaults.
type MetricOptions struct {
	Retention  time.Duration // default 15 days
	MaxBytes   int64         // oldest blocks go when the store is larger; 0 for no limit
	MaxSamples int           // that one query may load; default 5 million
	Timeout    time.Duration // of one query; default 20 s
	Log        *slog.Logger  // of the TSDB's warnings; default none
}

// Metrics is a store of samples in a folder. One process has it open at a time. Samples outlive a kill of the process.
type Metrics struct {
	lock   *os.File
	db     *tsdb.DB
	engine *engine.Engine

	mu     sync.RWMutex // held for reading by every use of db, for writing by Close
	closed bool
}

var _ observability.Metrics = (*Metrics)(nil)

// OpenMetrics opens the store in dir, making it where it does not exist. The caller closes it.
func OpenMetrics(dir string, options MetricOptions) (*Metrics, error) {
	options = options.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the metric folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "fairlead.lock"))
	if err != nil {
		return nil, fmt.Errorf("open metrics in %s: %w", dir, err)
	}
	settings := tsdb.DefaultOptions()
	settings.RetentionDuration = options.Retention.Milliseconds()
	settings.MaxBytes = options.MaxBytes
	settings.OutOfOrderTimeWindow = time.Hour.Milliseconds()
	settings.NoLockfile = true // ours is held already, and a stale one of theirs would outlive a kill
	db, err := tsdb.Open(filepath.Join(dir, "data"), options.Log, nil, settings, nil)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open metrics in %s: %w", dir, err)
	}
	evaluator := engine.NewEngine(engine.EngineOpts{
		Logger: options.Log, MaxSamples: options.MaxSamples, Timeout: options.Timeout, LookbackDelta: time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: promql.Parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return (10 * time.Second).Milliseconds() },
	})
	return &Metrics{lock: lock, db: db, engine: evaluator}, nil
}

func (o MetricOptions) withDefaults() MetricOptions {
	if o.Retention == 0 {
		o.Retention = 15 * 24 * time.Hour
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = 5_000_000
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Close writes what is in memory and frees the folder. Later calls of any method return an unavailable error.
func (m *Metrics) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return errors.Join(m.engine.Close(), m.db.Close(), m.lock.Close())
}

func (m *Metrics) use() (release func(), err error) {
	m.mu.RLock()
	if m.closed {
		m.mu.RUnlock()
		return nil, platform.Errorf(platform.CodeUnavailable, "The metric store is closed.").WithHint("Try again once the server runs.")
	}
	return m.mu.RUnlock, nil
}

// Append stores samples. Of two with the same series and time the first wins. When some are out of order by more than
// an hour, the others are stored and an invalid error says how many were not.
func (m *Metrics) Append(ctx context.Context, samples []observability.Sample) error {
	release, err := m.use()
	if err != nil {
		return err
	}
	defer release()
	if err := promql.CheckSamples(samples); err != nil {
		return err
	}
	app := m.db.Appender(ctx)
	old := 0
	for i := range samples {
		_, err := app.Append(0, promql.SeriesOf(&samples[i]), samples[i].At.UnixMilli(), samples[i].Value)
		switch {
		case err == nil, errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
			old++
		default:
			return errors.Join(fmt.Errorf("append sample %s: %w", samples[i].Name, err), app.Rollback())
		}
	}
	if err := app.Commit(); err != nil {
		return fmt.Errorf("store samples: %w", err)
	}
	if old > 0 {
		return promql.OutOfOrder(old, len(samples))
	}
	return nil
}

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

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/fairlead/fairlead/observability"
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

// nameLabel is the label that holds the name of a metric.
const nameLabel = "__name__"

// maxPoints is how many points of one series a query may ask for.
const maxPoints = 11_000

// Metrics is a store of samples in a folder. One process has it open at a time. Samples outlive a kill of the process.
type Metrics struct {
	lock   *os.File
	db     *tsdb.DB
	engine *promql.Engine

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
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: options.Log, MaxSamples: options.MaxSamples, Timeout: options.Timeout, LookbackDelta: time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: promParser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return (10 * time.Second).Milliseconds() },
	})
	return &Metrics{lock: lock, db: db, engine: engine}, nil
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
	if err := checkSamples(samples); err != nil {
		return err
	}
	app := m.db.Appender(ctx)
	old := 0
	for i := range samples {
		_, err := app.Append(0, seriesOf(&samples[i]), samples[i].At.UnixMilli(), samples[i].Value)
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
		return platform.Errorf(platform.CodeInvalid, "%d of %d samples are more than an hour older than the newest and were not stored.", old, len(samples)).
			WithHint("Check the clock of whatever took them.").WithField("at")
	}
	return nil
}

func checkSamples(samples []observability.Sample) error {
	for i := range samples {
		s := &samples[i]
		if !metricName(s.Name) {
			return platform.Errorf(platform.CodeInvalid, "%q is not a metric name.", platform.Truncate(s.Name, 80)).
				WithHint("Use letters, digits, underscores and colons, not beginning with a digit.").WithField("name")
		}
		if s.At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A sample of %s has no time.", s.Name).WithHint("Set At on every sample.").WithField("at")
		}
		for name := range s.Labels {
			if !metricName(name) || name == nameLabel {
				return platform.Errorf(platform.CodeInvalid, "%q is not a label name.", platform.Truncate(name, 80)).
					WithHint("Use letters, digits and underscores, not beginning with a digit.").WithField("labels")
			}
		}
	}
	return nil
}

func metricName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func seriesOf(s *observability.Sample) labels.Labels {
	builder := labels.NewScratchBuilder(len(s.Labels) + 1)
	builder.Add(nameLabel, s.Name)
	for name, value := range s.Labels {
		if value != "" {
			builder.Add(name, observability.EscapeInvalid(value))
		}
	}
	builder.Sort()
	return builder.Labels()
}

// promParser reads PromQL without the experimental functions: one of them selects series on its own, past Scope.
var promParser = parser.NewParser(parser.Options{})

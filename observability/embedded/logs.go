// Package embedded keeps logs and metrics inside the process, for installations with no Loki and no Prometheus.
//
// It owns the two stores, how they sit on disk and how queries reach them. Logs live in the storage library of
// VictoriaLogs, metrics in the TSDB of Prometheus; no other package imports either. It must not know where lines and
// samples come from.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// LogOptions are the settings of the log store. Zero values mean the defaults.
type LogOptions struct {
	Retention    time.Duration // how long lines are kept; default 30 days
	MaxBytes     int64         // oldest days go when the store is larger; 0 for no limit
	MinFreeBytes int64         // no line is taken while the disk has less free; default 256 MiB
	MemoryBytes  int64         // of caches; process-wide, the first store opened decides; default 128 MiB
	// FlushInterval is how long lines may stay in memory; lines younger than about two intervals are lost when the
	// process is killed. Default 3 s; see Durable.
	FlushInterval time.Duration
	MaxQueries    int              // at the same time; default 4
	Now           func() time.Time // default the clock; what is kept and seen goes by it
}

// Logs is a store of lines in a folder. One process has it open at a time.
type Logs struct {
	dir       string
	options   LogOptions
	lock      *os.File
	storage   *logstorage.Storage
	sieves    *sieves
	slots     chan struct{}
	done      chan struct{}
	flushing  sync.WaitGroup
	pending   pending
	showing   sync.Mutex // held while stored lines are made visible
	dirty     atomic.Bool
	flushedAt atomic.Int64 // nanoseconds of the last flush
	floor     atomic.Int64 // nanoseconds; days before were dropped, and lines of them are not taken

	mu     sync.RWMutex // held for reading by every use of storage, for writing by Close
	closed bool
}

var _ observability.Logs = (*Logs)(nil)

// ErrInUse is returned when another process, or this one, has the folder open.
var ErrInUse = errors.New("the log store is open elsewhere")

// OpenLogs opens the store in dir, making it where it does not exist. The caller closes it.
func OpenLogs(dir string, options LogOptions) (*Logs, error) {
	options = options.withDefaults()
	if options.Retention < 24*time.Hour {
		return nil, platform.Errorf(platform.CodeInvalid, "A log retention of %s is shorter than one day.", options.Retention).
			WithHint("Keep logs for at least 24h.").WithField("retention")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log folder: %w", err)
	}
	// The library ends the process when somebody else has the folder open, so ask first.
	lock, err := lockFile(filepath.Join(dir, "fairlead.lock"))
	if err != nil {
		return nil, fmt.Errorf("open logs in %s: %w", dir, err)
	}
	if err := checkFolder(dir, options.MinFreeBytes); err != nil {
		_ = lock.Close()
		return nil, err
	}
	removeDropped(dir)
	prepareLibrary(options.MemoryBytes)
	l := &Logs{dir: dir, options: options, lock: lock, slots: make(chan struct{}, options.MaxQueries), done: make(chan struct{})}
	l.storage = logstorage.MustOpenStorage(filepath.Join(dir, "data"), &logstorage.StorageConfig{
		Retention:              options.Retention,
		MaxDiskSpaceUsageBytes: options.MaxBytes,
		FlushInterval:          options.FlushInterval,
		FutureRetention:        24 * time.Hour,
		MinFreeDiskSpaceBytes:  options.MinFreeBytes,
		DefaultParallelReaders: 4,
	})
	if l.sieves, err = openSieves(filepath.Join(dir, "sieves"), l.storage.PartitionList(), options.now); err != nil {
		l.storage.MustClose()
		_ = lock.Close()
		return nil, err
	}
	l.flushing.Add(1)
	go l.keepVisible()
	return l, nil
}

func (o LogOptions) withDefaults() LogOptions {
	if o.Retention == 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 256 << 20
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 128 << 20
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = 3 * time.Second
	}
	if o.MaxQueries == 0 {
		o.MaxQueries = 4
	}
	return o
}

func (o LogOptions) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Durable returns how long after Append returned a line is sure to outlive a kill of the process.
func (l *Logs) Durable() time.Duration { return 3*l.options.FlushInterval + 3*time.Second }

// Visible returns how long after Append returned a line may be hidden from a query.
func (l *Logs) Visible() time.Duration { return 5 * readYourWrites }

// Close writes what is in memory to disk and frees the folder. Later calls of any method return an unavailable error.
func (l *Logs) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.done)
	l.flushing.Wait()
	err := l.hand()
	l.storage.MustClose()
	return errors.Join(err, l.sieves.close(), l.lock.Close())
}

// visibleEvery is the longest that a stored line stays hidden from queries when nobody asks.
const visibleEvery = time.Second

func (l *Logs) keepVisible() {
	defer l.flushing.Done()
	ticker := time.NewTicker(visibleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
			_ = l.makeVisible(visibleEvery) // the next Append says it
		}
	}
}

// makeVisible lets queries see every stored line, unless that was done less than since ago.
func (l *Logs) makeVisible(since time.Duration) error {
	l.showing.Lock() // whoever comes while that is done needs it done
	defer l.showing.Unlock()
	now := time.Now().UnixNano()
	if !l.dirty.Load() || now-l.flushedAt.Load() < int64(since) {
		return nil
	}
	l.flushedAt.Store(now)
	l.dirty.Store(false)
	if err := l.hand(); err != nil {
		l.dirty.Store(true)
		return err
	}
	l.storage.DebugFlush()
	return nil
}

// use takes the store for one call; the caller calls release.
func (l *Logs) use() (release func(), err error) {
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return nil, platform.Errorf(platform.CodeUnavailable, "The log store is closed.").WithHint("Try again once the server runs.")
	}
	return l.mu.RUnlock, nil
}

// Append stores lines. It is unavailable while the disk has less free than MinFreeBytes; then no line was stored.
// Lines older than the retention, or more than a day ahead, are dropped.
func (l *Logs) Append(ctx context.Context, lines []observability.Line) error {
	return l.AppendNormal(ctx, observability.NormalLines(lines))
}

// AppendNormal is Append for lines that are in normal form (observability.Line.Normal).
func (l *Logs) AppendNormal(ctx context.Context, lines []observability.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	release, err := l.use()
	if err != nil {
		return err
	}
	defer release()
	if l.storage.IsReadOnly() {
		return platform.Errorf(platform.CodeUnavailable, "The disk of the log store has less than %d MiB free, so no line is taken.", l.options.MinFreeBytes>>20).
			WithHint("Free space on the disk that holds %s, or keep logs for a shorter time.", l.dir)
	}
	for i := range lines {
		if lines[i].At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A log line has no time.").WithHint("Set At on every line.").WithField("at")
		}
	}
	if err := l.pend(lines); err != nil {
		return err
	}
	l.dirty.Store(true)
	return nil
}

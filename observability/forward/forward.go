// Package forward sends every line also to receivers outside: syslog, OTLP, and whatever else takes lines.
//
// It owns the file that names the receivers, and what each protocol makes of a line. Each receiver has a spool of its
// own, so that one that is slow or down holds up nobody and misses nothing. It must not know where lines come from.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
)

// Options say what a Stream works with. Store and Dir are required.
type Options struct {
	Store     observability.Logs
	Receivers []Receiver
	Dir       string // a folder for each receiver's spool
	// Senders make what sends to a receiver, by kind, for kinds that this package does not speak itself.
	Senders  map[Kind]func(Receiver) (spool.Sender, error)
	Log      *slog.Logger // nil: silent
	MaxBytes int64        // of each receiver's spool; default 256 MiB
	// MinFreeBytes is how much of the disk the spools leave free; default 256 MiB.
	MinFreeBytes int64
}

// Stream is a store whose lines also go to receivers.
type Stream struct {
	store     observability.Logs
	receivers []*receiver
	log       *slog.Logger
}

type receiver struct {
	Receiver
	sender spool.Sender
	spool  *spool.Spool
}

var _ observability.Logs = (*Stream)(nil)

// Limits of what goes to a receiver at once.
const (
	batchLines   = 512
	batchBytes   = 1 << 20
	defaultBytes = 256 << 20
)

// Open opens the spools of all receivers. The caller closes the stream.
func Open(options Options) (*Stream, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.MaxBytes == 0 {
		options.MaxBytes = defaultBytes
	}
	s := &Stream{store: options.Store, log: options.Log}
	for _, r := range options.Receivers {
		opened, err := options.open(r)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the receiver %s: %w", r.Name, err), s.Close())
		}
		s.receivers = append(s.receivers, opened)
	}
	return s, nil
}

func (o Options) open(r Receiver) (*receiver, error) {
	sender, err := o.sender(r)
	if err != nil {
		return nil, err
	}
	opened, err := spool.Open(spool.Options{
		Dir: filepath.Join(o.Dir, r.Name), Target: sender, MaxBytes: o.MaxBytes, MinFreeBytes: o.MinFreeBytes,
		BatchLines: batchLines, BatchBytes: batchBytes, Log: o.Log.With("receiver", r.Name),
	})
	if err != nil {
		return nil, err
	}
	return &receiver{r, sender, opened}, nil
}

func (o Options) sender(r Receiver) (spool.Sender, error) {
	if open := o.Senders[r.Kind]; open != nil {
		return open(r)
	}
	switch r.Kind {
	case KindSyslog:
		return newSyslog(r)
	case KindOTLP:
		return newOTLP(r)
	default:
		return nil, platform.Errorf(platform.CodeInvalid, "Lines cannot be forwarded to receivers of kind %q here.", r.Kind).
			WithHint("Use %s or %s.", KindSyslog, KindOTLP).WithField("kind")
	}
}

// Append gives lines to the spool of every receiver that wants them, then to the store, whose answer it returns. The
// receivers come first: after a crash between the two, whoever appends the lines again may double some at a receiver,
// and none is missing there. A receiver whose spool takes no line loses it, which is logged, and holds up nothing.
func (s *Stream) Append(ctx context.Context, lines []observability.Line) error {
	return s.AppendNormal(ctx, observability.NormalLines(lines))
}

// AppendNormal is Append for lines that are in normal form (observability.Line.Normal).
func (s *Stream) AppendNormal(ctx context.Context, lines []observability.Line) error {
	var all sync.WaitGroup
	for _, r := range s.receivers {
		if wanted := r.Filter.choose(lines); len(wanted) > 0 {
			all.Go(func() {
				if err := r.spool.AppendNormal(ctx, wanted); err != nil && ctx.Err() == nil && platform.CodeOf(err) != platform.CodeInvalid {
					s.log.ErrorContext(ctx, "lines are not forwarded", "receiver", r.Name, "lines", len(wanted), "error", err)
				}
			})
		}
	}
	all.Wait()
	return observability.AppendNormal(ctx, s.store, lines)
}

// Query asks the store.
func (s *Stream) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	return s.store.Query(ctx, q)
}

// Count asks the store.
func (s *Stream) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	return s.store.Count(ctx, q, step)
}

// Durable is what the store says.
func (s *Stream) Durable() time.Duration {
	if store, ok := s.store.(interface{ Durable() time.Duration }); ok {
		return store.Durable()
	}
	return 0
}

// Appended is what the store says of the streams of an instance; without it, that nothing is known.
func (s *Stream) Appended(instance, source string) (map[string]observability.End, time.Time) {
	if store, ok := s.store.(interface {
		Appended(instance, source string) (map[string]observability.End, time.Time)
	}); ok {
		return store.Appended(instance, source)
	}
	return nil, time.Now()
}

// Run sends to all receivers until ctx ends.
func (s *Stream) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, r := range s.receivers {
		all.Go(func() { _ = r.spool.Run(ctx) })
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// Stats returns the figures of every receiver's spool, by the receiver's name.
func (s *Stream) Stats() map[string]spool.Stats {
	out := make(map[string]spool.Stats, len(s.receivers))
	for _, r := range s.receivers {
		out[r.Name] = r.spool.Stats()
	}
	return out
}

// Close frees the receivers' spools and connections, after Run returned. The store stays open.
func (s *Stream) Close() error {
	var all error
	for _, r := range s.receivers {
		all = errors.Join(all, r.spool.Close())
		if sender, ok := r.sender.(io.Closer); ok {
			all = errors.Join(all, sender.Close())
		}
	}
	return all
}

// choose returns the lines that pass, in order; lines itself when all do.
func (f Filter) choose(lines []observability.Line) []observability.Line {
	for i := range lines {
		if !f.wants(&lines[i]) {
			out := append(make([]observability.Line, 0, len(lines)), lines[:i]...)
			for j := i + 1; j < len(lines); j++ {
				if f.wants(&lines[j]) {
					out = append(out, lines[j])
				}
			}
			return out
		}
	}
	return lines
}

func (f Filter) wants(l *observability.Line) bool {
	if f.Project != "" && f.Project != l.Project || f.Service != "" && f.Service != l.Service {
		return false
	}
	level := l.Level
	if level == observability.LevelUnknown {
		level = observability.LevelInfo
	}
	return slices.Index(observability.Levels, level) >= slices.Index(observability.Levels, f.Level)
}

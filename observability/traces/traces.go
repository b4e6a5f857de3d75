// Package traces keeps the spans of the last hour inside the process: the window in which an incident is looked into.
//
// It owns the store: how spans are kept in memory and found there, what goes first when the room is used up, and the
// files from which they come back after a restart. It must not know how spans arrive, nor what is made of them.
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Options are the settings of a store. Zero values mean the defaults.
type Options struct {
	Dir string // of its files; "" keeps spans in memory only
	// Age is how long a trace is kept after its last span came; default 1 h.
	Age time.Duration
	// MaxBytes is how much memory spans may take; default 64 MiB. The files take twice that at most.
	MaxBytes     int64
	SegmentBytes int64        // of one file; default 4 MiB
	MaxSpans     int          // of one trace; default 2,000
	Log          *slog.Logger // nil: silent
	Now          func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Age == 0 {
		o.Age = time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 4 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, max(1, o.MaxBytes/4))
	if o.MaxSpans == 0 {
		o.MaxSpans = 2000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Stats is what a store holds and what it let go since it was opened.
type Stats struct {
	Spans, Traces int
	Bytes         int64
	Evicted       uint64 // spans that went for want of room, before their time
	Dropped       uint64 // spans beyond the limit of their trace
}

// Store is a store of spans. Appended spans outlive a kill of the process, not a loss of power: they are written and not
// forced to the disk. One process has its folder open at a time.
type Store struct {
	options Options
	lock    *os.File // nil without a folder
	files   *segments

	mu      sync.RWMutex // guards the fields below
	shelves map[string]*shelf
	spans   int
	bytes   int64
	evicted uint64
	dropped uint64
	closed  bool
}

var _ observability.Spans = (*Store)(nil)

// Open opens the store in its folder, making that where it does not exist, and reads what it held. The caller closes it.
func Open(options Options) (*Store, error) {
	s := &Store{options: options.withDefaults(), shelves: map[string]*shelf{}}
	if options.Dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of traces: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(options.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the traces in %s: %w", options.Dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, platform.Errorf(platform.CodeConflict, "The traces in %s are open in another process.", options.Dir).WithHint("Stop the other server first.")
	}
	s.lock = lock
	s.files = &segments{dir: options.Dir, segmentBytes: s.options.SegmentBytes, maxBytes: 2 * s.options.MaxBytes, log: s.options.Log}
	since := s.options.Now().Add(-s.options.Age)
	err = s.files.load(since, func(text string, came time.Time) error {
		d := decoder{text: text}
		span := d.head()
		if d.bad {
			return errBadSpan
		}
		s.put(&span, text, came)
		return nil
	})
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("read the traces in %s: %w", options.Dir, err)
	}
	return s, nil
}

// Close frees the folder. Later calls of any method return an unavailable error.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.files == nil {
		return nil
	}
	err := s.files.close()
	if closing := s.lock.Close(); err == nil {
		err = closing
	}
	return err
}

func closedError() error {
	return platform.Errorf(platform.CodeUnavailable, "The store of traces is closed.").WithHint("Try again once the server runs.")
}

// Append keeps spans. A file that cannot be written costs what comes its place after a restart, and nothing before.
func (s *Store) Append(ctx context.Context, spans []observability.Span) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	texts := make([]string, len(spans))
	for i := range spans {
		if !observability.IsTraceID(spans[i].TraceID) || spans[i].Project == "" || spans[i].At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A span lacks its project, its trace id or its time.").WithField("spans")
		}
		texts[i] = string(encode(nil, &spans[i]))
	}
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return closedError()
	}
	fresh := texts[:0]
	for i := range spans {
		if text := texts[i]; s.put(&spans[i], text, now) {
			fresh = append(fresh, text)
		}
	}
	if s.files != nil {
		s.files.append(fresh, now)
	}
	return nil
}

// put adds a span and makes room for it, from the project that takes the most. It reports whether the span was new.
func (s *Store) put(span *observability.Span, text string, now time.Time) bool {
	h := s.shelves[span.Project]
	if h == nil {
		h = newShelf()
		s.shelves[span.Project] = h
	}
	before := h.bytes()
	added := h.add(span, text, now, s.options.MaxSpans)
	s.bytes += h.bytes() - before
	if added {
		s.spans++
	}
	for s.bytes > s.options.MaxBytes {
		largest := h
		for _, other := range s.shelves {
			if other.bytes() > largest.bytes() {
				largest = other
			}
		}
		t := largest.evict()
		s.bytes -= t.bytes
		s.spans -= len(t.spans)
		s.evicted += uint64(len(t.spans))
		s.dropped += uint64(t.dropped)
	}
	return added
}

// Prune drops what is older than the store keeps.
func (s *Store) Prune(context.Context) error {
	since := s.options.Now().Add(-s.options.Age)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return closedError()
	}
	for project, h := range s.shelves {
		before := h.bytes()
		s.spans -= h.expire(since)
		s.bytes += h.bytes() - before
		if len(h.traces) == 0 {
			delete(s.shelves, project)
		}
	}
	if s.files != nil {
		s.files.prune(since)
	}
	return nil
}

// Stats says what the store holds.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := Stats{Spans: s.spans, Bytes: s.bytes, Evicted: s.evicted, Dropped: s.dropped}
	for _, h := range s.shelves {
		out.Traces += len(h.traces)
		for _, t := range h.traces {
			out.Dropped += uint64(t.dropped)
		}
	}
	return out
}

// Package spool keeps lines on disk until another store, or a receiver outside, has taken them.
//
// It owns the segments, the position in them, what goes first when the disk space for them is used up, and the query
// that sees waiting lines and stored ones as one. A line whose Append returned nil outlives a kill of the process and a
// loss of power; the target gets each line once, in order. It must not know which target that is.
package spool

import (
	"context"
	"errors"
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

// Sender takes lines. An invalid error (platform.CodeInvalid) says that it will never take these together; a *RefusedError
// that it is done with them; any other error says to try again, after as long as its method RetryAfter()
// time.Duration says where it has one. Lines are in normal form (observability.Line.Normal); one that relies on it has a
// method AppendNormal.
type Sender interface {
	Append(ctx context.Context, lines []observability.Line) error
}

// RefusedError is the error of a Sender that is done with lines, of which it will never take some.
type RefusedError struct {
	Lines int
	Why   string
}

// Error says how many lines were refused, and why.
func (r *RefusedError) Error() string {
	return fmt.Sprintf("%d lines were refused: %s", r.Lines, r.Why)
}

// Options say what a spool works with. Dir and Target are required; zero values of the others mean the defaults.
type Options struct {
	Dir string
	// Target is where lines go. One that can be queried, an observability.Logs, gets each line exactly once; another may
	// get the last batch twice after a crash. A target that can lose what it took says for how long with a method
	// Durable() time.Duration; one whose queries see a line sooner than after two seconds, with Visible() time.Duration.
	Target       Sender
	MaxBytes     int64        // on disk; default 1 GiB. Then the oldest debug lines go, then info, then the rest
	SegmentBytes int64        // of one file; default 16 MiB, at most an eighth of MaxBytes
	MinFreeBytes int64        // no line is taken while the disk has less free; default 256 MiB
	BatchLines   int          // handed to the target at once; default 4096
	BatchBytes   int64        // on disk, of one batch; default 4 MiB
	Log          *slog.Logger // nil: silent
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/8)
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 256 << 20
	}
	if o.BatchLines == 0 {
		o.BatchLines = 4096
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 4 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Spool is a queue of lines on disk in front of a target. One process has its folder open at a time.
//
// Locks are taken in this order: writing, files, mu.
type Spool struct {
	options  Options
	store    observability.Logs // the target where it can be queried, else nil
	durable  time.Duration      // how long the target may still lose what it took
	visible  time.Duration      // how long the target may hide what it took
	opened   time.Time
	lock     *os.File
	position *positionFile // written with mu held
	wake     chan struct{} // tells Run of new lines; holds one message
	step     func(string)  // told of each step after which a crash differs; nil outside of tests

	acknowledged time.Time // by Run, the last time

	eased chan struct{} // tells an Append that waits that the target took lines

	writing sync.Mutex // held by the one Append that writes for all that wait, and by what replaces files
	active  *os.File   // the last segment, written to; nil before the first write and after a failed one. It is set with mu held too
	checked time.Time  // when the free space was looked at
	written []byte     // memory for what is written at once

	files sync.RWMutex // held for writing while files are replaced or removed, for reading while they are opened

	mu        sync.Mutex // guards the fields below
	queue     []*request
	segments  []*segment           // ascending; the last one may be active
	number    uint64               // of the newest segment ever made
	next      uint64               // seq of the next line
	bytes     int64                // of all segments
	saved     position             // as on disk
	compare   uint64               // lines before it may be in the target already: a run before handed them over
	handed    uint64               // lines before it were given to the target in this run, or are being given
	taken     uint64               // the target took every line before it
	waiting   uint64               // lines that the target has not taken
	batch     *batch               // on its way to the target; nil between two
	spare     []observability.Line // memory for the next batch
	draining  bool                 // Run is at work
	recent    recent               // the newest lines, as they were accepted
	ends      ends                 // where each stream ends
	history   []moment             // when the target had taken how much; the newest last
	seen      uint64               // the target shows every line before it
	place     place                // where the next batch is read
	refused   uint64               // lines of the present batch that the target refused for good
	delivered uint64               // lines that it took since Open
	blocked   error                // why the target takes nothing now
	failed    time.Time            // when it last took nothing
	closed    bool
}

// moment says that at a time the target had taken everything before a line.
type moment struct {
	began time.Time // later takes within momentEvery of it are noted in the same moment
	when  time.Time
	seq   uint64
}

// visibleAfter is how long the contract of observability.Logs allows a store to hide a line.
const visibleAfter = 2 * time.Second

var _ observability.Logs = (*Spool)(nil)

// ErrInUse is returned when another process, or this one, has the folder open.
var ErrInUse = errors.New("the spool is open elsewhere")

// Open opens the spool in options.Dir, making it where it does not exist. What a crash left half written is cut off;
// a segment that the disk damaged is set aside and counted, and what can be read of it is kept. The caller closes it.
func Open(options Options) (*Spool, error) {
	options = options.withDefaults()
	if options.MaxBytes < 1<<16 {
		return nil, platform.Errorf(platform.CodeInvalid, "A spool of %d bytes is too small.", options.MaxBytes).
			WithHint("Allow it at least 64 KiB; 1 GiB is usual.").WithField("max_bytes")
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(options.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open the spool in %s: %w", options.Dir, err)
	}
	s := &Spool{options: options, lock: lock, opened: time.Now(), visible: visibleAfter, wake: make(chan struct{}, 1), eased: make(chan struct{}, 1)}
	s.store, _ = options.Target.(observability.Logs)
	if target, ok := options.Target.(interface{ Durable() time.Duration }); ok {
		s.durable = target.Durable()
	}
	if target, ok := options.Target.(interface{ Visible() time.Duration }); ok {
		s.visible = target.Visible()
	}
	if err := s.load(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// lockFile takes the lock of a folder for as long as the file stays open. A kill of the process frees it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, ErrInUse
	}
	return f, nil
}

// load reads the position and every segment.
func (s *Spool) load() error {
	var err error
	if s.position, s.saved, err = openPosition(s.path(positionName)); err != nil {
		return err
	}
	numbers, err := listSegments(s.options.Dir)
	if err != nil {
		return err
	}
	needed := numbers[:0]
	for _, number := range numbers {
		if number >= s.saved.first {
			needed = append(needed, number)
		} else if err := os.Remove(s.path(segmentName(number))); err != nil {
			return fmt.Errorf("remove a segment that is not needed: %w", err)
		}
	}
	if len(numbers) > 0 {
		s.number = numbers[len(numbers)-1]
	}
	s.number = max(s.number, s.saved.first)
	damaged := s.saved.damaged
	if err := s.loadEnds(); err != nil {
		return err
	}
	if err := s.loadSegments(needed); err != nil {
		return err
	}
	if s.saved.damaged != damaged { // lines are lost, and with them where their streams end
		s.ends.since = s.opened.UTC()
	}
	if err := s.saveEndsLocked(); err != nil {
		return err
	}
	s.saved.acked = max(s.saved.acked, 1) // seqs begin at 1
	s.next = s.saved.acked
	for _, segment := range s.segments {
		s.next = max(s.next, segment.end)
		s.bytes += segment.size
	}
	s.compare = min(s.saved.sent, s.next)
	if s.position.generation == 0 {
		s.compare = s.next // the position is lost, so any line may have been sent
	}
	s.saved.sent = s.compare
	s.failed = s.opened
	s.handed, s.taken, s.seen = s.saved.acked, s.saved.acked, s.saved.acked
	if len(s.segments) > 0 {
		s.seen = min(s.seen, s.segments[0].first)
	}
	s.history = []moment{{began: s.opened, when: s.opened, seq: s.saved.acked}}
	s.waiting, err = s.countFrom(s.taken)
	return err
}

func (s *Spool) path(name string) string { return filepath.Join(s.options.Dir, name) }

// Durable is zero: a line is on disk when Append returns.
func (s *Spool) Durable() time.Duration { return 0 }

// Close frees the folder. It is called after Run returned; later calls of any method return an unavailable error.
func (s *Spool) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.active != nil {
		_ = s.active.Close()
	}
	s.release()
	return nil
}

func (s *Spool) release() {
	if s.position != nil {
		_ = s.position.file.Close()
	}
	// Closing alone would not free it while a process that is just being started still shares the file.
	_ = syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN)
	_ = s.lock.Close()
}

// Settle records that everything the target took is durable there. It is called when the target was closed well, after
// Run returned and before Close, and spares the next run the comparison of its first lines with what the target has.
func (s *Spool) Settle() error { return s.acknowledge(time.Now().Add(s.durable)) }

func (s *Spool) reach(step string) {
	if s.step != nil {
		s.step(step)
	}
}

func errClosed() error {
	return platform.Errorf(platform.CodeUnavailable, "The log spool is closed.").WithHint("Try again once the server runs.")
}

package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// batch is lines on their way to the target.
type batch struct {
	lines   []observability.Line // what the target has not taken of it
	memory  []observability.Line // of all its lines
	count   uint64               // lines in it when it was read
	end     uint64               // seq after its last line
	spooled time.Time            // when its oldest line was
	suspect bool                 // the target may have taken some: a run before handed them over, or an attempt failed
}

const (
	firstWait = 50 * time.Millisecond
	longWait  = 5 * time.Second
	lastDrain = 5 * time.Second
	// ahead is how many seqs are marked as sent beyond those that are in a target that must keep what it took for a
	// while, so that the mark is not written with each batch.
	ahead = 1 << 16
	// momentEvery is how close together moments are kept.
	momentEvery = 10 * time.Millisecond
	maxWait     = time.Second // between looks at what became durable in the target
)

// Run hands lines to the target in order, as they come, until ctx ends; then it hands over what still waits, for at
// most 5 s, and returns nil. While the target takes nothing it tries again, less and less often, at most 5 s apart. It is
// called once.
func (s *Spool) Run(ctx context.Context) error {
	// What is on its way when ctx ends is not broken off: the target may have it, and would get it again.
	last, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastDrain, end) })()
	s.setDraining(true)
	s.drain(ctx, last)
	s.setDraining(false)
	for {
		if n, err := s.drainOnce(last); n == 0 || err != nil {
			break
		}
	}
	if err := s.acknowledge(time.Now()); err != nil {
		s.options.Log.Error("how far the log spool is drained cannot be saved", "error", err)
	}
	return nil
}

func (s *Spool) setDraining(draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = draining
}

// drain hands lines over until ctx ends, each batch for as long as sending lasts.
func (s *Spool) drain(ctx, sending context.Context) {
	pause := firstWait
	for ctx.Err() == nil {
		n, err := s.drainOnce(sending)
		if err == nil {
			pause = firstWait
			err = s.acknowledgeSome(n)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			wait := pause
			var after interface{ RetryAfter() time.Duration }
			if errors.As(err, &after) {
				wait = max(wait, after.RetryAfter())
			}
			pause = min(2*pause, longWait)
			sleep(ctx, wait)
		case n == 0:
			s.idle(ctx)
		}
	}
}

func sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// idle waits for new lines, or until it is time to look at what became durable.
func (s *Spool) idle(ctx context.Context) {
	s.mu.Lock()
	settled := s.saved.acked == s.taken && len(s.history) == 0
	s.mu.Unlock()
	if settled {
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
		return
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// drainOnce hands the next batch to the target, or the rest of the one that it did not take. It returns how many lines
// were done with.
func (s *Spool) drainOnce(ctx context.Context) (int, error) {
	b, err := s.nextBatch()
	if err != nil || b == nil {
		return 0, s.block(err)
	}
	total := len(b.lines)
	if err := s.markSent(b.end); err != nil {
		return 0, s.block(err)
	}
	if b.suspect && s.store != nil {
		missing, err := s.missing(ctx, b.lines)
		if err != nil {
			return 0, s.block(err)
		}
		b.lines, b.suspect = missing, false
	}
	s.reach("before send")
	done, rejected, err := s.send(ctx, b.lines)
	b.lines = b.lines[done:]
	if err != nil {
		b.suspect = true
		s.take(nil, rejected)
		return 0, s.block(err)
	}
	s.reach("after send")
	s.take(b, rejected)
	return total, s.block(nil)
}

// block notes why nothing goes on, or that it does; the first of equal reasons is logged.
func (s *Spool) block(err error) error {
	s.mu.Lock()
	was := s.blocked
	if s.blocked = err; err != nil {
		s.failed = time.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && was == nil && !errors.Is(err, context.Canceled):
		s.options.Log.Warn("lines wait in the log spool", "error", err)
	case err == nil && was != nil:
		s.options.Log.Info("the log spool drains again")
	}
	return err
}

// nextBatch returns the batch that the target did not take, else the next lines; nil when none waits.
func (s *Spool) nextBatch() (*batch, error) {
	b, damaged, err := s.readBatch()
	if damaged != nil {
		return nil, s.repair(damaged)
	}
	return b, err
}

// readBatch is nextBatch that says which segment it cannot read.
func (s *Spool) readBatch() (b *batch, damaged *segment, err error) {
	s.files.RLock() // until handed is set: what is in the batch may not be dropped
	defer s.files.RUnlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, errClosed()
	}
	if s.batch != nil {
		defer s.mu.Unlock()
		return s.batch, nil, nil
	}
	from, compare, at := s.taken, s.compare, s.place
	if from >= compare {
		if lines := s.recent.take(s.spare, from, s.options.BatchLines); len(lines) > 0 {
			s.batch = &batch{lines: lines, memory: lines, count: uint64(len(lines)), end: from + uint64(len(lines)), spooled: time.Now()}
			s.handed, s.place = s.batch.end, place{}
			s.mu.Unlock()
			return s.batch, nil, nil
		}
	}
	segments := make([]segment, 0, len(s.segments))
	for _, segment := range s.segments {
		if segment.end > from {
			segments = append(segments, *segment)
		}
	}
	b = &batch{end: from, lines: s.spare[:0]}
	s.mu.Unlock()
	for i := range segments {
		full, err := s.readInto(b, &segments[i], &at)
		if errors.Is(err, errBadFrame) {
			return nil, s.find(segments[i].number), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the log spool: %w", err)
		}
		if !full {
			b.end = segments[i].end
		}
		if len(b.lines) > 0 {
			break
		}
	}
	if b.end == from {
		return nil, nil, nil
	}
	b.count, b.suspect, b.memory = uint64(len(b.lines)), from < compare, b.lines
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch, s.handed, s.place = b, b.end, at
	return b, nil, nil
}

func (s *Spool) find(number uint64) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.segments, func(segment *segment) bool { return segment.number == number })
	return s.segments[i]
}

// errFull ends the reading of a segment once the batch has enough.
var errFull = errors.New("the batch is full")

// place is where reading goes on in a file.
type place struct {
	number    uint64 // of the segment
	rewritten int
	offset    int64
}

// readInto adds the lines of a segment from b.end on. segment is a copy; the caller holds files for reading.
func (s *Spool) readInto(b *batch, segment *segment, at *place) (full bool, err error) {
	file, err := os.Open(s.path(segmentName(segment.number)))
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	if at.number != segment.number || at.rewritten != segment.rewritten {
		*at = place{segment.number, segment.rewritten, segment.offset(b.end)}
	}
	bytes := int64(0)
	err = framesOf(file, at.offset, segment.size)(func(f storedFrame) error {
		at.offset += f.size
		b.lines = slices.Grow(b.lines, int(f.lines))
		err := f.each(func(seq uint64, l *observability.Line) bool {
			if seq >= b.end {
				if len(b.lines) == 0 {
					b.spooled = f.when
				}
				b.lines, b.end = append(b.lines, *l), seq+1
			}
			return true
		})
		if err != nil {
			return errBadFrame
		}
		if bytes += f.size; len(b.lines) >= s.options.BatchLines || bytes >= s.options.BatchBytes && len(b.lines) > 0 {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return true, nil
	}
	return false, err
}

// repair sets a segment aside that the disk damaged since it was opened.
func (s *Spool) repair(damaged *segment) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	active := s.isActiveLocked(damaged)
	s.mu.Unlock()
	if active {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	s.recent.forget()
	s.mu.Unlock()
	if err := s.setAside(damaged); err != nil {
		return fmt.Errorf("set the damaged segment %s aside: %w", segmentName(damaged.number), err)
	}
	waiting, err := s.countFrom(s.taken)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = waiting
	return errors.Join(err, s.saveEndsLocked()) // some may have been in what is lost
}

// send hands lines to the target. When it refuses some for good, the others are given without them. It returns how many
// of the lines are done with, and how many of those were refused.
func (s *Spool) send(ctx context.Context, lines []observability.Line) (done int, rejected uint64, err error) {
	if len(lines) == 0 {
		return 0, 0, nil
	}
	err = observability.AppendNormal(ctx, s.options.Target, lines)
	var refused *RefusedError
	switch {
	case err == nil:
		return len(lines), 0, nil
	case errors.As(err, &refused):
		s.options.Log.Warn("lines are refused for good and passed over", "error", err)
		return len(lines), uint64(refused.Lines), nil
	case platform.CodeOf(err) != platform.CodeInvalid:
		return 0, 0, err
	case len(lines) == 1:
		s.options.Log.Warn("a line is refused for good and passed over", "project", lines[0].Project, "service", lines[0].Service,
			"at", lines[0].At, "error", err)
		return 1, 1, nil
	}
	half := len(lines) / 2
	done, rejected, err = s.send(ctx, lines[:half])
	if err != nil {
		return done, rejected, err
	}
	more, others, err := s.send(ctx, lines[half:])
	return done + more, rejected + others, err
}

// markSent makes durable that lines before end are on their way, before they are, and in the same write what the
// target has.
func (s *Spool) markSent(end uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if end <= s.saved.sent {
		return nil
	}
	position := s.saved
	if position.sent = end; s.durable == 0 {
		position.acked = s.taken
	} else {
		position.sent += ahead
	}
	if err := s.position.save(position); err != nil {
		return err
	}
	s.saved = position
	return nil
}

// take notes that the target has a batch, nil for none, and how many lines it refused.
func (s *Spool) take(b *batch, rejected uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved.rejected += rejected
	s.refused += rejected
	if b == nil {
		return
	}
	s.delivered += b.count - min(b.count, s.refused)
	s.refused = 0
	now := time.Now()
	s.taken, s.batch = b.end, nil
	clear(b.memory)
	s.spare = b.memory[:0]
	select {
	case s.eased <- struct{}{}:
	default:
	}
	s.waiting -= b.count
	if n := len(s.history); n > 0 && now.Sub(s.history[n-1].began) < momentEvery {
		s.history[n-1].when, s.history[n-1].seq = now, b.end
	} else {
		s.history = append(s.history, moment{began: now, when: now, seq: b.end})
	}
}

// acknowledgeSome acknowledges now and then while lines flow, and when a target that loses nothing has them all.
func (s *Spool) acknowledgeSome(drained int) error {
	now := time.Now()
	if now.Sub(s.acknowledged) < maxWait && (drained > 0 || s.durable > 0) {
		return nil
	}
	s.acknowledged = now
	return s.acknowledge(now)
}

// acknowledge makes durable how much of what the target took it cannot lose or hide any more, and removes segments
// that hold nothing else.
func (s *Spool) acknowledge(now time.Time) error {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := 0
	acked := s.saved.acked
	for i, m := range s.history {
		age := now.Sub(m.when)
		if age >= s.durable {
			acked = max(acked, m.seq)
		}
		if age >= s.visible {
			s.seen = m.seq
		}
		if age >= max(s.durable, s.visible) {
			old = i + 1
		}
	}
	s.history = slices.Delete(s.history, 0, old)
	changed := acked != s.saved.acked
	s.saved.acked = acked
	gone := 0
	for gone < len(s.segments) && s.segments[gone].end <= min(acked, s.seen) && !s.isActiveLocked(s.segments[gone]) {
		gone++
	}
	if gone > 0 {
		return s.removeFirstLocked(gone)
	}
	if changed {
		return s.position.save(s.saved)
	}
	return nil
}

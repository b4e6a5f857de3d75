package spool

import (
	"os"
	"slices"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// What goes when the spool is full, first to last.
const (
	noClass    = iota
	debugLines // first the oldest debug lines
	infoLines  // then the oldest info lines
	allLines   // then the oldest of the rest
)

func inClass(class int, level observability.Level) bool {
	switch level {
	case observability.LevelDebug:
		return class >= debugLines
	case observability.LevelInfo:
		return class >= infoLines
	default:
		return class >= allLines
	}
}

// makeRoom sees that size more bytes stay within the limit. What it takes out it takes from one segment at a time, so
// that a segment is written anew at most twice in its life. The caller holds writing.
func (s *Spool) makeRoom(size int64) error {
	if size+segmentHead > s.options.MaxBytes {
		return platform.Errorf(platform.CodeInvalid, "Lines of %d bytes at once are more than the log spool may hold: its limit is %d bytes.", size, s.options.MaxBytes).
			WithHint("Append fewer lines at once, or allow the spool more space.")
	}
	var gone tally
	for s.over(size) {
		freed, err := s.releaseTaken()
		if err != nil {
			return err
		}
		if freed {
			continue
		}
		dropped, freed, err := s.dropOldest()
		if err != nil {
			return err
		}
		gone.add(dropped)
		if !freed {
			return platform.Errorf(platform.CodeUnavailable, "The log spool is full: its limit is %d bytes, and none of what is in it may go.", s.options.MaxBytes).
				WithHint("Allow the spool more space, or try again when its lines were taken.")
		}
	}
	if gone.total() > 0 {
		attrs := []any{"lines", gone.total()}
		for i, n := range gone {
			if n > 0 {
				attrs = append(attrs, string(levelName(i)), n)
			}
		}
		s.options.Log.Warn("the log spool is full, and its oldest lines were dropped", attrs...)
	}
	return nil
}

func (s *Spool) over(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes+size+segmentHead > s.options.MaxBytes // it may take another segment
}

// releaseTaken removes the oldest segment if the target took all of it but could still lose it in a crash: that is a
// smaller loss than lines that nobody has.
func (s *Spool) releaseTaken() (bool, error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 || s.segments[0].end > s.taken || s.isActiveLocked(s.segments[0]) {
		return false, nil
	}
	s.saved.acked = max(s.saved.acked, s.segments[0].end)
	return true, s.removeFirstLocked(1)
}

func (s *Spool) isActiveLocked(segment *segment) bool {
	return s.active != nil && segment == s.segments[len(s.segments)-1]
}

// removeFirstLocked removes the n first segments; the position is saved before, so that a crash between leaves files
// that the next run knows to be done with.
func (s *Spool) removeFirstLocked(n int) error {
	if err := s.saveEndsLocked(); err != nil {
		return err
	}
	s.reach("after ends")
	gone := s.segments[:n]
	position := s.saved
	position.first = gone[n-1].number + 1
	for _, segment := range gone {
		position.dropped.add(segment.dropped)
		position.unreadable += segment.lost
	}
	if err := s.position.save(position); err != nil {
		return err
	}
	s.saved = position
	s.segments = slices.Clone(s.segments[n:])
	s.reach("before remove")
	for _, segment := range gone {
		s.bytes -= segment.size
		if err := ignoreMissing(os.Remove(s.path(segmentName(segment.number)))); err != nil {
			s.options.Log.Error("a log spool segment that is done with cannot be removed", "error", err)
		}
	}
	return nil
}

// dropOldest takes the least valuable lines out of the oldest segment that has any, the target has not got, and is not
// getting now.
func (s *Spool) dropOldest() (dropped tally, freed bool, err error) {
	for class := debugLines; class <= allLines; class++ {
		segment, active := s.oldestWith(class)
		if segment == nil {
			continue
		}
		if active {
			if err := s.rotate(); err != nil {
				return dropped, false, err
			}
		}
		dropped, freed, err := s.strip(segment, class)
		if err != nil || freed {
			return dropped, freed, err
		}
		class-- // that one had nothing that may go; look for the next
	}
	return dropped, false, nil
}

// oldestWith returns the oldest segment that may hold lines of a class, and whether it is written to.
func (s *Spool) oldestWith(class int) (*segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, segment := range s.segments {
		if segment.stripped >= class || segment.end <= s.keptLocked() {
			continue
		}
		for i, n := range segment.counts {
			if n > 0 && inClass(class, levels[i]) {
				return segment, s.isActiveLocked(segment)
			}
		}
	}
	return nil, false
}

// keptLocked is the line before which none is dropped: the target may have those before it, or is getting them now.
func (s *Spool) keptLocked() uint64 { return max(s.handed, s.compare) }

// strip writes a segment anew without the lines of a class that the target cannot have.
func (s *Spool) strip(old *segment, class int) (dropped tally, freed bool, err error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	kept := s.keptLocked()
	s.recent.forget()
	err = s.saveEndsLocked()
	s.mu.Unlock()
	if err != nil {
		return dropped, false, err
	}
	file, err := os.Open(s.path(segmentName(old.number)))
	if err != nil {
		return dropped, false, err
	}
	defer func() { _ = file.Close() }()
	s.reach("before strip")
	fresh, err := s.rewrite(old, framesOf(file, segmentHead, old.size), func(seq uint64, l *observability.Line) bool {
		return seq >= kept && inClass(class, l.Level)
	})
	if err != nil {
		return dropped, false, err
	}
	s.reach("after strip")
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range dropped {
		dropped[i] = fresh.dropped[i] - old.dropped[i]
	}
	s.waiting -= dropped.total()
	s.bytes += fresh.size - old.size
	freed = fresh.size < old.size
	fresh.stripped = class
	*old = *fresh
	return dropped, freed, nil
}

package spool

import "github.com/fairlead/fairlead/observability"

// recentLines is how many lines are kept in memory too while they wait, so that a target that keeps up gets them without
// their being read from the disk.
const recentLines = 1 << 14

// recent are lines in memory that were written lately and the target has not got, in order and without a gap. Every one is
// on disk as well: it may be forgotten at any time.
type recent struct {
	first uint64 // seq of the first
	lines []observability.Line
}

func (r *recent) room(lines int) bool { return len(r.lines)+lines <= recentLines }

// add notes lines that were written as first and following. After a gap it begins anew.
func (r *recent) add(first uint64, lines []observability.Line) {
	switch {
	case len(r.lines) == 0:
		r.first = first
	case r.first+uint64(len(r.lines)) != first:
		return // what lies between is on disk only; the reader comes back here when it has read it
	}
	r.lines = append(r.lines, lines...)
}

// take returns the lines from seq on, at most so many; none when they are not known.
func (r *recent) take(seq uint64, most int) []observability.Line {
	if seq > r.first {
		r.drop(seq - r.first)
	}
	if seq != r.first || len(r.lines) == 0 {
		return nil
	}
	n := min(most, len(r.lines))
	out := append(make([]observability.Line, 0, n), r.lines[:n]...)
	r.drop(uint64(n))
	return out
}

func (r *recent) drop(n uint64) {
	n = min(n, uint64(len(r.lines)))
	r.first += n
	rest := copy(r.lines, r.lines[n:])
	clear(r.lines[rest:])
	r.lines = r.lines[:rest]
}

func (r *recent) forget() { r.drop(uint64(len(r.lines))) }

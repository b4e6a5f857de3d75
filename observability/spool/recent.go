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
	from  int // where the first is in lines
}

func (r *recent) count() int { return len(r.lines) - r.from }

func (r *recent) room(lines int) bool { return r.count()+lines <= recentLines }

// add notes lines that were written as first and following. After a gap it begins anew.
func (r *recent) add(first uint64, lines []observability.Line) {
	switch {
	case r.count() == 0:
		r.first = first
	case r.first+uint64(r.count()) != first:
		return // what lies between is on disk only; the reader comes back here when it has read it
	}
	if r.from > 0 && len(r.lines)+len(lines) > cap(r.lines) {
		rest := copy(r.lines, r.lines[r.from:])
		clear(r.lines[rest:])
		r.lines, r.from = r.lines[:rest], 0
	}
	r.lines = append(r.lines, lines...)
}

// take returns the lines from seq on, at most so many, in the memory of dst; none when they are not known.
func (r *recent) take(dst []observability.Line, seq uint64, most int) []observability.Line {
	if seq > r.first {
		r.drop(seq - r.first)
	}
	if seq != r.first {
		return nil
	}
	n := min(most, r.count())
	dst = append(dst[:0], r.lines[r.from:r.from+n]...)
	r.drop(uint64(n))
	return dst
}

func (r *recent) drop(n uint64) {
	n = min(n, uint64(r.count()))
	r.first += n
	clear(r.lines[r.from : r.from+int(n)])
	if r.from += int(n); r.from == len(r.lines) {
		r.lines, r.from = r.lines[:0], 0
	}
}

func (r *recent) forget() { r.drop(uint64(r.count())) }

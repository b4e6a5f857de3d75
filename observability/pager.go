package observability

import (
	"container/heap"
	"slices"
	"time"
)

// Limits of one page besides its number of lines.
const (
	maxPageBytes = 32 << 20
	maxSkip      = 1 << 20
)

// Pager picks the lines of one page out of lines that come in any order, holding no more than the page itself.
// It is not safe for concurrent use.
type Pager struct {
	search  *Search
	keep    int
	lines   lineHeap
	bytes   int
	evicted bool
}

// NewPager returns a pager for one page of s.
func NewPager(s *Search) *Pager {
	return &Pager{search: s, keep: s.After.Skip + s.Limit + 1, lines: lineHeap{backward: s.Backward}}
}

// Wants reports whether a line of that time could still be on the page; callers use it to spare decoding the line.
func (p *Pager) Wants(at time.Time) bool {
	if after := p.search.After.At; !after.IsZero() && p.beyond(after, at) {
		return false
	}
	return len(p.lines.items) < p.keep || !p.beyond(at, p.lines.items[0].At)
}

// beyond reports whether a comes after b in the direction of reading.
func (p *Pager) beyond(a, b time.Time) bool {
	if p.search.Backward {
		return a.Before(b)
	}
	return a.After(b)
}

// Add offers a line that passed the filters.
func (p *Pager) Add(l Line) {
	if !p.Wants(l.At) {
		return
	}
	heap.Push(&p.lines, l)
	p.bytes += sizeOf(&l)
	for len(p.lines.items) > p.keep || p.bytes > maxPageBytes && len(p.lines.items) > p.search.After.Skip+2 {
		out := heap.Pop(&p.lines).(Line)
		p.bytes -= sizeOf(&out)
		p.evicted = true
		p.keep = min(p.keep, max(len(p.lines.items), p.search.After.Skip+2))
	}
}

// Full reports whether lines that are further away than all those added cannot change the page.
func (p *Pager) Full() bool { return len(p.lines.items) >= p.keep }

// Filled returns how much of what it takes to be full it holds, from 0 to 1.
func (p *Pager) Filled() float64 { return min(1, float64(len(p.lines.items))/float64(p.keep)) }

// Page returns the page.
func (p *Pager) Page() LogPage {
	lines := slices.Clone(p.lines.items)
	slices.SortFunc(lines, p.lines.compare)
	given := 0
	for given < len(lines) && given < p.search.After.Skip && lines[given].At.Equal(p.search.After.At) {
		given++
	}
	lines = lines[given:]
	more := p.evicted
	if len(lines) > p.search.Limit {
		lines, more = lines[:p.search.Limit], true
	}
	page := LogPage{Lines: lines}
	if more && len(lines) > 0 {
		page.Next = p.search.cursor(p.end(lines, given))
	}
	return page
}

// end returns the position after the last of lines, given of whose time were on earlier pages.
func (p *Pager) end(lines []Line, given int) Position {
	last := lines[len(lines)-1].At
	position := Position{At: last}
	for i := len(lines) - 1; i >= 0 && lines[i].At.Equal(last); i-- {
		position.Skip++
	}
	if last.Equal(p.search.After.At) {
		position.Skip += given
	}
	return position
}

func sizeOf(l *Line) int {
	n := 256 + len(l.Message) + len(l.Raw)
	for k, v := range l.Fields {
		n += len(k) + len(v) + 32
	}
	return n
}

// lineHeap keeps the line that leaves the page first on top.
type lineHeap struct {
	items    []Line
	backward bool
}

func (h *lineHeap) compare(a, b Line) int {
	if h.backward {
		return Compare(b, a)
	}
	return Compare(a, b)
}

func (h *lineHeap) Len() int           { return len(h.items) }
func (h *lineHeap) Less(i, j int) bool { return h.compare(h.items[i], h.items[j]) > 0 }
func (h *lineHeap) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *lineHeap) Push(x any)         { h.items = append(h.items, x.(Line)) }
func (h *lineHeap) Pop() any {
	last := len(h.items) - 1
	out := h.items[last]
	h.items[last] = Line{}
	h.items = h.items[:last]
	return out
}

package traces

import (
	"container/list"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// What a trace and a span take besides their texts, so that many small ones count too.
const (
	traceOverhead = 512
	spanOverhead  = 96
)

// maxPaces bounds the services of a project whose times are known apart.
const maxPaces = 1000

// shelf is the traces of one project. It is guarded by Store.mu.
type shelf struct {
	traces map[[traceIDSize]byte]*trace
	// plain holds the traces in which nothing failed and nothing was slow, kept the others; the one that had no span for
	// the longest time comes first.
	plain, kept           *list.List
	plainBytes, keptBytes int64
	paces                 map[string]*pace
}

func newShelf() *shelf {
	return &shelf{traces: map[[traceIDSize]byte]*trace{}, plain: list.New(), kept: list.New(), paces: map[string]*pace{}}
}

func (h *shelf) bytes() int64 { return h.plainBytes + h.keptBytes }

// trace is the spans of one trace.
type trace struct {
	id      [traceIDSize]byte
	spans   []record
	bytes   int64
	seen    time.Time // when the last span of it came
	failed  int
	kept    bool // it is in shelf.kept
	dropped int  // spans that came when it was full
	place   *list.Element
}

// record is a span, with what queries look at first beside its text.
type record struct {
	at     int64 // nanoseconds
	took   int64
	failed bool
	text   string
}

func (r *record) id() string { return r.text[traceIDSize : traceIDSize+spanIDSize] }

// add puts a span on the shelf and reports whether it is new there. Nothing of it is copied.
func (h *shelf) add(s *observability.Span, text string, now time.Time, limit int) bool {
	id := [traceIDSize]byte([]byte(text[:traceIDSize]))
	t := h.traces[id]
	if t == nil {
		t = &trace{id: id, bytes: traceOverhead}
		t.place = h.plain.PushBack(t)
		h.traces[id] = t
		h.plainBytes += t.bytes
	}
	r := record{at: s.At.UnixNano(), took: int64(s.Took), failed: s.Failed, text: text}
	if slices.ContainsFunc(t.spans, func(other record) bool { return other.id() == r.id() }) {
		return false
	}
	t.seen = now
	h.queue(t).MoveToBack(t.place)
	slow := h.slow(s)
	if len(t.spans) >= limit {
		t.dropped++
		return false
	}
	size := int64(len(text) + spanOverhead)
	t.spans = append(t.spans, r)
	t.bytes += size
	if t.kept {
		h.keptBytes += size
	} else {
		h.plainBytes += size
	}
	if s.Failed {
		t.failed++
	}
	if (s.Failed || slow) && !t.kept {
		h.keep(t)
	}
	return true
}

func (h *shelf) queue(t *trace) *list.List {
	if t.kept {
		return h.kept
	}
	return h.plain
}

// keep moves a trace to those that stay longer.
func (h *shelf) keep(t *trace) {
	h.plain.Remove(t.place)
	h.plainBytes -= t.bytes
	t.kept, t.place = true, h.kept.PushBack(t)
	h.keptBytes += t.bytes
}

// slow counts what a service answered, and reports whether it took it longer than it takes nearly always.
func (h *shelf) slow(s *observability.Span) bool {
	if s.Kind != observability.SpanServer && s.Kind != observability.SpanConsumer && s.ParentID != "" {
		return false
	}
	key := s.Environment + "/" + s.Service
	if h.paces[key] == nil {
		if len(h.paces) >= maxPaces {
			key = ""
		}
		if h.paces[key] == nil {
			h.paces[key] = &pace{}
		}
	}
	return h.paces[key].add(s.Took.D())
}

func (h *shelf) drop(t *trace) {
	h.queue(t).Remove(t.place)
	if t.kept {
		h.keptBytes -= t.bytes
	} else {
		h.plainBytes -= t.bytes
	}
	delete(h.traces, t.id)
}

// evict drops the trace that is missed least: the oldest plain one while these take more than a quarter of the room, else
// the oldest of the others.
func (h *shelf) evict() *trace {
	from := h.kept
	if h.plain.Len() > 0 && (h.plainBytes*4 > h.bytes() || h.kept.Len() == 0) {
		from = h.plain
	}
	t := from.Front().Value.(*trace)
	h.drop(t)
	return t
}

// expire drops the traces that had no span since then, and returns how many spans that were.
func (h *shelf) expire(since time.Time) (spans int) {
	for _, queue := range []*list.List{h.plain, h.kept} {
		for front := queue.Front(); front != nil; front = queue.Front() {
			t := front.Value.(*trace)
			if !t.seen.Before(since) {
				break
			}
			spans += len(t.spans)
			h.drop(t)
		}
	}
	return spans
}

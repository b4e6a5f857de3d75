package observability

import (
	"sync"
	"sync/atomic"
	"time"
)

// Hub fans lines out to readers in the same process as they arrive, before they are stored. A slow reader loses lines,
// counted, and never holds up the others or the collection.
type Hub struct {
	count atomic.Int64
	mu    sync.RWMutex // guards the field below
	subs  map[*Subscription]struct{}
}

// NewHub returns a hub without readers.
func NewHub() *Hub { return &Hub{subs: make(map[*Subscription]struct{})} }

// Subscription is one reader of a hub.
type Subscription struct {
	hub     *Hub
	search  Search
	lines   chan Line
	dropped atomic.Uint64
	once    sync.Once
}

// Subscribe returns a reader of the lines that pass the filters of q from now on; its range, limit, direction and
// cursor play no part. buffer is how many lines may wait; 0 means 1024. The caller closes the subscription. A query
// that no store would take is refused with the same invalid error.
func (h *Hub) Subscribe(q LogQuery, buffer int) (*Subscription, error) {
	q.Cursor, q.Limit, q.From, q.To = "", 0, time.Time{}, time.Time{}
	search, err := q.Prepare(time.Time{})
	if err != nil {
		return nil, err
	}
	if buffer <= 0 {
		buffer = 1024
	}
	s := &Subscription{hub: h, search: search, lines: make(chan Line, buffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[s] = struct{}{}
	h.count.Store(int64(len(h.subs)))
	return s, nil
}

// Publish hands lines to every reader that wants them and has room. It never blocks.
func (h *Hub) Publish(lines []Line) {
	if h == nil || h.count.Load() == 0 {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.subs {
		for i := range lines {
			if s.search.MatchLive(&lines[i]) {
				s.offer(lines[i])
			}
		}
	}
}

func (s *Subscription) offer(l Line) {
	select {
	case s.lines <- l:
	default:
		s.dropped.Add(1)
	}
}

// Lines returns the channel of lines; it is closed by Close.
func (s *Subscription) Lines() <-chan Line { return s.lines }

// Dropped returns how many lines the reader lost because it was too slow.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.once.Do(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		delete(s.hub.subs, s)
		s.hub.count.Store(int64(len(s.hub.subs)))
		close(s.lines)
	})
}

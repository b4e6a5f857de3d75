package docker

import (
	"time"

	"github.com/fairlead/fairlead/platform/runtime"
)

// window remembers the newest frames of a container that were delivered, so that none is delivered twice: a stream that
// broke is resumed a little before its end, and an engine that rotates a log file under a reader sends the beginning
// of the new file again (20.10 does: 4 % of the lines of a flood). What the window has let go of may come twice, but
// nothing is ever held back for being old: a host's clock may step back.
type window struct {
	delivered int64
	seen      map[frameKey]struct{}
	ring      []frameKey   // the keys of seen, in order of delivery; full, it is overwritten from oldest on
	oldest    int          // where in a full ring
	last      [2]lastFrame // of each stream
}

// frameKey tells a frame from all others of its container. The engine stamps the lines of one stream to the nanosecond,
// one after the other; only the pieces of one long line share a stamp. There are many keys, so they are small and hold no
// pointer.
type frameKey struct {
	nanos  int64
	piece  int32
	stream uint8
}

// streamIndex tells the two streams apart.
func streamIndex(name string) uint8 {
	if name == "stderr" {
		return 1
	}
	return 0
}

type lastFrame struct {
	key     frameKey
	partial bool
}

// Bounds of what is remembered, and of how far back a stream is resumed: overlap before the earliest of so many frames.
const (
	maxRemembered = 1 << 16
	maxResumed    = 1 << 12
	overlap       = 250 * time.Millisecond
)

// begin starts a stream.
func (w *window) begin() {
	if w.seen == nil {
		w.seen = map[frameKey]struct{}{}
	}
	w.last = [2]lastFrame{}
}

// isNew reports whether the frame was not delivered yet, and remembers it.
func (w *window) isNew(frame runtime.LogFrame) bool {
	stream := streamIndex(frame.Stream)
	key := frameKey{nanos: frame.At.UnixNano(), stream: stream}
	if last := w.last[stream]; last.partial && last.key.nanos == key.nanos {
		key.piece = last.key.piece + 1
	}
	w.last[stream] = lastFrame{key: key, partial: frame.Partial}
	if _, ok := w.seen[key]; ok {
		return false
	}
	w.remember(key)
	w.delivered++
	return true
}

func (w *window) remember(key frameKey) {
	w.seen[key] = struct{}{}
	if len(w.ring) < maxRemembered {
		w.ring = append(w.ring, key)
		return
	}
	delete(w.seen, w.ring[w.oldest])
	w.ring[w.oldest] = key
	w.oldest = (w.oldest + 1) % maxRemembered
}

// resumeAt is where the next stream begins: since, for the first; else a little before the newest frames. Stamps need not
// ascend: messages of stdout and stderr are stamped before they are written.
func (w *window) resumeAt(since time.Time) time.Time {
	n := len(w.ring)
	if n == 0 {
		return since
	}
	earliest := int64(0)
	for i := range min(n, maxResumed) {
		// From the newest back; oldest is 0 until the ring is full.
		nanos := w.ring[(w.oldest+n-1-i)%n].nanos
		if i == 0 || nanos < earliest {
			earliest = nanos
		}
	}
	from := time.Unix(0, earliest).UTC().Add(-overlap)
	if n == maxRemembered {
		// Of a flood, overlap may be more than is remembered: what lies before that was delivered long ago.
		from = later(from, time.Unix(0, w.ring[w.oldest].nanos).UTC())
	}
	return later(from, since)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

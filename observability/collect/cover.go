package collect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// place is where a frame lies in a stream: the engine's time, and the number among the frames of that time.
type place struct {
	at     time.Time
	number uint64
}

func (p place) before(other place) bool {
	if p.at.Equal(other.at) {
		// The zero place is before every frame, the first one of a time included.
		return p.number < other.number || p.at.IsZero()
	}
	return p.at.Before(other.at)
}

// cover is what the store holds of one stream: stretches of frames, sorted by where they begin.
type cover []stretch

type stretch struct{ from, to place }

// holds reports whether the frame at p is in a stored record.
func (c cover) holds(p place) bool {
	after, _ := slices.BinarySearchFunc(c, p, func(s stretch, p place) int {
		if p.before(s.from) {
			return 1
		}
		return -1
	})
	return after > 0 && !c[after-1].to.before(p)
}

// ledger knows what was appended without asking a store that may be away: *spool.Spool does.
type ledger interface {
	// Appended returns where each stream of an instance ends, and since when that is known.
	Appended(instance, source string) (ends map[string]observability.End, since time.Time)
}

// appendedParts returns what was appended of a container by stream, known false when the ledger does not reach back far
// enough. What is before the cursor was appended, and so was every part before the end of its stream: a stream is appended
// in order. What is not in the ledger was appended before it began, which is before the container was made, or before what
// is not before the cursor was said.
func appendedParts(book ledger, base observability.Line, since, created time.Time) (stored map[string]cover, known bool) {
	if base.Instance == "" {
		return nil, false
	}
	ends, from := book.Appended(base.Instance, base.Source)
	if first := cmp.Or(since, created); first.Before(from) {
		return nil, false
	}
	out := map[string]cover{}
	for _, stream := range []string{"stdout", "stderr"} {
		to := place{at: ends[stream].At, number: ends[stream].Seq}
		if before := (place{at: since.Add(-1), number: math.MaxUint64}); !since.IsZero() && to.before(before) {
			to = before
		}
		if !to.at.IsZero() {
			out[stream] = cover{{to: to}}
		}
	}
	return out, true
}

// storedParts returns what the store holds of a container from since on, by stream.
func storedParts(ctx context.Context, logs observability.Logs, base observability.Line, since time.Time) (map[string]cover, error) {
	q := observability.LogQuery{
		Project: base.Project, Instance: base.Instance, Source: base.Source, Limit: observability.MaxLogLimit,
		To: time.Now().Add(time.Hour),
	}
	if !since.IsZero() {
		q.From = since.Add(-disorder - longestTrace)
	}
	out := map[string]cover{}
	for {
		page, err := logs.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("query stored lines: %w", err)
		}
		for i := range page.Lines {
			l := &page.Lines[i]
			endAt, endSeq := l.End()
			out[l.Stream] = append(out[l.Stream], stretch{from: place{l.At, l.Seq}, to: place{endAt, endSeq}})
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	for _, c := range out {
		slices.SortStableFunc(c, func(a, b stretch) int {
			if a.from.before(b.from) {
				return -1
			}
			if b.from.before(a.from) {
				return 1
			}
			return 0
		})
	}
	return out, nil
}

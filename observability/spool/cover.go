package spool

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// What may have been sent before is compared with what the target has, line by line: after a crash the batches that a
// run before handed over, and in this run a batch whose sending failed midway.

// clusterGap is how far apart the times of lines of one origin may lie to be asked for in one query.
const clusterGap = time.Minute

var identitySeed = maphash.MakeSeed()

// identity is what makes a line itself, wherever it is kept. Fields, raw text and level follow from the rest.
func identity(l *observability.Line) uint64 {
	var h maphash.Hash
	h.SetSeed(identitySeed)
	for _, text := range []string{l.Project, l.Environment, l.Service, l.Deploy, l.Instance, l.Source, l.Stream, l.Message} {
		maphash.WriteComparable(&h, text)
	}
	maphash.WriteComparable(&h, [3]int64{l.At.Unix(), int64(l.At.Nanosecond()), int64(l.Release)})
	maphash.WriteComparable(&h, l.Seq)
	return h.Sum64()
}

// origin is where lines come from, as a query can name it.
type origin struct{ project, source, instance, deploy string }

// reindexer is a target that a crash may leave with lines that its queries do not find, until it is told of their like.
type reindexer interface {
	Reindex(ctx context.Context, lines []observability.Line) error
}

// missing returns which of the lines the target does not have, in order. It waits until the target must show them.
func (s *Spool) missing(ctx context.Context, lines []observability.Line) ([]observability.Line, error) {
	s.mu.Lock()
	since := s.failed
	s.mu.Unlock()
	sleep(ctx, time.Until(since.Add(s.visible)))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if target, ok := s.options.Target.(reindexer); ok {
		if err := target.Reindex(ctx, lines); err != nil {
			return nil, fmt.Errorf("name the streams of spooled lines again: %w", err)
		}
	}
	byOrigin := map[origin][]time.Time{}
	for i := range lines {
		l := &lines[i]
		from := origin{l.Project, l.Source, l.Instance, l.Deploy}
		byOrigin[from] = append(byOrigin[from], l.At)
	}
	stored := map[uint64]int{}
	for from, times := range byOrigin {
		slices.SortFunc(times, time.Time.Compare)
		for len(times) > 0 {
			n := 1
			for n < len(times) && times[n].Sub(times[n-1]) < clusterGap {
				n++
			}
			if err := s.countStored(ctx, from, times[0], times[n-1], stored); err != nil {
				return nil, err
			}
			times = times[n:]
		}
	}
	out := make([]observability.Line, 0, len(lines))
	for i := range lines {
		if id := identity(&lines[i]); stored[id] > 0 {
			stored[id]--
		} else {
			out = append(out, lines[i])
		}
	}
	return out, nil
}

// countStored counts the lines that the target has of an origin, both times included.
func (s *Spool) countStored(ctx context.Context, from origin, first, last time.Time, into map[uint64]int) error {
	q := observability.LogQuery{
		Project: from.project, Source: from.source, Instance: from.instance, Deploy: from.deploy,
		From: first, To: last.Add(time.Nanosecond), Limit: observability.MaxLogLimit,
	}
	for {
		page, err := s.store.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("compare spooled lines with stored ones: %w", err)
		}
		for i := range page.Lines {
			into[identity(&page.Lines[i])]++
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

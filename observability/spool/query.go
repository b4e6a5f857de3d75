package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Query returns one page of what the target shows and what waits, as one. While the target does not answer, it returns
// the page of what waits together with an *observability.IncompleteError. A spool whose target cannot be queried answers
// with what waits.
func (s *Spool) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	search, err := q.Prepare(time.Now())
	if err != nil {
		return observability.LogPage{}, err
	}
	hidden, err := s.hidden(&search, (*Spool).unseenLocked)
	if err != nil {
		return observability.LogPage{}, err
	}
	defer hidden.close()
	if len(hidden.parts) == 0 && s.store != nil {
		page, err := s.store.Query(ctx, q)
		if platform.CodeOf(err) == platform.CodeUnavailable && ctx.Err() == nil { // a query that took too long says so itself
			err = onlyWaiting(err, 0)
		}
		return page, err
	}
	pager := observability.NewPager(&search)
	shown, failed := map[uint64]int{}, error(nil)
	if s.store != nil {
		failed = s.shown(ctx, &search, func(l observability.Line) {
			shown[identity(&l)]++
			pager.Add(l)
		})
	}
	if code := platform.CodeOf(failed); failed != nil && code != platform.CodeUnavailable && code != platform.CodeInternal {
		return observability.LogPage{}, failed
	}
	if err := hidden.each(ctx, &search, pager.Wants, func(l *observability.Line) {
		if id := identity(l); shown[id] > 0 {
			shown[id]-- // the target took it meanwhile
		} else {
			pager.Add(clone(l))
		}
	}); err != nil {
		return observability.LogPage{}, err
	}
	page := pager.Page()
	if failed != nil {
		failed = onlyWaiting(failed, len(page.Lines))
	}
	return page, failed
}

// Count adds what waits to what the target counts, once the target shows what it was given before the call, for which it
// waits for at most countWait: a target that shows lines later counts them later. While the target does not answer, the
// counts of what waits come together with an error, as with Query.
func (s *Spool) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	search, err := q.PrepareCount(time.Now(), step)
	if err != nil {
		return nil, err
	}
	if s.store != nil {
		s.awaitShown(ctx)
	}
	waiting, err := s.hidden(&search, (*Spool).unsentLocked)
	if err != nil {
		return nil, err
	}
	defer waiting.close()
	tally := observability.NewTally(step)
	failed := error(nil)
	if s.store != nil {
		var stored []observability.LogCount
		stored, failed = s.store.Count(ctx, q, step)
		for _, c := range stored {
			tally.Add(c.At, c.Level, c.Lines)
		}
	}
	if code := platform.CodeOf(failed); failed != nil && code != platform.CodeUnavailable && code != platform.CodeInternal {
		return nil, failed
	}
	any := func(time.Time) bool { return true }
	if err := waiting.each(ctx, &search, any, func(l *observability.Line) { tally.Add(l.At, observability.Level(strings.Clone(string(l.Level))), 1) }); err != nil {
		return nil, err
	}
	counts := tally.Counts()
	if failed != nil {
		failed = onlyWaiting(failed, len(counts))
	}
	return counts, failed
}

const (
	countWait = 250 * time.Millisecond
	countLook = 2 * time.Millisecond
)

// awaitShown returns when the target shows every line that was there at the call, takes none, or countWait is over.
func (s *Spool) awaitShown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countWait)
	defer cancel()
	s.mu.Lock()
	end := s.next
	s.mu.Unlock()
	tick := time.NewTicker(countLook)
	defer tick.Stop()
	for {
		s.mu.Lock()
		done := s.unseenLocked() >= end || s.blocked != nil || s.closed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// onlyWaiting is the error beside what waits, of which there is so much, while the store does not answer.
func onlyWaiting(failed error, known int) error {
	why := failed.Error()
	var said *platform.Error
	if errors.As(failed, &said) {
		why = said.Message
	}
	text := "The log store does not answer, and these are only the lines that wait for it"
	if known == 0 {
		text = "The log store does not answer, and no line that waits for it matches"
	}
	return &observability.IncompleteError{Err: platform.Errorf(platform.CodeUnavailable, "%s: %s.", text, strings.TrimSuffix(why, ".")).
		WithHint("Try again when the log store is back; no line is lost meanwhile.")}
}

// shown yields what the target has for the page of the search: the lines that earlier pages gave of the time where
// they ended, which the pager passes over itself, and one more than the page holds.
func (s *Spool) shown(ctx context.Context, search *observability.Search, yield func(observability.Line)) error {
	q := search.LogQuery
	q.Cursor = ""
	if after := search.After.At; !after.IsZero() && search.Backward {
		if end := after.Add(time.Nanosecond); end.Before(q.To) {
			q.To = end
		}
	} else if after.After(q.From) {
		q.From = after
	}
	if !q.From.IsZero() && !q.From.Before(q.To) {
		return nil
	}
	for need := search.After.Skip + search.Limit + 1; need > 0; {
		q.Limit = min(need, observability.MaxLogLimit)
		page, err := s.store.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range page.Lines {
			yield(l)
		}
		if need -= len(page.Lines); page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
	return nil
}

// hidden is what of the spool the target may not show, as it was at one moment.
type hidden struct {
	from  uint64 // seq
	parts []hiddenPart
}

type hiddenPart struct {
	file     *os.File
	offset   int64
	size     int64
	from, to time.Time
}

func (h *hidden) close() {
	for _, part := range h.parts {
		_ = part.file.Close()
	}
}

// unseenLocked is the first line that the target may not show.
func (s *Spool) unseenLocked() uint64 {
	from, now := s.seen, time.Now()
	for _, m := range s.history {
		if now.Sub(m.when) >= s.visible {
			from = m.seq
		}
	}
	return from
}

// unsentLocked is the first line that the target cannot have.
func (s *Spool) unsentLocked() uint64 { return max(s.taken, s.handed, s.compare) }

// hidden opens the segments that may hold lines of the search from a line on, nearest first.
func (s *Spool) hidden(search *observability.Search, fromLocked func(*Spool) uint64) (*hidden, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed()
	}
	h := &hidden{from: fromLocked(s)}
	for _, segment := range s.segments {
		if segment.end <= h.from || segment.lines() == 0 || !segment.from.Before(search.To) ||
			!search.From.IsZero() && segment.to.Before(search.From) {
			continue
		}
		file, err := os.Open(s.path(segmentName(segment.number)))
		if err != nil {
			h.close()
			return nil, fmt.Errorf("read the log spool: %w", err)
		}
		h.parts = append(h.parts, hiddenPart{file, segment.offset(h.from), segment.size, segment.from, segment.to})
	}
	if search.Backward {
		slices.Reverse(h.parts)
	}
	return h, nil
}

// each yields the lines that the search asks for. wants says whether a line of a time could still matter. The line is
// valid during the call only.
func (h *hidden) each(ctx context.Context, search *observability.Search, wants func(time.Time) bool, yield func(*observability.Line)) error {
	for _, part := range h.parts {
		if nearest, any := part.nearest(search); !any || !wants(nearest) {
			continue
		}
		err := framesOf(part.file, part.offset, part.size)(func(f storedFrame) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f.each(func(seq uint64, l *observability.Line) bool {
				if seq >= h.from && wants(l.At) && search.Match(l) {
					yield(l)
				}
				return true
			})
		})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read the log spool: %w", err)
		}
		if err != nil {
			return platform.Errorf(platform.CodeUnavailable, "The log query was ended before it was done: %s.", context.Cause(ctx)).
				WithHint("Ask for a shorter range or fewer filters on free text.")
		}
	}
	return nil
}

// nearest returns the time in the part that a reader who is where the search is comes to first, if there is one.
func (p *hiddenPart) nearest(search *observability.Search) (time.Time, bool) {
	after := search.After.At
	switch {
	case search.Backward && !after.IsZero() && after.Before(p.to):
		return after, !after.Before(p.from)
	case search.Backward:
		return p.to, true
	case after.After(p.from):
		return after, !after.After(p.to)
	default:
		return p.from, true
	}
}

// clone returns the line with strings of its own: those of a line that was read are parts of a whole frame.
func clone(l *observability.Line) observability.Line {
	out := *l
	for _, text := range []*string{&out.Project, &out.Environment, &out.Service, &out.Deploy, &out.Instance, &out.Source, &out.Stream, &out.Message, &out.Raw} {
		*text = strings.Clone(*text)
	}
	if l.Fields != nil {
		out.Fields = make(map[string]string, len(l.Fields))
		for name, value := range l.Fields {
			out.Fields[strings.Clone(name)] = strings.Clone(value)
		}
	}
	return out
}

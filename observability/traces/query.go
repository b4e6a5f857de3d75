package traces

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// Each yields every span that the query chooses. Appends go on meanwhile.
func (s *Store) Each(ctx context.Context, q observability.SpanQuery, yield func(*observability.Span) bool) error {
	q, err := q.Prepare()
	if err != nil {
		return err
	}
	texts, err := s.candidates(q)
	if err != nil {
		return err
	}
	for i, text := range texts {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		d := decoder{text: text}
		if head := d.head(); !q.Match(&head) {
			continue
		}
		span, err := decode(text)
		if err != nil {
			return err
		}
		if !yield(&span) {
			return nil
		}
	}
	return nil
}

// candidates returns the texts of the spans that may match: what is told without reading them is checked.
func (s *Store) candidates(q observability.SpanQuery) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, closedError()
	}
	h := s.shelves[q.Project]
	if h == nil {
		return nil, nil
	}
	var texts []string
	from, to := bounds(q.From, q.To)
	pick := func(t *trace) {
		for i := range t.spans {
			r := &t.spans[i]
			if r.at >= from && r.at < to && r.took >= int64(q.MinTook) && (!q.Failed || r.failed) {
				texts = append(texts, r.text)
			}
		}
	}
	if q.TraceID != "" {
		if t := h.traces[traceKey(q.TraceID)]; t != nil {
			pick(t)
		}
		return texts, nil
	}
	for _, t := range h.traces {
		if !q.Failed || t.failed > 0 {
			pick(t)
		}
	}
	return texts, nil
}

func bounds(from, to time.Time) (int64, int64) {
	first, end := int64(-1<<63), int64(1<<63-1)
	if !from.IsZero() {
		first = from.UnixNano()
	}
	if !to.IsZero() {
		end = to.UnixNano()
	}
	return first, end
}

func traceKey(id string) (key [traceIDSize]byte) {
	putID(key[:], id)
	return key
}

// Query returns the earliest spans that the query chooses, or the longest.
func (s *Store) Query(ctx context.Context, q observability.SpanQuery) (observability.SpanPage, error) {
	q, err := q.Prepare()
	if err != nil {
		return observability.SpanPage{}, err
	}
	order := func(a, b observability.Span) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.TraceID, b.TraceID), cmp.Compare(a.SpanID, b.SpanID))
	}
	if q.Slowest {
		order = func(a, b observability.Span) int {
			return cmp.Or(cmp.Compare(b.Took, a.Took), a.At.Compare(b.At), cmp.Compare(a.SpanID, b.SpanID))
		}
	}
	page := observability.SpanPage{Spans: []observability.Span{}}
	err = s.Each(ctx, q, func(span *observability.Span) bool {
		page.Spans = append(page.Spans, *span)
		if len(page.Spans) >= 2*q.Limit+64 {
			slices.SortFunc(page.Spans, order)
			page.Spans, page.More = page.Spans[:q.Limit], true
		}
		return true
	})
	slices.SortFunc(page.Spans, order)
	if len(page.Spans) > q.Limit {
		page.Spans, page.More = page.Spans[:q.Limit], true
	}
	return page, err
}

// Traces returns one page of traces, the newest first.
func (s *Store) Traces(ctx context.Context, q observability.TraceQuery) (observability.TracePage, error) {
	q, after, err := q.Prepare()
	if err != nil {
		return observability.TracePage{}, err
	}
	found, err := s.matching(ctx, q, after)
	if err != nil {
		return observability.TracePage{}, err
	}
	page := observability.TracePage{Traces: []observability.Trace{}}
	for _, t := range found {
		if summary := summarise(t.spans, t.dropped); q.Environment == "" && q.Service == "" || chosen(t.spans, q) {
			page.Traces = append(page.Traces, summary)
		}
		if len(page.Traces) > q.Limit {
			page.Traces = page.Traces[:q.Limit]
			last := page.Traces[q.Limit-1]
			page.Next = observability.TracePosition{At: last.At, TraceID: last.TraceID}.Cursor()
			break
		}
	}
	return page, nil
}

// candidate is a trace that may be on a page, with the spans that it had when it was looked at.
type candidate struct {
	observability.TracePosition
	spans   []record
	dropped int
}

// matching returns the traces that the query chooses, as far as this is told without reading their spans, in order.
func (s *Store) matching(ctx context.Context, q observability.TraceQuery, after observability.TracePosition) ([]candidate, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, closedError()
	}
	var found []candidate
	if h := s.shelves[q.Project]; h != nil {
		from, to := bounds(q.From, q.To)
		for id, t := range h.traces {
			first, end := t.extent()
			if q.Failed && t.failed == 0 || first < from || first >= to || end-first < int64(q.MinTook) || len(t.spans) == 0 {
				continue
			}
			p := observability.TracePosition{At: time.Unix(0, first).UTC(), TraceID: hex.EncodeToString(id[:])}
			if !after.At.IsZero() && !after.Before(p) {
				continue
			}
			found = append(found, candidate{p, t.spans[:len(t.spans):len(t.spans)], t.dropped})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.TraceID, b.TraceID))
	})
	return found, ctx.Err()
}

// extent is when the first span began and the last one ended.
func (t *trace) extent() (first, end int64) {
	for i := range t.spans {
		r := &t.spans[i]
		if i == 0 || r.at < first {
			first = r.at
		}
		end = max(end, r.at+r.took)
	}
	return first, end
}

// chosen reports whether a span of the trace is of the query's environment and service.
func chosen(spans []record, q observability.TraceQuery) bool {
	for i := range spans {
		d := decoder{text: spans[i].text}
		if s := d.head(); (q.Environment == "" || s.Environment == q.Environment) && (q.Service == "" || s.Service == q.Service) {
			return true
		}
	}
	return false
}

// summarise tells of a trace by its spans.
func summarise(spans []record, dropped int) observability.Trace {
	heads := make([]observability.Span, len(spans))
	for i := range spans {
		d := decoder{text: spans[i].text}
		heads[i] = d.head()
	}
	out := observability.TraceOf(heads)
	out.Dropped = dropped
	return out
}

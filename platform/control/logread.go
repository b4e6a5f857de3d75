package control

import (
	"cmp"
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

const (
	// rangeDefault is how far back counts and patterns reach when no beginning is named.
	rangeDefault = time.Hour
	// histogramSteps is about how many steps a histogram has when no step is named.
	histogramSteps = 60
	// exportPage is how many lines of an export are in memory at once.
	exportPage = 2000
	// contextPages bounds the search for the neighbours of a line among lines of its very time.
	contextPages = 20
)

// CountLogs counts the lines of a project for each step and level. A step of 0 means one that makes about sixty; a range
// without a beginning is the last hour.
func (p *Plane) CountLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, step time.Duration) (observability.LogHistogram, error) {
	if _, err := p.mayReadLogs(ctx, actor, &q); err != nil {
		return observability.LogHistogram{}, err
	}
	p.closeRange(&q, rangeDefault)
	if step == 0 {
		step = niceStep(q.To.Sub(q.From) / histogramSteps)
	}
	counts, err := p.o.Logs.Count(ctx, q, step)
	why, partly := observability.Incomplete(err)
	if err != nil && (!partly || len(counts) == 0) {
		return observability.LogHistogram{}, err
	}
	h := observability.LogHistogram{From: q.From.UTC(), To: q.To.UTC(), Step: platform.Duration(step), Counts: counts, Incomplete: why}
	for _, c := range counts {
		h.Lines += c.Lines
	}
	return h, nil
}

// closeRange fills in what a range leaves open, so that every call about it means the same lines.
func (p *Plane) closeRange(q *observability.LogQuery, back time.Duration) {
	if q.To.IsZero() {
		q.To = p.now()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-back)
	}
}

// niceStep returns the shortest step that clocks know and that is no shorter than about.
func niceStep(about time.Duration) time.Duration {
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if step >= about {
			return step
		}
	}
	const day = 24 * time.Hour
	return max(day, (about+day-1)/day*day)
}

// ExportLogs yields every line of the query in its direction, page by page, so that memory does not grow with their
// number. A range without an end is read to the present. It ends early with the error of yield. While the log store is away
// it yields what waits for it, and ends with the store's error.
func (p *Plane) ExportLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error {
	redact, err := p.mayReadLogs(ctx, actor, &q)
	if err != nil {
		return err
	}
	if q.To.IsZero() {
		q.To = p.now()
	}
	q.Limit = exportPage
	var incomplete error
	for {
		page, err := p.o.Logs.Query(ctx, q)
		if _, partly := observability.Incomplete(err); err != nil && !partly {
			return err
		}
		if incomplete == nil {
			incomplete = err
		}
		for i := range page.Lines {
			redact(&page.Lines[i])
			if err := yield(page.Lines[i]); err != nil {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return incomplete
		}
	}
}

// LogsAround returns the line at a place and up to n lines on each side of it in the stream of the same instance (or of
// the same build), whatever the filters of q say of those. The filters choose the line where several have its time.
func (p *Plane) LogsAround(ctx context.Context, actor platform.Actor, q observability.LogQuery, place observability.Place, n int) (observability.LogContext, error) {
	redact, err := p.mayReadLogs(ctx, actor, &q)
	if err != nil {
		return observability.LogContext{}, err
	}
	if n < 0 || n > observability.MaxLogContext {
		return observability.LogContext{}, platform.Errorf(platform.CodeInvalid, "%d lines of context are out of range.", n).
			WithHint("Ask for 0 to %d lines on each side.", observability.MaxLogContext).WithField("context")
	}
	line, err := p.lineAt(ctx, q, place)
	if err != nil {
		return observability.LogContext{}, err
	}
	out := observability.LogContext{Line: line}
	if out.Before, err = p.neighbours(ctx, &out, n, true); err != nil {
		return out, err
	}
	if out.After, err = p.neighbours(ctx, &out, n, false); err != nil {
		return out, err
	}
	redact(&out.Line)
	for _, side := range [][]observability.Line{out.Before, out.After} {
		for i := range side {
			redact(&side[i])
		}
	}
	return out, nil
}

// lineAt finds the one line that a place names.
func (p *Plane) lineAt(ctx context.Context, q observability.LogQuery, place observability.Place) (observability.Line, error) {
	if place.Cursor != "" {
		q.Cursor, q.Limit = place.Cursor, 1
	} else {
		q.Cursor, q.From, q.To, q.Limit = "", place.At, place.At.Add(1), observability.MaxLogLimit
	}
	page, err := p.queryLogs(ctx, q)
	if err != nil {
		return observability.Line{}, err
	}
	var found []observability.Line
	for _, l := range page.Lines {
		other := len(found) > 0 && l.Instance == found[0].Instance && l.Deploy == found[0].Deploy && l.Source == found[0].Source && l.Seq == found[0].Seq
		if (!place.HasSeq || l.Seq == place.Seq) && !other {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 0:
		return observability.Line{}, platform.Errorf(platform.CodeNotFound, "There is no line at %s that passes the filters.", platform.Truncate(place.String(), 80)).
			WithHint("Take at and seq from a line of a search, to the last digit, and leave out filters that do not fit it.").WithField("around")
	case len(found) > 1:
		return observability.Line{}, platform.Errorf(platform.CodeInvalid, "%d lines have the time %s.", len(found), place.String()).
			WithHint("Add the line's seq with a plus sign, for example %s, and name its instance.", observability.PlaceOf(found[0]).String()).WithField("around")
	}
	return found[0], nil
}

// neighbours returns up to n lines before or after the line of a context in its own stream, oldest first, and notes there
// what may be missing.
func (p *Plane) neighbours(ctx context.Context, of *observability.LogContext, n int, before bool) ([]observability.Line, error) {
	line, lines := of.Line, make([]observability.Line, 0, n)
	q := observability.LogQuery{
		Project: line.Project, Environment: line.Environment, Service: line.Service, Instance: line.Instance, Source: line.Source, Backward: before, Limit: n + 1,
	}
	if line.Instance == "" {
		q.Deploy = line.Deploy
	}
	direction := 1
	if q.From = line.At; before {
		q.From, q.To, direction = time.Time{}, line.At.Add(1), -1
	}
	for range contextPages {
		page, err := p.queryLogs(ctx, q)
		if err != nil {
			return nil, err
		}
		of.Incomplete = cmp.Or(of.Incomplete, page.Incomplete)
		for _, l := range page.Lines {
			if len(lines) < n && observability.Compare(l, line)*direction > 0 {
				lines = append(lines, l)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(lines) == n {
			break
		}
	}
	if before {
		for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
			lines[i], lines[j] = lines[j], lines[i]
		}
	}
	return lines, nil
}

package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// compareDefault is how far back a comparison of releases reaches when no beginning is named.
const compareDefault = 7 * 24 * time.Hour

// LogPatterns groups the lines of a query by template, or compares the templates of two releases or windows. It reads the
// newest lines up to the sample and says so where there are more.
func (p *Plane) LogPatterns(ctx context.Context, actor platform.Actor, q observability.PatternQuery) (observability.LogPatterns, error) {
	redact, err := p.mayReadLogs(ctx, actor, &q.LogQuery)
	if err != nil {
		return observability.LogPatterns{}, err
	}
	if err := q.Check(); err != nil {
		return observability.LogPatterns{}, err
	}
	q.Sample, q.Top = cmp.Or(q.Sample, observability.DefaultPatternSample), cmp.Or(q.Top, observability.DefaultPatterns)
	s := &sampler{plane: p, redact: redact, miner: patterns.New(patterns.Config{}), limit: q.Sample}
	if q.Compare.IsZero() {
		p.closeRange(&q.LogQuery, rangeDefault)
		return s.group(ctx, q)
	}
	return s.compare(ctx, q)
}

// sampler reads lines and takes their templates.
type sampler struct {
	plane  *Plane
	redact func(*observability.Line)
	miner  *patterns.Miner
	limit  int
	// incomplete says that a window holds only the lines that wait for the store.
	incomplete bool
}

// tally is what is known of the lines of one template in one window.
type tally struct {
	lines       int
	levels      map[observability.Level]int
	first, last time.Time
	example     string
}

// take reads the newest lines of a closed range. Templates may become one later: settle tells.
func (s *sampler) take(ctx context.Context, q observability.LogQuery) (observability.LogWindow, map[patterns.TemplateID]*tally, error) {
	w := observability.LogWindow{From: q.From.UTC(), To: q.To.UTC()}
	tallies := map[patterns.TemplateID]*tally{}
	q.Backward, q.Cursor = true, ""
	for int(w.Read) < s.limit {
		q.Limit = min(observability.MaxLogLimit, s.limit-int(w.Read))
		page, err := s.plane.queryLogs(ctx, q)
		if err != nil {
			return w, nil, err
		}
		if page.Incomplete != "" {
			s.incomplete, w.Truncated, w.Note = true, true, page.Incomplete
		}
		w.Read += int64(len(page.Lines))
		for i := range page.Lines {
			s.redact(&page.Lines[i])
			id := s.miner.Add(page.Lines[i].Message)
			tallies[id] = tallies[id].add(&page.Lines[i])
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	w.Lines = w.Read
	if q.Cursor == "" || s.incomplete {
		return w, tallies, nil
	}
	counts, err := s.plane.o.Logs.Count(ctx, q, niceStep(q.To.Sub(q.From)/histogramSteps))
	if err != nil {
		return w, nil, err
	}
	w.Lines = 0
	for _, c := range counts {
		w.Lines += c.Lines
	}
	w.Truncated = w.Lines > w.Read
	if w.Truncated {
		w.Note = fmt.Sprintf("The newest %d of %d lines were read. Raise sample (at most %d), shorten the range or narrow the query to read all of them.",
			w.Read, w.Lines, observability.MaxPatternSample)
	}
	return w, tallies, nil
}

func (t *tally) add(l *observability.Line) *tally {
	if t == nil {
		t = &tally{levels: map[observability.Level]int{}, first: l.At, last: l.At, example: l.Message}
	}
	t.lines++
	t.levels[l.Level]++
	t.span(l.At, l.At)
	return t
}

func (t *tally) span(first, last time.Time) {
	if first.Before(t.first) {
		t.first = first
	}
	if last.After(t.last) {
		t.last = last
	}
}

// settle joins the tallies of templates that became one.
func (s *sampler) settle(tallies map[patterns.TemplateID]*tally) map[patterns.TemplateID]*tally {
	out := make(map[patterns.TemplateID]*tally, len(tallies))
	ids := make([]patterns.TemplateID, 0, len(tallies))
	for id := range tallies {
		ids = append(ids, id)
	}
	slices.Sort(ids) // the example is always that of the same template
	for _, id := range ids {
		t, to := tallies[id], s.miner.Resolve(id)
		have := out[to]
		if have == nil {
			out[to] = t
			continue
		}
		have.lines += t.lines
		have.span(t.first, t.last)
		for level, n := range t.levels {
			have.levels[level] += n
		}
	}
	return out
}

// text is the template of an id; one that was dropped for want of room is shown by its example.
func (s *sampler) text(id patterns.TemplateID, t *tally) string {
	if found, ok := s.miner.Template(id); ok {
		return found.Text
	}
	return t.example
}

func (s *sampler) group(ctx context.Context, q observability.PatternQuery) (observability.LogPatterns, error) {
	window, tallies, err := s.take(ctx, q.LogQuery)
	if err != nil {
		return observability.LogPatterns{}, err
	}
	tallies = s.settle(tallies)
	out := observability.LogPatterns{LogWindow: window, Templates: len(tallies), Patterns: make([]observability.LogPattern, 0, len(tallies))}
	for id, t := range tallies {
		out.Patterns = append(out.Patterns, observability.LogPattern{
			Template: s.text(id, t), Lines: t.lines, Share: float64(t.lines) / float64(window.Read), Levels: t.levels, First: t.first, Last: t.last, Example: t.example,
		})
	}
	slices.SortFunc(out.Patterns, func(a, b observability.LogPattern) int {
		return cmp.Or(-cmp.Compare(a.Lines, b.Lines), cmp.Compare(a.Template, b.Template))
	})
	out.Patterns = out.Patterns[:min(q.Top, len(out.Patterns))]
	return out, nil
}

func (s *sampler) compare(ctx context.Context, q observability.PatternQuery) (observability.LogPatterns, error) {
	if q.Service != "" && q.Environment == "" {
		q.Environment = platform.ProductionName // exposure is that of one slot
	}
	old, fresh := s.sides(q)
	before, oldTallies, err := s.take(ctx, old)
	if err != nil {
		return observability.LogPatterns{}, err
	}
	after, newTallies, err := s.take(ctx, fresh)
	if err != nil {
		return observability.LogPatterns{}, err
	}
	if why := cmp.Or(before.Note, after.Note); s.incomplete {
		return observability.LogPatterns{}, platform.Errorf(platform.CodeUnavailable, "What is new or gone cannot be said: %s", why).
			WithHint("Try again when the log store is back, or group the lines that wait without a comparison.")
	}
	before.Name, after.Name = "the "+q.Compare.Before.String()+" before", "the last "+q.Compare.After.String()
	if q.Compare.NewRelease > 0 {
		before.Name, after.Name = "release "+strconv.Itoa(q.Compare.OldRelease), "release "+strconv.Itoa(q.Compare.NewRelease)
	}
	if err := s.plane.expose(ctx, old, fresh, &before, &after); err != nil {
		return observability.LogPatterns{}, err
	}
	oldTallies, newTallies = s.settle(oldTallies), s.settle(newTallies)
	shifts := s.shifts(patterns.Compare(countsOf(oldTallies, before), countsOf(newTallies, after)), oldTallies, newTallies)
	out := observability.LogPatterns{Templates: len(shifts), Patterns: []observability.LogPattern{}}
	out.LogWindow = observability.LogWindow{
		From: old.From.UTC(), To: fresh.To.UTC(), Lines: before.Lines + after.Lines, Read: before.Read + after.Read, Truncated: before.Truncated || after.Truncated,
	}
	out.Comparison = &observability.LogComparison{
		Before: before, After: after, Shifts: shifts[:min(q.Top, len(shifts))],
		Arithmetic: patterns.Arithmetic + " Where not all lines of a window were read, its exposure counts in the same proportion.",
	}
	return out, nil
}

// sides are the two queries of a comparison.
func (s *sampler) sides(q observability.PatternQuery) (old, fresh observability.LogQuery) {
	if q.Compare.NewRelease > 0 {
		s.plane.closeRange(&q.LogQuery, compareDefault)
		old, fresh = q.LogQuery, q.LogQuery
		old.Release, fresh.Release = q.Compare.OldRelease, q.Compare.NewRelease
		return old, fresh
	}
	q.From = time.Time{}
	s.plane.closeRange(&q.LogQuery, q.Compare.After)
	old, fresh = q.LogQuery, q.LogQuery
	old.To, old.From = fresh.From, fresh.From.Add(-q.Compare.Before)
	return old, fresh
}

func countsOf(tallies map[patterns.TemplateID]*tally, w observability.LogWindow) patterns.Window {
	out := patterns.Window{Counts: make(map[patterns.TemplateID]int, len(tallies)), Exposure: w.Exposure}
	for id, t := range tallies {
		out.Counts[id] = t.lines
	}
	return out
}

func (s *sampler) shifts(changes []patterns.Change, before, after map[patterns.TemplateID]*tally) []observability.LogShift {
	shifts := make([]observability.LogShift, 0, len(changes))
	for _, c := range changes {
		t := after[c.ID]
		if t == nil {
			t = before[c.ID]
		}
		shifts = append(shifts, observability.LogShift{
			Template: s.text(c.ID, t), Class: string(c.Class), Before: c.Before, After: c.After, RateBefore: c.RateBefore, RateAfter: c.RateAfter,
			Ratio: c.Ratio, Likelihood: c.Likelihood, Significant: c.Significant, Levels: t.levels, Example: t.example,
		})
	}
	return shifts
}

// expose says what the lines of both windows were written in: requests where both windows had some, else minutes of
// running instances, else minutes.
func (p *Plane) expose(ctx context.Context, old, fresh observability.LogQuery, before, after *observability.LogWindow) error {
	both := func(unit string, a, b float64) bool {
		if a <= 0 || b <= 0 {
			return false
		}
		before.Unit, before.Exposure = unit, a*part(before)
		after.Unit, after.Exposure = unit, b*part(after)
		return true
	}
	if old.Service != "" && both("requests", p.requests(ctx, old), p.requests(ctx, fresh)) {
		return nil
	}
	if old.Service != "" {
		a, err := p.instanceMinutes(ctx, old)
		if err != nil {
			return err
		}
		b, err := p.instanceMinutes(ctx, fresh)
		if err != nil {
			return err
		}
		if both("instance-minutes", a, b) {
			return nil
		}
	}
	both("minutes", old.To.Sub(old.From).Minutes(), fresh.To.Sub(fresh.From).Minutes())
	return nil
}

// part is the share of a window's lines that was read.
func part(w *observability.LogWindow) float64 {
	if w.Lines == 0 {
		return 1
	}
	return float64(w.Read) / float64(w.Lines)
}

// requests is how many requests the slot answered in the range; 0 where that is not known.
func (p *Plane) requests(ctx context.Context, q observability.LogQuery) float64 {
	if p.o.Metrics == nil {
		return 0
	}
	labels := fmt.Sprintf("environment=%q,service=%q", q.Environment, q.Service)
	if q.Release > 0 {
		labels += fmt.Sprintf(",release=\"%d\"", q.Release)
	}
	expr := fmt.Sprintf("sum(increase(%s{%s}[%ds]))", observability.MetricRequests, labels, max(1, int(q.To.Sub(q.From).Seconds())))
	series, err := p.o.Metrics.Query(ctx, observability.MetricQuery{Project: q.Project, Expr: expr, From: q.To, To: q.To})
	if err != nil || len(series) == 0 || len(series[0].Points) == 0 {
		p.o.Log.Debug("requests are not known", "expr", expr, "error", err)
		return 0
	}
	return series[0].Points[len(series[0].Points)-1].Value
}

// instanceMinutes is how long instances of the query's release, or of any, ran within the range.
func (p *Plane) instanceMinutes(ctx context.Context, q observability.LogQuery) (float64, error) {
	var minutes float64
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, platform.SystemActor("patterns"), verbRead, platform.SlotRef{Project: q.Project, Environment: q.Environment, Service: q.Service})
		if err != nil {
			return err
		}
		instances, err := tx.ListInstances(ctx, slot.ID, true)
		for _, in := range instances {
			if q.Release == 0 || in.ReleaseNumber == q.Release {
				minutes += overlap(in, q.From, q.To).Minutes()
			}
		}
		return err
	})
	return minutes, err
}

func overlap(in platform.Instance, from, to time.Time) time.Duration {
	if in.StartedAt.After(from) {
		from = in.StartedAt
	}
	if in.EndedAt != nil && in.EndedAt.Before(to) {
		to = *in.EndedAt
	}
	return max(0, to.Sub(from))
}

package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

const (
	// followPoll is how often the log store is asked when lines are not handed out live.
	followPoll = 500 * time.Millisecond
	// followOverlap is how far back each look reaches: lines become visible within 2 s, not always in order.
	followOverlap = 3 * time.Second
	followDefault = 20
)

// SearchLogs returns one page of a project's lines, secrets redacted.
func (p *Plane) SearchLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery) (observability.LogPage, error) {
	redact, err := p.mayReadLogs(ctx, actor, &q)
	if err != nil {
		return observability.LogPage{}, err
	}
	page, err := p.queryLogs(ctx, q)
	if err != nil {
		return observability.LogPage{}, err
	}
	for i := range page.Lines {
		redact(&page.Lines[i])
	}
	return page, nil
}

// queryLogs asks the log store. While that is away, the lines that wait for it are the answer, marked as incomplete; when
// none of them matches nothing can be said, and the error is unavailable.
func (p *Plane) queryLogs(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	page, err := p.o.Logs.Query(ctx, q)
	if why, partly := observability.Incomplete(err); partly && len(page.Lines) > 0 {
		page.Incomplete, err = why, nil
	}
	return page, err
}

// mayReadLogs checks the actor and the names in the query, and returns what takes secrets out of a line.
func (p *Plane) mayReadLogs(ctx context.Context, actor platform.Actor, q *observability.LogQuery) (func(*observability.Line), error) {
	if p.o.Logs == nil {
		if err := authorize(actor, verbRead, q.Project); err != nil {
			return nil, err
		}
		return nil, platform.Errorf(platform.CodeUnavailable, "No log store is connected.")
	}
	if q.Project == platform.SystemProject {
		// No row stands behind it, and its lines may name any project: admins of the whole installation only.
		if err := authorize(actor, verbReadSystem, platform.SystemProject); err != nil {
			return nil, err
		}
		r := secret.NewValueRedactor(nil)
		return func(l *observability.Line) { redactLine(r, l) }, nil
	}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		project, err := findProject(ctx, tx, actor, verbRead, q.Project)
		if err != nil {
			return err
		}
		q.Project = project.Name
		if q.Service == "" {
			return nil
		}
		slot, err := findSlot(ctx, tx, actor, verbRead, platform.SlotRef{Project: project.Name, Environment: q.Environment, Service: q.Service})
		q.Service = slot.Service
		if q.Environment != "" {
			q.Environment = slot.Environment
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	values, err := p.Redactions(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	r := secret.NewValueRedactor(values)
	return func(l *observability.Line) { redactLine(r, l) }, nil
}

func redactLine(r *secret.Redactor, l *observability.Line) {
	l.Message, l.Raw = r.Redact(l.Message), r.Redact(l.Raw)
	if len(l.Fields) == 0 {
		return
	}
	fields := make(map[string]string, len(l.Fields)) // the line may be shared with other readers
	for k, v := range l.Fields {
		fields[k] = r.Redact(v)
	}
	l.Fields = fields
}

// FollowLogs yields the newest q.Limit lines, then new ones live, until ctx ends or yield returns an error. While the log
// store is away it begins with the lines that wait for it.
func (p *Plane) FollowLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error {
	redact, err := p.mayReadLogs(ctx, actor, &q)
	if err != nil {
		return err
	}
	if q.Limit == 0 {
		q.Limit = followDefault
	}
	f := &follower{plane: p, query: q, seen: map[lineKey]time.Time{}, yield: func(l observability.Line) error {
		redact(&l)
		return yield(l)
	}}
	return f.run(ctx)
}

// lineKey tells lines apart that are read twice.
type lineKey struct {
	instance, deploy string
	at               int64
	seq              uint64
}

// follower is one reader of live lines: from the hub for speed and from the store for what the hub dropped.
type follower struct {
	plane *Plane
	query observability.LogQuery
	seen  map[lineKey]time.Time
	last  time.Time
	yield func(observability.Line) error
}

func (f *follower) run(ctx context.Context) error {
	var lines <-chan observability.Line
	if f.plane.o.Live != nil {
		sub, err := f.plane.o.Live.Subscribe(f.query, 0)
		if err != nil {
			return err
		}
		defer sub.Close()
		lines = sub.Lines()
	}
	if err := f.history(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(followPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l, open := <-lines:
			if !open {
				lines = nil
				continue
			}
			if err := f.give(l); err != nil {
				return err
			}
		case <-ticker.C:
			if err := f.look(ctx); err != nil {
				return err
			}
		}
	}
}

// history yields the newest lines, oldest first.
func (f *follower) history(ctx context.Context) error {
	f.last = f.plane.now()
	q := f.query
	q.Backward, q.Cursor = true, ""
	page, err := f.plane.o.Logs.Query(ctx, q)
	if _, partly := observability.Incomplete(err); err != nil && !partly { // live lines do not need the store
		return err
	}
	slices.Reverse(page.Lines)
	return f.giveAll(page.Lines)
}

// look reads what became visible since the last look. A store that does not answer for a moment is asked again.
func (f *follower) look(ctx context.Context) error {
	q := f.query
	q.From, q.To, q.Limit, q.Backward = f.last.Add(-followOverlap), time.Time{}, observability.MaxLogLimit, false
	page, err := f.plane.o.Logs.Query(ctx, q)
	var known *platform.Error
	if errors.As(err, &known) && known.Code == platform.CodeInvalid {
		return err
	}
	if _, partly := observability.Incomplete(err); err != nil && !partly {
		if ctx.Err() == nil {
			f.plane.o.Log.Debug("log store does not answer", "error", err)
		}
		return nil
	}
	if err := f.giveAll(page.Lines); err != nil {
		return err
	}
	for k, at := range f.seen {
		if at.Before(f.last.Add(-4 * followOverlap)) {
			delete(f.seen, k)
		}
	}
	return nil
}

func (f *follower) giveAll(lines []observability.Line) error {
	for _, l := range lines {
		if err := f.give(l); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) give(l observability.Line) error {
	key := lineKey{l.Instance, l.Deploy, l.At.UnixNano(), l.Seq}
	if _, twice := f.seen[key]; twice {
		return nil
	}
	f.seen[key] = l.At
	if l.At.After(f.last) {
		f.last = l.At
	}
	return f.yield(l)
}

// mayReadMetrics checks the actor, and makes a name of what may be an id.
func (p *Plane) mayReadMetrics(ctx context.Context, actor platform.Actor, project *string) error {
	if *project == platform.SystemProject {
		return authorize(actor, verbReadSystem, platform.SystemProject)
	}
	return p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, *project)
		*project = found.Name
		return err
	})
}

// QueryMetrics evaluates PromQL over the series of one project: the store restricts every selector to it. Those of
// platform.SystemProject are the ones of no project: the host, the queue and Fairlead itself, for admins.
func (p *Plane) QueryMetrics(ctx context.Context, actor platform.Actor, project string, q observability.MetricQuery) ([]observability.Series, error) {
	if err := p.mayReadMetrics(ctx, actor, &project); err != nil {
		return nil, err
	}
	if p.o.Metrics == nil {
		return nil, platform.Errorf(platform.CodeUnavailable, "No metric store is connected.")
	}
	if err := promql.CheckNames(q.Expr); err != nil {
		return nil, err
	}
	q.Project = project
	series, err := p.o.Metrics.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	if len(series) > promql.MaxSeries {
		return nil, promql.TooManySeries(len(series))
	}
	return series, nil
}

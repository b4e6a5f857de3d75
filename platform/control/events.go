package control

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// watchPoll is how often a watcher looks when no signal came: signals are lost while the database is away.
const watchPoll = 2 * time.Second

// ListEvents returns events in the order in which they happened, or newest first when the filter says so.
func (p *Plane) ListEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter) (platform.List[platform.Event], error) {
	var list platform.List[platform.Event]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		q, err := eventQuery(ctx, tx, actor, f)
		if err != nil {
			return err
		}
		list, err = tx.ListEvents(ctx, q)
		return err
	})
	return list, err
}

// eventQuery bounds a filter by what the actor may see. The events of a project that was deleted are still there, under
// its name.
func eventQuery(ctx context.Context, tx *store.Tx, actor platform.Actor, f platform.EventFilter) (store.EventQuery, error) {
	q := store.EventQuery{EventFilter: f}
	if err := authorize(actor, verbRead, f.Project); err != nil {
		return q, err
	}
	if f.Project == "" {
		if len(actor.Projects) > 0 {
			q.Projects = actor.Projects
		}
		return q, nil
	}
	q.Projects = []string{f.Project}
	known, err := tx.HasEvents(ctx, f.Project)
	if err != nil || known {
		return q, err
	}
	project, err := findProject(ctx, tx, actor, verbRead, f.Project)
	q.Projects = []string{project.Name}
	return q, err
}

// WatchEvents yields events with Seq above f.AfterSeq that pass the filter, then new ones as they are committed, until
// ctx ends or yield returns an error. While the database is away it waits.
func (p *Plane) WatchEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter, yield func(platform.Event) error) error {
	f.Backward, f.Page = false, platform.Page{Limit: platform.MaxPageLimit}
	signal, stop := p.store.Subscribe()
	defer stop()
	ticker := time.NewTicker(watchPoll)
	defer ticker.Stop()
	for first := true; ; first = false {
		after, more, err := p.yieldEvents(ctx, actor, f, yield)
		f.AfterSeq = after
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && (first || platform.CodeOf(err) != platform.CodeUnavailable) {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-signal:
		case <-ticker.C:
		}
	}
}

// yieldEvents yields one page and returns where it ended.
func (p *Plane) yieldEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter, yield func(platform.Event) error) (after int64, more bool, err error) {
	list, err := p.ListEvents(ctx, actor, f)
	if err != nil {
		return f.AfterSeq, false, err
	}
	after = f.AfterSeq
	for _, e := range list.Items {
		if err := yield(e); err != nil {
			return after, false, err
		}
		after = e.Seq
	}
	return after, list.Next != "", nil
}

// VerifyEvents reads the whole chain and reports the first event that does not fit.
func (p *Plane) VerifyEvents(ctx context.Context, actor platform.Actor) (platform.ChainReport, error) {
	if err := authorize(actor, verbAudit, ""); err != nil {
		return platform.ChainReport{}, err
	}
	return p.store.VerifyEvents(ctx)
}

// RecordStart records that a server or a router started: kind is EventServerStarted or EventRouterStarted.
func (p *Plane) RecordStart(ctx context.Context, kind platform.EventKind, summary string) error {
	if kind != platform.EventServerStarted && kind != platform.EventRouterStarted {
		return platform.Errorf(platform.CodeInvalid, "%q is not the start of anything.", kind).WithField("kind")
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		p.record(tx, fact{kind: kind, actor: platform.SystemActor("server"), summary: summary})
		return nil
	})
}

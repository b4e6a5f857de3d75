package store

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// PutInboundAlert writes an alert from outside over the one of its fingerprint, or adds it.
func (t *Tx) PutInboundAlert(ctx context.Context, a platform.InboundAlert) error {
	doc, err := encode(a)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO inbound_alerts (doc) VALUES ($1) ON CONFLICT (project, source, fingerprint) DO UPDATE SET doc = EXCLUDED.doc", doc)
	return err
}

// LockInboundAlerts returns the alerts of a project that fire, and those with one of the fingerprints, oldest first, and
// keeps other notifications of the project waiting.
func (t *Tx) LockInboundAlerts(ctx context.Context, project string, source platform.InboundSource, fingerprints []string) ([]platform.InboundAlert, error) {
	if _, err := t.exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('inbound_alerts/' || $1, 0))", project); err != nil {
		return nil, err
	}
	return many[platform.InboundAlert](ctx, t,
		"SELECT doc FROM inbound_alerts WHERE project = $1 AND (state = 'firing' OR source = $2 AND fingerprint = ANY($3)) ORDER BY n", project, source, fingerprints)
}

// ListInboundAlerts returns one page, newest first; an empty state or decision means all.
func (t *Tx) ListInboundAlerts(ctx context.Context, s Scope, f platform.InboundFilter) (platform.List[platform.InboundAlert], error) {
	l := s.listing("inbound_alerts", f.Page)
	if f.State != "" {
		l.where.and("state = ?", f.State)
	}
	if f.Decision != "" {
		l.where.and("decision = ?", f.Decision)
	}
	return list[platform.InboundAlert](ctx, t, l)
}

// DropInboundAlerts removes the alerts of a project that were last seen before then.
func (t *Tx) DropInboundAlerts(ctx context.Context, project string, before time.Time) error {
	_, err := t.exec(ctx, "DELETE FROM inbound_alerts WHERE project = $1 AND (doc->>'last_seen_at')::timestamptz < $2", project, before)
	return err
}

// ProjectsWithQuietAlerts returns the projects in which an alert from outside fires and is suppressed.
func (t *Tx) ProjectsWithQuietAlerts(ctx context.Context) ([]platform.Project, error) {
	return many[platform.Project](ctx, t,
		"SELECT doc FROM projects WHERE name IN (SELECT project FROM inbound_alerts WHERE state = 'firing' AND decision = 'suppress') ORDER BY n")
}

// ListQuietAlerts returns the alerts of a project that fire and are suppressed, oldest first.
func (t *Tx) ListQuietAlerts(ctx context.Context, project string) ([]platform.InboundAlert, error) {
	return many[platform.InboundAlert](ctx, t, "SELECT doc FROM inbound_alerts WHERE project = $1 AND state = 'firing' AND decision = 'suppress' ORDER BY n", project)
}

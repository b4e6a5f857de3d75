package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// UsageCell is what one service in one environment used in one hour, or in one UTC day.
type UsageCell struct {
	At                            time.Time // beginning of the hour or the day
	Project, Environment, Service string
	platform.Usage
}

const usageColumns = `cpu_seconds, memory_gb_hours, gpu_hours, egress_bytes, build_minutes, disk_gb_hours, requests, measured_seconds, unmeasured_seconds`

// PutUsage writes what was used in an hour over what was written of it before.
func (t *Tx) PutUsage(ctx context.Context, hour time.Time, cells []UsageCell) error {
	if _, err := t.exec(ctx, "DELETE FROM usage_hours WHERE hour = $1", hour); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, c := range cells {
		batch.Queue("INSERT INTO usage_hours (hour, project, environment, service, "+usageColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
			hour, Clean(c.Project), Clean(c.Environment), Clean(c.Service), c.CPUSeconds, c.MemoryGBHours, c.GPUHours, c.EgressBytes, c.BuildMinutes,
			c.DiskGBHours, c.Requests, c.MeasuredSeconds, c.UnmeasuredSeconds)
	}
	if batch.Len() == 0 {
		return nil
	}
	return t.tx.SendBatch(ctx, batch).Close()
}

// UsageByDay returns what was used in the hours from one to before another, by UTC day and in order; projects nil means all.
func (t *Tx) UsageByDay(ctx context.Context, projects []string, from, to time.Time) ([]UsageCell, error) {
	const sql = `SELECT date_trunc('day', hour, 'UTC') AS day, project, environment, service,
		sum(cpu_seconds)::bigint, sum(memory_gb_hours)::bigint, sum(gpu_hours)::bigint, sum(egress_bytes)::bigint, sum(build_minutes)::bigint,
		sum(disk_gb_hours)::bigint, sum(requests)::bigint, sum(measured_seconds)::bigint, sum(unmeasured_seconds)::bigint
		FROM usage_hours WHERE hour >= $1 AND hour < $2 AND ($3::text[] IS NULL OR project = ANY($3)) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`
	rows, err := t.tx.Query(ctx, sql, from, to, projects)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (UsageCell, error) {
		var c UsageCell
		err := row.Scan(&c.At, &c.Project, &c.Environment, &c.Service, &c.CPUSeconds, &c.MemoryGBHours, &c.GPUHours, &c.EgressBytes, &c.BuildMinutes,
			&c.DiskGBHours, &c.Requests, &c.MeasuredSeconds, &c.UnmeasuredSeconds)
		c.At = c.At.UTC()
		return c, err
	})
}

// Span is something that lasted: an instance, a build or a disk. A zero To means that it still does.
type Span struct {
	Project, Environment, Service string
	ID                            string // of the instance
	GPUs                          int    // of the instance
	SizeGB                        int    // of the disk
	From, To                      time.Time
}

func (t *Tx) spans(ctx context.Context, sql string, args ...any) ([]Span, error) {
	rows, err := t.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Span, error) {
		var s Span
		var to *time.Time
		err := row.Scan(&s.Project, &s.Environment, &s.Service, &s.ID, &s.GPUs, &s.SizeGB, &s.From, &to)
		s.From = s.From.UTC()
		if to != nil {
			s.To = to.UTC()
		}
		return s, err
	})
}

// InstancesBetween returns the instances that ran at some time from one moment to another.
func (t *Tx) InstancesBetween(ctx context.Context, from, to time.Time) ([]Span, error) {
	return t.spans(ctx, `SELECT i.doc->>'project', i.doc->>'environment', i.doc->>'service', i.id, coalesce((r.doc->'spec'->'resources'->>'gpus')::int, 0), 0,
		(i.doc->>'started_at')::timestamptz, (i.doc->>'ended_at')::timestamptz
		FROM instances i LEFT JOIN releases r ON r.id = i.doc->>'release_id'
		WHERE (i.doc->>'started_at')::timestamptz < $2 AND (NOT i.ended OR (i.doc->>'ended_at')::timestamptz > $1)`, from, to)
}

// longestBuild is how long before a moment a build that lasts until then may have begun.
const longestBuild = 24 * time.Hour

// BuildsBetween returns the builds that ran at some time from one moment to another, as the timeline has them.
func (t *Tx) BuildsBetween(ctx context.Context, from, to time.Time) ([]Span, error) {
	return t.spans(ctx, `SELECT b.project, b.environment, b.service, '', 0, 0, b.at, (
			SELECT min(e.at) FROM events e WHERE e.subject = b.subject AND e.seq > b.seq AND nullif(e.payload, '')::jsonb->>'from' = 'building')
		FROM events b WHERE b.kind = 'deploy.phase' AND b.at < $1 AND b.at > $2 AND nullif(b.payload, '')::jsonb->>'phase' = 'building'
			AND nullif(b.payload, '')::jsonb->>'from' <> 'building'`, to, from.Add(-longestBuild))
}

// Disks returns the disks of every service that had an instance, from its first one on.
func (t *Tx) Disks(ctx context.Context) ([]Span, error) {
	return t.spans(ctx, `SELECT s.doc->>'project', s.doc->>'environment', s.doc->>'service', '', 0, (v.doc->'spec'->'disk'->>'size_gb')::int, i.since, NULL::timestamptz
		FROM slots s JOIN services v ON v.id = s.doc->>'service_id'
		JOIN (SELECT slot_id, min((doc->>'started_at')::timestamptz) AS since FROM instances GROUP BY slot_id) i ON i.slot_id = s.id
		WHERE v.doc->'spec'->'disk' IS NOT NULL`)
}

// UpdateProject writes a project over the one with its id.
func (t *Tx) UpdateProject(ctx context.Context, p platform.Project) error {
	return t.replace(ctx, "projects", string(p.ID), p, notFound("project", p.Name))
}

// LockProject returns one project and keeps others from changing it.
func (t *Tx) LockProject(ctx context.Context, id platform.ProjectID) (platform.Project, error) {
	return one[platform.Project](ctx, t, notFound("project", string(id)), "SELECT doc FROM projects WHERE id = $1 FOR UPDATE", id)
}

// AllProjects returns every project.
func (t *Tx) AllProjects(ctx context.Context) ([]platform.Project, error) {
	return many[platform.Project](ctx, t, "SELECT doc FROM projects ORDER BY n")
}

// PutBudget inserts or replaces the budget of a project.
func (t *Tx) PutBudget(ctx context.Context, project platform.ProjectID, b platform.Budget) error {
	doc, err := encode(b)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO budgets (doc, project_id) VALUES ($1, $2) ON CONFLICT (project) DO UPDATE SET doc = excluded.doc", doc, project)
	return err
}

// UpdateBudget writes a budget over the one of its project.
func (t *Tx) UpdateBudget(ctx context.Context, b platform.Budget) error {
	doc, err := encode(b)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE budgets SET doc = $2 WHERE project = $1", b.Project, doc)
	return err
}

// DeleteBudget takes the budget of a project away.
func (t *Tx) DeleteBudget(ctx context.Context, project string) error {
	_, err := t.exec(ctx, "DELETE FROM budgets WHERE project = $1", project)
	return err
}

// Budgets returns the budgets of some projects, or of all when projects is nil, by name.
func (t *Tx) Budgets(ctx context.Context, projects []string) ([]platform.Budget, error) {
	return many[platform.Budget](ctx, t, "SELECT doc FROM budgets WHERE $1::text[] IS NULL OR project = ANY($1) ORDER BY project", projects)
}

// LockBudget returns the budget of a project and keeps others from changing it; nil when there is none.
func (t *Tx) LockBudget(ctx context.Context, project string) (*platform.Budget, error) {
	return first[platform.Budget](ctx, t, "SELECT doc FROM budgets WHERE project = $1 FOR UPDATE", project)
}

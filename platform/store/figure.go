package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// Figures counts what is recorded, for metrics, on one snapshot.
func (s *Store) Figures(ctx context.Context) (platform.Figures, error) {
	f := &figures{bySlot: map[string]*platform.SlotFigure{}}
	err := s.View(ctx, func(t *Tx) error {
		*f = figures{bySlot: map[string]*platform.SlotFigure{}}
		for _, read := range []func(context.Context, *Tx) error{f.queue, f.slots, f.instances, f.running, f.deploys, f.durations, f.incidents} {
			if err := read(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	return f.found, err
}

// figures collects what the queries find.
type figures struct {
	found  platform.Figures
	bySlot map[string]*platform.SlotFigure // by slot id
}

func (f *figures) queue(ctx context.Context, t *Tx) error {
	rows, err := t.tx.Query(ctx, `SELECT kind, state::text, count(*),
		coalesce(max(extract(epoch FROM now() - scheduled_at)) FILTER (WHERE state <> 'running' AND scheduled_at <= now()), 0)::float8
		FROM river_job WHERE state IN ('available', 'running', 'scheduled', 'retryable') GROUP BY 1, 2 ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	f.found.Queue, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (platform.QueueFigure, error) {
		var (
			q      platform.QueueFigure
			oldest float64
		)
		err := row.Scan(&q.Kind, &q.State, &q.Jobs, &oldest)
		q.Oldest = time.Duration(oldest * float64(time.Second))
		return q, err
	})
	return err
}

func (f *figures) slots(ctx context.Context, t *Tx) error {
	rows, err := t.tx.Query(ctx, `SELECT s.id, s.doc->>'project', s.doc->>'environment', s.doc->>'service', (s.doc->>'replicas')::int, r.doc->'spec'->'disk'
		FROM slots s LEFT JOIN releases r ON r.id = s.doc->>'live_release_id' ORDER BY s.n`)
	if err != nil {
		return err
	}
	defer rows.Close()
	f.found.Slots = make([]platform.SlotFigure, 0, 16)
	var ids []string
	for rows.Next() {
		var id string
		one := platform.SlotFigure{
			Instances: map[platform.InstanceState]int{}, Deploys: map[platform.Phase]int{},
			Incidents: map[platform.Signal]int{}, OpenIncidents: map[platform.Signal]int{},
		}
		if err := rows.Scan(&id, &one.Project, &one.Environment, &one.Service, &one.Replicas, &one.Disk); err != nil {
			return err
		}
		ids, f.found.Slots = append(ids, id), append(f.found.Slots, one)
	}
	for i, id := range ids {
		f.bySlot[id] = &f.found.Slots[i]
	}
	return rows.Err()
}

// each calls take for each row of a query whose first column is a slot's id.
func (f *figures) each(ctx context.Context, t *Tx, sql string, args []any, into []any, take func(*platform.SlotFigure)) error {
	rows, err := t.tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var id string
	_, err = pgx.ForEachRow(rows, append([]any{&id}, into...), func() error {
		if slot := f.bySlot[id]; slot != nil {
			take(slot)
		}
		return nil
	})
	return err
}

func (f *figures) instances(ctx context.Context, t *Tx) error {
	var (
		state platform.InstanceState
		n     int
		oom   int
	)
	return f.each(ctx, t, `SELECT slot_id, doc->>'state', count(*), count(*) FILTER (WHERE doc->>'oom_killed' = 'true')
		FROM instances WHERE NOT ended OR doc->>'state' = 'dead' GROUP BY 1, 2`, nil, []any{&state, &n, &oom}, func(s *platform.SlotFigure) {
		if state == platform.InstanceDead {
			s.Deaths, s.OOMKills = n, oom
			return
		}
		s.Instances[state] = n
	})
}

func (f *figures) running(ctx context.Context, t *Tx) error {
	var one platform.InstanceFigure
	return f.each(ctx, t, `SELECT slot_id, id, coalesce((doc->>'release_number')::int, 0), doc->>'state' = 'ready' FROM instances WHERE NOT ended ORDER BY id`,
		nil, []any{&one.ID, &one.Release, &one.Ready}, func(s *platform.SlotFigure) { s.Running = append(s.Running, one) })
}

func (f *figures) deploys(ctx context.Context, t *Tx) error {
	var (
		phase platform.Phase
		n     int
	)
	return f.each(ctx, t, "SELECT slot_id, phase, count(*) FROM deploys GROUP BY 1, 2", nil, []any{&phase, &n},
		func(s *platform.SlotFigure) { s.Deploys[phase] = n })
}

// durations sorts what deploys and builds took into buckets; those without a build have no time of one.
func (f *figures) durations(ctx context.Context, t *Tx) error {
	bounds := make([]float64, len(platform.FigureBounds))
	for i, b := range platform.FigureBounds {
		bounds[i] = b.Seconds()
	}
	var (
		which   string
		bucket  int
		n       int
		seconds float64
	)
	return f.each(ctx, t, `SELECT slot_id, which, width_bucket(seconds, $1::float8[]), count(*), sum(seconds) FROM (
			SELECT slot_id, 'deploy' AS which, extract(epoch FROM (doc->>'finished_at')::timestamptz - (doc->>'created_at')::timestamptz)::float8 AS seconds
			FROM deploys WHERE phase = 'live'
			UNION ALL
			SELECT slot_id, 'build', (doc->>'build_took_ns')::float8 / 1e9 FROM deploys WHERE doc ? 'build_took_ns'
		) took WHERE seconds >= 0 GROUP BY 1, 2, 3`, []any{bounds}, []any{&which, &bucket, &n, &seconds}, func(s *platform.SlotFigure) {
		d := &s.DeployTook
		if which == "build" {
			d = &s.BuildTook
		}
		if d.Buckets == nil {
			d.Buckets = make([]int, len(bounds)+1)
		}
		d.Buckets[bucket] += n
		d.Sum += time.Duration(seconds * float64(time.Second))
	})
}

func (f *figures) incidents(ctx context.Context, t *Tx) error {
	var (
		signal  platform.Signal
		n, open int
	)
	return f.each(ctx, t, "SELECT slot_id, signal, count(*), count(*) FILTER (WHERE state = 'open') FROM incidents GROUP BY 1, 2", nil,
		[]any{&signal, &n, &open}, func(s *platform.SlotFigure) { s.Incidents[signal], s.OpenIncidents[signal] = n, open })
}

package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/riverqueue/river"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform/jobs"
)

// Job is the name and the arguments of a durable job; the types are in package jobs.
type Job interface{ Kind() string }

// JobMetadata is what a job carries besides its arguments: it makes no difference to which jobs are the same.
type JobMetadata struct {
	Traceparent string `json:"traceparent,omitempty"` // of the request that asked for it first
}

type job struct {
	args  Job
	after time.Duration
	// onlyIfNone leaves the queue alone when a job with the same arguments waits or runs.
	onlyIfNone bool
	added      *int
}

// jobAttempts is so high that a job is never given up: whether to go on is decided by the noun's own state.
const jobAttempts = 10000

// Enqueue asks for a job when the transaction commits. Of jobs with the same arguments one waits at a time: when one
// does, it is made due now instead. A job that is already running does not count, since it may have looked at the
// state before this transaction changed it, so the signal is never lost.
func (t *Tx) Enqueue(j Job) { t.jobs = append(t.jobs, job{args: j}) }

// EnqueueAfter is Enqueue for a job that is due later. A waiting job keeps the earlier of the two times.
func (t *Tx) EnqueueAfter(j Job, after time.Duration) {
	t.jobs = append(t.jobs, job{args: j, after: after})
}

// EnqueueMissing asks for a job unless one with the same arguments waits or runs, and adds 1 to added if so.
func (t *Tx) EnqueueMissing(j Job, added *int) {
	t.jobs = append(t.jobs, job{args: j, onlyIfNone: true, added: added})
}

// writeJobs runs under the lock of the chain's head, which keeps two transactions from adding the same job.
func (t *Tx) writeJobs(ctx context.Context) error {
	due := false
	for _, j := range t.jobs {
		if err := t.writeJob(ctx, j); err != nil {
			return err
		}
		due = due || j.after <= 0
	}
	if !due {
		return nil
	}
	// The queue's own signal of an insert is held back when it gave one a moment ago, even in a transaction that was
	// rolled back: the job would wait for the next poll.
	_, err := t.exec(ctx, wakeQueue)
	return err
}

// The row lock of the update makes the queue's fetch skip the job until this transaction is committed; a job that was
// fetched first is seen as running, and a new one is added.
const hastenWaiting = `
UPDATE river_job
   SET scheduled_at = least(scheduled_at, now() + $3::interval),
       state = CASE WHEN least(scheduled_at, now() + $3::interval) <= now() THEN 'available'::river_job_state ELSE state END
 WHERE kind = $1 AND args = $2::jsonb AND state IN ('available', 'pending', 'retryable', 'scheduled')`

// wakeQueue tells the queue's fetchers to look now; its form is that of the queue's own inserts.
const wakeQueue = `SELECT pg_notify(current_schema() || '.river_insert', '{"queue":"default"}')`

func (t *Tx) writeJob(ctx context.Context, j job) error {
	args, err := encode(j.args)
	if err != nil {
		return err
	}
	if j.onlyIfNone {
		held, err := t.jobExists(ctx, j.args.Kind(), args)
		if err != nil || held {
			return err
		}
		*j.added++
	}
	n, err := t.exec(ctx, hastenWaiting, j.args.Kind(), args, j.after)
	if err != nil {
		return err
	}
	if n > 0 {
		return nil
	}
	opts := &river.InsertOpts{MaxAttempts: jobAttempts}
	if parent := tracing.Parent(ctx); parent != "" {
		if opts.Metadata, err = json.Marshal(JobMetadata{Traceparent: parent}); err != nil {
			return err
		}
	}
	if j.after > 0 {
		opts.ScheduledAt = time.Now().Add(j.after)
	}
	_, err = t.store.queue.InsertTx(ctx, t.tx, j.args, opts)
	return err
}

func (t *Tx) jobExists(ctx context.Context, kind, args string) (bool, error) {
	var held bool
	err := t.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM river_job WHERE kind = $1 AND args = $2::jsonb
		AND state IN ('available', 'pending', 'retryable', 'scheduled', 'running'))`, kind, args).Scan(&held)
	return held, err
}

// RemovalOpen reports whether a deleted project of that name is still being removed.
func (t *Tx) RemovalOpen(ctx context.Context, project string) (bool, error) {
	var open bool
	err := t.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM river_job WHERE kind = $1 AND args->>'project' = $2
		AND state IN ('available', 'pending', 'retryable', 'scheduled', 'running'))`, jobs.RemoveProject{}.Kind(), project).Scan(&open)
	return open, err
}

// AbsorbWaiting removes waiting jobs with the same arguments as the running job with that id: it is about to look at
// the state that they were added for. Without it each signal during a run would leave one more job that snoozes.
func (s *Store) AbsorbWaiting(ctx context.Context, running int64, j Job) error {
	return s.InTx(ctx, func(t *Tx) error {
		args, err := encode(j)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM river_job WHERE kind = $1 AND args = $2::jsonb AND id <> $3
			AND state IN ('available', 'pending', 'retryable', 'scheduled')`, j.Kind(), args, running)
		return err
	})
}

// FreeDeadJobs makes jobs that dead servers hold runnable again and returns how many. A server is dead when the
// advisory lock on its id is free; one that never registered is dead too. The attempt that died does not count.
func (s *Store) FreeDeadJobs(ctx context.Context) (int, error) {
	var freed int64
	err := s.InTx(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, `DELETE FROM clients WHERE id <> $1 AND pg_try_advisory_xact_lock(hashtextextended(id, 0))`, s.clientID)
		if err != nil {
			return err
		}
		freed, err = t.exec(ctx, `UPDATE river_job
			SET state = 'available', scheduled_at = now(), attempt = greatest(attempt - 1, 0)
			WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] <> ALL (SELECT id FROM clients)`)
		if err != nil || freed == 0 {
			return err
		}
		_, err = t.exec(ctx, wakeQueue)
		return err
	})
	return int(freed), err
}

package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform/jobs"
)

// Settings of the queue. Jobs are short: what takes long runs beside them, and they look again. A snooze stays under
// river's scheduler interval of 5 s, because longer ones are woken by the elected leader only, and after a kill -9
// nobody is leader for up to 15 s.
const (
	maxWorkers    = 50
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
	jobLimit      = 4 * time.Minute
	rescueAfter   = 5 * time.Minute
	lookEvery     = 2 * time.Second // backstop of a waiting deploy or plan
	stopLimit     = 5 * time.Second
	openRetry     = 250 * time.Millisecond
)

// workJobs frees and enqueues the work that a dead server left, then works jobs until ctx ends. While Postgres does
// not answer it tries again; once started, river reconnects by itself.
func (w *Worker) workJobs(ctx context.Context) error {
	client, err := w.newClient()
	if err != nil {
		return err
	}
	for {
		if err = w.startJobs(ctx, client); err == nil || ctx.Err() != nil {
			break
		}
		w.log.WarnContext(ctx, "job queue not started", "error", err)
		if !pause(ctx, openRetry) {
			break
		}
	}
	<-ctx.Done()
	if err != nil {
		return nil //nolint:nilerr // never started, and asked to stop: there is nothing to wait for
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if err := client.StopAndCancel(bounded); err != nil {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	return nil
}

func (w *Worker) startJobs(ctx context.Context, client *river.Client[pgx.Tx]) error {
	n, err := w.o.Plane.EnqueueOpenWork(ctx)
	if err != nil {
		return fmt.Errorf("enqueue open work: %w", err)
	}
	if n > 0 {
		w.log.InfoContext(ctx, "open work taken up again", "jobs", n)
	}
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	return nil
}

func (w *Worker) newClient() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &job[jobs.AdvanceDeploy]{do: w.workDeploy, w: w})
	river.AddWorker(workers, &job[jobs.ReconcileSlot]{do: w.workSlot, w: w})
	river.AddWorker(workers, &job[jobs.ExecutePlan]{do: w.workPlan, w: w})
	river.AddWorker(workers, &job[jobs.DiagnoseIncident]{do: w.workIncident, w: w})
	river.AddWorker(workers, &job[jobs.RemoveProject]{do: w.workRemoval, w: w})
	client, err := river.NewClient(riverpgxv5.New(w.o.Store.Pool()), &river.Config{
		ID: w.o.Store.ClientID(), Logger: w.log, Workers: workers,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
		JobTimeout: jobLimit, RescueStuckJobsAfter: rescueAfter,
	})
	if err != nil {
		return nil, fmt.Errorf("make the job queue: %w", err)
	}
	return client, nil
}

// job adapts a function to river. The function returns how long to wait before it looks again, 0 when it is finished;
// an error is a look after a pause, so that an outage never uses up a job's attempts.
type job[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	do func(ctx context.Context, args T) (again time.Duration, err error)
	w  *Worker
}

// Timeout bounds one look.
func (j *job[T]) Timeout(*river.Job[T]) time.Duration { return jobLimit }

// Work runs one look.
func (j *job[T]) Work(ctx context.Context, row *river.Job[T]) error {
	// Waiting jobs with the same arguments go: this look sees what they were added for.
	ctx, ended := j.w.traceJob(ctx, row.Kind, row.ID, row.Metadata)
	err := j.w.o.Store.AbsorbWaiting(ctx, row.ID, row.Args)
	again := time.Duration(0)
	if err == nil {
		again, err = j.do(ctx, row.Args)
	}
	ended(again, err)
	if err != nil {
		if ctx.Err() == nil {
			j.w.log.WarnContext(ctx, "job not finished, will be tried again", "kind", row.Kind, "job", row.ID, "error", err)
		}
		return river.JobSnooze(lookEvery)
	}
	if again > 0 {
		return river.JobSnooze(again)
	}
	return nil
}

// workDeploy takes steps of a deploy. Whoever holds the deploy already is told to look once more.
func (w *Worker) workDeploy(ctx context.Context, args jobs.AdvanceDeploy) (time.Duration, error) {
	ended := false
	w.memory.setTrace(args.DeployID, tracing.Parent(ctx))
	if !w.turns.take("deploy:"+string(args.DeployID), func() { ended = w.advance(ctx, args.DeployID) }) || !ended {
		return lookEvery, nil
	}
	return 0, nil
}

func (w *Worker) workSlot(ctx context.Context, args jobs.ReconcileSlot) (time.Duration, error) {
	w.turns.take("slot:"+string(args.SlotID), func() { w.reconcileNow(ctx, args.SlotID) })
	w.refreshRoutes(ctx) // hosts may have changed
	return 0, nil
}

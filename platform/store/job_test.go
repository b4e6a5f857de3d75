package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

type queued struct {
	ID      int64
	State   string
	Attempt int
	Due     time.Time
}

func queue(t *testing.T, s *store.Store) []queued {
	t.Helper()
	rows, err := s.Pool().Query(t.Context(), "SELECT id, state::text, attempt, scheduled_at FROM river_job ORDER BY id")
	require.NoError(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[queued])
	require.NoError(t, err)
	return out
}

func enqueue(t *testing.T, s *store.Store, id platform.DeployID) {
	t.Helper()
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		tx.Enqueue(jobs.AdvanceDeploy{DeployID: id})
		return nil
	}))
}

func set(t *testing.T, s *store.Store, sql string, args ...any) {
	t.Helper()
	_, err := s.Pool().Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func TestEnqueue_OneJobOfAKindWaitsForOneSubject(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	enqueue(t, s, "dep_a")
	enqueue(t, s, "dep_a")
	enqueue(t, s, "dep_b")
	require.Len(t, queue(t, s), 2)
}

func TestEnqueue_RunningJobDoesNotSwallowANewSignal(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	enqueue(t, s, "dep_a")
	set(t, s, "UPDATE river_job SET state = 'running', attempt = 1, attempted_by = ARRAY['x']")
	enqueue(t, s, "dep_a")
	enqueue(t, s, "dep_a")
	q := queue(t, s)
	require.Len(t, q, 2)
	require.Equal(t, []string{"running", "available"}, []string{q[0].State, q[1].State})
	require.NoError(t, s.AbsorbWaiting(t.Context(), q[0].ID, jobs.AdvanceDeploy{DeployID: "dep_a"}))
	require.Len(t, queue(t, s), 1)
}

func TestEnqueue_JobThatSnoozesIsMadeDueNow(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		tx.EnqueueAfter(jobs.AdvanceDeploy{DeployID: "dep_a"}, time.Hour)
		return nil
	}))
	require.Equal(t, "scheduled", queue(t, s)[0].State)
	enqueue(t, s, "dep_a")
	q := queue(t, s)
	require.Len(t, q, 1)
	require.Equal(t, "available", q[0].State)
	require.WithinDuration(t, time.Now(), q[0].Due, time.Minute)
}

// The fetch of the queue locks a job, marks it running and commits. A signal that comes meanwhile must not count on
// that job, which may look at the state before the signal's transaction is committed.
func TestEnqueue_JobThatIsBeingFetchedIsNotCountedOn(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	enqueue(t, s, "dep_a")
	fetch, err := s.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = fetch.Exec(t.Context(), "UPDATE river_job SET state = 'running', attempted_by = ARRAY['x']")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		enqueue(t, s, "dep_a")
	}()
	require.Eventually(t, func() bool { return blocked(t, s) }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, fetch.Commit(t.Context()))
	<-done
	require.Len(t, queue(t, s), 2)
}

func blocked(t *testing.T, s *store.Store) bool {
	var n int
	err := s.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
	return err == nil && n > 0
}

func TestEnqueueMissing_LeavesWhatWaitsOrRuns(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	enqueue(t, s, "dep_a")
	set(t, s, "UPDATE river_job SET state = 'running', attempted_by = ARRAY['x']")
	added := 0
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		tx.EnqueueMissing(jobs.AdvanceDeploy{DeployID: "dep_a"}, &added)
		tx.EnqueueMissing(jobs.AdvanceDeploy{DeployID: "dep_b"}, &added)
		return nil
	}))
	require.Equal(t, 1, added)
	require.Len(t, queue(t, s), 2)
}

func TestFreeDeadJobs_FreesThoseOfTheDeadAndLeavesThoseOfTheLiving(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	s, other := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
	dead, err := store.Open(t.Context(), store.Options{URL: url, ClientID: "dead"})
	require.NoError(t, err)
	for _, id := range []platform.DeployID{"dep_dead", "dep_unknown", "dep_other", "dep_own"} {
		enqueue(t, s, id)
	}
	for id, client := range map[string]string{"dep_dead": "dead", "dep_unknown": "never-registered", "dep_other": other.ClientID(), "dep_own": s.ClientID()} {
		set(t, s, `UPDATE river_job SET state = 'running', attempt = 1, attempted_by = ARRAY['first', $2] WHERE args->>'deploy_id' = $1`, id, client)
	}
	n, err := s.FreeDeadJobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n, "only the one that never registered is known to be dead yet")
	dead.Close()
	require.Eventually(t, func() bool { // Postgres ends what a closed connection held a moment later
		n, err = s.FreeDeadJobs(t.Context())
		require.NoError(t, err)
		return n > 0
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, n)
	states := map[string]int{}
	for _, q := range queue(t, s) {
		states[q.State]++
		if q.State == "available" {
			require.Zero(t, q.Attempt, "the attempt that died does not count")
		}
	}
	require.Equal(t, map[string]int{"available": 2, "running": 2}, states)
}

func TestInTx_FailedTransactionLeavesNeitherEventNorJob(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		tx.Enqueue(jobs.AdvanceDeploy{DeployID: "dep_a"})
		tx.AppendEvent(platform.Event{Kind: platform.EventServerStarted, Actor: platform.SystemActor("test")})
		return platform.Errorf(platform.CodeConflict, "No.")
	})
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	require.Empty(t, queue(t, s))
	report, err := s.VerifyEvents(t.Context())
	require.NoError(t, err)
	require.Zero(t, report.Events)
}

func TestSubscribe_WakesOnACommitOfAnotherServer(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	s, other := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
	signal, stop := s.Subscribe()
	defer stop()
	appendEvent(t, other)
	select {
	case <-signal:
	case <-time.After(5 * time.Second):
		t.Fatal("no signal")
	}
}

func appendEvent(t *testing.T, s *store.Store) {
	t.Helper()
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		tx.AppendEvent(platform.Event{Kind: platform.EventServerStarted, Actor: platform.SystemActor("test"), Summary: "started"})
		return nil
	}))
}

func TestStore_StoppedPostgresIsUnavailableAtOnceAndBackWhenItIs(t *testing.T) {
	t.Parallel()
	pg := storetest.StartServer(t)
	s := storetest.OpenURL(t, pg.URL())
	appendEvent(t, s)
	pg.Stop()
	for range 3 {
		began := time.Now()
		err := s.InTx(t.Context(), func(tx *store.Tx) error { _, err := tx.LastSeq(t.Context()); return err })
		require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "%v", err)
		require.Less(t, time.Since(began), 3*time.Second)
		require.Equal(t, platform.CodeUnavailable, platform.CodeOf(s.Ping(t.Context())))
	}
	_, err := store.Open(t.Context(), store.Options{URL: pg.URL()})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "%v", err)
	signal, stop := s.Subscribe()
	defer stop()
	pg.Start()
	require.Eventually(t, func() bool { return s.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
	select { // the listening connection is made anew, and says so
	case <-signal:
	case <-time.After(10 * time.Second):
		t.Fatal("the listening connection did not come back")
	}
	appendEvent(t, s)
	report, err := s.VerifyEvents(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Events)
	other, err := store.Open(t.Context(), store.Options{URL: pg.URL()})
	require.NoError(t, err)
	defer other.Close()
	enqueue(t, s, "dep_a")
	set(t, s, "UPDATE river_job SET state = 'running', attempted_by = ARRAY[$1]", s.ClientID())
	n, err := other.FreeDeadJobs(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "the server took its lock again")
}

func TestStore_CallersDeadlineIsNotAnOutage(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.View(ctx, func(*store.Tx) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.NotEqual(t, platform.CodeUnavailable, platform.CodeOf(err))
}

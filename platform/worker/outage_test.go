package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

func TestOutage_PostgresRestartLosesNothingAndTrafficFlows(t *testing.T) {
	t.Parallel()
	pg := storetest.StartServer(t)
	r := newRigOn(t, storetest.OpenURL(t, pg.URL()))
	r.image(&app{image: "one", handleFor: 10 * time.Millisecond})
	r.image(&app{image: "two", handleFor: 10 * time.Millisecond, loadFor: 500 * time.Millisecond})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	load := r.load()
	d := r.deploy("two")
	r.reaches(d.ID, platform.PhaseChecking)
	pg.Stop()
	require.Never(t, func() bool { status, _ := r.get(); return status != 200 }, 2*time.Second, 50*time.Millisecond)
	pg.Start()
	r.reaches(d.ID, platform.PhaseLive)
	r.settles(1, 2)
	// The queue lives on too: a job that only it carries is worked.
	_, err := r.plane.Scale(t.Context(), ada, platform.ScaleRequest{SlotRef: ref, Replicas: 2})
	require.NoError(t, err)
	r.settles(2, 2)
	load.none(t)
}

func TestOutage_EngineOutageIsWaitedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "two", loadFor: 200 * time.Millisecond})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	d := r.deploy("two")
	r.reaches(d.ID, platform.PhaseChecking)
	r.engine.SetDown(true)
	require.Never(t, func() bool { status, _ := r.get(); return status != 200 }, time.Second, 50*time.Millisecond)
	r.engine.SetDown(false)
	r.reaches(d.ID, platform.PhaseLive)
	r.settles(1, 2)
}

// TestResume_JobOfADeadServerRunsAgainWithinTwoSeconds leaves a job as a kill -9 does: running, held by nobody.
func TestResume_JobOfADeadServerRunsAgainWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	d := r.deploy("one")
	require.NoError(t, r.store.InTx(t.Context(), func(tx *store.Tx) error {
		tx.Enqueue(jobs.AdvanceDeploy{DeployID: d.ID})
		return nil
	}))
	_, err := r.store.Pool().Exec(t.Context(), "UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{dead-server}'")
	require.NoError(t, err)
	began := time.Now()
	r.start()
	r.reaches(d.ID, platform.PhaseLive)
	require.Less(t, time.Since(began), 2*time.Second)
	require.Eventually(t, func() bool {
		var left int
		err := r.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE state IN ('running', 'available', 'retryable', 'scheduled')").Scan(&left)
		return err == nil && left == 0
	}, patience, 50*time.Millisecond, "the queue holds nothing of a deploy that has ended")
}

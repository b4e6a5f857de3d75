package worker

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestDeploy_GoesLiveAndTheNextOneDropsNoRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one", handleFor: 20 * time.Millisecond})
	r.image(&app{image: "two", handleFor: 20 * time.Millisecond, loadFor: 300 * time.Millisecond})
	r.blueprint("one", "replicas: 2")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(2, 1)
	status, image := r.get()
	require.Equal(t, 200, status)
	require.Equal(t, "one", image)

	load := r.load()
	d := r.reaches(r.deploy("two").ID, platform.PhaseLive)
	r.settles(2, 2)
	load.none(t)
	_, image = r.get()
	require.Equal(t, "two", image)
	require.Positive(t, d.Probes.Sent)
	require.Zero(t, d.Probes.Failed)
	require.Equal(t, 2, r.slot().LiveRelease)
	rows, err := r.plane.ListInstances(t.Context(), ada, ref, true)
	require.NoError(t, err)
	require.Len(t, rows, 4)
	for _, row := range rows {
		if row.ReleaseNumber == 1 {
			require.Equal(t, platform.InstanceStopped, row.State)
			require.Contains(t, row.Reason, "replaced by release 2")
		} else {
			require.Contains(t, row.Reason, "image by ada")
			require.NotNil(t, row.ReadyAt)
		}
	}
}

func TestDeploy_CrashAtStartKeepsTheOldReleaseServing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "broken", exits: true, exitCode: 3})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	load := r.load()
	d := r.reaches(r.deploy("broken").ID, platform.PhaseFailed)
	require.Equal(t, platform.FailureExited, d.Failure.Reason)
	require.Equal(t, 3, *d.Failure.ExitCode)
	require.NotEmpty(t, d.Failure.InstanceID)
	r.settles(1, 1)
	load.none(t)
	rows, err := r.plane.ListInstances(t.Context(), ada, ref, true)
	require.NoError(t, err)
	require.Equal(t, platform.InstanceDead, rows[len(rows)-1].State)
	require.Equal(t, d.Failure.InstanceID, rows[len(rows)-1].ID)
}

func TestDeploy_NewerOneSupersedesWhileChecking(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "stuck", never: true})
	r.image(&app{image: "three"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	stuck := r.deploy("stuck")
	r.reaches(stuck.ID, platform.PhaseChecking)
	three := r.deploy("three")
	r.reaches(stuck.ID, platform.PhaseSuperseded)
	r.reaches(three.ID, platform.PhaseLive)
	_, image := r.get()
	require.Equal(t, "three", image)
	r.settles(1, r.slot().LiveRelease)
}

func TestDeploy_CancelRemovesWhatItMade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "stuck", never: true})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	stuck := r.deploy("stuck")
	r.reaches(stuck.ID, platform.PhaseChecking)
	_, err := r.plane.CancelDeploy(t.Context(), ada, stuck.ID)
	require.NoError(t, err)
	r.reaches(stuck.ID, platform.PhaseCanceled)
	r.settles(1, 1)
}

func TestDeploy_NeverHealthySaysWhereTheProcessListens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.engine.Behave("deaf", deafBehaviour())
	text := "project: shop\nservices:\n  - {name: api, type: web, image: deaf, port: 8000, healthCheck: {path: /healthz, grace: 4s}}\n"
	_, err := r.plane.CreateProject(t.Context(), ada, platform.CreateProjectRequest{Blueprint: text})
	require.NoError(t, err)
	r.start()
	d := r.reaches(r.deploy("deaf").ID, platform.PhaseFailed)
	require.Equal(t, platform.FailureUnhealthy, d.Failure.Reason)
	require.Contains(t, d.Failure.Message, "within 4s: nothing listens on port 8000; the process listens on 127.0.0.1:5000.")
	probes := r.worker.Probes(d.Failure.InstanceID)
	require.NotEmpty(t, probes, "the transcript outlives the instance")
	require.Contains(t, probes[0].Error, "connection refused")
	require.Empty(t, r.containers())
}

func TestDeploy_HoldSwapStopsTheOldFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.image(&app{image: "one"}), r.image(&app{image: "two"})
	r.blueprint("one", "disk: {name: data, mountPath: /data, sizeGB: 1, swap: hold}")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.reaches(r.deploy("two").ID, platform.PhaseLive)
	r.settles(1, 2)
	require.EqualValues(t, 1, one.started.Load(), "the reconciler does not bring back what a hold swap stopped")
	require.EqualValues(t, 1, two.started.Load())
	rows, err := r.plane.ListInstances(t.Context(), ada, ref, true)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.False(t, rows[1].StartedAt.Before(*rows[0].EndedAt), "one writer at a time")
}

func TestDeploy_FailedHoldSwapBringsTheOldReleaseBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "broken", exits: true, exitCode: 1})
	r.blueprint("one", "disk: {name: data, mountPath: /data, sizeGB: 1, swap: hold}")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.reaches(r.deploy("broken").ID, platform.PhaseFailed)
	r.settles(1, 1)
	require.Eventually(t, func() bool { status, _ := r.get(); return status == 200 }, patience, 10*time.Millisecond)
}

func TestDeploy_EngineRefusalFailsTheDeployWithItsWords(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.engine.Behave("refused", refusedBehaviour())
	r.blueprint("refused")
	r.start()
	d := r.reaches(r.deploy("refused").ID, platform.PhaseFailed)
	require.Equal(t, platform.FailureCreate, d.Failure.Reason)
	require.Contains(t, d.Failure.Message, "no such device")
	require.Empty(t, r.containers())
}

func TestDeploy_MissingImageFailsTheDeploy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	d := r.reaches(r.deploy("nowhere").ID, platform.PhaseFailed)
	require.Equal(t, platform.FailureImage, d.Failure.Reason)
}

func TestDeploy_WaitsOutAnEngineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	r.engine.SetDown(true)
	d := r.deploy("one")
	r.reaches(d.ID, platform.PhaseBuilding)
	r.engine.SetDown(false)
	r.reaches(d.ID, platform.PhaseLive)
}

func TestDeploy_RollbackRunsTheOldReleaseAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.image(&app{image: "two"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.reaches(r.deploy("two").ID, platform.PhaseLive)
	load := r.load()
	d, err := r.plane.Rollback(t.Context(), ada, platform.RollbackRequest{SlotRef: ref, ToRelease: 1, Reason: "it errs"})
	require.NoError(t, err)
	r.reaches(d.ID, platform.PhaseLive)
	r.settles(1, 1)
	load.none(t)
	_, image := r.get()
	require.Equal(t, "one", image)
}

func TestDeploy_FailedPreDeployCommandStartsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broken := r.image(&app{image: "migrating", exits: true, exitCode: 4})
	r.blueprint("migrating", "preDeploy: [/subject, migrate]")
	r.start()
	d := r.reaches(r.deploy("migrating").ID, platform.PhaseFailed)
	require.Equal(t, platform.FailurePreDeploy, d.Failure.Reason)
	require.Equal(t, platform.PhaseReleasing, d.Failure.Phase)
	require.Contains(t, d.Failure.Message, "KeyError: 'MODEL_URL'")
	require.EqualValues(t, 1, broken.started.Load(), "the command alone")
	require.Empty(t, r.containers())
}

func TestDeploy_PreDeployCommandRunsOnceBeforeTheInstances(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.image(&app{image: "one", migrates: true})
	r.blueprint("one", "preDeploy: [/subject, migrate]")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	require.EqualValues(t, 2, one.started.Load(), "the command and one instance")
}

// TestDeploy_SecondRollbackToTheSameReleaseGetsNoTrafficBeforeItsGate lets two ask for the same at once: while the
// second deploy is not decided, its instances are of the live release and still not its.
func TestDeploy_SecondRollbackToTheSameReleaseGetsNoTrafficBeforeItsGate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.drain = "120s"
	r.image(&app{image: "one"})
	r.image(&app{image: "two", handleFor: 100 * time.Second})
	r.blueprint("one")
	var held atomic.Bool
	atGate := make(chan struct{}, 1)
	r.options.Crash = func(point string) error {
		if !held.Load() || point != "checking/enter" {
			return nil
		}
		select {
		case atGate <- struct{}{}:
		default:
		}
		return errors.New("held")
	}
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.reaches(r.deploy("two").ID, platform.PhaseLive)
	r.settles(1, 2)
	letGo := r.holdRequest()
	back := func() platform.Deploy {
		d, err := r.plane.Rollback(t.Context(), ada, platform.RollbackRequest{SlotRef: ref, ToRelease: 1})
		require.NoError(t, err)
		return d
	}
	first := back()
	r.reaches(first.ID, platform.PhaseDraining)
	second := back()
	held.Store(true)
	letGo()
	r.reaches(first.ID, platform.PhaseLive)
	<-atGate
	require.NoError(t, r.worker.RefreshRoutes(t.Context()))
	s, err := r.options.Router.Snapshot(t.Context())
	require.NoError(t, err)
	serving := []string{}
	for _, target := range s.Targets {
		if !target.Draining {
			serving = append(serving, target.Instance)
		}
	}
	require.Equal(t, []string{string(deployInstance(first.ID, 0))}, serving)
	held.Store(false)
	r.reaches(second.ID, platform.PhaseLive)
	r.settles(1, 1)
}

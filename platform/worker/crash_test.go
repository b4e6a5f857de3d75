package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

var errCrash = errors.New("crash")

// startCrashing runs a worker that the crash point kills: its context ends at that very moment.
func (r *rig) startCrashing(point string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var hit sync.Once
	reached := make(chan struct{})
	r.options.Crash = func(at string) error {
		if at != point {
			return nil
		}
		hit.Do(func() { cancel(); close(reached) })
		return errCrash
	}
	ended := make(chan error, 1)
	go func() { ended <- New(r.options).Run(ctx) }()
	select {
	case <-reached:
	case <-time.After(patience):
		require.Failf(r.t, "not reached", "crash point %s", point)
	}
	require.NoError(r.t, <-ended)
	r.options.Crash = nil
}

// TestCrash_AnyPointOfADeployIsFinishedByTheNextWorker is the crash matrix: the worker dies after each effect and before
// its record, and after each record; another one takes over the same database and engine.
func TestCrash_AnyPointOfADeployIsFinishedByTheNextWorker(t *testing.T) {
	t.Parallel()
	points := []string{
		"queued/enter", "recorded/building", "building/build", "recorded/starting", "starting/start", "starting/enter",
		"recorded/checking", "checking/enter", "recorded/shifting", "shifting/shift", "recorded/draining", "draining/retire",
		"draining/enter", "recorded/live",
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.image(&app{image: "one", handleFor: 10 * time.Millisecond})
			two := r.image(&app{image: "two", handleFor: 10 * time.Millisecond, loadFor: 50 * time.Millisecond})
			r.blueprint("one", "replicas: 2")
			r.start()
			r.reaches(r.deploy("one").ID, platform.PhaseLive)
			r.settles(2, 1)
			r.cancel()

			load := r.load()
			d := r.deploy("two")
			r.startCrashing(point)
			began := time.Now()
			r.start()
			r.reaches(d.ID, platform.PhaseLive)
			require.Less(t, time.Since(began), 10*time.Second)
			r.settles(2, 2)
			load.none(t)
			require.EqualValues(t, 2, two.started.Load(), "exactly one set of instances was ever started")
			r.chainHolds()
		})
	}
}

func TestCrash_FailedDeployIsCleanedUpByTheNextWorker(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"checking/clean_up", "recorded/failed"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.image(&app{image: "one"})
			r.image(&app{image: "broken", exitAfter: 100 * time.Millisecond, never: true, exitCode: 2})
			r.blueprint("one")
			r.start()
			r.reaches(r.deploy("one").ID, platform.PhaseLive)
			r.settles(1, 1)
			r.cancel()
			load := r.load()
			d := r.deploy("broken")
			r.startCrashing(point)
			r.start()
			r.reaches(d.ID, platform.PhaseFailed)
			r.settles(1, 1)
			load.none(t)
		})
	}
}

func TestCrash_ScaleUpInterruptedMakesNoInstanceTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	r.cancel()
	_, err := r.plane.Scale(t.Context(), ada, platform.ScaleRequest{SlotRef: ref, Replicas: 3})
	require.NoError(t, err)
	r.startCrashing("reconcile/start")
	r.start()
	r.settles(3, 1)
	require.EqualValues(t, 3, one.started.Load())
}

func TestCrash_ScaleDownAndRestartInterruptedLoseNoRequest(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"reconcile/left", "reconcile/end", "reconcile/start"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.image(&app{image: "one", handleFor: 20 * time.Millisecond})
			r.blueprint("one", "replicas: 2")
			r.start()
			r.reaches(r.deploy("one").ID, platform.PhaseLive)
			r.settles(2, 1)
			r.cancel()
			load := r.load()
			slot, err := r.plane.Restart(t.Context(), ada, ref, "stuck")
			require.NoError(t, err)
			if point != "reconcile/start" {
				_, err = r.plane.Scale(t.Context(), ada, platform.ScaleRequest{SlotRef: ref, Replicas: 1})
				require.NoError(t, err)
			}
			r.startCrashing(point)
			r.start()
			require.Eventually(t, func() bool {
				rows, err := r.plane.ListInstances(t.Context(), ada, ref, false)
				for _, row := range rows {
					if row.State != platform.InstanceReady || row.StartedAt.Before(*slot.RestartedAt) {
						return false
					}
				}
				return err == nil && len(rows) == r.slot().Replicas && len(r.containers()) == len(rows)
			}, patience, 20*time.Millisecond)
			load.none(t)
		})
	}
}

// chainHolds verifies the event chain, and that the deploy's story was told once.
func (r *rig) chainHolds() {
	r.t.Helper()
	report, err := r.plane.VerifyEvents(r.t.Context(), ada)
	require.NoError(r.t, err)
	require.True(r.t, report.OK)
	live, err := r.plane.ListEvents(r.t.Context(), ada, platform.EventFilter{Project: "shop", Kinds: []platform.EventKind{platform.EventDeployLive}})
	require.NoError(r.t, err)
	require.Len(r.t, live.Items, 2)
}

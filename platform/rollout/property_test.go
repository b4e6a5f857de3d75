package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform"
)

func drawSpec(t *rapid.T) platform.ServiceSpec {
	spec := platform.ServiceSpec{
		Health: platform.HealthCheck{Grace: platform.Duration(time.Minute)}, Drain: platform.Duration(30 * time.Second),
	}
	if rapid.Bool().Draw(t, "pre_deploy") {
		spec.PreDeploy = []string{"migrate"}
	}
	if rapid.Bool().Draw(t, "disk") {
		swap := rapid.SampledFrom([]platform.DiskSwap{platform.SwapHold, platform.SwapOverlap, platform.SwapSnapshotFirst}).Draw(t, "swap")
		spec.Disk = &platform.DiskSpec{Name: "data", Swap: swap}
	}
	return spec
}

func drawWorld(t *rapid.T) *world {
	w := &world{
		deploy: platform.Deploy{ID: "dep_1", Phase: platform.PhaseQueued, Spec: drawSpec(t)},
		wanted: rapid.IntRange(0, 4).Draw(t, "wanted"), routed: rapid.Bool().Draw(t, "routed"),
		release: rapid.Bool().Draw(t, "release"), busy: rapid.Bool().Draw(t, "busy"),
		buildFails: rapid.IntRange(0, 5).Draw(t, "build") == 0, engineSaysNo: rapid.IntRange(0, 5).Draw(t, "engine") == 0,
		acked: rapid.Uint64Range(0, 3).Draw(t, "acked"),
	}
	w.published = w.acked
	for range rapid.IntRange(0, 3).Draw(t, "old") {
		w.old = append(w.old, Instance{ID: "ins_old", Running: true, Ready: true, InFlight: rapid.Int64Range(-1, 3).Draw(t, "in_flight")})
	}
	if w.release {
		w.deploy.Trigger = rapid.SampledFrom([]platform.Trigger{platform.TriggerRollback, platform.TriggerPromote}).Draw(t, "trigger")
	}
	return w
}

// disturb lets something happen that the deploy did not ask for.
func disturb(t *rapid.T, w *world) {
	switch rapid.IntRange(0, 11).Draw(t, "disturbance") {
	case 0:
		w.newer = true
	case 1:
		w.deploy.CancelRequested = true
	case 2:
		if len(w.fresh) > 0 {
			i := rapid.IntRange(0, len(w.fresh)-1).Draw(t, "victim")
			w.fresh[i] = Instance{ID: w.fresh[i].ID, Exited: true, ExitCode: 1}
		}
	case 3:
		w.inPhase += rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Minute, 2 * time.Hour}).Draw(t, "passes")
		for i := range w.fresh {
			w.fresh[i].Up += 10 * time.Second
		}
	case 4:
		w.wanted = rapid.IntRange(0, 4).Draw(t, "scale")
	case 5:
		if len(w.fresh) > 0 {
			w.fresh = w.fresh[:len(w.fresh)-1] // somebody removed it
		}
	case 6:
		w.acked = 0 // the router was replaced
	case 7, 8, 9:
		w.settle()
	}
}

// check holds one decision to everything that must always be true.
func check(t *rapid.T, w *world, o Observed, step Step) {
	before := w.deploy.Phase
	require.True(t, step.Phase.Valid(), "%+v", step)
	require.Equal(t, before.Terminal(), step.Kind == StepDone, "a deploy that ended never moves, one that did not always does")
	if before.Committed() {
		require.NotEqual(t, StepCleanUp, step.Kind, "from committed on, only forward")
		require.True(t, step.Phase.Committed(), "from committed on, only forward: %v", step)
	}
	if step.Kind != StepCleanUp && !before.Terminal() {
		require.GreaterOrEqual(t, order(step.Phase), order(before), "a phase never goes back")
	}
	if step.Kind == StepWait {
		require.Positive(t, step.After, "a wait ends by itself")
		require.Equal(t, before, step.Phase)
	}
	if step.Kind == StepEnter {
		require.NotEqual(t, before, step.Phase, "entering is progress")
	}
	require.Equal(t, step.Phase == platform.PhaseFailed && before != platform.PhaseFailed, step.Failure != nil)
	if step.Failure != nil {
		require.Equal(t, before, step.Failure.Phase)
		require.NotEmpty(t, step.Failure.Message)
		require.NotEmpty(t, step.Failure.Reason)
	}
	if step.Phase == platform.PhaseSuperseded && before != platform.PhaseSuperseded {
		require.True(t, o.Newer, "the newest deploy is never superseded")
	}
	if step.Phase == platform.PhaseCanceled && before != platform.PhaseCanceled {
		require.True(t, w.deploy.CancelRequested)
	}
	if step.Kind == StepStopOld {
		require.True(t, HoldSwap(w.deploy.Spec), "only a hold swap stops the old first")
	}
	if step.Kind == StepStart && HoldSwap(w.deploy.Spec) && before == platform.PhaseStarting {
		require.Empty(t, o.Old, "one writer")
	}
	if step.Phase == platform.PhaseShifting && before != platform.PhaseShifting {
		require.GreaterOrEqual(t, count(o.New, ready), o.Wanted, "traffic moves to ready instances only")
	}
	if step.Kind == StepRetire {
		require.True(t, w.wasAllReady, "the old serve until all of the new were ready")
		require.True(t, !o.Routed || (w.deploy.TableVersion > 0 && o.Acked >= w.deploy.TableVersion), "and the router has acknowledged")
	}
}

func order(p platform.Phase) int {
	for i, known := range platform.Phases {
		if p == known {
			return i
		}
	}
	return len(platform.Phases)
}

func TestNext_KeepsItsPromisesInEveryWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		hadOld := len(w.old) > 0
		for range 60 {
			o := w.observed()
			step, err := Next(w.deploy, o)
			require.NoError(t, err)
			check(t, w, o, step)
			again, err := Next(w.deploy, o)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(step, again), "the same question has the same answer")
			w.effect(step)
			if rapid.IntRange(0, 6).Draw(t, "crash") > 0 {
				w.record(step)
			}
			disturb(t, w)
		}
		require.LessOrEqual(t, w.terminals, 1, "one end: %v", w.trail)
		if p := w.deploy.Phase; p.Terminal() && p != platform.PhaseLive && hadOld && !w.stoppedOld {
			require.NotEmpty(t, w.old, "a deploy that did not go live leaves the old serving: %v", w.trail)
		}
	})
}

// TestNext_AlwaysArrives leaves the world alone after a while: whatever happened before, the deploy then ends.
func TestNext_AlwaysArrives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(0, 12).Draw(t, "trouble") {
			step, err := Next(w.deploy, w.observed())
			require.NoError(t, err)
			w.effect(step)
			w.record(step)
			disturb(t, w)
		}
		for range 40 {
			if w.deploy.Phase.Terminal() {
				return
			}
			step, err := Next(w.deploy, w.observed())
			require.NoError(t, err)
			w.effect(step)
			w.record(step)
			w.settle()
		}
		require.Failf(t, "stuck", "in %s after %v", w.deploy.Phase, w.trail)
	})
}

// TestNext_TheNewestOfManyDeploysIsNeverLost runs several deploys of one slot against each other.
func TestNext_TheNewestOfManyDeploysIsNeverLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "deploys")
		all := make([]*world, n)
		for i := range all {
			all[i] = &world{deploy: platform.Deploy{ID: "dep", Phase: platform.PhaseQueued}, wanted: 1, routed: true}
		}
		born := 1
		turn := func(i int) {
			w := all[i]
			w.newer = born > i+1
			w.busy = false
			for j := range born {
				p := all[j].deploy.Phase
				w.busy = w.busy || (j != i && p != platform.PhaseQueued && !p.Terminal())
			}
			step, err := Next(w.deploy, w.observed())
			require.NoError(t, err)
			w.effect(step)
			w.record(step)
			under := 0
			for j := range born {
				if p := all[j].deploy.Phase; p != platform.PhaseQueued && !p.Terminal() {
					under++
				}
			}
			require.LessOrEqual(t, under, 1, "at most one deploy of a slot is under way")
			w.settle()
		}
		for range 40 {
			if born < n && rapid.IntRange(0, 3).Draw(t, "push") == 0 {
				born++
			}
			turn(rapid.IntRange(0, born-1).Draw(t, "who"))
		}
		for range 40 {
			for i := range born {
				turn(i)
			}
		}
		require.Equal(t, platform.PhaseLive, all[born-1].deploy.Phase, "the newest goes live")
		for i := range born {
			require.True(t, all[i].deploy.Phase.Terminal())
		}
	})
}

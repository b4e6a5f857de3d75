package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func deployIn(phase platform.Phase) platform.Deploy {
	return platform.Deploy{
		ID: "dep_1", Project: "shop", Environment: "production", Service: "api", Phase: phase,
		Spec: platform.ServiceSpec{Drain: platform.Duration(30 * time.Second)},
	}
}

func next(t *testing.T, d platform.Deploy, o Observed) Step {
	t.Helper()
	step, err := Next(d, o)
	require.NoError(t, err)
	return step
}

func TestNext_SlowModelLoadWithinItsGraceIsNotAFailure(t *testing.T) {
	t.Parallel()
	loading := Observed{Wanted: 1, InPhase: 14 * time.Minute, New: []Instance{{ID: "ins_1", Running: true, Up: 14 * time.Minute, LastProbe: "503"}}}
	step := next(t, deployIn(platform.PhaseChecking), loading)
	require.Equal(t, StepWait, step.Kind)

	loading.New[0].Up = 15*time.Minute + time.Second
	step = next(t, deployIn(platform.PhaseChecking), loading)
	require.Equal(t, platform.FailureUnhealthy, step.Failure.Reason)
	require.Contains(t, step.Failure.Message, "503")
}

func TestNext_ExitBeforeReadyFailsAtOnceWithCodeAndMemory(t *testing.T) {
	t.Parallel()
	for _, phase := range []platform.Phase{platform.PhaseStarting, platform.PhaseChecking} {
		step := next(t, deployIn(phase), Observed{Wanted: 1, New: []Instance{{ID: "ins_1", Exited: true, ExitCode: 137, OOMKilled: true}}})
		require.Equal(t, StepCleanUp, step.Kind)
		require.Equal(t, platform.FailureExited, step.Failure.Reason)
		require.Equal(t, 137, *step.Failure.ExitCode)
		require.True(t, step.Failure.OOMKilled)
		require.Equal(t, phase, step.Failure.Phase)
	}
}

func TestNext_DrainingGivesRequestsTheirTimeAndNoMore(t *testing.T) {
	t.Parallel()
	old := func(inFlight int64) []Instance {
		return []Instance{{ID: "ins_0", Running: true, InFlight: inFlight}}
	}
	d := deployIn(platform.PhaseDraining)
	require.Equal(t, StepWait, next(t, d, Observed{Old: old(2), InPhase: 29 * time.Second}).Kind)
	require.Equal(t, StepWait, next(t, d, Observed{Old: old(-1), InPhase: time.Second}).Kind, "unknown counts as busy")
	require.Equal(t, StepRetire, next(t, d, Observed{Old: old(0)}).Kind)
	require.Equal(t, StepRetire, next(t, d, Observed{Old: old(2), InPhase: 30 * time.Second}).Kind)
	require.Equal(t, platform.PhaseLive, next(t, d, Observed{}).Phase)

	died := Observed{Wanted: 1, Old: old(0), New: []Instance{{ID: "ins_1", Exited: true}}}
	require.Equal(t, StepWait, next(t, d, died).Kind, "the old ones serve until a new one is ready again")
	died.InPhase = 30 * time.Second
	require.Equal(t, StepRetire, next(t, d, died).Kind)
}

func TestNext_RollbackDoesNotBuildNorMigrate(t *testing.T) {
	t.Parallel()
	d := deployIn(platform.PhaseQueued)
	d.Spec.PreDeploy = []string{"migrate"}
	d.Trigger = platform.TriggerRollback
	require.Equal(t, platform.PhaseStarting, next(t, d, Observed{HasRelease: true}).Phase)
	d.Trigger = platform.TriggerPromote
	require.Equal(t, platform.PhaseReleasing, next(t, d, Observed{HasRelease: true}).Phase)
}

func TestNext_PreDeployCommandFailsTheDeployWithItsWords(t *testing.T) {
	t.Parallel()
	d := deployIn(platform.PhaseReleasing)
	d.Spec.PreDeploy = []string{"migrate"}
	require.Equal(t, StepPreDeploy, next(t, d, Observed{}).Kind)
	require.Equal(t, StepWait, next(t, d, Observed{PreDeployRunning: true}).Kind)
	step := next(t, d, Observed{PreDeploy: &PreDeployResult{ExitCode: 3, Detail: "no such table"}})
	require.Equal(t, platform.FailurePreDeploy, step.Failure.Reason)
	require.Contains(t, step.Failure.Message, "no such table")
	require.Equal(t, platform.FailurePreDeploy, next(t, d, Observed{PreDeployRunning: true, InPhase: 2 * time.Hour}).Failure.Reason)
}

func TestNext_RouterReplacedWhileDrainingGetsTheTableAgain(t *testing.T) {
	t.Parallel()
	old := []Instance{{ID: "ins_0", Running: true}}
	step := next(t, deployIn(platform.PhaseShifting), Observed{Routed: true, Acked: 6, Old: old})
	require.Equal(t, StepShift, step.Kind)
	require.Equal(t, platform.PhaseDraining, step.Phase)

	d := deployIn(platform.PhaseDraining)
	d.TableVersion = 7
	require.Equal(t, StepShift, next(t, d, Observed{Routed: true, Acked: 6, Old: old}).Kind)
	require.Equal(t, StepRetire, next(t, d, Observed{Routed: true, Acked: 9, Old: old}).Kind)
}

func TestNext_UnknownPhaseIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Next(deployIn("resting"), Observed{})
	require.ErrorContains(t, err, "resting")
}

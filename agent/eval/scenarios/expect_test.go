package scenarios_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

func TestScore_TheTimeIsThatFromTheOpeningToTheDiagnosis(t *testing.T) {
	t.Parallel()
	opened := time.Unix(1_800_000_000, 0)
	incident := platform.Incident{Signal: platform.SignalErrorRate, OnsetAt: opened.Add(-2 * time.Second), OpenedAt: opened}
	r := scenarios.Score("x", eval.Expected{}, incident, platform.Diagnosis{At: opened.Add(300 * time.Millisecond), Took: platform.Duration(40 * time.Millisecond)})
	require.Equal(t, 300*time.Millisecond, r.Took.D())
	require.Equal(t, 40*time.Millisecond, r.Engine.D())
	require.Equal(t, 2*time.Second, r.DetectedIn.D())
}

func TestUndisturbed_IsRightWhereNothingWasToOpen(t *testing.T) {
	t.Parallel()
	e := eval.Expected{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy, Change: eval.ChangeNone}
	require.True(t, scenarios.Undisturbed("x", e).Right())
}

func TestExpect_TheGuiltyStepSaysWhatIsConvicted(t *testing.T) {
	t.Parallel()
	shas := map[string]string{scenarios.ChangeGuilty: "aaa"}
	for want, step := range map[string]scenarios.Step{
		"aaa": {Commit: &scenarios.Commit{Name: scenarios.ChangeGuilty}}, "config": {Env: &scenarios.Env{Name: scenarios.ChangeGuilty}},
		"scale": {Scale: &scenarios.Scale{Name: scenarios.ChangeGuilty}},
	} {
		e := scenarios.Expect(scenarios.Case{Change: scenarios.ChangeGuilty, Steps: []scenarios.Step{{Use: "readme"}, step}}, shas, []string{"bbb"})
		require.Equal(t, want, e.Change)
		require.Equal(t, []string{"bbb"}, e.Decoys)
	}
	require.Equal(t, eval.ChangeNone, scenarios.Expect(scenarios.Case{Change: scenarios.ChangeNone}, shas, nil).Change)
}

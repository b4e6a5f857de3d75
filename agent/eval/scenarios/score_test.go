package scenarios_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

var (
	opened   = time.Unix(1_800_000_000, 0)
	incident = platform.Incident{Signal: platform.SignalErrorRate, OnsetAt: opened.Add(-2 * time.Second), OpenedAt: opened}
	leak     = scenarios.Expected{Verdict: platform.VerdictCause, Category: "oom_killed", Service: "api", Change: "aaa", Decoys: []string{"bbb"}}
)

func answer(category platform.Category, change *platform.Change) platform.Diagnosis {
	return platform.Diagnosis{
		Verdict: platform.VerdictCause, Category: category, At: opened.Add(300 * time.Millisecond),
		Causes: []platform.Cause{{Category: category, Service: "api", Change: change, Score: 0.9}},
	}
}

func TestScore_TheRightCommitIsRight(t *testing.T) {
	t.Parallel()
	r := scenarios.Score(leak, incident, answer("oom_killed", &platform.Change{Kind: platform.ChangeCommit, ID: "aaa"}))
	require.True(t, r.Right())
	require.True(t, r.ServiceRight && r.InTop3)
	require.InDelta(t, 300, r.DiagnosisMS, 0.1)
	require.InDelta(t, 2000, r.DetectedMS, 0.1)
}

func TestScore_AnInnocentCommitIsConvicted(t *testing.T) {
	t.Parallel()
	r := scenarios.Score(leak, incident, answer("oom_killed", &platform.Change{Kind: platform.ChangeCommit, ID: "bbb"}))
	require.True(t, r.Convicted && r.CategoryRight)
	require.False(t, r.Right())
}

func TestScore_ToNameACommitWhereNoneIsToBlameIsWrong(t *testing.T) {
	t.Parallel()
	e := leak
	e.Change = scenarios.ChangeNone
	require.False(t, scenarios.Score(e, incident, answer("oom_killed", &platform.Change{Kind: platform.ChangeCommit, ID: "ccc"})).Right())
	require.True(t, scenarios.Score(e, incident, answer("oom_killed", nil)).Right())
}

func TestScore_ASettingIsNamedByItsKind(t *testing.T) {
	t.Parallel()
	e := leak
	e.Change = string(platform.ChangeConfig)
	require.True(t, scenarios.Score(e, incident, answer("oom_killed", &platform.Change{Kind: platform.ChangeSecret, ID: "ev_1"})).ChangeRight)
	require.False(t, scenarios.Score(e, incident, answer("oom_killed", &platform.Change{Kind: platform.ChangeScale, ID: "ev_1"})).ChangeRight)
}

func TestScore_AnAbstentionIsNoConvictionAndNotRight(t *testing.T) {
	t.Parallel()
	r := scenarios.Score(leak, incident, platform.Diagnosis{Verdict: platform.VerdictNone, Category: platform.CategoryNone})
	require.True(t, r.Abstained)
	require.False(t, r.Convicted || r.Right())
}

func TestScore_HealthyIsRightWithoutACause(t *testing.T) {
	t.Parallel()
	e := scenarios.Expected{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy, Service: "api", Change: scenarios.ChangeNone}
	require.True(t, scenarios.Score(e, incident, platform.Diagnosis{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy}).Right())
	require.False(t, scenarios.Score(e, incident, answer("code_error", nil)).Right())
	require.True(t, scenarios.Undisturbed(e).Right())
}

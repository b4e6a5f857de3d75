package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func explain(t *testing.T, b evidence.Bundle) platform.Diagnosis {
	t.Helper()
	d := agent.Explain(b)
	require.NoError(t, agent.Check(d, b))
	return d
}

// badBatchSize has v4 run the image of v3 with another BATCH_SIZE, on which it dies.
func badBatchSize() *world {
	w := newWorld(platform.SignalCrashLoop)
	w.configs[1] = platform.Config{Version: 1, Vars: []platform.Variable{{Key: "BATCH_SIZE", Value: "8"}, {Key: "LOG_LEVEL", Value: "info"}}}
	w.configs[2] = platform.Config{Version: 2, Vars: []platform.Variable{{Key: "BATCH_SIZE", Value: "none"}, {Key: "LOG_LEVEL", Value: "info"}}}
	w.release(func(r *platform.Release) { r.ConfigVersion, r.Commit, r.ImageID = 2, sha("base"), "sha256:old" })
	w.deploy(platform.PhaseLive, nil)
	for _, id := range []string{"ins_c", "ins_b", "ins_a"} {
		w.dead(id, 1, nil)
		w.say(4, id, -time.Second, observability.LevelError, "ValueError: invalid literal for int() with base 10: BATCH_SIZE must be a number")
	}
	w.say(3, "ins_old", -5*time.Minute, observability.LevelInfo, "listening on 0.0.0.0:8080")
	w.events = []platform.Event{
		{ID: "evt_1", At: onset.Add(-2 * time.Hour), Kind: platform.EventConfigChanged, Service: "api", Actor: platform.Actor{Name: "ada"}, Summary: "ada set LOG_LEVEL", Payload: []byte(`{"set":["LOG_LEVEL"]}`)},
		{ID: "evt_2", At: onset.Add(-2 * time.Minute), Kind: platform.EventConfigChanged, Service: "api", Actor: platform.Actor{Name: "grace"}, Summary: "grace set BATCH_SIZE", Payload: []byte(`{"set":["BATCH_SIZE"]}`)},
	}
	return w
}

func TestInvestigate_ChangedConfigurationThatTheErrorNamesIsConvicted(t *testing.T) {
	t.Parallel()
	d := badBatchSize().investigate(t).Diagnosis
	require.Equal(t, platform.CategoryBadConfig, d.Category)
	top := d.Causes[0]
	require.Equal(t, "BATCH_SIZE", top.Variable)
	require.Equal(t, platform.ChangeConfig, top.Change.Kind)
	require.Equal(t, "evt_2", top.Change.ID, "the change of another key is innocent")
	require.Contains(t, quotes(top), "BATCH_SIZE must be a number")
	require.Contains(t, d.Summary, "BATCH_SIZE")
	require.Contains(t, d.Summary, "grace")
	require.NotContains(t, d.Summary, "none", "values are never shown")
	require.Equal(t, []platform.ActionKind{platform.ActionRollback}, actions(d))
	require.Equal(t, 3, d.Suggestions[0].Action.ToRelease)
}

func TestInvestigate_ChangedConfigurationThatTheOldReleaseSharesTheFaultWithIsInnocent(t *testing.T) {
	t.Parallel()
	w := badBatchSize()
	w.say(3, "ins_old", -4*time.Minute, observability.LevelError, "ValueError: invalid literal for int() with base 10: BATCH_SIZE must be a number")
	d := w.investigate(t).Diagnosis
	for _, c := range d.Causes {
		require.Nil(t, c.Change, "what the release before shows too was not brought by what came since")
	}
	require.Empty(t, d.Suggestions)
	require.NotEmpty(t, d.RuledOut)
}

func TestInvestigate_ChangedConfigurationIsNotConvictedForBeingNear(t *testing.T) {
	t.Parallel()
	w := badBatchSize()
	kept := w.lines[:0]
	for _, l := range w.lines {
		if l.Release == 4 {
			l.Message = "exit status 1"
			kept = append(kept, l)
		}
	}
	w.lines = kept
	d := w.investigate(t).Diagnosis
	require.Equal(t, platform.VerdictNone, d.Verdict, d.Summary)
	require.NotEmpty(t, d.Gaps)
}

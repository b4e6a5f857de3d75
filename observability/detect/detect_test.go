package detect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
)

var (
	start = time.Date(2030, 1, 1, 10, 0, 0, 0, time.UTC)
	slot  = platform.Slot{ID: "slot_1", Service: "api", LiveReleaseID: "rel_5", LiveRelease: 5, Replicas: 1}
)

// load makes n seconds of traffic of one release from second first on.
func load(first, n, release int, requests, failed uint64) []detect.Second {
	var out []detect.Second
	for i := range n {
		out = append(out, detect.Second{At: start.Add(time.Duration(first+i) * time.Second), Release: release, Requests: requests, Errors: failed})
	}
	return out
}

func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func TestRate_HardFailingPathOpensWithinTenSecondsAndSaysSinceWhen(t *testing.T) {
	t.Parallel()
	for _, rate := range []uint64{2, 10, 100} {
		before := load(0, 300, 4, rate, 0)
		opened := -1
		for n := 1; n <= 30 && opened < 0; n++ {
			seconds := append(append([]detect.Second{}, before...), load(300, n, 5, rate, max(1, rate*38/100))...)
			if v := detect.DefaultRate.Decide(seconds, true, after(300+n-1)); v.Failing {
				opened = n
				require.Equal(t, 5, v.Release)
				require.Equal(t, after(300), v.Onset)
				f := v.Finding(slot, "rel_5", after(300+n))
				require.Contains(t, f.Title, "answer 5xx since 10:05:00 (release 5)")
				require.Equal(t, platform.SignalErrorRate, f.Signal)
			}
		}
		require.Positive(t, opened, "at %d requests a second", rate)
		require.LessOrEqual(t, opened, 12, "at %d requests a second", rate)
	}
}

func TestRate_NoAnswerIsNamed(t *testing.T) {
	t.Parallel()
	seconds := load(0, 10, 5, 10, 0)
	for i := range seconds {
		seconds[i].NoAnswer = 10
	}
	v := detect.DefaultRate.Decide(seconds, false, after(9))
	require.True(t, v.Failing)
	require.Contains(t, v.Finding(slot, "rel_5", after(9)).Title, "100% of requests get no answer")
}

func TestRate_SecondBadReleaseOpensAlthoughTheFirstFailedLately(t *testing.T) {
	t.Parallel()
	seconds := append(load(0, 200, 4, 10, 0), load(200, 40, 5, 10, 5)...)
	seconds = append(seconds, load(240, 40, 4, 10, 0)...)
	seconds = append(seconds, load(280, 10, 6, 10, 5)...)
	require.True(t, detect.DefaultRate.Decide(seconds, true, after(289)).Failing)
}

func TestRate_ClearsAfterTheErrorsStopAndNotBefore(t *testing.T) {
	t.Parallel()
	failing := load(0, 60, 5, 10, 5)
	for n := 1; n < 40; n++ {
		v := detect.DefaultRate.Decide(append(append([]detect.Second{}, failing...), load(60, n, 4, 10, 0)...), true, after(60+n-1))
		require.Equal(t, n > 15, v.Clear, "after %d clean seconds", n)
	}
	require.False(t, detect.DefaultRate.Decide(failing, true, after(120)).Clear, "silence alone is not well yet")
	require.True(t, detect.DefaultRate.Decide(failing, true, after(181)).Clear)
	require.False(t, detect.DefaultRate.Decide(failing, false, after(600)).Clear, "silence of an unhealthy slot is not well")
}

// Whatever the traffic and its churn of releases, a few failures spread thin open nothing.
func TestRate_RareFailuresNeverOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var seconds []detect.Second
		release, sinceFailure := 1, 1000
		for i := range rapid.IntRange(1, 200).Draw(t, "seconds") {
			if rapid.IntRange(0, 20).Draw(t, "deploy") == 0 {
				release++
			}
			s := load(i, 1, release, uint64(rapid.IntRange(0, 50).Draw(t, "requests")), 0)[0]
			if sinceFailure++; sinceFailure > 61 && s.Requests > 0 && rapid.Bool().Draw(t, "fail") {
				s.Errors, sinceFailure = 1, 0
			}
			seconds = append(seconds, s)
			require.False(t, detect.DefaultRate.Decide(seconds, true, s.At).Failing)
		}
	})
}

func instance(ordinal int, state platform.InstanceState, began, ended int) platform.Instance {
	in := platform.Instance{ID: platform.NewID[platform.InstanceID]("ins"), ReleaseID: "rel_5", ReleaseNumber: 5, Ordinal: ordinal, State: state, StartedAt: after(began)}
	if state == platform.InstanceReady {
		at := after(began)
		in.ReadyAt = &at
	}
	if state.Ended() {
		at, code := after(ended), 1
		in.EndedAt, in.ExitCode = &at, &code
	}
	return in
}

func TestInstance_ThirdDeathIsACrashLoopUntilTheSuccessorStays(t *testing.T) {
	t.Parallel()
	seen := []platform.Instance{instance(0, platform.InstanceDead, 0, 2), instance(0, platform.InstanceDead, 3, 5)}
	holding, clear := detect.DefaultInstance.Decide(slot, seen, after(6))
	require.Empty(t, holding)
	require.Empty(t, clear)
	seen = append(seen, instance(0, platform.InstanceDead, 8, 10))
	holding, _ = detect.DefaultInstance.Decide(slot, seen, after(11))
	require.Len(t, holding, 1)
	require.Equal(t, platform.SignalCrashLoop, holding[0].Signal)
	require.Equal(t, after(2), holding[0].OnsetAt)
	require.Equal(t, "api: keeps dying, 3 times since 10:00:02 (release 5, exit code 1)", holding[0].Title)
	seen = append(seen, instance(0, platform.InstanceReady, 15, 0))
	holding, _ = detect.DefaultInstance.Decide(slot, seen, after(60))
	require.Len(t, holding, 1, "ready for 45 s is not over")
	holding, clear = detect.DefaultInstance.Decide(slot, seen, after(76))
	require.Empty(t, holding)
	require.Len(t, clear, 3)
}

func TestInstance_CrashLoopIsOverWhenTheServiceIsScaledToZero(t *testing.T) {
	t.Parallel()
	seen := []platform.Instance{instance(0, platform.InstanceDead, 0, 2), instance(0, platform.InstanceDead, 3, 5), instance(0, platform.InstanceDead, 8, 10)}
	none := slot
	none.Replicas = 0
	holding, clear := detect.DefaultInstance.Decide(none, seen, after(11))
	require.Empty(t, holding)
	require.Contains(t, clear, platform.SignalCrashLoop)
}

func TestInstance_OneOutOfMemoryIsEnough(t *testing.T) {
	t.Parallel()
	killed := instance(0, platform.InstanceDead, 0, 30)
	killed.OOMKilled = true
	holding, _ := detect.DefaultInstance.Decide(slot, []platform.Instance{killed, instance(0, platform.InstanceReady, 31, 0)}, after(32))
	require.Len(t, holding, 1)
	require.Equal(t, platform.SignalOOM, holding[0].Signal)
	require.Equal(t, after(30), holding[0].OnsetAt)
}

func TestInstance_LostHealthHoldsAndClears(t *testing.T) {
	t.Parallel()
	unwell := instance(0, platform.InstanceUnhealthy, 0, 0)
	unwell.Reason = "connection refused"
	holding, _ := detect.DefaultInstance.Decide(slot, []platform.Instance{unwell}, after(50))
	require.Len(t, holding, 1)
	require.Contains(t, holding[0].Title, "1 of 1 instances fail their health check (release 5): connection refused")
	unwell.State = platform.InstanceReady
	holding, clear := detect.DefaultInstance.Decide(slot, []platform.Instance{unwell}, after(51))
	require.Empty(t, holding)
	require.Contains(t, clear, platform.SignalHealthLost)
}

// Planned stops, rolling replacement, starts and a death or two never open anything.
func TestInstance_PlannedChurnNeverOpens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var seen []platform.Instance
		deaths := 0
		for i := range rapid.IntRange(0, 40).Draw(t, "n") {
			state := rapid.SampledFrom([]platform.InstanceState{
				platform.InstanceStarting, platform.InstanceReady, platform.InstanceDraining, platform.InstanceStopped, platform.InstanceDead,
			}).Draw(t, "state")
			in := instance(rapid.IntRange(0, 3).Draw(t, "ordinal"), state, i, i+1)
			if rapid.Bool().Draw(t, "old") {
				in.ReleaseID, in.ReleaseNumber = "rel_4", 4
			} else if state == platform.InstanceDead {
				if deaths++; deaths > 2 {
					in.State = platform.InstanceStopped
				}
			}
			seen = append(seen, in)
			holding, _ := detect.DefaultInstance.Decide(slot, seen, after(i+1))
			require.Empty(t, holding)
		}
	})
}

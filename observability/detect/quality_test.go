package detect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
)

// during is an instance as it is seen in one second: starting, then ready, then draining, then gone.
func during(id platform.InstanceID, release platform.ReleaseID, number, starts, ready, drains, ends, now int) (platform.Instance, bool) {
	in := platform.Instance{ID: id, ReleaseID: release, ReleaseNumber: number, StartedAt: after(starts), State: platform.InstanceStarting}
	if now < starts {
		return in, false
	}
	if now >= ready {
		at := after(ready)
		in.ReadyAt, in.State = &at, platform.InstanceReady
	}
	if now >= drains {
		in.State = platform.InstanceDraining
	}
	if now >= ends {
		at, code := after(ends), 143
		in.State, in.EndedAt, in.ExitCode = platform.InstanceStopped, &at, &code
	}
	return in, true
}

// A healthy deploy of three instances, seen in every second: the new ones come up one by one, the old ones drain and are
// stopped, one request gets no answer on the way. Nothing is an incident, before, during or after.
func TestQuality_AHealthyDeployOpensNothing(t *testing.T) {
	t.Parallel()
	old := platform.Slot{ID: "slot_1", Service: "api", LiveReleaseID: "rel_4", LiveRelease: 4, Replicas: 3}
	fresh := old
	fresh.LiveReleaseID, fresh.LiveRelease = "rel_5", 5
	var seconds []detect.Second
	for now := range 600 {
		slot, serves := old, 4
		if now >= 320 {
			slot, serves = fresh, 5
		}
		seconds = append(seconds, load(now, 1, serves, 20, 0)...)
		if now == 321 {
			seconds[len(seconds)-1].NoAnswer = 1
		}
		var seen []platform.Instance
		for i := range 3 {
			a, _ := during(platform.InstanceID("old-"+string(rune('a'+i))), "rel_4", 4, -1000, -990, 325+10*i, 335+10*i, now)
			a.Ordinal = i
			seen = append(seen, a)
			if b, there := during(platform.InstanceID("new-"+string(rune('a'+i))), "rel_5", 5, 290+3*i, 310+3*i, 9999, 9999, now); there {
				b.Ordinal = i
				seen = append(seen, b)
			}
		}
		holding, _ := detect.DefaultInstance.Decide(slot, seen, after(now))
		require.Empty(t, holding, "second %d", now)
		require.False(t, detect.DefaultRate.Decide(seconds, true, after(now)).Failing, "second %d", now)
	}
}

// A service that is stopped on purpose, one instance after the other, and then scaled to zero, with traffic that ends.
func TestQuality_APlannedStopOpensNothing(t *testing.T) {
	t.Parallel()
	slot := platform.Slot{ID: "slot_1", Service: "api", LiveReleaseID: "rel_5", LiveRelease: 5, Replicas: 2}
	var seconds []detect.Second
	for now := range 300 {
		if now < 100 {
			seconds = append(seconds, load(now, 1, 5, 10, 0)...)
		} else {
			slot.Replicas = 0
		}
		var seen []platform.Instance
		for i := range 2 {
			in, _ := during(platform.InstanceID(string(rune('a'+i))), "rel_5", 5, -100, -90, 100+20*i, 110+20*i, now)
			in.Ordinal = i
			seen = append(seen, in)
		}
		holding, _ := detect.DefaultInstance.Decide(slot, seen, after(now))
		require.Empty(t, holding, "second %d", now)
		require.False(t, detect.DefaultRate.Decide(seconds, true, after(now)).Failing, "second %d", now)
	}
}

// One failed probe leaves the instance ready, with the reason noted; one failed request is one of many, or of few.
func TestQuality_ASingleFailureOpensNothing(t *testing.T) {
	t.Parallel()
	in := instance(0, platform.InstanceReady, 0, 0)
	in.Reason = "1 of 3 health checks failed: connection refused"
	holding, clear := detect.DefaultInstance.Decide(slot, []platform.Instance{in}, after(100))
	require.Empty(t, holding)
	require.Contains(t, clear, platform.SignalHealthLost)
	for _, rate := range []uint64{1, 2, 20} {
		seconds := load(0, 60, 5, rate, 0)
		seconds[55].Errors = 1
		require.False(t, detect.DefaultRate.Decide(seconds, true, after(59)).Failing, "one of %d a second", rate)
	}
}

// A memory or disk that fills over hours is forecast long before it is full.
func TestQuality_ASlowBurnIsSeenBeforeItsLimit(t *testing.T) {
	t.Parallel()
	const capacity = 100 << 30
	for _, hours := range []float64{6, 20, 48} {
		perPoint := capacity / (hours * 12) // a point each five minutes
		seenAt := -1.0
		var points []observability.Point
		for i := 0; float64(i)*perPoint < capacity && seenAt < 0; i++ {
			points = append(points, observability.Point{At: after(300 * i), Value: float64(i) * perPoint})
			if left, ok := detect.DefaultFill.Forecast(points, capacity); ok && left < 24*time.Hour {
				seenAt = float64(i) * perPoint / capacity
			}
		}
		require.GreaterOrEqual(t, seenAt, 0.0, "%g hours", hours)
		require.Less(t, seenAt, 0.6, "%g hours: seen only when %g of it were full", hours, seenAt)
	}
}

func TestCovers_ASymptomIsPartOfItsTroubleAndNeverTheOtherWayRound(t *testing.T) {
	t.Parallel()
	open := func(s platform.Signal) platform.Incident {
		return platform.Incident{SlotID: "slot_1", ReleaseID: "rel_5", Signal: s, State: platform.IncidentOpen}
	}
	found := func(s platform.Signal) platform.Finding {
		return platform.Finding{SlotID: "slot_1", ReleaseID: "rel_5", Signal: s}
	}
	require.True(t, detect.Covers(open(platform.SignalCrashLoop), found(platform.SignalErrorRate)))
	require.True(t, detect.Covers(open(platform.SignalOOM), found(platform.SignalHealthLost)))
	require.True(t, detect.Covers(open(platform.SignalHealthLost), found(platform.SignalErrorRate)))
	require.False(t, detect.Covers(open(platform.SignalErrorRate), found(platform.SignalCrashLoop)), "a symptom covers no cause")
	require.False(t, detect.Covers(open(platform.SignalErrorRate), found(platform.SignalOOM)))
	for _, change := range []func(*platform.Incident){
		func(i *platform.Incident) { i.State = platform.IncidentResolved }, func(i *platform.Incident) { i.SlotID = "slot_2" }, func(i *platform.Incident) { i.ReleaseID = "rel_4" },
	} {
		other := open(platform.SignalCrashLoop)
		change(&other)
		require.False(t, detect.Covers(other, found(platform.SignalErrorRate)))
	}
	for _, s := range []platform.Signal{platform.SignalBuildFailed, platform.SignalDeployFailed} {
		require.False(t, detect.Covers(open(platform.SignalCrashLoop), found(s)), "what a deploy reports is told always")
	}
	rule := func(name string) platform.Finding {
		return platform.Finding{SlotID: "slot_1", ReleaseID: "rel_5", Signal: platform.SignalAlert, Rule: name}
	}
	require.True(t, detect.Covers(open(platform.SignalErrorRate), rule("error-log-surge")))
	require.False(t, detect.Covers(open(platform.SignalErrorRate), rule("disk-fills")))
	require.False(t, detect.Covers(open(platform.SignalErrorRate), rule("mine")))
}

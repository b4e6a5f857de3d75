package collect_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
)

// bench is a router, a control plane and a clock that a test drives.
type bench struct {
	snapshot routing.Snapshot
	slot     platform.Slot

	mu       sync.Mutex // guards the fields below
	findings []platform.Finding
	refuse   error
}

func (b *bench) Snapshot(context.Context) (routing.Snapshot, error) { return b.snapshot, nil }
func (b *bench) ListWorkSlots(context.Context) ([]platform.Slot, error) {
	return []platform.Slot{b.slot}, nil
}

func (b *bench) Report(_ context.Context, f platform.Finding) (platform.Incident, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return platform.Incident{}, b.refuse
	}
	b.findings = append(b.findings, f)
	return platform.Incident{}, nil
}

func (b *bench) serve(release int, ok, failed uint64) {
	i := slices.IndexFunc(b.snapshot.Routes, func(c routing.RouteCount) bool { return c.Release == release })
	if i < 0 {
		b.snapshot.Routes = append(b.snapshot.Routes, routing.RouteCount{Slot: string(b.slot.ID), Release: release, Latency: routing.Histogram{Buckets: make([]uint64, len(routing.LatencyBounds)+1)}})
		i = len(b.snapshot.Routes) - 1
	}
	c := &b.snapshot.Routes[i]
	c.Status[2] += ok
	c.Status[5] += failed
	c.Latency.Buckets = slices.Clone(c.Latency.Buckets)
	c.Latency.Buckets[2] += ok + failed
	c.Latency.Count += ok + failed
	c.Latency.Sum += time.Duration(ok+failed) * 3 * time.Millisecond
}

func newBench(t *testing.T) (*bench, *collect.Routes, *embedded.Metrics) {
	t.Helper()
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	b := &bench{
		snapshot: routing.Snapshot{Boot: "one"},
		slot:     platform.Slot{ID: "slot_1", Project: "shop", Environment: "production", Service: "api", LiveReleaseID: "rel_5", LiveRelease: 5, Replicas: 1},
	}
	return b, &collect.Routes{Router: b, Slots: b, Metrics: metrics, Detector: collect.NewDetector(b, nil), Log: discard}, metrics
}

func TestRoutes_TotalsRiseAcrossRouterRestarts(t *testing.T) {
	t.Parallel()
	b, routes, metrics := newBench(t)
	now := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	b.serve(5, 100, 0)
	for i := range 20 {
		b.serve(5, 10, 0)
		if i == 10 {
			b.snapshot = routing.Snapshot{Boot: "two"}
			b.serve(5, 3, 0)
		}
		require.NoError(t, routes.Poll(t.Context(), now.Add(time.Duration(i)*time.Second)))
	}
	end := now.Add(19 * time.Second)
	series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: `fairlead_requests_total{project="shop",service="api",release="5",class="2xx"}`, To: end})
	require.NoError(t, err)
	require.Equal(t, float64(100+10*10+3+9*10), series[0].Points[0].Value, "the ten that a dead router counted after the last poll are lost with it")
	series, err = metrics.Query(t.Context(), observability.MetricQuery{Expr: `histogram_quantile(0.5, sum by (le) (rate(fairlead_request_seconds_bucket[15s])))`, To: end})
	require.NoError(t, err)
	require.InDelta(t, 0.0035, series[0].Points[0].Value, 0.002)
}

func TestRoutes_TellTheQueueOfEachInstance(t *testing.T) {
	t.Parallel()
	b, routes, metrics := newBench(t)
	now := time.Now().Add(-time.Minute).Truncate(time.Second)
	target := func(instance string, held int64, draining bool) routing.TargetStatus {
		return routing.TargetStatus{Instance: instance, Slot: string(b.slot.ID), InFlight: held, Draining: draining}
	}
	held := func(at time.Time) map[string]float64 {
		series, err := metrics.Query(t.Context(), observability.MetricQuery{Project: "shop", Expr: observability.MetricInFlight, To: at})
		require.NoError(t, err)
		found := map[string]float64{}
		for _, s := range series {
			found[s.Labels["instance"]] = s.Points[0].Value
		}
		return found
	}
	b.snapshot.Targets = []routing.TargetStatus{target("ins_1", 7, false), target("ins_2", 0, false), target("ins_1", 2, true), {Instance: "ins_3", Slot: "slot_of_nobody"}}
	require.NoError(t, routes.Poll(t.Context(), now))
	require.Equal(t, map[string]float64{"ins_1": 9, "ins_2": 0}, held(now))
	b.snapshot.Targets = []routing.TargetStatus{target("ins_2", 1, false)}
	require.NoError(t, routes.Poll(t.Context(), now.Add(time.Second)))
	require.Equal(t, map[string]float64{"ins_2": 1}, held(now.Add(time.Second)), "an instance that is gone has no queue")
}

func TestDetector_ErrorRateIsToldOnceAMinuteAndResolvedOnce(t *testing.T) {
	t.Parallel()
	b, routes, _ := newBench(t)
	now := time.Now().Add(-10 * time.Minute)
	tick := 0
	step := func(n int, release int, ok, failed uint64) {
		for range n {
			tick++
			b.serve(release, ok, failed)
			require.NoError(t, routes.Poll(t.Context(), now.Add(time.Duration(tick)*time.Second)))
		}
	}
	step(60, 4, 10, 0)
	require.Len(t, b.findings, 1, "a process that knows nothing says once that the slot is well")
	require.True(t, b.findings[0].Resolved)
	b.refuse = errors.New("postgres is away")
	step(6, 5, 6, 4)
	require.Len(t, b.findings, 1)
	b.refuse = nil
	step(2, 5, 6, 4)
	require.Len(t, b.findings, 2, "what could not be reported is reported at the next tick")
	f := b.findings[1]
	require.Equal(t, platform.SignalErrorRate, f.Signal)
	require.Equal(t, platform.ReleaseID("rel_5"), f.ReleaseID)
	require.WithinDuration(t, now.Add(61*time.Second), f.OnsetAt, 2*time.Second)
	step(50, 5, 6, 4)
	require.Len(t, b.findings, 2)
	step(20, 5, 6, 4)
	require.Len(t, b.findings, 3)
	step(40, 4, 10, 0)
	require.Len(t, b.findings, 4)
	require.True(t, b.findings[3].Resolved)
}

func TestDetector_InstancesAreToldWhenSomethingIsNew(t *testing.T) {
	t.Parallel()
	b, _, _ := newBench(t)
	d := collect.NewDetector(b, nil)
	now := time.Now()
	dead := func(ago time.Duration) platform.Instance {
		at := now.Add(-ago)
		return platform.Instance{ReleaseID: "rel_5", ReleaseNumber: 5, State: platform.InstanceDead, StartedAt: at.Add(-time.Second), EndedAt: &at}
	}
	seen := []platform.Instance{dead(30 * time.Second), dead(20 * time.Second), dead(10 * time.Second)}
	require.Len(t, d.Instances(b.slot, seen, now), 1)
	require.Empty(t, d.Instances(b.slot, seen, now.Add(time.Second)))
	seen = append(seen, dead(0))
	require.Len(t, d.Instances(b.slot, seen, now.Add(2*time.Second)), 1, "another death is news")
	ready := now.Add(5 * time.Second)
	seen = append(seen, platform.Instance{ReleaseID: "rel_5", State: platform.InstanceReady, StartedAt: ready, ReadyAt: &ready})
	require.Empty(t, d.Instances(b.slot, seen, now.Add(10*time.Second)))
	for _, f := range d.Instances(b.slot, seen, now.Add(70*time.Second)) {
		require.True(t, f.Resolved)
	}
	require.Empty(t, d.Instances(b.slot, seen, now.Add(71*time.Second)))
}

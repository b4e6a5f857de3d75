package collect_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// taken asks a source and returns what it gave by series, every one of which the catalogue knows.
func taken(t *testing.T, source collect.Source, now time.Time) map[string]float64 {
	t.Helper()
	samples, err := source(t.Context(), now)
	require.NoError(t, err)
	require.NoError(t, promql.CheckSamples(samples))
	out := map[string]float64{}
	for _, s := range samples {
		d, known := observability.Describe(s.Name)
		require.True(t, known, s.Name)
		for label := range s.Labels {
			require.Contains(t, append(d.Labels, "le"), label, s.Name)
		}
		out[promql.SeriesOf(&s).String()] = s.Value
	}
	return out
}

func TestFigures_OfASlotAndTheQueue(t *testing.T) {
	t.Parallel()
	got := taken(t, collect.Figures(func(context.Context) (platform.Figures, error) {
		buckets := make([]int, len(platform.FigureBounds)+1)
		buckets[0], buckets[len(buckets)-1] = 2, 1
		return platform.Figures{
			Queue: []platform.QueueFigure{{Kind: "advance_deploy", State: "available", Jobs: 3, Oldest: 90 * time.Second}, {Kind: "advance_deploy", State: "running", Jobs: 1}},
			Slots: []platform.SlotFigure{{
				Project: "shop", Environment: "production", Service: "api", Replicas: 2, Instances: map[platform.InstanceState]int{platform.InstanceReady: 2},
				Deaths: 4, OOMKills: 1, Deploys: map[platform.Phase]int{platform.PhaseLive: 3, platform.PhaseBuilding: 1},
				DeployTook: platform.DurationFigure{Buckets: buckets, Sum: 2 * time.Hour}, Incidents: map[platform.Signal]int{platform.SignalOOM: 2},
				OpenIncidents: map[platform.Signal]int{platform.SignalOOM: 1}, Disk: &platform.DiskSpec{Name: "models", SizeGB: 20},
			}},
		}, nil
	}), time.Now())
	slot := `environment="production", `
	for series, want := range map[string]float64{
		`{__name__="fairlead_queue_jobs", kind="advance_deploy", state="available"}`:                          3,
		`{__name__="fairlead_queue_jobs", kind="advance_deploy", state="retryable"}`:                          0,
		`{__name__="fairlead_queue_jobs", kind="execute_plan", state="available"}`:                            0,
		`{__name__="fairlead_queue_oldest_seconds", kind="advance_deploy"}`:                                   90,
		`{__name__="fairlead_slot_replicas", ` + slot + `project="shop", service="api"}`:                      2,
		`{__name__="fairlead_slot_instances", ` + slot + `project="shop", service="api", state="ready"}`:      2,
		`{__name__="fairlead_slot_instances", ` + slot + `project="shop", service="api", state="unhealthy"}`:  0,
		`{__name__="fairlead_slot_restarts_total", ` + slot + `project="shop", service="api"}`:                4,
		`{__name__="fairlead_deploys_total", ` + slot + `project="shop", result="live", service="api"}`:       3,
		`{__name__="fairlead_deploys_total", ` + slot + `project="shop", result="failed", service="api"}`:     0,
		`{__name__="fairlead_deploys_open", ` + slot + `phase="building", project="shop", service="api"}`:     1,
		`{__name__="fairlead_deploy_seconds_bucket", ` + slot + `le="60", project="shop", service="api"}`:     2,
		`{__name__="fairlead_deploy_seconds_bucket", ` + slot + `le="+Inf", project="shop", service="api"}`:   3,
		`{__name__="fairlead_deploy_seconds_sum", ` + slot + `project="shop", service="api"}`:                 7200,
		`{__name__="fairlead_incidents_open", ` + slot + `project="shop", service="api", signal="oom"}`:       1,
		`{__name__="fairlead_disk_capacity_bytes", disk="models", ` + slot + `project="shop", service="api"}`: 20 << 30,
	} {
		value, there := got[series]
		require.True(t, there, series)
		require.Equal(t, want, value, series)
	}
	for series := range got {
		require.NotContains(t, series, "fairlead_build_seconds", "no build is no sample")
	}
}

func TestFigures_SayWhichInstancesAreReadyUntilTheyEnd(t *testing.T) {
	t.Parallel()
	var running []platform.InstanceFigure
	source := collect.Figures(func(context.Context) (platform.Figures, error) {
		return platform.Figures{Slots: []platform.SlotFigure{{Project: "shop", Environment: "production", Service: "api", Running: running}}}, nil
	})
	ready := func(at time.Time) map[string]float64 {
		found := map[string]float64{}
		for series, value := range taken(t, source, at) {
			if strings.Contains(series, observability.MetricUp) {
				found[series] = value
			}
		}
		return found
	}
	one := `{__name__="fairlead_instance_ready", environment="production", instance="ins_1", project="shop", release="5", service="api"}`
	two := `{__name__="fairlead_instance_ready", environment="production", instance="ins_2", project="shop", release="6", service="api"}`
	now := time.Now()
	running = []platform.InstanceFigure{{ID: "ins_1", Release: 5, Ready: true}, {ID: "ins_2", Release: 6}}
	require.Equal(t, map[string]float64{one: 1, two: 0}, ready(now))
	running = running[1:]
	running[0].Ready = true
	got := ready(now.Add(time.Second))
	require.Equal(t, 1.0, got[two])
	require.True(t, observability.IsStale(got[one]), "an instance that ended is not unready: it has no value any more")
	require.Equal(t, map[string]float64{two: 1}, ready(now.Add(2*time.Second)))
}

// carrier is an engine with one volume that grows.
type carrier struct{ bytes int64 }

func (c *carrier) Volumes(context.Context) ([]runtime.Volume, error) {
	labels := map[string]string{runtime.LabelProject: "shop", runtime.LabelEnvironment: "production", runtime.LabelService: "api", runtime.LabelDisk: "models"}
	return []runtime.Volume{{Name: "v", Labels: labels, Bytes: c.bytes}, {Name: "not a disk", Bytes: 1}}, nil
}

func TestForecast_ADiskThatFillsIsToldAndEndsWhenItNoLongerDoes(t *testing.T) {
	t.Parallel()
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	const gib = 1 << 30
	engine := &carrier{bytes: 10 * gib}
	disks := collect.Disks(engine)
	now := time.Now().Truncate(time.Second)
	capacity := observability.Sample{Name: observability.MetricDiskCapacity, At: now, Value: 20 * gib, Labels: map[string]string{
		"project": "shop", "environment": "production", "service": "api", "disk": "models",
	}}
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{capacity}))
	store := func(at time.Time) {
		samples, err := disks(t.Context(), at)
		require.NoError(t, err)
		require.Len(t, samples, 1)
		require.NoError(t, metrics.Append(t.Context(), samples))
	}
	for i := range 13 { // half a GiB each five minutes: 16 GiB now
		store(now.Add(time.Duration(i-12) * 5 * time.Minute))
		engine.bytes += gib / 2
	}
	forecast := collect.FillForecast(metrics, detect.DefaultFill)
	const series = `{__name__="fairlead_disk_full_seconds", disk="models", environment="production", project="shop", service="api"}`
	got := taken(t, forecast, now)
	require.Contains(t, got, series)
	require.InDelta(t, 40*60, got[series], 1, "4 GiB left at 6 GiB an hour")
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: observability.MetricDiskCapacity, At: now.Add(time.Second), Value: 1e18, Labels: capacity.Labels}}))
	got = taken(t, forecast, now.Add(2*time.Second))
	require.True(t, observability.IsStale(got[series]), "there is room for years: what was told ends")
	require.Empty(t, taken(t, forecast, now.Add(3*time.Second)))
}

func TestHeld_AsksSeldomAndSaysAgainInBetween(t *testing.T) {
	t.Parallel()
	asked := 0
	held := collect.Held(func(_ context.Context, now time.Time) ([]observability.Sample, error) {
		asked++
		return []observability.Sample{{Name: "m", At: now, Value: float64(asked)}, {Name: "gone", At: now, Value: observability.StaleMarker}}, nil
	}, time.Minute)
	now := time.Now()
	first, err := held(t.Context(), now)
	require.NoError(t, err)
	require.Len(t, first, 2)
	again, err := held(t.Context(), now.Add(30*time.Second))
	require.NoError(t, err)
	require.Equal(t, []observability.Sample{{Name: "m", At: now.Add(30 * time.Second), Value: 1}}, again)
	anew, err := held(t.Context(), now.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, 2.0, anew[0].Value)
}

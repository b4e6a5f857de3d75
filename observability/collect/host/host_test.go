package host_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect/host"
	"github.com/fairlead/fairlead/observability/promql"
)

func values(t *testing.T, o host.Options) map[string]float64 {
	t.Helper()
	samples, err := host.New(o).Sample(t.Context(), time.Now())
	require.NoError(t, err)
	require.NoError(t, promql.CheckSamples(samples))
	out := map[string]float64{}
	for _, s := range samples {
		d, known := observability.Describe(s.Name)
		require.True(t, known, s.Name)
		for label := range s.Labels {
			require.Contains(t, d.Labels, label, s.Name)
		}
		out[promql.SeriesOf(&s).String()] = s.Value
	}
	return out
}

func TestSample_ReadsWhatTheKernelSays(t *testing.T) {
	t.Parallel()
	got := values(t, host.Options{Proc: filepath.Join("testdata", "proc")})
	for series, want := range map[string]float64{
		`{__name__="fairlead_host_cpu_seconds_total", mode="user"}`:                      10,
		`{__name__="fairlead_host_cpu_seconds_total", mode="idle"}`:                      400,
		`{__name__="fairlead_host_cpus"}`:                                                2,
		`{__name__="fairlead_host_load", window="1m"}`:                                   1.25,
		`{__name__="fairlead_host_memory_bytes", kind="available"}`:                      8192 << 10,
		`{__name__="fairlead_host_memory_bytes", kind="swap_free"}`:                      1024 << 10,
		`{__name__="fairlead_host_network_receive_bytes_total", device="eth0"}`:          4096,
		`{__name__="fairlead_host_network_transmit_bytes_total", device="eth0"}`:         8192,
		`{__name__="fairlead_host_pressure_seconds_total", kind="some", resource="cpu"}`: 1.5,
		`{__name__="fairlead_host_pressure_seconds_total", kind="full", resource="io"}`:  1,
	} {
		require.InDelta(t, want, got[series], 1e-9, series)
	}
	for series := range got {
		require.NotContains(t, series, "docker0", "what containers say is counted once")
		require.NotContains(t, series, `resource="memory"`, "what the kernel does not measure is no sample")
	}
}

func TestSample_OfThisHostAndItsFileSystems(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := values(t, host.Options{Folders: func(context.Context) map[string]string {
		return map[string]string{"state": dir, "engine": "", "gone": filepath.Join(dir, "nowhere")}
	}})
	size, free := got[`{__name__="fairlead_filesystem_size_bytes", folder="state"}`], got[`{__name__="fairlead_filesystem_free_bytes", folder="state"}`]
	require.Positive(t, size)
	require.Greater(t, size, free)
	require.NotContains(t, got, `{__name__="fairlead_filesystem_size_bytes", folder="gone"}`)
	require.Positive(t, got[`{__name__="fairlead_host_cpus"}`])
}

func TestSample_AHostWithoutProcIsSilent(t *testing.T) {
	t.Parallel()
	require.Empty(t, values(t, host.Options{Proc: filepath.Join(t.TempDir(), "nowhere")}))
}

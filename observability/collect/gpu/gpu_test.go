package gpu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
)

// machine is a host with a driver that answers from recorded output.
func machine(t *testing.T, change func(*Options)) *GPUs {
	t.Helper()
	proc := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(proc, "driver/nvidia"), 0o755))
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		return string(raw)
	}
	o := Options{
		Proc: proc,
		Run: func(_ context.Context, args ...string) (string, error) {
			if strings.HasPrefix(args[0], "--query-gpu=") {
				return read("devices.csv"), nil
			}
			return read("processes.csv"), nil
		},
		Log: func() (string, error) { return read("kernel.log"), nil },
		Owner: func(pid int) map[string]string {
			if pid != 4101 && pid != 4102 {
				return nil
			}
			return map[string]string{"project": "shop", "environment": "production", "service": "llm", "release": "3", "instance": "ins_1"}
		},
	}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func values(t *testing.T, g *GPUs) map[string]float64 {
	t.Helper()
	samples, err := g.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	require.NoError(t, promql.CheckSamples(samples))
	out := map[string]float64{}
	for _, s := range samples {
		d, known := observability.Describe(s.Name)
		require.True(t, known, s.Name)
		require.Len(t, s.Labels, len(d.Labels), s.Name)
		out[promql.SeriesOf(&s).String()] = s.Value
	}
	return out
}

func TestSample_ReadsWhatTheDriverSays(t *testing.T) {
	t.Parallel()
	got := values(t, machine(t, nil))
	for series, want := range map[string]float64{
		`{__name__="fairlead_gpu_utilization_ratio", gpu="0", model="NVIDIA H100 80GB HBM3"}`:                                                              0.87,
		`{__name__="fairlead_gpu_memory_used_bytes", gpu="0", model="NVIDIA H100 80GB HBM3"}`:                                                              71234 << 20,
		`{__name__="fairlead_gpu_temperature_celsius", gpu="1", model="NVIDIA H100 80GB HBM3"}`:                                                            31,
		`{__name__="fairlead_gpu_power_watts", gpu="0", model="NVIDIA H100 80GB HBM3"}`:                                                                    612.33,
		`{__name__="fairlead_gpu_memory_total_bytes", gpu="2", model="Tesla, of a kind"}`:                                                                  15360 << 20,
		`{__name__="fairlead_gpu_xid_errors_total", gpu="0", xid="31"}`:                                                                                    2,
		`{__name__="fairlead_gpu_xid_errors_total", gpu="1", xid="79"}`:                                                                                    1,
		`{__name__="fairlead_gpu_xid_errors_total", gpu="0000:99:00", xid="13"}`:                                                                           1,
		`{__name__="fairlead_instance_gpu_memory_bytes", environment="production", gpu="0", instance="ins_1", project="shop", release="3", service="llm"}`: 70000 << 20,
	} {
		require.InDelta(t, want, got[series], 1e-6, series)
	}
	for series := range got {
		require.False(t, strings.Contains(series, `gpu="2"`) && !strings.Contains(series, "memory"), "what a device does not measure is no sample: %s", series)
	}
}

func TestSample_ErrorsAreCountedOnAndOn(t *testing.T) {
	t.Parallel()
	g := machine(t, nil)
	values(t, g)
	require.Equal(t, 4.0, values(t, g)[`{__name__="fairlead_gpu_xid_errors_total", gpu="0", xid="31"}`])
}

func TestSample_WithoutADriverIsSilentAndAsksNoMore(t *testing.T) {
	t.Parallel()
	calls := 0
	count := func(err error) func(context.Context, ...string) (string, error) {
		return func(context.Context, ...string) (string, error) { calls++; return "", err }
	}
	g := machine(t, func(o *Options) { o.Proc, o.Run = t.TempDir(), count(nil) })
	require.Empty(t, values(t, g))
	require.Zero(t, calls)
	g = machine(t, func(o *Options) { o.Run = count(&exec.Error{Name: "nvidia-smi", Err: exec.ErrNotFound}) })
	require.Empty(t, values(t, g))
	require.Empty(t, values(t, g))
	require.Equal(t, 1, calls)
	g = machine(t, func(o *Options) { o.Run = count(errors.New("the driver does not answer")) })
	_, err := g.Sample(t.Context(), time.Now())
	require.ErrorContains(t, err, "the driver does not answer")
}

func TestSample_OfThisHostIsNoError(t *testing.T) {
	t.Parallel()
	_, err := New(Options{}).Sample(t.Context(), time.Now())
	require.NoError(t, err)
}

func TestExplain_KnowsTheErrorsThatCostAReset(t *testing.T) {
	t.Parallel()
	m, ok := Explain(79)
	require.True(t, ok)
	require.True(t, m.Reset)
	require.Equal(t, "hardware", m.Fault)
	_, ok = Explain(9999)
	require.False(t, ok)
	for code := range meanings {
		m, _ := Explain(code)
		require.Contains(t, []string{"application", "hardware", "driver"}, m.Fault, code)
		require.True(t, strings.HasSuffix(m.Text, "."), code)
	}
}

func TestContainer_IsFoundByTheGroupOfTheProcess(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a1b2c3d", 8)
	proc := t.TempDir()
	for pid, line := range map[string]string{"7": "0::/system.slice/docker-" + id + ".scope\n", "8": "4:memory:/docker/" + id + "\n", "9": "0::/user.slice\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(proc, pid), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "cgroup"), []byte(line), 0o644))
	}
	require.Equal(t, id, Container(proc, 7))
	require.Equal(t, id, Container(proc, 8))
	require.Empty(t, Container(proc, 9))
	require.Empty(t, Container(proc, 10))
}

func TestKernelLog_BeginsAtTheEndAndIsEmptyWhereItMayNotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kmsg")
	require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o600))
	log := newKernelLog(path)
	text, err := log.read()
	require.NoError(t, err)
	require.Empty(t, text)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.WriteString("new")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	text, err = log.read()
	require.NoError(t, err)
	require.Equal(t, "new\n", text)

	text, err = newKernelLog(filepath.Join(t.TempDir(), "nowhere")).read()
	require.NoError(t, err)
	require.Empty(t, text)
}

func FuzzParse(f *testing.F) {
	f.Add("0, GPU-1, 00000000:1B:00.0, NVIDIA, 1, 2, 3, 4, 5, 6\n")
	f.Add("NVRM: Xid (PCI:0000:1b:00): 79, pid=1\n,,,,,,,,,,,,,,,")
	f.Fuzz(func(_ *testing.T, text string) {
		parseDevices(text)
		parseHoldings(text)
		parseXids(text)
	})
}

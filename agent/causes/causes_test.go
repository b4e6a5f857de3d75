package causes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

// facts has v4 as the suspect after v3, with one line said by v4.
func facts(signal platform.Signal, text string) *causes.Facts {
	f := &causes.Facts{
		Incident: platform.Incident{Service: "api", Signal: signal, ReleaseNumber: 4},
		Deploy:   &causes.Deploy{Deploy: platform.Deploy{ID: "dep_4", Phase: platform.PhaseFailed, Failure: &platform.DeployFailure{Reason: platform.FailureUnhealthy}}, Cite: "ev_deploy"},
		Release:  &platform.Release{Number: 4}, Previous: &platform.Release{Number: 3},
		Spec:   platform.ServiceSpec{Port: 8080, Health: platform.HealthCheck{Kind: platform.HealthHTTP, Path: "/healthz"}},
		Config: &causes.Config{Keys: map[string]bool{"SET_KEY": true}, Cite: "ev_config"},
	}
	if text != "" {
		f.Lines = []causes.Line{{Service: "api", Release: 4, Instance: "ins_a", Text: text, Cite: "ev_log"}}
	}
	return f
}

func probed(f *causes.Facts, state platform.InstanceState, probe platform.Probe, code int) *causes.Facts {
	in := causes.Instance{Instance: platform.Instance{ID: "ins_a", State: state}, Cite: "ev_instance", ProbesCite: "ev_probes"}
	if state.Ended() {
		in.ExitCode = &code
	} else {
		in.Probes = []platform.Probe{probe, probe, probe}
	}
	f.Instances = []causes.Instance{in}
	return f
}

func TestDiagnose_RealWordsOfEachCategory(t *testing.T) {
	t.Parallel()
	refused := platform.Probe{Error: "dial tcp 172.18.0.3:8080: connect: connection refused"}
	for _, c := range []struct {
		name string
		f    *causes.Facts
		want platform.Category
	}{
		{"envconfig", facts(platform.SignalDeployFailed, "required key DATABASE_URL missing value"), platform.CategoryMissingEnv},
		{"node", facts(platform.SignalDeployFailed, "Error: DATABASE_URL is not defined"), platform.CategoryMissingEnv},
		{"pydantic", facts(platform.SignalDeployFailed, "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\npayments_url\n  Field required [type=missing, input_value={}, input_type=dict]"), platform.CategoryMissingEnv},
		{"a variable that is set", facts(platform.SignalDeployFailed, "required key SET_KEY missing value"), platform.CategoryNone},
		{"a KeyError of data", facts(platform.SignalDeployFailed, "KeyError: 'PRICE'"), platform.CategoryNone},
		{"python module", facts(platform.SignalDeployFailed, "ModuleNotFoundError: No module named 'numpy'"), platform.CategoryImportError},
		{"shared library", facts(platform.SignalDeployFailed, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"), platform.CategoryImportError},
		{"command", probed(facts(platform.SignalDeployFailed, "sh: 1: gunicorn: not found"), platform.InstanceDead, platform.Probe{}, 127), platform.CategoryBadCommand},
		{"other port", probed(facts(platform.SignalDeployFailed, "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)"), platform.InstanceStarting, refused, 0), platform.CategoryPortMismatch},
		{"loopback", probed(facts(platform.SignalDeployFailed, "INFO:     Uvicorn running on http://127.0.0.1:8080"), platform.InstanceStarting, refused, 0), platform.CategoryPortMismatch},
		{"health path", probed(facts(platform.SignalDeployFailed, "GET /healthz 404"), platform.InstanceStarting, platform.Probe{Status: 404}, 0), platform.CategoryBadHealthPath},
		{"slow start", probed(facts(platform.SignalDeployFailed, "Loading checkpoint shards:  45%"), platform.InstanceStarting, platform.Probe{Status: 503}, 0), platform.CategorySlowStart},
		{"a kill by our own stop", probed(facts(platform.SignalCrashLoop, ""), platform.InstanceStopped, platform.Probe{}, 137), platform.CategoryNone},
		{"a kill by nobody known", probed(facts(platform.SignalCrashLoop, ""), platform.InstanceDead, platform.Probe{}, 137), platform.CategoryNone},
	} {
		d := causes.Diagnose(c.f)
		require.Equal(t, c.want, d.Category, "%s: %s", c.name, d.Summary)
	}
}

func TestDiagnose_DependencyIsBlamedOnlyWhenItIsDown(t *testing.T) {
	t.Parallel()
	f := facts(platform.SignalErrorRate, "requests.exceptions.ConnectionError: HTTPConnectionPool(host='features', port=8080): Max retries exceeded (Connection refused)")
	f.Neighbours = []causes.Neighbour{{Name: "features", Known: true, Down: true, Wanted: 1, Why: "features: 0 of 1 instances ready", Cite: "ev_n"}}
	d := causes.Diagnose(f)
	require.Equal(t, platform.CategoryDependency, d.Category)
	require.Equal(t, "features", d.Causes[0].Service)
	f.Neighbours[0].Down, f.Neighbours[0].Ready = false, 1
	require.NotEqual(t, platform.CategoryDependency, causes.Diagnose(f).Category)
}

func TestParseTraces_ReadsFourLanguages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, err, file, fn string }{
		{"Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in run\n    x()\nValueError: bad", "ValueError: bad", "/app/a.py", "run"},
		{"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.serve(...)\n\t/src/main.go:3 +0x1d\n", "panic: runtime error: index out of range [5] with length 3", "/src/main.go", "main.serve"},
		{"TypeError: Cannot read properties of undefined (reading 'x')\n    at handler (/app/server.js:3:13)\n    at Layer.handle (/app/node_modules/express/layer.js:95:5)", "TypeError: Cannot read properties of undefined (reading 'x')", "/app/server.js", "handler"},
		{"java.lang.IllegalStateException: closed\n\tat com.shop.cart.Cart.add(Cart.java:3)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)", "java.lang.IllegalStateException: closed", "com/shop/cart/Cart.java", "com.shop.cart.Cart.add"},
	} {
		got := causes.ParseTraces(c.text)
		require.Len(t, got, 1, c.text)
		in, ok := got[0].Inner()
		require.True(t, ok)
		require.Equal(t, c.err, got[0].Error)
		require.Equal(t, c.file, in.File)
		require.Equal(t, c.fn, in.Func)
		require.Equal(t, 3, in.Line)
	}
}

func TestParseDiff_NumbersLinesOfNewRenamedAndDeletedFiles(t *testing.T) {
	t.Parallel()
	got := causes.ParseDiff("diff --git a/a b/b\nrename from a\nrename to b\n--- a/a\n+++ b/b\n@@ -1,2 +1,3 @@ def f\n x\n+y\n z\ndiff --git a/c b/c\ndeleted file mode 100644\n--- a/c\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n")
	require.Len(t, got, 2)
	require.Equal(t, "a", got[0].Old)
	require.Equal(t, "b", got[0].New)
	require.Equal(t, causes.HunkLine{Op: '+', Text: "y", New: 2}, got[0].Hunks[0].Lines[1])
	require.Equal(t, "c", got[1].Path())
	require.Empty(t, got[1].New)
}

func FuzzParseDiff(f *testing.F) {
	f.Add("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,3 @@\n x\n+y\n z\n")
	f.Add("@@ -9999999,0 +1 @@\n--- \n+++ ")
	f.Fuzz(func(t *testing.T, diff string) {
		for _, file := range causes.ParseDiff(diff) {
			for _, h := range file.Hunks {
				if !strings.Contains(diff, strings.SplitN(h.Text, "\n", 2)[0]) {
					t.Fatalf("hunk header %q is not in the diff", h.Text)
				}
			}
		}
	})
}

func FuzzParseTraces(f *testing.F) {
	f.Add("Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    x\nE: y")
	f.Add("panic: x\ngoroutine 1 [running]:\nmain.f()\n\t/a.go:1\nCaused by: XError: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, tr := range causes.ParseTraces(text) {
			if !strings.Contains(text, tr.Error) {
				t.Fatalf("error %q is not in the text", tr.Error)
			}
		}
	})
}

package eval_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/platform"
)

// write makes a bundle whose answer is known.
func write(t *testing.T, dir, name string, want eval.Expected, files map[string]string) {
	t.Helper()
	at := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(at, 0o755))
	expected, err := json.Marshal(want)
	require.NoError(t, err)
	files["expected.json"] = string(expected)
	for file, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(at, file), []byte(text), 0o600))
	}
}

const reported = `{"id":"i","title":"errors","service":"api","signal":"error_rate","detected_at":"2026-03-01T10:05:00Z"}`

func TestRun_CountsWhatIsRightAndADecoyThatIsConvicted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := `{"ts":"2026-03-01T09:00:00Z","service":"api","level":"info","msg":"GET / 200"}
{"ts":"2026-03-01T10:01:00Z","service":"api","level":"error","msg":"OSError: [Errno 24] Too many open files: '/tmp/x'"}
{"ts":"2026-03-01T10:02:00Z","service":"api","level":"error","msg":"OSError: [Errno 24] Too many open files: '/tmp/y'"}`
	changes := `{"ts":"2026-03-01T09:58:00Z","kind":"commit","id":"aaaaaaa1","service":"api","message":"fetch avatars without a session","files":["api/avatar.py"],"diff":"--- a/api/avatar.py\n+++ b/api/avatar.py\n@@ -1,2 +1,2 @@\n-    with requests.Session() as s:\n+    s = requests.Session()\n"}`
	files := func() map[string]string {
		return map[string]string{"incident.json": reported, "logs.ndjson": logs, "changes.ndjson": changes}
	}
	write(t, dir, "right", eval.Expected{Verdict: platform.VerdictCause, Category: platform.CategoryDescriptors, Service: "api", Change: "aaaaaaa1"}, files())
	write(t, dir, "wrong", eval.Expected{Verdict: platform.VerdictCause, Category: platform.CategoryDiskFull, Service: "api", Change: "none", Decoys: []string{"aaaaaaa1"}}, files())
	results, err := eval.Run(dir)
	require.NoError(t, err)
	require.Len(t, results, 2)
	require.True(t, results[0].Category && results[0].Right && results[0].Service, "%+v", results[0].Got)
	s := eval.Sum(results)
	require.InDelta(t, 0.5, s.Category, 0)
	require.InDelta(t, 0.5, s.Change, 0)
	require.Equal(t, 1, s.Convicted)
}

func TestRun_TheBundlesOfTheProjectHold(t *testing.T) {
	t.Parallel()
	results, err := eval.Run("testdata")
	if os.IsNotExist(err) || len(results) == 0 {
		require.NoDirExists(t, "testdata", "bundles lie there and none was read")
		return
	}
	require.NoError(t, err)
	s := eval.Sum(results)
	t.Logf("%+v", s)
	require.GreaterOrEqual(t, s.Category, 0.90)
}

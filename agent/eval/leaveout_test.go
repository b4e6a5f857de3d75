package eval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/platform"
)

func TestLeaveOut_WithTheGuiltyChangeGoneNoInnocentIsConvicted(t *testing.T) {
	t.Parallel()
	results, err := eval.LeaveOut("testdata")
	require.NoError(t, err)
	require.NotEmpty(t, results)
	for _, r := range results {
		require.False(t, r.Convicted, "%s: %s", r.Name, r.Summary)
	}
}

func TestLeaveOut_TakesTheChangeAndWhatTheDeploySaysOfItOutOfTheRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := `{"ts":"2026-03-01T09:00:00Z","service":"api","release":"v1","level":"info","msg":"GET / 200"}
{"ts":"2026-03-01T10:01:00Z","service":"api","release":"v2","level":"error","msg":"Traceback (most recent call last):\n  File \"/srv/api/price.py\", line 4, in total\n    return rate[code]\nKeyError: 'CHF'"}
{"ts":"2026-03-01T10:02:00Z","service":"api","release":"v2","level":"error","msg":"Traceback (most recent call last):\n  File \"/srv/api/price.py\", line 4, in total\n    return rate[code]\nKeyError: 'CHF'"}`
	changes := `{"ts":"2026-03-01T09:50:00Z","kind":"commit","id":"aaaaaaa1","service":"api","message":"rates by code","files":["api/price.py"],"diff":"--- a/api/price.py\n+++ b/api/price.py\n@@ -3,2 +3,2 @@\n def total(code):\n-    return rate.get(code, 1)\n+    return rate[code]\n"}
{"ts":"2026-03-01T09:51:00Z","kind":"commit","id":"bbbbbbb2","service":"api","message":"round up","files":["api/round.py"],"diff":"--- a/api/round.py\n+++ b/api/round.py\n@@ -1,1 +1,1 @@\n-def up(x): return int(x)\n+def up(x): return int(x + 0.5)\n"}
{"ts":"2026-03-01T10:00:00Z","kind":"deploy","id":"d2","service":"api","release":"v2","commit":"aaaaaaa1","message":"release v2"}`
	write(t, dir, "one", eval.Expected{Verdict: platform.VerdictCause, Category: platform.CategoryCodeError, Service: "api", Change: "aaaaaaa1", Decoys: []string{"bbbbbbb2"}},
		map[string]string{"incident.json": reported, "logs.ndjson": logs, "changes.ndjson": changes})
	whole, err := eval.Run(dir)
	require.NoError(t, err)
	require.Equal(t, "aaaaaaa1", whole[0].Change())
	less, err := eval.LeaveOut(dir)
	require.NoError(t, err)
	require.Len(t, less, 1)
	require.NotEqual(t, "aaaaaaa1", less[0].Change())
	require.False(t, less[0].Convicted, less[0].Summary)
	require.Equal(t, platform.CategoryCodeError, less[0].Category, "what failed is told all the same")
}

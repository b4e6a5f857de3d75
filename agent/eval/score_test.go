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
	require.True(t, results[0].Right() && results[0].ServiceRight, "%+v", results[0])
	s := eval.Sum(results)
	require.Equal(t, eval.Share{Yes: 1, Of: 2}, s.Category)
	require.Equal(t, eval.Share{Yes: 1, Of: 2}, s.Change)
	require.Equal(t, 1, s.Convicted)
	require.Positive(t, s.Median)
}

func TestRun_ABundleThatCannotBeReadIsAResultThatSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := eval.Expected{Verdict: platform.VerdictCause, Category: platform.CategoryHang, Change: eval.ChangeNone}
	write(t, dir, "torn", want, map[string]string{"incident.json": `{"id":`})
	results, err := eval.Run(dir)
	require.NoError(t, err)
	require.Contains(t, results[0].Error, "incident.json")
	require.False(t, results[0].Right() || results[0].CategoryRight || results[0].ChangeRight)
	require.Equal(t, eval.Share{Yes: 0, Of: 1}, eval.Sum(results).Played)
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
	require.GreaterOrEqual(t, s.Category.Rate(), 0.90)
}

var (
	leak     = eval.Expected{Verdict: platform.VerdictCause, Category: "oom_killed", Service: "api", Change: "aaa", Decoys: []string{"bbb"}}
	abstains = platform.Diagnosis{Verdict: platform.VerdictNone, Category: platform.CategoryNone}
)

func says(category platform.Category, change *platform.Change) platform.Diagnosis {
	return platform.Diagnosis{
		Verdict: platform.VerdictCause, Category: category, Causes: []platform.Cause{{Category: category, Service: "api", Change: change, Score: 0.9}},
	}
}

func commit(id string) *platform.Change { return &platform.Change{Kind: platform.ChangeCommit, ID: id} }

func TestScore_TheRightCommitIsRight(t *testing.T) {
	t.Parallel()
	r := eval.Score("x", leak, says("oom_killed", commit("aaa")))
	require.True(t, r.Right() && r.ServiceRight && r.InTop3)
}

func TestScore_AnInnocentChangeIsConvicted(t *testing.T) {
	t.Parallel()
	r := eval.Score("x", leak, says("oom_killed", commit("bbb")))
	require.True(t, r.Convicted && r.CategoryRight)
	require.False(t, r.Right())
	require.False(t, eval.Score("x", leak, says("oom_killed", commit("ccc"))).Convicted, "what is no decoy may have had its part")
}

func TestScore_ToNameAnyChangeWhereNoneIsToBlameConvicts(t *testing.T) {
	t.Parallel()
	for _, none := range []string{eval.ChangeNone, ""} {
		e := leak
		e.Change = none
		r := eval.Score("x", e, says("oom_killed", commit("ccc")))
		require.True(t, r.Convicted)
		require.False(t, r.Right())
		require.True(t, eval.Score("x", e, says("oom_killed", nil)).Right())
	}
}

func TestScore_ASettingIsNamedByItsIDOrItsKind(t *testing.T) {
	t.Parallel()
	for _, expected := range []string{string(platform.ChangeConfig), "ev_1"} {
		e := leak
		e.Change = expected
		require.True(t, eval.Score("x", e, says("oom_killed", &platform.Change{Kind: platform.ChangeSecret, ID: "ev_1"})).ChangeRight, expected)
		require.False(t, eval.Score("x", e, says("oom_killed", &platform.Change{Kind: platform.ChangeScale, ID: "ev_2"})).ChangeRight, expected)
	}
	require.False(t, eval.Score("x", eval.Expected{Change: "commit"}, says("hang", commit("aaa"))).ChangeRight, "a commit has an id")
}

func TestScore_AnAbstentionIsNoConvictionAndRightInNothing(t *testing.T) {
	t.Parallel()
	e := leak
	e.Change = eval.ChangeNone
	r := eval.Score("x", e, abstains)
	require.True(t, r.Abstained)
	require.False(t, r.Convicted || r.Right() || r.ChangeRight || r.ServiceRight)
}

func TestScore_WhatIsNotKnownIsRightToSayNothing(t *testing.T) {
	t.Parallel()
	e := eval.Expected{Verdict: platform.VerdictNone, Category: platform.CategoryNone, Change: eval.ChangeNone, Decoys: []string{"bbb"}}
	require.True(t, eval.Score("x", e, abstains).Right())
	require.True(t, eval.Score("x", e, says("hang", commit("bbb"))).Convicted)
	e.AcceptCategories = []platform.Category{platform.CategoryHealthy}
	require.True(t, eval.Score("x", e, platform.Diagnosis{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy}).Right(), "it is over")
}

func TestScore_ASecondNameOfTheFaultIsRightAndTheThirdCauseCounts(t *testing.T) {
	t.Parallel()
	e := leak
	e.AcceptCategories, e.AcceptServices = []platform.Category{"memory_leak"}, []string{"worker"}
	d := says("memory_leak", commit("aaa"))
	d.Causes[0].Service = "worker"
	require.True(t, eval.Score("x", e, d).Right() && eval.Score("x", e, d).ServiceRight)
	late := says("hang", nil)
	late.Causes = append(late.Causes, platform.Cause{Category: "code_error"}, platform.Cause{Category: "oom_killed"})
	r := eval.Score("x", e, late)
	require.True(t, r.InTop3)
	require.False(t, r.CategoryRight)
}

func TestScore_HealthyIsRightWithoutACause(t *testing.T) {
	t.Parallel()
	e := eval.Expected{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy, Service: "api", Change: eval.ChangeNone}
	require.True(t, eval.Score("x", e, platform.Diagnosis{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy}).Right())
	require.False(t, eval.Score("x", e, says("code_error", nil)).Right())
	s := eval.Sum([]eval.Result{eval.Score("x", e, says("code_error", nil)), eval.Score("y", leak, abstains)})
	require.Equal(t, eval.Share{Yes: 0, Of: 1}, s.Healthy)
	require.Equal(t, eval.Share{Yes: 0, Of: 1}, s.Answered)
}

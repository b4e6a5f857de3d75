package causes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func commitOf(file, diff, message string) *candidate {
	c := &Change{Change: platform.Change{Kind: platform.ChangeCommit, ID: "c", Service: "api", Message: message, Files: []string{file}, Diff: diff}}
	c.Hunks = ParseLoose(diff, c.Files)
	return &candidate{Change: c, service: "api"}
}

func TestInert_ToolsRemarksAndSpacesAreNoPartOfWhatRuns(t *testing.T) {
	t.Parallel()
	diff := func(file, lines string) string {
		return "--- a/" + file + "\n+++ b/" + file + "\n@@ -1,3 +1,3 @@\n" + lines
	}
	for name, c := range map[string]struct {
		file, lines string
		inert       bool
	}{
		"a checker's version":          {"package.json", " \"devDependencies\": {\n-    \"eslint\": \"^9.8.0\",\n+    \"eslint\": \"^9.9.1\",\n", true},
		"a library's version":          {"package.json", "-    \"express\": \"^4.18.0\",\n+    \"express\": \"^5.0.0\",\n", false},
		"a test framework in a pom":    {"pom.xml", " <artifactId>junit-jupiter</artifactId>\n-        <version>5.10.2</version>\n+        <version>5.11.0</version>\n", false}, // the line itself does not say whose it is
		"requirements of tests":        {"requirements-dev.txt", "-pytest==8.1.1\n+pytest==8.3.2\n", true},
		"requirements":                 {"requirements.txt", "-redis==4.0\n+redis==5.0\n", false},
		"a remark in SQL":              {"report.sql", "+-- uses ix_report_day\n SELECT 1;\n", true},
		"a remark in Go":               {"a.go", "-// old words\n+// new words\n", true},
		"spaces in terraform":          {"main.tf", "-  name=\"edge\"\n+  name = \"edge\"\n", true},
		"spaces in Python are its own": {"a.py", "-  return 1\n+    return 1\n", false},
		"an owner's file":              {".github/CODEOWNERS", "+/api @team\n", true},
		"a robot's settings":           {"renovate.json", "+{ \"extends\": [] }\n", true},
		"code":                         {"a.go", "-	return 1\n+	return 2\n", false},
	} {
		require.Equal(t, c.inert, commitOf(c.file, diff(c.file, c.lines), "").inert(), name)
	}
}

func TestOutlived_WhatAnEarlierReleaseHeldDidNotStopALaterOne(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	deploy := func(after time.Duration, tag string) Change {
		return Change{Change: platform.Change{Kind: platform.ChangeDeploy, ID: "d" + tag, Service: "api", At: at.Add(after)}, Tag: tag}
	}
	w := &world{f: &Facts{Changes: []Change{deploy(time.Minute, "v1"), deploy(2*time.Hour, "v2")}}}
	l := &lead{category: platform.CategoryImportError, service: "api", onset: at.Add(2*time.Hour + time.Minute)}
	first, second := commitOf("a.py", "", ""), commitOf("b.py", "", "")
	first.At, first.live, first.tags = at, at.Add(time.Minute), []string{"v1"}
	second.At, second.live, second.tags = at.Add(time.Hour), at.Add(2*time.Hour), []string{"v2"}
	require.Equal(t, "v1", w.outlived(l, first))
	require.Empty(t, w.outlived(l, second))
	l.category = platform.CategoryMemoryLeak
	require.Empty(t, w.outlived(l, first), "what builds up may be old")
}

func TestWellElsewhere_OneImageIsNotIllInOnePlaceOnly(t *testing.T) {
	t.Parallel()
	code := 3
	instance := func(tag string, state platform.InstanceState, exit *int) Instance {
		return Instance{Instance: platform.Instance{Service: "api", State: state, ExitCode: exit}, Tag: tag}
	}
	c := commitOf("a.py", "", "")
	c.tags = []string{"v2"}
	l := &lead{category: platform.CategoryBadModelArtifact, service: "api"}
	ill := instance("v2", platform.InstanceDead, &code)
	require.True(t, (&world{f: &Facts{Fleet: []Instance{instance("v2", platform.InstanceReady, nil), ill}}}).wellElsewhere(l, c))
	require.False(t, (&world{f: &Facts{Fleet: []Instance{instance("v1", platform.InstanceReady, nil), ill}}}).wellElsewhere(l, c), "the old release is not the same image")
	require.False(t, (&world{f: &Facts{Fleet: []Instance{ill}}}).wellElsewhere(l, c))
}

func TestWatches_ACounterIsNoCauseOfASlowStart(t *testing.T) {
	t.Parallel()
	require.True(t, commitOf("a.py", "", "memory of the tokenizer cache in /metrics").watches(platform.CategorySlowStart))
	require.True(t, commitOf("a.py", "", "log tenant id on every request").watches(platform.CategoryPoolExhausted))
	require.False(t, commitOf("a.py", "", "log every position update").watches(platform.CategoryLogFlood))
	require.False(t, commitOf("a.py", "", "cache the model in memory").watches(platform.CategorySlowStart))
}

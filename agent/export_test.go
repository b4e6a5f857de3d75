package agent_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// exported writes an investigated incident as a bundle and returns the folder.
func exported(t *testing.T, in platform.Incident, res agent.Result) string {
	t.Helper()
	dir := t.TempDir()
	written, err := evidence.Export(in, append(res.Evidence, res.Record))
	require.NoError(t, err)
	require.NoError(t, written.Write(dir))
	require.Equal(t, platform.CodeConflict, platform.CodeOf(written.Write(dir)), "a bundle is never written over")
	return dir
}

func TestExport_AnIncidentWrittenAsFilesGetsTheSameDiagnosis(t *testing.T) {
	t.Parallel()
	for name, story := range stories() {
		w := story()
		res := w.investigate(t)
		d, frozen, err := agent.ExplainBundle(exported(t, w.incident, res))
		require.NoError(t, err)
		require.NoError(t, agent.Check(d, frozen))
		want := res.Diagnosis
		want.ID, want.At, want.Took = d.ID, d.At, d.Took
		require.Equal(t, want, d, name)
	}
}

func TestExport_ThePlainFilesTellTheSameToWhoeverReadsThem(t *testing.T) {
	t.Parallel()
	for name, story := range stories() {
		w := story()
		res := w.investigate(t)
		dir := exported(t, w.incident, res)
		require.NoError(t, os.Remove(filepath.Join(dir, "evidence.ndjson")))
		d, frozen, err := agent.ExplainBundle(dir)
		require.NoError(t, err)
		require.NoError(t, agent.Check(d, frozen))
		require.Equal(t, res.Diagnosis.Verdict, d.Verdict, "%s: %s", name, d.Summary)
		require.Equal(t, res.Diagnosis.Category, d.Category, "%s: %s", name, d.Summary)
		answer := agent.AnswerOf(d, frozen)
		if len(res.Diagnosis.Causes) > 0 {
			require.Equal(t, res.Diagnosis.Causes[0].Service, answer.Service, name)
			want := "none"
			if c := res.Diagnosis.Causes[0].Change; c != nil {
				want = c.ID
			}
			require.Equal(t, want, answer.Change, name)
		}
	}
}

func TestExport_MetricsLevelsInstancesAndProbesAreInTheFiles(t *testing.T) {
	t.Parallel()
	w := outOfMemory()
	w.probes["ins_a"] = []platform.Probe{{InstanceID: "ins_a", At: onset, Error: "connection refused"}}
	read, err := bundle.Read(exported(t, w.incident, w.investigate(t)))
	require.NoError(t, err)
	names := map[string]int{}
	for _, s := range read.Metrics {
		names[s.Metric]++
		require.NotEmpty(t, s.Labels["instance"])
	}
	require.Positive(t, names["fairlead_instance_memory_bytes"])
	require.Positive(t, names["fairlead_instance_memory_limit_bytes"])
	require.Equal(t, "info", read.Logs.Groups[0].Level)
	require.Len(t, read.Instances, 3)
	require.Equal(t, "v4", read.Instances[0].Release)
	require.True(t, read.Instances[0].OOMKilled)
	require.Equal(t, "connection refused", read.Probes[0].Error)
	require.Equal(t, "/healthz", read.Probes[0].Path)
}

func TestExport_AFigureThatIsNoNumberDoesNotKeepTheRestFromBeingKept(t *testing.T) {
	t.Parallel()
	w := outOfMemory()
	points := w.series["fairlead_instance_memory_bytes"][0].Points
	w.series["fairlead_instance_memory_bytes"][0].Points = append(points, observability.Point{At: onset.Add(-time.Second), Value: math.NaN()}, observability.Point{At: onset, Value: math.Inf(1)})
	res := w.investigate(t)
	require.NotEmpty(t, res.Record.ID)
	d, _, err := agent.ExplainBundle(exported(t, w.incident, res))
	require.NoError(t, err)
	require.Equal(t, res.Diagnosis.Summary, d.Summary)
}

func TestExport_AnItemThatWasChangedIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := outOfMemory()
	dir := exported(t, w.incident, w.investigate(t))
	file := filepath.Join(dir, "evidence.ndjson")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(raw), "OOMKilled true", "OOMKilled false", 1)), 0o600))
	d, _, err := agent.ExplainBundle(dir)
	require.NoError(t, err)
	require.Contains(t, strings.Join(d.Gaps, "\n"), "is not as it was frozen")
	require.Equal(t, platform.CategoryOOMKilled, d.Category, "the plain files tell of it too")
}

func TestExport_BytesThatNoDatabaseKeepsDoNotWithdrawTheAnswer(t *testing.T) {
	t.Parallel()
	w := missingVariable()
	for i := range w.lines {
		w.lines[i].Message = strings.Replace(w.lines[i].Message, "KeyError:", "\x00\xff KeyError:", 1)
	}
	res := w.investigate(t)
	for i, e := range res.Evidence {
		require.NotContains(t, e.Excerpt, "\x00")
		require.Equal(t, e.SHA256, e.Seal().SHA256, i)
	}
	d, frozen, err := agent.ExplainBundle(exported(t, w.incident, res))
	require.NoError(t, err)
	require.NoError(t, agent.Check(d, frozen))
	require.Equal(t, res.Diagnosis.Summary, d.Summary)
}

func TestExport_AnIncidentWhoseFactsWereNotKeptSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := evidence.Export(platform.Incident{}, nil)
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

package agent_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

func TestExport_AnIncidentWrittenAsFilesGetsTheSameDiagnosis(t *testing.T) {
	t.Parallel()
	for name, story := range stories() {
		w := story()
		res := w.investigate(t)
		in := w.incident
		in.ReleaseNumber = 4
		dir := t.TempDir()
		detail := platform.IncidentDetail{Incident: in, Diagnosis: &res.Diagnosis, Evidence: res.Evidence}
		require.NoError(t, evidence.Export(detail).Write(dir))
		require.Equal(t, platform.CodeConflict, platform.CodeOf(evidence.Export(detail).Write(dir)), "a bundle is never written over")
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

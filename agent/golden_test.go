package agent_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestInvestigate_SaysItInTheseWords holds the words of the diagnoses that users see the most. The command line's own
// test reads the same files.
func TestInvestigate_SaysItInTheseWords(t *testing.T) {
	t.Parallel()
	for name, story := range stories() {
		w := story()
		res := w.investigate(t)
		res.Diagnosis.ID, res.Diagnosis.Took = "dia_1", 41e6
		in := w.incident
		in.Title, in.LastSeenAt, in.ReleaseNumber = name, in.OpenedAt, 4
		raw, err := json.MarshalIndent(platform.IncidentDetail{Incident: in, Diagnosis: &res.Diagnosis, Evidence: res.Evidence}, "", "  ")
		require.NoError(t, err)
		for _, e := range res.Evidence {
			raw = bytes.ReplaceAll(raw, []byte(e.ID), fmt.Appendf(nil, "ev_%d", e.Number))
		}
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, append(raw, '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		if diff := cmp.Diff(string(want), string(raw)+"\n"); diff != "" {
			t.Errorf("%s: run with -update if this is meant:\n%s", name, diff)
		}
	}
}

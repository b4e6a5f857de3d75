package triage_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/triage"
)

func TestDecide_Bundles(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(filepath.Join("testdata", "*", "expected.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(dirs), 8)
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			var want struct{ Decisions []triage.Decision }
			require.NoError(t, json.Unmarshal(raw, &want))
			b, err := bundle.ReadParts(dir)
			require.NoError(t, err)
			got := map[string]triage.Decision{}
			for _, d := range triage.Decide(b).Decisions {
				got[d.Alert] = d
			}
			require.Len(t, got, len(want.Decisions))
			for _, d := range want.Decisions {
				require.Equal(t, d.Verdict, got[d.Alert].Verdict, "%s: %+v", d.Alert, got[d.Alert])
				require.Equal(t, d.DuplicateOf, got[d.Alert].DuplicateOf, "%s: %+v", d.Alert, got[d.Alert])
			}
		})
	}
}

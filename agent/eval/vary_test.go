package eval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
)

// TestVary_TheSameIncidentToldDifferentlyIsExplainedAlike tells each bundle in some of the ways; over all bundles each way has its turn.
func TestVary_TheSameIncidentToldDifferentlyIsExplainedAlike(t *testing.T) {
	t.Parallel()
	whole, err := eval.Run("testdata")
	require.NoError(t, err)
	right := map[string]bool{}
	for _, r := range whole {
		right[r.Name] = r.CategoryRight && r.ChangeRight
	}
	varied, err := eval.Vary("testdata", t.TempDir(), func(bundle, way int) bool { return (bundle+way)%17 == 0 })
	require.NoError(t, err)
	told, wrong := 0, 0
	for _, v := range varied {
		if !right[v.Name] {
			continue
		}
		told++
		if v.Variation.Exact {
			require.False(t, v.Lost() && (v.Innocent() || v.Variation.Same), "%s, %s: %s", v.Name, v.Variation.Name, v.Summary)
		}
		if v.Innocent() {
			wrong++
			t.Logf("%s, %s: %s", v.Name, v.Variation.Name, v.Summary)
		}
	}
	require.Greater(t, told, len(eval.Variations()))
	require.LessOrEqual(t, float64(wrong), 0.02*float64(told), "innocent changes convicted where something was missing")
}

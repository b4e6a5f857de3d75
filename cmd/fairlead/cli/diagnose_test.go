package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// TestDiagnose_ReadsLikeThis renders what the engine says in its own golden files, with a plan for each suggestion.
func TestDiagnose_ReadsLikeThis(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"syntax", "variable", "errors", "memory", "config", "killed"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "..", "agent", "testdata", name+".json"))
		require.NoError(t, err)
		var in platform.IncidentDetail
		require.NoError(t, json.Unmarshal(raw, &in))
		for i, s := range in.Diagnosis.Suggestions { // the newest first, as the API lists them
			in.Plans = append([]platform.Plan{{
				ID: platform.PlanID(fmt.Sprintf("plan_%d", i+1)), State: platform.PlanPending,
				Body: platform.PlanBody{Title: "Action " + string(s.Action.Kind), Risk: platform.RiskR1, Reason: s.Reason, Action: s.Action},
			}}, in.Plans...)
		}
		var out bytes.Buffer
		a := &app{Options: Options{Now: func() time.Time { return in.Diagnosis.At }}, out: newScreen(&out, func(string) string { return "" }, func() time.Time { return in.Diagnosis.At })}
		a.diagnosis(in)
		golden(t, filepath.Join("diagnose", name), out.String())
		require.NotContains(t, out.String(), "ev_", "evidence is cited by number")
		for line := range strings.SplitSeq(out.String(), "\n") {
			require.LessOrEqual(t, width(line), columns, line)
		}
	}
}

func TestDiskText_SaysWhenItIsFullIfThatCanBeTold(t *testing.T) {
	t.Parallel()
	full := func(d time.Duration) *platform.Duration { left := platform.Duration(d); return &left }
	use := platform.DiskUse{Name: "models", UsedBytes: 16 << 30, CapacityBytes: 20 << 30}
	require.Equal(t, "models, 16.0 of 20 GiB used", diskText(&use))
	use.FullIn = full(41 * time.Hour)
	require.Equal(t, "models, 16.0 of 20 GiB used, full in 41h00m", diskText(&use))
	use.FullIn = full(0)
	require.Equal(t, "models, 16.0 of 20 GiB used, full", diskText(&use))
	require.Empty(t, diskText(nil))
}

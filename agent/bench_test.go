package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/observability"
)

// busyService is an incident of a service as busy as real ones: thousands of lines, many traces, twenty commits.
func busyService() *world {
	w := errorsOnPredict()
	for i := range 18 {
		var diff strings.Builder
		for f := range 8 {
			fmt.Fprintf(&diff, "diff --git a/api/part%d.py b/api/part%d.py\n--- a/api/part%d.py\n+++ b/api/part%d.py\n@@ -1,60 +1,120 @@ def work():\n", f, f, f, f)
			for l := range 60 {
				fmt.Fprintf(&diff, " unchanged line %d of a file\n+    value_%d = compute(%d, cache[%d])\n", l, l, i, f)
			}
		}
		w.push(fmt.Sprintf("busy-%d", i), grace, fmt.Sprintf("Work on part %d", i), diff.String())
	}
	w.releases = w.releases[:1]
	w.release(nil)
	w.deploy("live", nil)
	for i := range 5000 {
		at := -4*time.Minute + time.Duration(i)*40*time.Millisecond
		w.say(3, "ins_old", at-time.Minute, observability.LevelInfo, fmt.Sprintf("POST /predict 200 %dms user=%d request=%08x", i%90, i, i*7919))
		w.say(4, "ins_a", -20*time.Second+time.Duration(i)*10*time.Millisecond, observability.LevelInfo, fmt.Sprintf("POST /predict 200 %dms user=%d request=%08x", i%90, i, i*7919))
	}
	for i := range 600 {
		w.say(4, "ins_a", time.Duration(i)*50*time.Millisecond, observability.LevelError, fmt.Sprintf("predict failed for user %d", i))
		w.lines[len(w.lines)-1].Fields = map[string]string{"traceback": strings.ReplaceAll(divideTrace, "line 112", fmt.Sprint("line ", 100+i%13))}
	}
	return w
}

func BenchmarkInvestigate(b *testing.B) {
	w := busyService()
	a := agent.New(agent.Options{Sources: w.sources(), Now: clock})
	for b.Loop() {
		if _, err := a.Investigate(b.Context(), w.incident); err != nil {
			b.Fatal(err)
		}
	}
}

func TestInvestigate_ABusyServiceIsExplainedAsWellAndInTime(t *testing.T) {
	t.Parallel()
	w := busyService()
	start := time.Now()
	d := w.investigate(t).Diagnosis
	require.Less(t, time.Since(start), time.Minute, "a benchmark says how fast; this says that nothing grows with the square of the lines")
	require.Equal(t, sha("divide"), d.Causes[0].Change.ID)
	require.Equal(t, 79, d.Causes[0].Location.Line)
}

package heap_test

import (
	"context"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/heap"
)

func TestPercent_GrowsToTheGoalButNeverLessThanGoDoes(t *testing.T) {
	t.Parallel()
	for live, percent := range map[uint64]int{
		0: 400, 1 << 20: 400, heap.Goal / 5: 400, heap.Goal / 4: 300, heap.Goal / 2: 100, heap.Goal * 3 / 4: 100, heap.Goal: 100, 100 * heap.Goal: 100,
	} {
		require.Equal(t, percent, heap.Percent(live), "%d", live)
	}
}

func TestRun_GivesTheCollectorBackAsItWas(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, heap.Run(ctx))
	require.Equal(t, 123, debug.SetGCPercent(123))
}

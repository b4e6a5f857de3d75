package collect_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
)

var errAway = platform.Errorf(platform.CodeUnavailable, "The store is away.")

// away is a store that neither takes nor answers anything until it is back.
type away struct {
	observabilitytest.MemoryLogs
	back chan struct{}
}

func (a *away) isBack() bool {
	select {
	case <-a.back:
		return true
	default:
		return false
	}
}

func (a *away) Visible() time.Duration { return 0 }

func (a *away) Append(ctx context.Context, lines []observability.Line) error {
	if !a.isBack() {
		return errAway
	}
	return a.MemoryLogs.Append(ctx, lines)
}

func (a *away) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	if !a.isBack() {
		return observability.LogPage{}, errAway
	}
	return a.MemoryLogs.Query(ctx, q)
}

// spooled opens a spool before a store and lets it drain; end closes it as a kill would, without settling anything.
func spooled(t *testing.T, dir string, store spool.Sender) (s *spool.Spool, end func()) {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, Target: store, MinFreeBytes: 1, SegmentBytes: 4 << 10})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	}
}

// TestCollector_FollowingNeverWaitsForAStoreThatIsAway begins with a store that is away, is killed and started again with
// cursors that lag by everything, and a second instance starts meanwhile. The store comes back in the end.
func TestCollector_FollowingNeverWaitsForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	store, dir, hub := &away{back: make(chan struct{})}, t.TempDir(), observability.NewHub()
	live, err := hub.Subscribe(observability.LogQuery{Project: "shop"}, 1000)
	require.NoError(t, err)
	defer live.Close()
	engine := newEngine()
	logs, end := spooled(t, filepath.Join(dir, "spool"), store)
	_, stop := run(t, collect.Options{Engine: engine, Logs: logs, Hub: hub, CursorDir: filepath.Join(dir, "cursors")})
	engine.start("a")
	engine.say("a", numbered(0, 100)...)
	engine.say("a", "Traceback (most recent call last):", `  File "main.py", line 1, in <module>`, "ValueError: cut by the end")
	hear(t, live, 101)
	stop()
	end()

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "cursors"))) // they lag behind in a kill: here by all of it
	engine.say("a", numbered(100, 200)...)
	logs, end = spooled(t, filepath.Join(dir, "spool"), store)
	defer func() { end() }()
	run(t, collect.Options{Engine: engine, Logs: logs, Hub: hub, CursorDir: filepath.Join(dir, "cursors")})
	engine.start("b")
	engine.say("b", numbered(200, 300)...)
	hear(t, live, 200)
	require.Empty(t, store.All())
	require.Eventually(t, func() bool { return logs.Stats().Lines == 301 }, 10*time.Second, time.Millisecond, "all wait in the spool, each once")

	close(store.back)
	stored(t, store, 301)
	seen := map[string]int{}
	for _, l := range store.All() {
		seen[l.Message]++
	}
	for _, text := range numbered(0, 300) {
		require.Equal(t, 1, seen[text], text)
	}
	require.Len(t, seen, 301)
}

// hear waits for n live lines.
func hear(t *testing.T, live *observability.Subscription, n int) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for i := range n {
		select {
		case <-live.Lines():
		case <-limit:
			require.Fail(t, "a live line is missing", "%d of %d came", i, n)
		}
	}
}

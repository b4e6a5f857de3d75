package loki_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/platform"
)

// follower is a tail that runs beside a test.
type follower struct {
	mu    sync.Mutex // guards the field below
	lines []observability.Line
	ended chan error
}

func follow(t *testing.T, logs *loki.Logs, q observability.LogQuery) *follower {
	t.Helper()
	f := &follower{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.ended <- logs.Tail(ctx, q, func(lines []observability.Line) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lines = append(f.lines, lines...)
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-f.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the tail ended with %v", err)
		}
	})
	return f
}

func (f *follower) got() []observability.Line {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]observability.Line(nil), f.lines...)
}

func (f *follower) wait(t *testing.T, n int) []observability.Line {
	t.Helper()
	require.Eventually(t, func() bool { return len(f.got()) >= n }, 30*time.Second, 10*time.Millisecond)
	return f.got()
}

func TestTail_GivesLinesAsTheyComeAndOnlyThoseAskedFor(t *testing.T) {
	t.Parallel()
	logs := open(t)
	before := line(time.Now().Add(-time.Minute), "before")
	require.NoError(t, logs.Append(t.Context(), []observability.Line{before}))
	f := follow(t, logs, observability.LogQuery{Project: "shop", From: time.Now().Add(-time.Hour), Fields: map[string]string{}, Instance: "ins_1"})
	require.Empty(t, cmp.Diff([]observability.Line{before}, f.wait(t, 1)), "it begins at From")
	want := []observability.Line{before}
	for i := range 5 {
		other := line(time.Now(), "other")
		other.Instance = "ins_2"
		mine := line(time.Now(), fmt.Sprint("live ", i))
		mine.Fields, mine.Raw, mine.Seq = map[string]string{"user.id": "\ufffd"}, "raw", uint64(i)
		want = append(want, mine)
		require.NoError(t, logs.Append(t.Context(), []observability.Line{other, mine}))
		require.Empty(t, cmp.Diff(want, f.wait(t, i+2)))
	}
}

func TestTail_ConnectsAgainAndGivesEachLineOnce(t *testing.T) {
	t.Parallel()
	server := lokitest.Start(t)
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: server.Tenant(), RetryFor: 2 * time.Minute})
	f := follow(t, logs, observability.LogQuery{Project: "shop", From: time.Now()})
	n := 0
	write := func(count int) {
		for range count {
			l := line(time.Now(), fmt.Sprint("line ", n))
			l.Seq = uint64(n)
			n++
			require.NoError(t, logs.Append(t.Context(), []observability.Line{l}))
		}
	}
	write(20)
	f.wait(t, 20)
	server.Kill()
	server.Start(t)
	write(20)
	got := f.wait(t, 40)
	seen := make(map[string]int)
	for _, l := range got {
		seen[l.Message]++
	}
	require.Len(t, seen, 40)
	require.Len(t, got, 40, "no line twice")
}

func TestTail_EndsWithItsReaderAndRefusesABadQuery(t *testing.T) {
	t.Parallel()
	logs := open(t)
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
	stop := errors.New("enough")
	err := logs.Tail(t.Context(), observability.LogQuery{From: time.Now().Add(-time.Minute)}, func([]observability.Line) error { return stop })
	require.ErrorIs(t, err, stop)
	err = logs.Tail(t.Context(), observability.LogQuery{Regex: "("}, func([]observability.Line) error { return nil })
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

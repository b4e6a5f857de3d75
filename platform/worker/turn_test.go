package worker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurns_WhoComesMeanwhileIsSeenToByTheHolder(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	runs := 0
	inside, leave := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Add(1)
	go func() {
		defer holder.Done()
		turns.take("k", func() {
			runs++
			if runs == 1 {
				close(inside)
				<-leave
			}
		})
	}()
	<-inside
	for range 3 {
		require.False(t, turns.take("k", func() { t.Error("two at once") }))
	}
	require.True(t, turns.take("other", func() {}), "another key is free")
	close(leave)
	holder.Wait()
	require.Equal(t, 2, runs, "once more for all who came")
	require.True(t, turns.take("k", func() {}))
}

func TestTurns_PanicLetsGoOfTheKey(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	require.Panics(t, func() { turns.take("k", func() { panic("x") }) })
	require.True(t, turns.take("k", func() {}))
}

func TestLocks_WaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	l := newLocks()
	release, err := l.acquire(t.Context(), "slot_1")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.acquire(ctx, "slot_1")
	require.ErrorIs(t, err, context.Canceled)
	release()
	release, err = l.acquire(t.Context(), "slot_1")
	require.NoError(t, err)
	release()
}

func TestTimers_EarlierTimeWinsAndEachKeyFiresOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		timers := newTimers()
		began := time.Now()
		var fired []time.Duration
		look := func() { fired = append(fired, time.Since(began)) }
		timers.after("k", 3*time.Second, look)
		timers.after("k", time.Second, look)
		timers.after("k", 2*time.Second, look)
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second}, fired)
		timers.after("k", time.Second, look)
		timers.stop()
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.Len(t, fired, 1, "stopped timers do not fire")
	})
}

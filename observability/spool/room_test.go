package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func TestSpool_AtItsLimitTheOldestDebugLinesGoFirstThenInfoThenTheRest(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	target := &memory{before: errDown}
	s := open(t, Options{Target: target, MaxBytes: 256 << 10, Log: slog.New(slog.NewTextHandler(&said, nil))}, false)
	dropped := func(level observability.Level) uint64 { return s.Stats().Dropped[level] }
	count := 0
	fill := func(until func() bool) {
		for ; !until() && count < 100_000; count += 60 {
			require.NoError(t, s.Append(t.Context(), numbered(count, count+60)))
			require.LessOrEqual(t, s.Stats().Bytes, s.options.MaxBytes)
		}
	}
	fill(func() bool { return dropped(observability.LevelDebug) > 0 })
	require.Len(t, s.Stats().Dropped, 1, "only debug lines go while there are any")
	fill(func() bool { return dropped(observability.LevelInfo) > 0 })
	require.Len(t, s.Stats().Dropped, 2, "then only info lines")
	fill(func() bool { return dropped(observability.LevelError) > 0 })
	require.Contains(t, said.String(), "the log spool is full")
	require.Contains(t, said.String(), "debug=")

	stats := s.Stats()
	total := uint64(0)
	for _, n := range stats.Dropped {
		total += n
	}
	require.Equal(t, uint64(count), stats.Lines+total, "every line waits or is counted")
	target.set(func(m *memory) { m.before = nil })
	drainAll(t, s)
	got := target.All()
	require.Len(t, got, int(stats.Lines))
	require.Equal(t, fmt.Sprintf("line %06d", count-1), got[len(got)-1].Message, "the newest lines are there")
	last := ""
	for _, l := range got {
		require.Less(t, last, l.Message)
		last = l.Message
	}
}

func TestSpool_CountsOfDroppedLinesOutliveAReopen(t *testing.T) {
	t.Parallel()
	dir, target := t.TempDir(), &memory{}
	options := Options{Dir: dir, Target: target, MaxBytes: 128 << 10, MinFreeBytes: 1}
	s, err := Open(options)
	require.NoError(t, err)
	for i := range 200 {
		require.NoError(t, s.Append(t.Context(), numbered(60*i, 60*i+60)))
	}
	before := s.Stats()
	require.NotEmpty(t, before.Dropped)
	require.NoError(t, s.Close())
	s, err = Open(options)
	require.NoError(t, err)
	require.Equal(t, before.Dropped, s.Stats().Dropped)
	require.Equal(t, before.Lines, s.Stats().Lines)
	drainAll(t, s)
	require.NoError(t, s.acknowledge(time.Now()))
	require.Equal(t, before.Dropped, s.Stats().Dropped, "also once the segments that they were in are gone")
	require.NoError(t, s.Close())
	s, err = Open(options)
	require.NoError(t, err)
	require.Equal(t, before.Dropped, s.Stats().Dropped)
	require.NoError(t, s.Close())
}

func TestSpool_WhatIsOnItsWayIsNotDropped(t *testing.T) {
	t.Parallel()
	target := &memory{before: errDown}
	s := open(t, Options{Target: target, MaxBytes: 128 << 10, BatchLines: 100}, false)
	for i := range 2 {
		require.NoError(t, s.Append(t.Context(), numbered(60*i, 60*i+60)))
	}
	_, err := s.drainOnce(t.Context())
	require.Error(t, err)
	for i := 2; i < 200; i++ {
		require.NoError(t, s.Append(t.Context(), numbered(60*i, 60*i+60)))
	}
	require.NotZero(t, s.Stats().Dropped[observability.LevelError])
	target.set(func(m *memory) { m.before = nil })
	drainAll(t, s)
	same(t, numbered(0, 100), target.All()[:100])
}

func TestSpool_MoreAtOnceThanTheLimitIsRefusedWhole(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Target: &memory{}, MaxBytes: 64 << 10}, false)
	require.NoError(t, s.Append(t.Context(), numbered(0, 1)))
	big := numbered(1, 3)
	for i := range big {
		big[i].Message = strings.Repeat("x", 50<<10)
	}
	err := s.Append(t.Context(), big)
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, "limit is 65536 bytes")
	require.Equal(t, uint64(1), s.Stats().Lines, "nothing went for it")
}

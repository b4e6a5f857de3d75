package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// waiting answers what a spool does while the store behind it is away.
type waiting struct{ *observabilitytest.MemoryLogs }

var errAway = &observability.IncompleteError{Err: platform.Errorf(platform.CodeUnavailable, "The log store does not answer.").WithHint("Try again.")}

func (w waiting) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	page, err := w.MemoryLogs.Query(ctx, q)
	return page, errors.Join(err, errAway)
}

func (w waiting) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	counts, err := w.MemoryLogs.Count(ctx, q, step)
	return counts, errors.Join(err, errAway)
}

func TestLogs_WhileTheStoreIsAwayWhatWaitsIsTheAnswer(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	b.o.Logs = waiting{b.logs}
	line := b.write(b.now().Add(-time.Minute), "waits")
	b.write(b.now().Add(-time.Second), "waits too")

	page, err := b.SearchLogs(t.Context(), vic, shopLogs)
	require.NoError(t, err)
	require.Equal(t, []string{"waits", "waits too"}, texts(page.Lines))
	require.Equal(t, "The log store does not answer.", page.Incomplete)

	h, err := b.CountLogs(t.Context(), vic, shopLogs, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, h.Lines)
	require.NotEmpty(t, h.Incomplete)

	around, err := b.LogsAround(t.Context(), vic, shopLogs, observability.PlaceOf(line), 5)
	require.NoError(t, err)
	require.Equal(t, []string{"waits too"}, texts(around.After))
	require.NotEmpty(t, around.Incomplete)

	found, err := b.LogPatterns(t.Context(), vic, observability.PatternQuery{LogQuery: shopLogs})
	require.NoError(t, err)
	require.True(t, found.Truncated)
	require.Equal(t, "The log store does not answer.", found.Note)

	var exported []observability.Line
	err = b.ExportLogs(t.Context(), vic, shopLogs, func(l observability.Line) error {
		exported = append(exported, l)
		return nil
	})
	code(t, platform.CodeUnavailable, err, "The log store does not answer.")
	require.Equal(t, []string{"waits", "waits too"}, texts(exported))
}

func TestLogs_WhileTheStoreIsAwayNothingIsMadeUp(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	b.o.Logs = waiting{b.logs}
	b.write(b.now().Add(-time.Second), "waits")
	nothing := shopLogs
	nothing.Text = "no such line"
	_, err := b.SearchLogs(t.Context(), vic, nothing)
	code(t, platform.CodeUnavailable, err, "The log store does not answer.")
	_, err = b.CountLogs(t.Context(), vic, nothing, 0)
	code(t, platform.CodeUnavailable, err, "The log store does not answer.")
	_, err = b.LogPatterns(t.Context(), vic, observability.PatternQuery{LogQuery: observability.LogQuery{Project: "shop"}, Compare: observability.Comparing{Before: time.Hour, After: time.Hour}})
	code(t, platform.CodeUnavailable, err, "The log store does not answer.")
}

func TestFollowLogs_WhileTheStoreIsAwayBeginsWithWhatWaitsAndGoesOnLive(t *testing.T) {
	t.Parallel()
	hub := observability.NewHub()
	b := withLogs(t, func(o *Options) { o.Live = hub })
	b.o.Logs = waiting{b.logs}
	b.write(b.now().Add(-time.Second), "waits")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var got []string
	err := b.FollowLogs(ctx, vic, shopLogs, func(l observability.Line) error {
		if got = append(got, l.Message); len(got) == 1 {
			hub.Publish([]observability.Line{b.write(b.now(), "live")})
		} else {
			stop()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"waits", "live"}, got)
}

package collect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// keep runs an own log into a store until what it returns is called.
func keep(t *testing.T, own *collect.OwnLog, logs observability.Logs) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- own.Run(ctx, logs, nil) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestOwnLog_RecordsAreLinesOfFairleadAndReachTheHandlerBehind(t *testing.T) {
	t.Parallel()
	var behind bytes.Buffer
	own := collect.NewOwnLog(slog.NewTextHandler(&behind, nil), func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") })
	log := slog.New(own).With("part", "collector").WithGroup("store")
	log.Debug("not enabled")
	log.Error("the store is away", "error", errors.New("dial: hunter2 refused"), "wait", 2*time.Second, slog.Group("at", "host", "db"))
	slog.New(own).Info("plain")
	logs := &observabilitytest.MemoryLogs{}
	require.NoError(t, keep(t, own, logs)())
	lines := logs.All()
	require.Len(t, lines, 2)
	l := lines[0]
	require.Equal(t, `the store is away part=collector store.error="dial: [redacted] refused" store.wait=2s store.at.host=db`, l.Message)
	require.Equal(t, map[string]string{"part": "collector", "store.error": "dial: [redacted] refused", "store.wait": "2s", "store.at.host": "db"}, l.Fields)
	require.Equal(t, []any{platform.SystemProject, "fairlead", observability.SourceSystem, observability.LevelError}, []any{l.Project, l.Service, l.Source, l.Level})
	require.Equal(t, "plain", lines[1].Message)
	require.Contains(t, behind.String(), "part=collector")
	require.Equal(t, 2, strings.Count(behind.String(), "\n"))
}

func TestOwnLog_NeverWaitsAndTellsWhatItDropped(t *testing.T) {
	t.Parallel()
	own := collect.NewOwnLog(slog.DiscardHandler, nil)
	loud := slog.New(enabled{own})
	for i := range 10_000 { // nobody stores them, and yet each call returns
		loud.Info(fmt.Sprint("number ", i))
	}
	logs := &observabilitytest.MemoryLogs{}
	stop := keep(t, own, logs)
	messages := stored(t, logs, 4097)
	require.NoError(t, stop())
	require.Contains(t, messages[len(messages)-1], "5904 of Fairlead's own lines were dropped")
}

// enabled makes a handler take every record, whatever the one behind says.
type enabled struct{ *collect.OwnLog }

func (enabled) Enabled(context.Context, slog.Level) bool { return true }

// complaining is a store that logs whatever happens to it, and fails at first.
type complaining struct {
	observabilitytest.MemoryLogs
	log   *slog.Logger
	calls atomic.Int64
}

func (c *complaining) Append(ctx context.Context, lines []observability.Line) error {
	c.log.WarnContext(ctx, "the store was given lines", "lines", len(lines))
	if c.calls.Add(1) <= 2 {
		return errors.New("refused")
	}
	return c.MemoryLogs.Append(ctx, lines)
}

func TestOwnLog_WhatTheStoreSaysOfTheseLinesDoesNotFeedItself(t *testing.T) {
	t.Parallel()
	var behind bytes.Buffer
	own := collect.NewOwnLog(slog.NewTextHandler(&behind, nil), nil)
	logs := &complaining{log: slog.New(own)}
	slog.New(own).Info("one line")
	stop := keep(t, own, logs)
	require.Equal(t, []string{"one line"}, stored(t, &logs.MemoryLogs, 1))
	require.NoError(t, stop())
	require.Len(t, logs.All(), 1)
	require.Equal(t, int64(3), logs.calls.Load())
	require.Contains(t, behind.String(), "the store was given lines", "people still see it")
}

package collect_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

func numbered(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("line %06d", i))
	}
	return out
}

func TestCollector_LinesCarryWhereTheyComeFromAndReachLiveReadersAtOnce(t *testing.T) {
	t.Parallel()
	engine, logs, hub := newEngine(), &observabilitytest.MemoryLogs{}, observability.NewHub()
	live, err := hub.Subscribe(observability.LogQuery{Project: "shop"}, 10)
	require.NoError(t, err)
	defer live.Close()
	run(t, collect.Options{
		Engine: engine, Logs: logs, Hub: hub,
		Redactor: func(project string) func(string) string {
			return func(s string) string { return strings.ReplaceAll(s, "s3cret-"+project, "[secret]") }
		},
	})
	engine.start("a")
	engine.say("a", `{"level":"warn","msg":"key s3cret-shop"}`)
	got := <-live.Lines()
	require.Equal(t, "key [secret]", got.Message)
	stored(t, logs, 1)
	line := logs.All()[0]
	require.Equal(t, observability.Line{
		At: line.At, Project: "shop", Environment: "production", Service: "api", Release: 3, Deploy: "dep_1", Instance: "ins_a",
		Source: observability.SourceRuntime, Stream: "stdout", Level: observability.LevelWarn, Message: "key [secret]", Raw: `{"level":"warn","msg":"key [secret]"}`,
	}, line)
}

func TestCollector_OutputWaitsUntilItsSecretsCanBeRead(t *testing.T) {
	t.Parallel()
	engine, logs := newEngine(), &observabilitytest.MemoryLogs{}
	asked, known := make(chan struct{}, 100), make(chan struct{})
	run(t, collect.Options{Engine: engine, Logs: logs, Redactor: func(string) func(string) string {
		select {
		case <-known:
			return func(s string) string { return strings.ReplaceAll(s, "s3cret", "[secret]") }
		default:
			asked <- struct{}{}
			return nil
		}
	}})
	engine.start("a")
	engine.say("a", "key s3cret")
	<-asked
	<-asked // it is asked again
	require.Empty(t, logs.All())
	close(known)
	require.Equal(t, []string{"key [secret]"}, stored(t, logs, 1))
}

func TestCollector_WhatIsKeptAsideOfAnEndedContainerHoldsNoSecret(t *testing.T) {
	t.Parallel()
	engine, logs, dir := newEngine(), &observabilitytest.MemoryLogs{}, t.TempDir()
	engine.start("a")
	engine.say("a", "key s3cret")
	c, stop := run(t, collect.Options{
		Engine: engine, Logs: logs, CursorDir: dir, DurableAfter: time.Hour,
		Redactor: func(string) func(string) string {
			return func(s string) string { return strings.ReplaceAll(s, "s3cret", "[secret]") }
		},
	})
	engine.end("a")
	require.NoError(t, c.Drained(t.Context(), "ins_a"))
	stop()
	kept, err := filepath.Glob(filepath.Join(dir, "tail-*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	raw, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Contains(t, string(raw), base64.StdEncoding.EncodeToString([]byte("key [secret]")))
	require.NotContains(t, string(raw), base64.StdEncoding.EncodeToString([]byte("key s3cret")))
}

func TestCollector_BrokenStreamLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	engine, logs := newEngine(), &observabilitytest.MemoryLogs{}
	engine.start("a")
	engine.say("a", numbered(0, 500)...)
	engine.with("a", func(s *script) { s.breakAt = 333 })
	run(t, collect.Options{Engine: engine, Logs: logs})
	require.Equal(t, numbered(0, 500), stored(t, logs, 500))
	engine.with("a", func(s *script) { s.breakAt = 600 })
	engine.say("a", numbered(500, 1000)...)
	require.Equal(t, numbered(0, 1000), stored(t, logs, 1000))
}

func TestCollector_StoreOutageLosesNothing(t *testing.T) {
	t.Parallel()
	engine, logs := newEngine(), &observabilitytest.MemoryLogs{}
	logs.Fail(errors.New("disk full"))
	engine.start("a")
	c, _ := run(t, collect.Options{Engine: engine, Logs: logs, DrainTimeout: 300 * time.Millisecond})
	engine.say("a", numbered(0, 9000)...) // more than is held in memory
	engine.end("a")
	err := c.Drained(t.Context(), "ins_a")
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "a container whose lines are not stored may not go")
	require.Empty(t, logs.All())
	logs.Fail(nil)
	require.Equal(t, numbered(0, 9000), stored(t, logs, 9000))
	require.NoError(t, c.Drained(t.Context(), "ins_a"))
}

func TestCollector_RestartStoresEachLineOnce(t *testing.T) {
	t.Parallel()
	engine, logs, dir := newEngine(), &observabilitytest.MemoryLogs{}, t.TempDir()
	engine.start("a")
	for round := range 4 {
		_, stop := run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir, DurableAfter: time.Hour})
		engine.say("a", numbered(round*100, round*100+100)...)
		require.Equal(t, numbered(0, round*100+100), stored(t, logs, round*100+100))
		stop()
	}
	require.Len(t, logs.All(), 400)
}

// A store that lost its newest lines in a crash gets them again from the engine, or from the copy that was kept when
// the container was removed.
func TestCollector_LinesThatTheStoreLostComeBack(t *testing.T) {
	t.Parallel()
	for _, removed := range []bool{false, true} {
		t.Run(fmt.Sprintf("removed=%v", removed), func(t *testing.T) {
			t.Parallel()
			engine, logs, dir := newEngine(), &observabilitytest.MemoryLogs{}, t.TempDir()
			engine.start("a")
			engine.say("a", append(numbered(0, 200), "Traceback (most recent call last):", "  File x", "KeyError: 'y'")...)
			c, stop := run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir, DurableAfter: time.Hour})
			engine.end("a")
			require.NoError(t, c.Drained(t.Context(), "ins_a"))
			if removed {
				engine.remove("a")
			}
			stop()
			all := stored(t, logs, 201)
			require.Len(t, all, 201)

			crashed := &observabilitytest.MemoryLogs{}
			require.NoError(t, crashed.Append(t.Context(), logs.All()[:120]))
			_, stop = run(t, collect.Options{Engine: engine, Logs: crashed, CursorDir: dir, DurableAfter: 10 * time.Millisecond})
			require.Equal(t, all, stored(t, crashed, 201))
			require.Eventually(t, func() bool {
				left, err := filepath.Glob(filepath.Join(dir, "tail-*"))
				return err == nil && len(left) == 0
			}, 10*time.Second, 10*time.Millisecond, "the copy goes once its lines are durable")
			stop()
			require.Len(t, crashed.All(), 201)
		})
	}
}

func TestCollector_TraceSplitByACrashLosesNoPart(t *testing.T) {
	t.Parallel()
	engine, logs, dir := newEngine(), &observabilitytest.MemoryLogs{}, t.TempDir()
	engine.start("a")
	_, stop := run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir, DurableAfter: time.Hour, TraceIdle: time.Hour})
	engine.say("a", "before", "Traceback (most recent call last):", "  File one")
	stored(t, logs, 1)
	stop() // the trace that waits is stored as far as it goes
	require.Equal(t, []string{"before", "Traceback (most recent call last):\n  File one"}, messages(logs.All()))
	run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir, DurableAfter: time.Hour})
	engine.say("a", "KeyError: 'x'", "after")
	require.Equal(t, []string{"before", "Traceback (most recent call last):\n  File one", "KeyError: 'x'", "after"}, stored(t, logs, 4))
}

func TestCollector_QuietTraceIsStoredAfterAWhile(t *testing.T) {
	t.Parallel()
	engine, logs := newEngine(), &observabilitytest.MemoryLogs{}
	engine.start("a")
	run(t, collect.Options{Engine: engine, Logs: logs, TraceIdle: 20 * time.Millisecond})
	engine.say("a", "Traceback (most recent call last):", "  File one", "KeyError: 'x'")
	require.Equal(t, []string{"Traceback (most recent call last):\n  File one\nKeyError: 'x'"}, stored(t, logs, 1))
}

func TestCollector_BrokenCursorFileIsPutAside(t *testing.T) {
	t.Parallel()
	engine, logs, dir := newEngine(), &observabilitytest.MemoryLogs{}, t.TempDir()
	engine.start("a")
	engine.say("a", numbered(0, 50)...)
	_, stop := run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir})
	stored(t, logs, 50)
	stop()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cursors.json"), []byte("{half"), 0o600))
	engine.say("a", numbered(50, 60)...)
	run(t, collect.Options{Engine: engine, Logs: logs, CursorDir: dir})
	require.Equal(t, numbered(0, 60), stored(t, logs, 60))
	require.FileExists(t, filepath.Join(dir, "cursors.json.broken"))
}

func TestCollector_DrainedIsAtOnceForWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c, _ := run(t, collect.Options{Engine: newEngine(), Logs: &observabilitytest.MemoryLogs{}})
	require.NoError(t, c.Drained(t.Context(), "ins_none"))
}

func TestOutput_BuildLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	logs, hub := &observabilitytest.MemoryLogs{}, observability.NewHub()
	out := &collect.Output{Logs: logs, Hub: hub}
	require.NoError(t, out.AppendBuild(t.Context(), platform.Deploy{ID: "dep_1", Project: "shop", Environment: "production", Service: "api"}, numbered(0, 300)))
	page, err := logs.Query(t.Context(), observability.LogQuery{Deploy: "dep_1", Source: observability.SourceBuild, Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, numbered(0, 300), messages(page.Lines))
}

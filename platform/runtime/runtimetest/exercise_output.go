package runtimetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
)

func testLogs(t *testing.T, b *bench) {
	before := time.Now().Add(-time.Second)
	c := b.start(t, b.spec("one", "out:to stdout", "err:to stderr", "hex:61fffe62", "out:", "tail:no newline"))
	b.ended(t, c.ID)
	frames := b.frames(t, c.ID, runtime.LogOptions{})
	require.Len(t, frames, 5)
	text := map[string]string{}
	for _, frame := range frames {
		require.True(t, frame.At.After(before) && frame.At.Before(time.Now().Add(time.Second)))
		require.False(t, frame.Partial, "%q", frame.Line)
		text[string(frame.Line)] = frame.Stream
	}
	require.Equal(t, "stdout", text["to stdout"])
	require.Equal(t, "stderr", text["to stderr"])
	require.Equal(t, "stdout", text[""], "an empty line is a line")
	require.Equal(t, "stdout", text["no newline"], "the last line counts without its newline")
	raw := "a\xff\xfeb"
	if !b.KeepsBytes {
		raw = "a\uFFFD\uFFFDb"
	}
	require.Equal(t, "stdout", text[raw], "bytes that are not UTF-8: %q", text)
}

func testLogsSince(t *testing.T, b *bench) {
	c := b.start(t, b.spec("one", "out:1", "out:2", "out:3", "out:4"))
	b.ended(t, c.ID)
	all := b.frames(t, c.ID, runtime.LogOptions{})
	require.Len(t, all, 4)
	for i := 1; i < len(all); i++ {
		if !all[i].At.After(all[i-1].At) {
			continue // one stamp for two writes: then since cannot tell them apart
		}
		require.Equal(t, all[i:], b.frames(t, c.ID, runtime.LogOptions{Since: all[i].At}), "inclusive")
		require.Equal(t, all[i:], b.frames(t, c.ID, runtime.LogOptions{Since: all[i-1].At.Add(1)}), "to the nanosecond")
		require.Equal(t, all[i:], b.frames(t, c.ID, runtime.LogOptions{Since: all[i].At, Follow: true}), "following too")
	}
	require.Empty(t, b.frames(t, c.ID, runtime.LogOptions{Since: all[3].At.Add(1)}))
}

func testLogsFollow(t *testing.T, b *bench) {
	steps := []string{"out:up", "wait"}
	for range 200 {
		steps = append(steps, "out:a line of the shutdown", "err:and one of its errors")
	}
	c := b.start(t, b.spec("one", append(steps, "tail:the very last words")...))
	lines := make(chan string, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Logs(t.Context(), c.ID, runtime.LogOptions{Follow: true}, func(frame runtime.LogFrame) error {
			lines <- string(frame.Line)
			return nil
		})
	}()
	require.Equal(t, "up", <-lines, "a line comes while the container runs")
	require.NoError(t, b.Stop(t.Context(), c.ID, patience))
	require.NoError(t, <-ended, "Logs ends with the container")
	close(lines)
	counts := map[string]int{}
	for line := range lines {
		counts[line]++
	}
	require.Equal(t, map[string]int{
		"asked to end": 1, "a line of the shutdown": 200, "and one of its errors": 200, "the very last words": 1,
	}, counts, "each once")
}

func testLogsCancel(t *testing.T, b *bench) {
	c := b.start(t, b.spec("one", "out:up", "wait"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, b.Logs(ctx, c.ID, runtime.LogOptions{Follow: true}, func(runtime.LogFrame) error {
		cancel()
		return nil
	}))
}

func testLogsYieldError(t *testing.T, b *bench) {
	c := b.start(t, b.spec("one", "out:up", "out:and more", "wait"))
	b.prints(t, c.ID, "and more")
	calls := 0
	err := b.Logs(t.Context(), c.ID, runtime.LogOptions{Follow: true}, func(runtime.LogFrame) error {
		calls++
		return errStop
	})
	require.Equal(t, errStop, err, "unchanged")
	require.Equal(t, 1, calls, "not called again")
}

func testLongLine(t *testing.T, b *bench) {
	const length = 40_000
	c := b.start(t, b.spec("one", "long:40000", "out:next"))
	b.ended(t, c.ID)
	frames := b.frames(t, c.ID, runtime.LogOptions{})
	var line strings.Builder
	pieces := 0
	for _, frame := range frames[:len(frames)-1] {
		line.Write(frame.Line)
		pieces++
		require.Equal(t, pieces < len(frames)-1, frame.Partial, "all pieces but the last are partial")
	}
	require.Greater(t, pieces, 1)
	require.Equal(t, subject.Letters(length), line.String(), "nothing lost, nothing doubled")
	require.Equal(t, "next", string(frames[len(frames)-1].Line))
	require.False(t, frames[len(frames)-1].Partial)
}

func testAlias(t *testing.T, b *bench) {
	for _, instance := range []string{"blue", "green"} {
		spec := b.spec(instance, "wait")
		spec.Aliases = []string{"api"}
		b.start(t, spec)
	}
	c := b.start(t, b.spec("asks", "lookup:api", "exit:0"))
	require.Zero(t, b.ended(t, c.ID).ExitCode)
	require.Equal(t, []string{"2"}, b.lines(t, c.ID), "the name has the addresses of both")
}

func testVolume(t *testing.T, b *bench) {
	require.NoError(t, b.EnsureVolume(t.Context(), b.volume(), b.labels("")))
	require.NoError(t, b.EnsureVolume(t.Context(), b.volume(), b.labels("")), "adopted")
	writer := b.spec("writes", "write:/data/weights=seventeen", "exit:0")
	writer.Mounts = []runtime.Mount{{Volume: b.volume(), Path: "/data"}}
	first := b.start(t, writer)
	require.Zero(t, b.ended(t, first.ID).ExitCode)
	require.NoError(t, b.Remove(t.Context(), first.ID))

	reader := b.spec("reads", "read:/data/weights", "write:/data/weights=spoilt", "exit:0")
	reader.Mounts = []runtime.Mount{{Volume: b.volume(), Path: "/data", ReadOnly: true}}
	second := b.start(t, reader)
	require.Equal(t, 1, b.ended(t, second.ID).ExitCode, "read only")
	require.True(t, contains(b.lines(t, second.ID), "seventeen"))
	require.True(t, contains(b.lines(t, second.ID), "read-only file system"))

	require.ErrorIs(t, b.RemoveVolume(t.Context(), b.volume()), runtime.ErrRefused, "in use")
	require.NoError(t, b.Remove(t.Context(), second.ID))
	require.NoError(t, b.RemoveVolume(t.Context(), b.volume()))
}

func testExec(t *testing.T, b *bench) {
	c := b.start(t, b.spec("one", "wait"))
	result, err := b.Exec(t.Context(), c.ID, []string{SubjectPath, "out:hello", "err:oh", "exit:5"})
	require.NoError(t, err)
	require.Equal(t, runtime.ExecResult{ExitCode: 5, Stdout: "hello\n", Stderr: "oh\n"}, result)

	result, err = b.Exec(t.Context(), c.ID, []string{SubjectPath, "long:100000"})
	require.NoError(t, err)
	require.Equal(t, subject.Letters(64<<10), result.Stdout, "at most 64 KiB")

	result, err = b.Exec(t.Context(), c.ID, []string{"no-such-program"})
	require.NoError(t, err)
	require.Contains(t, []int{126, 127}, result.ExitCode)
	require.Contains(t, result.Stdout+result.Stderr, "executable file not found")

	require.NoError(t, b.Stop(t.Context(), c.ID, patience))
	_, err = b.Exec(t.Context(), c.ID, []string{SubjectPath})
	require.ErrorIs(t, err, runtime.ErrRefused)
}

func testStats(t *testing.T, b *bench) {
	spec := b.spec("one", "wait")
	if b.MemoryLimits {
		spec.MemoryBytes = 64 << 20
	}
	c := b.start(t, spec)
	sample, err := b.Stats(t.Context(), c.ID)
	require.NoError(t, err)
	require.False(t, sample.At.IsZero())
	require.Positive(t, sample.PIDs)
	if b.MemoryLimits {
		require.Positive(t, sample.MemoryBytes)
		require.Equal(t, spec.MemoryBytes, sample.MemoryLimit)
	}
	require.NoError(t, b.Stop(t.Context(), c.ID, patience))
	_, err = b.Stats(t.Context(), c.ID)
	require.ErrorIs(t, err, runtime.ErrRefused)
}

func testListening(t *testing.T, b *bench) {
	c := b.start(t, b.spec("one", "listen:0.0.0.0:9000", "listen:127.0.0.1:8081", "out:up", "wait"))
	b.prints(t, c.ID, "up")
	found, err := b.Listening(t.Context(), c.ID)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"0.0.0.0:9000", "127.0.0.1:8081"}, found)
	require.NoError(t, b.Stop(t.Context(), c.ID, patience))
	_, err = b.Listening(t.Context(), c.ID)
	require.ErrorIs(t, err, runtime.ErrRefused)
}

func testWatch(t *testing.T, b *bench) {
	seen := b.watch(t)
	c := b.start(t, b.spec("one", "wait", "exit:9"))
	started := seen.await(t, runtime.EventStarted, c.ID)
	require.Equal(t, b.labels("one"), only(started.Labels, b.labels("one")))
	require.NoError(t, b.Stop(t.Context(), c.ID, patience))
	died := seen.await(t, runtime.EventDied, c.ID)
	require.Equal(t, 9, died.ExitCode)
	require.True(t, died.At.After(started.At))
	require.NoError(t, b.Remove(t.Context(), c.ID))
	seen.await(t, runtime.EventRemoved, c.ID)
}

// only are the labels that the suite set; an implementation may add its own.
func only(labels, keys map[string]string) map[string]string {
	kept := map[string]string{}
	for key := range keys {
		if value, ok := labels[key]; ok {
			kept[key] = value
		}
	}
	return kept
}

func testImage(t *testing.T, b *bench) {
	first, err := b.EnsureImage(t.Context(), b.Image)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first, "sha256:"))
	second, err := b.EnsureImage(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, first, second, "an id is its own")
	spec := b.spec("one", "wait")
	spec.Image = first
	require.Equal(t, first, b.start(t, spec).ImageID)
	require.NoError(t, b.RemoveImage(t.Context(), first), "not labelled ours, and in use: left, without error")
	_, err = b.EnsureImage(t.Context(), b.Image)
	require.NoError(t, err, "it is still there")
}

func testResources(t *testing.T, b *bench) {
	require.NoError(t, b.EnsureVolume(t.Context(), b.volume(), nil), "signed by the runtime itself")
	other := b.Open(t, b.installation+"-other")
	require.ErrorIs(t, other.EnsureVolume(t.Context(), b.volume(), nil), runtime.ErrNotOurs)
	require.ErrorIs(t, other.RemoveVolume(t.Context(), b.volume()), runtime.ErrNotOurs)
	require.NoError(t, other.Close())
	require.NoError(t, b.RemoveVolume(t.Context(), b.volume()))
	require.NoError(t, b.RemoveVolume(t.Context(), b.volume()), "gone already")
}

func testBelongings(t *testing.T, b *bench) {
	shop := map[string]string{runtime.LabelProject: "shop"}
	require.NoError(t, b.EnsureVolume(t.Context(), b.volume(), b.labels("")))
	found, err := b.Belongings(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, runtime.Belongings{Networks: []string{b.network}, Volumes: []string{b.volume()}}, found)
	found, err = b.Belongings(t.Context(), map[string]string{runtime.LabelProject: "another"})
	require.NoError(t, err)
	require.Equal(t, runtime.Belongings{}, found)
	other := b.Open(t, b.installation+"-other")
	found, err = other.Belongings(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, runtime.Belongings{}, found, "another installation's are not shown")
	require.NoError(t, other.Close())
}

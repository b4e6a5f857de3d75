package control

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// logBench is a shop whose log store holds what write gave it.
type logBench struct {
	*bench
	logs *observabilitytest.MemoryLogs
	seq  uint64
}

func withLogs(t *testing.T, change ...func(*Options)) *logBench {
	t.Helper()
	logs := &observabilitytest.MemoryLogs{}
	return &logBench{logs: logs, bench: shop(t, append(change, func(o *Options) { o.Logs = logs })...)}
}

func (b *logBench) write(at time.Time, message string, change ...func(*observability.Line)) observability.Line {
	b.t.Helper()
	b.seq++
	l := observability.Line{
		At: at.UTC(), Project: "shop", Environment: "production", Service: "api", Release: 1, Instance: "ins_1", Source: observability.SourceRuntime,
		Level: observability.LevelInfo, Message: message, Seq: b.seq,
	}
	for _, c := range change {
		c(&l)
	}
	require.NoError(b.t, b.logs.Append(b.t.Context(), []observability.Line{l}))
	return l
}

var shopLogs = observability.LogQuery{Project: "shop", Service: "api"}

func texts(lines []observability.Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Message
	}
	return out
}

func TestCountLogs_TakesAStepThatClocksKnowAndTheLastHour(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	now := b.now()
	b.write(now.Add(-2*time.Hour), "too old")
	for i := range 30 {
		b.write(now.Add(-time.Duration(i)*time.Minute-time.Second), "counted")
	}
	h, err := b.CountLogs(t.Context(), vic, shopLogs, 0)
	require.NoError(t, err)
	require.Equal(t, platform.Duration(time.Minute), h.Step)
	require.EqualValues(t, 30, h.Lines)
	require.Equal(t, time.Hour, h.To.Sub(h.From))
	for about, want := range map[time.Duration]time.Duration{0: time.Second, 61 * time.Second: 2 * time.Minute, 13 * time.Hour: 24 * time.Hour, 25 * time.Hour: 48 * time.Hour} {
		require.Equal(t, want, niceStep(about))
	}
	_, err = b.CountLogs(t.Context(), vic, shopLogs, time.Millisecond)
	code(t, platform.CodeInvalid, err, "too fine", "Use whole milliseconds")
}

func TestExportLogs_GivesEveryLineOnceAndRedacted(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	_, err := b.SetEnv(t.Context(), bob, set(platform.Variable{Key: "API_KEY", Value: "s3cret-value", Secret: true}))
	require.NoError(t, err)
	const n = 2*exportPage + 7
	lines := make([]observability.Line, n)
	at := b.now().Add(-time.Hour)
	for i := range lines {
		lines[i] = observability.Line{At: at.Add(time.Duration(i/3) * time.Millisecond), Project: "shop", Service: "api", Instance: "ins_1", Source: "runtime", Message: fmt.Sprint("s3cret-value ", i), Seq: uint64(i)}
	}
	require.NoError(t, b.logs.Append(t.Context(), lines))
	for _, backward := range []bool{false, true} {
		q, got := shopLogs, []string{}
		q.Backward = backward
		require.NoError(t, b.ExportLogs(t.Context(), vic, q, func(l observability.Line) error { got = append(got, l.Message); return nil }))
		require.Len(t, got, n)
		for i := range got {
			want := i
			if backward {
				want = n - 1 - i
			}
			require.Equal(t, fmt.Sprint("[redacted] ", want), got[i])
		}
	}
	enough := errors.New("enough")
	require.ErrorIs(t, b.ExportLogs(t.Context(), vic, shopLogs, func(observability.Line) error { return enough }), enough)
}

func TestLogsAround_ShowsTheStreamOfTheSameInstance(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	at := b.now().Add(-time.Hour)
	for i := range 20 {
		b.write(at.Add(time.Duration(i/4)*time.Second), fmt.Sprint("mine ", i), func(l *observability.Line) {
			if i == 10 {
				l.Level = observability.LevelError
			}
		})
		b.write(at.Add(time.Duration(i/4)*time.Second), fmt.Sprint("theirs ", i), func(l *observability.Line) { l.Instance = "ins_2" })
	}
	q := shopLogs
	q.Levels = []observability.Level{observability.LevelError}
	page, err := b.SearchLogs(t.Context(), vic, q)
	require.NoError(t, err)
	line := page.Lines[0]
	got, err := b.LogsAround(t.Context(), vic, q, observability.PlaceOf(line), 3)
	require.NoError(t, err)
	require.Equal(t, line, got.Line)
	require.Equal(t, []string{"mine 7", "mine 8", "mine 9"}, texts(got.Before), "lines of the same time are before and after it by seq")
	require.Equal(t, []string{"mine 11", "mine 12", "mine 13"}, texts(got.After))
	got, err = b.LogsAround(t.Context(), vic, q, observability.PlaceOf(line), 1000)
	require.NoError(t, err)
	require.Len(t, got.Before, 10)
	require.Len(t, got.After, 9)

	// A cursor names the line that comes after its page.
	q = shopLogs
	q.Instance, q.Limit = "ins_1", 5
	page, err = b.SearchLogs(t.Context(), vic, q)
	require.NoError(t, err)
	got, err = b.LogsAround(t.Context(), vic, q, observability.Place{Cursor: page.Next}, 1)
	require.NoError(t, err)
	require.Equal(t, "mine 5", got.Line.Message)

	_, err = b.LogsAround(t.Context(), vic, shopLogs, observability.Place{At: line.At}, 3)
	code(t, platform.CodeInvalid, err, "8 lines have the time", "Add the line's seq")
	_, err = b.LogsAround(t.Context(), vic, shopLogs, observability.Place{At: line.At.Add(1)}, 3)
	code(t, platform.CodeNotFound, err, "no line at", "to the last digit")
	_, err = b.LogsAround(t.Context(), vic, shopLogs, observability.PlaceOf(line), 1001)
	code(t, platform.CodeInvalid, err, "out of range", "0 to 1000")
}

func TestLogPatterns_GroupsAndSaysWhatItReadOf(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	now := b.now()
	for i := range 60 {
		b.write(now.Add(-time.Duration(i+1)*time.Second), fmt.Sprintf("request %d took %d ms", i, i*7))
	}
	for i := range 20 {
		b.write(now.Add(-time.Duration(i+1)*time.Second), fmt.Sprintf("cannot read /data/%d.bin", i), func(l *observability.Line) { l.Level = observability.LevelError })
	}
	q := observability.PatternQuery{LogQuery: shopLogs}
	got, err := b.LogPatterns(t.Context(), vic, q)
	require.NoError(t, err)
	require.EqualValues(t, 80, got.Lines)
	require.False(t, got.Truncated)
	require.Equal(t, 2, got.Templates)
	require.Equal(t, "request <*> took <*>", got.Patterns[0].Template)
	require.Equal(t, 60, got.Patterns[0].Lines)
	require.InDelta(t, 0.75, got.Patterns[0].Share, 1e-9)
	require.Equal(t, map[observability.Level]int{observability.LevelError: 20}, got.Patterns[1].Levels)
	require.Equal(t, now.Add(-20*time.Second), got.Patterns[1].First)
	require.Equal(t, now.Add(-time.Second), got.Patterns[1].Last)
	require.Contains(t, got.Patterns[1].Example, "cannot read /data/")

	q.Sample, q.Top = 10, 1
	got, err = b.LogPatterns(t.Context(), vic, q)
	require.NoError(t, err)
	require.True(t, got.Truncated)
	require.EqualValues(t, 10, got.Read)
	require.EqualValues(t, 80, got.Lines)
	require.Contains(t, got.Note, "The newest 10 of 80 lines were read.")
	require.Len(t, got.Patterns, 1)
	require.Equal(t, 2, got.Templates)
	q.Sample = observability.MaxPatternSample + 1
	_, err = b.LogPatterns(t.Context(), vic, q)
	code(t, platform.CodeInvalid, err, "out of range", "narrow the query")
}

// TestLogPatterns_ComparesReleasesByWhatTheyWereExposedTo gives release 1 ten times the minutes of release 2.
func TestLogPatterns_ComparesReleasesByWhatTheyWereExposedTo(t *testing.T) {
	t.Parallel()
	b := withLogs(t)
	now := b.now()
	d := b.pushLive(1)
	instance := func(id platform.InstanceID, release int, began, ended time.Duration) {
		in := b.instance(id, d, platform.InstanceReady)
		end := now.Add(-ended)
		in.ReleaseNumber, in.StartedAt, in.EndedAt = release, now.Add(-began), &end
		in.State = platform.InstanceStopped
		require.NoError(t, b.RecordInstance(t.Context(), in, ""))
	}
	instance("ins_1", 1, 110*time.Minute, 10*time.Minute)
	instance("ins_2", 2, 10*time.Minute, 0)
	second := func(l *observability.Line) { l.Release, l.Instance = 2, "ins_2" }
	for i := range 100 {
		b.write(now.Add(-110*time.Minute+time.Duration(i)*time.Minute), fmt.Sprint("tick ", i))
		if i < 10 {
			b.write(now.Add(-time.Duration(i)*time.Minute-time.Second), fmt.Sprint("tick ", i), second)
			b.write(now.Add(-time.Duration(i)*time.Minute-time.Second), fmt.Sprintf("retry %d of the model", i))
		}
		if i < 30 {
			b.write(now.Add(-time.Duration(i)*time.Second-time.Second), fmt.Sprintf("retry %d of the model", i), second)
		}
	}
	b.write(now.Add(-time.Hour), "cache warmed")
	b.write(now.Add(-time.Minute), "TypeError: cannot round text", second, func(l *observability.Line) { l.Level = observability.LevelError })

	q := observability.PatternQuery{LogQuery: shopLogs, Compare: observability.Comparing{OldRelease: 1, NewRelease: 2}}
	got, err := b.LogPatterns(t.Context(), vic, q)
	require.NoError(t, err)
	c := got.Comparison
	require.Equal(t, "instance-minutes", c.Before.Unit)
	require.InDelta(t, 100, c.Before.Exposure, 0.1)
	require.InDelta(t, 10, c.After.Exposure, 0.1)
	require.Equal(t, []string{"release 1", "release 2"}, []string{c.Before.Name, c.After.Name})
	require.Contains(t, c.Arithmetic, "ratio = ((after + 0.5)")
	classes := map[string]string{}
	for _, s := range c.Shifts {
		classes[s.Template] = s.Class
	}
	require.Equal(t, map[string]string{"TypeError: cannot round text": "new", "retry <*> of the model": "surged", "cache warmed": "gone", "tick <*>": "same"}, classes)
	require.Equal(t, "new", c.Shifts[0].Class)

	q.Release = 2
	_, err = b.LogPatterns(t.Context(), vic, q)
	code(t, platform.CodeInvalid, err, "cannot be restricted to release 2", "Leave release out")

	q = observability.PatternQuery{LogQuery: shopLogs, Compare: observability.Comparing{Before: 100 * time.Minute, After: 5 * time.Minute}}
	got, err = b.LogPatterns(t.Context(), vic, q)
	require.NoError(t, err)
	require.Equal(t, "the last 5m0s", got.Comparison.After.Name)
	require.Equal(t, got.Comparison.Before.To, got.Comparison.After.From)
	require.Equal(t, "TypeError: cannot round text", got.Comparison.Shifts[0].Template)
}

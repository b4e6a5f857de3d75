package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

var errDown = platform.Errorf(platform.CodeUnavailable, "the store is down")

// memory is a store in memory that shows lines at once, and can be told to fail before or after it took lines.
type memory struct {
	observabilitytest.MemoryLogs

	mu     sync.Mutex // guards the fields below
	before error
	after  error
	query  error
	calls  int
	refuse func(observability.Line) bool
}

func (m *memory) Visible() time.Duration { return 0 }

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) Append(ctx context.Context, lines []observability.Line) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.before != nil {
		return m.before
	}
	for _, l := range lines {
		if m.refuse != nil && m.refuse(l) {
			return platform.Errorf(platform.CodeInvalid, "A line is refused.")
		}
	}
	if err := m.MemoryLogs.Append(ctx, lines); err != nil {
		return err
	}
	return m.after
}

func (m *memory) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	m.mu.Lock()
	err := m.query
	m.mu.Unlock()
	if err != nil {
		return observability.LogPage{}, err
	}
	return m.MemoryLogs.Query(ctx, q)
}

// open opens a spool that is closed at the end of the test; drain says whether Run is at work.
func open(t testing.TB, options Options, drain bool) *Spool {
	t.Helper()
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	if options.MinFreeBytes == 0 {
		options.MinFreeBytes = 1
	}
	s, err := Open(options)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if drain {
		go func() { ended <- s.Run(ctx) }()
	} else {
		ended <- nil
	}
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	})
	return s
}

var start = time.Now().Add(-time.Hour).Truncate(time.Second).UTC()

// numbered returns lines from to to, each with a number of its own.
func numbered(from, to int) []observability.Line {
	out := make([]observability.Line, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, observability.Line{
			At: start.Add(time.Duration(i) * time.Millisecond), Project: "shop", Environment: "production", Service: "api", Instance: "ins_1",
			Release: 3, Source: observability.SourceRuntime, Stream: "stdout", Level: levels[i%len(levels)], Message: fmt.Sprintf("line %06d", i), Seq: uint64(i % 2),
		})
	}
	return out
}

// drainAll hands everything over, and requires that nothing goes wrong.
func drainAll(t testing.TB, s *Spool) {
	t.Helper()
	for {
		n, err := s.drainOnce(t.Context())
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

func same(t testing.TB, want, got []observability.Line) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("lines differ (-want +got):\n%s", diff)
	}
}

func TestSpool_KeepsTheContractOfItsStore(t *testing.T) {
	t.Parallel()
	for name, draining := range map[string]bool{"Waiting": false, "Draining": true} {
		t.Run("Memory"+name, func(t *testing.T) {
			t.Parallel()
			observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs {
				return open(t, Options{Target: &observabilitytest.MemoryLogs{}}, draining)
			})
		})
	}
	t.Run("Embedded", func(t *testing.T) {
		t.Parallel()
		observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs {
			logs, err := embedded.OpenLogs(t.TempDir(), embedded.LogOptions{FlushInterval: time.Hour})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, logs.Close()) })
			return open(t, Options{Target: logs}, true)
		})
	})
}

func TestLine_ComesBackWholeWhateverIsInIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(anyLine), 1, 30).Draw(t, "lines")
		var got []observability.Line
		for _, f := range newFrames(observability.NormalLines(lines)) {
			f.seal(1, start)
			stored, err := readFrame(strings.NewReader(string(f.bytes)), 0, int64(len(f.bytes)))
			require.NoError(t, err)
			require.NoError(t, stored.each(func(_ uint64, l *observability.Line) bool { got = append(got, *l); return true }))
		}
		for i := range lines {
			lines[i] = lines[i].Normal()
			if len(lines[i].Fields) == 0 {
				lines[i].Fields = nil
			}
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Fatalf("lines differ (-want +got):\n%s", diff)
		}
	})
}

func TestLine_PartsOfTheTextAreOnDiskOnceAndPartsAgain(t *testing.T) {
	t.Parallel()
	raw := `{"msg":"a message that is long enough to tell","user":"ada","user":"again"}`
	l := observability.Line{At: start, Raw: raw, Message: raw[8:45], Fields: map[string]string{raw[48:52]: raw[55:58], "not": "there", "x": ""}}
	delete(l.Fields, "x")
	f := newFrames([]observability.Line{l.Normal()})[0]
	require.Less(t, len(f.bytes), frameHead+len(raw)+50)
	f.seal(1, start)
	stored, err := readFrame(strings.NewReader(string(f.bytes)), 0, int64(len(f.bytes)))
	require.NoError(t, err)
	require.NoError(t, stored.each(func(_ uint64, got *observability.Line) bool {
		require.Equal(t, l.Normal(), *got)
		require.Equal(t, 8, observability.PlaceIn(got.Raw, got.Message))
		require.Equal(t, 55, observability.PlaceIn(got.Raw, got.Fields["user"]))
		require.Equal(t, -1, observability.PlaceIn(got.Raw, got.Fields["not"]))
		return true
	}))
}

func TestLine_FramesFromBeforeThereWerePartsAreRead(t *testing.T) {
	t.Parallel()
	var old []byte
	old = binary.AppendUvarint(old, hasRaw|hasFields|2<<levelShift)
	old = binary.AppendUvarint(old, 0)
	old = appendTime(old, time.Time{}, start)
	old = binary.AppendUvarint(old, 7)
	old = appendText(appendText(old, "hello"), `{"msg":"hello"}`)
	old = binary.AppendUvarint(old, 1)
	old = appendText(appendText(old, "user"), "ada")
	stored := storedFrame{text: string(old), lines: 1}
	require.NoError(t, stored.each(func(_ uint64, got *observability.Line) bool {
		want := observability.Line{At: start.UTC(), Seq: 7, Level: levels[2], Message: "hello", Raw: `{"msg":"hello"}`, Fields: map[string]string{"user": "ada"}}
		require.Equal(t, want, *got)
		return true
	}))
}

func anyLine(t *rapid.T) observability.Line {
	text := func(label string) string { return rapid.StringN(0, 5, -1).Draw(t, label) }
	at := func(label string) time.Time {
		return time.Unix(rapid.Int64Range(-1<<33, 1<<37).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label+"n")).UTC()
	}
	l := observability.Line{
		At: at("at"), Project: text("project"), Environment: text("environment"), Service: text("service"), Deploy: text("deploy"),
		Instance: text("instance"), Source: text("source"), Stream: text("stream"), Release: rapid.Int().Draw(t, "release"),
		Level: rapid.SampledFrom(levels[:]).Draw(t, "level"), Message: text("message"), Raw: text("raw"), Seq: rapid.Uint64().Draw(t, "seq"),
		Truncated: rapid.Bool().Draw(t, "cut"), Fields: rapid.MapOfN(rapid.StringN(1, 4, -1), rapid.StringN(1, 4, -1), 0, 3).Draw(t, "fields"),
	}
	if rapid.Bool().Draw(t, "parsed") && l.Raw != "" { // what was read out of the text is a part of it
		l.Message, l.Fields["part"] = l.Raw[:utf8.RuneLen([]rune(l.Raw)[0])], l.Raw
	}
	if rapid.Bool().Draw(t, "joined") {
		l.EndAt, l.EndSeq = at("end"), rapid.Uint64().Draw(t, "endseq")
	}
	return l
}

func FuzzReadFrame(f *testing.F) {
	whole := newFrames(numbered(0, 3))[0]
	whole.seal(7, start)
	f.Add(whole.bytes)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if stored, err := readFrame(strings.NewReader(string(raw)), 0, int64(len(raw))); err == nil {
			_ = stored.each(func(uint64, *observability.Line) bool { return true })
		}
		stored := storedFrame{text: string(raw), lines: 5}
		_ = stored.each(func(uint64, *observability.Line) bool { return true })
	})
}

func TestSpool_LinesReachTheTargetInOrderAndTheFilesGo(t *testing.T) {
	t.Parallel()
	target := &memory{}
	s := open(t, Options{Target: target, MaxBytes: 1 << 20, BatchLines: 100}, false)
	want := numbered(0, 10_000)
	for i := 0; i < len(want); i += 250 {
		require.NoError(t, s.Append(t.Context(), want[i:i+250]))
	}
	require.Equal(t, uint64(10_000), s.Stats().Lines)
	require.Greater(t, len(s.segments), 1)
	drainAll(t, s)
	same(t, want, target.All())
	require.NoError(t, s.acknowledge(time.Now()))
	stats := s.Stats()
	require.Equal(t, StateIdle, stats.State)
	require.Zero(t, stats.Lines)
	require.Zero(t, stats.Oldest)
	files, err := filepath.Glob(filepath.Join(s.options.Dir, "*.seg"))
	require.NoError(t, err)
	require.Len(t, files, 1, "only the segment that is written to stays")
}

func TestSpool_ReopenedGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	target, dir := &memory{}, t.TempDir()
	want := numbered(0, 900)
	for round := range 3 {
		s, err := Open(Options{Dir: dir, Target: target, MinFreeBytes: 1, BatchLines: 100})
		require.NoError(t, err)
		require.NoError(t, s.Append(t.Context(), want[round*300:round*300+300]))
		_, err = s.drainOnce(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	s := open(t, Options{Dir: dir, Target: target}, false)
	drainAll(t, s)
	same(t, want, target.All())
}

func TestSpool_ClosedRefusesAndAnotherOpenerIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, Target: &memory{}, MinFreeBytes: 1})
	require.NoError(t, err)
	_, err = Open(Options{Dir: dir, Target: &memory{}})
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(s.Append(t.Context(), numbered(0, 1))))
	_, err = s.Query(t.Context(), observability.LogQuery{})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
}

func TestSpool_FullDiskTakesNoLineAndSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Target: &memory{}, MinFreeBytes: 1 << 60}, false)
	err := s.Append(t.Context(), numbered(0, 1))
	var refused *platform.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, platform.CodeUnavailable, refused.Code)
	require.Contains(t, refused.Hint, "Free space")
	require.Zero(t, s.Stats().Lines)
}

func TestOpen_TooSmallALimitIsRefusedByField(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{Dir: t.TempDir(), Target: &memory{}, MaxBytes: 1000})
	var refused *platform.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "max_bytes", refused.Field)
}

func TestSpool_RunHandsOverAtOnceAndAfterAnOutage(t *testing.T) {
	t.Parallel()
	target := &memory{before: errDown}
	s := open(t, Options{Target: target}, true)
	require.NoError(t, s.Append(t.Context(), numbered(0, 10)))
	require.Eventually(t, func() bool {
		stats := s.Stats()
		return stats.State == StateBlocked && strings.Contains(stats.Why, "the store is down") && stats.Lines == 10 && stats.Oldest > 0
	}, 5*time.Second, time.Millisecond)
	target.set(func(m *memory) { m.before = nil })
	require.Eventually(t, func() bool { return s.Stats().State == StateIdle }, 10*time.Second, time.Millisecond)
	same(t, numbered(0, 10), target.All())
}

func TestSpool_ATargetThatFailedAfterItTookLinesGetsNoneTwice(t *testing.T) {
	t.Parallel()
	target := &memory{after: errors.New("the connection broke")}
	s := open(t, Options{Target: target}, false)
	require.NoError(t, s.Append(t.Context(), numbered(0, 10)))
	for range 3 {
		_, err := s.drainOnce(t.Context())
		if err == nil {
			break
		}
	}
	target.set(func(m *memory) { m.after = nil })
	require.NoError(t, s.Append(t.Context(), numbered(10, 20)))
	drainAll(t, s)
	same(t, numbered(0, 20), target.All())
}

func TestSpool_RefusedLinesAreFoundCountedAndPassedOver(t *testing.T) {
	t.Parallel()
	target := &memory{refuse: func(l observability.Line) bool { return l.Message == "line 000003" || l.Message == "line 000077" }}
	s := open(t, Options{Target: target}, false)
	want := numbered(0, 100)
	require.NoError(t, s.Append(t.Context(), want))
	drainAll(t, s)
	same(t, append(append(append([]observability.Line{}, want[:3]...), want[4:77]...), want[78:]...), target.All())
	require.Equal(t, uint64(2), s.Stats().Rejected)
	require.Less(t, target.calls, 40, "the bad lines are found by halving")
}

func TestSpool_QueryWhileTheStoreIsDownAnswersWhatWaitsAndSaysSo(t *testing.T) {
	t.Parallel()
	target := &memory{}
	s := open(t, Options{Target: target}, false)
	require.NoError(t, s.Append(t.Context(), numbered(0, 5)))
	drainAll(t, s)
	require.NoError(t, s.Append(t.Context(), numbered(5, 10)))
	target.set(func(m *memory) { m.query = errDown })
	page, err := s.Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	why, partly := observability.Incomplete(err)
	require.True(t, partly)
	require.Equal(t, "The log store does not answer, and these are only the lines that wait for it: the store is down.", why)
	same(t, numbered(5, 10), page.Lines)
	page, err = s.Query(t.Context(), observability.LogQuery{Project: "shop", Text: "no such line"})
	why, partly = observability.Incomplete(err)
	require.True(t, partly)
	require.Contains(t, why, "no line that waits for it matches")
	require.Empty(t, page.Lines)
	target.set(func(m *memory) { m.query = nil })
	page, err = s.Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.NoError(t, err)
	same(t, numbered(0, 10), page.Lines)
}

// Pages that begin while lines wait and go on after they were drained are the pages of one query.
func TestSpool_PagesStayTrueWhileLinesMoveToTheStore(t *testing.T) {
	t.Parallel()
	for _, backward := range []bool{false, true} {
		target := &memory{}
		s := open(t, Options{Target: target, BatchLines: 50, SegmentBytes: 4 << 10}, false)
		var lines []observability.Line
		for i, l := range numbered(0, 400) {
			l.At = start.Add(time.Duration(i/7) * time.Second)
			lines = append(lines, l)
		}
		for i := 0; i < len(lines); i += 10 { // frames of ten lines
			require.NoError(t, s.Append(t.Context(), lines[i:i+10]))
		}
		var got []observability.Line
		q := observability.LogQuery{Project: "shop", Limit: 13, Backward: backward}
		for {
			page, err := s.Query(t.Context(), q)
			require.NoError(t, err)
			got = append(got, page.Lines...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			_, err = s.drainOnce(t.Context())
			require.NoError(t, err)
		}
		want, err := target.MemoryLogs.Query(t.Context(), observability.LogQuery{Limit: 1000, Backward: backward})
		require.NoError(t, err)
		same(t, want.Lines, got)
		require.Len(t, got, 400)
	}
}

func TestSpool_AppendsThatComeTogetherShareOneWrite(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Target: &memory{}}, false)
	require.NoError(t, s.Append(t.Context(), numbered(0, 1)))
	writes := 0
	s.step = func(step string) {
		if step == "before write" {
			writes++ // with writing held
		}
	}
	var all sync.WaitGroup
	s.writing.Lock()
	for i := range 50 {
		all.Go(func() { require.NoError(t, s.Append(t.Context(), numbered(i, i+1))) })
	}
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.queue) == 50 }, 5*time.Second, time.Millisecond)
	s.writing.Unlock()
	all.Wait()
	require.Equal(t, 1, writes)
	require.Equal(t, uint64(51), s.Stats().Lines)
}

func TestOpen_TornTailIsCutOffAndWhatIsBeforeItKept(t *testing.T) {
	t.Parallel()
	dir, target := t.TempDir(), &memory{}
	s, err := Open(Options{Dir: dir, Target: target, MinFreeBytes: 1})
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), numbered(0, 10)))
	require.NoError(t, s.Close())
	file := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	next := newFrames(numbered(10, 20))[0]
	next.seal(11, time.Now())
	for cut := range len(next.bytes) {
		require.NoError(t, os.WriteFile(file, append(whole[:len(whole):len(whole)], next.bytes[:cut]...), 0o600))
		s, err := Open(Options{Dir: dir, Target: target, MinFreeBytes: 1})
		require.NoError(t, err)
		require.Equal(t, uint64(10), s.Stats().Lines, "cut after %d bytes", cut)
		require.Zero(t, s.Stats().Damaged)
		require.NoError(t, s.Close())
		left, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, whole, left)
	}
}

func TestOpen_DamagedSegmentIsSetAsideAndTheRestIsKept(t *testing.T) {
	t.Parallel()
	for name, offset := range map[string]int{"Frame": segmentHead + 40, "Length": segmentHead + 1, "Head": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, target := t.TempDir(), &memory{}
			s, err := Open(Options{Dir: dir, Target: target, MinFreeBytes: 1, SegmentBytes: 2000})
			require.NoError(t, err)
			for i := range 300 {
				require.NoError(t, s.Append(t.Context(), numbered(10*i, 10*i+10)))
			}
			hit := s.segments[1]
			require.NoError(t, s.Close())
			path := filepath.Join(dir, segmentName(hit.number))
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			raw[offset] ^= 0xff
			require.NoError(t, os.WriteFile(path, raw, 0o600))

			lost := uint64(10)
			if name == "Head" {
				lost = 0
			}
			for range 2 { // it is mended for good
				s, err = Open(Options{Dir: dir, Target: target, MinFreeBytes: 1, SegmentBytes: 2000})
				require.NoError(t, err)
				stats := s.Stats()
				require.Equal(t, lost, stats.Unreadable)
				require.Equal(t, uint64(1), stats.Damaged)
				require.Equal(t, 3000-lost, stats.Lines)
				require.NoError(t, s.Close())
			}
			aside, err := os.ReadFile(filepath.Join(dir, damagedPrefix+segmentName(hit.number)))
			require.NoError(t, err)
			require.Equal(t, raw, aside, "the damaged file is kept as it was")
			s = open(t, Options{Dir: dir, Target: target}, false)
			drainAll(t, s)
			var want []observability.Line
			for i, l := range numbered(0, 3000) {
				if seq := uint64(i + 1); lost == 0 || seq < hit.first || seq >= hit.first+lost {
					want = append(want, l)
				}
			}
			same(t, want, target.All())
		})
	}
}

func TestSpool_SegmentDamagedWhileOpenDoesNotBlock(t *testing.T) {
	t.Parallel()
	for name, inMemory := range map[string]bool{"a target that keeps up gets what is in memory": true, "any other what can be read": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &memory{}
			s := open(t, Options{Target: target}, false)
			for i := range 3 {
				require.NoError(t, s.Append(t.Context(), numbered(10*i, 10*i+10)))
			}
			f, err := os.OpenFile(filepath.Join(s.options.Dir, segmentName(1)), os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{0xff, 0xff}, segmentHead+50)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			from := 0
			if !inMemory {
				s.recent.forget()
				from = 10
			}
			for range 3 {
				_, err := s.drainOnce(t.Context())
				require.NoError(t, err)
			}
			same(t, numbered(from, 30), target.All())
			require.Equal(t, uint64(from), s.Stats().Unreadable)
			require.Zero(t, s.Stats().Lines)
		})
	}
}

func TestSpool_LinesInMemoryAndOnDiskComeInOrderOnce(t *testing.T) {
	t.Parallel()
	target := &memory{before: errDown}
	s := open(t, Options{Target: target, BatchLines: 700}, false)
	const all = recentLines + 9000 // more than memory takes, and more again once there is room
	for from := 0; from < all; from += 1000 {
		require.NoError(t, s.Append(t.Context(), numbered(from, min(from+1000, all))))
		if from == 12000 {
			_, err := s.drainOnce(t.Context())
			require.Error(t, err)
			target.set(func(m *memory) { m.before = nil })
			for range 10 {
				_, err := s.drainOnce(t.Context())
				require.NoError(t, err)
			}
		}
	}
	drainAll(t, s)
	same(t, numbered(0, all), target.All())
}

func TestSpool_LostPositionResendsNothingThatTheStoreHas(t *testing.T) {
	t.Parallel()
	dir, target := t.TempDir(), &memory{}
	s, err := Open(Options{Dir: dir, Target: target, MinFreeBytes: 1, BatchLines: 10})
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, s.Append(t.Context(), numbered(10*i, 10*i+10)))
	}
	for range 4 {
		_, err := s.drainOnce(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, positionName), []byte("garbage"), 0o600))
	s = open(t, Options{Dir: dir, Target: target}, false)
	drainAll(t, s)
	same(t, numbered(0, 100), target.All())
}

// slow is a target that takes nothing before it is let go.
type slow struct {
	began, let chan struct{}
	ended      []error
}

func (s *slow) Append(ctx context.Context, _ []observability.Line) error {
	s.began <- struct{}{}
	<-s.let
	s.ended = append(s.ended, ctx.Err())
	return ctx.Err()
}

func TestSpool_WhatIsOnItsWayAtTheEndIsNotBrokenOff(t *testing.T) {
	t.Parallel()
	target := &slow{began: make(chan struct{}, 2), let: make(chan struct{})}
	s := open(t, Options{Target: target}, false)
	require.NoError(t, s.Append(t.Context(), numbered(0, 10)))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-target.began
	stop()
	close(target.let)
	require.NoError(t, <-ended)
	require.Equal(t, []error{nil}, target.ended, "it was sent once, and whole")
	require.Zero(t, s.Stats().Lines)
}

// The race detector is what looks: the segment that is written to is told from the others while another one is begun.
func TestSpool_SegmentsBeginWhileOthersAreDoneWith(t *testing.T) {
	t.Parallel()
	target := &memory{}
	s := open(t, Options{Target: target, SegmentBytes: 2 << 10}, true)
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		var err error
		for {
			select {
			case <-stop:
				ended <- err
				return
			default:
				err = errors.Join(err, s.acknowledge(time.Now()))
			}
		}
	}()
	const rounds, each = 50, 20
	for i := range rounds {
		require.NoError(t, s.Append(t.Context(), numbered(i*each, (i+1)*each)))
	}
	require.Eventually(t, func() bool { return s.Stats().State == StateIdle }, 10*time.Second, time.Millisecond)
	close(stop)
	require.NoError(t, <-ended)
	same(t, numbered(0, rounds*each), target.All())
}

// gated takes nothing while its gate is held.
type gated struct {
	memory

	gate sync.Mutex
}

func (g *gated) Append(ctx context.Context, lines []observability.Line) error {
	g.gate.Lock()
	defer g.gate.Unlock()
	return g.memory.Append(ctx, lines)
}

func TestSpool_AnAppendWaitsALittleForATargetThatFallsBehind(t *testing.T) {
	t.Parallel()
	target := &gated{}
	target.gate.Lock()
	s := open(t, Options{Target: target}, true)
	appended, full := 0, false
	for !full {
		require.NoError(t, s.Append(t.Context(), numbered(appended, appended+1024)))
		appended += 1024
		s.mu.Lock()
		full = !s.recent.room(1024) && s.batch != nil && s.draining
		s.mu.Unlock()
	}
	began := time.Now()
	require.NoError(t, s.Append(t.Context(), numbered(appended, appended+1024)))
	require.GreaterOrEqual(t, time.Since(began), easing)
	appended += 1024
	target.gate.Unlock()
	require.Eventually(t, func() bool { return s.Stats().State == StateIdle }, 10*time.Second, time.Millisecond)
	same(t, numbered(0, appended), target.All())
}

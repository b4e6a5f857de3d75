package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
)

// lossy is a store that loses in a crash what it took since it was last flushed.
type lossy struct{ *memory }

func (lossy) Durable() time.Duration { return time.Hour }

// crashed is what a step panics with to end a spool as a kill does.
type crashed struct{ step string }

// world is a spool, its target, and what is known of the lines given to it.
type world struct {
	dir      string
	loses    bool // the target is lossy
	limit    int64
	target   *memory
	flushed  int // lines that the target keeps in a crash
	spool    *Spool
	next     int          // number of the next line
	since    time.Time    // since when the spool knows where streams end
	accepted []int        // by Append
	maybe    map[int]bool // their Append was cut short by a crash
	level    map[int]observability.Level
}

func (w *world) open(t *rapid.T) {
	options := Options{Dir: w.dir, Target: w.target, MinFreeBytes: 1, MaxBytes: w.limit, SegmentBytes: 2 << 10, BatchLines: 20}
	if w.loses {
		options.Target = lossy{w.target}
	}
	var err error
	w.spool, err = Open(options)
	require.NoError(t, err)
	ends, since := w.spool.Appended("ins_1", observability.SourceRuntime)
	if n := len(w.accepted); n > 0 {
		last := numbered(w.accepted[n-1], w.accepted[n-1]+1)[0]
		require.False(t, ends["stdout"].Before(endOf(&last)), "where a stream ends is not forgotten in a crash")
		require.True(t, w.since.Equal(since), "nor since when that is known")
	}
	w.since = since
}

func (w *world) append(t *rapid.T) {
	var lines []observability.Line
	var numbers []int
	for range rapid.IntRange(1, 40).Draw(t, "lines") {
		l := numbered(w.next, w.next+1)[0]
		l.Level = rapid.SampledFrom(levels[:]).Draw(t, "level")
		l.Message = fmt.Sprintf("%d %s", w.next, strings.Repeat("x", rapid.SampledFrom([]int{0, 30, 300, 900}).Draw(t, "length")))
		w.level[w.next] = l.Level
		lines, numbers = append(lines, l), append(numbers, w.next)
		w.next++
	}
	for _, n := range numbers {
		w.maybe[n] = true // until Append returns
	}
	err := w.spool.Append(t.Context(), lines)
	for _, n := range numbers {
		delete(w.maybe, n)
	}
	require.NoError(t, err)
	w.accepted = append(w.accepted, numbers...)
}

// drain lets one batch go, to a target that may fail before or after it takes it.
func (w *world) drain(t *rapid.T) {
	fate := rapid.SampledFrom([]string{"taken", "taken", "taken", "refused", "broken"}).Draw(t, "fate")
	w.target.set(func(m *memory) {
		m.before, m.after = nil, nil
		switch fate {
		case "refused":
			m.before = errDown
		case "broken":
			m.after = errDown
		}
	})
	_, _ = w.spool.drainOnce(t.Context())
	w.target.set(func(m *memory) { m.before, m.after = nil, nil })
}

func (w *world) acknowledge(t *rapid.T) {
	w.flushed = len(w.target.All())
	require.NoError(t, w.spool.acknowledge(time.Now().Add(2*time.Hour)))
}

// glance acknowledges what the target cannot lose any more, which is nothing of what a lossy one just took.
func (w *world) glance(t *rapid.T) { require.NoError(t, w.spool.acknowledge(time.Now())) }

// crash ends the spool at some step of what do does, or after it, leaves torn what a crash can tear, and opens it anew.
func (w *world) crash(t *rapid.T, do func(*rapid.T)) {
	left := rapid.IntRange(0, 3).Draw(t, "steps")
	w.spool.step = func(step string) {
		if left--; left < 0 {
			panic(crashed{step})
		}
	}
	func() {
		defer func() {
			if r := recover(); r != nil {
				if _, ours := r.(crashed); !ours {
					panic(r)
				}
			}
		}()
		do(t)
	}()
	old := w.spool
	old.release()
	if old.active != nil {
		_ = old.active.Close()
	}
	w.tear(t, old)
	kept := &memory{}
	n := len(w.target.All())
	if w.loses {
		n = rapid.IntRange(w.flushed, n).Draw(t, "kept")
	}
	require.NoError(t, kept.Append(t.Context(), w.target.All()[:n]))
	w.target, w.flushed = kept, n
	w.open(t)
}

// tear writes the beginning of another frame behind the last segment, and garbage over the older position.
func (w *world) tear(t *rapid.T, old *Spool) {
	numbers, err := listSegments(w.dir)
	require.NoError(t, err)
	if len(numbers) > 0 {
		f := newFrames(numbered(0, 5))[0]
		f.seal(old.next, time.Now())
		file, err := os.OpenFile(filepath.Join(w.dir, segmentName(numbers[len(numbers)-1])), os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		_, err = file.Write(f.bytes[:rapid.IntRange(0, len(f.bytes)-1).Draw(t, "torn")])
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	if old.position.generation > 0 && rapid.Bool().Draw(t, "torn position") {
		file, err := os.OpenFile(filepath.Join(w.dir, positionName), os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = file.WriteAt([]byte("torn torn torn"), int64((old.position.generation+1)%2)*positionPlace)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
}

// check drains what is left, and requires each accepted line once, in order, but for what the limit dropped and counted.
func (w *world) check(t *rapid.T) {
	for {
		n, err := w.spool.drainOnce(t.Context())
		require.NoError(t, err)
		if n == 0 {
			break
		}
	}
	seen, last := map[int]bool{}, -1
	for _, l := range w.target.All() {
		word, _, _ := strings.Cut(l.Message, " ")
		n, err := strconv.Atoi(word)
		require.NoError(t, err)
		require.Greater(t, n, last, "lines are in order, each once")
		seen[n], last = true, n
	}
	missing, maybe := map[observability.Level]uint64{}, map[observability.Level]uint64{}
	for _, n := range w.accepted {
		if !seen[n] {
			missing[w.level[n]]++
		}
	}
	for n := range w.maybe {
		maybe[w.level[n]]++
	}
	stats := w.spool.Stats()
	for _, level := range levels {
		require.GreaterOrEqual(t, stats.Dropped[level], missing[level], "what is missing of %q was dropped and counted", level)
		require.LessOrEqual(t, stats.Dropped[level], missing[level]+maybe[level], "no more of %q is counted than is missing", level)
	}
	require.Zero(t, stats.Lines)
	require.Zero(t, stats.Unreadable)
	require.Zero(t, stats.Damaged)
	require.LessOrEqual(t, stats.Bytes, w.limit)
}

// Whatever is appended, drained, refused, dropped and killed in whatever order, at whatever step: each accepted line
// reaches the target once, in order, but for those that the limit dropped and counted.
func TestSpool_EachAcceptedLineReachesTheTargetOnceInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "fairlead-spool-")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		w := &world{dir: dir, target: &memory{}, maybe: map[int]bool{}, level: map[int]observability.Level{}}
		w.loses = rapid.Bool().Draw(t, "loses")
		w.limit = 128 << 10
		if w.loses {
			w.limit = 64 << 20 // at its limit a spool lets go of what the target took but could lose
		}
		w.open(t)
		defer func() { require.NoError(t, w.spool.Close()) }()
		steps := map[string]func(*rapid.T){"append": w.append, "append more": w.append, "drain": w.drain, "acknowledge": w.acknowledge, "glance": w.glance}
		names := []string{"append", "append more", "drain", "acknowledge", "glance"}
		for range rapid.IntRange(1, 80).Draw(t, "length") {
			do := steps[rapid.SampledFrom(names).Draw(t, "do")]
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
				w.crash(t, do)
			} else {
				do(t)
			}
		}
		w.check(t)
	})
}

package patterns_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/patterns"
)

func TestAdd_LinesThatDifferInValuesShareATemplate(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"GET /users/12 took 3ms", "GET /users/9981 took 120ms"},
		{"connected to 10.0.0.1:5432", "connected to 192.168.7.22:80"},
		{"job 7f3a9c01-8e2b-4d11-9c55-0a1b2c3d4e5f done", "job 00000000-1111-2222-3333-444455556666 done"},
		{"stored 5.1 KB in memory", "stored 12 B in memory"},
		{"closed, 0 bytes sent, lifetime <1 sec", "closed, 1190 bytes (1.16 KB) sent, lifetime 00:02"},
		{"lock id=7, tag=\"View Lock\", ws=null, uid=1", "lock id=19, tag=\"RIL\", ws=Source{10113}, uid=2"},
		{"no answer from [cluster_A8] yet", "no answer from [cluster_B12] yet"},
		{"progress of attempt_14_0020_m_0 is 0.17", "progress of task_99_0001_r_7 is 1.0"},
		{"cannot open C:\\Windows\\System32\\a.dll", "cannot open D:\\x\\y.dll"},
		{"reading /etc/app/main.conf", "reading /var/lib/x"},
		{"mail to bob@example.org bounced", "mail to alice@mail.example.com bounced"},
		{"seen 00:1b:44:ab:cd:ef", "seen ab:cd:ef:ab:cd:ef"},
		{"job 7f3a9c01-beef-dead-face-abcdefabcdef done", "job 7f3a9c01-8e2b-4d11-9c55-0a1b2c3d4e5f done"},
		{"proxy.example.net:5070 open", "cache.example.org:80 open"},
		{"lookup of ns.example.com failed", "lookup of 10.0.0.1 failed"},
		{"delete blk_1 blk_2", "delete blk_1 blk_2 blk_3 blk_4 blk_5"},
		{"session opened for user ada by root", "session opened for user rob by root"},
		{"ready is true", "ready is false"},
	} {
		m := patterns.New(patterns.Config{})
		a, b := m.Add(pair[0]), m.Add(pair[1])
		require.Equal(t, m.Resolve(a), m.Resolve(b), "%q and %q", pair[0], pair[1])
	}
}

func TestAdd_WordsThatTellStatementsApartStay(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"connection opened to 10.0.0.1", "connection closed to 10.0.0.1"},
		{"GET /api/users 200", "GET /api/orders 200"},
		{"GET /api/users 200", "POST /api/users 200"},
		{"uid=1 is unknown", "gid=1 is unknown"},
		{"may read/write/execute", "may read/write/delete"},
		{"KeyError at main.py:41", "KeyError at other.py:41"},
		{"org.example.Server started", "org.example.Client started"},
		{"check pass; user unknown", "check pass; user locked"},
	} {
		m := patterns.New(patterns.Config{})
		a, b := m.Add(pair[0]), m.Add(pair[1])
		require.NotEqual(t, m.Resolve(a), m.Resolve(b), "%q and %q", pair[0], pair[1])
	}
}

func TestAdd_AWordPlaceWithManyValuesBecomesAVariable(t *testing.T) {
	t.Parallel()
	m := patterns.New(patterns.Config{})
	var ids []patterns.TemplateID
	for _, user := range []string{"ada", "grace", "linus", "ken", "rob", "barbara"} {
		ids = append(ids, m.Add("session opened for user "+user))
	}
	for _, id := range ids {
		require.Equal(t, m.Resolve(ids[0]), m.Resolve(id))
	}
	got, ok := m.Template(ids[5])
	require.True(t, ok)
	require.Equal(t, "session opened for user <*>", got.Text)
	require.Equal(t, 6, got.Count)
}

// TestAdd_MemoryIsBoundedByEndlessNovelty reads lines that are all new for ever, with the default bounds: what is held
// after many is what is held after few.
func TestAdd_MemoryIsBoundedByEndlessNovelty(t *testing.T) {
	m := patterns.New(patterns.Config{})
	line, held := 0, []uint64{}
	for range 3 {
		for range 60_000 {
			line++
			m.Add(novel(line))
		}
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		held = append(held, memory.HeapAlloc)
	}
	t.Logf("%d lines, %d templates: %d, %d, %d KiB held", line, len(m.Templates()), held[0]>>10, held[1]>>10, held[2]>>10)
	require.LessOrEqual(t, len(m.Templates()), 4096)
	require.Less(t, float64(held[2]), 1.3*float64(held[0]))
	require.Less(t, held[2], uint64(64<<20))
}

// novel is a line unlike any other: five words of letters that spell its number.
func novel(n int) string {
	var b strings.Builder
	for i := range 5 {
		for range 1 + i%3 {
			b.WriteByte(byte('g' + n%17))
			n = n/17 + n%17*31
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func TestNovelty_RanksWhatRoseAndNamesWhatIsGone(t *testing.T) {
	t.Parallel()
	m := patterns.New(patterns.Config{})
	before, after := patterns.Window{Exposure: 10}, patterns.Window{Exposure: 1}
	for range 100 {
		before.Add(m.Add("request served"))
	}
	for range 10 {
		after.Add(m.Add("request served")) // a tenth of the lines in a tenth of the exposure
		after.Add(m.Add("ZeroDivisionError: division by zero"))
	}
	before.Add(m.Add("cache warmed"))
	got := m.Novelty(before, after)
	require.Equal(t, patterns.ClassNew, got[0].Class)
	require.Contains(t, got[0].Template, "ZeroDivisionError")
	classes := map[string]patterns.Class{}
	for _, s := range got {
		classes[s.Template] = s.Class
	}
	require.Equal(t, patterns.ClassSteady, classes["request served"])
	require.Equal(t, patterns.ClassGone, classes["cache warmed"])
}

func TestGroupingAccuracy_CountsTheLinesOfWholeGroups(t *testing.T) {
	t.Parallel()
	lines := []string{"user 1 logged in", "user 2 logged in", "disk full on /a", "cache warmed"}
	require.InDelta(t, 1, patterns.GroupingAccuracy(lines, []string{"a", "a", "b", "c"}), 0)
	require.InDelta(t, 0.25, patterns.GroupingAccuracy(lines, []string{"a", "b", "b", "c"}), 1e-9, "a group that is torn or mixed counts for none of its lines")
	require.InDelta(t, 1, patterns.GroupingAccuracy(nil, nil), 0)
}

func FuzzAdd(f *testing.F) {
	f.Add("GET /a/1 10.0.0.1:80 5 KB\nTraceback\n  x\nError: y")
	f.Add("a=b c=d \xff\xfe   ")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		m := patterns.New(patterns.Config{MaxTemplates: 4})
		id := m.Add(line)
		if again := m.Add(line); m.Resolve(again) != m.Resolve(id) {
			t.Fatalf("one line in two templates: %d and %d", id, again)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	lines := make([]string, 1024)
	for i := range lines {
		lines[i] = fmt.Sprintf("request %08x POST /predict/%d answered 200 in %d.%d ms from 10.0.%d.%d:4711 user=u%d", i*7919, i, i%90, i%10, i%255, i%251, i%50)
	}
	m := patterns.New(patterns.Config{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Add(lines[i%len(lines)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkAdd_RealLines reads the lines of the labelled samples again and again.
func BenchmarkAdd_RealLines(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(os.Getenv("LOGHUB_DIR"), "*.log"))
	require.NoError(b, err)
	lines := []string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(b, err)
		lines = append(lines, strings.Split(string(raw), "\n")...)
	}
	for i := len(lines); i < 1024; i++ {
		lines = append(lines, fmt.Sprintf("2026-03-14 15:09:%02d INFO api.server: session %d of user u%d closed after %d ms from 10.0.0.%d", i%60, i*31, i%50, i, i%255))
	}
	m := patterns.New(patterns.Config{})
	for i := 0; b.Loop(); i++ {
		m.Add(lines[i%len(lines)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkAdd_EndlessNovelty(b *testing.B) {
	m := patterns.New(patterns.Config{})
	for i := 0; b.Loop(); i++ {
		m.Add(novel(i))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

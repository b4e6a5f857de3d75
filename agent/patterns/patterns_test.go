package patterns_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
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
	} {
		m := patterns.New(patterns.Config{})
		a, b := m.Add(pair[0]), m.Add(pair[1])
		require.Equal(t, m.Resolve(a), m.Resolve(b), "%q and %q", pair[0], pair[1])
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

func TestAdd_MemoryIsBoundedByEndlessNovelty(t *testing.T) {
	t.Parallel()
	m := patterns.New(patterns.Config{MaxTemplates: 100})
	for i := range 5000 {
		m.Add(fmt.Sprintf("%c%c%c novel %c line", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, 'a'+i%7))
	}
	require.LessOrEqual(t, len(m.Templates()), 100)
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

// TestGroupingAccuracy scores the miner on labelled samples that lie outside the project, where LOGHUB_DIR names them.
func TestGroupingAccuracy(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("LOGHUB_DIR")
	if dir == "" {
		dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_structured.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	sum := 0.0
	for _, file := range files {
		accuracy := score(t, file)
		t.Logf("%-40s %.3f", filepath.Base(file), accuracy)
		sum += accuracy
	}
	t.Logf("mean %.3f", sum/float64(len(files)))
	require.Greater(t, sum/float64(len(files)), 0.77)
}

// score is the share of lines whose predicted group holds exactly the lines of their labelled group.
func score(t *testing.T, file string) float64 {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	content, label := column(rows[0], "Content"), column(rows[0], "EventId")
	m := patterns.New(patterns.Config{})
	ids := make([]patterns.TemplateID, len(rows)-1)
	for i, row := range rows[1:] {
		ids[i] = m.Add(row[content])
	}
	labelSize, groupSize, both := map[string]int{}, map[patterns.TemplateID]int{}, map[string]int{}
	for i, row := range rows[1:] {
		id := m.Resolve(ids[i])
		labelSize[row[label]]++
		groupSize[id]++
		both[fmt.Sprint(row[label], id)]++
	}
	right := 0
	for i, row := range rows[1:] {
		id := m.Resolve(ids[i])
		if n := both[fmt.Sprint(row[label], id)]; n == labelSize[row[label]] && n == groupSize[id] {
			right++
		}
	}
	return float64(right) / float64(len(ids))
}

func column(head []string, name string) int {
	for i, h := range head {
		if h == name {
			return i
		}
	}
	return 0
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

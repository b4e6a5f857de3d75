package eval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Variation is a way to tell the same incident differently, or with less.
type Variation struct {
	Name string
	// Exact is set when nothing is lost by it: no innocent change may be convicted. Same is set when the answer must stay what it was.
	Exact, Same bool
	apply       func(*telling)
}

// telling is a bundle as the texts of its files, with its answer.
type telling struct {
	files  map[string][]byte
	want   Expected
	lender []json.RawMessage // innocent commits of other bundles
}

// Variations lists what a diagnosis must withstand.
func Variations() []Variation {
	out := []Variation{
		{"another date", true, true, (*telling).later},
		{"other ids of changes", true, true, (*telling).renumber},
		{"services under a prefix", true, true, (*telling).prefixServices},
		{"metrics under a prefix", true, true, (*telling).prefixMetrics},
		{"lines of one instant in another order", true, true, (*telling).reorder},
		{"three more innocent commits", true, false, (*telling).borrow},
		{"every second line", false, false, (*telling).thin},
		{"no levels", false, false, func(t *telling) { t.strip("logs.ndjson", "level") }},
		{"no fields", false, false, func(t *telling) { t.strip("logs.ndjson", "fields") }},
		{"no releases in lines", false, false, func(t *telling) { t.strip("logs.ndjson", "release") }},
		{"no owners of changes", false, false, func(t *telling) { t.strip("changes.ndjson", "service") }},
		{"no differences", false, false, func(t *telling) { t.strip("changes.ndjson", "diff") }},
	}
	for _, name := range []string{"logs.ndjson", "metrics.csv", "spans.ndjson", "changes.ndjson", "topology.json", "patterns.ndjson", "alerts.ndjson", "instances.json", "probes.ndjson"} {
		out = append(out, Variation{Name: "no " + name, apply: func(t *telling) { delete(t.files, name) }})
	}
	return out
}

// Varied is how a bundle was answered when it was told differently.
type Varied struct {
	Result
	Variation Variation
}

// Lost reports whether a right answer became another one, where it should have stayed.
func (v Varied) Lost() bool { return !v.CategoryRight || !v.ChangeRight }

// Vary diagnoses every bundle whose answer is right under each of the variations that pick chooses for it. It writes into
// scratch, a folder of the caller's.
func Vary(dir, scratch string, pick func(bundle, variation int) bool) ([]Varied, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), "expected.json")); e.IsDir() && err == nil {
			names = append(names, e.Name())
		}
	}
	var out []Varied
	for i, name := range names {
		lender, err := lend(filepath.Join(dir, names[(i+1)%len(names)]))
		if err != nil {
			return nil, err
		}
		for j, v := range Variations() {
			if !pick(i, j) {
				continue
			}
			r, changed, err := vary(filepath.Join(dir, name), scratch, v, lender)
			if err != nil {
				return nil, err
			}
			if changed {
				out = append(out, Varied{Result: r, Variation: v})
			}
		}
	}
	return out, nil
}

func vary(from, scratch string, v Variation, lender []json.RawMessage) (Result, bool, error) {
	t := &telling{files: map[string][]byte{}, lender: lender}
	entries, err := os.ReadDir(from)
	if err != nil {
		return Result{}, false, err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return Result{}, false, err
		}
		t.files[e.Name()] = data
	}
	expected := t.files["expected.json"]
	delete(t.files, "expected.json")
	if err := json.Unmarshal(expected, &t.want); err != nil {
		return Result{}, false, fmt.Errorf("read expected.json of %s: %w", from, err)
	}
	before := t.size()
	v.apply(t)
	if t.size() == before && !v.Exact {
		return Result{}, false, nil // there was nothing to take away
	}
	to := filepath.Join(scratch, strings.ReplaceAll(v.Name, " ", "-"), filepath.Base(from))
	if err := os.MkdirAll(to, 0o755); err != nil {
		return Result{}, false, err
	}
	defer os.RemoveAll(to)
	for name, data := range t.files {
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return Result{}, false, err
		}
	}
	return explained(filepath.Base(from), to, t.want), true, nil
}

// Innocent reports whether a change was convicted that is not the one.
func (v Varied) Innocent() bool { return v.Change() != ChangeNone && !v.ChangeRight }

func (t *telling) size() int {
	n := 0
	for _, data := range t.files {
		n += len(data)
	}
	return n
}

// lend returns the commits of a bundle that did nothing.
func lend(dir string) ([]json.RawMessage, error) {
	var want Expected
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &want); err != nil {
		return nil, err
	}
	changes, err := os.ReadFile(filepath.Join(dir, "changes.ndjson"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for line := range bytes.Lines(changes) {
		var c struct{ ID, Kind string }
		if json.Unmarshal(line, &c) == nil && c.Kind == string(platform.ChangeCommit) && slices.Contains(want.Decoys, c.ID) {
			out = append(out, bytes.Clone(line))
		}
	}
	return out, nil
}

var instant = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)

// later moves every time by the same.
func (t *telling) later() {
	for name, data := range t.files {
		t.files[name] = instant.ReplaceAllFunc(data, func(m []byte) []byte {
			at, err := time.Parse(time.RFC3339Nano, string(m))
			if err != nil {
				return m
			}
			return []byte(at.Add(137*24*time.Hour + 3*time.Hour + 11*time.Minute).Format(time.RFC3339Nano))
		})
	}
}

// each calls do with every record of a file of lines and writes back what it left.
func (t *telling) each(name string, do func(n int, r map[string]any) bool) {
	data, ok := t.files[name]
	if !ok {
		return
	}
	var out bytes.Buffer
	n := 0
	for line := range bytes.Lines(data) {
		var r map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if d.Decode(&r) != nil {
			out.Write(line)
			continue
		}
		if do(n, r) {
			text, err := json.Marshal(r)
			if err != nil {
				out.Write(line)
				continue
			}
			out.Write(append(text, '\n'))
		}
		n++
	}
	t.files[name] = out.Bytes()
}

func (t *telling) thin() {
	t.each("logs.ndjson", func(n int, _ map[string]any) bool { return n%2 == 0 })
}

func (t *telling) strip(file, field string) {
	if !bytes.Contains(t.files[file], []byte(`"`+field+`"`)) {
		return
	}
	t.each(file, func(_ int, r map[string]any) bool { delete(r, field); return true })
}

// renumber gives every change another id, wherever it stands.
func (t *telling) renumber() {
	var ids []string
	t.each("changes.ndjson", func(_ int, r map[string]any) bool {
		if id, ok := r["id"].(string); ok && len(id) >= 6 {
			ids = append(ids, id)
		}
		return true
	})
	sort.Slice(ids, func(i, j int) bool { return len(ids[i]) > len(ids[j]) })
	for i, id := range ids {
		to := fmt.Sprintf("%07x%02d", 0xbeef100+i*7, i)
		t.each("changes.ndjson", func(_ int, r map[string]any) bool {
			for _, field := range []string{"id", "commit"} {
				if r[field] == id {
					r[field] = to
				}
			}
			return true
		})
		if t.want.Change == id {
			t.want.Change = to
		}
		for k := range t.want.Decoys {
			if t.want.Decoys[k] == id {
				t.want.Decoys[k] = to
			}
		}
	}
}

// prefixServices puts a prefix before every service whose name is no word of its own.
func (t *telling) prefixServices() {
	seen := map[string]bool{}
	note := func(_ int, r map[string]any) bool {
		if s, ok := r["service"].(string); ok && strings.Contains(s, "-") {
			seen[s] = true
		}
		return true
	}
	for _, file := range []string{"logs.ndjson", "changes.ndjson", "spans.ndjson"} {
		t.each(file, note)
	}
	var names []string
	for s := range seen {
		names = append(names, regexp.QuoteMeta(s))
	}
	if len(names) == 0 {
		return
	}
	sort.Slice(names, func(i, j int) bool {
		return len(names[i]) > len(names[j]) || len(names[i]) == len(names[j]) && names[i] < names[j]
	})
	re := regexp.MustCompile(`\b(?:` + strings.Join(names, "|") + `)\b`)
	for file, data := range t.files {
		t.files[file] = re.ReplaceAll(data, []byte("acme-$0"))
	}
	if re.FindString(t.want.Service) == t.want.Service && t.want.Service != "" {
		t.want.Service = "acme-" + t.want.Service
	}
}

func (t *telling) prefixMetrics() {
	data, ok := t.files["metrics.csv"]
	if !ok {
		return
	}
	var out bytes.Buffer
	at := -1
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.TrimRight(line, "\r\n"), ",")
		if at < 0 {
			if at = slices.Index(cells, "metric"); at < 0 {
				return
			}
		} else if at < len(cells) {
			cells[at] = "acme_prod_" + cells[at]
		}
		out.WriteString(strings.Join(cells, ",") + "\n")
	}
	t.files["metrics.csv"] = out.Bytes()
}

// reorder turns the sources of lines that have one time around; the lines of one source stay as they are.
func (t *telling) reorder() {
	type line struct{ at, service, text string }
	var lines []line
	t.each("logs.ndjson", func(_ int, r map[string]any) bool {
		text, err := json.Marshal(r)
		at, _ := r["ts"].(string)
		service, _ := r["service"].(string)
		if err == nil {
			lines = append(lines, line{at, service, string(text)})
		}
		return true
	})
	for i := 0; i < len(lines); {
		j := i
		for j < len(lines) && lines[j].at == lines[i].at {
			j++
		}
		same := lines[i:j]
		sort.SliceStable(same, func(a, b int) bool { return same[a].service > same[b].service })
		i = j
	}
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.text + "\n")
	}
	if len(lines) > 0 {
		t.files["logs.ndjson"] = []byte(out.String())
	}
}

// borrow adds innocent commits of another incident to the failing service, shortly before the change that is there last.
func (t *telling) borrow() {
	var last time.Time
	t.each("changes.ndjson", func(_ int, r map[string]any) bool {
		text, _ := r["ts"].(string)
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.After(last) {
			last = at
		}
		return true
	})
	if last.IsZero() {
		return
	}
	for i, raw := range t.lender {
		var r map[string]any
		if i >= 3 || json.Unmarshal(raw, &r) != nil {
			break
		}
		id := fmt.Sprintf("feed0%02d", i)
		r["id"], r["service"], r["ts"] = id, t.want.Service, last.Add(-time.Duration(4+3*i)*time.Minute).Format(time.RFC3339Nano)
		text, err := json.Marshal(r)
		if err != nil {
			continue
		}
		t.files["changes.ndjson"] = append(t.files["changes.ndjson"], append(text, '\n')...)
		t.want.Decoys = append(t.want.Decoys, id)
	}
}

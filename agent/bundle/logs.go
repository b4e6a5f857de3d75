package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	// logParts is how many parts of the file are read side by side. It does not depend on the machine, so that the same
	// file gives the same groups everywhere.
	logParts  = 4
	minPart   = 4 << 20 // bytes; a small file is read in one piece, so that no stack trace is cut
	maxGroups = 8192    // of one part; lines beyond are folded by their first words
	maxNames  = 64      // instances and releases counted in one group
	maxText   = 16 << 10
	maxJoined = 200 // lines of one stack trace
	joinGap   = 2 * time.Second
	lastEvery = 5 * time.Second // how far apart the lines are that are tried for the last exemplar
)

// logs reads logs.ndjson in parts, each by its own goroutine, and joins what they found in the order of the file.
func (r *reader) logs() error {
	f, ok := r.file("logs.ndjson")
	if !ok {
		return nil
	}
	defer f.Close()
	if first, err := firstByte(bufio.NewReader(f)); err == nil && first == '[' {
		return r.logList(f)
	}
	cuts, err := cutFile(f, logParts)
	if err != nil {
		return fmt.Errorf("read logs.ndjson: %w", err)
	}
	parts := make([]*folder, len(cuts)-1)
	errs := make([]error, len(parts))
	slots := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i := range parts {
		parts[i] = newFolder()
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = parts[i].read(io.NewSectionReader(f, cuts[i], cuts[i+1]-cuts[i]))
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("read logs.ndjson: %w", err)
	}
	r.b.Logs = join(parts)
	r.bad("logs.ndjson", r.b.Logs.Bad)
	return nil
}

// logList reads log records that are one JSON list.
func (r *reader) logList(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read logs.ndjson: %w", err)
	}
	in := bufio.NewReaderSize(f, maxLine)
	if _, err := firstByte(in); err != nil {
		return fmt.Errorf("read logs.ndjson: %w", err)
	}
	d := newFolder()
	bad, err := eachOfList(in, d.take)
	if err != nil {
		return fmt.Errorf("read logs.ndjson: %w", err)
	}
	d.bad += bad
	d.finish()
	r.b.Logs = join([]*folder{d})
	r.bad("logs.ndjson", r.b.Logs.Bad)
	return nil
}

// cutFile returns offsets that part the file at the ends of lines.
func cutFile(f *os.File, parts int) ([]int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	cuts := []int64{0}
	parts = int(min(int64(parts), 1+info.Size()/minPart))
	for i := 1; i < parts; i++ {
		at := info.Size() * int64(i) / int64(parts)
		if at <= cuts[len(cuts)-1] {
			continue
		}
		in := bufio.NewReader(io.NewSectionReader(f, at, info.Size()-at))
		for {
			piece, err := in.ReadSlice('\n')
			at += int64(len(piece))
			if err == nil {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if errors.Is(err, io.EOF) {
				break
			}
		}
		if at < info.Size() && at > cuts[len(cuts)-1] {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, info.Size()), nil
}

// folder folds the lines of one part of the file.
type folder struct {
	lines, bad int
	from, to   time.Time
	index      map[string]*folded
	order      []*folded
	open       map[string]*joined // the last record of each source, while lines of its stack trace may follow
	key        []byte
	text       []byte
	words      map[string]string // one copy of each name
}

type folded struct {
	Group
	key  string
	last Line
}

// joined is a record that later lines of the same source may belong to.
type joined struct {
	line  Line
	lines int
}

func newFolder() *folder {
	return &folder{index: map[string]*folded{}, open: map[string]*joined{}, words: map[string]string{}}
}

func (d *folder) read(part io.Reader) error {
	var rec record
	err := eachLine(bufio.NewReaderSize(part, maxLine), func(line []byte) {
		if !rec.parse(line) || !d.take(&rec) {
			d.bad++
		}
	}, func() { d.bad++ })
	d.finish()
	return err
}

// finish adds the records that were kept for what might follow them.
func (d *folder) finish() {
	sources := make([]string, 0, len(d.open))
	for source := range d.open {
		sources = append(sources, source)
	}
	sort.Strings(sources)
	for _, source := range sources {
		d.flush(source)
	}
	for _, g := range d.order {
		g.settle()
	}
}

func (d *folder) intern(raw []byte) string {
	if len(raw) >= 2 && raw[0] == '"' {
		if known, ok := d.words[string(raw[1:len(raw)-1])]; ok {
			return known
		}
	}
	s := unquote(raw)
	if len(d.words) < 4096 {
		d.words[s] = s
	}
	return s
}

// take reads one record. A record without a time or without words is refused.
func (d *folder) take(rec *record) bool {
	at := rec.when("ts", "timestamp", "time", "@timestamp")
	raw := rec.raw("msg", "message", "log", "line", "body", "text", "event")
	if at.IsZero() || raw == nil {
		return false
	}
	d.lines++
	if d.from.IsZero() || at.Before(d.from) {
		d.from = at
	}
	if at.After(d.to) {
		d.to = at
	}
	l := Line{
		At: at, Service: d.intern(rec.raw("service", "app", "container")), Instance: d.intern(rec.raw("instance", "pod", "host")),
		Release: d.intern(rec.raw("release", "version")), Level: level(rec.raw("level", "severity", "lvl")),
	}
	d.text = appendText(d.text[:0], raw)
	if calm := l.Level == "info" || l.Level == "debug"; !calm || bytes.Contains(rec.raw("fields"), []byte("err")) {
		d.text = appendFields(d.text, rec) // most lines are calm, and their fields tell of no error
	}
	if len(d.text) > maxText {
		d.text = d.text[:maxText]
	}
	if l.Level == "" {
		l.Level = levelInText(d.text)
	}
	d.place(l)
	return true
}

// place adds the line to its group, or to the stack trace that it continues.
func (d *folder) place(l Line) {
	grave := l.Level == "error" || l.Level == "fatal" || l.Level == "warn"
	tracing := continues(d.text)
	if len(d.open) > 0 || grave || tracing || opens(d.text) {
		source := l.Service + "\x00" + l.Instance
		if o, ok := d.open[source]; ok {
			if tracing || closes(o.line.Text, d.text) {
				if gap := l.At.Sub(o.line.At); gap >= 0 && gap <= joinGap && o.lines < maxJoined && len(o.line.Text) < maxText {
					o.line.Text += "\n" + string(d.text)
					o.lines++
					return
				}
			}
			d.flush(source)
		}
		if (grave || opens(d.text)) && len(d.open) < 1024 {
			l.Text = strings.ToValidUTF8(string(d.text), "\uFFFD")
			d.open[source] = &joined{line: l, lines: 1}
			return
		}
	}
	d.add(l, d.text)
}

func (d *folder) flush(source string) {
	if o, ok := d.open[source]; ok {
		delete(d.open, source)
		d.add(o.line, []byte(o.line.Text))
	}
}

// add counts the line in its group.
func (d *folder) add(l Line, text []byte) {
	d.key = append(append(append(append(d.key[:0], l.Service...), 0), l.Level...), 0)
	d.key = maskLine(d.key, text)
	g, ok := d.index[string(d.key)]
	if !ok && len(d.index) >= maxGroups {
		d.key = append(append(append(append(d.key[:0], l.Service...), 0), l.Level...), 0)
		d.key = firstWords(d.key, text)
		g, ok = d.index[string(d.key)]
	}
	if !ok {
		g = &folded{key: string(d.key), Group: Group{Service: l.Service, Level: l.Level, First: l.At, Last: l.At, Buckets: map[int64]int{}}}
		d.index[g.key] = g
		d.order = append(d.order, g)
	}
	g.Count++
	if l.At.Before(g.First) {
		g.First = l.At
	}
	if !l.At.Before(g.Last) {
		g.Last = l.At
	}
	g.Buckets[l.At.Unix()/int64(BucketSize/time.Second)]++
	g.Releases = countName(g.Releases, l.Release)
	g.Instances = countName(g.Instances, l.Instance)
	if len(g.Exemplars) < 2 {
		l.Text = strings.ToValidUTF8(string(text), "\uFFFD")
		g.Exemplars = append(g.Exemplars, l)
		return
	}
	if g.last.Text == "" || l.At.Sub(g.last.At) >= lastEvery { // copying each line would cost more than it tells
		l.Text = strings.ToValidUTF8(string(text), "\uFFFD")
		g.last = l
	}
}

func countName(set map[string]int, name string) map[string]int {
	if name == "" {
		return set
	}
	if set == nil {
		set = map[string]int{}
	}
	if _, ok := set[name]; ok || len(set) < maxNames {
		set[name]++
	}
	return set
}

// settle adds the last line to the exemplars.
func (g *folded) settle() {
	if g.last.Text != "" {
		g.Exemplars = append(g.Exemplars, g.last)
		g.last = Line{}
	}
}

// join puts the parts together in the order of the file.
func join(parts []*folder) Logs {
	var out Logs
	index := map[string]*folded{}
	var order []*folded
	for _, p := range parts {
		out.Lines += p.lines
		out.Bad += p.bad
		if !p.from.IsZero() && (out.From.IsZero() || p.from.Before(out.From)) {
			out.From = p.from
		}
		if p.to.After(out.To) {
			out.To = p.to
		}
		for _, g := range p.order {
			known, ok := index[g.key]
			if !ok {
				index[g.key] = g
				order = append(order, g)
				continue
			}
			known.merge(g)
		}
	}
	for _, g := range order {
		sort.SliceStable(g.Exemplars, func(i, j int) bool { return g.Exemplars[i].At.Before(g.Exemplars[j].At) })
		if n := len(g.Exemplars); n > 3 {
			g.Exemplars = append(g.Exemplars[:2:2], g.Exemplars[n-1])
		}
		out.Groups = append(out.Groups, g.Group)
	}
	sort.SliceStable(out.Groups, func(i, j int) bool { return out.Groups[i].First.Before(out.Groups[j].First) })
	return out
}

func (g *folded) merge(other *folded) {
	g.Count += other.Count
	if other.First.Before(g.First) {
		g.First = other.First
	}
	if other.Last.After(g.Last) {
		g.Last = other.Last
	}
	for slot, n := range other.Buckets {
		g.Buckets[slot] += n
	}
	g.Releases = addCounts(g.Releases, other.Releases)
	g.Instances = addCounts(g.Instances, other.Instances)
	g.Exemplars = append(g.Exemplars, other.Exemplars...)
}

func addCounts(a, b map[string]int) map[string]int {
	if a == nil {
		return b
	}
	for name, n := range b {
		a[name] += n
	}
	return a
}

// level brings the words of loggers to five.
func level(raw []byte) string {
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] | 0x20 {
	case 'd', 't':
		return "debug"
	case 'i', 'n':
		return "info"
	case 'w':
		return "warn"
	case 'e':
		if len(raw) > 2 && raw[1]|0x20 == 'm' { // emergency
			return "fatal"
		}
		return "error"
	case 'f', 'c', 'p', 'a':
		return "fatal"
	}
	return numbered(raw)
}

// numbered reads the levels of pino and bunyan.
func numbered(raw []byte) string {
	n, ok := digits(raw)
	switch {
	case !ok:
		return ""
	case n >= 60:
		return "fatal"
	case n >= 50:
		return "error"
	case n >= 40:
		return "warn"
	case n >= 30:
		return "info"
	}
	return "debug"
}

// appendText adds the words of a message.
func appendText(dst, raw []byte) []byte {
	if len(raw) >= 2 && raw[0] == '"' {
		if bytes.IndexByte(raw, '\\') < 0 {
			return append(dst, raw[1:len(raw)-1]...)
		}
		return append(dst, unquote(raw)...)
	}
	return append(dst, raw...)
}

// telling are fields of a structured record that hold the words of an error.
var telling = [...]string{"err", "exc", "stack", "trace", "cause", "reason", "detail", "panic"}

// appendFields adds the fields that tell of an error, as key=value. A trace's id tells of none.
func appendFields(dst []byte, rec *record) []byte {
	for _, f := range rec.fields {
		switch f.key {
		case "fields", "attributes", "context", "extra", "data":
			if rec.inner == nil {
				rec.inner = &record{}
			}
			if rec.inner.parse(f.value) {
				dst = appendFields(dst, rec.inner)
			}
		case "msg", "message", "log", "line", "body", "text", "event", "trace_id", "traceId", "trace":
		default:
			if tells(f.key) && len(f.value) > 2 && !strings.HasSuffix(f.key, "_id") {
				if f.value[0] == '"' && bytes.Contains(f.value, []byte(`\n`)) {
					dst = append(dst, '\n')
				} else {
					dst = append(append(append(dst, ' '), f.key...), '=')
				}
				dst = appendText(dst, f.value)
			}
		}
	}
	return dst
}

func tells(key string) bool {
	if len(key) < 3 {
		return false
	}
	for _, word := range telling {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// opens reports whether a line begins a stack trace.
func opens(text []byte) bool {
	return bytes.HasPrefix(text, []byte("Traceback")) || bytes.HasPrefix(text, []byte("panic:")) || bytes.HasPrefix(text, []byte("goroutine ")) ||
		bytes.HasPrefix(text, []byte("Exception in thread")) || bytes.HasPrefix(text, []byte("Unhandled exception")) || bytes.HasPrefix(text, []byte("fatal error:"))
}

// continues reports whether a line can only be a later line of a stack trace.
func continues(text []byte) bool {
	trimmed := bytes.TrimLeft(text, " \t")
	indented := len(trimmed) < len(text)
	switch {
	case len(trimmed) == 0:
		return false
	case indented && (bytes.HasPrefix(trimmed, []byte("at ")) || bytes.HasPrefix(trimmed, []byte("File \"")) || bytes.HasPrefix(trimmed, []byte("..."))):
		return true
	case indented && (text[0] == '\t' || bytes.HasPrefix(text, []byte("    "))):
		return true
	}
	return bytes.HasPrefix(trimmed, []byte("Caused by: ")) || bytes.HasPrefix(trimmed, []byte("File \"")) && bytes.Contains(trimmed, []byte(", line ")) ||
		bytes.HasPrefix(trimmed, []byte("goroutine ")) || bytes.HasPrefix(trimmed, []byte("at ")) && bytes.HasSuffix(trimmed, []byte(")"))
}

// closes reports whether a line at the margin belongs to an open trace: a call in Go, and the error itself after the calls in Python.
func closes(open string, text []byte) bool {
	if strings.HasPrefix(open, "panic: ") && bytes.HasPrefix(text, []byte("[signal SIG")) {
		return true
	}
	if strings.Contains(open, "goroutine ") && isGoCall(text) {
		return true // a call of a Go trace stands at the margin, its place indented below
	}
	if !strings.Contains(open, "Traceback (most recent call last)") || len(text) == 0 || text[0] == ' ' {
		return false
	}
	lastLine := open[strings.LastIndexByte(open, '\n')+1:]
	word, _, _ := bytes.Cut(text, []byte(":"))
	return strings.HasPrefix(lastLine, " ") && len(word) < 120 && !bytes.ContainsAny(word, " \t[")
}

// isGoCall reports whether a line is a call as a Go trace writes it: the full name of a function and its arguments.
func isGoCall(text []byte) bool {
	if bytes.HasPrefix(text, []byte("created by ")) {
		return true
	}
	open := bytes.IndexByte(text, '(')
	return open > 0 && bytes.HasSuffix(text, []byte(")")) && !bytes.ContainsAny(text[:open], " =") && bytes.IndexByte(text[:open], '.') > 0
}

// maskLine appends the line's words with everything that varies taken out: numbers, ids and quoted values.
func maskLine(dst, text []byte) []byte {
	const maxMasked = 400
	end := len(dst) + maxMasked
	for i := 0; i < len(text) && len(dst) < end; {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			// A token with a digit in it is a value: take what was written of it back.
			for n := len(dst); n > 0 && partOfValue(dst[n-1]); n-- {
				dst = dst[:n-1]
			}
			for i < len(text) && partOfValue(text[i]) {
				i++
			}
			dst = append(dst, '#')
		case c == '"' || c == '\'':
			j := i + 1
			for j < len(text) && text[j] != c && j-i < 200 && text[j] != '\n' {
				j++
			}
			if j < len(text) && text[j] == c && hasDigit(text[i+1:j]) {
				dst = append(dst, '"', '#', '"')
				i = j + 1
				continue
			}
			dst = append(dst, c)
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

func partOfValue(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.'
}

func hasDigit(b []byte) bool {
	for _, c := range b {
		if c >= '0' && c <= '9' {
			return true
		}
	}
	return false
}

// firstWords is the coarse fold of lines for which no group of their own is left.
func firstWords(dst, text []byte) []byte {
	dst = append(dst, 1)
	words := 0
	for _, c := range text[:min(len(text), 80)] {
		if c == ' ' {
			if words++; words == 3 {
				break
			}
		}
		if c < '0' || c > '9' {
			dst = append(dst, c)
		}
	}
	return dst
}

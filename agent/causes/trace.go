package causes

import (
	"regexp"
	"strconv"
	"strings"
)

// Frame is one call of a stack trace.
type Frame struct {
	File string
	Line int
	Func string
	Code string // the source line, where the trace prints it
	Raw  string // the line of the trace as written, trimmed: a substring of the text it was read from
}

// Trace is one error with the calls that led to it, outermost first whatever the language prints.
type Trace struct {
	Language string
	Error    string // "ZeroDivisionError: division by zero", a substring of the text
	Frames   []Frame
	Earlier  *Trace // the error that was being handled, or that caused this one
}

// Kind is the error's type: "ZeroDivisionError".
func (t Trace) Kind() string {
	kind, _, _ := strings.Cut(t.Error, ":")
	if i := strings.LastIndexByte(kind, '.'); i >= 0 {
		kind = kind[i+1:]
	}
	return strings.TrimSpace(kind)
}

// Inner returns the innermost frame in the application's own code, or the innermost of all where none is.
func (t Trace) Inner() (Frame, bool) {
	for i := len(t.Frames) - 1; i >= 0; i-- {
		if !isLibrary(t.Frames[i].File) {
			return t.Frames[i], true
		}
	}
	if len(t.Frames) == 0 {
		return Frame{}, false
	}
	return t.Frames[len(t.Frames)-1], true
}

// App returns the frames in the application's own code, innermost first.
func (t Trace) App() []Frame {
	var out []Frame
	for i := len(t.Frames) - 1; i >= 0; i-- {
		if !isLibrary(t.Frames[i].File) {
			out = append(out, t.Frames[i])
		}
	}
	return out
}

// Signature names the fault without its values: the type, and the place in the application's code.
func (t Trace) Signature() string {
	sig := t.Kind()
	if f, ok := t.Inner(); ok {
		sig += " in " + f.Func + " at " + baseName(f.File)
	}
	return sig
}

var (
	pyFrame   = regexp.MustCompile(`^File "([^"\n]{1,512})", line (\d{1,9})(?:, in (.{1,200}))?$`)
	errorLine = regexp.MustCompile(`^((?:[A-Za-z_][\w]*\.)*[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|Fault|Failure|NotFound|DoesNotExist|Timeout|Refused)|[A-Z]\w*Error)(?::\s?(.*))?$`)
	goFrame   = regexp.MustCompile(`^(/?[^\s:]{1,512}\.go):(\d{1,9})(?: \+0x[0-9a-f]+)?$`)
	nodeFrame = regexp.MustCompile(`^at (?:(?:async )?(.{1,200}?) \()?((?:file://)?/?[^\s():]{1,512}\.(?:[cm]?js|[jt]sx?|mts|cts)):(\d{1,9})(?::\d{1,9})?\)?$`)
	javaFrame = regexp.MustCompile(`^at ([\w.$<>/]{1,300})\(([\w$]+\.(?:java|kt|scala|groovy)):(\d{1,9})\)$`)
	buildMark = regexp.MustCompile(`^#\d+ (?:\d+\.\d+ )?`)
)

const (
	maxTraceLines = 20000
	maxFrames     = 200
	pyHead        = "Traceback (most recent call last):"
)

// ParseTraces reads every stack trace of a text, in the order they stand: Python, Go, Node and Java. A Python syntax
// error is a trace with one frame. A chained error holds the one before it in Earlier.
func ParseTraces(text string) []Trace {
	lines := strings.SplitN(text, "\n", maxTraceLines+1)
	if len(lines) > maxTraceLines {
		lines = lines[:maxTraceLines]
	}
	r := traceReader{}
	for _, raw := range lines {
		r.read(traceLine(raw))
	}
	r.end()
	return r.done
}

// traceLine removes what build tools put before a line.
func traceLine(raw string) string {
	s := strings.TrimSpace(raw)
	s = buildMark.ReplaceAllString(s, "")
	s = strings.TrimPrefix(s, "*** ") // python -m compileall
	return strings.TrimSpace(s)
}

type traceReader struct {
	done    []Trace
	now     *Trace
	chained *Trace // a finished trace whose successor was announced
	goFunc  string
	lastErr string // the newest line that reads like an error's head, for Node and Java
}

func (r *traceReader) read(line string) {
	switch {
	case line == "":
		return
	case strings.HasSuffix(line, pyHead):
		r.end()
		r.now = &Trace{Language: "python"}
	case strings.HasPrefix(line, "During handling of the above exception") || strings.HasPrefix(line, "The above exception was the direct cause"):
		r.end()
		r.chain()
	case strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: "):
		r.end()
		r.now = &Trace{Language: "go", Error: line}
	default:
		r.body(line)
	}
}

func (r *traceReader) body(line string) {
	if m := pyFrame.FindStringSubmatch(line); m != nil {
		r.python(line, m)
		return
	}
	if m := nodeFrame.FindStringSubmatch(line); m != nil {
		r.at("node", Frame{Func: m[1], File: strings.TrimPrefix(m[2], "file://"), Line: number(m[3]), Raw: line})
		return
	}
	if m := javaFrame.FindStringSubmatch(line); m != nil {
		r.at("java", Frame{Func: m[1], File: javaPath(m[1], m[2]), Line: number(m[3]), Raw: line})
		return
	}
	if r.now != nil && r.now.Language == "go" {
		r.golang(line)
		return
	}
	if m := errorLine.FindStringSubmatch(strings.TrimPrefix(strings.TrimPrefix(line, "Uncaught "), "Caused by: ")); m != nil {
		if r.now != nil && r.now.Language == "python" && len(r.now.Frames) > 0 {
			r.now.Error = line
			r.end()
			return
		}
		if strings.HasPrefix(line, "Caused by: ") && r.now != nil {
			r.end()
			r.chain()
		}
		r.lastErr = line
		return
	}
	if strings.HasPrefix(line, `Exception in thread "`) {
		r.lastErr = line
		return
	}
	if r.now != nil && r.now.Language == "python" && len(r.now.Frames) > 0 {
		if f := &r.now.Frames[len(r.now.Frames)-1]; f.Code == "" && strings.Trim(line, "^~ ") != "" {
			f.Code = line
		}
	}
}

// python takes one frame; a frame outside a traceback is a syntax error's own place.
func (r *traceReader) python(line string, m []string) {
	if r.now == nil || r.now.Language != "python" {
		r.end()
		r.now = &Trace{Language: "python"}
	}
	if len(r.now.Frames) < maxFrames {
		r.now.Frames = append(r.now.Frames, Frame{File: m[1], Line: number(m[2]), Func: m[3], Raw: line})
	}
}

// at takes one frame of a language that prints the innermost call first.
func (r *traceReader) at(language string, f Frame) {
	if r.now == nil || r.now.Language != language || r.lastErr != "" {
		r.end()
		r.now = &Trace{Language: language, Error: r.lastErr}
		r.lastErr = ""
	}
	if len(r.now.Frames) < maxFrames {
		r.now.Frames = append([]Frame{f}, r.now.Frames...)
	}
}

// golang takes the lines of a goroutine: a call, then its place.
func (r *traceReader) golang(line string) {
	if m := goFrame.FindStringSubmatch(line); m != nil {
		if r.goFunc != "" && len(r.now.Frames) < maxFrames {
			r.now.Frames = append([]Frame{{Func: r.goFunc, File: m[1], Line: number(m[2]), Raw: line}}, r.now.Frames...)
		}
		r.goFunc = ""
		return
	}
	if strings.HasPrefix(line, "goroutine ") {
		if len(r.now.Frames) > 0 { // only the goroutine that failed
			r.end()
		}
		return
	}
	if i := strings.LastIndexByte(line, '('); i > 0 {
		name := strings.TrimPrefix(line[:i], "created by ")
		if j := strings.LastIndexByte(name, '/'); j >= 0 {
			name = name[j+1:]
		}
		r.goFunc = name
	}
}

// chain keeps the newest trace as the one that the next is about.
func (r *traceReader) chain() {
	if n := len(r.done); n > 0 {
		last := r.done[n-1]
		r.chained, r.done = &last, r.done[:n-1]
	}
}

func (r *traceReader) end() {
	t := r.now
	r.now, r.goFunc = nil, ""
	if t == nil || t.Error == "" || (len(t.Frames) == 0 && t.Language != "go") {
		return
	}
	t.Earlier, r.chained = r.chained, nil
	r.done = append(r.done, *t)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// javaPath turns com.shop.Cart.add and Cart.java into com/shop/Cart.java.
func javaPath(method, file string) string {
	parts := strings.Split(method, ".")
	if len(parts) < 3 {
		return file
	}
	return strings.Join(append(parts[:len(parts)-2:len(parts)-2], file), "/")
}

// libraryMarks are parts of paths that belong to a runtime or an installed dependency.
var libraryMarks = []string{
	"site-packages/", "dist-packages/", "/lib/python", "node_modules/", "node:internal", "internal/modules/", "<frozen",
	"/usr/local/go/src/", "/usr/lib/go", "/go/pkg/mod/", "/vendor/", "java/", "javax/", "jdk/", "sun/", "org/springframework/",
	"org/apache/", "io/netty/",
}

// isLibrary reports whether the file is not the application's own.
func isLibrary(file string) bool {
	if strings.HasPrefix(file, "<") && file != "<string>" {
		return true
	}
	for _, mark := range libraryMarks {
		at := strings.Index(file, mark)
		if at == 0 || at > 0 && (strings.HasPrefix(mark, "/") || strings.HasPrefix(mark, "<") || file[at-1] == '/') {
			return true
		}
	}
	return false
}

func baseName(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[i+1:]
	}
	return p
}

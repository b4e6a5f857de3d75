package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// trace is what several lines make together. What it has seen decides which lines go on with it:
//
//	python  Traceback (most recent call last): | indented ... | Error: what | [blank | During handling ... | Traceback ...]
//	go      panic: what | blank | goroutine 1 [running]: | main.f(...) | \tfile.go:12 ...
//	throw   some.Exception: what | \tat ... | Caused by: ... | \t... 3 more        (Java, Node; a header alone is no trace)
//	node    /app/x.js:10 | its line | ^ | blank | throw ... | blank | Node.js v24      (what ended the process)
//	key     -----BEGIN PRIVATE KEY----- | base64 ... | -----END PRIVATE KEY-----
//	object  { | indented ... | }                                                   (JSON over several lines)
type trace struct {
	kind  traceKind
	level observability.Level // of the joined record, where its text says none
	step  int                 // python: 1 when the exception was named; node: which part comes next
	done  bool                // nothing goes on with it
}

type traceKind int

const (
	pythonTrace traceKind = iota
	goTrace
	throwTrace
	nodeTrace
	keyBlock
	objectText
)

// head returns the part of a line by which traces are told, without a carriage return at its end.
func head(line string) string {
	return strings.TrimSuffix(line[:min(len(line), 512)], "\r")
}

// beginTrace returns the trace that text may begin, nil when it begins none.
func beginTrace(text string) *trace {
	if text == "" {
		return nil
	}
	switch c := text[0]; {
	case c == '{':
		if text == "{" {
			return &trace{kind: objectText}
		}
		return nil
	case c == '-' && strings.HasPrefix(text, "-----BEGIN ") && strings.HasSuffix(text, "PRIVATE KEY-----"):
		return &trace{kind: keyBlock}
	case isTracebackHeader(text):
		t := &trace{kind: pythonTrace, level: observability.LevelError}
		if strings.HasPrefix(strings.TrimLeft(text, " "), "+ ") {
			t.step = 1 // a group of exceptions names them within its drawing
		}
		return t
	case beginsGo(text):
		return &trace{kind: goTrace, level: observability.LevelFatal}
	case beginsNode(text):
		return &trace{kind: nodeTrace, level: observability.LevelFatal}
	case strings.Contains(text, "http: panic serving "):
		return &trace{kind: goTrace, level: observability.LevelError}
	case c != ' ' && c != '\t' && mayThrow(text):
		return &trace{kind: throwTrace, level: observability.LevelError}
	}
	return nil
}

func isTracebackHeader(text string) bool {
	return strings.HasSuffix(text, "Traceback (most recent call last):")
}

// goHeads begin what the Go runtime says before it ends a process, and its answer to SIGQUIT.
var goHeads = []string{
	"panic: ", "fatal error: ", "SIGQUIT: quit", "SIGABRT: abort", "SIGSEGV: segmentation violation", "unexpected fault address ",
	"runtime: goroutine stack exceeds ", "runtime: out of memory", "runtime: program exceeds ",
}

func beginsGo(text string) bool {
	switch text[0] {
	case 'p', 'f', 'S', 'u', 'r':
		for _, h := range goHeads {
			if strings.HasPrefix(text, h) {
				return true
			}
		}
	case 'g':
		return isGoroutine(text)
	}
	return false
}

func isGoroutine(text string) bool {
	return strings.HasPrefix(text, "goroutine ") && strings.HasSuffix(text, "]:")
}

// beginsNode reports whether text is the place with which Node begins what it says of an uncaught exception.
func beginsNode(text string) bool {
	if text[0] != '/' && text[0] != 'n' && text[0] != 'f' || strings.IndexByte(text, ' ') >= 0 {
		return false
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 1 || !allDigits(text[colon+1:]) {
		return false
	}
	file := text[:colon]
	if strings.HasPrefix(file, "node:") {
		return true
	}
	if file[0] != '/' && !strings.HasPrefix(file, "file:///") {
		return false
	}
	for _, ending := range []string{".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx"} {
		if strings.HasSuffix(file, ending) {
			return true
		}
	}
	return false
}

// mayThrow reports whether text holds the name of an exception: a word that ends in Exception, Error or Throwable,
// then a colon, the code that Node puts in brackets, or the end.
func mayThrow(text string) bool {
	for _, suffix := range [...]string{"Error", "Exception", "Throwable"} {
		for from := 0; ; {
			i := strings.Index(text[from:], suffix)
			if i < 0 {
				break
			}
			from += i + len(suffix)
			if from == len(text) || text[from] == ':' || strings.HasPrefix(text[from:], " [") {
				return true
			}
		}
	}
	return false
}

// continues reports whether text goes on with the trace, and notes what it saw.
func (t *trace) continues(text string) bool {
	if t.done {
		return false
	}
	switch t.kind {
	case pythonTrace:
		return t.continuesPython(text)
	case goTrace:
		return continuesGo(text)
	case throwTrace:
		return continuesThrow(text)
	case nodeTrace:
		return t.continuesNode(text)
	case keyBlock:
		t.done = strings.HasPrefix(text, "-----END ")
		return t.done || isKeyLine(text)
	case objectText:
		t.done = text == "}"
		return t.done || indented(text) || text == ""
	}
	return false
}

func (t *trace) continuesPython(text string) bool {
	named := t.step == 1
	switch {
	case isTracebackHeader(text):
		t.step = 0
		return named || indented(text)
	case text == "", indented(text):
		return true
	case strings.HasPrefix(text, "During handling of the above exception"), strings.HasPrefix(text, "The above exception was the direct cause"):
		return named
	case !named && isExceptionName(text):
		t.step = 1
		return true
	}
	return false
}

// isExceptionName reports whether text begins with the name of a class and a colon, or is one: what ends a traceback.
// Another thread's line in between is not taken for it.
func isExceptionName(text string) bool {
	end := strings.IndexByte(text, ':')
	if end < 0 {
		end = len(text)
	}
	name := text[:end]
	return isKey(name) && !isDigit(name[0]) && levelWord(name) == observability.LevelUnknown && !strings.ContainsAny(name, "-/@")
}

// goLines begin the lines of a Go trace that are neither frames nor indented.
var goLines = []string{
	"panic: ", "fatal error: ", "[signal ", "created by ", "[recovered", "exit status ", "...additional frames elided", "... additional frames elided",
	"runtime stack:", "goroutine running on other thread", "goroutine ", "PC=", "runtime: ", "stack: frame=",
}

func continuesGo(text string) bool {
	if text == "" || indented(text) {
		return true
	}
	for _, l := range goLines {
		if strings.HasPrefix(text, l) {
			return l != "goroutine " || isGoroutine(text) || strings.HasPrefix(text, "goroutine running on other thread")
		}
	}
	if name, value, ok := strings.Cut(text, "    "); ok && len(name) <= 6 && strings.HasPrefix(strings.TrimLeft(value, " "), "0x") {
		return true // a register
	}
	paren := strings.IndexByte(text, '(')
	return paren > 0 && (strings.HasSuffix(text, ")") || strings.HasSuffix(text, "...)")) && strings.IndexByte(text[:paren], ' ') < 0 &&
		(strings.IndexByte(text[:paren], '.') > 0 || text[:paren] == "panic")
}

func continuesThrow(text string) bool {
	return indented(text) || text == "}" || text == "]" || strings.HasPrefix(text, "Caused by: ") || strings.HasPrefix(text, "Wrapped by: ") || strings.HasPrefix(text, "Suppressed: ")
}

// continuesNode goes through the parts of what Node says of an uncaught exception or an unhandled rejection.
func (t *trace) continuesNode(text string) bool {
	const source, caret, gap, thrown, frames = 0, 1, 2, 3, 4
	switch t.step {
	case source:
		t.step = caret
		return text != ""
	case caret:
		t.step = gap
		return text != "" && strings.Trim(text, " \t^~") == ""
	case gap:
		t.step = thrown
		return text == ""
	case thrown:
		t.step = frames
		return text != "" && (mayThrow(text) || text[0] == '[' || strings.HasPrefix(text, "Thrown at:") || isExceptionName(text))
	}
	t.done = strings.HasPrefix(text, "Node.js v")
	return t.done || text == "" || continuesThrow(text)
}

// isKeyLine reports whether text may be a line within a key.
func isKeyLine(text string) bool {
	if strings.HasPrefix(text, "Proc-Type: ") || strings.HasPrefix(text, "DEK-Info: ") {
		return true
	}
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return len(text) <= 80
}

func indented(text string) bool { return text != "" && (text[0] == ' ' || text[0] == '\t') }

package parse

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// trace is a stack trace being joined. What it has seen decides which lines go on with it:
//
//	python  Traceback (most recent call last): | indented ... | Error: what | [blank | During handling ... | Traceback ...]
//	go      panic: what | blank | goroutine 1 [running]: | main.f(...) | \tfile.go:12 ...
//	throw   some.Exception: what | \tat ... | Caused by: ... | \t... 3 more        (Java, Node; a header alone is no trace)
type trace struct {
	kind  traceKind
	level observability.Level
	named bool // python: the line that names the exception was seen
}

type traceKind int

const (
	pythonTrace traceKind = iota
	goTrace
	throwTrace
)

// traceText returns the text by which traces are told, without a carriage return at its end.
func traceText(line []byte) string {
	if len(line) > 512 {
		line = line[:512]
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	return string(line)
}

// beginTrace returns the trace that text may begin, nil when it begins none.
func beginTrace(text string) *trace {
	switch {
	case text == "" || text[0] == '{':
		return nil
	case isTracebackHeader(text):
		return &trace{kind: pythonTrace, level: observability.LevelError}
	case strings.HasPrefix(text, "panic: "), strings.HasPrefix(text, "fatal error: "), strings.HasPrefix(text, "goroutine ") && isGoroutine(text):
		return &trace{kind: goTrace, level: observability.LevelFatal}
	case strings.Contains(text, "http: panic serving "):
		return &trace{kind: goTrace, level: observability.LevelError}
	case text[0] != ' ' && text[0] != '\t' && mayThrow(text):
		return &trace{kind: throwTrace, level: observability.LevelError}
	}
	return nil
}

func isTracebackHeader(text string) bool {
	return strings.HasSuffix(text, "Traceback (most recent call last):")
}

func isGoroutine(text string) bool {
	return strings.HasPrefix(text, "goroutine ") && strings.HasSuffix(text, "]:")
}

// mayThrow reports whether text holds the name of an exception: a word that ends in Exception, Error or Throwable,
// then a colon or the end.
func mayThrow(text string) bool {
	for _, suffix := range []string{"Exception", "Error", "Throwable"} {
		for from := 0; ; {
			i := strings.Index(text[from:], suffix)
			if i < 0 {
				break
			}
			from += i + len(suffix)
			if from == len(text) || text[from] == ':' {
				return true
			}
		}
	}
	return false
}

// continues reports whether text goes on with the trace, and notes what it saw.
func (t *trace) continues(text string) bool {
	switch t.kind {
	case pythonTrace:
		return t.continuesPython(text)
	case goTrace:
		return continuesGo(text)
	case throwTrace:
		return continuesThrow(text)
	}
	return false
}

func (t *trace) continuesPython(text string) bool {
	switch {
	case isTracebackHeader(text):
		again := t.named
		t.named = false
		return again || indented(text)
	case text == "", indented(text):
		return true
	case strings.HasPrefix(text, "During handling of the above exception"), strings.HasPrefix(text, "The above exception was the direct cause"):
		return t.named
	case !t.named:
		t.named = true
		return true
	}
	return false
}

func continuesGo(text string) bool {
	switch {
	case text == "", indented(text), isGoroutine(text):
		return true
	case strings.HasPrefix(text, "panic: "), strings.HasPrefix(text, "[signal "), strings.HasPrefix(text, "created by "),
		strings.HasPrefix(text, "[recovered"), strings.HasPrefix(text, "exit status "), strings.HasPrefix(text, "...additional frames elided"),
		strings.HasPrefix(text, "runtime stack:"), strings.HasPrefix(text, "goroutine running on other thread"):
		return true
	}
	paren := strings.IndexByte(text, '(')
	return paren > 0 && strings.HasSuffix(text, ")") && strings.IndexByte(text[:paren], ' ') < 0 && strings.IndexByte(text[:paren], '.') > 0
}

func continuesThrow(text string) bool {
	return indented(text) || text == "}" || strings.HasPrefix(text, "Caused by: ")
}

func indented(text string) bool { return text != "" && (text[0] == ' ' || text[0] == '\t') }

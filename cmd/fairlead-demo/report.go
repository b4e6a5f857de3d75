package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// report prints what a user would see and counts what was asserted.
type report struct {
	out   io.Writer
	began time.Time
	steps int

	mu     sync.Mutex // guards the fields below
	passed int
	failed int
}

func newReport(out io.Writer) *report { return &report{out: out, began: time.Now()} }

func (r *report) step(title string) {
	r.steps++
	r.say("\n\033[1m%d. %s\033[0m  (%s)", r.steps, title, time.Since(r.began).Round(time.Second))
}

func (r *report) say(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// show prints the output of a program as a user sees it, indented, at most max lines of it.
func (r *report) show(command, output string, maxLines int) {
	r.say("   \033[36m$ %s\033[0m", command)
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	for i, line := range lines {
		if i == maxLines {
			r.say("   ... (%d more lines)", len(lines)-maxLines)
			return
		}
		r.say("   %s", line)
	}
}

// check counts one assertion. detail says what was seen; it is printed in either case.
func (r *report) check(what string, ok bool, detail string, args ...any) bool {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	if !ok {
		r.fail(what, detail)
		return false
	}
	r.mu.Lock()
	r.passed++
	r.mu.Unlock()
	if detail != "" {
		detail = "  \033[2m" + detail + "\033[0m"
	}
	r.say("   \033[32mok\033[0m   %s%s", what, detail)
	return true
}

func (r *report) fail(what, detail string) {
	r.mu.Lock()
	r.failed++
	r.mu.Unlock()
	r.say("   \033[31mFAIL\033[0m %s: %s", what, detail)
}

// contains checks that text holds each of the wanted parts.
func (r *report) contains(what, text string, wanted ...string) bool {
	for _, part := range wanted {
		if !strings.Contains(text, part) {
			r.fail(what, fmt.Sprintf("%q is not in:\n%s", part, text))
			return false
		}
	}
	return r.check(what, true, "%s", strings.Join(wanted, " · "))
}

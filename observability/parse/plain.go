package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// readPlain finds what a plain line says: its level, its time and its trace, and the request of an access log. The
// message is the whole line.
func (r *reader) readPlain() {
	text := r.clean
	priority, rest := syslogLevel(text)
	status := r.readAccess(rest)
	switch {
	case status != "" && graver(statusLevel(status), plainLevel(rest)):
		r.line.Level = statusLevel(status)
	default:
		r.line.Level = plainLevel(rest)
	}
	switch {
	case r.line.Level != observability.LevelUnknown:
	case priority != observability.LevelUnknown:
		r.line.Level = priority
	case namesException(rest):
		r.line.Level = observability.LevelError
	default:
		r.line.Level = redisLevel(rest)
	}
	if t, zoned, ok := r.findStamp(rest); ok {
		r.noteTime(t, zoned)
	}
	var trace traceIDs
	trace.search(text)
	trace.lift(&r.line)
}

// graver reports whether a is worse than b; an unknown level is the least.
func graver(a, b observability.Level) bool { return gravity(a) > gravity(b) }

func gravity(l observability.Level) int {
	for i, known := range observability.Levels {
		if l == known {
			return i + 1
		}
	}
	return 0
}

// namesException reports whether text begins as exceptions print themselves: "pkg.SomeError: what", or as Node does
// "SomeError [CODE]: what".
func namesException(text string) bool {
	name := text
	if end := strings.IndexAny(text, ": \n"); end >= 0 {
		if text[end] == ' ' && !strings.HasPrefix(text[end:], " [") {
			return false
		}
		name = text[:end]
	}
	return len(name) > 5 && (strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Exception"))
}

// redisLevel reads lines of Redis and Valkey: 1:M 01 Jan 2030 15:04:05.000 * message, where a sign says how grave it is.
func redisLevel(text string) observability.Level {
	pid, rest, ok := strings.Cut(text, ":")
	if !ok || len(pid) > 7 || !allDigits(pid) || len(rest) < 28 || strings.IndexByte("XCSM", rest[0]) < 0 || rest[1] != ' ' {
		return observability.LevelUnknown
	}
	if _, _, n, ok := stampAt(rest[2:]); ok && len(rest) > n+4 && rest[n+2] == ' ' && rest[n+4] == ' ' {
		switch rest[n+3] {
		case '.':
			return observability.LevelDebug
		case '-', '*':
			return observability.LevelInfo
		case '#':
			return observability.LevelWarn
		}
	}
	return observability.LevelUnknown
}

// Package parse turns what a process wrote into log lines.
//
// It owns the formats (JSON, logfmt, klog, access logs, plain text), the levels that lines say they have, and the
// joining of stack traces. It is pure: no clock, no I/O; times come in with the bytes. It must not know where bytes
// come from or where lines go. Secrets are removed by the function it is given, before a line leaves the package.
package parse

import (
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// Redact returns text with the secrets in it replaced.
type Redact func(text string) string

// Text parses one record, which may span several lines of text, into a copy of base: its Stream is read, and its
// Level, Message, Raw and Fields are set. redact may be nil. The result is in normal form (observability.Line.Normal).
func Text(base observability.Line, text string, redact Redact) observability.Line {
	written := observability.EscapeInvalid(strings.TrimSuffix(text, "\r"))
	clean := stripControls(written)
	line := base
	line.Level, line.Fields = observability.LevelUnknown, nil
	line.Message = clean
	if !parseJSON(&line, clean) && !parseKlog(&line, clean) && !parseLogfmt(&line, clean) {
		parsePlain(&line, clean)
	}
	if line.Level == observability.LevelUnknown && base.Stream != "stderr" {
		line.Level = observability.LevelInfo
	}
	line.Raw = written
	if redact != nil {
		redactLine(&line, redact)
	}
	if line.Raw == line.Message {
		line.Raw = ""
	}
	return line.Normal()
}

// redactLine removes secrets. A secret may be written with escapes in the raw text, where its exact value does not
// appear: once one was found in what the text means, the raw text is not kept.
func redactLine(l *observability.Line, redact Redact) {
	fields := make(map[string]string, len(l.Fields))
	changed := false
	for name, value := range l.Fields {
		cleanName, clean := redact(name), redact(value)
		changed = changed || clean != value || cleanName != name
		fields[cleanName] = clean
	}
	if changed {
		l.Fields = fields
		if strings.HasPrefix(strings.TrimSpace(l.Message), "{") || l.Message == l.Raw {
			l.Message = pairs(fields)
		}
	}
	message := redact(l.Message)
	raw := redact(l.Raw)
	if changed || message != l.Message {
		raw = message
	}
	l.Message, l.Raw = message, raw
}

// pairs writes fields as key=value, in order of their names.
func pairs(fields map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + fields[name])
	}
	return b.String()
}

// stripControls returns s without terminal escape sequences and control characters; tabs and line ends stay.
func stripControls(s string) string {
	first := strings.IndexFunc(s, isControl)
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for i := first; i < len(s); {
		switch c := s[i]; {
		case c == 0x1b:
			i += escapeLen(s[i:])
		case isControl(rune(c)):
			i++
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' && r != '\n' || r == 0x7f }

// escapeLen returns the length of the terminal escape sequence that s begins with (ECMA-48).
func escapeLen(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch s[1] {
	case '[': // control sequence: parameters, then one final byte
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x7e {
				return i
			}
		}
		return len(s)
	case ']', 'P', '^', '_': // strings, ended by BEL or ESC \
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == 0x07:
				return i + 1
			case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
				return i + 2
			case s[i] == '\n':
				return i
			}
		}
		return len(s)
	}
	if s[1] >= 0x20 && s[1] < 0x7f {
		return 2
	}
	return 1
}

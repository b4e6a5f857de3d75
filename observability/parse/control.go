package parse

import (
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/observability"
)

// isPrintable reports whether s is plain ASCII without control characters but tabs and line ends.
func isPrintable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c-0x20 > 0x7e-0x20 && c != '\t' && c != '\n' {
			return false
		}
	}
	return true
}

// clean returns s for reading and searching: valid UTF-8 without terminal escape sequences, of seven or eight bits, and
// without control characters. Tabs and line ends stay. A carriage return within a line, which a terminal would answer
// by writing over it, becomes a space: a progress bar stays legible and nothing is lost.
func clean(s string) string { return observability.EscapeInvalid(stripControls(s)) }

func stripControls(s string) string {
	first := 0
	for first < len(s) && (s[first] >= 0x20 && s[first] < 0x7f || s[first] == '\t' || s[first] == '\n') {
		first++
	}
	if first == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for i := first; i < len(s); {
		c := s[i]
		switch {
		case c == 0x1b:
			i += escapeLen(s[i:])
		case c == '\r':
			i++
			if i < len(s) && s[i] != '\n' && s[i] != '\r' {
				b.WriteByte(' ')
			}
		case isControl(c):
			i++
		case c < 0x80:
			b.WriteByte(c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if n := c1Len(s[i:], r, size); n > 0 {
				i += n
				continue
			}
			b.WriteString(s[i : i+size])
			i += size
		}
	}
	return b.String()
}

func isControl(c byte) bool { return c < 0x20 && c != '\t' && c != '\n' || c == 0x7f }

// escapeLen returns the length of the terminal escape sequence that s begins with (ECMA-48).
func escapeLen(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch c := s[1]; {
	case c == '[':
		return 2 + sequenceLen(s[2:])
	case c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X':
		return 2 + stringLen(s[2:])
	case c >= 0x20 && c <= 0x2f: // such as a choice of letters: intermediates, then one final byte
		i := 2
		for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
			i++
		}
		if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
			i++
		}
		return i
	case c >= 0x30 && c < 0x7f:
		return 2
	}
	return 1
}

// sequenceLen returns how much of s belongs to a control sequence: parameters, then one final byte.
func sequenceLen(s string) int {
	for i := range len(s) {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
		if s[i] < 0x20 || s[i] > 0x7e {
			return i
		}
	}
	return len(s)
}

// stringLen returns how much of s belongs to a control string: all up to BEL, ESC \ or its form of eight bits.
func stringLen(s string) int {
	for i := range len(s) {
		switch {
		case s[i] == 0x07, s[i] == 0x9c:
			return i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == '\n':
			return i
		}
	}
	return len(s)
}

// c1Len returns the length of the control of eight bits that s begins with, 0 when that is none. As a rune all of
// them are controls. As a lone byte, which old encodings use for letters, only a whole sequence is one.
func c1Len(s string, r rune, size int) int {
	lone := r == utf8.RuneError && size == 1
	if lone {
		r = rune(s[0])
	}
	if r < 0x80 || r > 0x9f {
		return 0
	}
	rest := s[size:]
	switch r {
	case 0x9b:
		n := sequenceLen(rest)
		whole := n > 0 && rest[n-1] >= 0x40 && rest[n-1] <= 0x7e
		if whole && (!lone || n == 1 && rest[0] == 'm' || n > 1 && rest[0] < 0x40 && rest[0] >= 0x30) {
			return size + n
		}
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f:
		if n := stringLen(rest); n > 0 && (rest[n-1] == 0x07 || rest[n-1] == 0x9c || rest[n-1] == '\\') {
			return size + n
		}
	}
	if lone {
		return 0
	}
	return size
}

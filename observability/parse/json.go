package parse

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of nesting. What is deeper than maxDepth stays JSON text; a text that is deeper than maxNesting is none.
const (
	maxDepth   = 6
	maxNesting = 200
)

// readJSON reads a record that is one JSON object (RFC 8259). Objects in it are flattened to names with dots; lists
// stay as they were written.
func (r *reader) readJSON(text string) bool {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) < 2 || trimmed[0] != '{' || trimmed[len(trimmed)-1] != '}' {
		return false
	}
	s := jsonScanner{text: trimmed, fields: &r.fields}
	if !s.object("", 0) || s.at != len(trimmed) {
		r.fields.reset()
		return false
	}
	r.decoded = r.decoded || s.decoded
	r.lift()
	return true
}

// jsonScanner walks over a text once. Its methods return false where the text is no JSON.
type jsonScanner struct {
	text    string
	at      int
	fields  *fieldList
	decoded bool // a string had escapes
}

func (s *jsonScanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *jsonScanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// object reads an object; its fields get prefix before their names.
func (s *jsonScanner) object(prefix string, depth int) bool {
	s.at++ // the brace
	if s.space(); s.take('}') {
		return true
	}
	for {
		s.space()
		name, ok := s.string()
		if !ok {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		if prefix != "" {
			name = prefix + name
		}
		if !s.field(name, depth) {
			return false
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *jsonScanner) field(name string, depth int) bool {
	s.space()
	if s.at == len(s.text) {
		return false
	}
	start := s.at
	switch s.text[start] {
	case '"':
		value, ok := s.string()
		s.fields.add(name, value)
		return ok
	case '{':
		if depth < maxDepth {
			return s.object(name+".", depth+1)
		}
	case 'n':
		return s.skip(depth)
	}
	if !s.skip(depth) {
		return false
	}
	s.fields.add(name, s.text[start:s.at])
	return true
}

// skip passes over any value.
func (s *jsonScanner) skip(depth int) bool {
	s.space()
	if s.at == len(s.text) || depth > maxNesting {
		return false
	}
	switch c := s.text[s.at]; c {
	case '"':
		_, ok := s.string()
		return ok
	case '{', '[':
		return s.skipMembers(c, depth)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *jsonScanner) skipMembers(open byte, depth int) bool {
	shut := open + 2 // ] and } follow their openings at this distance
	s.at++
	if s.space(); s.take(shut) {
		return true
	}
	for {
		if s.space(); open == '{' {
			if _, ok := s.string(); !ok {
				return false
			}
			if s.space(); !s.take(':') {
				return false
			}
		}
		if !s.skip(depth + 1) {
			return false
		}
		if s.space(); s.take(shut) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *jsonScanner) word(w string) bool {
	if !strings.HasPrefix(s.text[s.at:], w) {
		return false
	}
	s.at += len(w)
	return true
}

func (s *jsonScanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && isDigit(s.text[s.at]) {
		s.at++
	}
	return s.at > start
}

func (s *jsonScanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// string reads a string. One without escapes is a part of the text.
func (s *jsonScanner) string() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	start := s.at
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], true
		case c == '\\':
			s.decoded = true
			return s.escaped(start)
		case c < 0x20:
			return "", false
		}
	}
	return "", false
}

func (s *jsonScanner) escaped(start int) (string, bool) {
	var b strings.Builder
	b.WriteString(s.text[start:s.at])
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), true
		case c < 0x20:
			return "", false
		case c != '\\':
			b.WriteByte(c)
		default:
			r, ok := s.escape()
			if !ok {
				return "", false
			}
			b.WriteRune(r)
		}
	}
	return "", false
}

// escape reads what follows a backslash.
func (s *jsonScanner) escape() (rune, bool) {
	if s.at == len(s.text) {
		return 0, false
	}
	c := s.text[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := s.unit()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		if strings.HasPrefix(s.text[s.at:], `\u`) {
			before := s.at
			s.at += 2
			if second, ok := s.unit(); ok {
				if whole := utf16.DecodeRune(r, second); whole != utf8.RuneError {
					return whole, true
				}
			}
			s.at = before
		}
		return utf8.RuneError, true
	}
	return 0, false
}

// unit reads four hexadecimal digits.
func (s *jsonScanner) unit() (rune, bool) {
	if len(s.text)-s.at < 4 {
		return 0, false
	}
	var r rune
	for range 4 {
		c := s.text[s.at]
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
		s.at++
	}
	return r, true
}

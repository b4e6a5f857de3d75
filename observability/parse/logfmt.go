package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// readLogfmt reads records that are key=value pairs and nothing else, at least two of them.
func (r *reader) readLogfmt(text string) bool {
	if !r.readPairs(text) {
		return false
	}
	if len(r.fields.list) < 2 {
		r.fields.reset()
		return false
	}
	r.lift()
	return true
}

// readPairs adds the pairs that text is made of to the fields. It adds none when text is anything else.
func (r *reader) readPairs(text string) bool {
	if eq := strings.IndexByte(text, '='); eq <= 0 || !isKey(text[:eq]) {
		return false
	}
	for rest := text; rest != ""; rest = strings.TrimLeft(rest, " \t\n") {
		key, value, after, ok := r.nextPair(rest)
		if !ok {
			r.fields.reset()
			return false
		}
		r.fields.add(key, value)
		rest = after
	}
	return true
}

// nextPair reads one key=value or key="quoted value" from the beginning of s.
func (r *reader) nextPair(s string) (key, value, rest string, ok bool) {
	key, rest, ok = strings.Cut(s, "=")
	if !ok || !isKey(key) {
		return "", "", "", false
	}
	if rest == "" || rest[0] != '"' {
		end := strings.IndexAny(rest, " \t\n")
		if end < 0 {
			end = len(rest)
		}
		return key, rest[:end], rest[end:], true
	}
	value, after, ok := r.quoted(rest)
	return key, value, after, ok && (after == "" || after[0] == ' ' || after[0] == '\t' || after[0] == '\n')
}

// quoted reads the quoted text that s begins with.
func (r *reader) quoted(s string) (value, rest string, ok bool) {
	plain := strings.IndexAny(s[1:], `"\`) + 1
	if plain == 0 {
		return "", "", false
	}
	if s[plain] == '"' {
		return s[1:plain], s[plain+1:], true
	}
	r.decoded = true
	var b strings.Builder
	b.WriteString(s[1:plain])
	for i := plain; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteString(unescape(s[i : i+1]))
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func unescape(c string) string {
	switch c {
	case "n":
		return "\n"
	case "t":
		return "\t"
	case "r":
		return "\r"
	case `"`, `\`:
		return c
	}
	return `\` + c
}

func isKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLetter(c) && !isDigit(c) && c != '_' && c != '.' && c != '-' && c != '/' && c != '@' {
			return false
		}
	}
	return s != "" && len(s) <= observability.MaxFieldName
}

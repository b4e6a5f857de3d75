package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// parsePlain finds what a plain line says: its level, and method, path and status of an access log.
func parsePlain(l *observability.Line, text string) {
	status := parseAccess(l, text)
	l.Level = plainLevel(text)
	switch {
	case l.Level != observability.LevelUnknown:
	case status >= "500" && len(status) == 3:
		l.Level = observability.LevelError
	case status != "":
		l.Level = observability.LevelInfo
	case namesException(text):
		l.Level = observability.LevelError
	}
}

// namesException reports whether text begins as exceptions print themselves: "pkg.SomeError: what".
func namesException(text string) bool {
	end := strings.IndexAny(text, ": \n")
	name := text
	if end >= 0 {
		if text[end] == ' ' {
			return false
		}
		name = text[:end]
	}
	return len(name) > 5 && (strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Exception"))
}

// parseAccess reads the request of a common or combined access log line, and of those that look alike
// (`"GET /path HTTP/1.1" 200`). It returns the status, "" when there is none.
func parseAccess(l *observability.Line, text string) string {
	version := strings.Index(text, " HTTP/")
	if version < 0 {
		return ""
	}
	open := strings.LastIndexByte(text[:version], '"')
	if open < 0 {
		return ""
	}
	method, path, ok := strings.Cut(text[open+1:version], " ")
	_, after, quoted := strings.Cut(text[version+1:], `"`)
	after = strings.TrimLeft(after, " ")
	if !ok || !quoted || method == "" || strings.ToUpper(method) != method || len(after) < 3 {
		return ""
	}
	status := after[:3]
	if !isDigit(status[0]) || !isDigit(status[1]) || !isDigit(status[2]) || len(after) > 3 && isDigit(after[3]) {
		return ""
	}
	l.Fields = map[string]string{"method": method, "path": path, "status": status}
	return status
}

// parseKlog reads lines of klog: I0102 15:04:05.000000    1234 file.go:12] message.
func parseKlog(l *observability.Line, text string) bool {
	if len(text) < 25 || text[5] != ' ' || text[8] != ':' || text[11] != ':' || text[14] != '.' {
		return false
	}
	for _, i := range []int{1, 2, 3, 4, 6, 7, 9, 10, 12, 13} {
		if !isDigit(text[i]) {
			return false
		}
	}
	switch text[0] {
	case 'I':
		l.Level = observability.LevelInfo
	case 'W':
		l.Level = observability.LevelWarn
	case 'E':
		l.Level = observability.LevelError
	case 'F':
		l.Level = observability.LevelFatal
	default:
		return false
	}
	header, message, ok := strings.Cut(text, "] ")
	parts := strings.Fields(header)
	if !ok || len(parts) != 4 || !strings.Contains(parts[3], ":") {
		l.Level = observability.LevelUnknown
		return false
	}
	l.Message = message
	l.Fields = map[string]string{"caller": parts[3]}
	return true
}

// parseLogfmt reads lines that are key=value pairs and nothing else, at least two of them.
func parseLogfmt(l *observability.Line, text string) bool {
	if eq := strings.IndexByte(text, '='); eq <= 0 || !isKey(text[:eq]) {
		return false
	}
	fields := make(map[string]string, 8)
	for rest := text; rest != ""; rest = strings.TrimLeft(rest, " \t") {
		key, value, after, ok := nextPair(rest)
		if !ok {
			return false
		}
		fields[key] = value
		rest = after
	}
	if len(fields) < 2 {
		return false
	}
	lift(l, fields, text)
	return true
}

// nextPair reads one key=value or key="quoted value" from the beginning of s.
func nextPair(s string) (key, value, rest string, ok bool) {
	key, rest, ok = strings.Cut(s, "=")
	if !ok || !isKey(key) {
		return "", "", "", false
	}
	if !strings.HasPrefix(rest, `"`) {
		end := strings.IndexAny(rest, " \t\n")
		if end < 0 {
			end = len(rest)
		}
		return key, rest[:end], rest[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			after := rest[i+1:]
			return key, b.String(), after, after == "" || after[0] == ' ' || after[0] == '\t'
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteString(unescape(rest[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", false
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case '"', '\\':
		return string(rune(c))
	}
	return `\` + string(rune(c))
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

package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// levelNames are the words that formats use, in lower case.
var levelNames = map[string]observability.Level{
	"trace": observability.LevelDebug, "trce": observability.LevelDebug, "debug": observability.LevelDebug, "dbg": observability.LevelDebug, "dbug": observability.LevelDebug,
	"verbose": observability.LevelDebug, "fine": observability.LevelDebug, "finest": observability.LevelDebug,
	"info": observability.LevelInfo, "inf": observability.LevelInfo, "information": observability.LevelInfo, "notice": observability.LevelInfo, "log": observability.LevelInfo, "note": observability.LevelInfo,
	"warn": observability.LevelWarn, "warning": observability.LevelWarn, "wrn": observability.LevelWarn,
	"error": observability.LevelError, "err": observability.LevelError, "severe": observability.LevelError, "fail": observability.LevelError,
	"fatal": observability.LevelFatal, "ftl": observability.LevelFatal, "critical": observability.LevelFatal, "crit": observability.LevelFatal, "dpanic": observability.LevelFatal,
	"panic": observability.LevelFatal, "alert": observability.LevelFatal, "emerg": observability.LevelFatal, "emergency": observability.LevelFatal,
}

const longestLevel = len("information")

// levelLetters are the first letters of the names above, one bit each.
var levelLetters = func() (bits uint32) {
	for name := range levelNames {
		bits |= 1 << (name[0] - 'a')
	}
	return bits
}()

// levelWord returns the level that a word names, in any case.
func levelWord(word string) observability.Level {
	if len(word) < 3 || len(word) > longestLevel || levelLetters&(1<<((word[0]|0x20)-'a')) == 0 {
		return observability.LevelUnknown
	}
	var lower [longestLevel]byte
	for i := range len(word) {
		lower[i] = word[i] | 0x20
	}
	return levelNames[string(lower[:len(word)])]
}

// levelOf reads a level as a field gives it: a word, a letter, or a number as Bunyan and Pino write (10 trace to 60 fatal).
func levelOf(value string) observability.Level {
	if value = strings.TrimSpace(value); value == "" || len(value) > longestLevel {
		return observability.LevelUnknown
	}
	if isLetter(value[0]) && len(value) >= 3 {
		return levelWord(value)
	}
	switch value {
	case "10", "20", "D", "D1", "D2", "D3", "D4", "D5":
		return observability.LevelDebug
	case "30", "I":
		return observability.LevelInfo
	case "40", "W":
		return observability.LevelWarn
	case "50", "E":
		return observability.LevelError
	case "60", "F":
		return observability.LevelFatal
	}
	return observability.LevelUnknown
}

// statusLevel is how grave the status of an HTTP answer is.
func statusLevel(status string) observability.Level {
	if len(status) != 3 || !allDigits(status) {
		return observability.LevelUnknown
	}
	switch status[0] {
	case '1', '2', '3':
		return observability.LevelInfo
	case '4':
		return observability.LevelWarn
	case '5':
		return observability.LevelError
	}
	return observability.LevelUnknown
}

// plainHead is how far into a plain line a level word is looked for.
const plainHead = 120

// plainLevel finds the first level word near the beginning of a plain line. In upper case it may stand anywhere; in
// lower or mixed case only where a format puts it: in brackets, between tabs, or before a colon or a bar.
func plainLevel(text string) observability.Level {
	head, _ := observability.Cut(text, plainHead)
	for i := 0; i < len(head); {
		if !isLetter(head[i]) {
			i++
			continue
		}
		start := i
		for i < len(head) && isLetter(head[i]) {
			i++
		}
		level := levelWord(head[start:i])
		if level == observability.LevelUnknown || start > 0 && (isDigit(head[start-1]) || head[start-1] == '_' || head[start-1] == '/') {
			continue
		}
		if i < len(head) && (isDigit(head[i]) || head[i] == '_') {
			continue
		}
		if isUpper(head[start:i]) || marked(head, start, i) {
			return level
		}
	}
	return observability.LevelUnknown
}

func isUpper(word string) bool {
	for i := range len(word) {
		if word[i] >= 'a' {
			return false
		}
	}
	return true
}

// marked reports whether the word head[start:end] stands in a place that only levels have.
func marked(head string, start, end int) bool {
	rest := strings.TrimLeft(head[end:], " ")
	if rest == "" {
		return false
	}
	if start > 0 {
		open, shut := head[start-1], rest[0]
		tabs := open == '\t' && head[end] == '\t'
		return tabs || open == '[' && shut == ']' || open == '<' && shut == '>' || open == '(' && shut == ')' || open == '=' && len(rest) < len(head)-end
	}
	return rest[0] == ':' || rest[0] == '|'
}

// syslogLevel reads the priority that syslog and systemd begin lines with: <34>, of which the last three bits say how
// grave it is (RFC 5424, section 6.2.1).
func syslogLevel(text string) (level observability.Level, rest string) {
	if len(text) < 3 || text[0] != '<' {
		return observability.LevelUnknown, text
	}
	end := strings.IndexByte(text[:min(len(text), 5)], '>')
	if end < 2 || !allDigits(text[1:end]) || number(text[1:end]) > 191 {
		return observability.LevelUnknown, text
	}
	levels := [8]observability.Level{
		observability.LevelFatal, observability.LevelFatal, observability.LevelFatal, observability.LevelError,
		observability.LevelWarn, observability.LevelInfo, observability.LevelInfo, observability.LevelDebug,
	}
	return levels[number(text[1:end])&7], text[end+1:]
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

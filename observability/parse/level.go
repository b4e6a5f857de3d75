package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// levelNames are the words that formats use, in lower case.
var levelNames = map[string]observability.Level{
	"trace": observability.LevelDebug, "debug": observability.LevelDebug, "dbg": observability.LevelDebug, "verbose": observability.LevelDebug,
	"info": observability.LevelInfo, "inf": observability.LevelInfo, "information": observability.LevelInfo, "notice": observability.LevelInfo, "log": observability.LevelInfo,
	"warn": observability.LevelWarn, "warning": observability.LevelWarn, "wrn": observability.LevelWarn,
	"error": observability.LevelError, "err": observability.LevelError, "severe": observability.LevelError,
	"fatal": observability.LevelFatal, "critical": observability.LevelFatal, "crit": observability.LevelFatal,
	"panic": observability.LevelFatal, "alert": observability.LevelFatal, "emerg": observability.LevelFatal, "emergency": observability.LevelFatal,
}

// levelOf reads a level as a field gives it: a word, or a number as Bunyan and Pino write (10 trace to 60 fatal).
func levelOf(value string) observability.Level {
	if len(value) > 12 {
		return observability.LevelUnknown
	}
	if level, ok := levelNames[strings.ToLower(strings.TrimSpace(value))]; ok {
		return level
	}
	switch value {
	case "10", "20":
		return observability.LevelDebug
	case "30":
		return observability.LevelInfo
	case "40":
		return observability.LevelWarn
	case "50":
		return observability.LevelError
	case "60":
		return observability.LevelFatal
	}
	return observability.LevelUnknown
}

// plainHead is how far into a plain line a level word is looked for.
const plainHead = 120

// plainLevel finds the first level word near the beginning of a plain line. In upper case it may stand anywhere; in
// lower or mixed case only where a format puts it: in brackets, or before a colon or a bar.
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
		word := head[start:i]
		if len(word) < 3 || len(word) > 11 || start > 0 && (isDigit(head[start-1]) || head[start-1] == '_' || head[start-1] == '/') {
			continue
		}
		if i < len(head) && (isDigit(head[i]) || head[i] == '_') {
			continue
		}
		level, known := levelNames[strings.ToLower(word)]
		if known && (word == strings.ToUpper(word) || marked(head, start, i)) {
			return level
		}
	}
	return observability.LevelUnknown
}

// marked reports whether the word head[start:end] stands in a place that only levels have.
func marked(head string, start, end int) bool {
	if start > 0 && end < len(head) {
		open, shut := head[start-1], head[end]
		if open == '[' && shut == ']' || open == '<' && shut == '>' || open == '(' && shut == ')' || open == '=' {
			return true
		}
	}
	if end >= len(head) {
		return false
	}
	rest := strings.TrimLeft(head[end:], " ")
	return start == 0 && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "|"))
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

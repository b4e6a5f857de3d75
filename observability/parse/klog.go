package parse

import (
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// readKlog reads lines of glog and klog: I0102 15:04:05.000000    1234 file.go:12] message, with the year before the
// month in newer ones of glog. A message of klog's structured calls is quoted and followed by pairs.
func (r *reader) readKlog() bool {
	text := r.clean
	if len(text) < 25 {
		return false
	}
	var level observability.Level
	switch text[0] {
	case 'I':
		level = observability.LevelInfo
	case 'W':
		level = observability.LevelWarn
	case 'E':
		level = observability.LevelError
	case 'F':
		level = observability.LevelFatal
	default:
		return false
	}
	clock := 6 // where the time of day begins
	if text[5] != ' ' {
		clock = 10
	}
	if text[clock-1] != ' ' || !allDigits(text[1:clock-1]) || len(text) < clock+20 {
		return false
	}
	ofDay, n, ok := clockOf(text[clock:])
	header, message, cut := strings.Cut(text, "] ")
	if !ok || !cut || header[min(clock+n, len(header)-1)] != ' ' {
		return false
	}
	parts := strings.Fields(header)
	if len(parts) != 4 || !strings.Contains(parts[3], ":") {
		return false
	}
	r.line.Level = level
	r.readStructured(message)
	r.set("caller", parts[3])
	date := text[1 : clock-1]
	if len(date) == 8 {
		if t, ok := date8(date); ok {
			r.noteTime(t.Add(ofDay), false)
		}
	} else if t, ok := dateNear(r.line.At, number(date[:2]), number(date[2:])); ok {
		r.noteTime(t.Add(ofDay), false)
	}
	return true
}

// readStructured reads "message" key="value" ...; any other text is the message as it is.
func (r *reader) readStructured(message string) {
	r.line.Message = message
	if strings.HasPrefix(message, `"`) {
		before := r.decoded
		said, rest, ok := r.quoted(message)
		rest = strings.TrimLeft(rest, " ")
		if ok && (rest == "" || r.readPairs(rest)) {
			r.lift()
			r.line.Message = stripControls(said)
			return
		}
		r.decoded = before
	}
	var trace traceIDs
	trace.search(message)
	trace.lift(&r.line)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func date8(s string) (time.Time, bool) {
	return date(number(s[:4]), number(s[4:6]), number(s[6:]))
}

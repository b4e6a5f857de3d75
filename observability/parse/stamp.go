package parse

import (
	"strings"
	"time"
)

// loggedAt is the field that keeps the time in a line when it is not the engine's.
const loggedAt = "logged_at"

const (
	// sameTime is how far apart two times are that mean the same: a line is written down a moment before it is read.
	sameTime = 1500 * time.Millisecond
	// zoneStep and farthestZone are how times without a zone differ that mean the same on clocks of two zones.
	zoneStep     = 15 * time.Minute
	farthestZone = 14*time.Hour + sameTime
	// stampHead is how far into a plain line its time is looked for.
	stampHead = 48
)

// noteTime keeps the time that a line says it was written at, when that is not the time at which the engine got it.
// The engine's time stays the order of lines: it is one clock.
func (r *reader) noteTime(t time.Time, zoned bool) {
	at := r.line.At
	if at.IsZero() || t.Year() < 1990 {
		return
	}
	apart := t.Sub(at)
	if !zoned && apart.Abs() <= farthestZone {
		apart = (apart + farthestZone.Truncate(zoneStep) + sameTime) % zoneStep
		apart -= sameTime
	}
	if apart.Abs() > sameTime {
		r.set(loggedAt, t.UTC().Format(time.RFC3339Nano))
	}
}

// findStamp finds the time near the beginning of a plain line.
func (r *reader) findStamp(text string) (t time.Time, zoned, ok bool) {
	head := text[:min(len(text), stampHead)]
	for i := 0; i < len(head); i++ {
		c := head[i]
		if !isDigit(c) && (c < 'A' || c > 'Z') || i > 0 && (isDigit(head[i-1]) || isLetter(head[i-1]) || head[i-1] == '.') {
			continue
		}
		if isDigit(c) {
			if t, zoned, _, ok = stampAt(text[i:]); ok {
				return t, zoned, true
			}
			continue
		}
		if t, ok = syslogStamp(r.line.At, text[i:]); ok {
			return t, false, true
		}
	}
	return time.Time{}, false, false
}

// anyStamp reads the value of a field: a time as text, or seconds, milli-, micro- or nanoseconds since 1970.
func anyStamp(s string) (t time.Time, zoned, ok bool) {
	if t, zoned, _, ok = stampAt(s); ok {
		return t, zoned, true
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if !allDigits(whole) || len(whole) < 9 || len(whole) > 19 || fraction != "" && !allDigits(fraction) {
		return time.Time{}, false, false
	}
	digits := whole + fraction
	unit := 0 // how many of the digits are of the fraction of a second
	switch {
	case len(whole) <= 10:
	case len(whole) <= 13:
		unit = 3
	case len(whole) <= 16:
		unit = 6
	default:
		unit = 9
	}
	seconds := whole[:len(whole)-unit]
	return time.Unix(int64(number(seconds)), nanos(digits[len(seconds):])), true, true
}

// stampAt reads the time that s begins with, and how long it is:
//
//	2030-01-02T15:04:05.000Z   2030-01-02 15:04:05,000 +0000   2030/01/02 15:04:05   (ISO 8601 and what looks like it)
//	02/Jan/2030:15:04:05 +0000                                                       (access logs)
//	02 Jan 2030 15:04:05.000                                                         (Redis)
//
// A time without a zone is given as if it were UTC.
func stampAt(s string) (t time.Time, zoned bool, n int, ok bool) {
	if len(s) < 19 || !isDigit(s[0]) || !isDigit(s[1]) {
		return time.Time{}, false, 0, false
	}
	var at int
	switch {
	case (s[4] == '-' || s[4] == '/') && s[7] == s[4] && allDigits(s[:4]) && allDigits(s[5:7]) && allDigits(s[8:10]):
		t, ok = date(number(s[:4]), number(s[5:7]), number(s[8:10]))
		at = 11
		ok = ok && (s[10] == 'T' || s[10] == 't' || s[10] == ' ')
		if strings.HasPrefix(s[10:], " - ") { // gin
			at = 13
		}
	case (s[2] == '/' || s[2] == ' ') && s[6] == s[2] && len(s) >= 20 && allDigits(s[7:11]):
		t, ok = date(number(s[7:11]), monthOf(s[3:6]), number(s[:2]))
		at = 12
		ok = ok && (s[11] == ':' || s[11] == ' ')
	}
	if !ok {
		return time.Time{}, false, 0, false
	}
	ofDay, length, ok := clockOf(s[at:])
	if !ok {
		return time.Time{}, false, 0, false
	}
	at += length
	offset, zone := zoneOf(s[at:])
	return t.Add(ofDay - offset), zone > 0, at + zone, true
}

// syslogStamp reads Jan  2 15:04:05, of the year that brings it nearest to near.
func syslogStamp(near time.Time, s string) (time.Time, bool) {
	if len(s) < 15 || s[3] != ' ' || s[6] != ' ' {
		return time.Time{}, false
	}
	day := strings.TrimLeft(s[4:6], " ")
	ofDay, _, ok := clockOf(s[7:])
	if !ok || !allDigits(day) {
		return time.Time{}, false
	}
	t, ok := dateNear(near, monthOf(s[:3]), number(day))
	return t.Add(ofDay), ok
}

// clockOf reads 15:04:05 with a fraction after a point or a comma.
func clockOf(s string) (d time.Duration, n int, ok bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' || !allDigits(s[:2]) || !allDigits(s[3:5]) || !allDigits(s[6:8]) {
		return 0, 0, false
	}
	h, m, sec := number(s[:2]), number(s[3:5]), number(s[6:8])
	if h > 23 || m > 59 || sec > 60 {
		return 0, 0, false
	}
	d, n = time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(sec)*time.Second, 8
	if len(s) > 9 && (s[8] == '.' || s[8] == ',') && isDigit(s[9]) {
		end := 9
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		d, n = d+time.Duration(nanos(s[9:end])), end
	}
	return d, n, true
}

// zoneOf reads Z, UTC, GMT, +01:00 or +0100, with or without a space before it.
func zoneOf(s string) (offset time.Duration, n int) {
	z := strings.TrimPrefix(s, " ")
	space := len(s) - len(z)
	switch {
	case strings.HasPrefix(z, "Z"), strings.HasPrefix(z, "z"):
		return 0, space + 1
	case strings.HasPrefix(z, "UTC"), strings.HasPrefix(z, "GMT"):
		return 0, space + 3
	case len(z) < 5 || z[0] != '+' && z[0] != '-' || !allDigits(z[1:3]):
		return 0, 0
	}
	minutes, n := z[3:5], 5
	if z[3] == ':' && len(z) >= 6 {
		minutes, n = z[4:6], 6
	}
	if !allDigits(minutes) {
		return 0, 0
	}
	offset = time.Duration(number(z[1:3]))*time.Hour + time.Duration(number(minutes))*time.Minute
	if z[0] == '-' {
		offset = -offset
	}
	return offset, space + n
}

func date(year, month, day int) (time.Time, bool) {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC), true
}

// dateNear returns the day in the year that brings it nearest to near.
func dateNear(near time.Time, month, day int) (time.Time, bool) {
	year := near.Year()
	switch {
	case int(near.Month()) == 1 && month == 12:
		year--
	case int(near.Month()) == 12 && month == 1:
		year++
	}
	return date(year, month, day)
}

func monthOf(name string) int {
	i := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", name)
	if i < 0 || i%3 != 0 || len(name) != 3 {
		return 0
	}
	return i/3 + 1
}

// number reads digits; there are so few that it cannot overflow.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// nanos reads the digits of a fraction of a second.
func nanos(fraction string) int64 {
	n := int64(0)
	for i := range 9 {
		n *= 10
		if i < len(fraction) {
			n += int64(fraction[i] - '0')
		}
	}
	return n
}

package spool

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// A line is written as flags, then only what the line before in its frame does not say already: the lines of one
// Append mostly share where they come from. Strings are a length and their bytes, numbers are varints. A message, or a name
// or value of a field, that the parser left as a part of the text as written is its place there: so it is on disk once,
// and whoever reads it back knows again that it is a part.

const (
	hasPlace   = 1 << iota // project to source differ from the line before
	hasRaw                 // as written differs from the message
	hasFields              // a count, then names and values
	hasEnd                 // end time and number
	isCut                  // Truncated
	levelShift = 5         // the level's index lies above the flags
	levelMask  = 7
	hasParts   = 1 << 8 // the text as written comes before the message, of which, as of the fields, it may hold parts
)

// levels are the levels by their index on disk; the order of the first six may never change.
var levels = [...]observability.Level{
	observability.LevelUnknown, observability.LevelDebug, observability.LevelInfo, observability.LevelWarn,
	observability.LevelError, observability.LevelFatal,
}

// tally counts lines by level.
type tally [len(levels)]uint64

func (t *tally) add(other tally) {
	for i, n := range other {
		t[i] += n
	}
}

func (t *tally) total() (n uint64) {
	for _, c := range t {
		n += c
	}
	return n
}

// levelIndex returns the place of a level in levels; one that no store knows counts as unknown.
func levelIndex(level observability.Level) int { return max(0, slices.Index(levels[:], level)) }

// appendLine appends l to dst. before is the line before in the frame, step how far its seq is ahead of that one's.
func appendLine(dst []byte, before, l *observability.Line, step uint64) []byte {
	flags := uint64(levelIndex(l.Level)) << levelShift
	set := func(bit uint64, on bool) {
		if on {
			flags |= bit
		}
	}
	place := !samePlace(before, l)
	set(hasPlace, place)
	set(hasRaw, l.Raw != "")
	set(hasFields, len(l.Fields) > 0)
	set(hasEnd, !l.EndAt.IsZero())
	set(isCut, l.Truncated)
	set(hasParts, l.Raw != "")
	dst = binary.AppendUvarint(dst, flags)
	dst = binary.AppendUvarint(dst, step)
	if place {
		for _, text := range []string{l.Project, l.Environment, l.Service, l.Deploy, l.Instance, l.Source, l.Stream} {
			dst = appendText(dst, text)
		}
		dst = binary.AppendVarint(dst, int64(l.Release))
	}
	dst = appendTime(dst, before.At, l.At)
	dst = binary.AppendUvarint(dst, l.Seq)
	text := func(s string) { dst = appendText(dst, s) }
	if l.Raw != "" {
		text(l.Raw)
		text = func(s string) { dst = appendPart(dst, l.Raw, s) }
	}
	text(l.Message)
	if len(l.Fields) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(l.Fields)))
		for name, value := range l.Fields {
			text(name)
			text(value)
		}
	}
	if !l.EndAt.IsZero() {
		dst = appendTime(dst, l.At, l.EndAt)
		dst = binary.AppendUvarint(dst, l.EndSeq)
	}
	return dst
}

func samePlace(a, b *observability.Line) bool {
	return a.Stream == b.Stream && a.Instance == b.Instance && a.Deploy == b.Deploy && a.Service == b.Service &&
		a.Environment == b.Environment && a.Project == b.Project && a.Source == b.Source && a.Release == b.Release
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendPart appends twice the length of s, then its bytes; or one more than that, then its place in whole, of which it is
// a part.
func appendPart(dst []byte, whole, s string) []byte {
	if at := observability.PlaceIn(whole, s); at >= 0 {
		return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(len(s))<<1|1), uint64(at))
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))<<1), s...)
}

// appendTime appends t as seconds from before and nanoseconds; any time that a line can have fits.
func appendTime(dst []byte, before, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(dst, t.Unix()-before.Unix()), uint64(t.Nanosecond()))
}

var errGarbled = errors.New("the record is not a line")

// lineReader reads the lines of one frame.
type lineReader struct {
	text string // the payload; the lines' strings are parts of it
	at   int
	bad  bool
}

func (r *lineReader) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64 && r.at < len(r.text); shift += 7 {
		b := r.text[r.at]
		r.at++
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

func (r *lineReader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *lineReader) string() string { return r.bytes(r.uvarint()) }

func (r *lineReader) bytes(n uint64) string {
	if r.bad || n > uint64(len(r.text)-r.at) {
		r.bad = true
		return ""
	}
	s := r.text[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

// part reads a string that may be a part of whole.
func (r *lineReader) part(whole string) string {
	n := r.uvarint()
	if n&1 == 0 {
		return r.bytes(n >> 1)
	}
	at := r.uvarint()
	if n >>= 1; r.bad || n > uint64(len(whole)) || at > uint64(len(whole))-n {
		r.bad = true
		return ""
	}
	return whole[at : at+n]
}

func (r *lineReader) time(before time.Time) time.Time {
	seconds := r.varint()
	return time.Unix(before.Unix()+seconds, int64(r.uvarint())).UTC()
}

// line reads the next line over l, which holds the line before, and returns how far its seq is ahead.
func (r *lineReader) line(l *observability.Line) (step uint64, err error) {
	flags := r.uvarint()
	step = r.uvarint()
	if flags&hasPlace != 0 {
		for _, text := range []*string{&l.Project, &l.Environment, &l.Service, &l.Deploy, &l.Instance, &l.Source, &l.Stream} {
			*text = r.string()
		}
		l.Release = int(r.varint())
	}
	l.At = r.time(l.At)
	l.Seq, l.Raw, l.Fields, l.EndAt, l.EndSeq = r.uvarint(), "", nil, time.Time{}, 0
	text := r.string
	if flags&hasParts != 0 {
		l.Raw = r.string()
		text = func() string { return r.part(l.Raw) }
	}
	l.Message = text()
	if flags&(hasRaw|hasParts) == hasRaw { // as lines were written before there were parts
		l.Raw = r.string()
	}
	if flags&hasFields != 0 {
		r.fields(l, text)
	}
	if flags&hasEnd != 0 {
		l.EndAt = r.time(l.At)
		l.EndSeq = r.uvarint()
	}
	l.Truncated = flags&isCut != 0
	level := flags >> levelShift & levelMask
	if r.bad || level >= uint64(len(levels)) || flags >= hasParts<<1 {
		return 0, errGarbled
	}
	l.Level = levels[level]
	return step, nil
}

func (r *lineReader) fields(l *observability.Line, text func() string) {
	n := r.uvarint()
	if n > observability.MaxFields {
		r.bad = true
		return
	}
	l.Fields = make(map[string]string, n)
	for range n {
		name := text()
		l.Fields[name] = text()
	}
}

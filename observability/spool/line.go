package spool

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// A line is written as flags, then only what the line before in its frame does not say already: the lines of one
// Append mostly share where they come from. Strings are a length and their bytes, numbers are varints.

const (
	hasPlace   = 1 << iota // project to source differ from the line before
	hasRaw                 // as written differs from the message
	hasFields              // a count, then names and values
	hasEnd                 // end time and number
	isCut                  // Truncated
	levelShift = 5         // the level's index lies above the flags
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
	dst = appendText(dst, l.Message)
	if l.Raw != "" {
		dst = appendText(dst, l.Raw)
	}
	if len(l.Fields) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(l.Fields)))
		for name, value := range l.Fields {
			dst = appendText(appendText(dst, name), value)
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

func (r *lineReader) string() string {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.text)-r.at) {
		r.bad = true
		return ""
	}
	s := r.text[r.at : r.at+int(n)]
	r.at += int(n)
	return s
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
	l.Seq, l.Message = r.uvarint(), r.string()
	l.Raw, l.Fields, l.EndAt, l.EndSeq = "", nil, time.Time{}, 0
	if flags&hasRaw != 0 {
		l.Raw = r.string()
	}
	if flags&hasFields != 0 {
		r.fields(l)
	}
	if flags&hasEnd != 0 {
		l.EndAt = r.time(l.At)
		l.EndSeq = r.uvarint()
	}
	l.Truncated = flags&isCut != 0
	level := flags >> levelShift
	if r.bad || level >= uint64(len(levels)) {
		return 0, errGarbled
	}
	l.Level = levels[level]
	return step, nil
}

func (r *lineReader) fields(l *observability.Line) {
	n := r.uvarint()
	if n > observability.MaxFields {
		r.bad = true
		return
	}
	l.Fields = make(map[string]string, n)
	for range n {
		name := r.string()
		l.Fields[name] = r.string()
	}
}

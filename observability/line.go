package observability

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Limits of the fields of a line; what is beyond them is dropped and Truncated is set.
const (
	MaxFields     = 64
	MaxFieldName  = 100
	MaxFieldValue = 4 << 10
)

// CutMark ends a message, and a text as written, that was longer than MaxLineBytes.
const CutMark = " [cut]"

// Normal returns l as every store keeps it: text that is not UTF-8 escaped as \xNN, over-long text cut with Truncated
// set, fields within their limits, times in UTC. It does not change l's own map.
func (l Line) Normal() Line {
	l.At = l.At.UTC()
	if !l.EndAt.IsZero() {
		l.EndAt = l.EndAt.UTC()
	}
	for _, text := range []*string{
		&l.Project, &l.Environment, &l.Service, &l.Deploy, &l.Instance, &l.Source, &l.Stream,
	} {
		*text = EscapeInvalid(*text)
	}
	for _, text := range []*string{&l.Message, &l.Raw} {
		if *text = EscapeInvalid(*text); len(*text) > MaxLineBytes {
			*text, _ = Cut(*text, MaxLineBytes-len(CutMark))
			*text, l.Truncated = *text+CutMark, true
		}
	}
	if !fieldsAreNormal(l.Fields) {
		var cut bool
		l.Fields, cut = normalFields(l.Fields)
		l.Truncated = l.Truncated || cut
	}
	return l
}

// IsNormal reports whether Normal would change nothing, which is quicker to say than to do.
func (l *Line) IsNormal() bool {
	if l.At.Location() != time.UTC || l.EndAt.Location() != time.UTC || len(l.Message) > MaxLineBytes || len(l.Raw) > MaxLineBytes {
		return false
	}
	return utf8.ValidString(l.Raw) && utf8.ValidString(l.Message) &&
		utf8.ValidString(l.Project) && utf8.ValidString(l.Environment) && utf8.ValidString(l.Service) && utf8.ValidString(l.Deploy) &&
		utf8.ValidString(l.Instance) && utf8.ValidString(l.Source) && utf8.ValidString(l.Stream) && fieldsAreNormal(l.Fields)
}

type appender interface {
	Append(ctx context.Context, lines []Line) error
}

// AppendNormal appends lines in normal form to a store. One with a method AppendNormal need not look at each line again to
// see that it is.
func AppendNormal(ctx context.Context, store appender, lines []Line) error {
	if quick, ok := store.(interface {
		AppendNormal(ctx context.Context, lines []Line) error
	}); ok {
		return quick.AppendNormal(ctx, lines)
	}
	return store.Append(ctx, lines)
}

// NormalLines returns lines in normal form: lines itself when all are.
func NormalLines(lines []Line) []Line {
	for i := range lines {
		if !lines[i].IsNormal() {
			out := make([]Line, len(lines))
			for i := range lines {
				out[i] = lines[i].Normal()
			}
			return out
		}
	}
	return lines
}

func fieldsAreNormal(fields map[string]string) bool {
	if len(fields) > MaxFields {
		return false
	}
	for k, v := range fields {
		if k == "" || v == "" || len(k) > MaxFieldName || len(v) > MaxFieldValue || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return false
		}
	}
	return true
}

func normalFields(fields map[string]string) (kept map[string]string, cut bool) {
	kept = make(map[string]string, min(len(fields), MaxFields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		name, value := EscapeInvalid(k), EscapeInvalid(fields[k])
		if name == "" || value == "" {
			continue
		}
		if len(name) > MaxFieldName || len(kept) == MaxFields {
			cut = true
			continue
		}
		short, over := Cut(value, MaxFieldValue)
		cut = cut || over
		kept[name] = short
	}
	return kept, cut
}

// EscapeInvalid returns s with each byte that is not part of valid UTF-8 written as \xNN. Valid text is returned as it is.
func EscapeInvalid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// Cut returns s cut to at most n bytes on a rune boundary, and whether it was cut.
func Cut(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}

// PlaceIn returns where part stands in text when it is a part of text's own bytes, as a slice of it is; -1 otherwise, even
// when text holds the same. It costs two comparisons, and so tells in a moment what a parser took out of a line.
func PlaceIn(text, part string) int {
	if part == "" || len(part) > len(text) {
		return -1
	}
	at := uintptr(unsafe.Pointer(unsafe.StringData(part))) - uintptr(unsafe.Pointer(unsafe.StringData(text)))
	if at > uintptr(len(text)-len(part)) || text[at:at+uintptr(len(part))] != part { // which is no more than to compare two addresses
		return -1
	}
	return int(at)
}

// End is the place of a part in its stream.
type End struct {
	At  time.Time `json:"at"`
	Seq uint64    `json:"seq"`
}

// Before reports whether e comes before other in their stream.
func (e End) Before(other End) bool {
	return e.At.Before(other.At) || e.At.Equal(other.At) && e.Seq < other.Seq
}

// End returns the place of the last part of l.
func (l Line) End() (time.Time, uint64) {
	if l.EndAt.IsZero() {
		return l.At, l.Seq
	}
	return l.EndAt, l.EndSeq
}

// Compare orders lines: by time, then by where they come from, then by Seq. Every store answers in this order.
func Compare(a, b Line) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Project, b.Project), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Service, b.Service),
		cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Deploy, b.Deploy), cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Message, b.Message),
	)
}

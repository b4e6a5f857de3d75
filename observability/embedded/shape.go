package embedded

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// A line of JSON or logfmt says twice what its message and fields say: in them, and in the text as it was written. Its
// shape is that text with a mark in place of each value that stands in a column of its own. Lines of one statement in a
// program have the same shape, so that a block of them holds it once; text from shape and columns is the text byte for byte.
const (
	markBegin = '\x01' // then the name of a field, "" for the message
	markEnd   = '\x02'
	// shortest value that is looked for anywhere in the text, and not only behind its name.
	anywhere = 10
)

// cut is a place of the text that a mark stands for.
type cut struct {
	from, to int
	name     string
}

// shapeOf returns the shape of l.Raw, false when there is none: nothing of it stands elsewhere, or it holds a mark itself.
func shapeOf(l *observability.Line, cuts []cut) (string, []cut, bool) {
	raw := l.Raw
	if strings.IndexByte(raw, markBegin) >= 0 || strings.IndexByte(raw, markEnd) >= 0 {
		return "", cuts, false
	}
	cuts = cuts[:0]
	for name, value := range l.Fields {
		if from := placeOf(raw, name, value); from >= 0 && strings.IndexByte(name, markEnd) < 0 {
			cuts = append(cuts, cut{from, from + len(value), name})
		}
	}
	if from := strings.Index(raw, l.Message); from >= 0 && l.Message != "" {
		cuts = append(cuts, cut{from, from + len(l.Message), ""})
	}
	if len(cuts) == 0 {
		return "", cuts, false
	}
	// The longest of two that overlap stays; by name where both are the same place, so that the shape is always the same.
	slices.SortFunc(cuts, func(a, b cut) int {
		return cmp.Or(cmp.Compare(b.to-b.from, a.to-a.from), cmp.Compare(a.from, b.from), cmp.Compare(a.name, b.name))
	})
	kept := cuts[:0]
	for _, c := range cuts {
		if !slices.ContainsFunc(kept, func(k cut) bool { return c.from < k.to && k.from < c.to }) {
			kept = append(kept, c)
		}
	}
	slices.SortFunc(kept, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	b.Grow(len(raw))
	end := 0
	for _, c := range kept {
		b.WriteString(raw[end:c.from])
		b.WriteByte(markBegin)
		b.WriteString(c.name)
		b.WriteByte(markEnd)
		end = c.to
	}
	b.WriteString(raw[end:])
	return b.String(), cuts, true
}

// placeOf returns where the value of a field stands in the text: behind its name, as in name=value and "name": "value",
// or, for a long one, anywhere. It is -1 where it does not, since it was unescaped, say.
func placeOf(raw, name, value string) int {
	key := name
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		key = name[dot+1:]
	}
	for at := 0; key != ""; {
		i := strings.Index(raw[at:], key)
		if i < 0 {
			break
		}
		at += i + len(key)
		if rest, ok := behind(raw[at:]); ok && strings.HasPrefix(raw[at+rest:], value) {
			return at + rest
		}
	}
	if len(value) >= anywhere {
		return strings.Index(raw, value)
	}
	return -1
}

// behind returns where a value begins that follows a name: past a quote, a colon or an equals sign, blanks and a quote.
func behind(text string) (int, bool) {
	i := 0
	skip := func(chars string) bool {
		if i < len(text) && strings.IndexByte(chars, text[i]) >= 0 {
			i++
			return true
		}
		return false
	}
	skip(`"'`)
	if !skip(":=") {
		return 0, false
	}
	for skip(" ") {
	}
	skip(`"'`)
	return i, true
}

// textOf fills in a shape; it is the text that shapeOf was given.
func textOf(shape, message string, fields map[string]string) string {
	var b strings.Builder
	for {
		from := strings.IndexByte(shape, markBegin)
		if from < 0 {
			break
		}
		length := strings.IndexByte(shape[from:], markEnd)
		if length < 0 {
			break
		}
		b.WriteString(shape[:from])
		if name := shape[from+1 : from+length]; name == "" {
			b.WriteString(message)
		} else {
			b.WriteString(fields[name])
		}
		shape = shape[from+length+1:]
	}
	b.WriteString(shape)
	return b.String()
}

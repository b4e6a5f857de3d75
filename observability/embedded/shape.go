package embedded

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// A line of JSON or logfmt says twice what its message and fields say: in them, and in the text as it was written. Its
// shape is that text with a mark in place of its level and of each value that stands in a column of its own. Lines of one
// statement in a program have the same shape, so that a block of them holds it once; text from shape and columns is the
// text byte for byte.
const (
	markBegin = '\x01' // then the name of a field, "" for the message, or one of the marks below
	markEnd   = '\x02'
	// What stands for the level, in small letters and in capitals. No field has such a mark.
	markLevel   = "\x01"
	markCapital = "\x01\x01"
	// shortest value that is looked for anywhere in the text, and not only behind its name.
	anywhere = 10
)

// cut is a place of the text that a mark stands for.
type cut struct {
	from, to int
	name     string
}

// shaper makes shapes. It keeps its memory from line to line, and the last shape, which is mostly the next one too.
type shaper struct {
	cuts []cut
	kept []cut
	text []byte
	last string
}

// shapeOf returns the shape of l.Raw, false when there is none: nothing of it stands elsewhere, or it holds a mark itself.
// columns are those of the fields, and values what these hold.
func (s *shaper) shapeOf(l *observability.Line, columns []column, values []string) (string, bool) {
	raw := l.Raw
	if raw == "" || strings.IndexByte(raw, markBegin) >= 0 || strings.IndexByte(raw, markEnd) >= 0 {
		return "", false
	}
	s.cuts = s.cuts[:0]
	for i, column := range columns {
		name := column.name()
		if strings.IndexByte(name, markEnd) >= 0 || name[0] == markBegin {
			continue
		}
		s.cut(raw, name, values[i], placeOf)
	}
	s.cut(raw, "", l.Message, func(raw, _, message string) int { return strings.Index(raw, message) })
	if len(s.cuts) == 0 {
		return "", false
	}
	s.cutLevel(raw, l.Level)
	slices.SortFunc(s.cuts, func(a, b cut) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), strings.Compare(a.name, b.name))
	})
	s.text = s.text[:0]
	end := 0
	for _, c := range s.apart() {
		s.text = append(append(append(append(s.text, raw[end:c.from]...), markBegin), c.name...), markEnd)
		end = c.to
	}
	s.text = append(s.text, raw[end:]...)
	if string(s.text) != s.last {
		s.last = string(s.text)
	}
	return s.last, true
}

// cut notes where a value stands in the text: as a part of it, where the parser left it, else where search finds it.
func (s *shaper) cut(raw, name, value string, search func(raw, name, value string) int) {
	if value == "" {
		return
	}
	from := observability.PlaceIn(raw, value)
	if from < 0 {
		from = search(raw, name, value)
	}
	if from >= 0 {
		s.cuts = append(s.cuts, cut{from, from + len(value), name})
	}
}

// cutLevel notes where the level stands: behind a quote or an equals sign, as a whole word.
func (s *shaper) cutLevel(raw string, level observability.Level) {
	if level == observability.LevelUnknown {
		return
	}
	for _, word := range [2]struct{ text, mark string }{{string(level), markLevel}, {capital(level), markCapital}} {
		for at := 0; ; {
			i := strings.Index(raw[at:], word.text)
			if i < 0 {
				break
			}
			from, to := at+i, at+i+len(word.text)
			if from > 0 && strings.IndexByte(`"'=`, raw[from-1]) >= 0 && (to == len(raw) || strings.IndexByte("\"' ,\n", raw[to]) >= 0) {
				s.cuts = append(s.cuts, cut{from, to, word.mark})
				return
			}
			at = to
		}
	}
}

// capital is a level in capitals.
func capital(level observability.Level) string {
	switch level {
	case observability.LevelDebug:
		return "DEBUG"
	case observability.LevelInfo:
		return "INFO"
	case observability.LevelWarn:
		return "WARN"
	case observability.LevelError:
		return "ERROR"
	case observability.LevelFatal:
		return "FATAL"
	default:
		return strings.ToUpper(string(level))
	}
}

// apart returns the cuts, which are sorted by their place, without those that overlap a longer one: of two at the same
// place the one whose name comes first stays, so that the shape is always the same.
func (s *shaper) apart() []cut {
	overlap := false
	for i := 1; i < len(s.cuts); i++ {
		overlap = overlap || s.cuts[i].from < s.cuts[i-1].to
	}
	if !overlap {
		return s.cuts
	}
	slices.SortFunc(s.cuts, func(a, b cut) int {
		return cmp.Or(cmp.Compare(b.to-b.from, a.to-a.from), cmp.Compare(a.from, b.from), strings.Compare(a.name, b.name))
	})
	s.kept = s.kept[:0]
	for _, c := range s.cuts {
		if !slices.ContainsFunc(s.kept, func(k cut) bool { return c.from < k.to && k.from < c.to }) {
			s.kept = append(s.kept, c)
		}
	}
	slices.SortFunc(s.kept, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	return s.kept
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

// textOf fills in a shape from the line that it is of; it is the text that shapeOf was given.
func textOf(shape string, l *observability.Line) string {
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
		switch name := shape[from+1 : from+length]; name {
		case "":
			b.WriteString(l.Message)
		case markLevel:
			b.WriteString(string(l.Level))
		case markCapital:
			b.WriteString(capital(l.Level))
		default:
			b.WriteString(l.Fields[name])
		}
		shape = shape[from+length+1:]
	}
	b.WriteString(shape)
	return b.String()
}

package loki

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grafana/loki/pkg/push"

	"github.com/fairlead/fairlead/observability"
)

// Labels of a stream. There are no others: each combination of values is a stream with a cost of its own.
const (
	labelProject     = "project"
	labelEnvironment = "environment"
	labelService     = "service"
	labelStream      = "stream"
	labelLevel       = "level"
)

// Names of what is kept beside a line as structured metadata. Fields of the line itself follow fieldPrefix, so that they
// cannot pass for one of ours.
const (
	metaRelease   = "release"
	metaDeploy    = "deploy"
	metaInstance  = "instance"
	metaSource    = "source"
	metaSeq       = "seq"
	metaEndAt     = "end_at"
	metaEndSeq    = "end_seq"
	metaRaw       = "raw"
	metaTruncated = "truncated"
	metaNoProject = "no_project"
	fieldPrefix   = "f_"
)

// noProject stands in for the project of a line that has none, beside metaNoProject: a stream needs a label that every
// query can name.
const noProject = "none"

// serverLimits are what the server said it takes at most; 0 is not known yet. It only says so by refusing.
type serverLimits struct{ line, metadata, count atomic.Int64 }

// lower notes a limit, and reports whether that changes what is sent.
func lower(limit *atomic.Int64, to int64) bool {
	for {
		now := limit.Load()
		if to <= 0 || now != 0 && now <= to {
			return false
		}
		if limit.CompareAndSwap(now, to) {
			return true
		}
	}
}

// place is what the labels of a line's stream are made of.
type place struct{ environment, level, project, service, stream string }

func placeOf(l *observability.Line) place {
	return place{l.Environment, string(l.Level), l.Project, l.Service, l.Stream}
}

// streamNames are the labels of the streams that lines came from lately, so that not each line writes them anew.
type streamNames map[place]string

const maxStreamNames = 1000

func (s streamNames) of(l *observability.Line) string {
	key := placeOf(l)
	if name, ok := s[key]; ok {
		return name
	}
	name := streamOf(l)
	if len(s) >= maxStreamNames {
		clear(s)
	}
	for _, text := range []*string{&key.environment, &key.level, &key.project, &key.service, &key.stream} {
		*text = strings.Clone(*text) // which may be a part of something large
	}
	s[key] = name
	return name
}

// streamOf returns the labels of the stream that a normal line belongs to, as Loki writes them.
func streamOf(l *observability.Line) string {
	project := l.Project
	if project == "" {
		project = noProject
	}
	var b strings.Builder
	b.WriteByte('{')
	for _, label := range []struct{ name, value string }{
		{labelEnvironment, l.Environment}, {labelLevel, string(l.Level)}, {labelProject, project}, {labelService, l.Service}, {labelStream, l.Stream},
	} {
		if label.value == "" {
			continue
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(label.name + "=" + quote(escapeValue(label.value)))
	}
	b.WriteByte('}')
	return b.String()
}

// writer makes entries of lines, within the server's limits. It keeps what lines of one program share.
type writer struct {
	limits *serverLimits
	names  map[string]string // of fields, as they are kept
	order  []string          // the fields of the line before, in order
	meta   []push.LabelAdapter
}

// entry returns a normal line as an entry. What is beyond the server's limits is cut, and truncated set: the text, then of
// the rest first the raw form, then the largest fields.
func (w *writer) entry(l *observability.Line) (entry push.Entry, cut bool) {
	text := l.Message
	if limit := int(w.limits.line.Load()); limit > 0 {
		text, cut = observability.Cut(text, limit)
	}
	meta := w.metadata(l)
	meta, less := fit(meta, int(w.limits.metadata.Load()), int(w.limits.count.Load()))
	cut = cut || less
	if cut && !l.Truncated {
		meta = append(meta, push.LabelAdapter{Name: metaTruncated, Value: "1"})
	}
	return push.Entry{Timestamp: l.At, Line: text, StructuredMetadata: meta}, cut
}

const (
	ownMeta  = 10       // pairs of a line besides its fields, at most
	metaRoom = 64 << 10 // pairs that get their memory at once
)

func (w *writer) metadata(l *observability.Line) push.LabelsAdapter {
	most := ownMeta + len(l.Fields)
	if cap(w.meta)-len(w.meta) < most {
		w.meta = make([]push.LabelAdapter, 0, min(max(most, 2*cap(w.meta), 16*most), max(most, metaRoom)))
	}
	meta := w.meta[len(w.meta) : len(w.meta) : len(w.meta)+most]
	add := func(name, value string) {
		if value != "" {
			meta = append(meta, push.LabelAdapter{Name: name, Value: escapeValue(value)})
		}
	}
	if l.Release != 0 {
		add(metaRelease, strconv.Itoa(l.Release))
	}
	add(metaDeploy, l.Deploy)
	add(metaInstance, l.Instance)
	add(metaSource, l.Source)
	add(metaSeq, strconv.FormatUint(l.Seq, 10))
	if !l.EndAt.IsZero() {
		add(metaEndAt, strconv.FormatInt(l.EndAt.UnixNano(), 10))
		add(metaEndSeq, strconv.FormatUint(l.EndSeq, 10))
	}
	if l.Truncated {
		add(metaTruncated, "1")
	}
	if l.Project == "" {
		add(metaNoProject, "1")
	}
	add(metaRaw, l.Raw)
	for _, name := range w.sorted(l.Fields) {
		add(w.fieldName(name), l.Fields[name])
	}
	w.meta = w.meta[:len(w.meta)+len(meta)]
	return meta[:len(meta):len(meta)]
}

// sorted returns the names of fields in order. Lines that follow each other mostly have the same.
func (w *writer) sorted(fields map[string]string) []string {
	same := len(fields) == len(w.order)
	for i := 0; same && i < len(w.order); i++ {
		_, same = fields[w.order[i]]
	}
	if !same {
		w.order = w.order[:0]
		for name := range fields {
			w.order = append(w.order, name)
		}
		slices.Sort(w.order)
	}
	return w.order
}

func (w *writer) fieldName(field string) string {
	name, ok := w.names[field]
	if !ok {
		if w.names == nil {
			w.names = make(map[string]string)
		}
		name = fieldName(field)
		w.names[field] = name
	}
	return name
}

// fit drops what does not fit into size bytes and count pairs, leaving room for metaTruncated; 0 is no limit.
func fit(meta push.LabelsAdapter, size, count int) (kept push.LabelsAdapter, less bool) {
	const room = len(metaTruncated) + 1
	weight := func(m push.LabelAdapter) int { return len(m.Name) + len(m.Value) }
	total := 0
	for _, m := range meta {
		total += weight(m)
	}
	over := func() bool { return size > 0 && total > size || count > 0 && len(meta) > count }
	if !over() {
		return meta, false
	}
	size, count = max(size-room, 0), max(count-1, 0)
	order := slices.Clone(meta)
	slices.SortStableFunc(order, func(a, b push.LabelAdapter) int {
		return cmp.Or(-cmp.Compare(dropRank(a.Name), dropRank(b.Name)), -cmp.Compare(weight(a), weight(b)))
	})
	for _, m := range order {
		if !over() || dropRank(m.Name) == 0 {
			break
		}
		total -= weight(m)
		meta = slices.DeleteFunc(meta, func(have push.LabelAdapter) bool { return have.Name == m.Name })
	}
	return meta, true
}

// dropRank says what may go first when not all of a line's metadata fits; 0 never goes.
func dropRank(name string) int {
	switch {
	case name == metaRaw:
		return 2
	case strings.HasPrefix(name, fieldPrefix):
		return 1
	}
	return 0
}

// lineOf returns the line of an entry and the labels of its stream. Names that are not ours are left out.
func lineOf(labels map[string]string, at time.Time, text string, meta map[string]string) observability.Line {
	l := observability.Line{
		At: at.UTC(), Message: text,
		Project: unescapeValue(labels[labelProject]), Environment: unescapeValue(labels[labelEnvironment]),
		Service: unescapeValue(labels[labelService]), Stream: unescapeValue(labels[labelStream]), Level: observability.Level(unescapeValue(labels[labelLevel])),
	}
	// Servers that do not tell metadata apart answer it among the labels.
	for _, pairs := range []map[string]string{labels, meta} {
		for name, value := range pairs {
			setMeta(&l, name, unescapeValue(value))
		}
	}
	return l
}

func setMeta(l *observability.Line, name, value string) {
	switch name {
	case metaRelease:
		l.Release, _ = strconv.Atoi(value)
	case metaDeploy:
		l.Deploy = value
	case metaInstance:
		l.Instance = value
	case metaSource:
		l.Source = value
	case metaSeq:
		l.Seq, _ = strconv.ParseUint(value, 10, 64)
	case metaEndAt:
		if nanos, err := strconv.ParseInt(value, 10, 64); err == nil {
			l.EndAt = time.Unix(0, nanos).UTC()
		}
	case metaEndSeq:
		l.EndSeq, _ = strconv.ParseUint(value, 10, 64)
	case metaRaw:
		l.Raw = value
	case metaTruncated:
		l.Truncated = true
	case metaNoProject:
		l.Project = ""
	default:
		if field, ours := fieldOf(name); ours {
			if l.Fields == nil {
				l.Fields = make(map[string]string)
			}
			l.Fields[field] = value
		}
	}
}

// fieldName returns the name under which a field is kept. Loki rewrites names that are not of letters, digits and single
// underscores, and so would make two of them one; those bytes, and Z itself, are written as Z and two hex digits.
func fieldName(field string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(fieldPrefix) + len(field) + 8)
	b.WriteString(fieldPrefix)
	underscore := true
	for i := range len(field) {
		c := field[i]
		plain := c != 'Z' && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') || c == '_' && !underscore
		if plain {
			b.WriteByte(c)
		} else {
			b.WriteByte('Z')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
		underscore = plain && c == '_'
	}
	return b.String()
}

// fieldOf undoes fieldName.
func fieldOf(name string) (field string, ours bool) {
	name, ours = strings.CutPrefix(name, fieldPrefix)
	if !ours || name == "" {
		return "", false
	}
	if !strings.Contains(name, "Z") {
		return name, true
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != 'Z' {
			b.WriteByte(name[i])
			continue
		}
		if i+3 > len(name) {
			return "", false
		}
		c, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}

// Loki removes the replacement character from metadata, so it is written as two others.
var (
	valueEscaper   = strings.NewReplacer("\x1a", "\x1a1", "\ufffd", "\x1a2")
	valueUnescaper = strings.NewReplacer("\x1a1", "\x1a", "\x1a2", "\ufffd")
)

func escapeValue(s string) string {
	if strings.IndexByte(s, 0x1a) < 0 && !strings.Contains(s, "\ufffd") {
		return s
	}
	return valueEscaper.Replace(s)
}

func unescapeValue(s string) string {
	if !strings.Contains(s, "\x1a") {
		return s
	}
	return valueUnescaper.Replace(s)
}

// quote writes s as a string of LogQL and of label sets. Both read Go's own syntax, so no value can end its quotes.
func quote(s string) string { return strconv.Quote(observability.EscapeInvalid(s)) }

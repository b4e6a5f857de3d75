package embedded

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
)

// Columns of a stored line. Fields of the line itself follow fieldPrefix, so that they cannot pass for one of ours.
const (
	colMessage     = "_msg"
	colTags        = "_stream" // of the library
	colProject     = "project"
	colEnvironment = "environment"
	colService     = "service"
	colInstance    = "instance"
	colSource      = "source"
	colRelease     = "release"
	colDeploy      = "deploy"
	colStream      = "stream"
	colLevel       = "level"
	colRaw         = "raw"
	colShape       = "shape" // in place of raw
	colSeq         = "seq"
	colCut         = "cut"
	colEndAt       = "end_at"
	colEndSeq      = "end_seq"
	colMark        = "mark" // of a row that is no line, see Logs.Reindex
	fieldPrefix    = "f."
	packedPrefix   = "x." // of a field whose value is packed
)

// row is one line's columns; it keeps its memory from line to line.
type row struct {
	fields []logstorage.Field
	tags   []logstorage.Field // what is indexed; lines that share it lie together on disk
	bytes  int                // of all values
	shaper shaper
	order  []column          // of the fields of the line before
	values []string          // of the line's fields, in that order
	packed []int             // which of them are packed
	names  map[string]column // by the names of fields, so that not each line makes them anew
}

// column says where the values of a field are.
type column struct{ plain, packed string }

// name is the field.
func (c column) name() string { return c.plain[len(fieldPrefix):] }

// maxNames bounds row.names: a program may invent names without end.
const maxNames = 1000

// fill sets the columns of a normal line, in the order of their names, in which the library sorts them. Empty columns are
// left out: the library takes them for absent.
func (r *row) fill(l *observability.Line) {
	r.fields, r.tags, r.bytes = r.fields[:0], r.tags[:0], 0
	r.sort(l.Fields)
	shape, shaped := r.shaper.shapeOf(l, r.order, r.values)
	r.add(colMessage, l.Message)
	if l.Truncated {
		r.add(colCut, "1")
	}
	r.add(colDeploy, l.Deploy)
	if !l.EndAt.IsZero() {
		r.add(colEndAt, strconv.FormatInt(l.EndAt.UnixNano(), 10))
		r.add(colEndSeq, strconv.FormatUint(l.EndSeq, 10))
	}
	r.tag(colEnvironment, l.Environment)
	r.packed = r.packed[:0]
	for i, value := range r.values {
		if isPackable(value) {
			r.packed = append(r.packed, i)
		} else {
			r.add(r.order[i].plain, value)
		}
	}
	r.tag(colInstance, l.Instance)
	r.add(colLevel, string(l.Level))
	r.tag(colProject, l.Project)
	if !shaped {
		r.add(colRaw, l.Raw)
	}
	if l.Release != 0 {
		r.add(colRelease, strconv.Itoa(l.Release))
	}
	// Seq is always there, so that a row is never without columns.
	r.add(colSeq, strconv.FormatUint(l.Seq, 10))
	r.tag(colService, l.Service)
	if shaped {
		r.add(colShape, shape)
	}
	r.tag(colSource, l.Source)
	r.add(colStream, l.Stream)
	for _, i := range r.packed {
		r.add(r.order[i].packed, pack(r.values[i]))
	}
}

func (r *row) add(name, value string) {
	if value != "" {
		r.fields = append(r.fields, logstorage.Field{Name: name, Value: value})
		r.bytes += len(value)
	}
}

// tag adds what is indexed, and is no column: the library gives it back with each block, as the block's stream.
func (r *row) tag(name, value string) {
	if value != "" {
		r.tags = append(r.tags, logstorage.Field{Name: name, Value: value})
	}
}

// sort sets order to the columns of the fields, and values to what they hold. Lines that follow each other mostly have
// the same columns.
func (r *row) sort(fields map[string]string) {
	if len(fields) == len(r.order) && r.take(fields) {
		return
	}
	r.order = r.order[:0]
	for name := range fields {
		r.order = append(r.order, r.column(name))
	}
	slices.SortFunc(r.order, func(a, b column) int { return strings.Compare(a.plain, b.plain) })
	r.take(fields)
}

// take sets values to those of the columns in order, false when a column is none of the fields.
func (r *row) take(fields map[string]string) bool {
	r.values = r.values[:0]
	for _, column := range r.order {
		value, ok := fields[column.name()]
		if !ok {
			return false
		}
		r.values = append(r.values, value)
	}
	return true
}

// column returns the column of a field.
func (r *row) column(field string) column {
	known, ok := r.names[field]
	if ok {
		return known
	}
	made := column{fieldPrefix + field, packedPrefix + field}
	if r.names == nil {
		r.names = make(map[string]column)
	}
	if len(r.names) < maxNames {
		r.names[made.name()] = made // and not field, which may be a part of something large
	}
	return made
}

// lineOf reads row i of a block. The block's strings live no longer than the callback, so every value is cloned.
func lineOf(columns []logstorage.BlockColumn, i int, at int64) observability.Line {
	l := observability.Line{At: time.Unix(0, at).UTC()}
	shape := ""
	for c := range columns {
		switch value := columns[c].Values[i]; {
		case value == "":
		case columns[c].Name == colShape:
			shape = value
		case columns[c].Name == colTags:
			setTags(&l, value)
		default:
			setColumn(&l, columns[c].Name, value)
		}
	}
	if shape != "" {
		l.Raw = textOf(shape, &l)
	}
	return l
}

// setTags reads the library's own writing of what is indexed: {name="value",name="value"}, its values in Go's quotes.
func setTags(l *observability.Line, tags string) {
	rest := strings.Trim(tags, "{}")
	for rest != "" {
		name, quoted, ok := strings.Cut(rest, "=")
		text, err := strconv.QuotedPrefix(quoted)
		if !ok || err != nil {
			return
		}
		value, err := strconv.Unquote(text)
		if err != nil {
			return
		}
		setColumn(l, name, value)
		rest = strings.TrimPrefix(quoted[len(text):], ",")
	}
}

func setColumn(l *observability.Line, name, value string) {
	switch name {
	case colMessage:
		l.Message = strings.Clone(value)
	case colProject:
		l.Project = strings.Clone(value)
	case colEnvironment:
		l.Environment = strings.Clone(value)
	case colService:
		l.Service = strings.Clone(value)
	case colInstance:
		l.Instance = strings.Clone(value)
	case colSource:
		l.Source = strings.Clone(value)
	case colDeploy:
		l.Deploy = strings.Clone(value)
	case colStream:
		l.Stream = strings.Clone(value)
	case colLevel:
		l.Level = observability.Level(strings.Clone(value))
	case colRaw:
		l.Raw = strings.Clone(value)
	case colRelease:
		l.Release, _ = strconv.Atoi(value)
	case colSeq:
		l.Seq, _ = strconv.ParseUint(value, 10, 64)
	case colCut:
		l.Truncated = true
	case colEndAt:
		nanos, _ := strconv.ParseInt(value, 10, 64)
		l.EndAt = time.Unix(0, nanos).UTC()
	case colEndSeq:
		l.EndSeq, _ = strconv.ParseUint(value, 10, 64)
	default:
		if field, ours := strings.CutPrefix(name, fieldPrefix); ours {
			setField(l, field, strings.Clone(value))
		} else if field, ours := strings.CutPrefix(name, packedPrefix); ours {
			setField(l, field, hex.EncodeToString([]byte(value)))
		}
	}
}

func setField(l *observability.Line, name, value string) {
	if l.Fields == nil {
		l.Fields = make(map[string]string)
	}
	l.Fields[strings.Clone(name)] = value
}

// Ids of traces, digests and the like are random bytes in hexadecimal, of which the library's compression saves nothing:
// they are kept as the bytes.
const (
	leastPacked = 16
	mostPacked  = 256
)

// isPackable reports whether a value is an even number of small hexadecimal digits.
func isPackable(value string) bool {
	if len(value) < leastPacked || len(value) > mostPacked || len(value)%2 != 0 {
		return false
	}
	for i := range len(value) {
		if c := value[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// pack returns the bytes of a packable value.
func pack(value string) string {
	var raw [mostPacked / 2]byte
	for i := range len(value) / 2 {
		raw[i] = digit(value[2*i])<<4 | digit(value[2*i+1])
	}
	return string(raw[:len(value)/2])
}

// digit is what a small hexadecimal digit stands for.
func digit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

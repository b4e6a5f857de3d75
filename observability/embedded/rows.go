package embedded

import (
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
)

// Columns of a stored line. Fields of the line itself follow fieldPrefix, so that they cannot pass for one of ours.
const (
	colMessage     = "_msg"
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
	fieldPrefix    = "f."
)

// streamFields are indexed; lines that share them lie together on disk.
var streamFields = []string{colProject, colEnvironment, colService, colInstance, colSource}

// row is one line's columns; it keeps its memory from line to line.
type row struct {
	fields []logstorage.Field
	cuts   []cut
	names  map[string]string // the columns of fields by their names, so that not each line makes them anew
}

// maxNames bounds row.names: a program may invent names without end.
const maxNames = 1000

// fill sets the columns of a normal line, nearly in the order of their names, in which the library sorts them. Empty
// columns are left out: the library takes them for absent.
func (r *row) fill(l *observability.Line) {
	dst := r.fields[:0]
	add := func(name, value string) {
		if value != "" {
			dst = append(dst, logstorage.Field{Name: name, Value: value})
		}
	}
	shape, cuts, shaped := shapeOf(l, r.cuts)
	r.cuts = cuts
	add(colMessage, l.Message)
	if l.Truncated {
		add(colCut, "1")
	}
	add(colDeploy, l.Deploy)
	if !l.EndAt.IsZero() {
		add(colEndAt, strconv.FormatInt(l.EndAt.UnixNano(), 10))
		add(colEndSeq, strconv.FormatUint(l.EndSeq, 10))
	}
	add(colEnvironment, l.Environment)
	for name, value := range l.Fields {
		add(r.column(name), value)
	}
	add(colInstance, l.Instance)
	add(colLevel, string(l.Level))
	add(colProject, l.Project)
	if !shaped {
		add(colRaw, l.Raw)
	}
	if l.Release != 0 {
		add(colRelease, strconv.Itoa(l.Release))
	}
	// Seq is always there, so that a row is never without columns.
	add(colSeq, strconv.FormatUint(l.Seq, 10))
	add(colService, l.Service)
	if shaped {
		add(colShape, shape)
	}
	add(colSource, l.Source)
	add(colStream, l.Stream)
	r.fields = dst
}

// column returns the column of a field.
func (r *row) column(field string) string {
	column, ok := r.names[field]
	if ok {
		return column
	}
	column = fieldPrefix + field
	if r.names == nil {
		r.names = make(map[string]string)
	}
	if len(r.names) < maxNames {
		r.names[field] = column
	}
	return column
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
		default:
			setColumn(&l, columns[c].Name, value)
		}
	}
	if shape != "" {
		l.Raw = textOf(shape, l.Message, l.Fields)
	}
	return l
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
			if l.Fields == nil {
				l.Fields = make(map[string]string)
			}
			l.Fields[strings.Clone(field)] = strings.Clone(value)
		}
	}
}

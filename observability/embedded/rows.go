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
	colSeq         = "seq"
	colCut         = "cut"
	colEndAt       = "end_at"
	colEndSeq      = "end_seq"
	fieldPrefix    = "f."
)

// streamFields are indexed; lines that share them lie together on disk.
var streamFields = []string{colProject, colEnvironment, colService, colInstance, colSource}

// fieldNames are the columns of fields by their names, so that not each line makes them anew.
type fieldNames map[string]string

// maxFieldNames bounds fieldNames: a program may invent names without end.
const maxFieldNames = 1000

func (n fieldNames) column(field string) string {
	if column, ok := n[field]; ok {
		return column
	}
	column := fieldPrefix + field
	if len(n) < maxFieldNames {
		n[field] = column
	}
	return column
}

// appendFields appends the columns of a normal line to dst, nearly in the order of their names, in which the library
// sorts them. Empty columns are left out: the library takes them for absent.
func appendFields(dst []logstorage.Field, l *observability.Line, names fieldNames) []logstorage.Field {
	add := func(name, value string) {
		if value != "" {
			dst = append(dst, logstorage.Field{Name: name, Value: value})
		}
	}
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
		add(names.column(name), value)
	}
	add(colInstance, l.Instance)
	add(colLevel, string(l.Level))
	add(colProject, l.Project)
	add(colRaw, l.Raw)
	if l.Release != 0 {
		add(colRelease, strconv.Itoa(l.Release))
	}
	// Seq is always there, so that a row is never without columns.
	add(colSeq, strconv.FormatUint(l.Seq, 10))
	add(colService, l.Service)
	add(colSource, l.Source)
	add(colStream, l.Stream)
	return dst
}

// lineOf reads row i of a block. The block's strings live no longer than the callback, so every value is cloned.
func lineOf(columns []logstorage.BlockColumn, i int, at int64) observability.Line {
	l := observability.Line{At: time.Unix(0, at).UTC()}
	for c := range columns {
		if columns[c].Values[i] != "" {
			setColumn(&l, columns[c].Name, columns[c].Values[i])
		}
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

package parse

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// Fields under which every line keeps the trace and the span that it belongs to, whatever its format called them.
const (
	traceField = "trace_id"
	spanField  = "span_id"
)

// traceIDs collects the ids of a line's trace: of OpenTelemetry, W3C traceparent, B3, Datadog and X-Ray.
type traceIDs struct {
	trace, span           string
	traceAlias, spanAlias string // the fields that hold the same under another name
}

func (t *traceIDs) count() int {
	n := 0
	if t.trace != "" {
		n++
	}
	if t.span != "" {
		n++
	}
	return n
}

// note looks at one field. The first field that names a trace counts.
func (t *traceIDs) note(name, value string) {
	if len(value) < 8 || len(name) < 6 {
		return
	}
	last := name[len(name)-1] | 0x20
	if last != 'd' && last != 't' && last != 'e' {
		return
	}
	var buffer [24]byte
	key := buffer[:0]
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '-':
		case len(key) == len(buffer):
			return
		case c >= 'A' && c <= 'Z':
			key = append(key, c|0x20)
		default:
			key = append(key, c)
		}
	}
	short := key[bytes.LastIndexByte(key, '.')+1:] // of a header in an object, or dd.trace_id
	switch string(short) {
	case "traceparent":
		t.parent(value)
	case "xamzntraceid", "xraytraceid":
		t.xray(value)
	case "traceid", "oteltraceid", "xb3traceid":
		t.setTrace(name, value)
	case "spanid", "otelspanid", "xb3spanid":
		t.setSpan(name, value)
	case "id":
		switch string(key) {
		case "trace.id":
			t.setTrace(name, value)
		case "span.id":
			t.setSpan(name, value)
		}
	}
}

func (t *traceIDs) setTrace(name, value string) {
	if t.trace == "" && isID(value) {
		t.trace, t.traceAlias = value, name
	}
}

func (t *traceIDs) setSpan(name, value string) {
	if t.span == "" && isID(value) {
		t.span, t.spanAlias = value, name
	}
}

// isID reports whether s may be an id, and is not the zeros that stand for none.
func isID(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 64 && strings.Trim(s, "0-") != ""
}

// parent reads W3C Trace Context: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.
func (t *traceIDs) parent(value string) {
	if len(value) < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-' || !isHex(value[3:35]) || !isHex(value[36:52]) {
		return
	}
	t.setTrace("", value[3:35])
	t.setSpan("", value[36:52])
}

// xray reads Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1. The trace is written as
// OpenTelemetry writes it, without its version and hyphens.
func (t *traceIDs) xray(value string) {
	for part := range strings.SplitSeq(value, ";") {
		if root, ok := strings.CutPrefix(strings.TrimSpace(part), "Root=1-"); ok && len(root) >= 33 && root[8] == '-' && isHex(root[:8]) && isHex(root[9:33]) {
			t.setTrace("", root[:8]+root[9:33])
		} else if parent, ok := strings.CutPrefix(strings.TrimSpace(part), "Parent="); ok && isHex(parent) {
			t.setSpan("", parent)
		}
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return s != ""
}

// search looks for ids in a plain line: name=value, name: value, "name":"value".
func (t *traceIDs) search(text string) {
	for from := 0; ; {
		i := strings.Index(text[from:], "race")
		if i < 0 {
			return
		}
		i += from
		from = i + len("race")
		start, end := i, from
		for start > 0 && isKeyByte(text[start-1]) {
			start--
		}
		for end < len(text) && isKeyByte(text[end]) {
			end++
		}
		from = end
		t.pairAt(text, start, end)
		if t.trace != "" {
			t.searchSpan(text[end:])
			return
		}
	}
}

func (t *traceIDs) searchSpan(text string) {
	text = text[:min(len(text), 160)] // they stand side by side
	if i := strings.Index(text, "pan"); i > 0 && t.span == "" {
		start, end := i, i
		for start > 0 && isKeyByte(text[start-1]) {
			start--
		}
		for end < len(text) && isKeyByte(text[end]) {
			end++
		}
		t.pairAt(text, start, end)
	}
}

func (t *traceIDs) pairAt(text string, start, end int) {
	rest := strings.TrimLeft(text[end:], `"'`)
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		return
	}
	rest = strings.TrimLeft(rest[1:], ` "'`)
	stop := strings.IndexAny(rest, " \t\n\"',)]}")
	if stop < 0 {
		stop = len(rest)
	}
	t.note(text[start:end], rest[:stop])
}

func isKeyByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '-' || c == '.' }

// lift puts what was found into the line's fields. A field that held the same under another name goes.
func (t *traceIDs) lift(l *observability.Line) {
	for _, id := range [2]struct{ name, alias, value string }{{traceField, t.traceAlias, t.trace}, {spanField, t.spanAlias, t.span}} {
		if id.value == "" {
			continue
		}
		if l.Fields == nil {
			l.Fields = make(map[string]string, 2)
		}
		if id.alias != "" && id.alias != id.name && l.Fields[id.alias] == id.value {
			delete(l.Fields, id.alias)
		}
		l.Fields[id.name] = id.value
	}
}

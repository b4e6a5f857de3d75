// Package parse turns what a process wrote into log lines.
//
// It owns the formats (JSON, logfmt, klog, access logs, plain text), the levels, times and trace ids that lines say they
// have, and the joining of what belongs together: stack traces, private keys, JSON over several lines. It is pure: no
// clock, no I/O; times come in with the bytes. It must not know where bytes come from or where lines go. Secrets are
// removed by the function it is given, before a line leaves the package.
package parse

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/secret"
)

// Redact returns text with the secrets in it replaced. Of a text without secrets no part holds one.
type Redact func(text string) string

// Text parses one record, which may span several lines of text, into a copy of base: its Stream is read, and its
// Level, Message, Raw and Fields are set. redact may be nil. The result is in normal form (observability.Line.Normal).
//
// Fields that Text may add to those that were written: trace_id and span_id, and logged_at where the time in the line
// is not that of base.
func Text(base observability.Line, text string, redact Redact) observability.Line {
	return parseText(base.Normal(), text, redact)
}

// parseText is Text for a base in normal form.
func parseText(base observability.Line, text string, redact Redact) observability.Line {
	text = strings.TrimSuffix(text, "\r")
	r, _ := readers.Get().(*reader)
	defer r.release()
	r.line, r.text, r.redact = base, text, redact
	r.line.Level, r.line.Fields = observability.LevelUnknown, nil
	printable := isPrintable(text)
	if printable {
		r.shown = r.hide(text)
		r.clean = r.shown
	} else {
		shown := r.hide(text)
		r.shown, r.clean = observability.EscapeInvalid(shown), clean(shown)
		if again := r.hide(r.clean); again != r.clean { // escapes stood in the middle of a secret
			r.shown, r.clean = again, again
		}
	}
	r.read()
	if r.line.Level == observability.LevelUnknown && base.Stream != "stderr" {
		r.line.Level = observability.LevelInfo
	}
	r.line.Raw = r.shown
	if r.decoded {
		r.hideDecoded()
	}
	if r.line.Raw == r.line.Message {
		r.line.Raw = ""
	}
	if printable && r.shown == text && r.isNormal() {
		return r.line
	}
	return r.line.Normal()
}

// isNormal reports whether all of the line is surely in normal form, given that its text is printable: so is every part of
// it, and no part is longer. It spares most lines being looked at byte by byte once more.
func (r *reader) isNormal() bool {
	return !r.decoded && !r.fields.odd && len(r.text) <= observability.MaxFieldValue && len(r.line.Fields) <= observability.MaxFields
}

// readers spares each record the memory in which its fields are collected.
var readers = sync.Pool{New: func() any { return new(reader) }}

// release gives r back, without what it read.
func (r *reader) release() {
	list := r.fields.list
	clear(list)
	*r = reader{fields: fieldList{list: list[:0]}}
	readers.Put(r)
}

// reader is one record on its way to a line.
type reader struct {
	line   observability.Line
	text   string // as it came
	shown  string // without secrets, valid UTF-8
	clean  string // shown without escape sequences and control characters
	redact Redact
	fields fieldList
	// decoded says that a field or the message is not a part of clean, so that it may hold a secret that clean does not.
	decoded bool
}

func (r *reader) hide(text string) string {
	if r.redact == nil {
		return text
	}
	return r.redact(text)
}

func (r *reader) read() {
	r.line.Message = r.clean
	switch {
	case r.readJSON(r.clean), r.readKlog(), r.readLogfmt(r.clean):
	case r.shown != r.text && r.readJSON(clean(r.text)):
		// What hides a number that is a secret is no JSON: read what was written, and hide it in what was read.
		r.decoded = true
	default:
		r.readPlain()
	}
}

// hideDecoded removes secrets that were written with escapes, where their exact value does not appear: once one was
// found in what the text means, the text is not kept.
func (r *reader) hideDecoded() {
	l := &r.line
	fields := make(map[string]string, len(l.Fields))
	changed := false
	for name, value := range l.Fields {
		cleanName, clean := r.hide(name), r.hideValue(name, value)
		changed = changed || clean != value || cleanName != name
		fields[cleanName] = clean
	}
	message := r.hide(l.Message)
	if !changed && message == l.Message {
		return
	}
	if changed {
		l.Fields = fields
		if strings.HasPrefix(strings.TrimSpace(l.Message), "{") || l.Message == l.Raw {
			message = r.hide(pairs(fields))
		}
	}
	l.Message, l.Raw = message, message
}

// hideValue removes what is secret in a value by itself, or because of its name.
func (r *reader) hideValue(name, value string) string {
	clean := r.hide(value)
	if clean != value {
		return clean
	}
	if pair := name + "=" + strconv.Quote(value); r.hide(pair) != pair {
		return secret.Redacted
	}
	return value
}

// Fields does for fields that came beside a text, in place, what Text does for those in it: secrets are removed, by what
// they are and by the names they have, and the ids of a trace get the names that every line has them under.
func Fields(fields map[string]string, redact Redact) {
	r := reader{redact: redact}
	var trace traceIDs
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		delete(fields, name)
		name, value = r.hide(name), r.hideValue(name, stripControls(value))
		fields[name] = value
		trace.note(name, value)
	}
	l := observability.Line{Fields: fields}
	trace.lift(&l)
}

// pairs writes fields as key=value, in order of their names.
func pairs(fields map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + fields[name])
	}
	return b.String()
}

package evidence

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

// Bundle is the frozen evidence of one incident, and the typed view of it. Record holds that view as data, so that the incident
// can be explained again elsewhere; it has no id where the view was read from files.
type Bundle struct {
	Items  []platform.Evidence
	Facts  *causes.Facts
	Record platform.Evidence
}

// Find returns the item with the given id.
func (b Bundle) Find(id platform.EvidenceID) (platform.Evidence, bool) {
	for _, e := range b.Items {
		if e.ID == id {
			return e, true
		}
	}
	return platform.Evidence{}, false
}

// draft is an item before it is sealed. It is written line by line; what does not fit is left out and the item says so.
type draft struct {
	platform.Evidence
	text  strings.Builder
	limit int
}

// write adds one record and reports whether it fits. A record is added whole or not at all, so that facts and excerpt
// hold the same text.
func (d *draft) write(record string) bool {
	if d.text.Len()+len(record)+1 > d.limit {
		d.Truncated = true
		return false
	}
	if d.text.Len() > 0 {
		d.text.WriteByte('\n')
	}
	d.text.WriteString(record)
	return true
}

func (d *draft) writef(format string, args ...any) bool { return d.write(fmt.Sprintf(format, args...)) }

// writer makes the items of one bundle.
type writer struct {
	incident platform.Incident
	opt      Options
	now      time.Time
	redact   func(string) string // of the incident's project
	bundle   *Bundle
}

func (w *writer) draft(kind platform.EvidenceKind, title, source string) *draft {
	d := &draft{limit: w.opt.Bytes}
	d.ID = platform.NewID[platform.EvidenceID](platform.PrefixEvidence)
	d.IncidentID, d.Kind, d.Title, d.Source = w.incident.ID, kind, title, source
	return d
}

// freeze seals the draft and numbers it.
func (w *writer) freeze(d *draft) platform.EvidenceID {
	e := d.Evidence
	e.Excerpt = d.text.String()
	e.Number = len(w.bundle.Items) + 1
	e.At = w.now
	e.Flagged = Instructs(e.Excerpt)
	w.bundle.Items = append(w.bundle.Items, e.Seal())
	return e.ID
}

func (w *writer) gap(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, known := range w.bundle.Facts.Gaps {
		if known == text {
			return
		}
	}
	w.bundle.Facts.Gaps = append(w.bundle.Facts.Gaps, text)
}

// failed records a read that failed. The error's own words are left out: they may hold addresses or credentials.
func (w *writer) failed(what string, err error) {
	w.gap("%s could not be read (%s)", what, platform.CodeOf(err))
}

// clean redacts a text and cuts it, keeping valid UTF-8 without NUL, which no database keeps. Nothing else is changed: it is
// evidence.
func (w *writer) clean(text string, limit int) string {
	text = Redact(w.redact(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

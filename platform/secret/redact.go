package secret

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Redacted stands in place of a secret that no variable names.
const Redacted = "[redacted]"

// MinLength is the shortest value that is redacted: shorter ones occur everywhere by chance.
const MinLength = 4

// Redactor takes secrets out of text: exact values first, longest first, then anything that looks like a credential.
// It may be used by many goroutines.
type Redactor struct {
	values   []string // longest first
	filter   *filter
	replacer *strings.Replacer
}

// NewRedactor returns a redactor of the given values by variable name. A value becomes [redacted:KEY], or [redacted]
// when its key is empty. Each line of a value with several lines is redacted by itself too, since logs are lines.
func NewRedactor(secrets map[string]string) *Redactor {
	marks := map[string]string{}
	for _, key := range slices.Sorted(mapsKeys(secrets)) {
		for _, v := range forms(secrets[key]) {
			if _, taken := marks[v]; !taken {
				marks[v] = mark(key)
			}
		}
	}
	return newRedactor(marks)
}

// NewValueRedactor is NewRedactor for values whose names are not known.
func NewValueRedactor(values []string) *Redactor {
	marks := map[string]string{}
	for _, value := range values {
		for _, v := range forms(value) {
			marks[v] = Redacted
		}
	}
	return newRedactor(marks)
}

func newRedactor(marks map[string]string) *Redactor {
	r := &Redactor{}
	for v := range marks {
		r.values = append(r.values, v)
	}
	slices.SortFunc(r.values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(r.values))
	for _, v := range r.values {
		pairs = append(pairs, v, marks[v]) // the replacer tries them in this order
	}
	r.replacer, r.filter = strings.NewReplacer(pairs...), newFilter(r.values)
	return r
}

func mark(key string) string {
	if key == "" {
		return Redacted
	}
	return "[redacted:" + key + "]"
}

// MinEncoded is the shortest value that is looked for in base64 too: what a shorter one leaves of its letters there
// occurs by chance.
const MinEncoded = 8

// forms are the texts under which a value may appear: as it is, its lines, and what programs make of them when they
// write JSON, a Go or shell quote, a URL or base64.
func forms(value string) []string {
	out := []string{}
	add := func(s string) {
		if len(s) >= MinLength && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	value = strings.TrimSpace(value)
	if len(value) < MinLength {
		return out
	}
	parts := []string{value}
	if strings.Contains(value, "\n") {
		for line := range strings.Lines(value) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	for _, part := range parts {
		add(part)
		for _, escaped := range escapes(part) {
			add(escaped)
		}
	}
	for _, encoded := range base64s(value) {
		add(encoded)
	}
	return out
}

// escapes are a value inside a JSON text (with and without the letters that are escaped for HTML), inside a JSON text
// within a JSON text, inside a Go quote, and inside a URL.
func escapes(value string) []string {
	inner := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	once, html := inner(jsonText(value, false)), inner(jsonText(value, true))
	return []string{
		once, html, inner(jsonText(once, false)), inner(jsonText(html, true)), inner(strconv.Quote(value)), inner(strconv.QuoteToASCII(value)),
		url.QueryEscape(value), url.PathEscape(value),
	}
}

func jsonText(value string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(value) != nil {
		return `""` // no text fails to encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// base64s are the letters that a value surely has in base64, wherever in the encoded text it begins: a header of basic
// authentication holds a user's name before it.
func base64s(value string) []string {
	if len(value) < MinEncoded {
		return nil
	}
	out := []string{}
	for before := range 3 {
		bits := 8 * (before + len(value))
		first, last := (8*before+5)/6, bits/6 // letters that hold no bit of what stands around the value
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out = append(out, alphabet.EncodeToString([]byte(strings.Repeat("\x00", before) + value))[first:last])
		}
	}
	return out
}

func mapsKeys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Redact returns text without secrets. What it returned once, it leaves as it is.
func (r *Redactor) Redact(text string) string {
	if r.filter.mayHold(text) {
		text = r.replacer.Replace(text)
	}
	return redactShapes(text)
}

// Redact returns text without what looks like a credential, for when no values are known.
func Redact(text string) string { return redactShapes(text) }

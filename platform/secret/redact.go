package secret

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
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
	values   []string // longest first; for Contains
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
	r.replacer = strings.NewReplacer(pairs...)
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

// patterns find credentials by their shape. Group 1, where there is one, is kept; the rest is redacted.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`\bflt_[0-9A-Za-z]{16,}`),
	regexp.MustCompile(`(?i)\b(bearer\s+)[0-9a-z._~+/=-]{8,}`),
	regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`),
	regexp.MustCompile(`(?i)(aws_secret_access_key["']?\s*[:=]\s*["']?)[0-9a-z/+=]{40}`),
	regexp.MustCompile(`\bsk-[0-9A-Za-z_-]{20,}`),
	regexp.MustCompile(`\bgh[pousr]_[0-9A-Za-z]{20,}`),
	regexp.MustCompile(`\bgithub_pat_[0-9A-Za-z_]{20,}`),
	regexp.MustCompile(`\bxox[abeoprs]-[0-9A-Za-z-]{10,}`),
	regexp.MustCompile(`\bxapp-[0-9A-Za-z-]{10,}`),
	regexp.MustCompile(`\bhf_[0-9A-Za-z]{20,}`),
	regexp.MustCompile(`\b([a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)`),
}

// shapes are substrings without which no pattern can match: a cheap look that spares ordinary lines the expressions.
var shapes = []string{
	"PRIVATE KEY", "flt_", "AKIA", "ASIA", "sk-", "gh", "xox", "xapp-", "hf_", "://",
}

// Redact returns text without secrets.
func (r *Redactor) Redact(text string) string {
	if len(r.values) > 0 {
		text = r.replacer.Replace(text)
	}
	return redactShapes(text)
}

// Redact returns text without what looks like a credential, for when no values are known.
func Redact(text string) string { return redactShapes(text) }

func redactShapes(text string) string {
	if !mayHoldShape(text) {
		return text
	}
	for _, p := range patterns {
		switch p.NumSubexp() {
		case 0:
			text = p.ReplaceAllString(text, Redacted)
		case 1:
			text = p.ReplaceAllString(text, "${1}"+Redacted)
		default:
			text = p.ReplaceAllString(text, "${1}"+Redacted+"${2}")
		}
	}
	return text
}

func mayHoldShape(text string) bool {
	for _, s := range shapes {
		if strings.Contains(text, s) {
			return true
		}
	}
	lower := strings.ToLower(text)
	return strings.Contains(lower, "bearer") || strings.Contains(lower, "aws_secret")
}

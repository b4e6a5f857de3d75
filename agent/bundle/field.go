package bundle

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// record is one JSON object of which only the outermost level is taken apart: values stay as written until they are asked for.
type record struct {
	fields []field
	inner  *record // for the objects in it, made when one is read
}

type field struct {
	key   string
	value []byte // JSON; valid as long as the line it was read from
}

// parse reads an object into r, whose memory it uses again, and reports whether the line is one.
func (r *record) parse(line []byte) bool {
	r.fields = r.fields[:0]
	i := space(line, 0)
	if i >= len(line) || line[i] != '{' {
		return false
	}
	i = space(line, i+1)
	if i < len(line) && line[i] == '}' {
		return space(line, i+1) == len(line)
	}
	for i < len(line) && line[i] == '"' {
		end := skipString(line, i)
		if end < 0 {
			return false
		}
		key := line[i+1 : end-1]
		i = space(line, end)
		if i >= len(line) || line[i] != ':' {
			return false
		}
		i = space(line, i+1)
		end = skipValue(line, i)
		if end <= i {
			return false
		}
		r.fields = append(r.fields, field{name(key), line[i:end]})
		i = space(line, end)
		switch {
		case i >= len(line):
			return false
		case line[i] == '}':
			return space(line, i+1) == len(line)
		case line[i] != ',':
			return false
		}
		i = space(line, i+1)
	}
	return false
}

// names are the keys that records have most, so that reading one makes no new string.
var names = func() map[string]string {
	out := map[string]string{}
	for _, n := range strings.Fields("ts service instance release level msg fields message trace_id span_id parent_id name duration_ms status error attributes kind id author files diff commit from to timestamp") {
		out[n] = n
	}
	return out
}()

func name(key []byte) string {
	if known, ok := names[string(key)]; ok {
		return known
	}
	return string(key)
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// skipString returns the place after the string that begins at i, or -1.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		at := bytes.IndexByte(b[i:], '"')
		if at < 0 {
			return -1
		}
		end := i + at
		slashes := 0
		for j := end - 1; j >= i && b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		i = end
	}
	return -1
}

// skipValue returns the place after the value that begins at i, or -1.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = skipString(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != ' ' && b[i] != '\t' && b[i] != '\n' && b[i] != '\r' {
		i++
	}
	return i
}

// raw returns the first of the keys that is there and not null.
func (r *record) raw(keys ...string) []byte {
	for _, k := range keys {
		for _, f := range r.fields {
			if f.key == k && !bytes.Equal(f.value, []byte("null")) {
				return f.value
			}
		}
	}
	return nil
}

// text returns a string, or a number or bool as it is written.
func (r *record) text(keys ...string) string { return unquote(r.raw(keys...)) }

func unquote(raw []byte) string {
	if len(raw) >= 2 && raw[0] == '"' {
		if bytes.IndexByte(raw, '\\') < 0 {
			return strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\uFFFD")
		}
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
		return strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\uFFFD")
	}
	return string(raw)
}

// number returns a number that may be written as a string.
func (r *record) number(keys ...string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(r.text(keys...)), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

func (r *record) whole(keys ...string) int {
	v, ok := r.number(keys...)
	if !ok || math.Abs(v) > 1e15 {
		return 0
	}
	return int(v)
}

func (r *record) optional(keys ...string) *float64 {
	if v, ok := r.number(keys...); ok {
		return &v
	}
	return nil
}

func (r *record) yes(keys ...string) bool {
	switch strings.ToLower(r.text(keys...)) {
	case "true", "1", "yes", "ok", "pass", "passed", "success", "healthy":
		return true
	}
	return false
}

// list returns strings, whether the value is a list or one string.
func (r *record) list(keys ...string) []string {
	raw := r.raw(keys...)
	if len(raw) == 0 {
		return nil
	}
	if raw[0] != '[' {
		if s := unquote(raw); s != "" {
			return []string{s}
		}
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil
	}
	var out []string
	for _, item := range items {
		if item[0] == '{' { // {"path": "a.py", ...}
			var inner record
			if inner.parse(item) {
				out = append(out, inner.text("path", "file", "filename", "name"))
			}
			continue
		}
		out = append(out, unquote(item))
	}
	return out
}

// pairs returns an object's members as strings.
func (r *record) pairs(keys ...string) map[string]string {
	var inner record
	raw := r.raw(keys...)
	if len(raw) == 0 || !inner.parse(raw) {
		return nil
	}
	out := make(map[string]string, len(inner.fields))
	for _, f := range inner.fields {
		out[f.key] = unquote(f.value)
	}
	return out
}

// when returns a time, zero when there is none that can be read.
func (r *record) when(keys ...string) time.Time {
	raw := r.raw(keys...)
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	return parseTime(raw)
}

// parseTime reads RFC 3339, with a space for the T and without a zone too, and seconds, milli-, micro- or nanoseconds since 1970.
func parseTime(b []byte) time.Time {
	if t, ok := fastTime(b); ok {
		return t
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return time.Time{}
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return epoch(v)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func epoch(v float64) time.Time {
	switch {
	case math.IsNaN(v) || v <= 0 || v > 1e19:
		return time.Time{}
	case v > 1e17:
		return time.Unix(0, int64(v)).UTC()
	case v > 1e14:
		return time.UnixMicro(int64(v)).UTC()
	case v > 1e11:
		return time.UnixMilli(int64(v)).UTC()
	}
	return time.UnixMilli(int64(v * 1000)).UTC()
}

// fastTime reads the one form that most logs have: 2006-01-02T15:04:05[.fraction]Z.
func fastTime(b []byte) (time.Time, bool) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return time.Time{}, false
	}
	var n [6]int
	for i, at := range [6][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		v, ok := digits(b[at[0]:at[1]])
		if !ok {
			return time.Time{}, false
		}
		n[i] = v
	}
	nanos := 0
	if len(b) > 20 {
		if b[19] != '.' || len(b) > 30 {
			return time.Time{}, false
		}
		v, ok := digits(b[20 : len(b)-1])
		if !ok {
			return time.Time{}, false
		}
		for range 9 - (len(b) - 21) {
			v *= 10
		}
		nanos = v
	}
	if n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 60 {
		return time.Time{}, false
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], nanos, time.UTC), true
}

func digits(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}

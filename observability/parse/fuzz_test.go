package parse_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
)

var seeds = []string{
	"plain", `{"level":"error","msg":"x","a":{"b":[1]}}`, `level=info msg="x y" a=b`, "E0102 15:04:05.123456    1 a.go:1] m", "\x1b[31mred\xff",
	`127.0.0.1 - - [02/Jan/2030:15:04:05 +0000] "GET / HTTP/1.1" 500 12 "-" "curl"`, "[GIN] 2030/01/02 - 15:04:05 | 200 | 1ms | ::1 | GET \"/\"", "<34>Jan  2 15:04:05 h a: b",
	`{"a":"\ud83d\ude00\u0000","b":-1.5e+3,"c":null,"d":[],"e":{}}`, `{"":"no name","msg":"m"}`, `{"` + strings.Repeat("n", observability.MaxFieldName+1) + `":1,"msg":"m"}`, `trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331`, "1:M 02 Jan 2030 15:04:05.000 # x", "\x9b31m\u009d0;t\x07",
}

func FuzzText(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base := observability.Line{At: engineAt, Stream: "stderr"}
		l := parse.Text(base, text, strings.ToUpper)
		require.True(t, utf8.ValidString(l.Message))
		require.True(t, utf8.ValidString(l.Raw))
		require.LessOrEqual(t, len(l.Message), observability.MaxLineBytes)
		require.LessOrEqual(t, len(l.Fields), observability.MaxFields)
		require.True(t, l.Level.Valid())
		require.False(t, strings.ContainsAny(l.Message, "\x00\x07\x1b\x7f"), "%q", l.Message)
		for _, v := range l.Fields {
			require.True(t, utf8.ValidString(v))
			require.False(t, strings.ContainsAny(v, "\x00\x1b"), "%q", v)
		}
		// A message that was not taken out of an envelope reads the same when it is read again.
		plain := parse.Text(base, text, nil)
		require.True(t, plain.IsNormal() && l.IsNormal())
		if plain.Raw == "" && !plain.Truncated {
			again := parse.Text(base, plain.Message, nil)
			require.Equal(t, plain.Message, again.Message)
			require.Equal(t, plain.Level, again.Level)
			require.Equal(t, plain.Fields, again.Fields)
		}
	})
}

// FuzzText_JSONIsWhatTheStandardLibraryTakesForIt compares the reader with encoding/json: what is an object, and what
// its strings, numbers and nested objects are.
func FuzzText_JSONIsWhatTheStandardLibraryTakesForIt(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Add(`{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}},"x":true}`)
	f.Fuzz(func(t *testing.T, text string) {
		trimmed := strings.TrimSpace(text)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) || !strings.HasPrefix(trimmed, "{") ||
			strings.Count(text, "{")+strings.Count(text, "[") > 100 {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(trimmed))
		decoder.UseNumber()
		var object map[string]any
		valid := decoder.Decode(&object) == nil && !decoder.More() && json.Valid([]byte(trimmed))
		const message = `"msg":"taken","level":"warn"`
		probe := "{" + message + "}"
		if rest := strings.TrimSpace(trimmed[1:]); rest != "}" {
			probe = "{" + message + "," + rest
		}
		got := parse.Text(observability.Line{}, probe, nil)
		if got.Message == probe && valid {
			t.Fatalf("%q is an object", text)
		}
		if got.Message != probe && !valid {
			t.Fatalf("%q is no object", text)
		}
		if !valid {
			return
		}
		for name, value := range object {
			if s, ok := value.(string); ok && s != "" && len(s) < 100 && got.Fields[name] != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f }) && strings.Count(text, "\"") < 12 {
				if got.Fields[name] != s && strings.Count(trimmed, name) < 2 {
					t.Fatalf("%q: %s is %q, not %q", text, name, got.Fields[name], s)
				}
			}
		}
	})
}

// FuzzJoiner feeds any bytes as parts: nothing panics, everything is bounded and valid, and no part is lost.
func FuzzJoiner(f *testing.F) {
	for _, s := range append(slices.Collect(maps.Values(traces)), seeds...) {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, cut uint8) {
		parts, covered := 0, 0
		var out []observability.Line
		j := parse.NewJoiner(observability.Line{Stream: "stdout"}, strings.ToLower, func(l observability.Line) { out = append(out, l) })
		for line := range strings.SplitSeq(text, "\n") {
			for len(line) > int(cut) && cut > 0 && parts < 300 {
				j.Add(parse.Part{At: time.Unix(0, int64(parts)), Text: []byte(line[:cut]), Partial: true})
				parts, line = parts+1, line[cut:]
			}
			j.Add(parse.Part{At: time.Unix(0, int64(parts)), Text: []byte(line)})
			parts++
		}
		j.Flush()
		for _, l := range out {
			end, _ := l.End()
			require.Equal(t, int64(covered), l.At.UnixNano())
			covered = int(end.UnixNano()) + 1
			require.True(t, utf8.ValidString(l.Message))
			require.LessOrEqual(t, len(l.Message), observability.MaxLineBytes)
			require.True(t, l.IsNormal())
		}
		require.Equal(t, parts, covered)
	})
}

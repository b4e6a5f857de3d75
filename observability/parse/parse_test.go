package parse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform/secret"
)

type fields = map[string]string

func TestText_Formats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, stream string
		level              observability.Level
		message            string
		fields             fields
	}{
		{"plain", "hello", "stdout", "info", "hello", nil},
		{"plain on stderr says nothing", "hello", "stderr", "", "hello", nil},
		{"json", `{"level":"error","msg":"boom","user":{"id":7,"tags":["a<b"]},"ok":true,"none":null,"ts":1.50}`, "stdout", "error", "boom", fields{"user.id": "7", "user.tags": `["a<b"]`, "ok": "true", "ts": "1.50"}},
		{"json of pino", `{"level":50,"time":1700000000000,"msg":"x"}`, "stdout", "error", "x", fields{"time": "1700000000000"}},
		{"json of gcp", `{"severity":"WARNING","message":"slow"}`, "stdout", "warn", "slow", nil},
		{"json without message", `{"a":1}`, "stdout", "info", `{"a":1}`, fields{"a": "1"}},
		{"json with a stack", `{"level":"error","message":"failed","exc_info":"Traceback\n  x\nValueError: y"}`, "stdout", "error", "failed\nTraceback\n  x\nValueError: y", nil},
		{"json with a level of its own", `{"level":7,"msg":"x"}`, "stdout", "info", "x", fields{"level": "7"}},
		{"broken json", `{"level":"error"`, "stdout", "info", `{"level":"error"`, nil},
		{"two json objects", `{"a":1}{"b":2}`, "stdout", "info", `{"a":1}{"b":2}`, nil},
		{"logfmt", `ts=2024-01-01T00:00:00Z level=warn msg="low \"disk\"" free=3`, "stderr", "warn", `low "disk"`, fields{"ts": "2024-01-01T00:00:00Z", "free": "3"}},
		{"not logfmt", `a=1 and more`, "stdout", "info", `a=1 and more`, nil},
		{"klog", `E0102 15:04:05.123456    1234 server.go:42] cannot bind`, "stderr", "error", "cannot bind", fields{"caller": "server.go:42"}},
		{"uvicorn", `INFO:     127.0.0.1:5 - "GET /predict?x=1 HTTP/1.1" 500 Internal Server Error`, "stdout", "error", "", fields{"method": "GET", "path": "/predict?x=1", "status": "500", "client": "127.0.0.1:5"}},
		{"access log", `10.0.0.1 - - [01/Jan/2024:00:00:00 +0000] "POST /a HTTP/1.1" 503 12`, "stdout", "error", "", fields{"method": "POST", "path": "/a", "status": "503", "client": "10.0.0.1", "bytes": "12"}},
		{"access log of success", `10.0.0.1 - - [x] "GET / HTTP/2" 200 12`, "stderr", "info", "", fields{"method": "GET", "path": "/", "status": "200", "client": "10.0.0.1", "bytes": "12"}},
		{"python logging", `2024-01-01 00:00:00,123 - app - WARNING - low`, "stderr", "warn", "", nil},
		{"python root logger", `CRITICAL:root:dead`, "stderr", "fatal", "", nil},
		{"nginx", `2024/01/01 00:00:00 [error] 7#7: *1 open() failed`, "stderr", "error", "", nil},
		{"exception alone", `KeyError: 'MODEL_PATH'`, "stderr", "error", "", nil},
		{"a word is no level", `no error was found, info follows`, "stdout", "info", "", nil},
		{"a path is no level", `reading /var/ERROR_DIR and /ERROR`, "stdout", "info", "", nil},
		{"gin", `[GIN-debug] [WARNING] Running in debug mode`, "stdout", "warn", "", nil},
		{"colours", "\x1b[32mINFO\x1b[0m ok\x1b]0;title\x07!", "stdout", "info", "INFO ok!", nil},
		{"carriage return", "done\r", "stdout", "info", "done", nil},
		{"empty", "", "stdout", "info", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := parse.Text(observability.Line{Stream: c.stream, Project: "shop"}, c.text, nil)
			require.Equal(t, c.level, got.Level)
			if c.message != "" {
				require.Equal(t, c.message, got.Message)
			}
			require.Empty(t, cmp.Diff(c.fields, got.Fields))
			require.Equal(t, "shop", got.Project)
			if got.Message != strings.TrimSuffix(c.text, "\r") {
				require.Equal(t, c.text, got.Raw)
			} else {
				require.Empty(t, got.Raw)
			}
		})
	}
}

func TestText_SecretsLeaveEveryPart(t *testing.T) {
	t.Parallel()
	const secret = `hunter"2\x`
	redact := func(s string) string { return strings.ReplaceAll(s, secret, "[secret]") }
	for _, text := range []string{
		"plain " + secret, `{"msg":"in message hunter\"2\\x"}`, `{"password":"hunter\"2\\x","msg":"x"}`, `{"password":"hunter\"2\\x"}`,
		`a=1 key="hunter\"2\\x"`, "\x1b[1m" + secret, "hun\x1b[0mter\"2\\x", `{"hunter\"2\\x":1}`,
	} {
		l := parse.Text(observability.Line{}, text, redact)
		all := l.Message + "\n" + l.Raw
		for k, v := range l.Fields {
			all += "\n" + k + "\n" + v
		}
		require.Contains(t, all, "[secret]", text)
		for _, form := range []string{secret, `hunter\"2\\x`, "ter\"2"} {
			require.NotContains(t, all, form, text)
		}
	}
}

// What hides a number leaves no JSON behind; the line is still read as what it was, and no part of it holds the number.
func TestText_SecretThatIsANumberIsHiddenAndTheLineStillRead(t *testing.T) {
	t.Parallel()
	redact := func(s string) string { return strings.ReplaceAll(s, "12345678", "[secret]") }
	l := parse.Text(observability.Line{}, `{"level":"warn","msg":"pin is set","pin":12345678,"n":{"pin":12345678}}`, redact)
	require.Equal(t, observability.LevelWarn, l.Level)
	require.Equal(t, "pin is set", l.Message)
	require.Equal(t, fields{"pin": "[secret]", "n.pin": "[secret]"}, l.Fields)
	require.NotContains(t, l.Raw, "12345678")

	l = parse.Text(observability.Line{}, `{"level":"warn","password" : 12345,"a":"\u0070assword=hunter2"}`, secret.Redact)
	require.Equal(t, observability.LevelWarn, l.Level)
	require.Equal(t, fields{"password": "[redacted]", "a": "password=[redacted]"}, l.Fields)
	require.NotContains(t, l.Raw+l.Message, "hunter2")
	require.NotContains(t, l.Raw+l.Message, "12345")
}

func TestText_EveryLineIsInNormalForm(t *testing.T) {
	t.Parallel()
	var many, long strings.Builder
	many.WriteString(`{"msg":"m"`)
	for i := range observability.MaxFields + 1 {
		fmt.Fprintf(&many, `,"n%d":%d`, i, i)
	}
	many.WriteString("}")
	fmt.Fprintf(&long, `{"msg":"m","value":"%s"}`, strings.Repeat("v", observability.MaxFieldValue+1))
	base := observability.Line{At: time.Now(), Project: "bad\xff", Stream: "stdout"}
	for _, text := range []string{
		"plain", `{"msg":"m","a":1}`, `{"":"no name","msg":"m"}`, many.String(), long.String(), "bad \xff text", strings.Repeat("x", observability.MaxLineBytes+1),
		`{"` + strings.Repeat("n", observability.MaxFieldName+1) + `":"long name","msg":"m"}`,
	} {
		l := parse.Text(base, text, nil)
		require.True(t, l.IsNormal(), "%.60q", text)
		parse.NewJoiner(base, nil, func(joined observability.Line) {
			require.True(t, joined.IsNormal(), "%.60q", text)
			require.Equal(t, l.Fields, joined.Fields)
			require.Equal(t, `bad\xff`, joined.Project)
		}).Add(parse.Part{At: time.Now(), Text: []byte(text)})
	}
}

package parse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
)

// engineAt is when the engine got every line of the table below.
var engineAt = time.Date(2030, 1, 2, 15, 4, 5, 0, time.UTC)

// What real software prints, and what is found in it. Times in the lines are the engine's unless logged_at says so.
func TestText_WhatRealSoftwarePrints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		level      observability.Level
		message    string // "" for the whole text
		fields     fields
	}{
		{
			"nginx combined", `203.0.113.9 - ada [02/Jan/2030:15:04:05 +0000] "GET /api?q=1 HTTP/1.1" 502 157 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"`, "error", "",
			fields{"method": "GET", "path": "/api?q=1", "status": "502", "client": "203.0.113.9", "bytes": "157", "referer": "https://shop.example/", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"},
		},
		{"apache common of yesterday", `198.51.100.7 - - [01/Jan/2030:16:04:05 +0100] "POST /login HTTP/1.1" 404 -`, "warn", "", fields{"method": "POST", "path": "/login", "status": "404", "client": "198.51.100.7", "logged_at": "2030-01-01T15:04:05Z"}},
		{"gunicorn", `127.0.0.1 - - [02/Jan/2030:15:04:05 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8.5.0"`, "info", "", fields{"method": "GET", "path": "/", "status": "200", "client": "127.0.0.1", "bytes": "12", "user_agent": "curl/8.5.0"}},
		{"uvicorn", `INFO:     10.0.0.1:55012 - "GET /health HTTP/1.1" 404 Not Found`, "warn", "", fields{"method": "GET", "path": "/health", "status": "404", "client": "10.0.0.1:55012"}},
		{"werkzeug", "127.0.0.1 - - [02/Jan/2030 15:04:05] \"\x1b[33mGET /x HTTP/1.1\x1b[0m\" 404 -", "warn", `127.0.0.1 - - [02/Jan/2030 15:04:05] "GET /x HTTP/1.1" 404 -`, fields{"method": "GET", "path": "/x", "status": "404", "client": "127.0.0.1"}},
		{"django", `[02/Jan/2030 15:04:05] "GET / HTTP/1.1" 200 9`, "info", "", fields{"method": "GET", "path": "/", "status": "200", "bytes": "9"}},
		{"chi", `2030/01/02 15:04:05 "GET http://localhost:8080/ HTTP/1.1" from 127.0.0.1:4711 - 500 13B in 1.2ms`, "error", "", fields{"method": "GET", "path": "http://localhost:8080/", "status": "500"}},
		{"gin", `[GIN] 2030/01/02 - 15:04:05 | 503 |     1.2ms |       127.0.0.1 | GET      "/ping"`, "error", "", fields{"method": "GET", "path": "/ping", "status": "503", "client": "127.0.0.1"}},
		{"morgan", `GET /users/7 500 12.3 ms - 41`, "error", "", fields{"method": "GET", "path": "/users/7", "status": "500"}},
		{"nginx error", `2030/01/02 15:04:05 [crit] 29#29: *7 connect() to unix:/app.sock failed (2: No such file or directory)`, "fatal", "", nil},
		{"http client, no access log", `POST https://api.example/v1 took 500 ms`, "", "", nil},

		{"klog", `E0102 15:04:05.123456       1 reflector.go:147] failed to list *v1.Pod`, "error", "failed to list *v1.Pod", fields{"caller": "reflector.go:147"}},
		{"klog structured", `I0102 15:04:05.123456       1 controller.go:116] "Pod status updated" pod="kube-system/kubedns" status="ready"`, "info", "Pod status updated", fields{"caller": "controller.go:116", "pod": "kube-system/kubedns", "status": "ready"}},
		{"klog of last year", `W1231 23:59:59.000000       1 a.go:1] late`, "warn", "late", fields{"caller": "a.go:1", "logged_at": "2029-12-31T23:59:59Z"}},
		{"glog with a year", `I20300102 15:04:05.000000    77 main.cc:12] up`, "info", "up", fields{"caller": "main.cc:12"}},

		{"python basicConfig", `WARNING:root:low on memory`, "warn", "", nil},
		{"python common", `2030-01-02 15:04:05,000 - shop.api - ERROR - cannot reach db`, "error", "", nil},
		{"python in another zone", `2030-01-02 20:34:05,000 INFO up`, "info", "", nil},
		{"python late", `2030-01-02 15:01:00,000 INFO buffered`, "info", "", fields{"logged_at": "2030-01-02T15:01:00Z"}},
		{"gunicorn error log", `[2030-01-02 15:04:05 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:9)`, "fatal", "", nil},
		{"loguru", `2030-01-02 15:04:05.001 | ERROR    | app:predict:12 - boom`, "error", "", nil},
		{"structlog", `2030-01-02 15:04:05 [warning  ] slow query                     seconds=2`, "warn", "", nil},
		{"celery", `[2030-01-02 15:04:05,000: ERROR/ForkPoolWorker-1] Task failed`, "error", "", nil},
		{
			"otel python", `2030-01-02 15:04:05,000 ERROR [app] [app.py:7] [trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 resource.service.name=x trace_sampled=True] - boom`, "error", "",
			fields{"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"},
		},
		{"otel python without a span", `INFO [trace_id=0 span_id=0 resource.service.name=x] - idle`, "info", "", nil},

		{"go log", `2030/01/02 15:04:05 listening on :8080`, "", "", nil},
		{
			"slog text", `time=2030-01-02T15:04:05.000Z level=ERROR msg="db is away" err="dial tcp: refused" traceID=0af7651916cd43dd8448eb211c80319c`, "error", "db is away",
			fields{"time": "2030-01-02T15:04:05.000Z", "err": "dial tcp: refused", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
		},
		{"slog default", `2030/01/02 15:04:05 WARN slow took=3s`, "warn", "", nil},
		{"zap console", "2030-01-02T15:04:05.000Z\terror\tapi/main.go:12\tboom\t{\"id\": 7}", "error", "", nil},
		{"zerolog console", `3:04PM FTL cannot bind error="address in use"`, "fatal", "", nil},
		{"logrus on a terminal", `WARN[0000] slow                                          took=3s`, "warn", "", nil},
		{"hclog", `2030-01-02T15:04:05.000Z [ERROR] agent: failed to join: error="EOF"`, "error", "", nil},

		{"spring boot", `2030-01-02T15:04:05.000Z  WARN 1 --- [main] c.e.shop.App : HikariPool-1 - thread starvation`, "warn", "", nil},
		{"log4j", `2030-01-02 15:04:05,000 [main] FATAL com.example.App - no config`, "fatal", "", nil},
		{"logback default", `15:04:05.000 [main] DEBUG c.e.App -- loaded`, "debug", "", nil},
		{"java util logging", `SEVERE: Servlet failed`, "error", "", nil},
		{"dotnet", `fail: Microsoft.AspNetCore.Server.Kestrel[13]`, "error", "", nil},
		{"rust", `[2030-01-02T15:04:05Z ERROR shop::api] refused`, "error", "", nil},

		{"postgres", `2030-01-02 15:04:05.000 UTC [47] FATAL:  role "app" does not exist`, "fatal", "", nil},
		{"postgres says log", `2030-01-02 15:04:05.000 UTC [1] LOG:  database system is ready to accept connections`, "info", "", nil},
		{"redis", `1:M 02 Jan 2030 15:04:05.000 # Can't save in background: fork: Out of memory`, "warn", "", nil},
		{"mysql", `2030-01-02T15:04:05.000000Z 0 [Warning] [MY-010068] [Server] CA certificate is self signed.`, "warn", "", nil},
		{
			"mongodb", `{"t":{"$date":"2030-01-02T15:04:05.000+00:00"},"s":"E","c":"NETWORK","id":23016,"ctx":"listener","msg":"Waiting","attr":{"port":27017}}`, "error", "Waiting",
			fields{"t.$date": "2030-01-02T15:04:05.000+00:00", "c": "NETWORK", "id": "23016", "ctx": "listener", "attr.port": "27017"},
		},
		{"syslog", `<34>Jan  2 15:04:05 mymachine su: 'su root' failed for lonvick`, "fatal", "", nil},
		{"syslog of 5424", `<165>1 2030-01-02T15:04:05.003Z host app 7 ID47 - started`, "info", "", nil},
		{"systemd", `<3>cannot open /dev/kvm`, "error", "", nil},
		{"syslog of yesterday", `Jan  1 15:04:05 host sshd[7]: Accepted publickey`, "", "", fields{"logged_at": "2030-01-01T15:04:05Z"}},

		{
			"zap json", `{"level":"warn","ts":1893596645.0001,"caller":"a.go:1","msg":"slow","dd.trace_id":"7277407061855694839","dd.span_id":"9060434138129817"}`, "warn", "slow",
			fields{"ts": "1893596645.0001", "caller": "a.go:1", "trace_id": "7277407061855694839", "span_id": "9060434138129817"},
		},
		{"pino late", `{"level":60,"time":1893596600000,"msg":"dead"}`, "fatal", "dead", fields{"time": "1893596600000", "logged_at": "2030-01-02T15:03:20Z"}},
		{
			"w3c in headers", `{"message":"in","req":{"headers":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}`, "", "in",
			fields{"req.headers.traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"},
		},
		{"b3", `{"msg":"x","X-B3-TraceId":"463ac35c9f6413ad48485a3953bb6124","X-B3-SpanId":"a2fb4a1d1a96d312"}`, "", "x", fields{"trace_id": "463ac35c9f6413ad48485a3953bb6124", "span_id": "a2fb4a1d1a96d312"}},
		{
			"x-ray", `msg=x X-Amzn-Trace-Id=Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, "", "x",
			fields{"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "trace_id": "5759e988bd862e3fe1be46a994272793", "span_id": "53995c3f42cd8ad8"},
		},
		{"ecs json", `{"@timestamp":"2030-01-02T15:04:05.000Z","log.level":"ERROR","message":"x","trace.id":"0af7651916cd43dd8448eb211c80319c"}`, "error", "x", fields{"@timestamp": "2030-01-02T15:04:05.000Z", "trace_id": "0af7651916cd43dd8448eb211c80319c"}},
		{"json access log", `{"method":"GET","path":"/","status":503}`, "error", "", fields{"method": "GET", "path": "/", "status": "503"}},
		{"caddy says its own level", `{"level":"info","msg":"handled request","request":{"method":"GET"},"status":502}`, "info", "handled request", fields{"request.method": "GET", "status": "502"}},

		{"cursor moves and a title", "\x1b[2K\x1b[1G\x1b]0;npm\x07\x1b(B> build", "", "> build", nil},
		{"eight-bit controls", "\u009b31mred\u009b0m\u0085 end", "", "red end", nil},
		{"eight-bit controls as bytes", "\x9b31mred\x9b0m end", "", "red end", nil},
		{"another encoding", "it\x92s 20 \x80", "", `it\x92s 20 \x80`, nil},
		{"nul and bell", "a\x00b\x07c", "", "abc", nil},
		{"progress bar", " 10%|#\r 20%|##\r", "", " 10%|#  20%|##", nil},
		{"controls in json", `{"msg":"a\u001b[2Jb","k":"c\u0000d"}`, "", "ab", fields{"k": "cd"}},
		{"json over several lines", "{\n  \"level\": \"error\",\n  \"msg\": \"x\",\n  \"a\": [1,\n 2]\n}", "error", "x", fields{"a": "[1,\n 2]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := parse.Text(observability.Line{At: engineAt, Stream: "stderr"}, c.text, nil)
			require.Equal(t, c.level, got.Level)
			want := c.message
			if want == "" {
				want = c.text
			}
			require.Equal(t, want, got.Message)
			require.Empty(t, cmp.Diff(c.fields, got.Fields))
			if written := observability.EscapeInvalid(strings.TrimSuffix(c.text, "\r")); got.Message != written {
				require.Equal(t, written, got.Raw, "what was written is kept for display")
			}
		})
	}
}

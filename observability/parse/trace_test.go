package parse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
)

// traces are what runtimes print, each one record. The level of each is in traceLevels, else error.
var traces = map[string]string{
	"python group": `  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 9, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/main.py", line 5, in work
    | ValueError: bad
    +------------------------------------`,
	"python cause": `Traceback (most recent call last):
  File "/app/db.py", line 7, in connect
    sock.connect(address)
    ~~~~~~~~~~~~^^^^^^^^^
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    connect()
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection refused`,
	"go nested": `panic: first [recovered]
	panic: second

goroutine 21 gp=0xc000007c00 m=0 mp=0x56 [running]:
main.handler.func1()
	/app/main.go:14 +0x4e
panic({0x4a2f40?, 0x4d8f10?})
	/usr/lib/go/src/runtime/panic.go:770 +0x132
main.(*server).ServeHTTP(0xc0000a2000, {0x5, ...}, 0xc0000b4000)
	/app/main.go:20 +0x55
created by net/http.(*Server).Serve in goroutine 1
	/usr/lib/go/src/net/http/server.go:3086 +0x4cb`,
	"go segv": `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45c5a7]

goroutine 1 [running]:
main.main()
	/app/main.go:8 +0x17
exit status 2`,
	"go dump": `SIGQUIT: quit
PC=0x46a9c1 m=0 sigcode=0

goroutine 0 gp=0x5d3b80 m=0 mp=0x5d47a0 [idle]:
runtime.futex(0x5d48f8, 0x80, 0x0, 0x0, 0x0, 0x0)
	/usr/lib/go/src/runtime/sys_linux_amd64.s:558 +0x21

goroutine 1 [chan receive, 5 minutes]:
main.main()
	/app/main.go:9 +0x2c

rax    0xca
rip    0x46a9c1`,
	"go deadlock": `fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
	/app/main.go:5 +0x25`,
	"java": `java.lang.RuntimeException: outer
	at com.example.App.main(App.java:5) ~[app.jar:1.0]
	Suppressed: java.io.IOException: close
		at com.example.R.close(R.java:9)
		... 1 more
Caused by: java.sql.SQLException: no pool
	at com.example.Pool.get(Pool.java:10)
	... 5 common frames omitted
Caused by: java.net.ConnectException: Connection refused (Connection refused)
	at java.base/sun.nio.ch.Net.connect0(Native Method)
	... 3 more`,
	"java out of memory": `Exception in thread "http-1" java.lang.OutOfMemoryError: Java heap space
	at java.base/java.util.Arrays.copyOf(Arrays.java:3537)`,
	"node with a code": `TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument must be of type string. Received undefined
    at Object.openSync (node:fs:601:10)
    at async run (file:///app/index.mjs:3:9) {
  code: 'ERR_INVALID_ARG_TYPE'
}`,
	"node aggregate": `AggregateError: All promises were rejected
    at async main (/app/a.js:3:1) {
  [errors]: [
    Error: a
        at /app/a.js:1:1,
    Error: b
        at /app/a.js:2:1
  ]
}`,
	"node uncaught": `/app/server.js:10
    throw new Error('no model');
    ^

Error: no model
    at Object.<anonymous> (/app/server.js:10:11)
    at Module._compile (node:internal/modules/cjs/loader:1554:14)

Node.js v24.1.0`,
	"node rejection": `node:internal/process/promises:394
      triggerUncaughtException(err, true /* fromPromise */);
      ^

[UnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "7".] {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v24.1.0`,
	"node old rejection": `(node:7) UnhandledPromiseRejectionWarning: Error: x
    at /app/a.js:1:1`,
	"dotnet": `Unhandled exception. System.InvalidOperationException: no pool
   at App.Pool.Get() in /src/Pool.cs:line 7`,
	"key": "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nq8Y0/Zk+w==\n-----END " + "PRIVATE KEY-----",
	"object": `{
  "level": "error",
  "msg": "pretty"
}`,
}

var traceLevels = map[string]observability.Level{
	"go nested": "fatal", "go segv": "fatal", "go dump": "fatal", "go deadlock": "fatal", "node uncaught": "fatal", "node rejection": "fatal", "key": "",
}

func TestJoiner_WhatRuntimesPrintIsOneRecord(t *testing.T) {
	t.Parallel()
	for name, text := range traces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []string{"2030-01-02 15:04:05 INFO after", "INFO: after", "listening on port 8080"} {
				got := join("INFO before\n" + text + "\n" + after)
				require.Len(t, got, 3, "%q", got)
				written := got[1].Raw
				if written == "" {
					written = got[1].Message
				}
				require.Equal(t, text, written)
				want, ok := traceLevels[name]
				if !ok {
					want = observability.LevelError
				}
				require.Equal(t, want, got[1].Level)
				require.Equal(t, after, got[2].Message)
			}
		})
	}
}

func TestJoiner_LinesThatOnlyLookLikeATraceStayLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"INFO: a\n  indented\nINFO: b", "/app/server.js\nnext\nlast", "goroutine leak found\n\tx\ny", "{ not json\n  x\n}", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"panicked: no\n\nx", "Errors: 3\nWarnings: 2", "SIGQUIT handler ready\nx",
	} {
		require.Len(t, join(text), strings.Count(text, "\n")+1, text)
	}
}

// Another thread's line in the middle of a traceback is not part of it.
func TestJoiner_LineOfAnotherThreadEndsATraceback(t *testing.T) {
	t.Parallel()
	got := join("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nINFO:root:served a request\nValueError: x")
	require.Len(t, got, 3)
	require.Equal(t, "INFO:root:served a request", got[1].Message)
}

// The two streams of a process have a joiner each: what stderr says between two lines of stdout joins neither.
func TestJoiner_StreamsThatInterleaveAreNotMixed(t *testing.T) {
	t.Parallel()
	var out []observability.Line
	emit := func(l observability.Line) { out = append(out, l) }
	stdout := parse.NewJoiner(observability.Line{Stream: "stdout"}, nil, emit)
	stderr := parse.NewJoiner(observability.Line{Stream: "stderr"}, nil, emit)
	trace, said := strings.Split(pythonTrace, "\n"), 0
	for i, line := range trace {
		at := time.Unix(int64(i), 0)
		stderr.Add(parse.Part{At: at, Text: []byte(line)})
		stdout.Add(parse.Part{At: at, Text: []byte("  indented like a frame")})
		said++
	}
	stdout.Flush()
	stderr.Flush()
	require.Len(t, out, said+1)
	require.Equal(t, pythonTrace, out[said].Message)
}

func TestJoiner_PrivateKeyIsHiddenWhateverCutsIt(t *testing.T) {
	t.Parallel()
	redact := func(s string) string {
		if i := strings.Index(s, "-----BEGIN "); i >= 0 {
			return s[:i] + "[key]"
		}
		return s
	}
	for _, prefix := range []string{"", "2030-01-02 15:04:05 INFO "} {
		for _, flush := range []bool{false, true} {
			var out []observability.Line
			j := parse.NewJoiner(observability.Line{Stream: "stdout"}, redact, func(l observability.Line) { out = append(out, l) })
			for i, line := range strings.Split(traces["key"]+"\nafter", "\n") {
				j.Add(parse.Part{At: time.Unix(int64(i), 0), Text: []byte(prefix + line)})
				if flush {
					j.FlushTrace()
				}
			}
			j.Flush()
			for _, l := range out {
				require.NotContains(t, l.Message+l.Raw, "MIIE")
				require.NotContains(t, l.Message+l.Raw, "q8Y0")
			}
			require.Equal(t, prefix+"after", out[len(out)-1].Message)
		}
	}
}

func TestJoiner_OverlongLineSaysThatItWasCut(t *testing.T) {
	t.Parallel()
	got := join(strings.Repeat("é", observability.MaxLineBytes))
	require.Len(t, got, 1)
	require.True(t, got[0].Truncated)
	require.LessOrEqual(t, len(got[0].Message), observability.MaxLineBytes)
	require.True(t, strings.HasSuffix(got[0].Message, observability.CutMark))
	require.Equal(t, got[0], got[0].Normal(), "cutting what was cut changes nothing")
}

package loki_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// shop may push lines of its two environments, and of nothing else.
type shop struct{}

func (shop) Scope(_ context.Context, project, environment string) (platform.TelemetryScope, error) {
	if project != "" && project != "shop" {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeNotFound, "There is no project %q, or your token may not see it.", project)
	}
	if environment == "" {
		environment = "production"
	}
	if environment != "production" && environment != "staging" {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeNotFound, "shop has no environment %q.", environment)
	}
	return platform.TelemetryScope{Project: "shop", Environment: environment, Services: []string{"api", "web"}}, nil
}

// inShop is where the lines of a stream with these labels go.
func inShop(labels map[string]string) (platform.TelemetryScope, error) {
	return shop{}.Scope(context.Background(), labels["project"], labels["environment"])
}

// receiver starts a handler over a sink and returns the address to push to.
func receiver(t *testing.T, sink sinkFunc, limits loki.ReceiveLimits) string {
	t.Helper()
	server := httptest.NewServer(loki.NewReceiver(loki.ReceiveOptions{
		Sender: func(r *http.Request) (loki.Sender, error) {
			if r.Header.Get("Authorization") != "Bearer good" {
				return nil, platform.Errorf(platform.CodeUnauthenticated, "The token is not known.").WithHint("Make one with fairlead token create.")
			}
			return shop{}, nil
		},
		Sink: sink, Limits: limits,
	}))
	t.Cleanup(server.Close)
	return server.URL + "/loki/api/v1/push"
}

// send pushes a body as a bare client does, and returns the status and the words of the answer.
func send(t *testing.T, address string, body []byte, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer good")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(said))
}

func protobuf(t testing.TB, streams ...push.Stream) []byte {
	t.Helper()
	raw, err := (&push.PushRequest{Streams: streams}).Marshal()
	require.NoError(t, err)
	return snappy.Encode(nil, raw)
}

func gzipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestReceiver_TakesWhatABareClientPushes(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	address := receiver(t, stored.Append, loki.ReceiveLimits{})
	at := time.Now().Add(-time.Minute).UTC()
	protobufBody := protobuf(t, push.Stream{
		Labels: `{service_name="api", stream="stderr", detected_level="warning", host="web-1"}`,
		Entries: []push.Entry{
			{Timestamp: at, Line: "first", StructuredMetadata: push.LabelsAdapter{{Name: "trace_id", Value: "abc"}}},
			{Timestamp: at, Line: "second"},
		},
	})
	jsonBody := []byte(`{"streams": [{"values": [["` + nanos(at.Add(time.Second)) + `", "third \"x\"", {"level": "ERROR", "user": "42"}]], "stream": {"app": "web", "container": "web-1"}, "extra": [1]}], "more": {}}`)
	for _, c := range []struct {
		body   []byte
		header map[string]string
	}{
		{protobufBody, map[string]string{"Content-Type": "application/x-protobuf"}},
		{jsonBody, map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		{gzipped(t, jsonBody), map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}},
	} {
		status, said := send(t, address, c.body, c.header)
		require.Equal(t, http.StatusNoContent, status, said)
	}
	page, err := stored.Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.NoError(t, err)
	first := observability.Line{
		At: at, Project: "shop", Environment: "production", Service: "api", Source: observability.SourceRuntime, Stream: "stderr",
		Level: observability.LevelWarn, Message: "first", Fields: map[string]string{"host": "web-1", "trace_id": "abc"},
	}
	second := first
	second.Message, second.Seq, second.Fields = "second", 1, map[string]string{"host": "web-1"}
	third := observability.Line{
		At: at.Add(time.Second), Project: "shop", Environment: "production", Service: "web", Source: observability.SourceRuntime,
		Level: observability.LevelError, Message: `third "x"`, Fields: map[string]string{"container": "web-1", "user": "42"},
	}
	require.Empty(t, cmp.Diff([]observability.Line{first, second, third, third}, page.Lines))
}

func TestReceiver_OwnPushesComeBackThroughIt(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	server := httptest.NewServer(loki.NewReceiver(loki.ReceiveOptions{
		Sender: func(*http.Request) (loki.Sender, error) { return shop{}, nil }, Sink: &stored,
	}))
	t.Cleanup(server.Close)
	logs := openWith(t, loki.Options{URL: server.URL})
	forwarded := line(time.Now(), "forwarded")
	forwarded.Fields = map[string]string{"user.id": "42"}
	require.NoError(t, logs.Append(t.Context(), []observability.Line{forwarded}))
	page, err := stored.Query(t.Context(), observability.LogQuery{Service: "api", Levels: []observability.Level{"info"}, Fields: map[string]string{"user.id": "42"}})
	require.NoError(t, err)
	require.Equal(t, []string{"forwarded"}, messages(page.Lines))
}

func TestReceiver_LabelsSayWhereLinesGoWithinWhatTheSenderMayWrite(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	address := receiver(t, stored.Append, loki.ReceiveLimits{})
	push := func(labels string) (int, string) {
		return send(t, address, protobuf(t, push.Stream{Labels: labels, Entries: []push.Entry{{
			Timestamp: time.Now(), Line: labels, StructuredMetadata: push.LabelsAdapter{{Name: "project", Value: "bank"}, {Name: "environment", Value: "secret"}},
		}}}), nil)
	}
	for labels, want := range map[string][]any{
		`{service="api"}`: {"production", "api", map[string]string{"project": "bank", "environment": "secret"}},
		`{project="shop", environment="staging", app="web"}`:       {"staging", "web", map[string]string{"project": "bank", "environment": "secret"}},
		`{service="nginx", container="api"}`:                       {"production", "api", map[string]string{"service": "nginx", "project": "bank", "environment": "secret"}},
		`{environment="staging", service_name="nginx", app="ngx"}`: {"staging", "", map[string]string{"service_name": "nginx", "app": "ngx", "project": "bank", "environment": "secret"}},
	} {
		status, said := push(labels)
		require.Equal(t, http.StatusNoContent, status, said)
		page, err := stored.Query(t.Context(), observability.LogQuery{Project: "shop", Text: labels})
		require.NoError(t, err)
		require.Len(t, page.Lines, 1, labels)
		require.Equal(t, want, []any{page.Lines[0].Environment, page.Lines[0].Service, page.Lines[0].Fields}, labels)
	}
	for labels, says := range map[string]string{
		`{project="bank", service="api"}`:     `no project "bank"`,
		`{environment="moon", service="api"}`: `no environment "moon"`,
	} {
		status, said := push(labels)
		require.Equal(t, http.StatusNotFound, status, said)
		require.Contains(t, said, says)
		asJSON := strings.NewReplacer(`{`, `{"`, `="`, `":"`, `, `, `,"`).Replace(labels)
		status, said = send(t, address, []byte(`{"streams": [{"stream": `+asJSON+`, "values": [["`+nanos(time.Now())+`", "x"]]}]}`), map[string]string{"Content-Type": "application/json"})
		require.Equal(t, http.StatusNotFound, status, said)
		require.Contains(t, said, says)
	}
	page, err := stored.Query(t.Context(), observability.LogQuery{})
	require.NoError(t, err)
	require.Len(t, page.Lines, 4, "nothing of a refused push is kept")
}

func TestReceiver_LinesOfAnotherTimeAreRefusedAndTheOthersKept(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	address := receiver(t, stored.Append, loki.ReceiveLimits{})
	entry := func(ago time.Duration, text string) push.Entry {
		return push.Entry{Timestamp: time.Now().Add(-ago), Line: text}
	}
	status, said := send(t, address, protobuf(t, push.Stream{Labels: `{service="api"}`, Entries: []push.Entry{
		entry(8*24*time.Hour, "old"), entry(time.Hour, "good"), entry(-time.Hour, "new"), entry(6*24*time.Hour, "older but good"),
	}}), nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, said, "2 errors like: entry has timestamp too old: ")
	require.Contains(t, said, "oldest acceptable timestamp is: ")
	require.Contains(t, said, "The other lines of the push were kept.")
	page, err := stored.Query(t.Context(), observability.LogQuery{})
	require.NoError(t, err)
	require.Equal(t, []string{"older but good", "good"}, messages(page.Lines))
}

func TestReceiver_AProjectThatPushesTooMuchIsToldWhenToGoOn(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	address := receiver(t, stored.Append, loki.ReceiveLimits{Rate: 10})
	body := protobuf(t, push.Stream{Labels: `{service="api"}`, Entries: []push.Entry{{Timestamp: time.Now(), Line: strings.Repeat("x", 300)}}})
	status, said := send(t, address, body, nil)
	require.Equal(t, http.StatusNoContent, status, "more than is left at once is taken, and owed: %s", said)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer good")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "Ingestion rate limit exceeded for shop (limit: 10 bytes/sec) while attempting to ingest 1 lines totaling 300 bytes")
	wait, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 25, wait, 1, "250 bytes are owed")
	require.Len(t, stored.All(), 1)
}

func TestReceiver_RefusesMalformedPushesWhole(t *testing.T) {
	t.Parallel()
	address := receiver(t, func(context.Context, []observability.Line) error {
		t.Error("a line of a refused push reached the sink")
		return nil
	}, loki.ReceiveLimits{Body: 1000, Decoded: 2000, Streams: 2, Entries: 3, Labels: 4, Metadata: 2})
	now := nanos(time.Now())
	js, good := map[string]string{"Content-Type": "application/json"}, `["`+now+`", "good"]`
	entry := push.Entry{Timestamp: time.Now(), Line: "good"}
	for name, c := range map[string]struct {
		body   []byte
		header map[string]string
		status int
		says   string
	}{
		"type":            {nil, map[string]string{"Content-Type": "text/plain"}, 415, "text/plain"},
		"broken type":     {nil, map[string]string{"Content-Type": "a/b; ="}, 400, "Content-Type"},
		"encoding":        {nil, map[string]string{"Content-Encoding": "br"}, 415, "br"},
		"no snappy":       {[]byte("hello"), nil, 400, "snappy"},
		"no protobuf":     {snappy.Encode(nil, []byte("\x0a\xff")), nil, 400, "PushRequest"},
		"cut protobuf":    {protobuf(t, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{entry}})[:12], nil, 400, "snappy"},
		"snappy bomb":     {snappy.Encode(nil, make([]byte, 1<<20))[:900], nil, 413, "2000 bytes"},
		"gzip bomb":       {gzipped(t, make([]byte, 1<<18)), map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/json"}, 413, "2000 bytes"},
		"no gzip":         {[]byte("hello"), map[string]string{"Content-Encoding": "gzip"}, 400, "gzip"},
		"cut gzip":        {gzipped(t, []byte(`{"streams":[]}`))[:15], map[string]string{"Content-Encoding": "gzip"}, 400, "damaged"},
		"body":            {bytes.Repeat([]byte("x"), 1001), nil, 413, "1000 bytes"},
		"labels":          {protobuf(t, push.Stream{Labels: `{a="b"`, Entries: []push.Entry{entry}}), nil, 400, "labels"},
		"label twice":     {protobuf(t, push.Stream{Labels: `{a="b", a="c"}`, Entries: []push.Entry{entry}}), nil, 400, "twice"},
		"label operator":  {protobuf(t, push.Stream{Labels: `{a=~"b"}`, Entries: []push.Entry{entry}}), nil, 400, "quotes"},
		"after labels":    {protobuf(t, push.Stream{Labels: `{a="b"} x`, Entries: []push.Entry{entry}}), nil, 400, "follows"},
		"many labels":     {protobuf(t, push.Stream{Labels: `{a="1", b="2", c="3", d="4", e="5"}`, Entries: []push.Entry{entry}}), nil, 413, "4 labels"},
		"many streams":    {protobuf(t, push.Stream{}, push.Stream{}, push.Stream{}), nil, 413, "2 streams"},
		"many entries":    {protobuf(t, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{entry, entry, entry, entry}}), nil, 413, "3 entries"},
		"much metadata":   {protobuf(t, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{{Timestamp: time.Now(), StructuredMetadata: push.LabelsAdapter{{Name: "a"}, {Name: "b"}, {Name: "c"}}}}}), nil, 413, "2 pairs"},
		"no time":         {protobuf(t, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{entry, {Timestamp: time.Unix(0, 0)}}}), nil, 400, "time"},
		"json":            {[]byte(`{"streams": [`), js, 400, "JSON"},
		"json list":       {[]byte(`[]`), js, 400, "JSON"},
		"json after":      {[]byte(`{} {}`), js, 400, "follows"},
		"json number":     {[]byte(`{"streams": [{"stream": {"a": "b"}, "values": [` + good + `, [1, "x"]]}]}`), js, 400, "JSON"},
		"json time":       {[]byte(`{"streams": [{"stream": {"a": "b"}, "values": [["now", "x"]]}]}`), js, 400, "nanoseconds"},
		"json short":      {[]byte(`{"streams": [{"stream": {"a": "b"}, "values": [["` + now + `"]]}]}`), js, 400, "a line"},
		"json long":       {[]byte(`{"streams": [{"stream": {"a": "b"}, "values": [["` + now + `", "x", {}, {}]]}]}`), js, 400, "a line"},
		"json meta":       {[]byte(`{"streams": [{"stream": {"a": "b"}, "values": [["` + now + `", "x", {"a": 1}]]}]}`), js, 400, "JSON"},
		"json entries":    {[]byte(`{"streams": [{"stream": {}, "values": [` + good + `,` + good + `,` + good + `,` + good + `]}]}`), js, 413, "3 entries"},
		"json streams":    {[]byte(`{"streams": [{}, {}, {}]}`), js, 413, "2 streams"},
		"json labels":     {[]byte(`{"streams": [{"stream": {"a":"1","b":"1","c":"1","d":"1","e":"1"}, "values": [` + good + `]}]}`), js, 413, "4 labels"},
		"json much meta":  {[]byte(`{"streams": [{"stream": {}, "values": [["` + now + `", "x", {"a":"1","b":"2","c":"3"}]]}]}`), js, 413, "2 pairs"},
		"unauthenticated": {nil, map[string]string{"Authorization": "Bearer bad"}, 401, "token"},
	} {
		status, said := send(t, address, c.body, c.header)
		require.Equal(t, c.status, status, "%s: %s", name, said)
		require.Contains(t, said, c.says, name)
	}
	resp, err := http.Get(address)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
}

func TestReceiver_AnEmptyPushIsTaken(t *testing.T) {
	t.Parallel()
	address := receiver(t, func(context.Context, []observability.Line) error { return errors.New("not asked") }, loki.ReceiveLimits{})
	for _, c := range []struct {
		body []byte
		kind string
	}{{protobuf(t), "application/x-protobuf"}, {[]byte(`{"streams": []}`), "application/json"}} {
		status, said := send(t, address, c.body, map[string]string{"Content-Type": c.kind})
		require.Equal(t, http.StatusNoContent, status, said)
	}
}

func TestReceiver_SaysWhetherTheSenderShouldTryAgain(t *testing.T) {
	t.Parallel()
	var failed error
	address := receiver(t, func(context.Context, []observability.Line) error { return failed }, loki.ReceiveLimits{})
	body := protobuf(t, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{{Timestamp: time.Now(), Line: "x"}}})
	for _, c := range []struct {
		err    error
		status int
	}{
		{platform.Errorf(platform.CodeUnavailable, "The store is away."), 503},
		{platform.Errorf(platform.CodeExhausted, "Too much."), 429},
		{platform.Errorf(platform.CodeInvalid, "A line is bad."), 400},
		{platform.Errorf(platform.CodeDenied, "No."), 403},
		{errors.New("secret detail"), 500},
	} {
		failed = c.err
		status, said := send(t, address, body, nil)
		require.Equal(t, c.status, status)
		require.NotContains(t, said, "secret")
	}
}

// nanos writes a time as pushes do.
func nanos(at time.Time) string { return strconv.FormatInt(at.UnixNano(), 10) }

func FuzzDecode(f *testing.F) {
	at := time.Unix(1_700_000_000, 0)
	whole := push.Stream{Labels: `{service="api", level="info"}`, Entries: []push.Entry{{Timestamp: at, Line: "x", StructuredMetadata: push.LabelsAdapter{{Name: "a", Value: "b"}}}}}
	raw, err := (&push.PushRequest{Streams: []push.Stream{whole}}).Marshal()
	require.NoError(f, err)
	f.Add(raw, byte(0))
	f.Add(protobuf(f, whole), byte(1))
	f.Add([]byte(`{"streams": [{"stream": {"a": "b"}, "values": [["1700000000000000000", "x", {"c": "d"}]]}]}`), byte(2))
	f.Add(gzipped(f, []byte(`{"streams": []}`)), byte(3))
	f.Fuzz(func(t *testing.T, body []byte, form byte) {
		req := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", nil)
		switch form % 4 {
		case 0: // so that the fuzzer gets past snappy
			body = snappy.Encode(nil, body)
		case 2:
			req.Header.Set("Content-Type", "application/json")
		case 3:
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Content-Encoding", "gzip")
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		limits := loki.ReceiveLimits{Body: 1 << 20, Decoded: 1 << 20, Streams: 10, Entries: 100, Labels: 8, Metadata: 8}
		pushed, err := loki.Decode(req, inShop, limits, at)
		if err != nil {
			require.Contains(t, []platform.ErrorCode{platform.CodeInvalid, platform.CodeNotFound}, platform.CodeOf(err))
			require.Empty(t, pushed.Lines)
			return
		}
		require.LessOrEqual(t, len(pushed.Lines)+pushed.Old+pushed.New, limits.Entries)
		for _, l := range pushed.Lines {
			require.Equal(t, "shop", l.Project)
			require.Contains(t, []string{"production", "staging"}, l.Environment)
			require.Contains(t, []string{"", "api", "web"}, l.Service)
			require.False(t, l.At.IsZero())
			require.True(t, l.Level.Valid())
			require.LessOrEqual(t, len(l.Fields), limits.Labels+limits.Metadata)
		}
	})
}

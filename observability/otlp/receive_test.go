package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/otlp"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
)

var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// kept is a sink of spans.
type kept struct {
	mu    sync.Mutex // guards the fields below
	spans []observability.Span
	fail  error
}

func (k *kept) Append(_ context.Context, spans []observability.Span) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail == nil {
		k.spans = append(k.spans, spans...)
	}
	return k.fail
}

// shop lets anybody send who says the word, to the environments of shop.
type shop struct{}

func (shop) Scope(_ context.Context, project, environment string) (platform.TelemetryScope, error) {
	if project != "" && project != "shop" {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeNotFound, "There is no project %q.", project)
	}
	if environment == "" {
		environment = "production"
	}
	if environment != "production" && environment != "staging" {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeNotFound, "shop has no environment %q.", environment)
	}
	return platform.TelemetryScope{Project: "shop", Environment: environment, Services: []string{"api", "features"}, Environments: []string{"production", "staging"}}, nil
}

type bundle struct {
	t       *testing.T
	kept    *kept
	options otlp.Options
}

func setup(t *testing.T, change ...func(*otlp.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, kept: &kept{}}
	b.options = otlp.Options{
		Sender: func(r *http.Request) (otlp.Sender, error) {
			if r.Header.Get("Authorization") == "" {
				return nil, platform.Errorf(platform.CodeUnauthenticated, "This request carries no token.")
			}
			return shop{}, nil
		},
		Redactor: func(string) func(string) string { return secret.NewValueRedactor([]string{"hunter2hunter2"}).Redact },
		Spans:    b.kept, Now: func() time.Time { return now },
	}
	for _, c := range change {
		c(&b.options)
	}
	return b
}

// send posts a body and returns the answer.
func (b *bundle) send(body []byte, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, otlp.TracesPath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Authorization", "Bearer word")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	otlp.NewReceiver(b.options).ServeHTTP(w, r)
	return w
}

// export sends a request that must succeed, and returns what was not taken.
func (b *bundle) export(spans ...*trace.Span) *collector.ExportTracePartialSuccess {
	b.t.Helper()
	return b.exportOf(attributes("service.name", "api"), spans...)
}

func (b *bundle) exportOf(of []*common.KeyValue, spans ...*trace.Span) *collector.ExportTracePartialSuccess {
	b.t.Helper()
	w := b.send(marshal(b.t, request(of, spans...)))
	require.Equal(b.t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(b.t, "application/x-protobuf", w.Header().Get("Content-Type"))
	var out collector.ExportTraceServiceResponse
	require.NoError(b.t, proto.Unmarshal(w.Body.Bytes(), &out))
	return out.GetPartialSuccess()
}

func request(of []*common.KeyValue, spans ...*trace.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: of}, ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}}}
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	require.NoError(t, err)
	return raw
}

func attributes(pairs ...string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}}})
	}
	return out
}

func id(n byte, size int) []byte { return bytes.Repeat([]byte{n}, size) }

func span(change ...func(*trace.Span)) *trace.Span {
	s := &trace.Span{
		TraceId: id(1, 16), SpanId: id(2, 8), Name: "GET /cart", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(now.Add(-time.Minute).UnixNano()), EndTimeUnixNano: uint64(now.Add(-time.Minute + 250*time.Millisecond).UnixNano()),
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func TestExport_SpanIsKeptWithItsPlaceTimesAndAttributes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	partial := b.exportOf(attributes("service.name", "api", "service.version", "12", "telemetry.sdk.name", "opentelemetry"), span(func(s *trace.Span) {
		s.ParentSpanId = id(3, 8)
		s.Attributes = append(attributes("http.request.method", "GET"), &common.KeyValue{Key: "retries", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 2}}})
		s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "upstream timed out"}
	}))
	require.Nil(t, partial)
	want := observability.Span{Project: "shop", Environment: "production", Kind: observability.SpanServer, Span: platform.Span{
		At: now.Add(-time.Minute), TraceID: strings.Repeat("01", 16), SpanID: strings.Repeat("02", 8), ParentID: strings.Repeat("03", 8),
		Service: "api", Name: "GET /cart", Took: platform.Duration(250 * time.Millisecond), Failed: true, Error: "upstream timed out",
		Attributes: map[string]string{"http.request.method": "GET", "retries": "2", "service.version": "12"},
	}}
	require.Equal(t, []observability.Span{want}, b.kept.spans)
}

func TestExport_JSONWithHexIDsIsTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.export(span())
	want := b.kept.spans
	body := `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},"scopeSpans":[{"spans":[{
		"traceId":"` + strings.Repeat("01", 16) + `","spanId":"` + strings.Repeat("02", 8) + `","name":"GET /cart","kind":2,"unknownField":{"a":[1]},
		"startTimeUnixNano":"1773500906000000000","endTimeUnixNano":"1773500906250000000","status":{},"links":[{"traceId":"` + strings.Repeat("0A", 16) + `"}]}]}]}]}`
	b.kept.spans = nil
	w := b.send([]byte(body), "Content-Type", "application/json; charset=utf-8")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.JSONEq(t, "{}", w.Body.String())
	require.Equal(t, want, b.kept.spans)
}

func TestExport_GzipIsUnpacked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.send(packed(t, marshal(t, request(attributes("service.name", "api"), span()))), "Content-Encoding", "gzip")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, b.kept.spans, 1)
}

func packed(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestExport_WhatIsNoExportIsRefusedAsAStatus(t *testing.T) {
	t.Parallel()
	small := func(o *otlp.Options) { o.Limits = otlp.Limits{Body: 2000, Decoded: 4000, Messages: 100} }
	many := make([]*trace.Span, 40)
	for i := range many {
		many[i] = &trace.Span{Attributes: attributes("", "")}
	}
	deep := &common.AnyValue{}
	for range 100 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	for name, c := range map[string]struct {
		body    []byte
		headers []string
		status  int
		code    int32
		words   string
	}{
		"not protobuf":     {[]byte("hello"), nil, 400, 3, "not an ExportTraceServiceRequest"},
		"cut":              {marshal(t, request(nil, span()))[:40], nil, 400, 3, "cut or damaged"},
		"not UTF-8":        {[]byte("\x0a\x0b\x12\x09\x12\x07\x2a\x02\xff\xfe\x18\x01\x30"), nil, 400, 3, "not an ExportTraceServiceRequest"},
		"not JSON":         {[]byte(`{"resourceSpans":`), []string{"Content-Type", "application/json"}, 400, 3, "not JSON"},
		"JSON of another":  {[]byte(`{"resourceSpans":[{"scopeSpans":7}]}`), []string{"Content-Type", "application/json"}, 400, 3, "not an ExportTraceServiceRequest"},
		"not gzip":         {[]byte("hello"), []string{"Content-Encoding", "gzip"}, 400, 3, "not gzip"},
		"another packing":  {nil, []string{"Content-Encoding", "zstd"}, 415, 3, "OTEL_EXPORTER_OTLP_COMPRESSION"},
		"another type":     {nil, []string{"Content-Type", "text/plain"}, 415, 3, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"too large":        {bytes.Repeat([]byte{0}, 2001), nil, 413, 3, "more than 2000 bytes"},
		"unpacks too much": {packed(t, bytes.Repeat([]byte{0}, 4001)), []string{"Content-Encoding", "gzip"}, 413, 3, "more than 4000 bytes"},
		"too many":         {marshal(t, request(nil, many...)), nil, 413, 3, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"},
		"too many in JSON": {[]byte(`{"resourceSpans":[` + strings.Repeat("[],", 500) + `[]]}`), []string{"Content-Type", "application/json"}, 413, 3, "more than 100"},
		"too deep":         {marshal(t, request([]*common.KeyValue{{Key: "k", Value: deep}})), nil, 400, 3, "deep in each other"},
	} {
		b := setup(t, small)
		w := b.send(c.body, c.headers...)
		require.Equal(t, c.status, w.Code, "%s: %s", name, w.Body.String())
		said := &status.Status{}
		if kind := w.Header().Get("Content-Type"); kind == "application/x-protobuf" {
			require.NoError(t, proto.Unmarshal(w.Body.Bytes(), said), name)
		} else {
			require.Equal(t, "application/json", kind, name)
			require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), said), name)
		}
		require.Equal(t, c.code, said.GetCode(), name)
		require.Contains(t, said.GetMessage(), c.words, name)
		require.Empty(t, b.kept.spans, name)
	}
}

func TestExport_BadSpansAreCountedAndTheOthersKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	partial := b.export(
		span(),
		span(func(s *trace.Span) { s.TraceId = id(1, 15) }),
		span(func(s *trace.Span) { s.TraceId = make([]byte, 16) }),
		span(func(s *trace.Span) { s.SpanId = id(1, 9) }),
		span(func(s *trace.Span) { s.ParentSpanId = id(1, 3) }),
		span(func(s *trace.Span) { s.StartTimeUnixNano, s.EndTimeUnixNano = 0, 0 }),
		span(func(s *trace.Span) { s.EndTimeUnixNano = uint64(now.Add(time.Hour).UnixNano()) }),
		span(func(s *trace.Span) { s.StartTimeUnixNano = 1 << 63 }),
		span(func(s *trace.Span) {
			s.StartTimeUnixNano, s.EndTimeUnixNano = uint64(now.Add(-3*time.Hour).UnixNano()), uint64(now.Add(-2*time.Hour).UnixNano())
		}),
	)
	require.Len(t, b.kept.spans, 1)
	require.Equal(t, int64(8), partial.GetRejectedSpans())
	for _, words := range []string{
		"2 spans were refused: A trace id is not 16 bytes, or all zero.", "1 span was refused: A span id is not 8 bytes", "1 span was refused: A parent id is not 8 bytes.",
		"A span has no time.", "2 spans were refused: A span is of the future; look at the sender's clock.", "A span ended more than 1h0m0s ago",
	} {
		require.Contains(t, partial.GetErrorMessage(), words)
	}
}

func TestExport_LongSpanThatEndsNowIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Nil(t, b.export(span(func(s *trace.Span) { s.StartTimeUnixNano = uint64(now.Add(-5 * time.Hour).UnixNano()) })))
	require.Len(t, b.kept.spans, 1)
}

func TestExport_UnknownServiceIsKeptAndSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	partial := b.exportOf(attributes("service.name", "feature"), span())
	require.Zero(t, partial.GetRejectedSpans())
	require.Equal(t, `shop has no service "feature" in production; its spans are kept under that name. Did you mean "features"?`, partial.GetErrorMessage())
	require.Equal(t, "feature", b.kept.spans[0].Service)
	partial = b.exportOf(nil, span())
	require.Contains(t, partial.GetErrorMessage(), "Set OTEL_SERVICE_NAME.")
	require.Equal(t, otlp.UnknownService, b.kept.spans[1].Service)
}

func TestExport_ResourceSaysWhoseSpansTheyAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of   []*common.KeyValue
		want string
	}{
		"nothing":                      {attributes("service.name", "api"), "production"},
		"ours":                         {attributes("service.name", "api", "fairlead.project", "shop", "fairlead.environment", "staging"), "staging"},
		"the convention":               {attributes("service.name", "api", "deployment.environment.name", "staging"), "staging"},
		"the convention of before":     {attributes("service.name", "api", "deployment.environment", "staging"), "staging"},
		"ours before the convention":   {attributes("service.name", "api", "fairlead.environment", "production", "deployment.environment.name", "staging"), "production"},
		"a name that is not ours":      {attributes("service.name", "api", "deployment.environment.name", "prod-eu-1"), "production"},
		"the newer before the old one": {attributes("service.name", "api", "deployment.environment", "production", "deployment.environment.name", "staging"), "staging"},
	} {
		b := setup(t)
		require.Nil(t, b.exportOf(c.of, span()), name)
		require.Equal(t, c.want, b.kept.spans[0].Environment, name)
	}
}

func TestExport_ResourceOfAnotherProjectIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mixed := request(attributes("service.name", "api"), span())
	mixed.ResourceSpans = append(mixed.ResourceSpans, request(attributes("fairlead.project", "bank"), span(), span()).GetResourceSpans()...)
	w := b.send(marshal(t, mixed))
	require.Equal(t, http.StatusOK, w.Code)
	var out collector.ExportTraceServiceResponse
	require.NoError(t, proto.Unmarshal(w.Body.Bytes(), &out))
	require.Equal(t, int64(2), out.GetPartialSuccess().GetRejectedSpans())
	require.Contains(t, out.GetPartialSuccess().GetErrorMessage(), `There is no project "bank".`)
	require.Len(t, b.kept.spans, 1)

	w = b.send(marshal(t, request(attributes("fairlead.project", "bank"), span())))
	require.Equal(t, http.StatusNotFound, w.Code, "nothing of it may be sent")
	w = b.send(marshal(t, request(attributes("fairlead.environment", "moon"), span())))
	require.Equal(t, http.StatusNotFound, w.Code)
}

func TestExport_SecretsAreRedactedBeforeTheyAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := "ghp_" + strings.Repeat("a1B2", 9)
	b.export(span(func(s *trace.Span) {
		s.Name = "GET /login/hunter2hunter2"
		s.Attributes = append(attributes(
			"url.full", "https://x.example/?key=hunter2hunter2", "http.request.header.authorization", "Bearer "+token, "db.password", "Tr0ub4dor&3", "hunter2hunter2", "key",
			"cut", strings.Repeat("x", 990)+"hunter2hunter2",
		), &common.KeyValue{Key: "list", Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{
			Values: []*common.AnyValue{{Value: &common.AnyValue_StringValue{StringValue: "hunter2hunter2"}}},
		}}}})
		s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "cannot sign in with hunter2hunter2"}
		s.Events = []*trace.Span_Event{{Name: "exception", Attributes: attributes("exception.type", "AuthError", "exception.message", "bad: hunter2hunter2")}}
	}))
	all := b.kept.spans[0]
	text := all.Name + all.Error
	for k, v := range all.Attributes {
		text += " " + k + "=" + v
	}
	for _, secret := range []string{"hunter2", token, "Tr0ub4dor"} {
		require.NotContains(t, text, secret)
	}
	require.Contains(t, text, "cannot sign in with [redacted]")
}

func TestExport_WithoutReadableSecretsNothingIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *otlp.Options) { o.Redactor = func(string) func(string) string { return nil } })
	w := b.send(marshal(t, request(attributes("service.name", "api"), span())))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "5", w.Header().Get("Retry-After"), "it is sent again")
	require.Empty(t, b.kept.spans)
}

func TestExport_ExceptionGivesTheErrorItsWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.export(
		span(func(s *trace.Span) {
			s.Kind = trace.Span_SPAN_KIND_CLIENT
			s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
			s.Events = []*trace.Span_Event{
				{Name: "exception", Attributes: attributes("exception.type", "OldError")},
				{Name: "exception", Attributes: attributes("exception.type", "ConnectError", "exception.message", "refused", "exception.stacktrace", "Traceback...")},
				{Name: "message"},
			}
		}),
		span(func(s *trace.Span) { s.SpanId, s.Attributes = id(9, 8), attributes("http.response.status_code", "503") }),
		span(func(s *trace.Span) {
			s.SpanId, s.Attributes, s.Kind = id(8, 8), attributes("http.response.status_code", "503"), trace.Span_SPAN_KIND_CLIENT
		}),
	)
	first, second, third := b.kept.spans[0], b.kept.spans[1], b.kept.spans[2]
	require.Equal(t, "ConnectError: refused", first.Error)
	require.Equal(t, "Traceback...", first.Attributes["exception.stacktrace"])
	require.True(t, second.Failed, "a server that answered 5xx")
	require.False(t, third.Failed, "a client says itself whether that is a failure")
}

func TestExport_WhatIsTooLongIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.export(span(func(s *trace.Span) {
		s.Name = strings.Repeat("n", 5000)
		for i := range 200 {
			s.Attributes = append(s.Attributes, attributes("key"+hex.EncodeToString([]byte{byte(i)}), strings.Repeat("v", 5000))...)
		}
	}))
	require.Len(t, b.kept.spans[0].Name, 300)
	require.Len(t, b.kept.spans[0].Attributes, 64)
	for _, v := range b.kept.spans[0].Attributes {
		require.Len(t, v, 1000)
	}
}

func TestExport_StoreThatTakesNothingNowIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"full":   {platform.Errorf(platform.CodeExhausted, "Full."), http.StatusTooManyRequests},
		"away":   {platform.Errorf(platform.CodeUnavailable, "Away."), http.StatusServiceUnavailable},
		"broken": {errors.New("open /var/lib/x: no such file"), http.StatusServiceUnavailable},
	} {
		b := setup(t)
		b.kept.fail = c.err
		w := b.send(marshal(t, request(attributes("service.name", "api"), span())))
		require.Equal(t, c.want, w.Code, name)
		require.NotEmpty(t, w.Header().Get("Retry-After"), name)
		require.NotContains(t, w.Body.String(), "/var/lib", name)
	}
}

func TestExport_OtherPathsAndMethodsSayWhatToSend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	handler := otlp.NewReceiver(b.options)
	for _, c := range []struct {
		method, path, words string
		status              int
	}{
		{http.MethodPost, "/otlp/v1/logs", "OTEL_LOGS_EXPORTER=none", http.StatusNotFound},
		{http.MethodPost, "/otlp/v1/metrics", "OTEL_METRICS_EXPORTER=none", http.StatusNotFound},
		{http.MethodGet, "/otlp/v1/traces", "POST", http.StatusMethodNotAllowed},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, http.NoBody)
		r.Header.Set("Authorization", "Bearer word")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code)
		require.Contains(t, w.Body.String(), c.words)
		r.Header.Del("Authorization")
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code, "who asks comes first")
		require.NotEmpty(t, w.Header().Get("WWW-Authenticate"))
	}
}

func TestExport_NoMoreThanSoManyAreReadAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *otlp.Options) { o.Limits.AtOnce = 1 })
	handler := otlp.NewReceiver(b.options)
	body, hold := io.Pipe()
	slow := httptest.NewRequestWithContext(t.Context(), http.MethodPost, otlp.TracesPath, body)
	slow.Header.Set("Content-Type", "application/x-protobuf")
	slow.Header.Set("Authorization", "Bearer word")
	done := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, slow)
		done <- w.Code
	}()
	_, err := hold.Write([]byte{0x0a, 0x00}) // it is being read now
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := httptest.NewRequestWithContext(ctx, http.MethodPost, otlp.TracesPath, http.NoBody)
	second.Header = slow.Header
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, second)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NoError(t, hold.Close())
	require.Equal(t, http.StatusOK, <-done)
}

func FuzzExport(f *testing.F) {
	good, err := proto.Marshal(request(attributes("service.name", "api"), span()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}`), true)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		b := setup(t)
		kind := "application/x-protobuf"
		if asJSON {
			kind = "application/json"
		}
		w := b.send(body, "Content-Type", kind)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge}, w.Code, w.Body.String())
		for _, s := range b.kept.spans {
			require.True(t, observability.IsTraceID(s.TraceID))
			require.Len(t, s.SpanID, 16)
		}
	})
}

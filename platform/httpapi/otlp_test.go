package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/otlp"
	"github.com/fairlead/fairlead/observability/traces"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
	"github.com/fairlead/fairlead/platform/secret"
)

// mounted is the API with OTLP mounted as the server does it.
func mounted(t *testing.T) (bundle, *traces.Store) {
	t.Helper()
	store, err := traces.Open(traces.Options{})
	require.NoError(t, err)
	p := httpapitest.New()
	senders := httpapi.NewSenders(p)
	receiver := otlp.NewReceiver(otlp.Options{
		Sender:   func(r *http.Request) (otlp.Sender, error) { return senders.Sender(r) },
		Redactor: func(string) func(string) string { return secret.Redact }, Spans: store,
	})
	api, url := httpapitest.Serve(t, p, httpapi.Options{Mounts: map[string]http.Handler{otlp.Endpoint + "/": senders.Handler(receiver)}})
	return bundle{t: t, plane: p, api: api, url: url}, store
}

// The exporter of OpenTelemetry itself, told no more than its endpoint and a token by its usual variables.
func TestOTLP_ARealExporterSendsByItsUsualVariables(t *testing.T) {
	b, store := mounted(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", b.url+"/otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20"+httpapitest.SenderToken)
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "api")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging,service.version=12")
	exporter, err := otlptracehttp.New(t.Context())
	require.NoError(t, err)
	from, err := resource.New(t.Context(), resource.WithFromEnv())
	require.NoError(t, err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(from))
	tracer := provider.Tracer("test")
	ctx, root := tracer.Start(t.Context(), "GET /cart", trace.WithSpanKind(trace.SpanKindServer))
	_, call := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("server.address", "features")))
	call.SetStatus(codes.Error, "connection refused")
	call.End()
	root.End()
	require.NoError(t, provider.Shutdown(t.Context()))

	page, err := store.Query(t.Context(), observability.SpanQuery{Project: "shop", Environment: "staging", TraceID: root.SpanContext().TraceID().String()})
	require.NoError(t, err)
	require.Len(t, page.Spans, 2)
	require.Equal(t, "GET /cart", page.Spans[0].Name)
	require.Equal(t, "api", page.Spans[0].Service)
	require.Equal(t, "12", page.Spans[0].Attributes["service.version"])
	require.Equal(t, page.Spans[0].SpanID, page.Spans[1].ParentID)
	require.Equal(t, observability.SpanClient, page.Spans[1].Kind)
	require.True(t, page.Spans[1].Failed)
	require.Equal(t, "connection refused", page.Spans[1].Error)
}

func TestOTLP_ARealExporterHearsOfARefusal(t *testing.T) {
	t.Parallel()
	b, store := mounted(t)
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(b.url+"/otlp/v1/traces"),
		otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer flt_wrong"}), otlptracehttp.WithTimeout(10*time.Second))
	require.NoError(t, err)
	provider := sdk.NewTracerProvider()
	_, span := provider.Tracer("test").Start(t.Context(), "x")
	span.End()
	err = exporter.ExportSpans(t.Context(), []sdk.ReadOnlySpan{span.(sdk.ReadOnlySpan)})
	require.ErrorContains(t, err, "This token is unknown, expired or revoked.")
	require.Zero(t, store.Stats().Spans)
}

func TestOTLP_MountRefusesWhoMayNotSend(t *testing.T) {
	t.Parallel()
	b, store := mounted(t)
	body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"` + strings.Repeat("ab", 16) + `"}]}]}]}`
	for name, c := range map[string]struct {
		token   string
		headers []string
		want    int
	}{
		"no token":            {"", nil, http.StatusUnauthorized},
		"a wrong token":       {"flt_wrong", nil, http.StatusUnauthorized},
		"a viewer":            {httpapitest.ViewerToken, []string{"Fairlead-Project", "shop"}, http.StatusForbidden},
		"an agent":            {httpapitest.AgentToken, []string{"Fairlead-Project", "shop"}, http.StatusForbidden},
		"the wrong project":   {httpapitest.OtherToken, []string{"Fairlead-Project", "shop"}, http.StatusNotFound},
		"no such environment": {httpapitest.SenderToken, []string{"Fairlead-Environment", "moon"}, http.StatusNotFound},
		"no project at all":   {httpapitest.AdminToken, nil, http.StatusBadRequest},
	} {
		status, header, raw := b.do(http.MethodPost, otlp.TracesPath, c.token, body, append([]string{"Content-Type", "application/json"}, c.headers...)...)
		require.Equal(t, c.want, status, "%s: %s", name, raw)
		require.Equal(t, "application/json", header.Get("Content-Type"), name)
		require.Contains(t, string(raw), `"message"`, name)
	}
	require.Zero(t, store.Stats().Spans)
}

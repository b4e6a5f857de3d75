package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fairlead/fairlead/platform"
)

// tracedServices are two services of which one names the other.
const tracedServices = "  - {name: api, type: private, port: 8000, autoDeploy: false, env: {FEATURES_URL: \"http://features:9000\"}}\n" +
	"  - {name: features, type: private, port: 9000, autoDeploy: false}\n"

// TestTraces_OfARunningInstallation sends spans as an application does and reads them as people do.
func TestTraces_OfARunningInstallation(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, tracedServices)
	code, out, errOut := r.fairlead(t, g.dir, r.admin, "token", "create", "traces-"+project, "--kind", "automation", "--role", "sender", "--project", project, "-o", "json")
	require.Zero(t, code, errOut)
	var token platform.CreatedToken
	require.NoError(t, json.Unmarshal([]byte(out), &token))
	code, _, errOut = r.fairlead(t, g.dir, token.Secret, "status")
	require.Equal(t, 3, code)
	require.Contains(t, errOut, "has the role sender and may not read")
	_, err := r.client.SetEnv(t.Context(), platform.SetEnvRequest{
		SlotRef: platform.SlotRef{Project: project, Service: "api"}, NoDeploy: true, Set: []platform.Variable{{Key: "KEY", Value: "wonderful-secret-42", Secret: true}},
	})
	require.NoError(t, err)

	code, out, _ = r.fairlead(t, g.dir, r.admin, "traces")
	require.Zero(t, code)
	require.Contains(t, out, "OTEL_EXPORTER_OTLP_ENDPOINT")
	id := r.sendTrace(t, token.Secret)

	code, out, errOut = r.fairlead(t, g.dir, r.admin, "traces", "api", "--failed")
	require.Zero(t, code, errOut)
	require.Contains(t, out, id)
	code, out, errOut = r.fairlead(t, g.dir, r.admin, "traces", id)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "└ GET /features")
	require.Contains(t, out, "no entry for [redacted]")
	require.NotContains(t, out, "wonderful")
	code, out, errOut = r.fairlead(t, g.dir, r.admin, "map")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "└─ features  private  1         100.0%")
	require.Contains(t, out, "FEATURES_URL, traces")

	for name, c := range map[string]struct {
		token, query string
		want         int
	}{
		"no such token": {"flt_wrong", "", http.StatusUnauthorized}, "another project": {token.Secret, "?project=elsewhere", http.StatusNotFound},
		"no environment": {token.Secret, "?environment=moon", http.StatusNotFound}, "nobody's": {r.admin, "", http.StatusBadRequest},
	} {
		status, _, body := r.call(t, c.token, http.MethodPost, "/otlp/v1/traces"+c.query, strings.NewReader(`{"resourceSpans":[{"scopeSpans":[]}]}`))
		require.Equal(t, c.want, status, "%s: %s", name, body)
	}
}

// sendTrace sends one trace of two services and returns its id.
func (r *installed) sendTrace(t *testing.T, token string) string {
	t.Helper()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(r.url()+"/otlp/v1/traces"), otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + token}))
	require.NoError(t, err)
	tracer := func(service string) (trace.Tracer, *sdk.TracerProvider) {
		provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter), sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", service))))
		return provider.Tracer("test"), provider
	}
	api, _ := tracer("api")
	features, provider := tracer("features")
	ctx, root := api.Start(t.Context(), "POST /recommend", trace.WithSpanKind(trace.SpanKindClient))
	_, answer := features.Start(ctx, "GET /features", trace.WithSpanKind(trace.SpanKindServer))
	answer.SetStatus(codes.Error, "no entry for wonderful-secret-42")
	answer.End()
	root.End()
	require.NoError(t, provider.Shutdown(t.Context()))
	return root.SpanContext().TraceID().String()
}

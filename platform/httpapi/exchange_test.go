package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

// writer collects what a logger writes, from any goroutine.
type writer struct {
	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *writer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

func TestTrace_ARequestIsASpanOfItsCallersTraceAndSaysSo(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	var out writer
	b := setup(t, httpapi.Options{Tracer: tracer, Logger: slog.New(tracing.LogHandler(slog.NewTextHandler(&out, nil)))})
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	parent := []string{"Traceparent", "00-" + trace + "-" + span + "-01"}

	status, h, _ := b.do(http.MethodGet, "/v1/projects/shop/services/api", httpapitest.AdminToken, "", parent...)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, trace, h.Get("X-Trace-Id"))
	b.do(http.MethodGet, "/v1/projects/shop/services/api/releases?environment=hunter2", httpapitest.AdminToken, "", parent...)
	p := b.problem(http.MethodPut, "/v1/projects/shop/services/api/scale", httpapitest.AdminToken, `{"replicas":"hunter2"}`, parent...)
	require.Equal(t, trace, p.TraceID)
	p = b.problem(http.MethodGet, "/v1/projects", "hunter2", "", parent...)
	require.Equal(t, trace, p.TraceID)
	require.Equal(t, http.StatusUnauthorized, p.Status)
	status, h, _ = b.do(http.MethodGet, "/healthz", "", "")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, h.Get("X-Trace-Id"), 32, "a request without a trace begins one")

	spans, raw := collector.All(t, tracer)
	found := tracingtest.Named(t, spans, "GET /v1/projects/{project}/services/{service}")
	require.Equal(t, trace, found.Trace)
	require.Equal(t, span, found.Parent)
	require.Equal(t, "SPAN_KIND_SERVER", found.Kind)
	require.Equal(t, "human", found.Attrs["fairlead.actor.kind"])
	require.Equal(t, "/v1/projects/{project}/services/{service}", found.Attrs["http.route"])
	require.Contains(t, found.Attrs["http.response.status_code"], "200")
	require.False(t, found.IsFailed)
	require.Contains(t, tracingtest.Named(t, spans, "PUT /v1/projects/{project}/services/{service}/scale").Attrs["http.response.status_code"], "422")
	refused := tracingtest.Named(t, spans, "GET /v1/projects")
	require.Contains(t, refused.Attrs["http.response.status_code"], "401")
	require.Empty(t, refused.Attrs["fairlead.actor.kind"])
	require.NotContains(t, string(raw), "hunter2", "neither token nor query nor body")
	require.NotContains(t, string(raw), httpapitest.AdminToken)
	require.Contains(t, out.String(), "trace_id="+trace, "log lines and trace meet")
}

func TestTrace_AClientInsideTheProcessGoesOnWithItsTrace(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	b := setup(t, httpapi.Options{Tracer: tracer})
	c := client.New(client.Options{BaseURL: "http://fairlead", Token: httpapitest.AdminToken, HTTP: &http.Client{Transport: b.api.Transport()}})
	ctx, finish := tracer.Later(t.Context(), "", "tool call")
	ctx, tool := tracing.Start(ctx, "tool get_overview")
	_, err := c.Status(ctx)
	require.NoError(t, err)
	tool.End(nil)
	finish(nil)
	spans, _ := collector.All(t, tracer)
	require.Equal(t, tracingtest.Named(t, spans, "tool get_overview").ID, tracingtest.Named(t, spans, "GET /v1/status").Parent)
}

func TestTrace_OffLeavesNoTraceInAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	status, h, raw := b.do(http.MethodGet, "/v1/nothing", httpapitest.AdminToken, "", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	require.Equal(t, http.StatusNotFound, status)
	require.Empty(t, h.Get("X-Trace-Id"))
	require.NotContains(t, string(raw), "trace_id")
}

// counted returns the value of the one series with that name and those labels, 0 when there is none.
func counted(t *testing.T, m *meter.Meter, name string, labels ...string) float64 {
	t.Helper()
	samples, err := m.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	total := 0.0
	for _, s := range samples {
		matches := s.Name == name
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && s.Labels[labels[i]] == labels[i+1]
		}
		if matches {
			total += s.Value
		}
	}
	return total
}

func TestMeter_CountsRequestsByTemplateMethodAndClass(t *testing.T) {
	t.Parallel()
	m := meter.New()
	b := setup(t, httpapi.Options{Meter: m, Mounts: map[string]http.Handler{
		"/git/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}})
	for _, project := range []string{"shop", "nowhere"} {
		b.do(http.MethodGet, "/v1/projects/"+project+"/services/api", httpapitest.AdminToken, "")
	}
	b.do(http.MethodGet, "/v1/projects/shop/services/api", "", "")
	for _, path := range []string{"/wp-login.php", "/v1/nothing", "/v1/projects/a/b/c/d/e"} {
		b.do(http.MethodGet, path, httpapitest.AdminToken, "")
	}
	b.do("BREW", "/v1/projects", httpapitest.AdminToken, "")
	b.do(http.MethodPost, "/git/shop.git/git-upload-pack", "", "")
	b.do(http.MethodGet, "/v1/projects", httpapitest.AdminToken, "", "Host", "evil.example.org")

	const route = "/v1/projects/{project}/services/{service}"
	require.EqualValues(t, 1, counted(t, m, observability.MetricAPIRequests, "route", route, "method", "GET", "class", "2xx"))
	require.EqualValues(t, 2, counted(t, m, observability.MetricAPIRequests, "route", route, "method", "GET", "class", "4xx"))
	require.EqualValues(t, 3, counted(t, m, observability.MetricAPIRequests, "route", "other"))
	require.EqualValues(t, 1, counted(t, m, observability.MetricAPIRequests, "route", "/v1/projects", "method", "OTHER"))
	require.EqualValues(t, 1, counted(t, m, observability.MetricAPIRequests, "route", "/git/", "method", "POST", "class", "4xx"))
	require.EqualValues(t, 1, counted(t, m, observability.MetricAPIRequests, "route", "/v1/projects", "method", "GET", "class", "4xx"), "what is refused before it is routed counts too")
	require.EqualValues(t, 3, counted(t, m, observability.MetricAPISeconds+"_count", "route", route))
}

func TestMeter_StreamsAreCountedWhileTheyAreOpenAndAreNoLatency(t *testing.T) {
	t.Parallel()
	m := meter.New()
	b := setup(t, httpapi.Options{Meter: m, Heartbeat: time.Millisecond})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/v1/events/stream", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"), resp.Status)
	require.EqualValues(t, 1, counted(t, m, observability.MetricAPIStreams, "route", "/v1/events/stream"))
	leave()
	resp.Body.Close()
	require.Eventually(t, func() bool {
		return counted(t, m, observability.MetricAPIStreams) == 0 && counted(t, m, observability.MetricAPIRequests, "route", "/v1/events/stream") == 1
	}, 30*time.Second, time.Millisecond)
	require.Zero(t, counted(t, m, observability.MetricAPISeconds+"_count", "route", "/v1/events/stream"))
}

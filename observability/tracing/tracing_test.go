package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
	"github.com/fairlead/fairlead/platform"
)

const (
	callersTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan   = "00f067aa0ba902b7"
	callersHeader = "00-" + callersTrace + "-" + callersSpan + "-01"
)

func TestTracer_SpansArriveAsAFamilyUnderTheCallersTrace(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	ctx, request := tracer.Serve(t.Context(), http.Header{"Traceparent": {callersHeader}}, "GET", slog.Int("n", 3), slog.Bool("ok", true))
	require.Equal(t, callersTrace, tracing.ID(ctx))
	inner, child := tracing.Start(ctx, "look up", slog.String("fairlead.kind", "x"))
	_, grandchild := tracing.Start(inner, "ask")
	grandchild.End(platform.Errorf(platform.CodeUnavailable, "The password hunter2 was refused."))
	child.End(nil)
	request.Rename("GET /v1/things/{thing}")
	request.End(nil)

	spans, raw := collector.All(t, tracer)
	require.Len(t, spans, 3)
	root, middle, leaf := tracingtest.Named(t, spans, "GET /v1/things/{thing}"), tracingtest.Named(t, spans, "look up"), tracingtest.Named(t, spans, "ask")
	require.Equal(t, []string{callersTrace, callersTrace, callersTrace}, []string{root.Trace, middle.Trace, leaf.Trace})
	require.Equal(t, []string{callersSpan, root.ID, middle.ID}, []string{root.Parent, middle.Parent, leaf.Parent})
	require.Equal(t, "SPAN_KIND_SERVER", root.Kind)
	require.Equal(t, "fairlead", root.Service)
	require.Equal(t, "x", middle.Attrs["fairlead.kind"])
	require.True(t, leaf.IsFailed)
	require.Equal(t, "unavailable", leaf.Failed, "a code and no words")
	require.NotContains(t, string(raw), "hunter2")
}

// Allocations of the whole process are counted, so this one is not parallel.
func TestTracer_OffCostsNothingAndChangesNothing(t *testing.T) {
	var off *tracing.Tracer
	ctx := t.Context()
	served, span := off.Serve(ctx, http.Header{"Traceparent": {callersHeader}}, "GET")
	require.Equal(t, ctx, served)
	span.Set(slog.String("a", "b"))
	span.Rename("x")
	span.End(errors.New("x"))
	later, finish := off.Later(ctx, callersHeader, "job")
	require.Equal(t, ctx, later)
	finish(errors.New("x"))
	require.Empty(t, tracing.ID(ctx))
	require.Empty(t, tracing.Parent(ctx))
	require.NoError(t, off.Close(ctx))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, span := tracing.Start(ctx, "look up")
		span.End(nil)
	}))
}

func TestLater_BeginsWhenSomethingHappensBelowIt(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	_, finish := tracer.Later(t.Context(), callersHeader, "idle look")
	finish(nil)
	_, finish = tracer.Later(t.Context(), "", "failed look")
	finish(errors.New("x"))
	ctx, finish := tracer.Later(t.Context(), callersHeader, "busy look", slog.String("fairlead.job.kind", "k"))
	require.Equal(t, callersTrace, tracing.ID(ctx), "what waits knows its trace")
	before := time.Now()
	inner, first := tracing.Start(ctx, "first step")
	_, inside := tracing.Start(inner, "inside")
	inside.End(nil)
	first.End(nil)
	_, second := tracing.Start(ctx, "second step")
	second.End(nil)
	finish(nil)

	spans, _ := collector.All(t, tracer)
	require.Len(t, spans, 5)
	look := tracingtest.Named(t, spans, "busy look")
	require.Equal(t, callersTrace, look.Trace)
	require.Equal(t, callersSpan, look.Parent)
	require.Equal(t, "k", look.Attrs["fairlead.job.kind"])
	require.False(t, look.Began.After(before), "dated back to when the work began")
	step := tracingtest.Named(t, spans, "first step")
	require.Equal(t, look.ID, step.Parent)
	require.Equal(t, look.ID, tracingtest.Named(t, spans, "second step").Parent)
	require.Equal(t, step.ID, tracingtest.Named(t, spans, "inside").Parent)
	failed := tracingtest.Named(t, spans, "failed look")
	require.Empty(t, failed.Parent)
	require.True(t, failed.IsFailed)
}

func TestTransport_TellsTheServerOfTheTraceAndNothingElse(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: tracing.Transport(http.DefaultTransport, "loki")}
	ask := func(ctx context.Context) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/loki/api/v1/query_range?query=hunter2", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer hunter2")
		resp, err := client.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
	}
	ask(t.Context())
	require.Empty(t, got.Get("Traceparent"), "outside of a trace nothing is added")

	collector, tracer := tracingtest.New(t)
	ctx, span := tracer.Serve(t.Context(), nil, "request")
	ask(ctx)
	span.End(nil)
	spans, raw := collector.All(t, tracer)
	sent := tracingtest.Named(t, spans, "GET loki")
	require.Equal(t, "00-"+sent.Trace+"-"+sent.ID+"-01", got.Get("Traceparent"))
	require.Equal(t, tracingtest.Named(t, spans, "request").ID, sent.Parent)
	require.Equal(t, "SPAN_KIND_CLIENT", sent.Kind)
	require.True(t, sent.IsFailed)
	require.Contains(t, sent.Attrs["http.response.status_code"], "418")
	require.NotContains(t, string(raw), "hunter2")
}

func TestLogHandler_RecordsWithinATraceSayWhichOne(t *testing.T) {
	t.Parallel()
	_, tracer := tracingtest.New(t)
	var out bytes.Buffer
	log := slog.New(tracing.LogHandler(slog.NewTextHandler(&out, nil))).With("part", "api")
	log.InfoContext(t.Context(), "outside")
	require.NotContains(t, out.String(), "trace_id")
	ctx, finish := tracer.Later(t.Context(), "", "job")
	ctx, span := tracing.Start(ctx, "step")
	log.InfoContext(ctx, "inside")
	span.End(nil)
	finish(nil)
	require.Contains(t, out.String(), "trace_id="+tracing.ID(ctx))
	require.Contains(t, out.String(), "span_id=")
}

func TestTracer_ACollectorThatHangsCostsItsSpansAndABoundedEnd(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(release) })
	tracer, err := tracing.Open(t.Context(), tracing.Options{Endpoint: hangs.URL})
	require.NoError(t, err)
	began := time.Now()
	for range 5000 { // more than the queue holds
		_, span := tracer.Serve(t.Context(), nil, "request")
		span.End(nil)
	}
	require.Less(t, time.Since(began), 2*time.Second, "nobody waits for the collector")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began = time.Now()
	require.ErrorIs(t, tracer.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
	sent, _ := tracer.Stats()
	require.Zero(t, sent)
}

func TestTracer_ACollectorThatIsAwayIsSaidOnceAndItsSpansAreCounted(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(refusing.Close)
	for _, address := range []string{away.URL, refusing.URL} {
		var out bytes.Buffer
		tracer, err := tracing.Open(t.Context(), tracing.Options{Endpoint: address, Log: slog.New(slog.NewTextHandler(&out, nil))})
		require.NoError(t, err)
		for range 1200 { // more than two batches
			_, span := tracer.Serve(t.Context(), nil, "request")
			span.End(nil)
		}
		require.NoError(t, tracer.Close(t.Context()))
		sent, lost := tracer.Stats()
		require.Zero(t, sent)
		require.EqualValues(t, 1200, lost)
		require.Equal(t, 1, strings.Count(out.String(), "cannot be sent"))
	}
}

// The variables belong to the process, so this one is not parallel.
func TestOpen_ReadsTheStandardVariables(t *testing.T) {
	collector := tracingtest.NewCollector(t)
	off, err := tracing.Open(t.Context(), tracing.Options{})
	require.NoError(t, err)
	require.Nil(t, off, "no variable, no tracing")

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "fairlead-eu1")
	tracer, err := tracing.Open(t.Context(), tracing.Options{})
	require.NoError(t, err)
	_, span := tracer.Serve(t.Context(), nil, "request")
	span.End(nil)
	spans, _ := collector.All(t, tracer)
	require.Equal(t, "fairlead-eu1", tracingtest.Named(t, spans, "request").Service)

	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	tracer, err = tracing.Open(t.Context(), tracing.Options{})
	require.NoError(t, err)
	ctx, span := tracer.Serve(t.Context(), nil, "unsampled")
	require.NotEmpty(t, tracing.ID(ctx), "its log lines still have something in common")
	span.End(nil)
	spans, _ = collector.All(t, tracer)
	require.Len(t, spans, 1)

	for _, c := range []struct{ name, value, says string }{
		{"OTEL_TRACES_SAMPLER", "sometimes", `OTEL_TRACES_SAMPLER "sometimes" is not known.`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", which Fairlead does not speak.`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is not an http or https URL."},
		{"OTEL_RESOURCE_ATTRIBUTES", "team", "OTEL_RESOURCE_ATTRIBUTES cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", "")
			t.Setenv(c.name, c.value)
			_, err := tracing.Open(t.Context(), tracing.Options{})
			require.ErrorContains(t, err, c.says)
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
		})
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	off, err = tracing.Open(t.Context(), tracing.Options{})
	require.NoError(t, err)
	require.Nil(t, off)
}

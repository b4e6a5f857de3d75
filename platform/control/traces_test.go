package control

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/traces"
	"github.com/fairlead/fairlead/platform"
)

// traced is shop with a store of traces and a store of metrics.
func traced(t *testing.T) (*bench, *traces.Store, *embedded.Metrics) {
	t.Helper()
	store, err := traces.Open(traces.Options{})
	require.NoError(t, err)
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	return shop(t, func(o *Options) { o.Spans, o.Metrics, o.HostName = store, metrics, "host1" }), store, metrics
}

const (
	traceOne = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceTwo = "4bf92f3577b34da6a3ce929d0e0e4737"
)

func (b *bench) span(trace, id, service string, change ...func(*observability.Span)) observability.Span {
	s := observability.Span{Project: "shop", Environment: "production", Kind: observability.SpanServer}
	s.TraceID, s.SpanID, s.Service, s.Name = trace, id, service, "GET /cart"
	s.At, s.Took = b.clock.Now().Add(-time.Minute), platform.Duration(20*time.Millisecond)
	for _, c := range change {
		c(&s)
	}
	return s
}

func TestTraces_AreFoundAndShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	b, store, _ := traced(t)
	ctx := t.Context()
	require.NoError(t, store.Append(ctx, []observability.Span{
		b.span(traceOne, "00000000000000a1", "api"),
		b.span(traceOne, "00000000000000a2", "api", func(s *observability.Span) {
			s.ParentID, s.Kind, s.Failed, s.Error = "00000000000000a1", observability.SpanClient, true, "no entry for hunter2hunter2"
			s.Attributes = map[string]string{"q": "hunter2hunter2"}
		}),
		b.span(traceTwo, "00000000000000b1", "features"),
	}))
	// The secret is set after the span came.
	_, err := b.SetEnv(ctx, ada, platform.SetEnvRequest{SlotRef: api, Set: []platform.Variable{{Key: "PASS", Value: "hunter2hunter2", Secret: true}}, NoDeploy: true})
	require.NoError(t, err)

	page, err := b.SearchTraces(ctx, vic, observability.TraceQuery{Project: "shop", Service: "api", Environment: "production"})
	require.NoError(t, err)
	require.Len(t, page.Traces, 1)
	require.Equal(t, "no entry for [redacted]", page.Traces[0].Error)
	found, err := b.GetTrace(ctx, vic, "shop", traceOne)
	require.NoError(t, err)
	require.Equal(t, 1, found.Failed)
	require.Len(t, found.Tree, 2)
	require.Equal(t, map[string]string{"q": "[redacted]"}, found.Tree[1].Attributes)
	again, err := store.Query(ctx, observability.SpanQuery{Project: "shop", TraceID: traceOne})
	require.NoError(t, err)
	require.Equal(t, "hunter2hunter2", again.Spans[1].Attributes["q"], "the store's own copy is not touched")

	_, err = b.GetTrace(ctx, vic, "shop", "00000000000000000000000000000001")
	code(t, platform.CodeNotFound, err, "fairlead traces")
	_, err = b.GetTrace(ctx, vic, "shop", "abc")
	code(t, platform.CodeInvalid, err, "32 hexadecimal digits")
	_, err = b.SearchTraces(ctx, vic, observability.TraceQuery{Project: "shop", Environment: "stagin"})
	code(t, platform.CodeNotFound, err, "stagin")
	b.o.Spans = nil
	_, err = b.SearchTraces(ctx, vic, observability.TraceQuery{Project: "shop"})
	code(t, platform.CodeUnavailable, err)
}

func TestServiceMap_JoinsRouterTracesAndVariables(t *testing.T) {
	t.Parallel()
	b, store, metrics := traced(t)
	ctx := t.Context()
	now := b.clock.Now()
	for i := range 61 {
		at := now.Add(time.Duration(i-60) * time.Minute)
		require.NoError(t, metrics.Append(ctx, []observability.Sample{
			{Name: observability.MetricRequests, Labels: map[string]string{"project": "shop", "environment": "production", "service": "api", "class": "2xx"}, At: at, Value: float64(90 * i)},
			{Name: observability.MetricRequests, Labels: map[string]string{"project": "shop", "environment": "production", "service": "api", "class": "5xx"}, At: at, Value: float64(10 * i)},
		}))
	}
	_, err := b.SetEnv(ctx, ada, platform.SetEnvRequest{SlotRef: api, NoDeploy: true, Set: []platform.Variable{
		{Key: "FEATURES_URL", Value: "http://user:hunter2hunter2@features:9000", Secret: true},
	}})
	require.NoError(t, err)
	declared, err := b.ServiceMap(ctx, vic, platform.MapRequest{Project: "shop"})
	require.NoError(t, err)
	require.Len(t, declared.Edges, 2)
	require.Equal(t, platform.Edge{From: platform.RouterNode, To: "api", Kind: platform.EdgeCalls}, declared.Edges[0].Edge)
	require.InDelta(t, 6000, declared.Edges[0].Requests, 150)
	require.InDelta(t, 0.1, declared.Edges[0].FailedShare(), 0.01)
	require.Equal(t, platform.MapEdge{
		Edge: platform.Edge{From: "api", To: "features", Kind: platform.EdgeCalls}, Sources: []platform.EdgeSource{platform.SourceDeclared}, Via: "FEATURES_URL",
	}, declared.Edges[1], "of the secret only the service's name is shown")
	require.Contains(t, declared.Notes[0], "No spans came")

	require.NoError(t, store.Append(ctx, []observability.Span{
		b.span(traceOne, "00000000000000a1", "api", func(s *observability.Span) { s.Kind = observability.SpanClient }),
		b.span(traceOne, "00000000000000a2", "features", func(s *observability.Span) { s.ParentID, s.Failed = "00000000000000a1", true }),
		b.span(traceTwo, "00000000000000a3", "api", func(s *observability.Span) {
			s.Environment, s.Kind, s.Attributes = "staging", observability.SpanClient, map[string]string{"server.address": "elsewhere"}
		}),
	}))
	seen, err := b.ServiceMap(ctx, vic, platform.MapRequest{Project: "shop", Environment: "production"})
	require.NoError(t, err)
	require.Len(t, seen.Edges, 2, "the other environment's call is not here")
	require.Equal(t, []platform.EdgeSource{platform.SourceDeclared, platform.SourceTraces}, seen.Edges[1].Sources)
	require.Equal(t, int64(1), seen.Edges[1].Failed)
	require.Empty(t, seen.Notes)

	for field, req := range map[string]platform.MapRequest{
		"project": {}, "from": {Project: "shop", From: now, To: now.Add(-time.Hour)}, "environment": {Project: "shop", Environment: "moon"},
	} {
		_, err := b.ServiceMap(ctx, vic, req)
		var e *platform.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
	}
	_, err = b.ServiceMap(ctx, vic, platform.MapRequest{Project: "shop", From: now.Add(-30 * 24 * time.Hour)})
	code(t, platform.CodeInvalid, err, "over the limit of 168")
}

type brokenMetrics struct{}

func (brokenMetrics) Query(context.Context, observability.MetricQuery) ([]observability.Series, error) {
	return nil, platform.Errorf(platform.CodeUnavailable, "Away.")
}

func TestServiceMap_WithoutCountsSaysSo(t *testing.T) {
	t.Parallel()
	b, _, _ := traced(t)
	b.o.Metrics = brokenMetrics{}
	m, err := b.ServiceMap(t.Context(), vic, platform.MapRequest{Project: "shop"})
	require.NoError(t, err)
	require.Equal(t, "The router's counts could not be read.", m.Notes[0])
	require.Len(t, m.Nodes, 2)
}

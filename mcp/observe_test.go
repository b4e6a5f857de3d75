package mcp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/mcp"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
)

func TestTools_CallsAreCountedAndAreSpansOfTheRequestThatCarriedThem(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	m := meter.New()
	r := setupWith(t, func(o *mcp.Options) { o.Meter = m }, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := tracer.Serve(r.Context(), r.Header, "request")
			defer span.End(nil)
			h.ServeHTTP(w, r.WithContext(ctx))
		})
	})
	c := r.connect(t)
	result, _ := call(t, c, "get_overview", nil)
	require.False(t, result.IsError)
	result, _ = call(t, c, "get_service", map[string]any{"project": "shop", "service": "hunter2"})
	require.True(t, result.IsError)

	samples, err := m.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, s := range samples {
		if s.Name == observability.MetricToolCalls {
			counts[s.Labels["tool"]+" "+s.Labels["result"]] = s.Value
		}
	}
	require.Equal(t, map[string]float64{"get_overview done": 1, "get_service refused": 1}, counts)

	spans, raw := collector.All(t, tracer)
	tool := tracingtest.Named(t, spans, "tool get_overview")
	require.Equal(t, "done", tool.Attrs["fairlead.result"])
	parents := map[string]string{}
	for _, s := range spans {
		parents[s.ID] = s.Name
	}
	require.Equal(t, "request", parents[tool.Parent])
	require.Equal(t, "refused", tracingtest.Named(t, spans, "tool get_service").Attrs["fairlead.result"])
	require.NotContains(t, string(raw), "hunter2")
	require.NotContains(t, string(raw), agentToken)
}

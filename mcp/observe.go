package mcp

import (
	"context"
	"log/slog"
	"time"

	mcpgo "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing"
)

// observed counts each call of a tool and makes a span of it, below that of the request that carried it. Arguments and
// answers stay out of both.
func observed(m *meter.Meter) server.ToolHandlerMiddleware {
	return func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, request mcpgo.CallToolRequest) (*mcpgo.CallToolResult, error) {
			began, name := time.Now(), request.Params.Name
			ctx, span := tracing.Start(ctx, "tool "+name, slog.String("fairlead.tool", name))
			result, err := next(ctx, request)
			outcome := "done"
			switch {
			case err != nil:
				outcome = "failed"
			case result != nil && result.IsError:
				outcome = "refused"
			}
			span.Set(slog.String("fairlead.result", outcome))
			span.End(err)
			m.Add(observability.MetricToolCalls, 1, "tool", name, "result", outcome)
			m.Observe(observability.MetricToolSeconds, time.Since(began), "tool", name)
			return result, err
		}
	}
}

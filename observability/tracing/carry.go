package tracing

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Transport makes a span of each request that next sends within a trace, and tells the server of the trace. peer names
// the server, such as "loki": its address may hold a password, and a query what was looked for, so neither is told.
func Transport(next http.RoundTripper, peer string) http.RoundTripper {
	return &transport{next: next, peer: peer}
}

type transport struct {
	next http.RoundTripper
	peer string
}

// RoundTrip sends the request. The span lasts until the answer begins.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := startKind(r.Context(), r.Method+" "+t.peer, trace.SpanKindClient, []slog.Attr{
		slog.String("http.request.method", r.Method), slog.String("server.address", r.URL.Host), slog.String("url.path", r.URL.Path),
	})
	if span.span == nil {
		return t.next.RoundTrip(r)
	}
	r = r.Clone(ctx)
	w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		span.Set(slog.Int("http.response.status_code", answer.StatusCode))
		if answer.StatusCode >= http.StatusBadRequest {
			span.Fail(http.StatusText(answer.StatusCode))
		}
	}
	span.End(err)
	return answer, err
}

// CloseIdleConnections closes those of next.
func (t *transport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// LogHandler adds trace_id and span_id to the records that are written within a trace, before next handles them.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle adds the ids.
func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if c := current(ctx); c.IsValid() {
		record = record.Clone()
		record.AddAttrs(slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs returns a handler that adds attrs too.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup returns a handler that puts later attributes into a group; the ids among them.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fairlead/fairlead/platform"
)

// later is a span that begins when something happens below it.
type later struct {
	tracer trace.Tracer
	outer  context.Context
	name   string
	attrs  []slog.Attr
	began  time.Time

	mu   sync.Mutex // guards the field below
	span trace.Span // nil until something happened
}

type laterKey struct{}

// laterOf returns the later of ctx, unless a span has begun below it already.
func laterOf(ctx context.Context) *later {
	l, ok := ctx.Value(laterKey{}).(*later)
	if !ok || !trace.SpanContextFromContext(ctx).Equal(trace.SpanContextFromContext(l.outer)) {
		return nil
	}
	return l
}

// begin returns the span, begun when the work did.
func (l *later) begin() trace.Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.span == nil {
		_, l.span = l.tracer.Start(l.outer, l.name, trace.WithTimestamp(l.began),
			trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(converted(l.attrs)...))
	}
	return l.span
}

func (l *later) begun() trace.Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.span
}

func (l *later) finish(err error) {
	if err != nil {
		l.begin().SetStatus(codes.Error, string(platform.CodeOf(err)))
	}
	if span := l.begun(); span != nil {
		span.End()
	}
}

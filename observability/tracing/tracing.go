// Package tracing follows pieces of work through Fairlead and tells an OpenTelemetry collector what they took.
//
// It owns the OpenTelemetry library, the variables that set it up, and the way of a trace over HTTP, through the queue and
// into log records. Everything else sees contexts, slog attributes and this package's functions; with no collector named
// they do nothing. It must not know what the work is. Attributes are names, numbers and codes that the caller chose:
// never a body, a token, a query or the text of an error.
package tracing

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fairlead/fairlead/platform"
)

// Tracer begins traces. A nil Tracer is off: its methods return the context that they were given.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	export   *exporter
}

// scope names what made the spans, for the collector.
const scope = "github.com/fairlead/fairlead"

// w3c reads and writes traceparent and tracestate.
var w3c = propagation.TraceContext{}

// Serve begins the span of a request that was received. What its headers say of a trace is the parent, unless ctx has one.
// The caller ends the span.
func (t *Tracer) Serve(ctx context.Context, headers http.Header, name string, attrs ...slog.Attr) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	if !current(ctx).IsValid() {
		ctx = w3c.Extract(ctx, propagation.HeaderCarrier(headers))
	}
	return begin(ctx, t.tracer, name, trace.SpanKindServer, attrs)
}

// Later returns a context for work that often turns out to be nothing, such as a look at a job that still waits. Its span
// begins, dated back, when the first Start below it does, and else never. parent is what Parent returned where the work was
// asked for, "" for a trace of its own. finish must be called; with an error it makes a span in any case.
func (t *Tracer) Later(ctx context.Context, parent, name string, attrs ...slog.Attr) (inner context.Context, finish func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	if parent != "" && !current(ctx).IsValid() {
		ctx = w3c.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
	}
	l := &later{tracer: t.tracer, outer: ctx, name: name, attrs: attrs, began: time.Now()}
	return context.WithValue(ctx, laterKey{}, l), l.finish
}

// Start begins a span below the one of ctx; without one it does nothing. The caller ends the span.
func Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span) {
	return startKind(ctx, name, trace.SpanKindInternal, attrs)
}

func startKind(ctx context.Context, name string, kind trace.SpanKind, attrs []slog.Attr) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if l := laterOf(ctx); l != nil {
		parent = l.begin()
		ctx = trace.ContextWithSpan(ctx, parent)
	}
	if !parent.SpanContext().IsValid() {
		return ctx, Span{}
	}
	return begin(ctx, parent.TracerProvider().Tracer(scope), name, kind, attrs)
}

func begin(ctx context.Context, tracer trace.Tracer, name string, kind trace.SpanKind, attrs []slog.Attr) (context.Context, Span) {
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(converted(attrs)...))
	return ctx, Span{span}
}

// Follow returns ctx within the trace of from, for work that outlives from: the cancellation stays that of ctx.
func Follow(ctx, from context.Context) context.Context {
	if l := laterOf(from); l != nil {
		return trace.ContextWithSpan(ctx, l.begin())
	}
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(from))
}

// Parent returns what a trace goes on with elsewhere: the traceparent of ctx, "" without a trace.
func Parent(ctx context.Context) string {
	if !current(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithSpanContext(ctx, current(ctx)), carrier)
	return carrier["traceparent"]
}

// ID returns the trace's id in hexadecimal, "" without a trace.
func ID(ctx context.Context) string {
	if c := current(ctx); c.IsValid() {
		return c.TraceID().String()
	}
	return ""
}

// current is the innermost span that has begun.
func current(ctx context.Context) trace.SpanContext {
	if l := laterOf(ctx); l != nil {
		if span := l.begun(); span != nil {
			return span.SpanContext()
		}
	}
	return trace.SpanContextFromContext(ctx)
}

// Span is a piece of work under way. The zero Span is one that nobody follows.
type Span struct{ span trace.Span }

// Set adds attributes.
func (s Span) Set(attrs ...slog.Attr) {
	if s.span != nil {
		s.span.SetAttributes(converted(attrs)...)
	}
}

// Rename gives the span its name once that is known.
func (s Span) Rename(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Fail marks the span as failed, with a code and no words: those may hold what a trace must not.
func (s Span) Fail(code string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the span; an error marks it as failed by its code alone.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.Fail(string(platform.CodeOf(err)))
	}
	s.span.End()
}

func converted(attrs []slog.Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		key, value := attribute.Key(a.Key), a.Value.Resolve()
		switch value.Kind() {
		case slog.KindBool:
			out = append(out, key.Bool(value.Bool()))
		case slog.KindInt64:
			out = append(out, key.Int64(value.Int64()))
		case slog.KindUint64:
			out = append(out, key.Int64(int64(value.Uint64())))
		case slog.KindFloat64:
			out = append(out, key.Float64(value.Float64()))
		default:
			out = append(out, key.String(value.String()))
		}
	}
	return out
}

package collect

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

const (
	ownQueue = 4096
	ownBatch = 256
	// ownFlush is how long what is left may take at the end.
	ownFlush = 2 * time.Second
)

// OwnLog is a slog.Handler that hands each record to another handler and keeps it as a line of Fairlead's own service:
// platform.SystemProject, SystemService. It never waits: what does not fit into its queue is dropped, counted, and told
// of in a line once there is room. What a store says while it takes these very lines is not taken in, so nothing feeds
// itself. It begins to store when Run does; until then records wait in the queue.
type OwnLog struct {
	next   slog.Handler
	sink   *ownSink
	prefix string // of groups, with a dot at the end
	attrs  []slog.Attr
}

// ownSink is what the handlers made by WithAttrs and WithGroup share.
type ownSink struct {
	redact  func(string) string
	lines   chan observability.Line
	seq     atomic.Uint64
	dropped atomic.Uint64
}

// NewOwnLog returns a handler before next. redact takes secrets out of lines; nil takes nothing out.
func NewOwnLog(next slog.Handler, redact func(string) string) *OwnLog {
	if redact == nil {
		redact = func(text string) string { return text }
	}
	return &OwnLog{next: next, sink: &ownSink{redact: redact, lines: make(chan observability.Line, ownQueue)}}
}

// storingOwn marks the context in which a store takes these lines.
type storingOwn struct{}

// Enabled asks the handler behind.
func (o *OwnLog) Enabled(ctx context.Context, level slog.Level) bool {
	return o.next.Enabled(ctx, level)
}

// WithAttrs returns a handler that adds attrs to each record.
func (o *OwnLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *o
	with.next = o.next.WithAttrs(attrs)
	with.attrs = append(with.attrs[:len(with.attrs):len(with.attrs)], prefixed(o.prefix, attrs)...)
	return &with
}

// WithGroup returns a handler that puts the name before those of later attributes.
func (o *OwnLog) WithGroup(name string) slog.Handler {
	with := *o
	with.next = o.next.WithGroup(name)
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

// Handle hands the record on and takes it in. Its error is that of the handler behind.
func (o *OwnLog) Handle(ctx context.Context, record slog.Record) error {
	if ctx.Value(storingOwn{}) == nil {
		select {
		case o.sink.lines <- o.line(record):
		default:
			o.sink.dropped.Add(1)
		}
	}
	return o.next.Handle(ctx, record)
}

// line turns a record into a line: its message is followed by its attributes, which are fields as well.
func (o *OwnLog) line(record slog.Record) observability.Line {
	l := observability.Line{
		At: record.Time.UTC(), Seq: o.sink.seq.Add(1), Project: platform.SystemProject, Service: SystemService,
		Source: observability.SourceSystem, Stream: "stderr", Level: levelOf(record.Level), Fields: map[string]string{},
	}
	if record.Time.IsZero() {
		l.At = time.Now().UTC()
	}
	var text strings.Builder
	text.WriteString(record.Message)
	add := func(attr slog.Attr) {
		flattenAttr(attr, func(name, value string) {
			value = o.sink.redact(value)
			l.Fields[name] = value
			text.WriteString(" " + name + "=")
			if strings.ContainsAny(value, " \t\n\"=") || value == "" {
				value = strconv.Quote(value)
			}
			text.WriteString(value)
		})
	}
	for _, attr := range o.attrs {
		add(attr)
	}
	record.Attrs(func(attr slog.Attr) bool {
		for _, p := range prefixed(o.prefix, []slog.Attr{attr}) {
			add(p)
		}
		return true
	})
	l.Message = o.sink.redact(text.String())
	return l.Normal()
}

func prefixed(prefix string, attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = slog.Attr{Key: prefix + a.Key, Value: a.Value}
	}
	return out
}

// flattenAttr gives an attribute, and those of a group by names with dots.
func flattenAttr(attr slog.Attr, yield func(name, value string)) {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			if attr.Key != "" && attr.Key[len(attr.Key)-1] != '.' {
				inner.Key = attr.Key + "." + inner.Key
			}
			flattenAttr(inner, yield)
		}
		return
	}
	if attr.Key == "" {
		return
	}
	if value.Kind() == slog.KindTime {
		yield(attr.Key, value.Time().Format(time.RFC3339Nano))
		return
	}
	yield(attr.Key, value.String())
}

func levelOf(level slog.Level) observability.Level {
	switch {
	case level < slog.LevelInfo:
		return observability.LevelDebug
	case level < slog.LevelWarn:
		return observability.LevelInfo
	case level < slog.LevelError:
		return observability.LevelWarn
	}
	return observability.LevelError
}

// Run stores the lines, batch by batch, until ctx ends; then what is left, for at most two seconds. A store that refuses
// is asked again. It is called once.
func (o *OwnLog) Run(ctx context.Context, logs observability.Logs, hub *observability.Hub) error {
	storing := context.WithValue(ctx, storingOwn{}, true)
	for {
		batch := o.sink.take(ctx)
		if ctx.Err() != nil {
			return o.flush(ctx, logs, batch)
		}
		hub.Publish(batch)
		for wait := newBackoff(); logs.Append(storing, batch) != nil; wait.sleep(ctx) {
			if ctx.Err() != nil {
				return o.flush(ctx, logs, batch)
			}
		}
	}
}

// flush stores a batch and all that waits. What the store does not take now is on the handler behind only.
func (o *OwnLog) flush(ctx context.Context, logs observability.Logs, batch []observability.Line) error {
	ctx, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), storingOwn{}, true), ownFlush)
	defer cancel()
	for {
		if len(batch) > 0 {
			if err := logs.Append(ctx, batch); err != nil {
				return fmt.Errorf("store Fairlead's own last lines: %w", err)
			}
		}
		if batch = o.sink.waiting(nil); len(batch) == 0 {
			return nil
		}
	}
}

// take waits for a line and returns it with those that follow at once.
func (s *ownSink) take(ctx context.Context) []observability.Line {
	select {
	case <-ctx.Done():
		return nil
	case first := <-s.lines:
		return s.waiting([]observability.Line{first})
	}
}

func (s *ownSink) waiting(batch []observability.Line) []observability.Line {
	for len(batch) < ownBatch {
		select {
		case l := <-s.lines:
			batch = append(batch, l)
			continue
		default:
		}
		break
	}
	if n := s.dropped.Swap(0); n > 0 {
		batch = append(batch, observability.Line{
			At: time.Now().UTC(), Seq: s.seq.Add(1), Project: platform.SystemProject, Service: SystemService, Source: observability.SourceSystem,
			Stream: "stderr", Level: observability.LevelWarn, Message: fmt.Sprintf("%d of Fairlead's own lines were dropped: they came faster than they could be stored.", n),
		})
	}
	return batch
}

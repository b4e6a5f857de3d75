package otlp

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// What is kept of one span; the rest is cut.
const (
	maxName       = 300
	maxError      = 2000
	maxAttributes = 64
	maxKey        = 120
	maxValue      = 1000
	maxStack      = 8000
)

// ahead is how far a sender's clock may be before ours.
const ahead = 5 * time.Minute

// UnknownService is the service of spans that name none.
const UnknownService = "unknown_service"

// converter makes spans of one request, and counts what it does not take.
type converter struct {
	ctx    context.Context
	sender Sender
	redact func(project string) func(string) string
	now    time.Time
	kept   time.Duration

	redactors map[string]func(string) string
	refused   map[string]int // spans by why they were refused
	warnings  []string
	scope     error // why the first resource was refused whose names were
}

func (h *Receiver) converter(ctx context.Context, sender Sender) *converter {
	return &converter{
		ctx: ctx, sender: sender, redact: h.options.Redactor, now: h.options.Now(), kept: h.options.Kept,
		redactors: map[string]func(string) string{}, refused: map[string]int{},
	}
}

// convert returns the spans that are taken. It fails when none is and the sender may not send those of any resource.
func (c *converter) convert(request *collector.ExportTraceServiceRequest) ([]observability.Span, error) {
	var spans []observability.Span
	for _, r := range request.GetResourceSpans() {
		from, err := c.origin(r.GetResource())
		if err != nil {
			if code := platform.CodeOf(err); code == platform.CodeUnavailable || code == platform.CodeInternal {
				return nil, err // it would be taken later
			}
			c.refuseAll(r, err)
			continue
		}
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				if why := c.fault(span); why != "" {
					c.refused[why]++
					continue
				}
				spans = append(spans, from.span(span))
			}
		}
	}
	if len(spans) == 0 && c.scope != nil {
		return nil, c.scope
	}
	return spans, nil
}

func (c *converter) refuseAll(r *trace.ResourceSpans, err error) {
	if c.scope == nil {
		c.scope = err
	}
	for _, s := range r.GetScopeSpans() {
		c.refused[err.Error()] += len(s.GetSpans())
	}
}

// origin is what the spans of one resource share.
type origin struct {
	project, environment, service string
	attributes                    map[string]string
	redact                        func(string) string
}

// origin reads whose spans a resource has: by fairlead.project and fairlead.environment, else by deployment.environment.name
// where an environment has that name, else by the request.
func (c *converter) origin(r *resource.Resource) (*origin, error) {
	named := map[string]string{}
	for _, a := range r.GetAttributes() {
		switch key := a.GetKey(); key {
		case "service.name", "service.version", "service.instance.id", "fairlead.project", "fairlead.environment", "deployment.environment.name", "deployment.environment":
			named[key] = text(a.GetValue(), maxNested)
		}
	}
	scope, err := c.sender.Scope(c.ctx, named["fairlead.project"], named["fairlead.environment"])
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"deployment.environment", "deployment.environment.name"} {
		if name := named[key]; named["fairlead.environment"] == "" && name != scope.Environment && slices.Contains(scope.Environments, name) {
			if scope, err = c.sender.Scope(c.ctx, scope.Project, name); err != nil {
				return nil, err
			}
		}
	}
	redact, known := c.redactors[scope.Project]
	if !known {
		if redact = c.redact(scope.Project); redact == nil {
			return nil, platform.Errorf(platform.CodeUnavailable, "The secrets of %s cannot be read now, and no span is kept with them in it.", scope.Project).WithHint("Send it again.")
		}
		c.redactors[scope.Project] = redact
	}
	out := &origin{project: scope.Project, environment: scope.Environment, redact: redact, attributes: map[string]string{}}
	out.service = out.clean(named["service.name"], maxName)
	for _, key := range []string{"service.version", "service.instance.id"} {
		if value := named[key]; value != "" {
			out.attributes[key] = out.clean(value, maxValue)
		}
	}
	c.warn(out, scope)
	return out, nil
}

// warn says what is kept and will not be found where it is looked for.
func (c *converter) warn(o *origin, scope platform.TelemetryScope) {
	warning := ""
	switch {
	case o.service == "" || strings.HasPrefix(o.service, UnknownService):
		if o.service == "" {
			o.service = UnknownService
		}
		warning = "A resource has no service.name, so that its spans are of no service of Fairlead. Set OTEL_SERVICE_NAME."
	case !slices.Contains(scope.Services, o.service):
		warning = fmt.Sprintf("%s has no service %q in %s; its spans are kept under that name.", scope.Project, platform.Truncate(o.service, 80), scope.Environment)
		if near := platform.Nearest(o.service, scope.Services); near != "" {
			warning += fmt.Sprintf(" Did you mean %q?", near)
		}
	}
	if warning != "" && len(c.warnings) < 5 && !slices.Contains(c.warnings, warning) {
		c.warnings = append(c.warnings, warning)
	}
}

// fault says why a span is not taken, "" when it is.
func (c *converter) fault(s *trace.Span) string {
	ids := func(id []byte, size int) bool { return len(id) == size && bytes.Count(id, []byte{0}) < size }
	begin, end := s.GetStartTimeUnixNano(), max(s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano())
	switch {
	case !ids(s.GetTraceId(), 16):
		return "A trace id is not 16 bytes, or all zero."
	case !ids(s.GetSpanId(), 8):
		return "A span id is not 8 bytes, or all zero."
	case len(s.GetParentSpanId()) != 0 && len(s.GetParentSpanId()) != 8:
		return "A parent id is not 8 bytes."
	case begin == 0:
		return "A span has no time."
	case end > math.MaxInt64 || time.Unix(0, int64(end)).After(c.now.Add(ahead)):
		return "A span is of the future; look at the sender's clock."
	case time.Unix(0, int64(end)).Before(c.now.Add(-c.kept)):
		return fmt.Sprintf("A span ended more than %s ago, which is how long spans are kept.", platform.Duration(c.kept))
	}
	return ""
}

var kinds = map[trace.Span_SpanKind]observability.SpanKind{
	trace.Span_SPAN_KIND_SERVER: observability.SpanServer, trace.Span_SPAN_KIND_CLIENT: observability.SpanClient,
	trace.Span_SPAN_KIND_PRODUCER: observability.SpanProducer, trace.Span_SPAN_KIND_CONSUMER: observability.SpanConsumer,
}

// span makes ours of one that is well.
func (o *origin) span(from *trace.Span) observability.Span {
	s := observability.Span{Project: o.project, Environment: o.environment, Kind: observability.SpanInternal}
	if kind, known := kinds[from.GetKind()]; known {
		s.Kind = kind
	}
	s.TraceID, s.SpanID = hex.EncodeToString(from.GetTraceId()), hex.EncodeToString(from.GetSpanId())
	if parent := from.GetParentSpanId(); bytes.Count(parent, []byte{0}) < len(parent) {
		s.ParentID = hex.EncodeToString(parent)
	}
	s.Service, s.Name = o.service, o.clean(from.GetName(), maxName)
	s.At = time.Unix(0, int64(from.GetStartTimeUnixNano())).UTC()
	if end := from.GetEndTimeUnixNano(); end > from.GetStartTimeUnixNano() {
		s.Took = platform.Duration(end - from.GetStartTimeUnixNano())
	}
	s.Attributes = map[string]string{}
	for key, value := range o.attributes {
		s.Attributes[key] = value
	}
	o.add(s.Attributes, from.GetAttributes())
	thrown := o.exception(from, s.Attributes)
	s.Failed = from.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR || s.Kind == observability.SpanServer && serverError(s.Attributes)
	if s.Failed {
		s.Error = o.clean(from.GetStatus().GetMessage(), maxError)
		if s.Error == "" {
			s.Error = platform.Truncate(thrown, maxError)
		}
	}
	if len(s.Attributes) == 0 {
		s.Attributes = nil
	}
	return s
}

// serverError reports an answer of 5xx, by the name of today and by the one before.
func serverError(attributes map[string]string) bool {
	for _, key := range []string{"http.response.status_code", "http.status_code"} {
		if status := attributes[key]; len(status) == 3 && status[0] == '5' {
			return true
		}
	}
	return false
}

// exception keeps the last exception that a span recorded, and returns its words.
func (o *origin) exception(from *trace.Span, to map[string]string) string {
	for _, event := range slices.Backward(from.GetEvents()) {
		if event.GetName() != "exception" {
			continue
		}
		thrown := map[string]string{}
		o.add(thrown, event.GetAttributes())
		for _, key := range []string{"exception.type", "exception.message", "exception.stacktrace"} {
			if value := thrown[key]; value != "" {
				to[key] = value
			}
		}
		return strings.TrimPrefix(strings.TrimSuffix(thrown["exception.type"]+": "+thrown["exception.message"], ": "), ": ")
	}
	return ""
}

// add keeps attributes up to the limits.
func (o *origin) add(to map[string]string, from []*common.KeyValue) {
	for _, a := range from {
		key := o.clean(a.GetKey(), maxKey)
		if _, again := to[key]; key == "" || !again && len(to) >= maxAttributes {
			continue
		}
		limit := maxValue
		if key == "exception.stacktrace" {
			limit = maxStack
		}
		to[key] = platform.Truncate(o.redactPair(key, text(a.GetValue(), maxNested)), limit)
	}
}

// clean takes secrets out of a text before it is cut, which could leave a part of one.
func (o *origin) clean(s string, limit int) string {
	return platform.Truncate(o.redact(observability.EscapeInvalid(s)), limit)
}

// redactPair redacts a value, by what its key says of it too: a password is told by its name only.
func (o *origin) redactPair(key, value string) string {
	value = observability.EscapeInvalid(value)
	if clean := o.redact(value); clean != value {
		return clean
	}
	name := key[strings.LastIndexByte(key, '.')+1:] + "="
	if clean, found := strings.CutPrefix(o.redact(name+value), name); found {
		return clean
	}
	return value
}

// maxNested is how deep lists and maps in an attribute are written.
const maxNested = 4

// text writes a value as people do: lists and maps as JSON does.
func text(v *common.AnyValue, depth int) string {
	switch value := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return value.StringValue
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(value.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(value.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(value.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BytesValue:
		return hex.EncodeToString(value.BytesValue[:min(len(value.BytesValue), maxValue)])
	case *common.AnyValue_ArrayValue:
		return listed(len(value.ArrayValue.GetValues()), depth, '[', ']', func(i int) string { return inner(value.ArrayValue.GetValues()[i], depth) })
	case *common.AnyValue_KvlistValue:
		return listed(len(value.KvlistValue.GetValues()), depth, '{', '}', func(i int) string {
			pair := value.KvlistValue.GetValues()[i]
			return strconv.Quote(pair.GetKey()) + ":" + inner(pair.GetValue(), depth)
		})
	}
	return ""
}

// inner is a value within another, its strings quoted.
func inner(v *common.AnyValue, depth int) string {
	out := text(v, depth-1)
	if _, isText := v.GetValue().(*common.AnyValue_StringValue); isText {
		return strconv.Quote(out)
	}
	return out
}

func listed(n, depth int, open, end byte, item func(int) string) string {
	var b strings.Builder
	b.WriteByte(open)
	for i := range n {
		if depth <= 0 || b.Len() > maxStack {
			b.WriteString("...")
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item(i))
	}
	b.WriteByte(end)
	return b.String()
}

// answer says what was not taken, and what was and may surprise.
func (c *converter) answer() *collector.ExportTraceServiceResponse {
	var rejected int64
	var said []string
	for why, n := range c.refused {
		rejected += int64(n)
		said = append(said, fmt.Sprintf("%s refused: %s", count(n), why))
	}
	slices.Sort(said)
	said = append(said, c.warnings...)
	if len(said) == 0 {
		return &collector.ExportTraceServiceResponse{}
	}
	return &collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{
		RejectedSpans: rejected, ErrorMessage: platform.Truncate(strings.Join(said, " "), maxError),
	}}
}

func count(n int) string {
	if n == 1 {
		return "1 span was"
	}
	return strconv.Itoa(n) + " spans were"
}

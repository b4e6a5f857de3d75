// Package otlp takes spans in the protocol of OpenTelemetry over HTTP.
//
// It owns the wire: protobuf and JSON, their limits, the answers that exporters understand, and what becomes of a span's
// names, times and attributes. It must not know who may send, nor where spans are kept.
package otlp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Endpoint is what an exporter is given as OTEL_EXPORTER_OTLP_ENDPOINT after the address of the API, and TracesPath what it
// makes of it.
const (
	Endpoint   = "/otlp"
	TracesPath = Endpoint + "/v1/traces"
)

// Sender is who sends a request: it says which environment telemetry of these names goes to, and refuses others. Empty names
// are those of the request.
type Sender interface {
	Scope(ctx context.Context, project, environment string) (platform.TelemetryScope, error)
}

// sink is where spans go. Its error decides the answer: exhausted and unavailable ask the sender to try again.
type sink interface {
	Append(ctx context.Context, spans []observability.Span) error
}

// Options are the settings of a Receiver. Sender, Redactor and Spans must be given.
type Options struct {
	// Sender authenticates a request; its error is answered, and nothing is read.
	Sender func(*http.Request) (Sender, error)
	// Redactor returns what takes the secrets of a project out of a text; nil while they cannot be read, and then no span of
	// the project is taken.
	Redactor func(project string) func(string) string
	Spans    sink
	// Kept is how long spans are kept: older ones are refused, and that is said. Default 1 h.
	Kept   time.Duration
	Limits Limits
	Log    *slog.Logger
	Now    func() time.Time
}

// Limits bound one request. Zero values mean the defaults.
type Limits struct {
	Body     int64 // bytes as sent; default 4 MiB
	Decoded  int64 // bytes unpacked; default 16 MiB
	Messages int   // spans, events, attributes and values together; default 300,000
	AtOnce   int   // requests that are read at the same time; default 4
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	if l.Decoded == 0 {
		l.Decoded = 16 << 20
	}
	if l.Messages == 0 {
		l.Messages = 300_000
	}
	if l.AtOnce == 0 {
		l.AtOnce = 4
	}
	return l
}

// Receiver is the HTTP handler of everything under Endpoint. It takes traces, by POST to TracesPath.
type Receiver struct {
	options Options
	slots   chan struct{} // one for each request that is being read
}

// slotWait is how long a request waits for its turn.
const slotWait = 10 * time.Second

// NewReceiver returns a handler.
func NewReceiver(o Options) *Receiver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Kept == 0 {
		o.Kept = time.Hour
	}
	o.Limits = o.Limits.withDefaults()
	return &Receiver{options: o, slots: make(chan struct{}, o.Limits.AtOnce)}
}

// ServeHTTP answers one export.
func (h *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form := formOf(r)
	result, err := h.export(r, form)
	if err != nil {
		h.refuse(w, r, form, err)
		return
	}
	form.write(w, http.StatusOK, result)
}

func (h *Receiver) export(r *http.Request, form encoding) (*collector.ExportTraceServiceResponse, error) {
	// Who asks comes first: what is here is nobody's business without a token.
	sender, err := h.options.Sender(r)
	if err != nil {
		return nil, err
	}
	if r.URL.Path != TracesPath {
		return nil, bad(http.StatusNotFound, "Send traces to "+TracesPath+", and turn the other exporters off: OTEL_LOGS_EXPORTER=none, OTEL_METRICS_EXPORTER=none.",
			"Nothing is taken at %s.", platform.Truncate(r.URL.Path, 120))
	}
	if r.Method != http.MethodPost {
		return nil, bad(http.StatusMethodNotAllowed, "Send spans with POST.", "%s is not possible here.", platform.Truncate(r.Method, 20))
	}
	if form == unknownForm {
		return nil, bad(http.StatusUnsupportedMediaType, "Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf or http/json.",
			"Spans of the Content-Type %q are not read.", platform.Truncate(r.Header.Get("Content-Type"), 60))
	}
	release, err := h.turn(r.Context())
	if err != nil {
		return nil, err
	}
	defer release()
	request, err := h.read(r, form)
	if err != nil {
		return nil, err
	}
	c := h.converter(r.Context(), sender)
	spans, err := c.convert(request)
	if err != nil {
		return nil, err
	}
	if err := h.options.Spans.Append(r.Context(), spans); err != nil {
		return nil, err
	}
	return c.answer(), nil
}

// turn waits until few enough requests are read at the same time, since each takes memory.
func (h *Receiver) turn(ctx context.Context) (release func(), err error) {
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, platform.Errorf(platform.CodeExhausted, "Too many exports come at the same time.").WithHint("Send it again later, in larger batches.")
	}
}

// refusal is a request that is refused as it is, with the status that says why.
type refusal struct { //nolint:errname // what it is
	status int
	err    *platform.Error
}

// Error returns what is wrong.
func (b *refusal) Error() string { return b.err.Error() }

// Unwrap returns the invalid error.
func (b *refusal) Unwrap() error { return b.err }

func bad(status int, hint, format string, args ...any) error {
	return &refusal{status: status, err: platform.Errorf(platform.CodeInvalid, format, args...).WithHint("%s", hint)}
}

func malformed(format string, args ...any) error {
	return bad(http.StatusBadRequest, "Nothing of it was kept.", format, args...)
}

func tooLarge(what string, limit int64) error {
	return bad(http.StatusRequestEntityTooLarge, "Nothing of it was kept. Send smaller batches: OTEL_BSP_MAX_EXPORT_BATCH_SIZE.", "The export holds more than %d %s.", limit, what)
}

// grpcCodes are google.rpc.Code of each of our codes, and httpStatuses what it is answered with. Exporters drop what is
// answered with any status but 429, 502, 503 and 504, and send that again.
var (
	grpcCodes = map[platform.ErrorCode]int32{
		platform.CodeInvalid: 3, platform.CodeNotFound: 5, platform.CodeDenied: 7, platform.CodeExhausted: 8, platform.CodeInternal: 13,
		platform.CodeUnavailable: 14, platform.CodeUnauthenticated: 16, platform.CodeApprovalRequired: 7, platform.CodeConflict: 10,
	}
	httpStatuses = map[platform.ErrorCode]int{
		platform.CodeInvalid: http.StatusBadRequest, platform.CodeNotFound: http.StatusNotFound, platform.CodeDenied: http.StatusForbidden,
		platform.CodeExhausted: http.StatusTooManyRequests, platform.CodeUnavailable: http.StatusServiceUnavailable,
		platform.CodeUnauthenticated: http.StatusUnauthorized, platform.CodeApprovalRequired: http.StatusForbidden,
	}
)

// retrySeconds is when an exporter should try again.
const retrySeconds = 5

func (h *Receiver) refuse(w http.ResponseWriter, r *http.Request, form encoding, err error) {
	code := platform.CodeOf(err)
	status, known := httpStatuses[code]
	message := err.Error()
	var b *refusal
	switch {
	case errors.As(err, &b):
		status = b.status
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		code, status, message = platform.CodeUnavailable, http.StatusServiceUnavailable, "The export took too long. Send it again."
	case !known:
		h.options.Log.ErrorContext(r.Context(), "spans could not be kept", "error", err)
		code, status, message = platform.CodeUnavailable, http.StatusServiceUnavailable, "The spans could not be kept. Send them again."
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead"`)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusRequestEntityTooLarge:
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	form.write(w, status, statusMessage(grpcCodes[code], message))
}

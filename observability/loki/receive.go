package loki

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// sink is where received lines go. Its error decides the answer: exhausted and unavailable ask the sender to try again.
type sink interface {
	Append(ctx context.Context, lines []observability.Line) error
}

// ReceiveOptions are the settings of a Receiver. Base and Sink must be given.
type ReceiveOptions struct {
	// Base says whose lines a request brings: project, environment and what else is not to be read from labels. It is
	// where the sender is authenticated; its error is answered, and nothing is read.
	Base   func(*http.Request) (observability.Line, error)
	Sink   sink
	Limits ReceiveLimits
	Log    *slog.Logger
}

// Receiver is the HTTP handler of Loki's push protocol, POST /loki/api/v1/push, for applications and log shippers.
// It answers 204 once the sink took every line, and in plain text what is wrong otherwise: 400 for a body that cannot be
// read, of which nothing is kept; 413 and 415; 429 and 503 when the sender should try again.
type Receiver struct{ options ReceiveOptions }

// NewReceiver returns a handler.
func NewReceiver(options ReceiveOptions) *Receiver {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.Limits = options.Limits.withDefaults()
	return &Receiver{options: options}
}

// ServeHTTP answers one push.
func (h *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "Push lines with POST.")
		return
	}
	base, err := h.options.Base(r)
	if err != nil {
		h.answer(w, r, err)
		return
	}
	lines, err := Decode(r, base, h.options.Limits)
	if err == nil && len(lines) > 0 {
		err = h.options.Sink.Append(r.Context(), lines)
	}
	if err != nil {
		h.answer(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// statuses are what each kind of error is answered as. Senders drop what is answered 400 and keep what is answered 429 or 5xx.
var statuses = map[platform.ErrorCode]int{
	platform.CodeInvalid: http.StatusBadRequest, platform.CodeUnauthenticated: http.StatusUnauthorized, platform.CodeDenied: http.StatusForbidden,
	platform.CodeNotFound: http.StatusNotFound, platform.CodeExhausted: http.StatusTooManyRequests, platform.CodeUnavailable: http.StatusServiceUnavailable,
}

func (h *Receiver) answer(w http.ResponseWriter, r *http.Request, err error) {
	var bad *pushError
	if errors.As(err, &bad) {
		refuse(w, bad.status, bad.Error())
		return
	}
	status, known := statuses[platform.CodeOf(err)]
	if !known {
		h.options.Log.ErrorContext(r.Context(), "pushed lines could not be stored", "error", err)
		refuse(w, http.StatusInternalServerError, "The lines could not be stored; try again.")
		return
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	refuse(w, status, err.Error())
}

// retrySeconds is when a sender should try again.
const retrySeconds = 2

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(message + "\n"))
}

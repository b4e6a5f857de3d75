package loki

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// sink is where received lines go. Its error decides the answer: exhausted and unavailable ask the sender to try again.
type sink interface {
	Append(ctx context.Context, lines []observability.Line) error
}

// Sender is whoever pushes, authenticated.
type Sender interface {
	// Scope says where lines go whose stream has the labels project and environment, "" where it has none, and which services
	// are known there. Its error refuses the push: not_found and denied for what the sender may not write.
	Scope(ctx context.Context, project, environment string) (platform.TelemetryScope, error)
}

// ReceiveOptions are the settings of a Receiver. Sender and Sink must be given.
type ReceiveOptions struct {
	// Sender authenticates a request. Its error is answered, and nothing is read.
	Sender func(*http.Request) (Sender, error)
	Sink   sink
	Limits ReceiveLimits
	Log    *slog.Logger
}

// Receiver is the HTTP handler of Loki's push protocol, POST /loki/api/v1/push, for applications and log shippers.
// It answers 204 once the sink took every line, and in plain text what is wrong otherwise: 400, 413 and 415 for a push that
// cannot be read or is over a limit, of which nothing is kept; 400 also for one of which some lines are too old or too far in
// the future, of which the others are kept, as Loki does; 429 and 503 when the sender should try again.
type Receiver struct {
	options ReceiveOptions
	rate    rate
}

// NewReceiver returns a handler.
func NewReceiver(options ReceiveOptions) *Receiver {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.Limits = options.Limits.withDefaults()
	return &Receiver{options: options, rate: newRate(options.Limits.Rate)}
}

// ServeHTTP answers one push.
func (h *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "Push lines with POST.")
		return
	}
	err := h.receive(r)
	if err != nil {
		h.answer(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Receiver) receive(r *http.Request) error {
	sender, err := h.options.Sender(r)
	if err != nil {
		return err
	}
	pushed, err := Decode(r, func(labels map[string]string) (platform.TelemetryScope, error) {
		return sender.Scope(r.Context(), labels[labelProject], labels[labelEnvironment])
	}, h.options.Limits, time.Now())
	if err != nil {
		return err
	}
	if err := h.rate.take(pushed.Lines, time.Now()); err != nil {
		return err
	}
	if len(pushed.Lines) > 0 {
		if err := h.options.Sink.Append(r.Context(), pushed.Lines); err != nil {
			return err
		}
	}
	return pushed.refused()
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
		wait := retrySeconds
		var over *rateError
		if errors.As(err, &over) {
			wait = max(1, int(over.wait.Round(time.Second)/time.Second))
		}
		w.Header().Set("Retry-After", strconv.Itoa(wait))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="fairlead"`)
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

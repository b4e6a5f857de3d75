package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"github.com/fairlead/fairlead/platform"
)

// message is one server-sent event.
type message struct {
	id   string
	name string
	data any
}

// source sends messages until ctx ends or send returns an error.
type source func(ctx context.Context, send func(message) error) error

// streamBuffer is how many messages may wait for a slow reader before its source waits too.
const streamBuffer = 64

// handleStream registers an operation that answers with server-sent events. open runs before the answer begins, so what
// it refuses is a problem with its own status.
func handleStream[I any](a *API, o operation, open func(ctx context.Context, actor platform.Actor, in *I) (source, error)) {
	op := o.describe()
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Server-sent events, until the caller leaves.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		bounded, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
		defer cancel()
		src, err := open(bounded, actorOf(ctx), in)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { a.stream(ctx, hc, src) }}, nil
	})
}

// stream writes what src sends. Fiber calls the writer after the handler has returned, on a goroutine that fasthttp
// waits for; ctx belongs to the outer net/http request and lives until the client has gone.
func (a *API) stream(ctx context.Context, hc huma.Context, src source) {
	c := humafiber.Unwrap(hc)
	c.Status(http.StatusOK)
	c.Set("Content-Type", "text/event-stream; charset=utf-8")
	c.Set("Cache-Control", "no-store")
	c.Set("X-Accel-Buffering", "no")
	ended := exchangeOf(ctx).streaming() // noted before the answer begins, counted until its writer returns
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, release := a.link.stream(ctx)
		defer release()
		defer ended()
		a.pump(ctx, w, src)
	})
}

// pump owns the connection: one goroutine reads the source, this one writes messages and heartbeats.
func (a *API) pump(ctx context.Context, w *bufio.Writer, src source) {
	ctx, cancel := context.WithCancel(ctx)
	messages := make(chan message, streamBuffer)
	ended := make(chan error, 1)
	go func() {
		ended <- src(ctx, func(m message) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(messages)
	}()
	defer func() {
		cancel()
		for range messages { //nolint:revive // drain until the source has returned
		}
	}()
	if _, err := w.WriteString("retry: 1000\n\n"); err != nil || w.Flush() != nil {
		return
	}
	heartbeat := time.NewTicker(a.opts.Heartbeat)
	defer heartbeat.Stop()
	for {
		var err error
		select {
		case m, open := <-messages:
			if !open {
				a.endStream(ctx, w, <-ended)
				return
			}
			err = writeMessages(w, m, messages)
		case <-heartbeat.C:
			// A token that was revoked or has expired reads on for one heartbeat at most.
			if refused := a.stillValid(ctx); refused != nil {
				a.endStream(ctx, w, refused)
				return
			}
			_, err = w.WriteString(": heartbeat\n\n")
		case <-ctx.Done():
			return
		}
		if err != nil || w.Flush() != nil {
			return
		}
	}
}

// writeMessages writes m and whatever else already waits, so that a burst is flushed once.
func writeMessages(w *bufio.Writer, m message, more <-chan message) error {
	for {
		if err := writeMessage(w, m); err != nil {
			return err
		}
		select {
		case next, open := <-more:
			if !open {
				return nil
			}
			m = next
		default:
			return nil
		}
	}
}

func writeMessage(w *bufio.Writer, m message) error {
	raw, err := json.Marshal(m.data)
	if err != nil {
		return err
	}
	if m.id != "" {
		_, _ = w.WriteString("id: " + m.id + "\n")
	}
	_, _ = w.WriteString("event: " + m.name + "\ndata: ")
	_, _ = w.Write(raw)
	_, err = w.WriteString("\n\n")
	return err
}

// endStream tells the reader why the stream ended, unless it was the reader who left.
func (a *API) endStream(ctx context.Context, w *bufio.Writer, err error) {
	if ctx.Err() != nil {
		return
	}
	m := message{name: "end", data: struct{}{}}
	if err != nil && !errors.Is(err, context.Canceled) {
		m = message{name: "error", data: a.problemOf(ctx, err)}
	}
	if writeMessage(w, m) == nil {
		_ = w.Flush()
	}
}

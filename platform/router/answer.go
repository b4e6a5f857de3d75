package router

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// statusClientGone is logged, never sent: the client left before the answer.
const statusClientGone = 499

var errClientWrite = errors.New("the client takes no more")

const retryAfterSeconds = "1"

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// answer passes the instance's answer on. It panics with http.ErrAbortHandler when the answer breaks off, so that the
// client sees that it did.
func (x *exchange) answer(res *http.Response) {
	defer res.Body.Close()
	x.settle()
	if x.body != nil {
		x.body.forget()
	}
	x.idle.touch()
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(res)
		return
	}
	x.status = res.StatusCode
	x.held.target.counter.answered(res.StatusCode, time.Since(x.began))
	h := x.w.Header()
	prepareAnswer(h, res.Header, x.id)
	announceTrailers(h, res)
	x.w.WriteHeader(res.StatusCode)
	if err := x.copy(res); err != nil {
		x.fault = x.reason(err)
		x.left = errors.Is(err, errClientWrite) || x.clientLeft()
		panic(http.ErrAbortHandler)
	}
	copyTrailers(h, res)
}

// copy streams the body: what the instance has sent is sent on at once, and only the end of a body whose length is
// known is left to the server, which sends it with the rest.
func (x *exchange) copy(res *http.Response) error {
	left := res.ContentLength
	flusher := http.NewResponseController(x.w)
	if left < 0 && x.req.Method != http.MethodHead {
		if err := flusher.Flush(); err != nil {
			return errors.Join(errClientWrite, err)
		}
	}
	buffer, _ := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := res.Body.Read(*buffer)
		if n > 0 {
			x.idle.touch()
			if _, werr := x.w.Write((*buffer)[:n]); werr != nil {
				return errors.Join(errClientWrite, werr)
			}
			left -= int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case left != 0 && n > 0:
			if err := flusher.Flush(); err != nil {
				return errors.Join(errClientWrite, err)
			}
		}
	}
}

func announceTrailers(h http.Header, res *http.Response) {
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
}

// copyTrailers sends the trailers, also those that the instance did not announce.
func copyTrailers(h http.Header, res *http.Response) {
	announced := h["Trailer"]
	for name, values := range res.Trailer {
		if !hasToken(announced, name) {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}

// fail answers for the instance after the last attempt.
func (x *exchange) fail(err error) {
	err = x.reason(err)
	var refused *dialError
	switch {
	case x.clientLeft():
		x.status, x.fault, x.left = statusClientGone, err, true
	case errors.Is(err, errBodyTooLarge):
		x.tooLarge()
	case x.body.clientFault() != nil:
		x.fault = err
		x.refuse(http.StatusBadRequest, "The request body could not be read.")
	case errors.Is(err, errNoHost), errors.Is(err, errNoPath), errors.Is(err, errNoTargets):
		x.unrouted(err)
	case errors.Is(err, errTimeout):
		x.unanswered(http.StatusGatewayTimeout, err, "The service did not answer in time.")
	case errors.Is(err, errStopping), errors.Is(err, errDrained), errors.As(err, &refused):
		x.unanswered(http.StatusServiceUnavailable, err, "The service is not reachable at the moment.")
	default:
		x.unanswered(http.StatusBadGateway, err, "The service broke off before it answered.")
	}
}

// reason prefers why the exchange was ended to what that did to the connection.
func (x *exchange) reason(err error) error {
	if cause := context.Cause(x.ctx); cause != nil {
		return cause
	}
	if fault := x.body.clientFault(); fault != nil {
		return fault
	}
	return err
}

// clientLeft reports whether the client closed its connection or took its request back.
func (x *exchange) clientLeft() bool {
	ctx := x.req.Context()
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errStopping)
}

// unrouted answers a request for which the table has no target.
func (x *exchange) unrouted(err error) {
	switch {
	case errors.Is(err, errNoTargets):
		x.unanswered(http.StatusServiceUnavailable, err, "The service has no instance that is ready. Try again in a moment.")
	case errors.Is(err, errNoPath):
		x.refuse(http.StatusNotFound, "No service of this host has this path.")
	default:
		x.refuse(http.StatusNotFound, "No service has this host.")
	}
}

func (x *exchange) tooLarge() {
	x.fault = errBodyTooLarge
	x.w.Header().Set("Connection", "close")
	x.refuse(http.StatusRequestEntityTooLarge, "The request body is larger than this service allows.")
}

// unanswered counts a request that got no answer from an instance, and answers it.
func (x *exchange) unanswered(status int, err error, message string) {
	x.fault = err
	switch {
	case x.last != nil:
		x.last.unanswered()
	case x.route != nil:
		x.route.unserved.unanswered()
	}
	x.refuse(status, message)
}

// refuse answers with the router's own words: JSON for clients that ask for it, else text.
func (x *exchange) refuse(status int, message string) {
	x.settle()
	x.status = status
	h := x.w.Header()
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfterSeconds)
	}
	if x.id != "" {
		h[headerRequestID] = []string{x.id}
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.Contains(x.req.Header.Get("Accept"), "json") {
		h.Set("Content-Type", "application/json")
		x.w.WriteHeader(status)
		// The client may be gone, and there is nobody else to tell.
		_ = json.NewEncoder(x.w).Encode(map[string]any{"status": status, "error": message, "host": x.host})
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	x.w.WriteHeader(status)
	_, _ = io.WriteString(x.w, message+"\n")
}

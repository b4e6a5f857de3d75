package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// maxMessageBytes bounds one line of a stream; a log line is at most 64 KiB before JSON escapes it.
const maxMessageBytes = 4 << 20

// message is one server-sent event.
type message struct {
	id   string
	name string
	data []byte
}

func (m message) decode(out any) error {
	if err := json.Unmarshal(m.data, out); err != nil {
		return platform.Errorf(platform.CodeInternal, "The stream sent something that is not JSON: %v.", err)
	}
	return nil
}

// stream reads server-sent events across broken connections: each new connection goes on after the last id.
type stream struct {
	client  *Client
	request request
	last    string
}

// broken marks a connection that ended before the stream did.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// stopped carries the error of the caller's own yield past every retry.
type stopped struct{ error }

func (s stopped) Unwrap() error { return s.error }

// run yields messages until the server ends the stream, ctx ends or yield returns an error. The first connection is
// repeated only where the client retries; one that was open is reconnected for the client's patience.
func (s *stream) run(ctx context.Context, yield func(message) error) error {
	opened := false
	giveUp := time.Now().Add(s.client.opts.Patience)
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		read, err := s.once(ctx, yield)
		if read {
			opened, backoff = true, firstBackoff
			giveUp = time.Now().Add(s.client.opts.Patience)
		}
		var stop stopped
		if errors.As(err, &stop) {
			return stop.error
		}
		var b broken
		again := errors.As(err, &b) || platform.CodeOf(err) == platform.CodeUnavailable && (opened || s.client.opts.Retry)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !again:
			return err
		case time.Now().Add(backoff).After(giveUp):
			if b.error != nil {
				err = s.client.unreachable(ctx, b.error)
			}
			return err
		}
		if err := wait(ctx, backoff); err != nil {
			return err
		}
	}
}

// once reads one connection; read says whether it was opened.
func (s *stream) once(ctx context.Context, yield func(message) error) (read bool, err error) {
	req, err := s.client.newRequest(ctx, s.request, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	resp, err := s.client.http.Do(req)
	if err != nil {
		return false, s.client.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, problem(resp)
	}
	return true, s.messages(resp.Body, yield)
}

func (s *stream) messages(body io.Reader, yield func(message) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxMessageBytes)
	var m message
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) > 0 {
			m.read(line)
			continue
		}
		done, err := s.deliver(m, yield)
		if done || err != nil {
			return err
		}
		m = message{}
	}
	if err := lines.Err(); err != nil && errors.Is(err, bufio.ErrTooLong) {
		return platform.Errorf(platform.CodeInternal, "A message of the stream is over %d bytes.", maxMessageBytes)
	} else if err != nil {
		return broken{err}
	}
	return broken{io.ErrUnexpectedEOF}
}

// read takes one line of the format https://html.spec.whatwg.org/multipage/server-sent-events.html; comments and
// unknown fields are passed over.
func (m *message) read(line []byte) {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "id":
		m.id = string(value)
	case "event":
		m.name = string(value)
	case "data":
		if m.data != nil {
			m.data = append(m.data, '\n')
		}
		m.data = append(m.data, value...)
	}
}

func (s *stream) deliver(m message, yield func(message) error) (done bool, err error) {
	switch {
	case m.name == "end":
		return true, nil
	case m.name == "error":
		var e platform.Error
		var p struct {
			Detail string `json:"detail"`
		}
		if m.decode(&e) != nil || m.decode(&p) != nil || e.Code == "" {
			return true, platform.Errorf(platform.CodeInternal, "The stream ended with an error that cannot be read.")
		}
		e.Message = p.Detail
		return true, &e
	case m.data == nil:
		return false, nil
	}
	if err := yield(m); err != nil {
		return true, stopped{err}
	}
	if m.id != "" {
		s.last = m.id
	}
	return false, nil
}

package routing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Time limits of one call. The router answers from memory; only a table is written to disk first.
const (
	dialTimeout = 500 * time.Millisecond
	readTimeout = 2 * time.Second
	putTimeout  = 10 * time.Second
)

// Client talks to the router's unix socket. It is safe for use by many goroutines and holds no connection open, so
// that a router which is replaced is found again by the next call.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the router behind the socket. It opens nothing.
func NewClient(socket string) *Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Put installs the table and returns once it is saved and every later request is served by it. An equal or lower
// version than the served one is acknowledged with the served one and has no effect. Invalid when the table is
// refused, unavailable when the router does not answer; then it may or may not have been installed: put it again.
func (c *Client) Put(ctx context.Context, t Table) (Ack, error) {
	if err := t.Validate(); err != nil {
		return Ack{}, err
	}
	data, err := Encode(t)
	if err != nil {
		return Ack{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	var ack Ack
	if err := c.call(ctx, http.MethodPut, "/table", data, &ack); err != nil {
		return Ack{}, err
	}
	return ack, nil
}

// Snapshot reads the counters and what is in flight now. Unavailable when the router does not answer.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var s Snapshot
	if err := c.call(ctx, http.MethodGet, "/snapshot", nil, &s); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// Ping returns nil when a router answers on the socket, else an unavailable error.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return c.call(ctx, http.MethodGet, "/healthz", nil, nil)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://router"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make router request: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unavailable(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, MaxTableBytes))
	if err != nil {
		return c.unavailable(err)
	}
	if res.StatusCode != http.StatusOK {
		return refusal(res.StatusCode, data)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return c.unavailable(fmt.Errorf("decode answer of %s: %w", path, err))
	}
	return nil
}

// refusal is the router's own error, or an unavailable one where the answer is not the router's.
func refusal(status int, data []byte) error {
	var e platform.Error
	if err := json.Unmarshal(data, &e); err != nil || e.Code == "" || e.Message == "" {
		return platform.Errorf(platform.CodeUnavailable, "The router answered with status %d.", status).
			WithHint("Check that the socket belongs to a Fairlead router of the same version.")
	}
	return &e
}

func (c *Client) unavailable(cause error) error {
	return &unreachable{
		user: platform.Errorf(platform.CodeUnavailable, "The router does not answer on %s.", c.socket).
			WithHint("Start it with `fairlead router`, or look at its log; it goes on serving its last table by itself."),
		cause: cause,
	}
}

// unreachable is an unavailable error that keeps what the system said.
type unreachable struct {
	user  *platform.Error
	cause error
}

func (u *unreachable) Error() string   { return fmt.Sprintf("%s (%v)", u.user.Error(), u.cause) }
func (u *unreachable) Unwrap() []error { return []error{u.user, u.cause} }

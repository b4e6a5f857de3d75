// Package client is the Go client of the HTTP API, one method for each operation, with the nouns of package platform.
//
// It owns the wire: paths, the bearer token, idempotency keys, retries, the reading of streams and the mapping of
// problems back to *platform.Error. It must not know how a caller shows answers, nor anything that runs in the server.
// The CLI and the MCP tools are its users; a test serves it through httpapi itself.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// DefaultURL is where a server listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:7700"

// Times of retries.
const (
	defaultPatience = 30 * time.Second
	firstBackoff    = 100 * time.Millisecond
	maxBackoff      = 2 * time.Second
	maxAnswerBytes  = 64 << 20
)

// Options configure a Client.
type Options struct {
	// BaseURL of the API; DefaultURL when empty.
	BaseURL string
	// Token is the secret sent as bearer token.
	Token string
	// HTTP sends the requests; http.DefaultClient when nil. It must have no Timeout, which would end streams.
	HTTP *http.Client
	// Channel is recorded with events as the way the change came: cli, mcp or dashboard; api when empty.
	Channel string
	// Retry repeats a request while the server does not answer or answers 503, for Patience: reads, and writes too, since
	// their idempotency key makes the server do them once.
	Retry bool
	// Patience is how long a request is repeated, and a broken stream reconnected; 0 means 30 s.
	Patience time.Duration
}

// Client calls the API. It is safe for use by several goroutines.
type Client struct {
	opts Options
	http *http.Client
}

// New builds a Client; it connects at the first call.
func New(opts Options) *Client {
	if opts.BaseURL == "" {
		opts.BaseURL = DefaultURL
	}
	opts.BaseURL = strings.TrimRight(opts.BaseURL, "/")
	if opts.Patience == 0 {
		opts.Patience = defaultPatience
	}
	if opts.HTTP == nil {
		opts.HTTP = http.DefaultClient
	}
	return &Client{opts: opts, http: opts.HTTP}
}

// BaseURL returns the address of the API without a slash at the end.
func (c *Client) BaseURL() string { return c.opts.BaseURL }

// request is one call of the API.
type request struct {
	method string
	path   string
	query  url.Values
	body   any
}

// call sends a request, again where that is safe and asked for, and reads the answer into out unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	var raw []byte
	if r.body != nil {
		var err error
		if raw, err = json.Marshal(r.body); err != nil {
			return err
		}
	}
	key := ""
	if r.method != http.MethodGet {
		key = rand.Text()
	}
	giveUp := time.Now().Add(c.opts.Patience)
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := c.once(ctx, r, raw, key, out)
		if err == nil || !c.opts.Retry || platform.CodeOf(err) != platform.CodeUnavailable || time.Now().Add(backoff).After(giveUp) {
			return err
		}
		if wait(ctx, backoff) != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, r request, body []byte, key string, out any) error {
	req, err := c.newRequest(ctx, r, body)
	if err != nil {
		return err
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return problem(resp)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes))
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(out); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return platform.Errorf(platform.CodeUnavailable, "The answer of %s broke off: %v.", c.opts.BaseURL, err).
			WithHint("Try again; if it stays, the server and this client are of different versions.")
	}
	return nil
}

func (c *Client) newRequest(ctx context.Context, r request, body []byte) (*http.Request, error) {
	target := c.opts.BaseURL + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The API address %q is not a URL.", c.opts.BaseURL).
			WithHint("Write for example %s.", DefaultURL)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	if c.opts.Channel != "" {
		req.Header.Set("Fairlead-Channel", c.opts.Channel)
	}
	return req, nil
}

// unreachable explains a request that got no answer. The caller's own cancellation passes as it is.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := err
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		why = wrapped.Err
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return platform.Errorf(platform.CodeUnavailable, "Nothing answers at %s.", c.opts.BaseURL).
			WithHint("Start the server (`fairlead server`), or name another one with --url or FAIRLEAD_URL.")
	case errors.As(err, &dns):
		return platform.Errorf(platform.CodeUnavailable, "The host %s is not known.", dns.Name).WithHint("Check --url or FAIRLEAD_URL.")
	}
	return platform.Errorf(platform.CodeUnavailable, "The request to %s got no answer: %v.", c.opts.BaseURL, why).
		WithHint("Check that the server runs and that the address is right.")
}

// problem maps an answer that is not a success to *platform.Error.
func problem(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p struct {
		Code   platform.ErrorCode `json:"code"`
		Detail string             `json:"detail"`
		Hint   string             `json:"hint"`
		Field  string             `json:"field"`
	}
	if strings.HasSuffix(kind, "json") && json.Unmarshal(raw, &p) == nil && p.Code != "" {
		return &platform.Error{Code: p.Code, Message: p.Detail, Hint: p.Hint, Field: p.Field}
	}
	e := platform.Errorf(codeOfStatus(resp.StatusCode), "The server answered %s.", resp.Status)
	return e.WithHint("Check that the address is that of a Fairlead API.")
}

func codeOfStatus(status int) platform.ErrorCode {
	switch status {
	case http.StatusUnauthorized:
		return platform.CodeUnauthenticated
	case http.StatusForbidden:
		return platform.CodeDenied
	case http.StatusNotFound:
		return platform.CodeNotFound
	case http.StatusConflict:
		return platform.CodeConflict
	case http.StatusTooManyRequests:
		return platform.CodeExhausted
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return platform.CodeUnavailable
	}
	if status >= 400 && status < 500 {
		return platform.CodeInvalid
	}
	return platform.CodeInternal
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// values builds a query and leaves out what is empty.
type values url.Values

func (v values) add(name, value string) values {
	if value != "" {
		url.Values(v).Add(name, value)
	}
	return v
}

func (v values) addInt(name string, n int64) values {
	if n != 0 {
		url.Values(v).Add(name, strconv.FormatInt(n, 10))
	}
	return v
}

func (v values) addTime(name string, at time.Time) values {
	if !at.IsZero() {
		url.Values(v).Add(name, at.UTC().Format(time.RFC3339Nano))
	}
	return v
}

func (v values) addBool(name string, on bool) values {
	if on {
		url.Values(v).Add(name, "true")
	}
	return v
}

func (v values) addPage(p platform.Page) values {
	return v.add("cursor", p.Cursor).addInt("limit", int64(p.Limit))
}

func (v values) addSlot(r platform.SlotRef) values {
	return v.add("project", r.Project).add("environment", r.Environment).add("service", r.Service)
}

// path joins escaped segments; an empty one is an invalid error that names it.
func path(named ...string) (string, error) {
	var b strings.Builder
	b.WriteString("/v1")
	for _, part := range named {
		if name, value, ok := strings.Cut(part, "="); ok {
			if value == "" {
				return "", platform.Errorf(platform.CodeInvalid, "The %s is missing.", name).WithHint("Name the %s.", name).WithField(name)
			}
			part = url.PathEscape(value)
		}
		b.WriteString("/" + part)
	}
	return b.String(), nil
}

func get[T any](ctx context.Context, c *Client, query values, segments ...string) (T, error) {
	return send[T](ctx, c, request{method: http.MethodGet, query: url.Values(query)}, segments...)
}

func send[T any](ctx context.Context, c *Client, r request, segments ...string) (T, error) {
	var out T
	var err error
	if r.path, err = path(segments...); err != nil {
		return out, err
	}
	err = c.call(ctx, r, &out)
	return out, err
}

func discard(ctx context.Context, c *Client, r request, segments ...string) error {
	var err error
	if r.path, err = path(segments...); err != nil {
		return err
	}
	return c.call(ctx, r, nil)
}

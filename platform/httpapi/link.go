package httpapi

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp/fasthttputil"
)

// headerLink carries the key of the caller's context over the in-memory connection. Its value is random and removed
// from requests that come from outside, so nobody can name another request's context.
const headerLink = "X-Fairlead-Link"

// link is the way from net/http to Fiber: an HTTP transport over an in-memory listener that hands the caller's context
// across, so that a client that has gone away cancels the operation at once instead of at its next write.
type link struct {
	transport *http.Transport

	mu       sync.Mutex // guards the fields below
	contexts map[string]context.Context
	streams  map[*context.CancelFunc]struct{}
	ending   bool
}

func newLink(listener *fasthttputil.InmemoryListener) *link {
	return &link{
		contexts: map[string]context.Context{},
		streams:  map[*context.CancelFunc]struct{}{},
		transport: &http.Transport{
			DialContext:         func(context.Context, string, string) (net.Conn, error) { return listener.Dial() },
			DisableCompression:  true,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     keepAliveTimeout / 2,
		},
	}
}

// RoundTrip sends the request to Fiber. The request's context is the operation's context.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	key := rand.Text()
	out := r.Clone(r.Context())
	out.URL.Scheme = "http"
	if out.URL.Host == "" {
		out.URL.Host = "fairlead"
	}
	out.Header.Set(headerLink, key)
	l.mu.Lock()
	l.contexts[key] = r.Context()
	l.mu.Unlock()
	// The answer's headers are here when RoundTrip returns, so the operation has taken its context by then.
	defer func() {
		l.mu.Lock()
		delete(l.contexts, key)
		l.mu.Unlock()
	}()
	return l.transport.RoundTrip(out)
}

func (l *link) context(key string) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx, ok := l.contexts[key]; ok {
		return ctx
	}
	return context.Background()
}

// stream returns a context that also ends when the server shuts down, and the function that releases it.
func (l *link) stream(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		cancel()
	}
	l.streams[&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.streams, &cancel)
	}
}

// endStreams ends every open stream and each one opened from now on.
func (l *link) endStreams() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	for cancel := range l.streams {
		(*cancel)()
	}
}

func (l *link) close() {
	l.endStreams()
	l.transport.CloseIdleConnections()
}

// joinContext gives the operation the context of the request that net/http received.
func (a *API) joinContext(c *fiber.Ctx) error {
	ctx := a.link.context(c.Get(headerLink))
	id := c.Get(fiber.HeaderXRequestID)
	if id == "" {
		id = newRequestID()
		c.Set(fiber.HeaderXRequestID, id)
	}
	c.SetUserContext(withRequestID(ctx, id))
	return c.Next()
}

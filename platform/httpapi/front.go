package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

const headerRequestID = "X-Request-Id"

type requestIDKey struct{}

func newRequestID() string { return platform.NewID[string]("req") }

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// goodRequestID is what a caller may name its request; anything else is replaced, since it goes into the log.
var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// proxy carries requests to Fiber over the in-memory link, flushing each write at once so that streams stream.
func (a *API) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "fairlead"
			r.Out.Host = r.In.Host
			r.Out.Header.Del(headerLink)
		},
		Transport:     a.link,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		ErrorHandler:  a.writeProxyError,
	}
}

// writeProxyError answers when the request could not be carried to Fiber: a body over the limit, a slow body, a
// client that has gone, or the server going down.
func (a *API) writeProxyError(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		writeProblem(w, r, bodyTooLarge())
	case errors.Is(err, context.Canceled):
		w.WriteHeader(statusClientGone)
	case errors.As(err, &timeout) && timeout.Timeout():
		writeProblem(w, r, statusProblem(http.StatusRequestTimeout, platform.CodeInvalid,
			"The request's body took longer than "+bodyReadTimeout.String()+" to arrive.", "Send it again."))
	default:
		a.log.WarnContext(r.Context(), "request not served", "path", r.URL.Path, "error", err)
		p := statusProblem(http.StatusServiceUnavailable, platform.CodeUnavailable, "The server is starting or stopping.",
			"Try again in a few seconds.")
		p.retryAfter = retryAfter
		writeProblem(w, r, p)
	}
}

// observe gives each request an id, a span and a place in the metrics, and writes it to the access log.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !goodRequestID.MatchString(id) {
			id = newRequestID()
			r.Header.Set(headerRequestID, id)
		}
		w.Header().Set(headerRequestID, id)
		// What programs wrote is in these answers: a browser must not take it for a page.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w}
		ctx, x := a.begin(r, id)
		if trace := tracing.ID(ctx); trace != "" {
			w.Header().Set(headerTraceID, trace)
		}
		defer func() {
			level := slog.LevelInfo
			if rec.status < 400 && r.Method == http.MethodGet { // reads that went well would drown what matters
				level = slog.LevelDebug
			}
			a.log.Log(ctx, level, "request", "request", id, "method", r.Method, "path", r.URL.Path,
				"status", rec.status, "bytes", rec.bytes, "took", time.Since(x.began).Round(time.Microsecond), "peer", r.RemoteAddr)
			x.end(rec.status)
		}()
		r = r.WithContext(withRequestID(ctx, id))
		defer a.recoverOuter(rec, r)
		next.ServeHTTP(rec, r)
	})
}

// recoverOuter turns a panic of a mounted handler into a problem; http.ErrAbortHandler is how a proxy ends an answer
// that broke off, and passes on.
func (a *API) recoverOuter(rec *recorder, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		panic(cause)
	}
	p := a.problemOf(r.Context(), fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
	if rec.status == 0 {
		writeProblem(rec, r, p)
	}
}

// endable lets the server's shutdown end the streams of a mounted handler, which would hold it up otherwise.
func (a *API) endable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			ctx, release := a.link.stream(r.Context())
			defer release()
			defer exchangeOf(ctx).streaming()()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// checkHost refuses names that nobody gave this server, and pages of other sites.
func (a *API) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.hostAllowed(r.Host) {
			writeProblem(w, r, statusProblem(http.StatusMisdirectedRequest, platform.CodeDenied,
				"This server does not answer to the host "+quote(r.Host)+".",
				"Use localhost or its address, or add the name to the server's allowed hosts."))
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || !a.hostAllowed(u.Host) {
				writeProblem(w, r, statusProblem(http.StatusForbidden, platform.CodeDenied,
					"Requests from pages of "+quote(origin)+" are refused.", "Add the host to the server's allowed hosts."))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) hostAllowed(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil {
		return true
	}
	for _, allowed := range a.opts.Hosts {
		if strings.EqualFold(name, allowed) {
			return true
		}
	}
	return false
}

// limitBody bounds the size of a body and the time it may take to arrive.
func (a *API) limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxBodyBytes {
			w.Header().Set("Connection", "close")
			writeProblem(w, r, bodyTooLarge())
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			timeBody(w, r)
			r.Body = http.MaxBytesReader(w, r.Body, MaxBodyBytes)
		}
		next.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	done func()
}

// Read reads on, and lifts the deadline at the body's end.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.done()
	}
	return n, err
}

// recorder remembers what was answered, for the access log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader remembers the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 || r.status < 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush passes on what was written; mounted handlers ask for http.Flusher by type.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

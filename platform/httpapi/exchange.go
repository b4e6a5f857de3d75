package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

const headerTraceID = "X-Trace-Id"

// otherRoute stands for every path at which there is nothing, so that a scanner makes one series and not thousands.
const otherRoute = "other"

// methods are those that are told apart.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// exchange is what becomes known of one request on its way, for its span and the metrics. It is never more than the route's
// template, the status and the kind of actor: paths, queries, bodies and tokens say too much.
type exchange struct {
	api    *API
	method string
	route  string
	began  time.Time
	span   tracing.Span

	mu     sync.Mutex // guards the fields below
	actor  platform.ActorKind
	stream bool
}

type exchangeKey struct{}

// exchangeOf returns the exchange of ctx; nil is one that nobody watches.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// begin opens the exchange of a request. The caller ends it.
func (a *API) begin(r *http.Request, requestID string) (context.Context, *exchange) {
	x := &exchange{api: a, method: r.Method, route: a.routes().find(r.URL.EscapedPath()), began: time.Now()}
	if !slices.Contains(methods, x.method) {
		x.method = "OTHER"
	}
	ctx, span := a.opts.Tracer.Serve(r.Context(), r.Header, x.method+" "+x.route,
		slog.String("http.request.method", x.method), slog.String("http.route", x.route), slog.String("fairlead.request.id", requestID))
	x.span = span
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// known notes who asks.
func (x *exchange) known(kind platform.ActorKind) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.actor = kind
}

// streaming notes that the answer lasts as long as the caller likes, and counts it among those that are open until the
// function that it returns is called.
func (x *exchange) streaming() (ended func()) {
	if x == nil {
		return func() {}
	}
	x.mu.Lock()
	x.stream = true
	x.mu.Unlock()
	x.api.opts.Meter.Add(observability.MetricAPIStreams, 1, "route", x.route)
	return func() { x.api.opts.Meter.Add(observability.MetricAPIStreams, -1, "route", x.route) }
}

// end closes the exchange with the status that was answered, 0 for none.
func (x *exchange) end(status int) {
	x.mu.Lock()
	actor, stream := x.actor, x.stream
	x.mu.Unlock()
	class := "none"
	if status > 0 {
		class = strconv.Itoa(status/100) + "xx"
	}
	x.api.opts.Meter.Add(observability.MetricAPIRequests, 1, "route", x.route, "method", x.method, "class", class)
	if !stream { // how long somebody watched is no latency
		x.api.opts.Meter.Observe(observability.MetricAPISeconds, time.Since(x.began), "route", x.route, "method", x.method)
	}
	if actor != "" {
		x.span.Set(slog.String("fairlead.actor.kind", string(actor)))
	}
	x.span.Set(slog.Int("http.response.status_code", status))
	if status == 0 || status >= http.StatusInternalServerError {
		x.span.Fail(class)
	}
	x.span.End(nil)
}

// observedLink is the link for clients inside the process, whose requests are observed as those from outside are.
type observedLink struct{ api *API }

// RoundTrip sends the request to Fiber. Its exchange ends when the answer begins.
func (o observedLink) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, x := o.api.begin(r, r.Header.Get(headerRequestID))
	answer, err := o.api.link.RoundTrip(r.WithContext(ctx))
	status := 0
	if err == nil {
		status = answer.StatusCode
	}
	x.end(status)
	return answer, err
}

// routeTable finds the template that a path belongs to.
type routeTable struct {
	bySegments map[int][]template // those with fewer parameters first
	prefixes   []string           // of mounted handlers, with a slash at the end
}

type template struct {
	path     string
	segments []string
	params   int
}

func newRouteTable(paths, mounts []string) *routeTable {
	t := &routeTable{bySegments: map[int][]template{}}
	for _, path := range append(paths, mounts...) {
		if path != "/" && strings.HasSuffix(path, "/") {
			t.prefixes = append(t.prefixes, path)
			continue
		}
		segments := strings.Split(path, "/")
		t.bySegments[len(segments)] = append(t.bySegments[len(segments)], template{path, segments, strings.Count(path, "{")})
	}
	for _, templates := range t.bySegments {
		slices.SortFunc(templates, func(a, b template) int { return cmp.Or(a.params-b.params, strings.Compare(a.path, b.path)) })
	}
	return t
}

func (t *routeTable) find(path string) string {
	for _, prefix := range t.prefixes {
		if strings.HasPrefix(path, prefix) {
			return prefix
		}
	}
	segments := strings.Split(path, "/")
	for _, template := range t.bySegments[len(segments)] {
		if template.matches(segments) {
			return template.path
		}
	}
	return otherRoute
}

func (t template) matches(segments []string) bool {
	for i, s := range t.segments {
		if s != segments[i] && (!strings.HasPrefix(s, "{") || segments[i] == "") {
			return false
		}
	}
	return true
}

// findRoutes lists what the API answers: its operations, its own documents and what is mounted beside them.
func (a *API) findRoutes() *routeTable {
	paths := []string{"/openapi.json", "/openapi.yaml"}
	for path := range a.huma.OpenAPI().Paths {
		paths = append(paths, path)
	}
	mounts := []string{profilePath}
	for pattern := range a.opts.Mounts {
		mounts = append(mounts, pattern)
	}
	return newRouteTable(paths, mounts)
}

package router

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"
)

// Why a request was ended from the router's side. They are causes of an exchange's context.
var (
	errTimeout  = errors.New("the instance did not answer in time")
	errDrained  = errors.New("the instance left and its drain time is over")
	errStopping = errors.New("the router is stopping")
	errFinished = errors.New("the request is finished")
)

// exchange is one request on its way through the router.
type exchange struct {
	router *Router
	w      http.ResponseWriter
	req    *http.Request
	host   string
	began  time.Time

	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   *idleTimer
	body   *body // nil for none
	id     string

	route    *route   // of the last look-up that found one
	held     choice   // target is nil while none is held
	release  func()   // gives held back
	last     *counter // of the target held last
	instance string   // held last, for the log
	version  int      // its release number

	early    sync.Mutex // guards the fields below, which the transport's goroutines set
	settled  bool       // 1xx answers come too late
	conn     *upstreamConn
	sent     int64 // bytes written on conn before this request
	received int64 // bytes read from conn before it

	retry  retry
	status int   // answered to the client; 0 while nothing was
	fault  error // why the router answered itself, or cut the answer
	left   bool  // the client went away: nobody's fault
}

// ServeHTTP serves one request of a client.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.active.Add(1)
	defer r.active.Add(-1)
	x := &exchange{router: r, w: w, req: req, began: time.Now(), host: normalHost(req.Host)}
	defer r.logAccess(x)
	if req.Method == http.MethodConnect {
		x.refuse(http.StatusMethodNotAllowed, "This router does not open tunnels.")
		return
	}
	if !x.choose() {
		return
	}
	x.prepare()
	defer x.finish()
	for {
		res, err := x.attempt()
		if err == nil {
			x.answer(res)
			return
		}
		if err = x.again(err); err != nil {
			x.fail(err)
			return
		}
	}
}

// choose finds a target for the first attempt, or answers the request.
func (x *exchange) choose() bool {
	held, err := x.router.acquire(x.host, x.req.URL.Path, nil)
	if err != nil {
		x.route = held.route
		x.unrouted(err)
		return false
	}
	x.hold(held)
	if limit := held.route.maxBody; limit > 0 && x.req.ContentLength > limit {
		x.letGo()
		x.tooLarge()
		return false
	}
	return true
}

// hold makes x end when the target's life does.
func (x *exchange) hold(held choice) {
	x.held, x.route = held, held.route
	x.last, x.instance, x.version = held.target.counter, held.target.instance, held.target.release
	x.release = held.release
	x.watch()
}

// watch ties the exchange to the life of the target. The first target is held before there is a context to end.
func (x *exchange) watch() {
	if x.cancel == nil || x.held.target == nil {
		return
	}
	cancel, life := x.cancel, x.held.target.state.life.Load()
	unwatch := context.AfterFunc(life.ctx, func() { cancel(context.Cause(life.ctx)) })
	held := x.held
	x.release = func() {
		unwatch()
		held.release()
	}
}

func (x *exchange) letGo() {
	if x.release != nil {
		x.release()
		x.release = nil
		x.held.target = nil
	}
}

// prepare makes what all attempts share.
func (x *exchange) prepare() {
	x.id = prepareRequest(x.req)
	x.ctx, x.cancel = context.WithCancelCause(x.req.Context())
	x.ctx = httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{GotConn: x.gotConn, Got1xxResponse: x.got1xx})
	x.idle = newIdleTimer(x.held.route.timeout, x.cancel)
	if x.req.ContentLength != 0 {
		x.body = &body{src: x.req.Body, limit: x.held.route.maxBody}
		if x.req.ContentLength < 0 && x.req.ProtoMajor == 1 {
			// A stream may be answered while it is still being sent. Where the connection cannot do that, the server
			// reads the rest first, as it would have anyway.
			_ = http.NewResponseController(x.w).EnableFullDuplex()
		}
	}
	x.watch()
}

// finish gives back all that the exchange holds, however it ended.
func (x *exchange) finish() {
	x.idle.stop()
	x.body.finish()
	x.cancel(errFinished)
	x.letGo()
}

// attempt sends the request to the held target once and returns when the head of the answer is there.
func (x *exchange) attempt() (*http.Response, error) {
	x.early.Lock()
	x.conn = nil
	x.early.Unlock()
	out, err := x.outgoing()
	if err != nil {
		return nil, err
	}
	return x.router.transport.RoundTrip(out)
}

func (x *exchange) outgoing() (*http.Request, error) {
	target := *x.req.URL
	target.Scheme, target.Host, target.User, target.Fragment = "http", x.held.target.address, nil, ""
	out := (&http.Request{
		Method: x.req.Method, URL: &target, Host: x.req.Host, Header: x.req.Header, Trailer: x.req.Trailer,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(x.ctx)
	if x.body == nil {
		return out, nil
	}
	reader, err := x.body.open()
	if err != nil {
		return nil, err
	}
	out.Body, out.GetBody, out.ContentLength = reader, x.body.open, x.req.ContentLength
	return out, nil
}

// gotConn remembers how far the connection had been used, for the proof that an instance never saw the request.
func (x *exchange) gotConn(info httptrace.GotConnInfo) {
	if conn, ok := info.Conn.(*upstreamConn); ok {
		x.early.Lock()
		x.conn, x.sent, x.received = conn, conn.written.Load(), conn.received.Load()
		x.early.Unlock()
	}
}

// got1xx passes early hints and the like on at once. 100 Continue is the server's own to send.
func (x *exchange) got1xx(code int, header textproto.MIMEHeader) error {
	x.early.Lock()
	defer x.early.Unlock()
	if x.settled || code == http.StatusContinue || !x.req.ProtoAtLeast(1, 1) {
		return nil
	}
	h := x.w.Header()
	for name, values := range header {
		h[name] = values
	}
	x.w.WriteHeader(code)
	clear(h)
	return nil
}

// settle closes the door to 1xx answers: from here on the headers belong to the final answer.
func (x *exchange) settle() {
	x.early.Lock()
	x.settled = true
	x.early.Unlock()
}

// urlPath is the path for the log, as the client wrote it but not endlessly.
func urlPath(u *url.URL) string {
	const most = 512
	path := u.EscapedPath()
	if len(path) > most {
		return path[:most]
	}
	return path
}

// idleTimer ends an exchange when nothing has come from the instance for the route's timeout.
type idleTimer struct {
	timer *time.Timer
	after time.Duration
	last  time.Time
}

func newIdleTimer(after time.Duration, cancel context.CancelCauseFunc) *idleTimer {
	return &idleTimer{timer: time.AfterFunc(after, func() { cancel(errTimeout) }), after: after, last: time.Now()}
}

// touch starts the time anew. It does so at most about a thousand times in one timeout, since streams call it for each chunk.
func (t *idleTimer) touch() {
	if now := time.Now(); now.Sub(t.last) > t.after/1000 {
		t.last = now
		t.timer.Reset(t.after)
	}
}

func (t *idleTimer) stop() { t.timer.Stop() }

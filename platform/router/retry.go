package router

import (
	"errors"
	"net/http"
	"time"
)

// Bounds of trying again. A request is sent again only when nothing was sent to the client and either the instance
// cannot have seen it, or it is safe and has no body. A POST is never doubled.
const (
	// redialFor is how long a request waits for a newer table when no target takes connections: an instance that died
	// is usually replaced in the table within it.
	redialFor = time.Second
	// redialPause comes before the one quick second look at targets that all refused.
	redialPause = 50 * time.Millisecond
	// maxResends bounds how often one request may meet connections that are just being closed.
	maxResends = 3
)

// retry is what an exchange remembers of its failed attempts.
type retry struct {
	tried   []string  // instances, since the last pause
	since   time.Time // of the first refused connection
	looked  bool      // the quick second look was had
	resends int
	moves   int // attempts after the first, for the log
}

// again decides whether to try once more after err, and chooses the target. It returns nil to go on, else the error to
// answer with.
func (x *exchange) again(err error) error {
	if x.ctx.Err() != nil || x.body.clientFault() != nil {
		return err
	}
	x.retry.moves++
	var refused *dialError
	switch {
	case errors.As(err, &refused):
		return x.redial(err)
	case x.retry.resends < maxResends && x.resendable():
		return x.resend(err)
	}
	return err
}

// resendable reports whether the request, whose connection broke before any byte of an answer, may be sent again.
func (x *exchange) resendable() bool {
	x.early.Lock()
	conn, sent, received := x.conn, x.sent, x.received
	x.early.Unlock()
	if conn == nil || conn.received.Load() != received {
		return false
	}
	if conn.closedBefore(sent) {
		return x.body.replayable()
	}
	return x.body == nil && safe(x.req.Method) && x.retry.resends == 0
}

// resend takes another target where there is one, else the same.
func (x *exchange) resend(cause error) error {
	x.retry.resends++
	x.retry.tried = append(x.retry.tried, x.held.target.instance)
	x.letGo()
	held, err := x.router.acquire(x.host, x.req.URL.Path, x.retry.tried)
	if errors.Is(err, errNoTargets) {
		x.retry.tried = x.retry.tried[:0]
		held, err = x.router.acquire(x.host, x.req.URL.Path, nil)
	}
	if err != nil {
		return errors.Join(err, cause)
	}
	x.hold(held)
	return nil
}

// redial takes the next target; when all have refused, it looks once more after a pause, and then waits a bounded time
// for a newer table.
func (x *exchange) redial(cause error) error {
	if x.retry.since.IsZero() {
		x.retry.since = time.Now()
	}
	x.retry.tried = append(x.retry.tried, x.held.target.instance)
	x.letGo()
	for {
		held, err := x.router.acquire(x.host, x.req.URL.Path, x.retry.tried)
		if err == nil {
			x.hold(held)
			return nil
		}
		if !errors.Is(err, errNoTargets) {
			return errors.Join(err, cause)
		}
		left := redialFor - time.Since(x.retry.since)
		if left <= 0 {
			return cause
		}
		pause, look := left, !x.retry.looked
		if look {
			x.retry.looked, pause = true, min(left, redialPause)
		}
		newer, ok := x.pause(held.table, pause)
		if !ok || !newer && !look {
			return cause
		}
		x.retry.tried = x.retry.tried[:0]
	}
}

// pause waits until t is replaced, for at most d. It is not ok when the request ended meanwhile.
func (x *exchange) pause(t *table, d time.Duration) (newer, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.replaced:
		return true, true
	case <-timer.C:
		return false, true
	case <-x.ctx.Done():
		return false, false
	}
}

// safe reports whether a method only reads (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

package router

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// How connections to instances are kept.
const (
	dialTimeout = 3 * time.Second
	// upstreamIdle is shorter than the keep-alive time of common servers (gunicorn 2 s, uvicorn and Node 5 s), so that
	// the router, not the instance, ends an idle connection, and no request meets one that is just being closed.
	upstreamIdle           = 900 * time.Millisecond
	upstreamIdlePerTarget  = 512
	upstreamContinueWait   = time.Second
	upstreamMaxHeaderBytes = 256 << 10
)

// dialError says that no connection could be made: nothing of the request was sent.
type dialError struct{ cause error }

func (e *dialError) Error() string { return e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, &dialError{err}
			}
			return &upstreamConn{Conn: conn}, nil
		},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    upstreamIdlePerTarget,
		IdleConnTimeout:        upstreamIdle,
		ExpectContinueTimeout:  upstreamContinueWait,
		MaxResponseHeaderBytes: upstreamMaxHeaderBytes,
	}
}

// upstreamConn can prove, after the fact, that an instance closed the connection before it received a request.
//
// A server that closes an idle connection at the very moment a request is sent on it leaves the router with an end of
// file in place of an answer, and no word on whether the request was carried out. TCP knows more: the peer's FIN
// acknowledges what its kernel had received when the server closed. When that is not one byte of the request, the
// server cannot have seen it, and will not: it must not process what arrives on a connection that it has closed
// (RFC 9112, section 9.6). Then even a POST may be sent again. A reset proves nothing, since the kernel does not read
// the acknowledgement that it carries.
type upstreamConn struct {
	net.Conn
	written  atomic.Int64 // bytes handed to the kernel
	received atomic.Int64 // bytes read
	ended    atomic.Bool  // the peer's FIN was read; acked is set
	acked    atomic.Int64 // bytes of ours that the peer had acknowledged by then; -1 when not known
}

func (c *upstreamConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	if n == 0 && errors.Is(err, io.EOF) && !c.ended.Load() {
		c.acked.Store(ackedBytes(c.Conn))
		c.ended.Store(true)
	}
	return n, err
}

func (c *upstreamConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite ends the sending half, for tunnels.
func (c *upstreamConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// closedBefore reports whether the peer had closed before it received anything past the first n bytes written.
func (c *upstreamConn) closedBefore(n int64) bool {
	if !c.ended.Load() {
		return false
	}
	acked := c.acked.Load()
	return acked >= 0 && acked <= n
}

package router

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// halfOpen is how long a tunnel lives on after one side has ended its half.
	halfOpen = 5 * time.Second
	// linger is how long a client whose tunnel is over may go on sending before its connection is closed. What it sends
	// is read and dropped: closing over unread bytes would reset the connection, and take the last answer with it.
	linger = time.Second
)

// tunnel joins client and instance after 101 Switching Protocols, until either ends, the target's drain time is over,
// or the router stops. It counts as in flight meanwhile.
func (x *exchange) tunnel(res *http.Response) {
	instance, ok := res.Body.(io.ReadWriteCloser)
	if !ok || !strings.EqualFold(upgradeOf(res.Header), x.req.Header.Get("Upgrade")) || x.req.Header.Get("Upgrade") == "" {
		x.unanswered(http.StatusBadGateway, fmt.Errorf("the instance switched to %q unasked", upgradeOf(res.Header)),
			"The service answered with a protocol that was not asked for.")
		return
	}
	client, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.unanswered(http.StatusBadGateway, fmt.Errorf("take over client connection: %w", err), "This protocol cannot be switched here.")
		return
	}
	defer client.Close()
	x.idle.stop() // a tunnel may be silent for as long as its ends like
	x.status = http.StatusSwitchingProtocols
	x.held.target.counter.answered(x.status, time.Since(x.began))
	if err := x.writeSwitch(client, buffered.Writer, res); err != nil {
		x.fault = fmt.Errorf("answer client: %w", err)
		return
	}
	x.fault = x.join(client, buffered.Reader, instance)
}

func (x *exchange) writeSwitch(client net.Conn, w *bufio.Writer, res *http.Response) error {
	h := res.Header
	protocol := upgradeOf(h)
	removeHopByHop(h)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	if _, ok := h[headerRequestID]; !ok {
		h[headerRequestID] = []string{x.id}
	}
	head := http.Response{StatusCode: res.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: h}
	err := head.Write(w)
	// The server's deadlines ended with its hold on the connection.
	return errors.Join(err, w.Flush(), client.SetDeadline(time.Time{}))
}

// join copies both ways. When one side ends its half, the other is told, and has halfOpen to end its own.
func (x *exchange) join(client net.Conn, fromClient io.Reader, instance io.ReadWriteCloser) error {
	type end struct{ err error }
	ends := make(chan end, 2)
	pipe := func(to io.Writer, from io.Reader) {
		_, err := io.Copy(to, from)
		closeWrite(to)
		ends <- end{err}
	}
	go pipe(instance, fromClient)
	go pipe(client, instance)
	open := 2
	var err error
	select {
	case first := <-ends:
		err = first.err
		open--
	case <-x.ctx.Done():
		err = x.reason(nil)
	}
	if open == 1 && err == nil {
		timer := time.NewTimer(halfOpen)
		select {
		case <-ends:
			open--
		case <-timer.C:
		case <-x.ctx.Done():
		}
		timer.Stop()
	}
	instance.Close()
	x.letGo()
	// A client that has gone already has no deadline to set and no half to close.
	_ = client.SetDeadline(time.Now().Add(linger))
	closeWrite(client)
	for ; open > 0; open-- {
		<-ends
	}
	_, _ = io.Copy(io.Discard, fromClient)
	return err
}

func closeWrite(w io.Writer) {
	if half, ok := w.(interface{ CloseWrite() error }); ok {
		// The other side may be gone already.
		_ = half.CloseWrite()
	}
}

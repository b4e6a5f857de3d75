package loadtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// reopen is the pause before a stream or socket that ended is opened again.
	reopen       = 20 * time.Millisecond
	socketPeriod = 100 * time.Millisecond
	socketWait   = 10 * time.Second
)

// keepStream keeps one long answer open until the schedule ends.
func (l *Load) keepStream() {
	for l.schedule.Err() == nil {
		id := fmt.Sprintf("%s-stream-%08x", l.run, rand.Uint32())
		status, err := l.stream(id)
		switch {
		case l.schedule.Err() != nil:
			return
		case err != nil:
			l.tally.broken(Failure{At: time.Now(), Method: http.MethodGet, Path: l.plan.StreamPath, ID: id, Status: status, Words: err.Error()},
				func(r *Report) { r.StreamsBroken++ })
		default:
			l.tally.change(func(r *Report) { r.StreamsEnded++ })
		}
		wait(l.schedule, reopen)
	}
}

func (l *Load) stream(id string) (int, error) {
	req, err := l.request(l.schedule, http.MethodGet, l.plan.StreamPath, id)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, errors.New("stream refused")
	}
	l.tally.change(func(r *Report) { r.StreamsOpened++ })
	buffer := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buffer)
		if n > 0 {
			l.tally.change(func(r *Report) { r.StreamChunks++ })
		}
		if errors.Is(err, io.EOF) {
			return res.StatusCode, nil
		}
		if err != nil {
			return res.StatusCode, fmt.Errorf("stream broke off: %w", err)
		}
	}
}

// keepSocket keeps one WebSocket open until the schedule ends.
func (l *Load) keepSocket() {
	for l.schedule.Err() == nil {
		id := fmt.Sprintf("%s-socket-%08x", l.run, rand.Uint32())
		err := l.socket(id)
		switch {
		case l.schedule.Err() != nil:
			return
		case err != nil:
			l.tally.broken(Failure{At: time.Now(), Method: http.MethodGet, Path: l.plan.SocketPath, ID: id, Words: err.Error()},
				func(r *Report) { r.SocketsBroken++ })
		default:
			l.tally.change(func(r *Report) { r.SocketsEnded++ })
		}
		wait(l.schedule, reopen)
	}
}

func (l *Load) socket(id string) error {
	u, err := url.Parse(l.plan.URL)
	if err != nil {
		return fmt.Errorf("parse URL: %w", err)
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(l.schedule, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(l.schedule, func() { conn.Close() })
	defer stop()
	reader := bufio.NewReader(conn)
	if err := l.upgrade(conn, reader, id); err != nil {
		return err
	}
	l.tally.change(func(r *Report) { r.SocketsOpened++ })
	for n := 0; ; n++ {
		ended, err := echo(conn, reader, fmt.Sprintf("%s-%d", id, n))
		if ended || err != nil {
			return err
		}
		l.tally.change(func(r *Report) { r.SocketEchoes++ })
		wait(l.schedule, socketPeriod)
	}
}

func (l *Load) upgrade(conn net.Conn, reader *bufio.Reader, id string) error {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s: %s\r\n\r\n", l.plan.SocketPath, l.plan.Host, HeaderID, id)
	if err != nil {
		return fmt.Errorf("ask for upgrade: %w", err)
	}
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		return fmt.Errorf("read answer to upgrade: %w", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade answered with status %d", res.StatusCode)
	}
	return nil
}

// echo sends one masked text frame (RFC 6455, section 5.2) and reads one frame back. Ended is a clean end.
func echo(conn net.Conn, reader *bufio.Reader, text string) (ended bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(socketWait)); err != nil {
		return false, fmt.Errorf("set deadline: %w", err)
	}
	frame := []byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0} // a mask of zeros leaves the text as it is
	if _, err := conn.Write(append(frame, text...)); err != nil {
		return false, fmt.Errorf("send frame: %w", err)
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(reader, head); err != nil {
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		return false, fmt.Errorf("read frame: %w", err)
	}
	if head[0]&0x0f == 0x8 {
		return true, nil
	}
	body := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(reader, body); err != nil {
		return false, fmt.Errorf("read frame: %w", err)
	}
	if string(body) != text {
		return false, fmt.Errorf("echo of %q is %q", text, body)
	}
	return false, nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

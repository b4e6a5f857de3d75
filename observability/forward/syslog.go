package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/observability"
)

// syslogSender sends lines as RFC 5424 messages, counted in octets as RFC 6587 3.4.1 and RFC 5425 say. The protocol has
// no acknowledgement: lines count as sent when the receiver's host has acknowledged their bytes. What the receiver had
// not read when it died is lost there; a batch during which the connection broke is sent again as a whole.
type syslogSender struct {
	receiver Receiver
	host     string

	mu   sync.Mutex // guards the field below
	conn *syslogConn
}

// syslogConn is one connection, and whether its other end let go of it.
type syslogConn struct {
	net.Conn
	gone chan struct{}
}

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	flushLook    = time.Millisecond
	// refusal is how long a new TLS receiver may take to refuse our certificate: it does so after our handshake is done.
	refusal = 200 * time.Millisecond
)

func newSyslog(r Receiver) (*syslogSender, error) {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &syslogSender{receiver: r, host: host}, nil
}

// Append writes lines to the receiver. The connection is kept for the next ones.
func (s *syslogSender) Append(ctx context.Context, lines []observability.Line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("reach the syslog receiver %s: %w", s.receiver.URL.Host, err)
	}
	var out []byte
	for i := range lines {
		message := appendSyslog(nil, &lines[i], s.host)
		out = append(strconv.AppendInt(out, int64(len(message)), 10), ' ')
		out = append(out, message...)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now()) })
	defer stop()
	if err = conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err == nil {
		_, err = conn.Write(out)
	}
	if err == nil {
		err = conn.flushed(ctx)
	}
	if err != nil {
		_ = conn.Close()
		s.conn = nil
		return fmt.Errorf("write to the syslog receiver %s: %w", s.receiver.URL.Host, err)
	}
	return nil
}

// connect returns the connection that is open, or a new one when its other end closed it.
func (s *syslogSender) connect(ctx context.Context) (*syslogConn, error) {
	if s.conn != nil {
		select {
		case <-s.conn.gone:
			_ = s.conn.Close()
			s.conn = nil
		default:
			return s.conn, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.conn = &syslogConn{conn, make(chan struct{})}
	go func(c *syslogConn) { // a receiver says nothing; reading ends when it lets go, or when we do
		defer close(c.gone)
		_, _ = io.Copy(io.Discard, c.Conn)
	}(s.conn)
	if s.receiver.URL.Scheme == "tls" {
		select {
		case <-s.conn.gone:
			_ = s.conn.Close()
			s.conn = nil
			return nil, errors.New("it closed the connection at once, as one does that does not accept our certificate")
		case <-time.After(refusal):
		}
	}
	return s.conn, nil
}

// flushed waits until the other end has acknowledged all bytes that were written.
func (c *syslogConn) flushed(ctx context.Context) error {
	plain := c.Conn
	if secure, ok := plain.(*tls.Conn); ok {
		plain = secure.NetConn()
	}
	raw, err := plain.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	look := time.NewTicker(flushLook)
	defer look.Stop()
	for {
		waiting := 0
		var failed error
		if err := raw.Control(func(fd uintptr) { waiting, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.gone:
			return io.ErrUnexpectedEOF
		case <-look.C:
		}
	}
}

func (s *syslogSender) dial(ctx context.Context) (net.Conn, error) {
	if s.receiver.URL.Scheme != "tls" {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.receiver.URL.Host)
	}
	config, err := s.receiver.TLS.config() // anew for each connection, so that certificates can be replaced
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", s.receiver.URL.Host)
}

// Close ends the connection.
func (s *syslogSender) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	<-s.conn.gone
	s.conn = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Lengths that RFC 5424 6 allows, and the numbers of its table 1 and 2.
const (
	maxHost      = 255
	maxApp       = 48
	maxProcess   = 128
	maxMessageID = 32
	maxParam     = 32
	facilityUser = 1
	// structuredID names our elements; 32473 is the enterprise number that IANA keeps for documentation.
	structuredID = "fairlead@32473"
	fieldsID     = "fields@32473"
)

var severities = map[observability.Level]int{
	observability.LevelFatal: 2, observability.LevelError: 3, observability.LevelWarn: 4,
	observability.LevelUnknown: 6, observability.LevelInfo: 6, observability.LevelDebug: 7,
}

// appendSyslog appends l as one RFC 5424 message. Its text follows without a byte order mark, which receivers show.
func appendSyslog(dst []byte, l *observability.Line, host string) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(facilityUser*8+severities[l.Level]), 10)
	dst = append(dst, ">1 "...)
	if year := l.At.UTC().Year(); year < 0 || year > 9999 {
		dst = append(dst, '-')
	} else {
		dst = l.At.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}
	app := l.Service
	if app == "" {
		app = "fairlead"
	}
	process := l.Instance
	if process == "" {
		process = l.Deploy
	}
	for _, part := range []struct {
		text  string
		limit int
	}{{host, maxHost}, {app, maxApp}, {process, maxProcess}, {l.Source, maxMessageID}} {
		dst = append(append(dst, ' '), word(part.text, part.limit)...)
	}
	dst = append(dst, " ["+structuredID...)
	release := ""
	if l.Release != 0 {
		release = strconv.Itoa(l.Release)
	}
	for _, param := range []struct{ name, value string }{
		{"project", l.Project},
		{"environment", l.Environment},
		{"service", l.Service},
		{"release", release},
		{"deploy", l.Deploy},
		{"instance", l.Instance},
		{"stream", l.Stream},
		{"level", string(l.Level)},
		{"seq", strconv.FormatUint(l.Seq, 10)},
	} {
		dst = appendParam(dst, param.name, param.value)
	}
	dst = append(dst, ']')
	if len(l.Fields) > 0 {
		dst = append(dst, "["+fieldsID...)
		for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
			dst = appendParam(dst, name, l.Fields[name])
		}
		dst = append(dst, ']')
	}
	return append(append(dst, ' '), l.Message...)
}

// word returns text as a field of the header: printable ASCII without spaces, at most limit long, "-" for nothing.
func word(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, text)
	if clean == "" {
		return "-"
	}
	return clean[:min(len(clean), limit)]
}

var paramEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// appendParam appends one parameter of structured data; an empty value is left out.
func appendParam(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	clean := strings.Map(func(r rune) rune {
		if r == '=' || r == ']' || r == '"' {
			return '_'
		}
		return r
	}, word(name, maxParam))
	dst = append(append(dst, ' '), clean...)
	return append(append(append(dst, '=', '"'), paramEscaper.Replace(value)...), '"')
}

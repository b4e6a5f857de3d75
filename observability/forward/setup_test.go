package forward

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)

func numbered(from, to int) []observability.Line {
	var out []observability.Line
	for i := from; i < to; i++ {
		out = append(out, observability.Line{
			At: start.Add(time.Duration(i) * time.Second), Project: "shop", Environment: "production", Service: "api", Release: 3, Deploy: "dep_1",
			Instance: "ins_1", Source: observability.SourceRuntime, Stream: "stdout", Level: observability.LevelInfo, Message: fmt.Sprintf("line %d", i),
		})
	}
	return out
}

func messages(lines []observability.Line) []string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Message)
	}
	return out
}

func address(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

// openStream opens a stream over a store in memory and runs it until the end of the test.
func openStream(t *testing.T, options Options) (*Stream, *observabilitytest.MemoryLogs) {
	t.Helper()
	store := &observabilitytest.MemoryLogs{}
	options.Store, options.MinFreeBytes = store, 1
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	s, err := Open(options)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	})
	return s, store
}

// syslogMessage is a message as the grammar of RFC 5424 6 takes it apart.
type syslogMessage struct {
	pri                               int
	at                                time.Time
	host, app, process, id, data, msg string
}

var syslogGrammar = regexp.MustCompile(`(?s)^<(0|[1-9][0-9]?|1[0-8][0-9]|19[01])>1 ` +
	`(-|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})) ` +
	`([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ` +
	`(-|(?:\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]]|\\)*")*\])+)(?: (.*))?$`)

func parseSyslog(raw string) (syslogMessage, error) {
	m := syslogGrammar.FindStringSubmatch(raw)
	if m == nil || !utf8.ValidString(raw) {
		return syslogMessage{}, fmt.Errorf("not a message of RFC 5424: %q", raw)
	}
	pri, err := strconv.Atoi(m[1])
	if err != nil {
		return syslogMessage{}, err
	}
	out := syslogMessage{pri: pri, host: m[3], app: m[4], process: m[5], id: m[6], data: m[7], msg: m[8]}
	if m[2] != "-" {
		out.at, err = time.Parse(time.RFC3339Nano, m[2])
	}
	return out, err
}

// readSyslog reads one message counted in octets, as RFC 6587 3.4.1 has it. It returns io.EOF between messages only.
func readSyslog(r *bufio.Reader) (syslogMessage, error) {
	count, err := r.ReadString(' ')
	if err != nil {
		if errors.Is(err, io.EOF) && count != "" {
			err = io.ErrUnexpectedEOF
		}
		return syslogMessage{}, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, " "))
	if err != nil || count[0] == '0' {
		return syslogMessage{}, fmt.Errorf("not a message length: %q", count)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return syslogMessage{}, err
	}
	return parseSyslog(string(raw))
}

// syslogServer is a receiver that takes nothing but what the grammar allows.
type syslogServer struct {
	listener net.Listener
	all      sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	got   []syslogMessage
	bad   []error
	conns []net.Conn
}

func listenSyslog(t *testing.T, at string, secure *tls.Config) *syslogServer {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	require.NoError(t, err)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	s := &syslogServer{listener: listener}
	s.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.all.Go(func() { s.read(conn) })
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *syslogServer) read(conn net.Conn) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		m, err := readSyslog(r)
		s.mu.Lock()
		if err == nil {
			s.got = append(s.got, m)
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			s.bad = append(s.bad, err)
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *syslogServer) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *syslogServer) messages() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.got {
		out = append(out, m.msg)
	}
	return out
}

// await waits for n messages and requires that all were well formed.
func (s *syslogServer) await(t *testing.T, n int) []syslogMessage {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.messages()) >= n }, 20*time.Second, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.bad)
	return append([]syslogMessage(nil), s.got...)
}

// authority is a certificate authority of a test, and what it issued, in a folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.make(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue makes name.pem and name.key.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	a.make(t, name, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	pair, err := tls.LoadX509KeyPair(a.path(name+".pem"), a.path(name+".key"))
	require.NoError(t, err)
	return pair
}

func (a *authority) make(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: raw}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return cert, key
}

package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	stdmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// postbox is a real SMTP server on the loopback.
type postbox struct {
	address string
	roots   *x509.CertPool
	refuse  error // of every recipient
	mu      sync.Mutex
	mails   []string
	to      []string
	login   []string // user and password, of the last sign in
	secured bool
}

func newPostbox(t *testing.T, implicit bool) *postbox {
	t.Helper()
	certificate, roots := selfSigned(t)
	p := &postbox{roots: roots}
	server := smtp.NewServer(p)
	server.Domain = "localhost"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.ErrorLog = quiet{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.address = listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}, roots
}

// NewSession implements smtp.Backend.
func (p *postbox) NewSession(c *smtp.Conn) (smtp.Session, error) { return &visit{box: p, conn: c}, nil }

type visit struct {
	box  *postbox
	conn *smtp.Conn
	to   []string
}

func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		v.box.mu.Lock()
		defer v.box.mu.Unlock()
		v.box.login = []string{user, password}
		if password != "mail-password" {
			return errors.New("no")
		}
		return nil
	}), nil
}

func (v *visit) Mail(string, *smtp.MailOptions) error { return nil }

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.to = append(v.to, to)
	return v.box.refuse
}

func (v *visit) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	v.box.mu.Lock()
	defer v.box.mu.Unlock()
	_, v.box.secured = v.conn.TLSConnectionState()
	v.box.mails, v.box.to = append(v.box.mails, string(raw)), v.to
	return err
}

func (v *visit) Reset()        {}
func (v *visit) Logout() error { return nil }

func (p *postbox) sender() *Sender { return New(Options{Guard: loopback, Roots: p.roots}) }

func (p *postbox) notice(kind platform.EventKind, security platform.MailSecurity) platform.Notice {
	n := notice(kind)
	n.Channel.Kind, n.Secret = platform.ChannelEmail, "mail-password"
	n.Channel.Email = &platform.EmailTarget{
		To: []string{"oncall@example.org", "second@example.org"}, From: "fairlead@example.org", Server: p.address, Security: security, Username: "fairlead",
	}
	if security == platform.MailPlain {
		n.Channel.Email.Username, n.Secret = "", ""
	}
	return n
}

func TestMail_IsProtectedSignedInAndOneThreadPerIncident(t *testing.T) {
	t.Parallel()
	for security, implicit := range map[platform.MailSecurity]bool{platform.MailStartTLS: false, platform.MailTLS: true} {
		p := newPostbox(t, implicit)
		first := p.sender().Send(t.Context(), p.notice(platform.EventIncidentOpened, security))
		require.True(t, first.OK, first.Words)
		require.Equal(t, []string{"fairlead", "mail-password"}, p.login)
		require.Equal(t, []string{"oncall@example.org", "second@example.org"}, p.to)
		require.True(t, p.secured)
		later := p.notice(platform.EventIncidentResolved, security)
		later.Delivery.ID, later.Thread = "dlv_2", first.Thread
		require.True(t, p.sender().Send(t.Context(), later).OK)
		one, two := parse(t, p.mails[0]), parse(t, p.mails[1])
		require.Equal(t, first.Thread, one.Header.Get("Message-Id"))
		require.Empty(t, one.Header.Get("In-Reply-To"))
		require.Equal(t, first.Thread, two.Header.Get("In-Reply-To"))
		require.Equal(t, "<dlv_2@example.org>", two.Header.Get("Message-Id"))
		require.Equal(t, "Re: "+one.Header.Get("Subject"), two.Header.Get("Subject"))
		require.Contains(t, p.mails[0], "fairlead approve plan_1")
		require.Contains(t, p.mails[0], "text/html")
		require.NotContains(t, p.mails[0], "mail-password")
	}
}

func parse(t *testing.T, text string) *stdmail.Message {
	t.Helper()
	m, err := stdmail.ReadMessage(strings.NewReader(text))
	require.NoError(t, err)
	return m
}

func TestMail_NothingFromOutsideBecomesAHeaderOrMarkup(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, false)
	n := p.notice(platform.EventIncidentOpened, platform.MailPlain)
	n.Incident.Title, n.Incident.Service, n.Events[0].Summary, n.Diagnosis.Summary = hostile, "a\r\nBcc: z@y.example", hostile, hostile
	require.True(t, p.sender().Send(t.Context(), n).OK)
	m := parse(t, p.mails[0])
	require.Empty(t, m.Header.Get("Bcc"))
	require.Len(t, m.Header, 10)
	_, page, found := strings.Cut(p.mails[0], "text/html")
	require.True(t, found)
	require.NotContains(t, page, "<https://evil")
	require.NotContains(t, page, "<a ")
	require.Contains(t, p.mails[0], "&lt;https://evil.example")
}

func TestMail_WithoutProtectionOrAgainstRefusalNothingIsSent(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, false)
	stranger := New(Options{Guard: loopback}) // does not know the authority
	r := stranger.Send(t.Context(), p.notice(platform.EventIncidentOpened, platform.MailStartTLS))
	require.False(t, r.OK)
	require.Contains(t, r.Words, "certificate")
	require.Empty(t, p.login, "the password is not told before the server is known")
	wrong := p.notice(platform.EventIncidentOpened, platform.MailStartTLS)
	wrong.Secret = "another-password"
	r = p.sender().Send(t.Context(), wrong)
	require.False(t, r.OK || r.Permanent)
	require.NotContains(t, r.Words, "another-password")
	p.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	r = p.sender().Send(t.Context(), p.notice(platform.EventIncidentOpened, platform.MailStartTLS))
	require.True(t, r.Permanent)
	require.Equal(t, 550, r.Status)
	p.refuse = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
	require.False(t, p.sender().Send(t.Context(), p.notice(platform.EventIncidentOpened, platform.MailStartTLS)).Permanent)
	require.Empty(t, p.mails)
	require.Contains(t, New(Options{}).Send(t.Context(), p.notice(platform.EventIncidentOpened, platform.MailStartTLS)).Words, "refused: 127.0.0.1 is an address of this host")
}

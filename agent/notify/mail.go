package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// sendMail gives one mail to the channel's server. Mails about one incident are one thread: each answers the first.
func (s *Sender) sendMail(ctx context.Context, n platform.Notice) platform.Receipt {
	target := *n.Channel.Email
	id := fmt.Sprintf("<%s@%s>", n.Delivery.ID, domainOf(target.From))
	content, err := mail(n, id, s.o.Now())
	if err != nil {
		return platform.Receipt{Words: "The mail does not encode.", Permanent: true}
	}
	if err := s.handOver(ctx, target, n.Secret, content); err != nil {
		r := lost(err)
		var refused *textproto.Error
		if errors.As(err, &refused) {
			r.Status = refused.Code
			// 5xx is for good, but what concerns the login or the server rather than this mail may be put right.
			r.Permanent = refused.Code == 550 || refused.Code == 551 || refused.Code == 553
		}
		return r
	}
	r := platform.Receipt{OK: true, Status: 250, Words: "accepted by the mail server"}
	if n.Incident != nil && n.Thread == "" {
		r.Thread = id
	}
	return r
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func (s *Sender) handOver(ctx context.Context, target platform.EmailTarget, secret string, content []byte) error {
	client, err := s.dialMail(ctx, target)
	if err != nil {
		return err
	}
	defer client.Close()
	if target.Username != "" {
		host, _, _ := net.SplitHostPort(target.Server)
		if err := client.Auth(smtp.PlainAuth("", target.Username, secret, host)); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	if err := client.Mail(target.From); err != nil {
		return fmt.Errorf("name the sender: %w", err)
	}
	for _, to := range target.To {
		if err := client.Rcpt(to); err != nil {
			return fmt.Errorf("name the recipient %s: %w", to, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return fmt.Errorf("begin the mail: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the mail: %w", err)
	}
	_ = client.Quit() // the mail is accepted, whatever is said now
	return nil
}

// dialMail connects and protects the connection as the channel says; without protection it goes no further.
func (s *Sender) dialMail(ctx context.Context, target platform.EmailTarget) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(target.Server)
	if err != nil {
		return nil, fmt.Errorf("read the server's address: %w", err)
	}
	conn, err := s.o.Guard.dialer().DialContext(ctx, "tcp", target.Server)
	if err != nil {
		return nil, fmt.Errorf("connect to the mail server: %w", err)
	}
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			conn.Close()
			return nil, fmt.Errorf("bound the connection: %w", err)
		}
	}
	config := &tls.Config{ServerName: host, RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12}
	if target.Security == platform.MailTLS {
		conn = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet the mail server: %w", err)
	}
	err = client.Hello(domainOf(target.From))
	if err == nil && target.Security == platform.MailStartTLS {
		err = client.StartTLS(config)
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("protect the connection: %w", err)
	}
	return client, nil
}

// mail writes the whole mail. Text from outside is one line without control characters before it comes near a header, and
// is encoded there.
func mail(n platform.Notice, id string, now time.Time) ([]byte, error) {
	m := render(n)
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	headers := [][2]string{
		{"Date", now.UTC().Format("02 Jan 2006 15:04:05 -0700")},
		{"From", "Fairlead <" + n.Channel.Email.From + ">"},
		{"To", strings.Join(n.Channel.Email.To, ", ")},
		{"Subject", subject(n, m)},
		{"Message-ID", id},
		{HeaderDelivery, string(n.Delivery.ID)},
		{HeaderEvent, kindOf(n)},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
	}
	if n.Thread != "" && n.Incident != nil {
		headers = append(headers, [2]string{"In-Reply-To", n.Thread}, [2]string{"References", n.Thread})
	}
	headers = append(headers, [2]string{"Content-Type", `multipart/alternative; boundary="` + parts.Boundary() + `"`})
	for _, h := range headers {
		if strings.ContainsAny(h[1], "\r\n") {
			return nil, fmt.Errorf("write the mail: the header %s has a line break", h[0])
		}
		out.WriteString(h[0] + ": " + strings.ReplaceAll(h[1], ", ", ",\r\n ") + "\r\n") // folded between addresses
	}
	out.WriteString("\r\n")
	for _, part := range [][2]string{{"text/plain", asText(m)}, {"text/html", asHTML(m)}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {part[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		if err != nil {
			return nil, err
		}
		encoder := quotedprintable.NewWriter(w)
		if _, err := io.WriteString(encoder, part[1]); err != nil {
			return nil, err
		}
		if err := encoder.Close(); err != nil {
			return nil, err
		}
	}
	err := parts.Close()
	return out.Bytes(), err
}

// subject stays the same over an incident, so that readers that go by subjects keep its mails together.
func subject(n platform.Notice, m message) string {
	title := m.title
	if n.Incident != nil {
		title = plain(fmt.Sprintf("[%s] %s: %s", n.Incident.Urgency(), where(n.Incident.Project, n.Incident.Environment, n.Incident.Service), n.Incident.Title), 200)
		if n.Thread != "" {
			title = "Re: " + title
		}
	}
	return mime.QEncoding.Encode("utf-8", title)
}

func asText(m message) string {
	paragraphs := append([]string{m.title}, m.lines...)
	if len(m.rows) > 0 {
		paragraphs = append(paragraphs, strings.Join(m.rows, "\r\n"))
	}
	if len(m.commands) > 0 {
		paragraphs = append(paragraphs, "  "+strings.Join(m.commands, "\r\n  "))
	}
	return strings.Join(append(paragraphs, m.links...), "\r\n\r\n") + "\r\n"
}

// asHTML escapes everything and links nothing.
func asHTML(m message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html><html><body><p><strong>%s</strong></p>\r\n", html.EscapeString(m.title))
	for _, line := range m.lines {
		fmt.Fprintf(&b, "<p>%s</p>\r\n", html.EscapeString(line))
	}
	for _, block := range [][]string{m.rows, m.commands, m.links} {
		if len(block) > 0 {
			fmt.Fprintf(&b, "<pre>%s</pre>\r\n", html.EscapeString(strings.Join(block, "\n")))
		}
	}
	b.WriteString("</body></html>\r\n")
	return b.String()
}

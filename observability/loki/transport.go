package loki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Limits of one exchange with the server.
const (
	dialTimeout  = 5 * time.Second
	pushTimeout  = 30 * time.Second
	queryTimeout = 2 * time.Minute
	maxAnswer    = 256 << 20 // of a query
	maxRefusal   = 64 << 10  // of the words of a refusal
)

func (o Options) transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:     config,
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: o.Parallel + 4,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

func (o Options) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, unreadable("ca_file", "file of certificate authorities", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, platform.Errorf(platform.CodeInvalid, "The file of certificate authorities for Loki holds no certificate.").
				WithHint("Give a PEM file with at least one CERTIFICATE block.").WithField("ca_file")
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, unreadable("cert_file", "client certificate or its key", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func unreadable(field, what string, err error) error {
	return platform.Errorf(platform.CodeInvalid, "The %s for Loki cannot be used: %v.", what, err).
		WithHint("Give a PEM file that this process may read.").WithField(field)
}

// address returns the URL of one of the server's endpoints.
func (l *Logs) address(path string, query url.Values) string {
	at := *l.base
	at.Path += path
	at.RawQuery = query.Encode()
	return at.String()
}

// identify adds tenant and credentials to a request's headers.
func (l *Logs) identify(header http.Header) error {
	if l.options.Tenant != "" {
		header.Set("X-Scope-OrgID", l.options.Tenant)
	}
	header.Set("User-Agent", "fairlead")
	switch {
	case l.options.TokenFile != "":
		token, err := readSecret(l.options.TokenFile)
		if err != nil {
			return err
		}
		header.Set("Authorization", "Bearer "+token)
	case l.options.Username != "":
		password, err := readSecret(l.options.PasswordFile)
		if err != nil {
			return err
		}
		basic := http.Request{Header: header}
		basic.SetBasicAuth(l.options.Username, password)
	}
	return nil
}

func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", platform.Errorf(platform.CodeUnavailable, "The credentials for Loki cannot be read: %v.", err).
			WithHint("Give a file that this process may read; it is read anew for each request.")
	}
	return strings.TrimSpace(string(raw)), nil
}

// answer is what the server said to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// words returns the server's words for people and logs.
func (a answer) words() string {
	text := strings.TrimSpace(string(a.body))
	if text == "" {
		text = http.StatusText(a.status)
	}
	return platform.Truncate(text, 500)
}

// do sends one request and reads its answer, limit bytes of it at most. An error means that no answer came.
func (l *Logs) do(req *http.Request, limit int64) (answer, error) {
	if err := l.identify(req.Header); err != nil {
		return answer{}, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return answer{}, l.away(req.Context(), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		limit = maxRefusal
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, l.away(req.Context(), err)
	}
	if int64(len(body)) > limit {
		if resp.StatusCode < 300 {
			return answer{}, platform.Errorf(platform.CodeExhausted, "The answer of Loki is larger than %d MiB.", limit>>20).
				WithHint("Ask for fewer lines or a shorter range.").WithField("limit")
		}
		body = body[:limit]
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// away returns the error for a server that did not answer.
func (l *Logs) away(ctx context.Context, err error) error {
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return fmt.Errorf("talk to loki: %w", cause)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the address, which holds the query
	}
	return platform.Errorf(platform.CodeUnavailable, "Loki at %s does not answer: %v.", l.base.Host, err).
		WithHint("Check that it runs and can be reached from here; lines wait until it is back.")
}

// refused returns the error for an answer that says no, for reasons that lie in the settings or in the server.
func (l *Logs) refused(a answer) error {
	says := fmt.Sprintf("Loki at %s answered %d: %s", l.base.Host, a.status, strings.TrimSuffix(a.words(), "."))
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return platform.Errorf(platform.CodeUnavailable, "%s.", says).WithHint("Check the credentials and the tenant that the server is given for Loki.")
	case http.StatusNotFound:
		return platform.Errorf(platform.CodeUnavailable, "%s.", says).WithHint("Check the address of Loki: Fairlead adds /loki/api/v1 to it.")
	case http.StatusTooManyRequests:
		return platform.Errorf(platform.CodeExhausted, "%s.", says).WithHint("Raise Loki's limits (ingestion_rate_mb, per_stream_rate_limit), or log less.")
	}
	return platform.Errorf(platform.CodeUnavailable, "%s.", says).WithHint("Look at Loki's own log.")
}

// stay follows no redirect: a push would become a GET, and credentials would go to another place.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

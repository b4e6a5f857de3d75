package prometheus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

// Auth says how to sign in to a server. Secrets are in files, which are read anew for each request, so that a rotated
// one is used at once. All of it is optional; Username and BearerFile exclude each other.
type Auth struct {
	Username     string
	PasswordFile string
	BearerFile   string
	// CAFile signs the server's certificate where the system's authorities do not; CertFile and KeyFile are ours.
	CAFile, CertFile, KeyFile string
	// Tenant is sent as X-Scope-OrgID, for Mimir.
	Tenant string
}

// caller sends requests to one server.
type caller struct {
	base   *url.URL
	auth   Auth
	client *http.Client
}

func newCaller(field, address string, auth Auth, timeout time.Duration) (*caller, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, platform.Errorf(platform.CodeInvalid, "The address of the metric server is not an http or https URL.").
			WithHint("Write for example http://prometheus:9090.").WithField(field)
	}
	if base.User != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The address of the metric server holds a password.").
			WithHint("Name the user and a file with the password instead: an address is shown and logged.").WithField(field)
	}
	if auth.Username != "" && auth.BearerFile != "" {
		return nil, platform.Errorf(platform.CodeInvalid, "Two ways to sign in to %s are set.", base.Host).
			WithHint("Set a user with a password file, or a bearer file, not both.").WithField(field)
	}
	settings, err := auth.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &caller{base: base, auth: auth, client: &http.Client{
		Transport: tracing.Transport(transport, "metric server"), Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect would carry the credentials on
	}}, nil
}

func (a Auth) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, fileError("ca_file", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fileError("ca_file", errors.New("it holds no certificate in PEM form"))
		}
	}
	if (a.CertFile == "") != (a.KeyFile == "") {
		return nil, fileError("cert_file", errors.New("a certificate and its key come together"))
	}
	if a.CertFile == "" {
		return config, nil
	}
	if _, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile); err != nil {
		return nil, fileError("cert_file", err)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile) // read anew, so that a renewed one is used
		return &pair, err
	}
	return config, nil
}

func fileError(field string, err error) error {
	return platform.Errorf(platform.CodeInvalid, "A file for signing in to the metric server cannot be used: %v.", err).
		WithHint("Give the path of a PEM file that this process may read.").WithField(field)
}

// sign adds the credentials.
func (c *caller) sign(r *http.Request) error {
	if c.auth.Tenant != "" {
		r.Header.Set("X-Scope-OrgID", c.auth.Tenant)
	}
	read := func(path string) (string, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", platform.Errorf(platform.CodeUnavailable, "The credentials of the metric server cannot be read: %v.", err)
		}
		return strings.TrimSpace(string(raw)), nil
	}
	switch {
	case c.auth.BearerFile != "":
		token, err := read(c.auth.BearerFile)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	case c.auth.Username != "":
		password := ""
		if c.auth.PasswordFile != "" {
			var err error
			if password, err = read(c.auth.PasswordFile); err != nil {
				return err
			}
		}
		r.SetBasicAuth(c.auth.Username, password)
	}
	return nil
}

// post sends body and returns at most limit bytes of the answer. Only a server that cannot be reached is an error.
func (c *caller) post(ctx context.Context, path, contentType string, body []byte, limit int64) (status int, answer []byte, err error) {
	response, err := c.send(ctx, path, contentType, body, nil)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return 0, nil, c.unreachable(ctx, err)
	}
	if int64(len(answer)) > limit {
		return 0, nil, promql.TooMany()
	}
	return response.StatusCode, answer, nil
}

func (c *caller) send(ctx context.Context, path, contentType string, body []byte, headers map[string]string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the metric server: %w", err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("User-Agent", "fairlead")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if err := c.sign(request); err != nil {
		return nil, err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return response, nil
}

func (c *caller) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask the metric server: %w", ctx.Err())
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which the message names already
	}
	return platform.Errorf(platform.CodeUnavailable, "The metric server at %s does not answer: %v.", c.base.Host, err).
		WithHint("Check that it runs and that this host reaches it.")
}

// refusal turns what the API said no with into an error of ours.
func (c *caller) refusal(status int, a answer) error {
	said := platform.Truncate(a.Error, 300)
	switch {
	case a.ErrorType == "timeout", a.ErrorType == "canceled":
		return promql.TooSlow()
	case strings.Contains(a.Error, "too many samples"):
		return promql.TooMany()
	case a.ErrorType == "bad_data", a.ErrorType == "execution", status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return promql.CannotEvaluate(said)
	}
	return platform.Errorf(platform.CodeUnavailable, "The metric server at %s answered %s: %s", c.base.Host, statusWords(status), said)
}

// notTheAPI is the error for an answer that is not of the query API: a proxy's page, a sign-in form.
func (c *caller) notTheAPI(status int, body []byte) error {
	err := platform.Errorf(platform.CodeUnavailable, "The metric server at %s answered %s instead of a result.", c.base.Host, statusWords(status))
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return err.WithHint("Check the files with its credentials.")
	case http.StatusNotFound:
		return err.WithHint("Check the address: the query API lies below it at /api/v1/query.")
	}
	return err.WithHint("It said: %s", platform.Truncate(strings.TrimSpace(strings.ToValidUTF8(string(body), "?")), 120))
}

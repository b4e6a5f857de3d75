package loki_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/platform"
)

func TestAppend_TriesAgainAfter429AndNotBeforeRetryAfter(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, n int, _ pushed) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "ingestion rate limit exceeded for user", http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
	got := server.got()
	require.Len(t, got, 2)
	require.GreaterOrEqual(t, got[1].at.Sub(got[0].at), 990*time.Millisecond)
	require.EqualValues(t, 1, logs.Stats().Retries)
	require.EqualValues(t, 1, logs.Stats().Pushed)
}

func TestAppend_LeavesAServerAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ int, _ pushed) {
		w.Header().Set("Retry-After", "40")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	})
	logs := openWith(t, loki.Options{URL: server.URL, RetryFor: time.Second})
	for range 3 {
		err := logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")})
		require.Equal(t, platform.CodeExhausted, platform.CodeOf(err))
	}
	require.Len(t, server.got(), 1, "the second and third Append send nothing")
}

func TestAppend_TriesAgainAfter5xxAndABrokenConnection(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, n int, _ pushed) {
		switch n {
		case 0:
			http.Error(w, "no ingester", http.StatusInternalServerError)
		case 1:
			http.Error(w, "starting", http.StatusServiceUnavailable)
		case 2:
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
	require.Len(t, server.got(), 4)
}

func TestAppend_GivesUpAfterRetryForAndSaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ int, _ pushed) {
		http.Error(w, "at least 1 live replicas required", http.StatusInternalServerError)
	})
	logs := openWith(t, loki.Options{URL: server.URL, RetryFor: 300 * time.Millisecond})
	err := logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "at least 1 live replicas required")
	require.Empty(t, logs.Stats().Rejected, "what may be taken later is not lost")
}

func TestAppend_OfAServerThatIsAwayNamesIt(t *testing.T) {
	t.Parallel()
	logs := openWith(t, loki.Options{URL: "http://127.0.0.1:1", RetryFor: time.Millisecond})
	err := logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "127.0.0.1:1")
	_, err = logs.Query(t.Context(), observability.LogQuery{})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
}

func TestAppend_RefusedCredentialsAreAnErrorAndNotRetried(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ int, _ pushed) { http.Error(w, "no org id", http.StatusUnauthorized) })
	logs := openWith(t, loki.Options{URL: server.URL})
	err := logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "the reader of logs is not the one who lacks a token")
	require.ErrorContains(t, err, "credentials")
	require.Len(t, server.got(), 1)
}

func TestAppend_UnknownRefusalsKeepTheLinesWithTheCaller(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ int, _ pushed) {
		http.Error(w, "the proxy does not like it", http.StatusBadRequest)
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	require.ErrorContains(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}), "the proxy does not like it")
	require.Empty(t, logs.Stats().Rejected)
}

func TestAppend_CountsExactlyTheLinesThatAreRefusedForGood(t *testing.T) {
	t.Parallel()
	taken := make(map[string]bool)
	var mu sync.Mutex
	// A server that takes all lines but every seventh, and says no more than that some were too old.
	server := serve(t, func(w http.ResponseWriter, _ int, p pushed) {
		mu.Lock()
		defer mu.Unlock()
		refused := 0
		for _, l := range p.lines {
			if n, _ := strconv.Atoi(l.Message); n%7 == 0 {
				refused++
			} else {
				taken[l.Message] = true
			}
		}
		if refused > 0 {
			http.Error(w, "entry for stream '{}' has timestamp too old: 2020", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	var lines []observability.Line
	for i := range 100 {
		lines = append(lines, line(time.Now().Add(time.Duration(i)), strconv.Itoa(i)))
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	require.Len(t, taken, 85)
	require.Equal(t, map[string]int64{"too old": 15}, logs.Stats().Rejected)
	require.EqualValues(t, 15, logs.Stats().Lost())
	require.EqualValues(t, 85, logs.Stats().Pushed)
}

func TestAppend_HalvesWhatIsTooLargeForTheServer(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ int, p pushed) {
		if len(p.lines) > 3 {
			http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	var lines []observability.Line
	for i := range 10 {
		lines = append(lines, line(time.Now().Add(time.Duration(i)), strconv.Itoa(i)))
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	require.EqualValues(t, 10, logs.Stats().Pushed)
}

func TestAppend_GoesOnAsJSONWhenProtobufIsRefused(t *testing.T) {
	t.Parallel()
	for _, refusal := range []struct {
		status int
		words  string
	}{{http.StatusUnsupportedMediaType, ""}, {http.StatusBadRequest, "unsupported content type application/x-protobuf"}} {
		server := serve(t, func(w http.ResponseWriter, _ int, p pushed) {
			if p.header.Get("Content-Type") != "application/json" {
				http.Error(w, refusal.words, refusal.status)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
		logs := openWith(t, loki.Options{URL: server.URL})
		for range 2 {
			require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), `one <b>"line"`)}))
		}
		got := server.got()
		require.Len(t, got, 3, "protobuf is not tried again")
		require.Equal(t, "gzip", got[2].header.Get("Content-Encoding"))
		require.Equal(t, `one <b>"line"`, got[2].lines[0].Message)
		require.Equal(t, "dep_1", got[2].lines[0].Fields["deploy"])
		require.True(t, logs.Stats().JSON)
	}
}

func TestAppend_PushesThatWereUnderWayWhenProtobufWasRefusedGoOnToo(t *testing.T) {
	t.Parallel()
	var first sync.WaitGroup
	first.Add(2)
	server := serve(t, func(w http.ResponseWriter, _ int, p pushed) {
		if p.header.Get("Content-Type") == "application/json" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		first.Done()
		first.Wait() // until both are under way as protobuf
		w.WriteHeader(http.StatusUnsupportedMediaType)
	})
	logs := openWith(t, loki.Options{URL: server.URL})
	a, b := line(time.Now(), "a"), line(time.Now(), "b")
	b.Service = "web"
	require.NoError(t, logs.Append(t.Context(), []observability.Line{a, b}))
	require.Len(t, server.got(), 4)
}

func TestAppend_SendsTenantAndCredentialsAndReadsThemAnew(t *testing.T) {
	t.Parallel()
	server := serve(t, accept)
	push := func(options loki.Options) http.Header {
		options.URL = server.URL
		logs := openWith(t, options)
		require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
		got := server.got()
		return got[len(got)-1].header
	}
	require.Equal(t, "team-a", push(loki.Options{Tenant: "team-a"}).Get("X-Scope-OrgID"))
	require.Empty(t, push(loki.Options{}).Values("X-Scope-OrgID"))
	require.Empty(t, push(loki.Options{}).Get("Authorization"))

	basic := http.Request{Header: push(loki.Options{Username: "ada", PasswordFile: writeFile(t, "password", "s3cret\n")})}
	user, password, ok := basic.BasicAuth()
	require.True(t, ok)
	require.Equal(t, []string{"ada", "s3cret"}, []string{user, password})

	token := writeFile(t, "token", "first\n")
	logs := openWith(t, loki.Options{URL: server.URL, TokenFile: token})
	for _, want := range []string{"first", "second"} {
		overwrite(t, token, want)
		require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
		got := server.got()
		require.Equal(t, "Bearer "+want, got[len(got)-1].header.Get("Authorization"))
	}
}

func TestAppend_SpeaksTLSWithAClientCertificate(t *testing.T) {
	t.Parallel()
	ca, caKey, caFile := authority(t)
	clientCert, clientKey := issue(t, ca, caKey, "fairlead")
	serverCert, serverKey := issue(t, ca, caKey, "loki")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	f := &fakeServer{}
	f.Server = httptest.NewUnstartedServer(f.handler(accept))
	f.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	f.Config.ErrorLog = nil
	f.StartTLS()
	t.Cleanup(f.Close)

	logs := openWith(t, loki.Options{URL: f.URL, CAFile: caFile, CertFile: clientCert, KeyFile: clientKey})
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(time.Now(), "one")}))
	require.Len(t, f.got(), 1)

	for name, options := range map[string]loki.Options{
		"without a client certificate": {URL: f.URL, CAFile: caFile, RetryFor: time.Millisecond},
		"without the authority":        {URL: f.URL, CertFile: clientCert, KeyFile: clientKey, RetryFor: time.Millisecond},
	} {
		err := openWith(t, options).Append(t.Context(), []observability.Line{line(time.Now(), "one")})
		require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), name)
	}
	require.Len(t, f.got(), 1)
}

func TestAppend_ManyCallersShareBatchesOfOneStreamEach(t *testing.T) {
	t.Parallel()
	server := serve(t, accept)
	logs := openWith(t, loki.Options{URL: server.URL, BatchWait: 100 * time.Millisecond})
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			one := line(time.Now(), fmt.Sprint("line ", i))
			if i%2 == 0 {
				one.Level = observability.LevelError
			}
			if err := logs.Append(context.Background(), []observability.Line{one}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	total := 0
	for _, p := range server.got() {
		total += len(p.lines)
		for _, l := range p.lines {
			require.Equal(t, p.lines[0].Level, l.Level, "a push holds one stream")
		}
	}
	require.Equal(t, 50, total)
	require.Less(t, len(server.got()), 25, "callers share pushes")
}

func TestAppend_SplitsManyLinesIntoBatchesOfTheGivenSize(t *testing.T) {
	t.Parallel()
	server := serve(t, accept)
	logs := openWith(t, loki.Options{URL: server.URL, BatchBytes: 10 << 10})
	var lines []observability.Line
	for i := range 40 {
		lines = append(lines, line(time.Now().Add(time.Duration(i)), strings.Repeat("x", 1<<10)))
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	got := server.got()
	require.GreaterOrEqual(t, len(got), 4)
	var last time.Time
	for _, p := range got {
		for _, l := range p.lines {
			require.False(t, l.At.Before(last), "batches of one stream go in order")
			last = l.At
		}
	}
}

func TestAppend_EndsWithItsContextAndTheStoreCloses(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 100)
	server := serve(t, func(w http.ResponseWriter, _ int, _ pushed) {
		reached <- struct{}{}
		http.Error(w, "away", http.StatusServiceUnavailable)
	})
	logs, err := loki.Open(loki.Options{URL: server.URL, RetryFor: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	require.ErrorIs(t, logs.Append(ctx, []observability.Line{line(time.Now(), "one")}), context.Canceled)
	require.NoError(t, logs.Close())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(logs.Append(t.Context(), []observability.Line{line(time.Now(), "two")})))
}

func TestOpen_RefusesSettingsThatDoNotFitTogether(t *testing.T) {
	t.Parallel()
	const at = "http://127.0.0.1:3100"
	broken := writeFile(t, "broken.pem", "no certificate")
	for _, c := range []struct {
		field   string
		options loki.Options
	}{
		{"url", loki.Options{}},
		{"url", loki.Options{URL: "127.0.0.1:3100"}},
		{"url", loki.Options{URL: "ftp://loki"}},
		{"url", loki.Options{URL: "http://ada:secret@loki"}},
		{"url", loki.Options{URL: at + "/loki/api/v1/push"}},
		{"url", loki.Options{URL: at, CAFile: broken}},
		{"tenant", loki.Options{URL: at, Tenant: "a|b"}},
		{"token_file", loki.Options{URL: at, TokenFile: "t", Username: "u", PasswordFile: "p"}},
		{"password_file", loki.Options{URL: at, Username: "u"}},
		{"password_file", loki.Options{URL: at, PasswordFile: "p"}},
		{"cert_file", loki.Options{URL: "https://loki", CertFile: "c"}},
		{"cert_file", loki.Options{URL: "https://loki", CertFile: broken, KeyFile: broken}},
		{"ca_file", loki.Options{URL: "https://loki", CAFile: broken}},
		{"ca_file", loki.Options{URL: "https://loki", CAFile: "/nowhere"}},
	} {
		_, err := loki.Open(c.options)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, "%+v", c.options)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Equal(t, c.field, refused.Field, "%+v", c.options)
		require.NotEmpty(t, refused.Hint)
	}
}

// authority makes a certificate authority and returns the file of its certificate.
func authority(t *testing.T) (*x509.Certificate, *ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return cert, key, writeFile(t, "ca.pem", pemOf("CERTIFICATE", raw))
}

// issue makes a certificate for 127.0.0.1 and returns the files of it and its key.
func issue(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	require.NoError(t, err)
	keyRaw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return writeFile(t, name+".pem", pemOf("CERTIFICATE", raw)), writeFile(t, name+".key", pemOf("PRIVATE KEY", keyRaw))
}

func pemOf(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}

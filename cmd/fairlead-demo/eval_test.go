package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

// handshake dials a listener that holds the certificate and returns what the client says of it.
func handshake(t *testing.T, valid time.Duration) error {
	t.Helper()
	tree := map[string][]byte{}
	made, err := certify(tree, scenarios.Certificate{Host: "catalog", Valid: valid, CA: []string{"api"}, Own: []string{"catalog"}})
	require.NoError(t, err)
	require.Equal(t, []string{"api/ca.pem", "catalog/tls.crt", "catalog/tls.key"}, made)
	pair, err := tls.X509KeyPair(tree["catalog/tls.crt"], tree["catalog/tls.key"])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(tree["api/ca.pem"]))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}}) //nolint:gosec // a test
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err == nil {
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "catalog"}}).DialContext(t.Context(), "tcp", listener.Addr().String()) //nolint:gosec // a test
	if err == nil {
		conn.Close()
	}
	<-served
	listener.Close()
	return err
}

func TestCertify_TheCertificateHoldsUntilItIsOver(t *testing.T) {
	t.Parallel()
	require.NoError(t, handshake(t, time.Hour))
	require.ErrorContains(t, handshake(t, -time.Minute), "expired")
}

func right(category platform.Category, verdict platform.Verdict) scenarios.Result {
	return scenarios.Result{
		Name: string(category), Expected: scenarios.Expected{Category: category, Verdict: verdict}, Verdict: verdict, Category: category,
		VerdictRight: true, CategoryRight: true, ServiceRight: true, ChangeRight: true, InTop3: true, DiagnosisMS: 400,
	}
}

func TestMeets_HoldsTheResultsToWhatTheyMustReach(t *testing.T) {
	t.Parallel()
	var good []scenarios.Result
	for range 18 {
		good = append(good, right("oom_killed", platform.VerdictCause))
	}
	good = append(good, right("healthy", platform.VerdictHealthy), right("hang", platform.VerdictCause))
	require.True(t, meets(good))
	for name, spoil := range map[string]func(r []scenarios.Result){
		"one innocent commit is convicted": func(r []scenarios.Result) { r[0].Convicted = true },
		"three categories of twenty are wrong": func(r []scenarios.Result) {
			r[0].CategoryRight, r[1].CategoryRight, r[2].CategoryRight = false, false, false
		},
		"three changes of twenty are wrong":  func(r []scenarios.Result) { r[0].ChangeRight, r[1].ChangeRight, r[2].ChangeRight = false, false, false },
		"a healthy service is not called so": func(r []scenarios.Result) { r[18].VerdictRight = false },
		"the diagnoses take longer than allowed": func(r []scenarios.Result) {
			for i := range r {
				r[i].DiagnosisMS = 1500
			}
		},
	} {
		spoiled := append([]scenarios.Result(nil), good...)
		spoil(spoiled)
		require.False(t, meets(spoiled), name)
	}
}

func TestPrintResults_HasARowForEachCategoryAndOneForAll(t *testing.T) {
	t.Parallel()
	wrong := right("hang", platform.VerdictCause)
	wrong.CategoryRight, wrong.Convicted = false, true
	var out bytes.Buffer
	printResults(&out, []scenarios.Result{right("hang", platform.VerdictCause), wrong, right("oom_killed", platform.VerdictCause)}, 90*time.Second)
	require.Contains(t, out.String(), "hang                         2/2       2/2       1/2")
	require.Contains(t, out.String(), "all                          3/3       3/3       2/3")
	require.Contains(t, out.String(), "MISS no innocent commit convicted: 1")
	require.Contains(t, out.String(), "ok   median diagnosis under 1000 ms: 400 ms")
}

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
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

func right(category platform.Category, verdict platform.Verdict) eval.Result {
	return eval.Result{
		Name: string(category), Expected: eval.Expected{Category: category, Verdict: verdict}, Verdict: verdict, Category: category,
		VerdictRight: true, CategoryRight: true, ServiceRight: true, ChangeRight: true, InTop3: true, Took: platform.Duration(400 * time.Millisecond),
	}
}

func met(figures []figure) bool {
	return !slices.ContainsFunc(figures, func(f figure) bool { return !f.Met })
}

func TestScoreFigures_HoldTheResultsToWhatTheyMustReach(t *testing.T) {
	t.Parallel()
	var good []eval.Result
	for range 18 {
		good = append(good, right("oom_killed", platform.VerdictCause))
	}
	good = append(good, right("healthy", platform.VerdictHealthy), right("hang", platform.VerdictCause))
	require.True(t, met(scoreFigures("bundles", good)))
	for name, spoil := range map[string]func(r []eval.Result){
		"one innocent change is convicted": func(r []eval.Result) { r[0].Convicted = true },
		"three categories of twenty are wrong": func(r []eval.Result) {
			r[0].CategoryRight, r[1].CategoryRight, r[2].CategoryRight = false, false, false
		},
		"three changes of twenty are wrong":  func(r []eval.Result) { r[0].ChangeRight, r[1].ChangeRight, r[2].ChangeRight = false, false, false },
		"a healthy service is not called so": func(r []eval.Result) { r[18].Verdict = platform.VerdictCause },
		"two of nineteen say nothing":        func(r []eval.Result) { r[0].Abstained, r[1].Abstained = true, true },
		"two of twenty were not played":      func(r []eval.Result) { r[0].Error, r[1].Error = "no", "no" },
		"the diagnoses take longer than allowed": func(r []eval.Result) {
			for i := range r {
				r[i].Took = platform.Duration(1500 * time.Millisecond)
			}
		},
	} {
		spoiled := slices.Clone(good)
		spoil(spoiled)
		require.False(t, met(scoreFigures("bundles", spoiled)), name)
	}
}

func TestLeftOutFigure_OneInnocentIsTooMany(t *testing.T) {
	t.Parallel()
	less := []eval.Result{right("hang", platform.VerdictCause)}
	require.True(t, leftOutFigure(less).Met)
	less[0].Convicted = true
	require.False(t, leftOutFigure(less).Met)
}

func TestOfflineFigures_OneAnswerThatDiffersIsMissed(t *testing.T) {
	t.Parallel()
	played := []scenarios.Result{{Offline: &scenarios.Offline{Same: true}}, {}}
	require.True(t, met(offlineFigures(played)), "how the plain files alone do is told, and no must")
	played[1].Offline = &scenarios.Offline{Plain: true}
	require.False(t, met(offlineFigures(played)))
}

func TestPrintTable_HasARowForEachCategoryAndOneForAll(t *testing.T) {
	t.Parallel()
	wrong := right("hang", platform.VerdictCause)
	wrong.CategoryRight, wrong.Convicted = false, true
	var out bytes.Buffer
	printTable(&out, "bundles", []eval.Result{right("hang", platform.VerdictCause), wrong, right("oom_killed", platform.VerdictCause)})
	require.Regexp(t, `(?m)^hang +2/2 +2/2 +1/2 +2/2 +2/2 +2/2 +1 +0 +400.0 ms$`, out.String())
	require.Regexp(t, `(?m)^all +3/3 +3/3 +2/3 +3/3`, out.String())
}

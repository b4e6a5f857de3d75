package prometheus_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/observability/prometheus/prometheustest"
	"github.com/fairlead/fairlead/platform"
)

func open(t *testing.T, url string, change func(*prometheus.Options)) *prometheus.Metrics {
	t.Helper()
	options := prometheus.Options{QueryURL: url, WriteURL: url + "/api/v1/write"}
	if change != nil {
		change(&options)
	}
	metrics, err := prometheus.New(options)
	require.NoError(t, err)
	return metrics
}

func TestMetrics_KeepTheContractOnARealPrometheus(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseMetrics(t, func(t *testing.T) observability.Metrics {
		return open(t, prometheustest.Start(t, prometheustest.Server{}), nil)
	})
}

func TestMetrics_InstallationsThatShareAServerDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	url := prometheustest.Start(t, prometheustest.Server{})
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	for i, name := range []string{"one", "two"} {
		metrics := open(t, url, func(o *prometheus.Options) { o.Labels = map[string]string{"installation": name} })
		require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "m", Labels: map[string]string{"project": "shop"}, At: at, Value: float64(i + 1)}}))
	}
	for i, name := range []string{"one", "two"} {
		metrics := open(t, url, func(o *prometheus.Options) { o.Labels = map[string]string{"installation": name} })
		for _, expr := range []string{"m", `m{installation=~".+"}`, `sum(m or m{installation="one"})`} {
			series, err := metrics.Query(t.Context(), observability.MetricQuery{Project: "shop", Expr: expr, To: at})
			require.NoError(t, err)
			require.Len(t, series, 1, expr)
			require.Equal(t, float64(i+1), series[0].Points[0].Value, expr)
		}
	}
}

func TestMetrics_AStaleMarkerEndsASeries(t *testing.T) {
	t.Parallel()
	metrics := open(t, prometheustest.Start(t, prometheustest.Server{}), nil)
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "m", At: at, Value: 1}, {Name: "m", At: at.Add(time.Second), Value: observability.StaleMarker}}))
	series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at})
	require.NoError(t, err)
	require.Len(t, series, 1)
	series, err = metrics.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at.Add(2 * time.Second)})
	require.NoError(t, err)
	require.Empty(t, series)
}

func TestMetrics_SignInByCertificateAndPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	require.NoError(t, err)
	certs := prometheustest.NewCertificates(t, dir)
	url := prometheustest.Start(t, prometheustest.Server{Web: fmt.Sprintf(`
tls_server_config: {cert_file: %q, key_file: %q, client_ca_file: %q, client_auth_type: RequireAndVerifyClientCert}
basic_auth_users: {ada: %q}
`, certs.ServerCert, certs.ServerKey, certs.CA, hash)})
	url = strings.Replace(url, "http:", "https:", 1)
	password := filepath.Join(dir, "password")
	auth := prometheus.Auth{CAFile: certs.CA, CertFile: certs.ClientCert, KeyFile: certs.ClientKey, Username: "ada", PasswordFile: password}
	metrics := open(t, url, func(o *prometheus.Options) { o.Auth, o.WriteAuth, o.RetryFor = auth, auth, time.Second })
	at := time.Now().Truncate(time.Second)
	require.NoError(t, os.WriteFile(password, []byte("hunter3\n"), 0o600))
	_, err = metrics.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at})
	require.ErrorContains(t, err, "answered 401 Unauthorized")
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(metrics.Append(t.Context(), []observability.Sample{{Name: "m", At: at, Value: 3}})))

	require.NoError(t, os.WriteFile(password, []byte("hunter2\n"), 0o600))
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "m", At: at, Value: 3}}), "a password that was put right is used at once")
	series, err := metrics.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at})
	require.NoError(t, err)
	require.Equal(t, 3.0, series[0].Points[0].Value)

	auth.CertFile, auth.KeyFile = "", ""
	stranger := open(t, url, func(o *prometheus.Options) { o.Auth = auth })
	_, err = stranger.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at})
	require.ErrorContains(t, err, "does not answer")
}

func TestMetrics_BearerTenantAndHeadersAreSent(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	var seen []http.Header
	url, _ := listen(t, func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Clone()) })
	metrics := open(t, url, func(o *prometheus.Options) { o.WriteAuth = prometheus.Auth{BearerFile: token, Tenant: "shop"} })
	require.NoError(t, metrics.Append(t.Context(), one()))
	require.Equal(t, "Bearer s3cret", seen[0].Get("Authorization"))
	require.Equal(t, "shop", seen[0].Get("X-Scope-OrgID"))
	require.Equal(t, "snappy", seen[0].Get("Content-Encoding"))
	require.Equal(t, "application/x-protobuf", seen[0].Get("Content-Type"))
	require.Equal(t, "0.1.0", seen[0].Get("X-Prometheus-Remote-Write-Version"))
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for field, options := range map[string]prometheus.Options{
		"query_url": {QueryURL: "prometheus:9090"},
		"write_url": {WriteURL: "http://ada:pw@host/api/v1/write"},
		"ca_file":   {QueryURL: "http://h", Auth: prometheus.Auth{CAFile: "/nowhere"}},
		"cert_file": {QueryURL: "http://h", Auth: prometheus.Auth{CertFile: "/nowhere"}},
		"labels":    {Labels: map[string]string{"project": "shop"}},
	} {
		_, err := prometheus.New(options)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, field)
		require.Equal(t, field, refused.Field)
		require.NotContains(t, err.Error(), "pw")
	}
}

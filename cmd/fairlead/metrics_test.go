package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/platform"
)

// exposingServices is a service that exposes metrics of its own.
const exposingServices = "  - {name: api, type: web, port: 8080, command: [/app, expose], context: ., metrics: {every: 5s}}\n"

// TestMetrics_OfARunningInstallation scrapes a real server until everything that it measures is there.
func TestMetrics_OfARunningInstallation(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, exposingServices)
	g.addApp()
	g.commit("exposes metrics", files{"Dockerfile": "FROM scratch\nCOPY app /app\n"})
	g.push(project)
	require.Equal(t, platform.PhaseLive, r.settled(t, project, "api").Phase)

	scrape := func(token, query string) map[string]int {
		status, header, body := r.call(t, token, http.MethodGet, "/metrics"+query, nil)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, header.Get("Content-Type"), "text/plain; version=0.0.4")
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(body))
		require.NoError(t, err)
		counts := map[string]int{}
		for name, family := range families {
			counts[name] = len(family.GetMetric())
			if strings.Contains(query, "project=") {
				require.NotContains(t, family.String(), `name:"project" value:"other"`, name)
			}
		}
		return counts
	}
	require.Eventually(t, func() bool {
		all := scrape(r.admin, "")
		for _, name := range []string{
			observability.MetricHostCPU, observability.MetricHostMemory, observability.MetricFSFree, observability.MetricQueueJobs, observability.MetricInfo,
			observability.MetricMemory, observability.MetricOOMKills, observability.MetricDeploys, "fairlead_deploy_seconds", "fairlead_build_seconds",
			observability.MetricUp, observability.MetricAPIRequests, observability.MetricAPISeconds, observability.MetricJobs, observability.MetricJobSeconds,
			observability.MetricSpoolLines, observability.MetricSpoolSent, observability.MetricSpoolDropped,
			"process_resident_memory_bytes", "go_goroutines",
		} {
			if all[name] == 0 {
				t.Log("waiting for", name)
				return false
			}
		}
		return true
	}, patience, 500*time.Millisecond)
	require.Eventually(t, func() bool { return scrape(r.admin, "?applications=true&project="+project)["app_ready"] == 1 }, patience, 500*time.Millisecond,
		"the application's own metrics are read, and it cannot pass for another project")

	token, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{
		Name: "scraper", Kind: platform.ActorAutomation, Role: platform.RoleViewer, Projects: []string{project},
	})
	require.NoError(t, err)
	viewer := token.Secret
	var own map[string]int
	require.Eventually(t, func() bool {
		own = scrape(viewer, "")
		return own[observability.MetricReplicas] == 1
	}, patience, 500*time.Millisecond, "the figures of the project's one service are taken")
	for _, name := range []string{observability.MetricHostCPU, observability.MetricQueueJobs, observability.MetricAPIRequests, "process_resident_memory_bytes"} {
		require.Zero(t, own[name], "%s belongs to no project", name)
	}
	require.Empty(t, scrape(r.admin, "?project="+project+"&environment=staging"))
	for token, want := range map[string]int{viewer: http.StatusForbidden, r.admin: http.StatusOK, "flt_nobody": http.StatusUnauthorized} {
		status, _, body := r.call(t, token, http.MethodGet, "/debug/pprof/heap", nil)
		require.Equal(t, want, status, body)
	}
	_, _, ready := r.call(t, "", http.MethodGet, "/readyz", nil)
	for _, part := range []string{"postgres", "engine", "router", "logs", "metrics", "state"} {
		require.Contains(t, ready, `"name":"`+part+`"`)
	}
}

func TestMeters_GoWhereTheSettingsSay(t *testing.T) {
	t.Parallel()
	var written, asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/write") {
			written.Add(1)
			return
		}
		asked.Add(1)
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}`)
	}))
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		settings               prometheus.Options
		value                  float64
		written, asked, stores bool
	}{
		"alone":                {value: 3, stores: true},
		"forwards too":         {settings: prometheus.Options{WriteURL: server.URL + "/write"}, value: 3, written: true, stores: true},
		"another answers":      {settings: prometheus.Options{QueryURL: server.URL}, value: 7, asked: true},
		"another keeps it all": {settings: prometheus.Options{QueryURL: server.URL, WriteURL: server.URL + "/write"}, value: 7, written: true, asked: true},
	} {
		written.Store(0)
		asked.Store(0)
		c.settings.QueueDelay = time.Millisecond
		m, err := openMeters(t.TempDir(), c.settings, slog.New(slog.DiscardHandler))
		require.NoError(t, err, name)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.run(ctx) }()
		at := time.Now()
		require.NoError(t, m.Append(t.Context(), []observability.Sample{{Name: "m", At: at, Value: 3}}))
		series, err := m.Query(t.Context(), observability.MetricQuery{Expr: "m", To: at})
		require.NoError(t, err, name)
		require.Equal(t, c.value, series[0].Points[0].Value, name)
		require.Len(t, m.latest.Current(observability.SampleFilter{}), 1, name)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, m.close())
		require.Equal(t, c.written, written.Load() > 0, name)
		require.Equal(t, c.asked, asked.Load() > 0, name)
		require.Equal(t, c.stores, m.embedded != nil, name)
	}
}

func TestMetricSettings_AreReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"FAIRLEAD_PROMETHEUS_URL": "http://p", "FAIRLEAD_PROMETHEUS_BEARER_FILE": "/b", "FAIRLEAD_REMOTE_WRITE_URL": "http://w",
		"FAIRLEAD_REMOTE_WRITE_USER": "ada", "FAIRLEAD_REMOTE_WRITE_PASSWORD_FILE": "/p", "FAIRLEAD_METRIC_LABELS": "site=eu, tier=1",
	}
	o, err := metricSettings(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Equal(t, prometheus.Options{
		QueryURL: "http://p", Auth: prometheus.Auth{BearerFile: "/b"}, WriteURL: "http://w",
		WriteAuth: prometheus.Auth{Username: "ada", PasswordFile: "/p"}, Labels: map[string]string{"site": "eu", "tier": "1"},
	}, o)
	env["FAIRLEAD_METRIC_LABELS"] = "site"
	_, err = metricSettings(func(name string) string { return env[name] })
	require.ErrorContains(t, err, "FAIRLEAD_METRIC_LABELS")
}

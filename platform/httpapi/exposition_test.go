package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestMetrics_AreTextOrOpenMetricsAsTheScraperPrefers(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Samples = []observability.Sample{{Name: observability.MetricReplicas, At: time.Now(), Value: 2, Labels: map[string]string{"project": "shop", "environment": "staging", "service": "api"}}}
	const line = `fairlead_slot_replicas{environment="staging",project="shop",service="api"} 2`
	status, h, raw := b.do(http.MethodGet, "/metrics?environment=staging&project=shop", httpapitest.ViewerToken, "")
	require.Equal(t, http.StatusOK, status, string(raw))
	require.True(t, strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4"), h.Get("Content-Type"))
	require.Contains(t, string(raw), "# TYPE fairlead_slot_replicas gauge\n"+line+"\n")
	require.Equal(t, observability.SampleFilter{Environment: "staging"}, lastArg(b))

	_, h, raw = b.do(http.MethodGet, "/metrics?applications=true", httpapitest.ViewerToken, "", "Accept", "application/openmetrics-text;version=1.0.0")
	require.True(t, strings.HasPrefix(h.Get("Content-Type"), "application/openmetrics-text; version=1.0.0"), h.Get("Content-Type"))
	require.True(t, strings.HasSuffix(string(raw), line+".0\n# EOF\n"), string(raw))
	require.Equal(t, observability.SampleFilter{Applications: true}, lastArg(b))

	p := b.problem(http.MethodGet, "/metrics?enviroment=staging", httpapitest.ViewerToken, "")
	require.Contains(t, p.Detail+p.Hint, "environment")
}

func lastArg(b bundle) any {
	calls := b.plane.Calls()
	return calls[len(calls)-1].Arg
}

func TestProfiles_NeedWhatThePlaneAsks(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	p := b.problem(http.MethodGet, "/debug/pprof/", "", "")
	require.Equal(t, platform.CodeUnauthenticated, p.Code)
	for _, token := range []string{httpapitest.ViewerToken, httpapitest.AgentToken} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"} {
			require.Equal(t, platform.CodeDenied, b.problem(http.MethodGet, path, token, "").Code, "%s %s", token, path)
		}
	}
	status, _, raw := b.do(http.MethodGet, "/debug/pprof/goroutine?debug=1", httpapitest.AdminToken, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(raw), "goroutine profile")
	status, _, raw = b.do(http.MethodGet, "/debug/pprof/profile?seconds=1", httpapitest.AdminToken, "")
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, raw)
}

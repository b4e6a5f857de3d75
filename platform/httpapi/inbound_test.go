package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

// What Alertmanager sends, as its documentation of version 4 has it.
const fromAlertmanager = `{"version":"4","groupKey":"{}:{alertname=\"HighErrorRate\"}","truncatedAlerts":0,"status":"firing","receiver":"fairlead",
 "groupLabels":{"alertname":"HighErrorRate"},"commonLabels":{"alertname":"HighErrorRate"},"commonAnnotations":{},"externalURL":"http://am:9093","alerts":[
 {"status":"firing","labels":{"alertname":"HighErrorRate","service":"api","severity":"critical"},"annotations":{"summary":"many 5xx","value":"0.42","threshold":"5%"},
  "startsAt":"2026-03-14T15:00:00.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph","fingerprint":"aa11"},
 {"status":"resolved","labels":{"alertname":"DiskFull","service":"db"},"annotations":{},"startsAt":"2026-03-14T14:00:00Z","endsAt":"2026-03-14T15:00:00Z","fingerprint":"bb22"}]}`

// What Grafana's unified alerting sends.
const fromGrafana = `{"receiver":"fairlead","status":"firing","orgId":1,"alerts":[{"status":"firing","labels":{"alertname":"Lag","app":"worker","grafana_folder":"ops"},
 "annotations":{"description":"lag grows"},"startsAt":"2026-03-14T15:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://g/alerting","fingerprint":"cc33",
 "silenceURL":"http://g/silence","dashboardURL":"","panelURL":"","values":{"B":812.5},"valueString":"[ var='B' value=812.5 ]"}],
 "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://g","version":"1","groupKey":"{}","truncatedAlerts":0,"title":"[FIRING:1]","state":"alerting","message":"x"}`

func (b bundle) received(path, body string) platform.ReceiveAlertsRequest {
	b.t.Helper()
	status, _, raw := b.do(http.MethodPost, path, httpapitest.AdminToken, body)
	require.Equal(b.t, http.StatusOK, status, string(raw))
	calls := b.plane.Calls()
	req, ok := calls[len(calls)-1].Arg.(platform.ReceiveAlertsRequest)
	require.True(b.t, ok)
	return req
}

func TestInbound_AlertmanagerAndGrafanaAreReadAsTheySend(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	req := b.received("/v1/projects/shop/alerts/alertmanager?environment=staging", fromAlertmanager)
	require.Equal(t, platform.InboundAlertmanager, req.Source)
	require.Equal(t, "staging", req.Environment)
	require.Len(t, req.Alerts, 2)
	first := req.Alerts[0]
	require.Equal(t, "HighErrorRate", first.Name)
	require.Equal(t, "aa11", first.Fingerprint)
	require.Equal(t, "critical", first.Severity)
	require.Equal(t, "many 5xx", first.Summary)
	require.InDelta(t, 0.42, *first.Value, 1e-9)
	require.InDelta(t, 5, *first.Threshold, 1e-9)
	require.False(t, first.Resolved)
	require.True(t, req.Alerts[1].Resolved)
	require.Equal(t, 2026, req.Alerts[1].EndsAt.Year())

	req = b.received("/v1/projects/shop/alerts/grafana?service=worker", fromGrafana)
	require.Equal(t, platform.InboundGrafana, req.Source)
	require.Equal(t, "worker", req.Service)
	require.InDelta(t, 812.5, *req.Alerts[0].Value, 1e-9)
	require.Equal(t, "lag grows", req.Alerts[0].Summary)
}

func TestInbound_BadNotificationsAreRefusedByFieldAndBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	const am, generic = "/v1/projects/shop/alerts/alertmanager", "/v1/projects/shop/alerts/generic"
	many := strings.Repeat(`{"name":"x"},`, platform.MaxInboundAlerts) + `{"name":"x"}`
	var labels []string
	for i := range 65 {
		labels = append(labels, fmt.Sprintf(`"l%d":"v"`, i))
	}
	for name, c := range map[string]struct{ path, body, says string }{
		"no alerts":   {am, `{"alerts":[]}`, "alerts"},
		"no list":     {am, `{"status":"firing"}`, "alerts"},
		"status":      {am, `{"alerts":[{"status":"maybe","labels":{"alertname":"x"}}]}`, "status"},
		"no name":     {am, `{"alerts":[{"status":"firing","labels":{}}]}`, "name"},
		"too many":    {generic, `{"alerts":[` + many + `]}`, "200"},
		"labels":      {generic, `{"alerts":[{"name":"x","labels":{` + strings.Join(labels, ",") + `}}]}`, "64"},
		"not a value": {generic, `{"alerts":[{"name":"x","value":"high"}]}`, "value"},
	} {
		p := b.problem(http.MethodPost, c.path, httpapitest.AdminToken, c.body)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, name)
		require.Contains(t, p.Detail+p.Hint+p.Field, c.says, name)
	}
	p := b.problem(http.MethodPost, am, "", fromAlertmanager)
	require.Equal(t, http.StatusUnauthorized, p.Status)
	require.Empty(t, b.plane.Calls())
}

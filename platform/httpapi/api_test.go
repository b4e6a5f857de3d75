package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

var update = flag.Bool("update", false, "write the golden files")

type bundle struct {
	t     *testing.T
	plane *httpapitest.Plane
	api   *httpapi.API
	url   string
}

func setup(t *testing.T, opts httpapi.Options) bundle {
	t.Helper()
	p := httpapitest.New()
	api, url := httpapitest.Serve(t, p, opts)
	return bundle{t: t, plane: p, api: api, url: url}
}

// do sends a request with the token, and returns the status, the headers and the body.
func (b bundle) do(method, path, token, body string, headers ...string) (int, http.Header, []byte) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, resp.Header, raw
}

func (b bundle) problem(method, path, token, body string, headers ...string) httpapi.Problem {
	b.t.Helper()
	status, h, raw := b.do(method, path, token, body, headers...)
	require.Equal(b.t, "application/problem+json", h.Get("Content-Type"), string(raw))
	var p httpapi.Problem
	require.NoError(b.t, json.Unmarshal(raw, &p), string(raw))
	require.Equal(b.t, status, p.Status)
	require.Equal(b.t, "about:blank", p.Type)
	require.NotEmpty(b.t, p.RequestID)
	require.Equal(b.t, h.Get("X-Request-Id"), p.RequestID)
	return p
}

func TestOpenAPI_IsTheGolden(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Version: "test"})
	got, err := b.api.OpenAPI()
	require.NoError(t, err)
	path := filepath.Join("testdata", "openapi.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(bytes.TrimSpace(want)), string(got)), "run go test ./platform/httpapi -update when the change is meant")
	status, _, served := b.do(http.MethodGet, "/openapi.json", "", "")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, string(got), string(served))
}

// routes reads every operation from the document, with the path parameters filled in.
func routes(t *testing.T, api *httpapi.API) [][2]string {
	t.Helper()
	raw, err := api.OpenAPI()
	require.NoError(t, err)
	var doc struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(raw, &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	fill := strings.NewReplacer("{project}", "shop", "{service}", "api", "{deploy}", string(httpapitest.DeployID), "{instance}", string(httpapitest.InstanceID),
		"{incident}", string(httpapitest.IncidentID), "{plan}", string(httpapitest.PlanID), "{token}", "tok_01", "{silence}", "sil_01", "{channel}", "chn_01", "{trace}", httpapitest.TraceID)
	var all [][2]string
	for path, methods := range doc.Paths {
		for method := range methods {
			all = append(all, [2]string{strings.ToUpper(method), fill.Replace(path)})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i][1]+all[i][0] < all[j][1]+all[j][0] })
	require.Greater(t, len(all), 35)
	return all
}

// bodies are good bodies of the operations that need one.
var bodies = map[string]string{
	"POST /v1/projects":                             `{"blueprint":"name: shop"}`,
	"PUT /v1/projects/shop/services/api/scale":      `{"replicas":3}`,
	"PATCH /v1/projects/shop/services/api/env":      `{"set":[{"key":"A","value":"b"}]}`,
	"POST /v1/plans":                                `{"action":{"kind":"rollback","slot":"shop/production/api"},"reason":"why"}`,
	"POST /v1/plans/plan_01/decision":               `{"approve":true}`,
	"POST /v1/projects/shop/silences":               `{"reason":"batch scoring","for":"2h"}`,
	"POST /v1/projects/shop/alerts/alertmanager":    `{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HighErrorRate","service":"api"},"annotations":{},"startsAt":"2026-03-14T15:00:00Z","fingerprint":"c1"}]}`,
	"POST /v1/projects/shop/alerts/grafana":         `{"receiver":"fairlead","orgId":1,"alerts":[{"status":"resolved","labels":{"alertname":"HighErrorRate"},"values":{"B":0.4},"dashboardURL":"x"}]}`,
	"POST /v1/projects/shop/alerts/generic":         `{"alerts":[{"name":"HighErrorRate","service":"api"}]}`,
	"POST /v1/channels":                             `{"name":"hook","kind":"webhook","url":"https://hooks.example.org/x","secret":"0123456789abcdef"}`,
	"PATCH /v1/channels/chn_01":                     `{"enabled":false}`,
	"PUT /v1/projects/shop/budget":                  `{"monthly":"200"}`,
	"PUT /v1/projects/shop/policy":                  `{"text":"{}"}`,
	"POST /v1/agent/stop":                           `{"project":"shop","reason":"it scales too much"}`,
	"POST /v1/agent/start":                          `{}`,
	"PUT /v1/projects/shop/log-retention":           `{"age":"168h","bytes":5000000000}`,
	"POST /v1/tokens":                               `{"name":"ci","kind":"automation","role":"operator"}`,
	"POST /v1/projects/shop/services/api/deploys":   `{}`,
	"POST /v1/projects/shop/services/api/rollbacks": `{}`,
	"POST /v1/projects/shop/services/api/restarts":  `{}`,
}

// queries are what operations need that a path does not hold.
var queries = map[string]string{
	"/v1/projects/shop/policy/explain":  "?service=api&action=scale",
	"/v1/logs":                          "?project=shop",
	"/v1/logs/histogram":                "?project=shop",
	"/v1/logs/patterns":                 "?project=shop",
	"/v1/logs/export":                   "?project=shop",
	"/v1/logs/around":                   "?project=shop&around=2026-03-14T15:09:26Z",
	"/v1/traces":                        "?project=shop",
	"/v1/traces/" + httpapitest.TraceID: "?project=shop",
}

func TestEveryRoute_NeedsAToken(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	for _, r := range routes(t, b.api) {
		method, path := r[0], r[1]
		if path == "/healthz" || path == "/readyz" {
			status, _, _ := b.do(method, path, "", "")
			require.Equal(t, http.StatusOK, status, path)
			continue
		}
		p := b.problem(method, path, "", bodies[method+" "+path])
		require.Equal(t, http.StatusUnauthorized, p.Status, "%s %s", method, path)
		require.Equal(t, platform.CodeUnauthenticated, p.Code)
		p = b.problem(method, path, "flt_wrong", bodies[method+" "+path])
		require.Equal(t, http.StatusUnauthorized, p.Status, "%s %s", method, path)
	}
	require.Empty(t, b.plane.Calls())
}

func TestEveryRoute_RefusesAnAgentsChangesButItsProposal(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	for _, r := range routes(t, b.api) {
		method, path := r[0], r[1]
		if method == http.MethodGet {
			continue
		}
		if path == "/v1/plans" {
			status, _, raw := b.do(method, path, httpapitest.AgentToken, bodies[method+" "+path])
			require.Equal(t, http.StatusCreated, status, string(raw))
			continue
		}
		p := b.problem(method, path, httpapitest.AgentToken, bodies[method+" "+path])
		require.Equal(t, http.StatusForbidden, p.Status, "%s %s: %s", method, path, p.Detail)
		require.Equal(t, platform.CodeDenied, p.Code)
	}
}

func TestEveryRoute_AnswersAnAdmin(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	for _, r := range routes(t, b.api) {
		method, path := r[0], r[1]
		if strings.HasSuffix(path, "/stream") {
			continue
		}
		if strings.HasSuffix(path, "/shop/metrics") {
			path += "?query=up"
		}
		path += queries[path]
		status, _, raw := b.do(method, path, httpapitest.AdminToken, bodies[method+" "+path])
		require.Less(t, status, 300, "%s %s: %s", method, path, raw)
	}
}

func TestUnknownPath_NeedsATokenThenIsNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	require.Equal(t, http.StatusUnauthorized, b.problem(http.MethodGet, "/v1/nothing", "", "").Status)
	require.Equal(t, platform.CodeNotFound, b.problem(http.MethodGet, "/v1/nothing", httpapitest.AdminToken, "").Code)
	require.Equal(t, http.StatusNotFound, b.problem(http.MethodGet, "/docs", httpapitest.AdminToken, "").Status)
	p := b.problem(http.MethodPut, "/v1/tokens", httpapitest.AdminToken, "{}")
	require.Equal(t, http.StatusMethodNotAllowed, p.Status)
}

func TestReady_NamesThePartThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Ready: func(context.Context) []platform.PartStatus {
		return []platform.PartStatus{{Name: "engine", OK: true}, {Name: "postgres", Detail: "connection refused"}}
	}})
	status, _, raw := b.do(http.MethodGet, "/readyz", "", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"ok":false,"parts":[{"name":"engine","ok":true,"detail":""},{"name":"postgres","ok":false,"detail":"connection refused"}]}`, string(raw))
	status, _, _ = b.do(http.MethodGet, "/healthz", "", "")
	require.Equal(t, http.StatusOK, status)
}

func TestEnv_NeverShowsASecretEvenWhenThePlaneSlips(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Config.Vars[0].Value = "hunter2"
	for _, r := range []struct{ method, body string }{{http.MethodGet, ""}, {http.MethodPatch, `{"set":[{"key":"B","value":"hunter2","secret":true}]}`}} {
		status, _, raw := b.do(r.method, "/v1/projects/shop/services/api/env", httpapitest.AdminToken, r.body)
		require.Equal(t, http.StatusOK, status, string(raw))
		require.NotContains(t, string(raw), "hunter2")
	}
}

func TestMounts_AreServedBesideTheAPI(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	b := setup(t, httpapi.Options{Mounts: map[string]http.Handler{"/git/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		seen <- r.URL.Path
		_, flushes := w.(http.Flusher)
		require.True(t, flushes)
		_, _ = w.Write(raw[:1])
	})}})
	large := strings.Repeat("x", 2*httpapi.MaxBodyBytes)
	status, _, raw := b.do(http.MethodPost, "/git/shop.git/info", "", large)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "x", string(raw))
	require.Equal(t, "/git/shop.git/info", <-seen)
}

func TestTransport_ReachesTheAPIInProcessWithTheSameAuthentication(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	inner := &http.Client{Transport: b.api.Transport()}
	get := func(token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://fairlead/v1/actor", nil)
		require.NoError(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := inner.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, get(""))
	require.Equal(t, http.StatusOK, get(httpapitest.AgentToken))
}

func TestHost_OfAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Hosts: []string{"fairlead.example.org"}})
	for host, want := range map[string]int{
		"evil.example.com": http.StatusMisdirectedRequest, "localhost:7700": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK,
		"fairlead.example.org": http.StatusOK, "api.localhost": http.StatusOK, "localhost.evil.com": http.StatusMisdirectedRequest,
	} {
		status, _, _ := b.do(http.MethodGet, "/healthz", "", "", "Host", host)
		require.Equal(t, want, status, host)
	}
	status, _, _ := b.do(http.MethodGet, "/healthz", "", "", "Origin", "https://evil.example.com")
	require.Equal(t, http.StatusForbidden, status)
	status, _, _ = b.do(http.MethodGet, "/healthz", "", "", "Origin", "http://localhost:3000")
	require.Equal(t, http.StatusOK, status)
}

func TestAnswers_OfEveryMountAreNotToBeTakenForPages(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Mounts: map[string]http.Handler{"/git/": http.NotFoundHandler()}})
	for _, path := range []string{"/healthz", "/v1/status", "/git/x"} {
		_, header, _ := b.do(http.MethodGet, path, httpapitest.AdminToken, "")
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Empty(t, header.Get("Access-Control-Allow-Origin"), path)
	}
}

// Fiber must see one request where net/http saw one, whatever the headers say about its length.
func TestProxy_LengthsThatContradictEachOtherAreRefusedOrMadeOne(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	hidden := "GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + httpapitest.AdminToken + "\r\n\r\n"
	for _, length := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 90",
		"Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+length+"\r\n\r\n0\r\n\r\n"+hidden)
		require.NoError(t, err)
		raw, err := io.ReadAll(conn)
		if err == nil {
			require.Equal(t, 1, strings.Count(string(raw), "HTTP/1.1 "), length)
		}
		require.NoError(t, conn.Close())
	}
	for _, call := range b.plane.Calls() {
		require.NotEqual(t, "ListTokens", call.Name, "the hidden request was served")
	}
}

func TestMounts_PanicIsAProblemAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{Mounts: map[string]http.Handler{"/mcp": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })}})
	p := b.problem(http.MethodPost, "/mcp", "", "{}")
	require.Equal(t, http.StatusInternalServerError, p.Status)
	require.NotContains(t, p.Detail+p.Hint, "boom")
	status, _, _ := b.do(http.MethodGet, "/healthz", "", "")
	require.Equal(t, http.StatusOK, status)
}

func TestServe_EndsOpenStreamsWhenItStops(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	p := httpapitest.New()
	api := httpapi.New(httpapi.Options{Plane: p, Logger: slog.New(slog.DiscardHandler), Mounts: map[string]http.Handler{
		"/mcp": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			close(entered)
			<-r.Context().Done()
		}),
	}})
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, ln) }()
	b := bundle{t: t, plane: p, api: api, url: "http://" + ln.Addr().String()}
	s := b.open(t.Context(), "/v1/events/stream")
	s.until("id: 4")
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/mcp", nil)
		req.Header.Set("Accept", "text/event-stream")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	<-entered
	began := time.Now()
	stop()
	require.NoError(t, <-served)
	require.Less(t, time.Since(began), 5*time.Second)
	b.untilFollowing(0)
}

func BenchmarkHandler(b *testing.B) {
	p := httpapitest.New()
	_, url := httpapitest.Serve(b, p, httpapi.Options{})
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+"/v1/actor", nil)
	require.NoError(b, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	for b.Loop() {
		resp, err := http.DefaultClient.Do(req)
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

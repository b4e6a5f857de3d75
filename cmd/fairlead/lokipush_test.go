package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/platform"
)

const pushedServices = "  - {name: api, type: worker, autoDeploy: false}\n  - {name: web, type: web, port: 8000, autoDeploy: false}\n"

// sender returns a token that may send telemetry of these projects and do nothing else.
func (r *installed) sender(t *testing.T, projects ...string) string {
	t.Helper()
	token, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{
		Name: "shipper-" + strings.Join(projects, "-"), Kind: platform.ActorAutomation, Role: platform.RoleSender, Projects: projects,
	})
	require.NoError(t, err)
	return token.Secret
}

// lines waits until a query finds n lines and returns them, oldest first.
func (r *installed) lines(t *testing.T, q observability.LogQuery, n int) []observability.Line {
	t.Helper()
	q.Limit = observability.MaxLogLimit
	var page observability.LogPage
	require.Eventually(t, func() bool {
		var err error
		page, err = r.client.SearchLogs(t.Context(), q)
		return err == nil && len(page.Lines) >= n
	}, patience, 50*time.Millisecond, "%d lines match %+v; there are %d", n, q, len(page.Lines))
	require.Len(t, page.Lines, n)
	return page.Lines
}

// jsonPush is a push of one stream in JSON, as most clients write it by hand.
func jsonPush(t *testing.T, labels map[string]string, texts ...string) []byte {
	t.Helper()
	values := make([][]string, len(texts))
	for i, text := range texts {
		values[i] = []string{strconv.FormatInt(time.Now().UnixNano(), 10), text}
	}
	raw, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": labels, "values": values}}})
	require.NoError(t, err)
	return raw
}

// pushTo sends a body to the server's Loki address and returns the status and what was said.
func (r *installed) pushTo(t *testing.T, query string, body []byte, prepare func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url()+lokiPush+query, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	prepare(req)
	status, _, said := send(t, req)
	return status, said
}

func withToken(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// TestLokiPush_LinesOfARealClientAreFoundWithTheirSecretsRemoved pushes by our own client of Loki, snappy and protobuf.
func TestLokiPush_LinesOfARealClientAreFoundWithTheirSecretsRemoved(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, pushedServices)
	const secret = "pushed-correct-horse-battery"
	code, _, errOut := r.fairlead(t, g.dir, r.admin, "env", "set", "api", "KEY="+secret, "--secret", "--no-deploy")
	require.Zero(t, code, errOut)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(r.sender(t, project)+"\n"), 0o600))
	client, err := loki.Open(loki.Options{URL: r.url(), TokenFile: file})
	require.NoError(t, err)
	defer client.Close()
	var lines []observability.Line
	for i := range 500 {
		lines = append(lines, observability.Line{
			At: time.Now().Add(time.Duration(i) * time.Microsecond), Project: project, Environment: platform.ProductionName, Service: "api", Stream: "stderr",
			Source: observability.SourceRuntime, Level: observability.LevelWarn, Message: fmt.Sprintf("number %d of %s", i, secret),
			Fields: map[string]string{"user.id": "42", "key": secret}, Seq: uint64(i),
		})
	}
	require.NoError(t, client.Append(t.Context(), lines))
	require.Zero(t, client.Stats().Lost())

	found := r.lines(t, observability.LogQuery{Project: project, Service: "api", Levels: []observability.Level{observability.LevelWarn}}, 500)
	for i, l := range found {
		require.Equal(t, fmt.Sprintf("number %d of [redacted]", i), l.Message)
		require.Equal(t, []any{"stderr", "42", platform.ProductionName}, []any{l.Stream, l.Fields["user.id"], l.Environment})
		require.NotContains(t, fmt.Sprint(l), secret)
	}
	newSeeker(t, secret).absent("the spool", r.spoolText(t))
	require.Empty(t, r.absentLines(t, project, secret), "it is stored nowhere")
}

// spoolText is every byte of the log spool.
func (r *installed) spoolText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	segments, err := filepath.Glob(r.config.state.path("spool/*.seg"))
	require.NoError(t, err)
	for _, segment := range segments {
		raw, err := os.ReadFile(segment)
		require.NoError(t, err)
		all.Write(raw)
	}
	return all.String()
}

func (r *installed) absentLines(t *testing.T, project, text string) []observability.Line {
	t.Helper()
	page, err := r.client.SearchLogs(t.Context(), observability.LogQuery{Project: project, Text: text})
	require.NoError(t, err)
	return page.Lines
}

func TestLokiPush_JSONInGzipIsReadAndShownLive(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, _ := r.project(t, pushedServices)
	token := r.sender(t, project)
	live := make(chan observability.Line, 16)
	following := make(chan struct{})
	go func() {
		_ = r.client.FollowLogs(t.Context(), observability.LogQuery{Project: project, Limit: 10}, func(l observability.Line) error {
			if l.Message == "begin" {
				close(following)
			} else {
				live <- l
			}
			return nil
		})
	}()
	status, said := r.pushTo(t, "", jsonPush(t, map[string]string{"app": "web"}, "begin"), withToken(token))
	require.Equal(t, http.StatusNoContent, status, said)
	<-following

	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(jsonPush(t, map[string]string{"app": "web", "host": "web-1", "environment": platform.ProductionName},
		`{"level":"error","msg":"no answer","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	status, said = r.pushTo(t, "", packed.Bytes(), func(req *http.Request) {
		req.SetBasicAuth("anyone", token)
		req.Header.Set("Content-Encoding", "gzip")
	})
	require.Equal(t, http.StatusNoContent, status, said)
	l := <-live
	require.Equal(t, []any{"web", observability.LevelError, "no answer", "4bf92f3577b34da6a3ce929d0e0e4736", "web-1"},
		[]any{l.Service, l.Level, l.Message, l.Fields["trace_id"], l.Fields["host"]})
	require.Equal(t, l, r.lines(t, observability.LogQuery{Project: project, Service: "web", Levels: []observability.Level{observability.LevelError}}, 1)[0])
}

func TestLokiPush_WhoMayNotWriteThereIsRefusedAndNothingIsKept(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, _ := r.project(t, pushedServices)
	other, _ := r.project(t, pushedServices)
	token := r.sender(t, project)
	body := jsonPush(t, map[string]string{"service": "api"}, "not to be kept")
	for name, c := range map[string]struct {
		query   string
		body    []byte
		prepare func(*http.Request)
		status  int
		says    string
	}{
		"no token":           {"", body, func(*http.Request) {}, 401, "token"},
		"bad token":          {"", body, withToken("flt_wrong"), 401, "token"},
		"other project":      {"?project=" + other, body, withToken(token), 404, "There is no project"},
		"other by tenant":    {"", body, func(req *http.Request) { withToken(token)(req); req.Header.Set("X-Scope-OrgID", other) }, 404, "There is no project"},
		"other by label":     {"", jsonPush(t, map[string]string{"project": other}, "not to be kept"), withToken(token), 404, "There is no project"},
		"unknown place":      {"", jsonPush(t, map[string]string{"environment": "prodution"}, "not to be kept"), withToken(token), 404, `Did you mean "production"?`},
		"whose is not said":  {"", body, withToken(r.sender(t, project, other)), 400, "Fairlead-Project"},
		"malformed":          {"", []byte(`{"streams":`), withToken(token), 400, "JSON"},
		"another media type": {"", body, func(req *http.Request) { withToken(token)(req); req.Header.Set("Content-Type", "text/plain") }, 415, "text/plain"},
		"too much at once":   {"", bytes.Repeat([]byte("x"), 8<<20+1), withToken(token), 413, "8388608 bytes"},
		"another time":       {"", []byte(`{"streams":[{"stream":{"service":"api"},"values":[["1600000000000000000","not to be kept"]]}]}`), withToken(token), 400, "timestamp too old"},
	} {
		status, said := r.pushTo(t, c.query, c.body, c.prepare)
		require.Equal(t, c.status, status, "%s: %s", name, said)
		require.Contains(t, said, c.says, name)
	}
	status, said := r.pushTo(t, "?project="+other, jsonPush(t, map[string]string{"service": "api"}, "kept"), withToken(r.sender(t, project, other)))
	require.Equal(t, http.StatusNoContent, status, said)
	require.Equal(t, "kept", r.lines(t, observability.LogQuery{Project: other}, 1)[0].Message)
	require.Empty(t, r.absentLines(t, project, "not to be kept"))

	status, _, _ = r.call(t, token, http.MethodGet, "/v1/logs?project="+project, nil)
	require.Equal(t, http.StatusForbidden, status, "who may send may not read")
}

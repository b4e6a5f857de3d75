package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/embeddedpg"
	"github.com/fairlead/fairlead/platform/store"
)

// leakyServices is a service that prints its secret while it is built and when it runs, and then ends.
const leakyServices = "  - {name: leaker, type: worker, command: [/app, leak], context: ., buildSecrets: [LEAK]}\n"

// leakyDockerfile ends with a word that no build had before: a step that is cached prints nothing.
const leakyDockerfile = "FROM scratch\nCOPY app /app\nRUN --mount=type=secret,id=LEAK [\"/app\", \"leak-file\", \"/run/secrets/LEAK\", %q]\n"

// seeker looks for a secret in any form.
type seeker struct {
	t     *testing.T
	forms map[string]string
}

func newSeeker(t *testing.T, secret string) seeker {
	t.Helper()
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	escaped := strings.Trim(string(quoted), `"`)
	return seeker{t: t, forms: map[string]string{
		"plain": secret, "json": escaped, "json in json": strings.Trim(strconv.Quote(escaped), `"`), "url": url.QueryEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte("app:" + secret))[8:40], "its middle": "correct-horse-battery",
	}}
}

func (s seeker) absent(where, text string) {
	s.t.Helper()
	for form, value := range s.forms {
		if i := strings.Index(text, value); i >= 0 {
			s.t.Errorf("%s shows the secret (%s): ...%s...", where, form, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

// TestSecret_IsNowhereToBeFound sets a secret, lets a build and a container print it in every form until an incident is
// diagnosed, and then looks through everything that keeps or shows something.
func TestSecret_IsNowhereToBeFound(t *testing.T) {
	t.Parallel()
	r := setup(t)
	nonce := fmt.Sprint(time.Now().UnixNano())
	secret := `p"a/s+` + nonce + `\correct-horse-battery<&>`
	seek := newSeeker(t, secret)
	project, g := r.project(t, leakyServices)
	show := func(args ...string) string {
		t.Helper()
		_, out, errOut := r.fairlead(t, g.dir, r.admin, args...)
		seek.absent("fairlead "+strings.Join(args[:min(2, len(args))], " "), out+errOut)
		return out + errOut
	}
	require.Contains(t, show("env", "set", "leaker", "LEAK="+secret, "--secret", "--no-deploy"), "(secret)")
	g.addApp()
	g.commit("prints its secret", files{"Dockerfile": fmt.Sprintf(leakyDockerfile, "once-"+nonce)})
	seek.absent("the push", g.push(project))
	d := r.settled(t, project, "leaker")
	require.Equal(t, platform.PhaseFailed, d.Phase)
	require.NotEqual(t, platform.FailureBuild, d.Failure.Reason, "%+v", d.Failure)
	for _, source := range []string{observability.SourceBuild, observability.SourceRuntime} {
		require.Eventually(t, func() bool {
			page, err := r.client.SearchLogs(t.Context(), observability.LogQuery{Project: project, Source: source, Text: "leaked-everything"})
			return err == nil && len(page.Lines) > 0
		}, patience, 100*time.Millisecond, "the %s printed it", source)
	}
	incident := r.incident(t, project)
	require.Eventually(t, func() bool {
		detail, err := r.client.GetIncident(t.Context(), incident.ID)
		return err == nil && detail.Diagnosis != nil && len(detail.Evidence) > 0
	}, patience, 100*time.Millisecond, "the incident is diagnosed")

	for _, args := range [][]string{
		{"env", "list", "leaker"},
		{"env", "list", "leaker", "--json"},
		{"logs"},
		{"logs", "--source", "build"},
		{"events"},
		{"status"},
		{"deploy", "show", string(d.ID)},
		{"deploy", "show", string(d.ID), "--json"},
		{"diagnose", string(incident.ID)},
		{"incidents", "show", string(incident.ID)},
		{"incidents", "show", string(incident.ID), "--json"},
		{"plans"},
		{"service", "show", "leaker"},
	} {
		require.NotEmpty(t, show(args...))
	}
	require.Contains(t, show("logs"), "[redacted]")
	for _, path := range []string{
		"/v1/status", "/v1/events?project=" + project, "/v1/incidents/" + string(incident.ID), "/v1/deploys/" + string(d.ID),
		"/v1/deploys/" + string(d.ID) + "/build-log?limit=1000", "/v1/projects/" + project, "/v1/logs?limit=1000&project=" + project, "/v1/logs/export?project=" + project, "/v1/logs/patterns?project=" + project,
	} {
		status, _, body := r.call(t, r.admin, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, status, path)
		seek.absent("GET "+path, body)
	}
	r.seekInMCP(t, seek, project, incident.ID, d.ID)
	r.seekInDatabase(t, seek)
	r.seekInFiles(t, seek)
	r.seekInImage(t, seek, d.Image)
	seek.absent("the server's log", r.log.tail(1_000_000))
}

// seekInMCP asks the tools that show what programs and people wrote.
func (r *installed) seekInMCP(t *testing.T, seek seeker, project string, incident platform.IncidentID, deploy platform.DeployID) {
	t.Helper()
	for tool, args := range map[string]map[string]any{
		"get_service": {"project": project, "service": "leaker"}, "search_logs": {"project": project}, "get_log_patterns": {"project": project}, "get_timeline": {"project": project},
		"get_incident": {"incident": incident}, "diagnose": {"incident": incident}, "get_deploy": {"deploy": deploy}, "get_overview": {},
	} {
		message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": args}})
		require.NoError(t, err)
		session := r.callMCP(t, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		answer := r.callMCP(t, session.Get("Mcp-Session-Id"), string(message)).Get("Body")
		require.NotContains(t, answer, `"isError":true`, tool)
		require.Contains(t, answer, "content", tool)
		seek.absent("the tool "+tool, answer)
	}
}

// callMCP sends one message and returns the header of the answer, to which it adds the body as Body.
func (r *installed) callMCP(t *testing.T, session, message string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url()+"/mcp", strings.NewReader(message))
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Authorization": "Bearer " + r.admin, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Session-Id": session,
	} {
		req.Header.Set(name, value)
	}
	status, header, body := send(t, req)
	require.Equal(t, http.StatusOK, status, body)
	header.Set("Body", body)
	return header
}

// seekInDatabase reads every row of every table as text.
func (r *installed) seekInDatabase(t *testing.T, seek seeker) {
	t.Helper()
	database, err := embeddedpg.Open(t.Context(), embeddedpg.Options{Dir: r.config.state.path("postgres")})
	require.NoError(t, err)
	s, err := store.Open(t.Context(), store.Options{URL: database.URL()})
	require.NoError(t, err)
	defer s.Close()
	names, err := s.Pool().Query(t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
	require.NoError(t, err)
	var tables []string
	for names.Next() {
		var name string
		require.NoError(t, names.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, names.Err())
	require.Contains(t, tables, "configs")
	for _, table := range tables {
		rows, err := s.Pool().Query(t.Context(), `SELECT t::text FROM "`+table+`" t`)
		require.NoError(t, err)
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			seek.absent("the table "+table, text)
			seek.absent("the table "+table, strings.ReplaceAll(text, `""`, `"`)) // as a record's text doubles quotes
		}
		require.NoError(t, rows.Err())
	}
}

// seekInFiles reads the whole state folder: logs, cursors, the route table, the repositories, Postgres itself. What only
// its owner may read must be so whatever the umask was.
func (r *installed) seekInFiles(t *testing.T, seek seeker) {
	t.Helper()
	read := 0
	err := filepath.WalkDir(string(r.config.state), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // files come and go under a running server
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		read++
		seek.absent(path, string(raw))
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, read, 100)
	for _, name := range []string{"key", "admin-token"} {
		info, err := os.Stat(r.config.state.path(name))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), name)
	}
}

// seekInImage reads the image that was built: its history, its configuration and its layers.
func (r *installed) seekInImage(t *testing.T, seek seeker, image string) {
	t.Helper()
	require.NotEmpty(t, image)
	for _, args := range [][]string{{"image", "history", "--no-trunc", image}, {"image", "inspect", image}, {"image", "save", image}} {
		out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
		require.NoError(t, err, args)
		seek.absent("docker "+strings.Join(args[:2], " "), string(out))
	}
}

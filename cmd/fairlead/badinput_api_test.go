package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/httpapi"
)

// problem sends a request that must be refused and returns how.
func (r *installed) problem(t *testing.T, token, method, path, body string) httpapi.Problem {
	t.Helper()
	status, header, raw := r.call(t, token, method, path, strings.NewReader(body))
	require.Equal(t, "application/problem+json", header.Get("Content-Type"), raw)
	var p httpapi.Problem
	require.NoError(t, json.Unmarshal([]byte(raw), &p), raw)
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.RequestID)
	return p
}

func TestBadInput_UnknownCommandsAndFlagsAreRefusedWithTheNearest(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, tc := range []struct{ line, words, fix string }{
		{"deplyo api", `There is no command "deplyo" in `, "Did you mean `fairlead deploy`?"},
		{"project creat", `There is no command "creat" in `, "Did you mean `fairlead project create`?"},
		{"help deplyo", `There is no command "deplyo" in `, "Did you mean `fairlead deploy`?"},
		{"help project lst", "There is no command \"lst\" in `fairlead project`.", "Did you mean `fairlead project list`?"},
		{"completion bsh", "There is no command \"bsh\" in `fairlead completion`.", "Did you mean `fairlead completion bash`?"},
		{"deploy api --comit main", "There is no flag --comit in `fairlead deploy`.", "Did you mean --commit?"},
		{"logs api --folow", "There is no flag --folow in `fairlead logs`.", "Did you mean --follow?"},
		{"server --lisen 1", "There is no flag --lisen in `fairlead server`.", "`fairlead server --help` lists its flags."},
		{"logs api --limit many", `--limit cannot be "many".`, "It takes a whole number"},
		{"status extra", "`fairlead status` does not take \"extra\".", "Usage: fairlead status"},
		{"router extra", "`fairlead router` does not take \"extra\".", "Usage: fairlead router"},
		{"server stob", "There is no command \"stob\" in `fairlead server`.", "Did you mean `fairlead server stop`?"},
		{"status --output xml", `--output cannot be "xml".`, "Use table or json."},
		{"deploy api --commit main --image nginx", "--commit and --image cannot be given together.", "Give one of them."},
		{"events --kind deploy.lived", `There is no kind of event "deploy.lived".`, `Did you mean "deploy.live"?`},
		{"events --output yaml", `--output cannot be "yaml".`, "Use table or json."},
	} {
		said := r.refused(t, 2, t.TempDir(), strings.Fields(tc.line)...)
		require.Contains(t, said, "Error: ", tc.line)
		require.Contains(t, said, tc.words, tc.line)
		require.Contains(t, said, tc.fix, tc.line)
	}
}

func TestBadInput_UnknownFieldsAndParametersAreRefusedByName(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, _ := r.project(t, goodServices)
	service := "/v1/projects/" + project + "/services/api"
	for _, tc := range []struct{ method, path, body, field, detail, hint string }{
		{http.MethodPost, service + "/deploys", `{"comit":"main"}`, "comit", `The field "comit" is not known.`, `Did you mean "commit"?`},
		{http.MethodPost, "/v1/projects", `{"blueprnt":"x"}`, "blueprnt", `The field "blueprnt" is not known.`, `Did you mean "blueprint"?`},
		{http.MethodGet, "/v1/events?projcet=" + project, "", "projcet", `The query parameter "projcet" is not known.`, `Did you mean "project"?`},
		{http.MethodGet, "/v1/logs?project=" + project + "&txt=x", "", "txt", `The query parameter "txt" is not known.`, `Did you mean "text"?`},
		{http.MethodGet, "/v1/events?limit=many", "", "limit", "limit", ""},
		{http.MethodGet, "/v1/events?limit=100000", "", "limit", "limit", ""},
	} {
		p := r.problem(t, r.admin, tc.method, tc.path, tc.body)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, tc.path)
		require.Equal(t, platform.CodeInvalid, p.Code, tc.path)
		require.Equal(t, tc.field, p.Field, tc.path)
		require.Contains(t, p.Detail, tc.detail, tc.path)
		require.Contains(t, p.Hint, tc.hint, tc.path)
	}
	p := r.problem(t, r.admin, http.MethodGet, "/v1/projekts", "")
	require.Equal(t, http.StatusNotFound, p.Status)
	require.Contains(t, p.Detail, "There is nothing at GET /v1/projekts.")
	p = r.problem(t, r.admin, http.MethodPost, service+"/deploys", `{"commit":`)
	require.Equal(t, platform.CodeInvalid, p.Code)
	r.untouched(t, project, "api")
}

func TestBadInput_UnknownMCPToolsAndArgumentsAreRefusedByName(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, _ := r.project(t, goodServices)
	answer := r.tool(t, "search_logs", map[string]any{"project": project, "servce": "api"})
	require.Contains(t, answer, `There is no argument \"servce\".`)
	require.Contains(t, answer, `Did you mean \"service\"?`)
	require.Contains(t, answer, `"isError":true`)
	answer = r.tool(t, "get_service", map[string]any{"project": project})
	require.Contains(t, answer, `The argument \"service\" is missing.`)
	answer = r.tool(t, "get_service", map[string]any{"project": project, "service": 7})
	require.Contains(t, answer, `The argument \"service\" has the wrong type`)
	answer = r.tool(t, "get_servce", map[string]any{"project": project})
	require.Contains(t, answer, "get_servce")
	require.Contains(t, answer, `"error"`)
}

// tool calls one MCP tool over HTTP, as an agent, and returns the raw answer.
func (r *installed) tool(t *testing.T, name string, arguments map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": name, "arguments": arguments},
	})
	require.NoError(t, err)
	const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`
	header, _ := r.mcp(t, "", hello)
	_, answer := r.mcp(t, header.Get("Mcp-Session-Id"), string(body))
	return answer
}

func (r *installed) mcp(t *testing.T, session, message string) (http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url()+"/mcp", strings.NewReader(message))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.admin)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	status, header, answer := send(t, req)
	require.Equal(t, http.StatusOK, status, answer)
	return header, answer
}

func TestBadInput_BodyOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	name := r.newName()
	body := `{"blueprint":"project: ` + name + `\n#` + strings.Repeat("x", httpapi.MaxBodyBytes) + `"}`
	p := r.problem(t, r.admin, http.MethodPost, "/v1/projects", body)
	require.Equal(t, http.StatusRequestEntityTooLarge, p.Status)
	require.Equal(t, platform.CodeInvalid, p.Code)
	require.Contains(t, p.Detail, "The request's body is over the limit of ")
	require.Contains(t, p.Hint, "Send less")
	r.absent(t, name)
}

// TestBadInput_NothingOfAnotherProjectIsSeenOrTouched asks with a token of one project for everything of another.
func TestBadInput_NothingOfAnotherProjectIsSeenOrTouched(t *testing.T) {
	t.Parallel()
	r := setup(t)
	mine, _ := r.project(t, goodServices)
	theirs, g := r.project(t, "  - {name: vault, type: worker, dockerfile: nowhere}\n")
	g.commit("fails to build", nil)
	g.push(theirs)
	deploy, incident := r.settled(t, theirs, "vault"), string(r.incident(t, theirs).ID)
	token, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{
		Name: "of-" + mine, Kind: platform.ActorHuman, Role: platform.RoleOperator, Projects: []string{mine},
	})
	require.NoError(t, err)

	for _, path := range []string{
		"/v1/projects/" + theirs, "/v1/projects/" + theirs + "/services/vault", "/v1/projects/" + string(deploy.ProjectID),
		"/v1/logs?project=" + theirs, "/v1/logs/histogram?project=" + theirs, "/v1/logs/patterns?project=" + theirs, "/v1/logs/export?project=" + theirs,
		"/v1/logs/around?project=" + theirs + "&around=2026-01-31T12:00:00Z%2B1", "/v1/logs/stream?project=" + theirs, "/v1/projects/" + theirs + "/services/vault/env",
		"/v1/deploys/" + string(deploy.ID), "/v1/deploys/" + string(deploy.ID) + "/build-log",
		"/v1/projects/" + mine + "/services/" + string(deploy.ServiceID), "/v1/projects/" + mine + "/services/" + string(deploy.SlotID),
		"/v1/events?project=" + theirs, "/v1/incidents?project=" + theirs, "/v1/deploys?project=" + theirs, "/v1/plans?project=" + theirs,
		"/v1/incidents/" + incident,
	} {
		p := r.problem(t, token.Secret, http.MethodGet, path, "")
		require.Equal(t, platform.CodeNotFound, p.Code, path)
		require.NotContains(t, p.Hint, theirs, path)
		if !strings.Contains(path, theirs) {
			require.NotContains(t, p.Detail, theirs, "an id must not tell the name of its project: %s", path)
		}
	}
	for path, body := range map[string]string{
		"/v1/projects/" + theirs + "/services/vault/deploys":                       `{}`,
		"/v1/projects/" + mine + "/services/" + string(deploy.SlotID) + "/deploys": `{}`,
		"/v1/incidents/" + incident + "/diagnoses":                                 ``,
		"/v1/plans": `{"action":{"kind":"restart","slot":"` + theirs + `/production/vault"},"reason":"mine"}`,
		"/v1/deploys/" + string(deploy.ID) + "/cancel": ``,
	} {
		require.Equal(t, platform.CodeNotFound, r.problem(t, token.Secret, http.MethodPost, path, body).Code, path)
	}
	for _, path := range []string{
		"/v1/events", "/v1/deploys", "/v1/incidents", "/v1/plans", "/v1/projects", "/v1/status", "/v1/events?subject=" + string(deploy.ID),
		"/v1/logs?project=" + mine + "&deploy=" + string(deploy.ID), "/v1/projects/" + mine + "/metrics?query=" + url.QueryEscape(`{project!=""}`),
	} {
		status, _, raw := r.call(t, token.Secret, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, status, path)
		require.NotContains(t, raw, theirs, path)
	}
	out, err := g.try("push", g.remote(theirs, token.Secret), "main:other")
	require.Error(t, err)
	require.Contains(t, out, "or your token may not see it")
	require.Equal(t, deploy.ID, r.settled(t, theirs, "vault").ID, "no deploy was added")
}

func TestBadInput_CursorOfAnotherProjectIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	theirs, g := r.project(t, goodServices)
	g.commit("first", nil)
	g.push(theirs)
	mine, _ := r.project(t, goodServices)
	token, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{
		Name: "of-" + mine, Kind: platform.ActorHuman, Role: platform.RoleViewer, Projects: []string{mine},
	})
	require.NoError(t, err)
	viewer := client.New(client.Options{BaseURL: r.url(), Token: token.Secret})

	page, err := r.client.ListEvents(t.Context(), platform.EventFilter{Project: theirs, Page: platform.Page{Limit: 1}})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next, "a project that was made and pushed to has several events")
	for _, cursor := range []string{page.Next, "not-a-cursor", strings.ToUpper(page.Next)} {
		p := r.problem(t, token.Secret, http.MethodGet, "/v1/events?project="+mine+"&cursor="+url.QueryEscape(cursor), "")
		require.Equal(t, platform.CodeInvalid, p.Code)
		require.Equal(t, "cursor", p.Field)
		require.Contains(t, p.Detail, "The cursor does not belong to this list.")
		require.Contains(t, p.Hint, "leave it out for the first page")
	}
	p := r.problem(t, token.Secret, http.MethodGet, "/v1/deploys?project="+mine+"&cursor="+url.QueryEscape(page.Next), "")
	require.Equal(t, platform.CodeInvalid, p.Code, "nor does it fit another list")
	_, err = viewer.ListEvents(t.Context(), platform.EventFilter{Page: platform.Page{Cursor: page.Next}})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), "nor the list of all that the token sees")
	_, err = viewer.SearchLogs(t.Context(), observability.LogQuery{Project: mine, Cursor: "l1.0123456789abcdef.1.0"})
	require.ErrorContains(t, err, "The cursor belongs to another query")
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

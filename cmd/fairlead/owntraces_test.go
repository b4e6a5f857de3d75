package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
	"github.com/fairlead/fairlead/platform"
)

// TestTraces_RequestJobAndLogLinesOfARunningInstallationMeet: "Fairlead on Fairlead", over a real server and a real engine.
func TestOwnTraces_RequestJobAndLogLinesOfARunningInstallationMeet(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, "  - {name: api, type: worker, command: [/app, babble], context: .}\n")
	g.addApp()
	g.commit("traced", files{"Dockerfile": dockerfile})
	g.push(project)
	require.Equal(t, platform.PhaseLive, r.settled(t, project, "api").Phase)

	status, header, body := r.call(t, r.admin, http.MethodPost, "/v1/projects/"+project+"/services/api/deploys", strings.NewReader("{}"))
	require.Less(t, status, 300, body)
	trace := header.Get("X-Trace-Id")
	require.Len(t, trace, 32)
	require.Equal(t, platform.PhaseLive, r.settled(t, project, "api").Phase)

	var spans []tracingtest.Span
	named := func(name string) int {
		return slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Name == name })
	}
	require.Eventually(t, func() bool {
		spans = slices.DeleteFunc(r.traces.Spans(), func(s tracingtest.Span) bool { return s.Trace != trace })
		return named("POST /v1/projects/{project}/services/{service}/deploys") >= 0 && named("start instance") >= 0 && named("deploy retire") >= 0
	}, patience, 100*time.Millisecond, "the trace has the request and what the worker did for it: %v", spans)
	byID := map[string]tracingtest.Span{}
	for _, s := range spans {
		require.Equal(t, "fairlead", s.Service)
		byID[s.ID] = s
	}
	root := spans[named("POST /v1/projects/{project}/services/{service}/deploys")]
	require.Empty(t, root.Parent)
	above := spans[named("start instance")]
	for above.Parent != "" {
		require.Contains(t, byID, above.Parent, "no span is missing between the instance and the request")
		above = byID[above.Parent]
	}
	require.Equal(t, root.ID, above.ID)
	for _, s := range spans {
		for key, value := range s.Attrs {
			require.NotContains(t, value, r.admin, key)
		}
	}

	// The server's own lines know the trace, so that one leads to the other.
	require.Eventually(t, func() bool {
		page, err := r.client.SearchLogs(t.Context(), observability.LogQuery{Project: platform.SystemProject, Fields: map[string]string{"trace_id": trace}})
		require.NoError(t, err)
		said := ""
		for _, l := range page.Lines {
			said += l.Message + "\n"
		}
		return strings.Contains(said, "request ") && strings.Contains(said, "deploy moved")
	}, patience, 100*time.Millisecond)

	_, header, body = r.call(t, r.admin, http.MethodGet, "/v1/projects/nowhere", nil)
	require.Contains(t, body, `"trace_id":"`+header.Get("X-Trace-Id")+`"`)
}

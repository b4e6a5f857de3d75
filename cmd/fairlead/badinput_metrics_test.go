package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// TestBadInput_MetricQueriesNameTheFieldAndTheFix asks a real server, over the API and by the command line.
func TestBadInput_MetricQueriesNameTheFieldAndTheFix(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, "  - {name: api, type: web, port: 8080, context: .}\n")
	for name, c := range map[string]struct {
		query, from, to, step string
		status                int
		detail, hint, field   string
	}{
		"does not parse":  {query: `sum(`, status: 422, detail: "The metric expression does not parse", hint: "Write PromQL, for example", field: "query"},
		"unknown metric":  {query: `rate(fairlead_reqests_total[1m])`, status: 422, detail: "There is no metric fairlead_reqests_total.", hint: "Did you mean fairlead_requests_total?", field: "query"},
		"a histogram":     {query: `fairlead_request_seconds`, status: 422, detail: "There is no metric fairlead_request_seconds.", hint: "write fairlead_request_seconds_bucket", field: "query"},
		"experimental":    {query: `info(up)`, status: 422, detail: "does not parse", field: "query"},
		"no numbers":      {query: `"text"`, status: 422, detail: "The metric expression gives a string, not numbers.", hint: "Ask for a number per time", field: "query"},
		"many to many":    {query: `vector(1) / on () up`, status: 200}, // nothing matches: no answer is no error
		"reversed":        {query: `up`, from: "1h", to: "2h", status: 422, detail: "The range is reversed", hint: "Give a beginning that is before the end.", field: "from"},
		"step too small":  {query: `up`, from: "24h", step: "1s", status: 422, detail: "The range asks for 86400 points of each series; the limit is 11000.", hint: "Use a step of 8s or more", field: "step"},
		"step below 1 ms": {query: `up`, from: "1s", step: "1us", status: 422, detail: "A step of 1µs is too short.", hint: "Use at least 1ms", field: "step"},
		"no step":         {query: `up`, from: "1h", step: "often", status: 422, detail: `step "often" is not a positive duration.`, hint: "Write for example 15s.", field: "step"},
		"no time":         {query: `up`, from: "tomorrow", status: 422, detail: `from "tomorrow" is not a time.`, hint: "Write RFC 3339", field: "from"},
		"nothing":         {status: 422, field: "query"},
	} {
		query := url.Values{}
		for key, value := range map[string]string{"query": c.query, "from": c.from, "to": c.to, "step": c.step} {
			if value != "" {
				query.Set(key, value)
			}
		}
		status, _, body := r.call(t, r.admin, http.MethodGet, "/v1/projects/"+project+"/metrics?"+query.Encode(), nil)
		require.Equal(t, c.status, status, "%s: %s", name, body)
		var said struct{ Detail, Hint, Field string }
		require.NoError(t, json.Unmarshal([]byte(body), &said), name)
		require.Contains(t, said.Detail, c.detail, name)
		require.Contains(t, said.Hint, c.hint, name)
		require.Equal(t, c.field, said.Field, name)
	}
	said := r.refused(t, 2, g.dir, "metrics", "rate(fairlead_reqests_total[1m])", "--project", project)
	require.Contains(t, said, "Did you mean fairlead_requests_total?")
	code, out, errOut := r.fairlead(t, g.dir, r.admin, "metrics", "fairlead_host_cpus", "--project", platform.SystemProject)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "fairlead_host_cpus")
	code, out, errOut = r.fairlead(t, g.dir, r.admin, "metrics", "fairlead_host_cpus", "--project", project)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "No series matches", "the host is no project's")
}

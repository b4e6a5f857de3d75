package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/routing"
)

// TestLogs_OfTheRouterAreTheServicesAndFairleadsOwnAreTheAdmins asks for a service that has nothing to answer with. The
// router is a process of its own, and its line must be found with those of the service.
func TestLogs_OfTheRouterAreTheServicesAndFairleadsOwnAreTheAdmins(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, _ := r.project(t, "  - {name: web, type: web, port: 8000, autoDeploy: false}\n")
	path := fmt.Sprintf("/nothing-here-%d", time.Now().UnixNano())
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.config.router+path, nil)
		require.NoError(t, err)
		req.Host = platform.DefaultHost(project, platform.ProductionName, "web", r.config.baseDomain)
		status, _, _ := send(t, req)
		return status == http.StatusServiceUnavailable
	}, patience, 100*time.Millisecond, "the router knows the service")

	find := func(c *client.Client, q observability.LogQuery) (page observability.LogPage, err error) {
		require.Eventually(t, func() bool {
			page, err = c.SearchLogs(t.Context(), q)
			return err != nil || len(page.Lines) > 0
		}, patience, 50*time.Millisecond, "a line matches %+v", q)
		return page, err
	}
	page, err := find(r.client, observability.LogQuery{Project: project, Service: "web", Source: observability.SourceRouter, Text: path})
	require.NoError(t, err)
	l := page.Lines[0]
	require.Equal(t, []any{observability.LevelError, "503", "GET", path}, []any{l.Level, l.Fields["status"], l.Fields["method"], l.Fields["path"]})
	require.Contains(t, l.Message, "GET "+path+" 503")

	for _, q := range []observability.LogQuery{
		{Project: platform.SystemProject, Service: "fairlead", Text: "Fairlead is starting"},
		{Project: platform.SystemProject, Service: "router", Source: observability.SourceRouter, Text: "router is serving"},
	} {
		_, err := find(r.client, q)
		require.NoError(t, err)
	}
	token, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{Name: project, Kind: platform.ActorHuman, Role: platform.RoleOperator})
	require.NoError(t, err)
	other := client.New(client.Options{BaseURL: r.url(), Token: token.Secret})
	_, err = find(other, observability.LogQuery{Project: platform.SystemProject})
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))

	numbers, err := routing.LogNumbers(filepath.Join(string(r.config.state), routerLog))
	require.NoError(t, err)
	require.Equal(t, []uint64{1}, numbers)
}

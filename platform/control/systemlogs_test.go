package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func TestSearchLogs_FairleadsOwnLinesAreForAdminsOfTheWholeInstallation(t *testing.T) {
	t.Parallel()
	logs := &memoryLogs{}
	b := newBench(t, func(o *Options) { o.Logs = logs })
	logs.add(observability.Line{
		At: time.Now(), Project: platform.SystemProject, Service: "fairlead", Source: observability.SourceSystem, Message: "login with password=hunter2",
	})
	q := observability.LogQuery{Project: platform.SystemProject}
	read := func(actor platform.Actor) error {
		page, err := b.SearchLogs(t.Context(), actor, q)
		if err == nil {
			require.Len(t, page.Lines, 1)
			require.Equal(t, "login with password=[redacted]", page.Lines[0].Message)
		}
		return err
	}
	for _, kind := range []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation} {
		require.NoError(t, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin}))
		code(t, platform.CodeDenied, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleOperator}))
		code(t, platform.CodeNotFound, read(platform.Actor{Kind: kind, Name: "x", Role: platform.RoleAdmin, Projects: []string{"shop"}}))
	}
	code(t, platform.CodeDenied, read(platform.Actor{Kind: platform.ActorAgent, Name: "x", Owner: "ada", Role: platform.RoleAdmin}))
	code(t, platform.CodeUnauthenticated, read(platform.Actor{}))
	code(t, platform.CodeInvalid, platform.CheckName("project", platform.SystemProject))
}

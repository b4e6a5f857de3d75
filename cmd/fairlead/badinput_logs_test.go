package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// TestBadInput_HostileLogLinesAreKeptAndFound runs a container that writes a line of 1 MiB and one that is not UTF-8.
func TestBadInput_HostileLogLinesAreKeptAndFound(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, "  - {name: talker, type: worker, command: [/app, babble]}\n")
	g.addApp()
	g.commit("writes what no log likes", files{"Dockerfile": dockerfile})
	g.push(project)
	d := r.settled(t, project, "talker")
	require.Equal(t, platform.PhaseLive, d.Phase, "%+v", d.Failure)

	line := func(query observability.LogQuery) observability.Line {
		t.Helper()
		query.Project, query.Source = project, observability.SourceRuntime
		var page observability.LogPage
		require.Eventually(t, func() bool {
			var err error
			page, err = r.client.SearchLogs(t.Context(), query)
			return err == nil && len(page.Lines) > 0
		}, patience, 100*time.Millisecond, "a line matches %+v", query)
		require.Len(t, page.Lines, 1, "each line once")
		return page.Lines[0]
	}
	line(observability.LogQuery{Text: "last-word"}) // what came after the bad lines is there too

	long := line(observability.LogQuery{Text: "begin-of-long"})
	require.True(t, long.Truncated, "the line says that it was cut")
	require.Len(t, long.Message, observability.MaxLineBytes)
	require.True(t, strings.HasPrefix(long.Message, "begin-of-long xxx"))

	bytes := line(observability.LogQuery{Text: "needle-in-bytes"})
	require.Equal(t, `caf\xe9 au lait \xff\xfe needle-in-bytes`, bytes.Message)
	require.False(t, bytes.Truncated)
	require.Equal(t, bytes.Message, line(observability.LogQuery{Regex: `caf\\xe9.*needle`}).Message, "an expression finds the escaped bytes")
	require.Equal(t, bytes.Message, line(observability.LogQuery{Text: `\xff\xfe`}).Message)

	code, out, errOut := r.fairlead(t, g.dir, r.admin, "logs", "talker", "--grep", "begin-of-long")
	require.Zero(t, code, errOut)
	require.True(t, strings.HasSuffix(strings.TrimSpace(out), " [cut]"), out[max(0, len(out)-80):])
	code, out, errOut = r.fairlead(t, g.dir, r.admin, "logs", "talker", "--grep", "needle")
	require.Zero(t, code, errOut)
	require.Contains(t, out, `caf\xe9 au lait \xff\xfe needle-in-bytes`)
}

func TestBadInput_BadLogQueriesAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, goodServices)
	said := r.refused(t, 2, g.dir, "logs", "api", "--regex", "a(b")
	require.Contains(t, said, "Error: ")
	require.Contains(t, said, "a(b")
	require.Contains(t, r.refused(t, 2, g.dir, "logs", "api", "--since", "yesterday"), `--since cannot be "yesterday".`)
	require.Contains(t, r.refused(t, 4, g.dir, "logs", "apy"), project+` has no service "apy"`)
}

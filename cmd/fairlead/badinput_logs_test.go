package main

import (
	"encoding/json"
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

	r.readsOfLogs(t, g.dir, project)
	code, out, errOut := r.fairlead(t, g.dir, r.admin, "logs", "talker", "--grep", "begin-of-long")
	require.Zero(t, code, errOut)
	require.True(t, strings.HasSuffix(strings.TrimSpace(out), " [cut]"), out[max(0, len(out)-80):])
	code, out, errOut = r.fairlead(t, g.dir, r.admin, "logs", "talker", "--grep", "needle")
	require.Zero(t, code, errOut)
	require.Contains(t, out, `caf\xe9 au lait \xff\xfe needle-in-bytes`)
}

// readsOfLogs asks the same hostile lines by every other verb.
func (r *installed) readsOfLogs(t *testing.T, dir, project string) {
	t.Helper()
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := r.fairlead(t, dir, r.admin, append([]string{"logs"}, args...)...)
		require.Zero(t, code, "%v: %s", args, errOut)
		return out
	}
	exported := strings.Split(strings.TrimSpace(run("talker", "--source", "runtime", "--export", "-")), "\n")
	var all observability.LogHistogram
	require.NoError(t, json.Unmarshal([]byte(run("histogram", "talker", "--source", "runtime", "--output", "json")), &all))
	require.EqualValues(t, len(exported), all.Lines, "what is counted is what is exported")
	require.Contains(t, run("histogram", "talker"), "█")
	require.Contains(t, run("patterns", "talker"), "templates in")

	page, err := r.client.SearchLogs(t.Context(), observability.LogQuery{Project: project, Text: "NEEDLE-in-bytes", IgnoreCase: true})
	require.NoError(t, err)
	require.Len(t, page.Lines, 1)
	around, err := r.client.LogsAround(t.Context(), observability.LogQuery{Project: project}, observability.PlaceOf(page.Lines[0]), 5)
	require.NoError(t, err)
	require.Equal(t, page.Lines[0], around.Line)
	require.NotEmpty(t, around.Before)
	require.Equal(t, page.Lines[0].Instance, around.Before[0].Instance)
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
	for line, words := range map[string]string{
		"logs api --since 1h --until 2h":                       "The range is reversed",
		"logs api --since 900h":                                "The range of 37 days is over the limit of 32.",
		"logs api --export - --regex a(b":                      "The regular expression does not parse",
		"logs api --min-level loud":                            `There is no level "loud".`,
		"logs api --field user":                                `--field cannot be "user".`,
		"logs api --cursor l1.x.1.1":                           "The cursor belongs to another query",
		"logs api --around there":                              `"there" does not name a line.`,
		"logs histogram api --since 24h --step 1s":             "the limit is 2000.",
		"logs histogram api --step 10ms":                       "The step 10ms is too fine.",
		"logs patterns api --compare 11..12":                   `"11..12" does not say what to compare.`,
		"logs patterns api --sample 9999999":                   "sample",
		"logs patterns api --compare release:1..2 --release 1": "cannot be restricted to release 1",
	} {
		said := r.refused(t, 2, g.dir, strings.Fields(line)...)
		require.Contains(t, said, words, line)
		if !strings.Contains(line, "--sample") {
			require.Contains(t, said, "Fix:", line)
		}
	}
	require.Contains(t, r.refused(t, 4, g.dir, "logs", "api", "--around", "2026-01-31T12:00:00Z+1"), "There is no line at 2026-01-31T12:00:00Z+1")
}

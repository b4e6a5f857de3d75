package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestLogs_EveryFlagReachesTheQuery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ok("logs", "shop/production/api", "--since", "1h", "--until", "2026-03-14T15:00:00Z", "--min-level", "ERROR", "--grep", "a b", "-i", "--field", "user=ada", "--field", "n=1=2",
		"--release", "2", "--instance", "ins_01", "--deploy", "dep_02", "--source", "runtime", "--limit", "7", "--forward", "--cursor", "l1.x.1.1")
	calls := b.plane.Calls()
	require.Equal(t, observability.LogQuery{
		Project: "shop", Environment: "production", Service: "api", Release: 2, Deploy: "dep_02", Instance: "ins_01", Source: "runtime",
		Levels: []observability.Level{"error", "fatal"}, Text: "a b", IgnoreCase: true, Fields: map[string]string{"user": "ada", "n": "1=2"},
		From: httpapitest.Now.Add(-time.Hour), To: httpapitest.Now.Truncate(time.Hour), Limit: 7, Cursor: "l1.x.1.1",
	}, calls[len(calls)-1].Arg)
	b.ok("logs", "histogram", "api", "--step", "5m", "--regex", "x+")
	calls = b.plane.Calls()
	counted := calls[len(calls)-1].Arg.(httpapitest.CountLogs)
	require.Equal(t, 5*time.Minute, counted.Step)
	require.Equal(t, "x+", counted.Query.Regex)
	b.ok("logs", "patterns", "api", "--compare", "window:24h..1h", "--sample", "99", "--limit", "3")
	calls = b.plane.Calls()
	asked := calls[len(calls)-1].Arg.(observability.PatternQuery)
	require.Equal(t, observability.PatternQuery{LogQuery: asked.LogQuery, Sample: 99, Top: 3, Compare: observability.Comparing{Before: 24 * time.Hour, After: time.Hour}}, asked)
}

func TestLogs_BadQueriesNameTheFix(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct{ line, words, fix string }{
		{"logs api --level error --min-level warn", "--level and --min-level cannot be given together.", "Give one of them."},
		{"logs api --min-level loud", `There is no level "loud".`, "Use debug, info, warn, error or fatal."},
		{"logs api --field user", `--field cannot be "user".`, "--field user=ada"},
		{"logs api --fild user=ada", "There is no flag --fild", "Did you mean --field?"},
		{"logs api --until tomorrow", `--until cannot be "tomorrow".`, "Write how long ago"},
		{"logs api --build --source runtime", "contradict each other", "Leave one of them out."},
		{"logs api --follow --around x", "--around and --follow cannot be given together.", "Give one of them."},
		{"logs api --follow --until 1h", "cannot be given together.", "Give one of them."},
		{"logs api --around there", `"there" does not name a line.`, "at and seq with a plus sign"},
		{"logs api --since 2026-01-01T00:00:00Z --until 2026-02-07T00:00:00Z", "The range of 37 days is over the limit of 32.", "Ask for a shorter range"},
		{"logs api --limit 20000", "limit", ""},
		{"logs api --export no/such/folder/x.ndjson", "cannot be written", "Name a file in a folder that exists"},
		{"logs histogram api --step soon", `--step cannot be "soon".`, "a duration such as 90s"},
		{"logs histogram api --step -5m", "is not a positive duration", "Write for example 30s or 5m."},
		{"logs patterns api --compare 11..12", `"11..12" does not say what to compare.`, "Write release:11..12"},
		{"logs patterns api --assign", "--assign needs --input.", "Name the file"},
		{"logs patterns api --input x.log", "--input reads a file, not the service api.", "Leave one of them out."},
		{"logs patterns --input none.log", "The input cannot be read", "Name a file of log lines"},
		{"logs patterns --input a --compare release:1..2", "cannot be given together.", "Give one of them."},
		{"logs api more", "`fairlead logs` does not take \"more\".", "Usage: fairlead logs [service]"},
	} {
		r := b.run(strings.Fields(c.line)...)
		require.Equal(t, 2, r.code, c.line)
		require.Contains(t, r.err, c.words, c.line)
		require.Contains(t, r.err, c.fix, c.line)
		require.Empty(t, r.out, c.line)
	}
	// What only the store finds comes back in its words and with its own code.
	for _, refusal := range []*platform.Error{
		platform.Errorf(platform.CodeInvalid, "The regular expression does not parse.").WithHint("Use RE2 syntax."),
		platform.Errorf(platform.CodeInvalid, "The range is reversed.").WithHint("Give a beginning that is before the end."),
		platform.Errorf(platform.CodeUnavailable, "The log query was ended before it was done.").WithHint("Ask for a shorter range."),
		platform.Errorf(platform.CodeExhausted, "The log store answers 4 other queries.").WithHint("Try again in a moment."),
	} {
		b.plane.Fail = func(string) error { return refusal }
		for _, line := range []string{"logs api -p shop", "logs histogram api -p shop", "logs patterns api -p shop", "logs api -p shop --export -", "logs api -p shop --around 2026-03-14T15:08:56Z+2"} {
			r := b.run(strings.Fields(line)...)
			require.Equal(t, exitOf[refusal.Code], r.code, line)
			require.Equal(t, "Error: "+refusal.Message+"\nFix:   "+refusal.Hint+"\n", r.err, line)
		}
	}
}

func TestLogs_AnAnswerThatLacksLinesSaysSoBesideIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plane.Incomplete = "The log store does not answer."
	for _, line := range []string{"logs api -p shop", "logs api -p shop --output json", "logs histogram api -p shop", "logs api -p shop --around 2026-03-14T15:08:56Z+2"} {
		r := b.run(strings.Fields(line)...)
		require.Zero(t, r.code, line)
		require.NotEmpty(t, r.out, line)
		require.Contains(t, r.err, "Incomplete: The log store does not answer.\n", line)
	}
	require.Contains(t, b.run("logs", "api", "-p", "shop", "--output", "json").out, `"incomplete": "The log store does not answer."`)
}

func TestLogsExport_WritesTheWholeFileOrNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.ok("logs", "api", "--export", "api.ndjson"), "4 lines were written to api.ndjson.")
	raw, err := os.ReadFile(filepath.Join(b.dir, "api.ndjson"))
	require.NoError(t, err)
	require.Equal(t, string(raw), b.ok("logs", "api", "--export", "-"))
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, lines, len(b.plane.Lines))
	var last observability.Line
	require.NoError(t, json.Unmarshal([]byte(lines[3]), &last))
	require.Equal(t, b.plane.Lines[3], last)
	require.JSONEq(t, `{"lines":4,"file":"again.ndjson"}`, b.ok("logs", "api", "--export", "again.ndjson", "--output", "json"))

	b.plane.Fail = func(call string) error {
		if call == "ExportLogs" {
			return platform.Errorf(platform.CodeUnavailable, "The log store does not answer.")
		}
		return nil
	}
	r := b.run("logs", "api", "--export", "broken.ndjson")
	require.Equal(t, 8, r.code)
	require.Contains(t, r.err, "The log store does not answer.")
	left, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	for _, file := range left {
		require.NotContains(t, file.Name(), "broken", "half an export is none")
	}
}

func TestLogsPatterns_AssignsTheLinesOfAFileWithNoServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.env["FAIRLEAD_URL"] = "http://127.0.0.1:1"
	var input strings.Builder
	for i, user := range []string{"ada", "grace", "linus", "ken", "rob", "barbara"} {
		fmt.Fprintf(&input, "session opened for user %s\r\njob %d done\n\n", user, i)
	}
	input.WriteString("a\ttab")
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "app.log"), []byte(input.String()), 0o644))
	out := b.ok("logs", "patterns", "--input", "app.log", "--assign")
	rows := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.Len(t, rows, 19, "one row for each line, in order, empty ones too")
	require.Equal(t, "session opened for user ada\t1\tsession opened for user <*>", rows[0], "the first line learns from the last")
	require.Equal(t, "session opened for user barbara\t1\tsession opened for user <*>", rows[15])
	require.Equal(t, "job 5 done\t2\tjob <*> done", rows[16])
	require.True(t, strings.HasPrefix(rows[18], "a\ttab\t"))
	b.in = input.String()
	require.Equal(t, out, b.ok("logs", "patterns", "--input", "-", "--assign"))
	grouped := b.ok("logs", "patterns", "--input", "-")
	require.Contains(t, grouped, "6  31.6%\n    job <*> done\n    for example: job 0 done\n")
	require.Contains(t, grouped, "4 templates in 19 lines.")
	var found observability.LogPatterns
	require.NoError(t, json.Unmarshal([]byte(b.ok("logs", "patterns", "--input", "-", "--output", "json")), &found))
	require.Equal(t, 4, found.Templates)
}

func TestBars_ColoursLevelsOnATerminalOnly(t *testing.T) {
	t.Parallel()
	var plain, coloured strings.Builder
	h := httpapitest.New().Histogram
	for _, s := range []*screen{{w: &plain}, {w: &coloured, color: true}} {
		s.now = func() time.Time { return httpapitest.Now }
		s.bars(h)
	}
	require.NotContains(t, plain.String(), "\x1b")
	require.Contains(t, plain.String(), strings.Repeat("█", barWidth)+"\n")
	require.Contains(t, coloured.String(), "\x1b[31m████")
	for _, c := range []struct {
		levels map[observability.Level]int64
		want   int
	}{
		{map[observability.Level]int64{"error": 1}, 1},
		{map[observability.Level]int64{"error": 1, "info": 999_999}, barWidth},
		{map[observability.Level]int64{"": 500_000}, barWidth / 2},
		{map[observability.Level]int64{"debug": 3, "info": 3, "warn": 3, "error": 3, "fatal": 3}, 1},
		{nil, 0},
	} {
		require.Equal(t, c.want, width((&screen{color: true}).bar(c.levels, 1_000_000)), "%v", c.levels)
	}
}

package embedded

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// FuzzFilter checks that no input leaves its quotes: the query that the library parses prints as exactly one stream
// selector with our tags, followed by as many filters as were given and no pipe.
func FuzzFilter(f *testing.F) {
	f.Add("shop", "api", "text", "user", "ada")
	f.Add(`shop"} or {project="x`, "`", `" | delete _msg`, `a" or *`, "\xff\\")
	f.Add("}", "{", "|", ":", "*")
	f.Add("", "", `\"`, "_time", "\n")
	f.Fuzz(func(t *testing.T, project, service, text, name, value string) {
		q := observability.LogQuery{Project: "p" + project, Service: service, Text: text, Fields: map[string]string{"n" + name: "v" + value}}
		search, err := q.Prepare(time.Now())
		if err != nil {
			return
		}
		query, err := logstorage.ParseQueryAtTimestamp(filter(&search), 1)
		require.NoError(t, err, filter(&search))
		plain := observability.LogQuery{Project: "p", Fields: map[string]string{"n": "v"}}
		if service != "" {
			plain.Service = "s"
		}
		if text != "" {
			plain.Text = "t"
		}
		plainSearch, err := plain.Prepare(time.Now())
		require.NoError(t, err)
		want, err := logstorage.ParseQueryAtTimestamp(filter(&plainSearch), 1)
		require.NoError(t, err)
		require.Equal(t, shape(t, want.String()), shape(t, query.String()), "%s", query)
	})
}

// shape returns what is outside quotes, with every word that needs no quotes reduced to w.
func shape(t *testing.T, query string) string {
	t.Helper()
	var out []byte
	word := func() {
		if len(out) == 0 || out[len(out)-1] != 'w' {
			out = append(out, 'w')
		}
	}
	for i := 0; i < len(query); i++ {
		switch c := query[i]; c {
		case '"':
			for i++; i < len(query) && query[i] != '"'; i++ {
				if query[i] == '\\' {
					i++
				}
			}
			word()
		case '{', '}', '|', ':', '=', ',', ' ', '(', ')', '~', '*', '!', '<', '>':
			out = append(out, c)
		default:
			word()
		}
	}
	return string(out)
}

func TestWindows_CoverTheRangeOnceInOrder(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	oldest, newest := now.Add(-30*24*time.Hour), now.Add(24*time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Int64Range(int64(-40*24*time.Hour), int64(3*24*time.Hour))
		search := observability.Search{LogQuery: observability.LogQuery{
			From: now.Add(time.Duration(offset.Draw(t, "from"))), To: now.Add(time.Duration(offset.Draw(t, "to"))), Backward: rapid.Bool().Draw(t, "backward"),
		}}
		from, to := max(search.From.UnixNano(), oldest.UnixNano()), min(search.To.UnixNano()-1, newest.UnixNano())
		covered, next := int64(0), from
		if search.Backward {
			next = to
		}
		filled := rapid.Float64Range(0, 1)
		pace := func(covered int64) int64 { return stride(covered, filled.Draw(t, "filled")) }
		for w := range windows(&search, oldest, newest, pace) {
			require.LessOrEqual(t, w.from, w.to)
			if search.Backward {
				require.Equal(t, next, w.to)
				next = w.from - 1
			} else {
				require.Equal(t, next, w.from)
				next = w.to + 1
			}
			covered += w.to - w.from + 1
		}
		require.Equal(t, max(0, to-from+1), covered)
	})
}

func TestLogs_HexadecimalFieldsComeBackAndAreFound(t *testing.T) {
	t.Parallel()
	logs, err := OpenLogs(t.TempDir(), LogOptions{FlushInterval: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	at := time.Now().Add(-time.Hour).UTC()
	values := []string{
		"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "0000000000000000", "3132333435363738", "ffffffffffffffff", "227d207c20646563",
		"B7AD6B7169203331", "b7ad6b716920333", "deadbeef", strings.Repeat("ab", 200),
	}
	var lines []observability.Line
	for i, value := range values {
		for n := range 3 {
			raw := `{"trace_id":"` + value + `","msg":"m"}`
			lines = append(lines, observability.Line{
				At: at.Add(time.Duration(3*i+n) * time.Second), Project: "shop", Message: "m", Raw: raw, Fields: map[string]string{"trace_id": value, "n": "1", "zone": "a"},
			})
		}
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	page, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.NoError(t, err)
	require.Equal(t, lines, page.Lines)
	for i, value := range values {
		q := observability.LogQuery{Project: "shop", Fields: map[string]string{"trace_id": value}, From: at.Add(-time.Hour)}
		page, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, lines[3*i:3*i+3], page.Lines, value)
		counts, err := logs.Count(t.Context(), q, time.Hour)
		require.NoError(t, err)
		total := int64(0)
		for _, c := range counts {
			total += c.Lines
		}
		require.Equal(t, int64(3), total, value)
	}
}

func TestStride_GrowsUntilThereIsSomethingToGoBy(t *testing.T) {
	t.Parallel()
	minute := int64(time.Minute)
	require.Equal(t, minute, stride(0, 0))
	require.Equal(t, 4*minute, stride(minute, 0))
	require.Equal(t, 16*minute, stride(5*minute, 0.05))
	require.Equal(t, 20*minute, stride(4*minute, 0.2), "a quarter more than what the rest will take")
	require.Equal(t, minute, stride(16*minute, 1))
}

func TestQuery_StoreThatIsBusyIsExhaustedNotSilent(t *testing.T) {
	t.Parallel()
	logs, err := OpenLogs(t.TempDir(), LogOptions{MaxQueries: 2, FlushInterval: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	for range 2 {
		release, err := logs.begin(t.Context())
		require.NoError(t, err)
		defer release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = logs.Query(ctx, observability.LogQuery{})
	require.Equal(t, platform.CodeExhausted, platform.CodeOf(err))
	require.ErrorContains(t, err, "answers 2 other queries")
	_, err = logs.Count(ctx, observability.LogQuery{From: time.Now().Add(-time.Hour)}, time.Minute)
	require.Equal(t, platform.CodeExhausted, platform.CodeOf(err))
}

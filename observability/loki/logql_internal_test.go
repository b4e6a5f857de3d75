package loki

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
)

// stage is one matcher or filter of a query that was read back.
type stage struct{ name, op, value string }

// readQuery reads a query of the shape that this package writes, and nothing else: a selector of label matchers, then
// filters. It knows nothing of how they were written.
func readQuery(q string) (selector, filters []stage, err error) {
	name := func() string {
		i := 0
		for i < len(q) && (q[i] == '_' || q[i] >= 'a' && q[i] <= 'z' || q[i] >= 'A' && q[i] <= 'Z' || i > 0 && q[i] >= '0' && q[i] <= '9') {
			i++
		}
		out := q[:i]
		q = q[i:]
		return out
	}
	text := func() (string, error) {
		// By hand: no byte between the quotes may be a quote or a line break, unless a backslash stands before it.
		if !strings.HasPrefix(q, `"`) {
			return "", fmt.Errorf("no string at %.20q", q)
		}
		for i := 1; i < len(q); i++ {
			switch q[i] {
			case '\\':
				i++
			case '\n', '\r':
				return "", fmt.Errorf("a line break in a string")
			case '"':
				value, err := strconv.Unquote(q[:i+1])
				q = q[i+1:]
				return value, err
			}
		}
		return "", fmt.Errorf("a string does not end")
	}
	if !strings.HasPrefix(q, "{") {
		return nil, nil, fmt.Errorf("no selector")
	}
	q = q[1:]
	for {
		s := stage{name: name()}
		switch {
		case strings.HasPrefix(q, "=~"):
			s.op, q = "=~", q[2:]
		case strings.HasPrefix(q, "="):
			s.op, q = "=", q[1:]
		default:
			return nil, nil, fmt.Errorf("no operator at %.20q", q)
		}
		if s.value, err = text(); err != nil {
			return nil, nil, err
		}
		selector = append(selector, s)
		if strings.HasPrefix(q, "}") {
			q = q[1:]
			break
		}
		if !strings.HasPrefix(q, ", ") {
			return nil, nil, fmt.Errorf("no comma at %.20q", q)
		}
		q = q[2:]
	}
	for q != "" {
		var s stage
		switch {
		case strings.HasPrefix(q, " |= "):
			s.op, q = "|=", q[4:]
		case strings.HasPrefix(q, " |~ "):
			s.op, q = "|~", q[4:]
		case strings.HasPrefix(q, " | "):
			q = q[3:]
			s.name, s.op = name(), "="
			if !strings.HasPrefix(q, "=") {
				return nil, nil, fmt.Errorf("no operator at %.20q", q)
			}
			q = q[1:]
		default:
			return nil, nil, fmt.Errorf("no stage at %.20q", q)
		}
		if s.value, err = text(); err != nil {
			return nil, nil, err
		}
		filters = append(filters, s)
	}
	return selector, filters, nil
}

// hostile are inputs that try to leave their place. The server tests run them too.
var hostile = []string{
	`shop"} or {project="other`, `"`, `\`, `\"`, `\\"`, "`", "'", "}", "{", "|", "\n", "\r\n", "\x00", "\xff", "\ufffd", "\u2028", `\x22`, `\u0022`, `\042`,
	`") or vector(1) #`, `" | line_format "{{.x}}`, `" |= "`, `# comment`, "a\" | __error__=\"", "$__interval", `{{ __line__ }}`, "\x1a", "\x1a2", `.*`, `a|b`,
	strings.Repeat(`"`, 100), "日本語", "\U0001F600",
}

func FuzzLinesQuery(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, text, text, text, text, text)
	}
	f.Add("shop", "production", "api", "needle", "user.id", "42")
	f.Fuzz(func(t *testing.T, project, environment, service, text, field, value string) {
		s := search(t, observability.LogQuery{
			Project: project, Environment: environment, Service: service, Deploy: value, Instance: text, Source: field, Text: text,
			Release: 7, Levels: []observability.Level{"error", "warn"}, Fields: map[string]string{field: value},
		})
		if s == nil {
			return
		}
		selector, filters, err := readQuery(linesQuery(s))
		require.NoError(t, err, linesQuery(s))
		wantSelector := []stage{{"project", "=", project}, {"environment", "=", environment}, {"service", "=", service}}
		wantSelector = slices.DeleteFunc(wantSelector, func(s stage) bool { return s.value == "" })
		if project == "" {
			wantSelector = slices.Insert(wantSelector, 0, stage{"project", "=~", ".+"})
		}
		wantSelector = append(wantSelector, stage{"level", "=~", "error|warn"})
		wantFilters := []stage{{"", "|=", text}, {"release", "=", "7"}, {"deploy", "=", value}, {"instance", "=", text}, {"source", "=", field}}
		wantFilters = slices.DeleteFunc(wantFilters, func(s stage) bool { return s.value == "" })
		wantFilters = append(wantFilters, stage{fieldName(field), "=", value})
		for i := range wantSelector {
			wantSelector[i].value = written(wantSelector[i])
		}
		for i := range wantFilters {
			wantFilters[i].value = written(wantFilters[i])
		}
		require.Equal(t, wantSelector, selector)
		require.Equal(t, wantFilters, filters)
		for _, s := range filters {
			require.NotContains(t, s.name, "__")
		}
	})
}

// written is the value that a query holds for one that was asked for.
func written(s stage) string {
	if s.name == "" {
		return observability.EscapeInvalid(s.value)
	}
	return observability.EscapeInvalid(escapeValue(s.value))
}

func search(t *testing.T, q observability.LogQuery) *observability.Search {
	t.Helper()
	s, err := q.Prepare(time.Unix(1_700_000_000, 0))
	if err != nil {
		return nil // refused before a query is written
	}
	return &s
}

func TestQuery_IsWrittenAsLokiReadsIt(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]observability.LogQuery{
		`{project=~".+"}`: {},
		`{project="shop", environment="production", service="api", level="error"}`:      {Project: "shop", Environment: "production", Service: "api", Levels: []observability.Level{"error"}},
		`{project="shop", level=~"error|fatal"}`:                                        {Project: "shop", Levels: []observability.Level{"error", "fatal"}},
		`{project="shop"} |= "a \"b\"" |~ "^x\\d+"`:                                     {Project: "shop", Text: `a "b"`, Regex: `^x\d+`},
		`{project="shop"} | release="7" | instance="ins_1" | f_b="" | f_userZ2eid="42"`: {Project: "shop", Release: 7, Instance: "ins_1", Fields: map[string]string{"user.id": "42", "b": ""}},
	} {
		s := search(t, q)
		require.Equal(t, want, linesQuery(s))
	}
	require.Equal(t, `sum by (level) (count_over_time({project="shop"} |= "x" [60000ms] offset 1ms))`,
		countQuery(search(t, observability.LogQuery{Project: "shop", Text: "x"}), time.Minute))
}

func TestSteps_CoverARangeOnceAndBeginAtMultiples(t *testing.T) {
	t.Parallel()
	second, minute := int64(time.Second), int64(time.Minute)
	require.Equal(t, []span{{30 * second, minute}, {minute, 3 * minute}, {3 * minute, 3*minute + 10*second}}, steps(span{30 * second, 3*minute + 10*second}, time.Minute))
	require.Equal(t, []span{{minute, 3 * minute}}, steps(span{minute, 3 * minute}, time.Minute))
	require.Equal(t, []span{{10 * second, 20 * second}}, steps(span{10 * second, 20 * second}, time.Minute))
	require.Equal(t, []span{{0, 20 * second}}, steps(span{0, 20 * second}, time.Minute))
	require.Empty(t, steps(span{minute, minute}, time.Minute))
	year := int64(365 * 24 * time.Hour)
	var at int64
	for _, piece := range steps(span{0, year}, time.Hour) {
		require.Equal(t, at, piece.from)
		require.LessOrEqual(t, piece.to-piece.from, int64(longest))
		at = piece.to
	}
	require.Equal(t, year, at)
}

func TestWindows_CoverTheRangeOnceNearestFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for _, backward := range []bool{false, true} {
		for _, from := range []time.Time{{}, now.Add(-100 * 24 * time.Hour), now.Add(-time.Second)} {
			s := search(t, observability.LogQuery{From: from, Backward: backward})
			pieces := slices.Collect(windows(s, now.Add(-30*24*time.Hour), now.Add(time.Hour)))
			if backward {
				slices.Reverse(pieces)
			}
			if from.IsZero() {
				from = now.Add(-30 * 24 * time.Hour)
			}
			require.Equal(t, from.UnixNano(), pieces[0].from)
			require.Equal(t, now.UnixNano()-1, pieces[len(pieces)-1].to)
			for i := 1; i < len(pieces); i++ {
				require.Equal(t, pieces[i-1].to+1, pieces[i].from)
				require.LessOrEqual(t, pieces[i].to-pieces[i].from, int64(longest))
			}
		}
	}
	far := search(t, observability.LogQuery{From: time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.Less(t, len(slices.Collect(windows(far, now, now.Add(time.Hour)))), 1300, "absurd ranges end")
	require.Empty(t, slices.Collect(windows(search(t, observability.LogQuery{From: now.Add(time.Hour), To: now.Add(2 * time.Hour)}), now, now.Add(time.Minute))))
}

func TestUnderstand_KnowsEachRefusalOfLoki(t *testing.T) {
	t.Parallel()
	const old = "entry for stream '{service=\"api\"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-01T00:00:00Z"
	const behind = "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: x, oldest acceptable timestamp is: y',\nuser 't', total ignored: %d out of 10 for stream: {service=\"api\"}"
	const rate = "entry with timestamp x ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream',\nuser 't', total ignored: 1 out of 10 for stream: {}"
	for _, c := range []struct {
		status int
		words  string
		want   refusal
	}{
		{429, "Ingestion rate limit exceeded", refusal{verdict: verdictRetry}},
		{500, "", refusal{verdict: verdictRetry}},
		{503, "", refusal{verdict: verdictRetry}},
		{408, "", refusal{verdict: verdictRetry}},
		{400, rate, refusal{verdict: verdictRetry}},
		{400, old, refusal{verdict: verdictSplit, reason: reasonOld}},
		{400, "10 errors like: " + old, refusal{verdict: verdictReject, reason: reasonOld}},
		{400, "4 errors like: " + old, refusal{verdict: verdictSplit, reason: reasonOld}},
		{400, "6 errors like: " + old + "; 4 errors like: entry for stream '{}' has timestamp too new: x", refusal{verdict: verdictReject, reason: reasonOld}},
		{400, "entry for stream '{}' has timestamp too new: x", refusal{verdict: verdictSplit, reason: reasonNew}},
		{400, fmt.Sprintf(behind, 3), refusal{verdict: verdictSplit, reason: reasonOrder}},
		{400, fmt.Sprintf(behind, 10), refusal{verdict: verdictReject, reason: reasonOrder}},
		{400, "entry with timestamp x ignored, reason: 'entry out of order',\nuser 't', total ignored: 2 out of 10 for stream: {}", refusal{verdict: verdictSplit, reason: reasonOrder}},
		{400, "max entry size '1024' bytes exceeded for stream '{}' while adding an entry with length '2000' bytes", refusal{verdict: verdictFit, reason: reasonSize, limit: 1024, of: "line"}},
		{400, "stream '{}' has structured metadata too large: '70000' bytes, limit: '65536' bytes. Please", refusal{verdict: verdictFit, reason: reasonSize, limit: 65536, of: "metadata"}},
		{400, "stream '{}' has too many structured metadata labels: '200', limit: '128'. Please", refusal{verdict: verdictFit, reason: reasonSize, limit: 128, of: "count"}},
		{400, "stream '{}' has label value too long: 'x'", refusal{verdict: verdictReject, reason: reasonLabels}},
		{413, "", refusal{verdict: verdictSplit, reason: reasonSize}},
		{415, "", refusal{verdict: verdictJSON}},
		{400, "Content-Type not supported", refusal{verdict: verdictJSON}},
		{400, "what", refusal{verdict: verdictFail}},
		{401, "no org id", refusal{verdict: verdictFail}},
		{404, "404 page not found", refusal{verdict: verdictFail}},
		{302, "", refusal{verdict: verdictFail}},
	} {
		require.Equal(t, c.want, understand(answer{status: c.status, body: []byte(c.words)}, 10), "%d %s", c.status, c.words)
	}
}

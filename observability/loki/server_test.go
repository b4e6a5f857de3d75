package loki_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

// The two runs of the contract are not parallel to the other tests: it gives the server two seconds.
func TestLogs_KeepTheContract(t *testing.T) {
	observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs {
		takeTurn(t)
		return open(t)
	})
}

func TestLogs_KeepTheContractAsJSON(t *testing.T) {
	server := lokitest.Shared(t)
	target, err := url.Parse(server.URL())
	require.NoError(t, err)
	behind := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/x-protobuf" {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs {
		takeTurn(t)
		return openWith(t, loki.Options{URL: proxy.URL, Tenant: server.Tenant()})
	})
}

// barePush pushes streams as they are, without this package.
func barePush(t testing.TB, address, tenant string, streams ...push.Stream) int {
	t.Helper()
	raw, err := (&push.PushRequest{Streams: streams}).Marshal()
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address+"/loki/api/v1/push", bytes.NewReader(snappy.Encode(nil, raw)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// It is why a push holds one stream. When this fails, Loki has mended it, and pushes may hold several.
func TestServer_HidesWhatItRefusesOfTheFirstOfTwoStreams(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	tenant, now := server.Tenant(), time.Now()
	stream := func(service string, at time.Time) push.Stream {
		return push.Stream{Labels: `{project="shop", service="` + service + `"}`, Entries: []push.Entry{{Timestamp: at, Line: service}}}
	}
	require.Equal(t, http.StatusNoContent, barePush(t, server.URL(), tenant, stream("a", now)))
	require.Equal(t, http.StatusBadRequest, barePush(t, server.URL(), tenant, stream("a", now.Add(-5*time.Hour))), "it is too far behind")
	require.Equal(t, http.StatusNoContent, barePush(t, server.URL(), tenant, stream("a", now.Add(-5*time.Hour)), stream("b", now)),
		"the same line with a good stream behind it is refused without a word")
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: tenant})
	require.ElementsMatch(t, []string{"a", "b"}, messages(eventually(t, logs, observability.LogQuery{}, 2)))
}

func TestAppend_CountsWhatTheServerRefusesByTimeAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	logs, now := open(t), time.Now()
	require.NoError(t, logs.Append(t.Context(), []observability.Line{line(now, "newest")}))
	var lines []observability.Line
	add := func(n int, at time.Time, what string) {
		for i := range n {
			lines = append(lines, line(at.Add(time.Duration(i)), fmt.Sprintf("%s %d", what, i)))
		}
	}
	add(3, now.Add(-8*24*time.Hour), "too old")
	add(5, now.Add(-3*time.Hour), "behind")
	add(2, now.Add(3*time.Hour), "future")
	add(40, now.Add(-10*time.Minute), "good")
	require.NoError(t, logs.Append(t.Context(), lines))
	require.Equal(t, map[string]int64{"too old": 3, "out of order": 5, "too far in the future": 2}, logs.Stats().Rejected)
	require.EqualValues(t, 41, logs.Stats().Pushed)
	got := eventually(t, logs, observability.LogQuery{To: now.Add(4 * time.Hour)}, 41)
	require.Equal(t, "good 0", got[0].Message)
	require.Equal(t, "newest", got[40].Message)
}

func TestAppend_CutsToTheLimitsOfTheServerAndMarksIt(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	for tenant, change := range map[string]func(*observability.Line){
		"short-lines": func(l *observability.Line) { l.Message = strings.Repeat("long ", 1000) },
		"lean": func(l *observability.Line) {
			l.Raw, l.Fields = strings.Repeat("r", 4000), map[string]string{"kept": "yes"}
		},
		"few": func(l *observability.Line) {
			l.Fields = make(map[string]string)
			for i := range 20 {
				l.Fields[fmt.Sprint("field ", i)] = "x"
			}
		},
	} {
		logs := openWith(t, loki.Options{URL: server.URL(), Tenant: tenant})
		large, small := line(time.Now(), "large"), line(time.Now().Add(time.Microsecond), "small")
		change(&large)
		require.NoError(t, logs.Append(t.Context(), []observability.Line{large, small}), tenant)
		require.Empty(t, logs.Stats().Rejected, tenant)
		require.EqualValues(t, 1, logs.Stats().Cut, tenant)
		got := eventually(t, logs, observability.LogQuery{}, 2)
		require.True(t, got[0].Truncated, tenant)
		require.Equal(t, "ins_1", got[0].Instance, tenant)
		require.Empty(t, cmp.Diff(small, got[1]), tenant)
		if tenant == "lean" {
			require.Equal(t, map[string]string{"kept": "yes"}, got[0].Fields)
		}
	}
}

func TestAppend_WaitsOutTheRateLimitOfTheServer(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: "slow", BatchBytes: 40 << 10, RetryFor: time.Minute})
	var lines []observability.Line
	for i := range 200 {
		lines = append(lines, line(time.Now().Add(time.Duration(i)), fmt.Sprint(i, strings.Repeat(" filler", 140))))
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	require.Positive(t, logs.Stats().Retries, "the limit was met")
	eventually(t, logs, observability.LogQuery{Limit: 1000}, len(lines))
}

func TestAppend_LosesNothingWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	server := lokitest.Start(t)
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: server.Tenant(), RetryFor: 200 * time.Millisecond})
	const total = 600
	down, up, stored := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	failed := 0
	go func() {
		stored <- func() error {
			for i := 0; i < total; i += 10 {
				if i == 200 {
					close(down)
				}
				batch := make([]observability.Line, 10)
				for j := range batch {
					batch[j] = line(time.Now(), fmt.Sprint("line ", i+j))
					batch[j].Seq = uint64(i + j)
				}
				// The caller's part of the contract: what was not taken is tried again, as it is.
				for {
					err := logs.Append(t.Context(), batch)
					if err == nil {
						break
					}
					if platform.CodeOf(err) != platform.CodeUnavailable || t.Context().Err() != nil {
						return err
					}
					if failed++; failed == 3 {
						close(up)
					}
				}
			}
			return nil
		}()
	}()
	<-down
	server.Kill()
	<-up
	server.Start(t)
	require.NoError(t, <-stored)
	require.GreaterOrEqual(t, failed, 3)
	require.Empty(t, logs.Stats().Rejected)
	seen := make(map[string]int)
	for _, l := range eventually(t, logs, observability.LogQuery{Limit: 1000}, total) {
		seen[l.Message]++
	}
	require.Len(t, seen, total, "each line once")
}

func TestLogs_TenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	mine, theirs := open(t), open(t)
	require.NoError(t, mine.Append(t.Context(), []observability.Line{line(time.Now(), "mine")}))
	eventually(t, mine, observability.LogQuery{}, 1)
	require.Empty(t, readAll(t, theirs, observability.LogQuery{}))

	nobody := openWith(t, loki.Options{URL: lokitest.Shared(t).URL()})
	err := nobody.Append(t.Context(), []observability.Line{line(time.Now(), "whose")})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "tenant")
	_, err = nobody.Query(t.Context(), observability.LogQuery{})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
}

func TestLogs_LinesOfOneTimeAndTextStayApart(t *testing.T) {
	t.Parallel()
	logs, at := open(t), time.Now().Add(-time.Minute)
	var lines []observability.Line
	for i := range 30 {
		l := line(at, "the same")
		l.Seq, l.Instance = uint64(i/2), fmt.Sprint("ins_", i%2)
		lines = append(lines, l)
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	require.NoError(t, logs.Append(t.Context(), lines), "what is pushed again is stored once")
	eventually(t, logs, observability.LogQuery{Limit: 7}, len(lines))
}

func TestQuery_ReadsBeyondWhatTheServerGivesAtOnce(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: "small-pages", MaxEntries: 10})
	at := time.Now().Add(-time.Hour)
	var lines []observability.Line
	for i := range 60 {
		l := line(at.Add(time.Duration(i/4)*time.Second), fmt.Sprint(i))
		l.Service, l.Seq = "paged", uint64(i%4)
		lines = append(lines, l)
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	q := observability.LogQuery{Service: "paged", Limit: 25}
	require.Equal(t, messages(lines), messages(eventually(t, logs, q, 60)))
	q.Backward = true
	require.Len(t, readAll(t, logs, q), 60)

	crowd := make([]observability.Line, 20)
	for i := range crowd {
		crowd[i] = line(at, fmt.Sprint(i))
		crowd[i].Service, crowd[i].Seq = "crowd", uint64(i)
	}
	require.NoError(t, logs.Append(t.Context(), crowd))
	require.Eventually(t, func() bool {
		_, err := logs.Query(t.Context(), observability.LogQuery{Service: "crowd"})
		return platform.CodeOf(err) == platform.CodeExhausted
	}, 10*time.Second, 20*time.Millisecond, "lines of one time that the server cannot give at once are an error, not a gap")
}

func TestQuery_TooHeavyIsRefusedBeforeItRunsAndSaysHowToNarrow(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	tenant := server.Tenant()
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: tenant, MaxQueryBytes: 20_000})
	at := time.Now().Add(-2 * time.Hour)
	var lines []observability.Line
	for i := range 100 {
		l := line(at.Add(time.Duration(i)*time.Second), fmt.Sprint(i, strings.Repeat(" filler", 100)))
		if i == 99 {
			l.Level, l.Message = observability.LevelError, "needle"
		}
		lines = append(lines, l)
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	eventually(t, logs, observability.LogQuery{Limit: 1000}, 100)
	server.Flush(t)
	require.Eventually(t, func() bool {
		_, err := logs.Query(t.Context(), observability.LogQuery{Text: "needle"})
		return platform.CodeOf(err) == platform.CodeExhausted
	}, 10*time.Second, 50*time.Millisecond, "what is flushed is weighed")

	for _, q := range []observability.LogQuery{{Text: "needle"}, {Regex: "need.e"}, {Instance: "ins_1", Limit: 1000}, {Fields: map[string]string{"a": "b"}}} {
		_, err := logs.Query(t.Context(), q)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused, "%+v", q)
		require.Equal(t, platform.CodeExhausted, refused.Code)
		require.Equal(t, "from", refused.Field)
		require.Contains(t, refused.Hint, "shorter range")
	}
	_, err := logs.Count(t.Context(), observability.LogQuery{From: time.Now().Add(-30 * 24 * time.Hour)}, time.Hour)
	require.Equal(t, platform.CodeExhausted, platform.CodeOf(err))

	page, err := logs.Query(t.Context(), observability.LogQuery{Text: "needle", Levels: []observability.Level{observability.LevelError}})
	require.NoError(t, err, "a level narrows")
	require.Len(t, page.Lines, 1)
	page, err = logs.Query(t.Context(), observability.LogQuery{Backward: true, Limit: 1, From: at})
	require.NoError(t, err, "a query that needs no reading is not weighed")
	require.Equal(t, []string{"needle"}, messages(page.Lines))
}

func TestQuery_NothingLeavesItsPlaceInTheServersLanguage(t *testing.T) {
	t.Parallel()
	logs, at := open(t), time.Now().Add(-time.Minute)
	// One line per input, which holds it everywhere, and one of another project, which no filter may reach.
	lines := []observability.Line{{At: at, Project: "bank", Message: "secret", Source: observability.SourceSystem}}
	for i, text := range loki.Hostile {
		l := line(at.Add(time.Duration(i)), "before "+text+" after")
		l.Seq, l.Service, l.Environment, l.Instance, l.Fields = uint64(i), text, text, text, map[string]string{text: text, "all": "yes"}
		lines = append(lines, l)
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	require.Empty(t, logs.Stats().Rejected)
	eventually(t, logs, observability.LogQuery{Limit: 1000}, len(lines))
	for i, text := range loki.Hostile {
		for name, q := range map[string]observability.LogQuery{
			"text": {Project: "shop", Text: text}, "service": {Project: "shop", Service: observability.EscapeInvalid(text)}, "instance": {Project: "shop", Instance: observability.EscapeInvalid(text)},
			"environment": {Project: "shop", Environment: observability.EscapeInvalid(text)}, "field": {Project: "shop", Fields: map[string]string{observability.EscapeInvalid(text): observability.EscapeInvalid(text)}},
			"all": {Project: "shop", Text: text, Service: text, Instance: text, Fields: map[string]string{text: text}},
		} {
			got := readAll(t, logs, q)
			for _, l := range got {
				require.Equal(t, "shop", l.Project, "%s %q", name, text)
			}
			if name != "all" && name != "text" {
				require.Len(t, got, 1, "%s %q", name, text)
				require.Empty(t, cmp.Diff(lines[i+1].Normal(), got[0]), "%s %q", name, text)
			}
		}
		require.Empty(t, readAll(t, logs, observability.LogQuery{Project: text, Text: "secret"}), "%q", text)
	}
}

func TestCount_CountsEachLineInItsStepAndLevel(t *testing.T) {
	t.Parallel()
	logs := open(t)
	from := time.Now().Add(-50 * time.Minute).Truncate(time.Minute)
	var lines []observability.Line
	want := make(map[observability.LogCount]int64)
	for i := range 400 {
		l := line(from.Add(time.Duration(i)*5*time.Second), fmt.Sprint("line ", i)) // some exactly on the edge of a step
		l.Level = []observability.Level{observability.LevelInfo, observability.LevelError, observability.LevelUnknown}[i%3]
		lines = append(lines, l)
	}
	require.NoError(t, logs.Append(t.Context(), lines))
	eventually(t, logs, observability.LogQuery{Limit: 1000}, len(lines))
	for _, c := range []struct {
		q    observability.LogQuery
		step time.Duration
	}{
		{observability.LogQuery{From: from, To: from.Add(20 * time.Minute)}, time.Minute},
		{observability.LogQuery{From: from.Add(90 * time.Second), To: from.Add(7*time.Minute + 5*time.Second)}, time.Minute},
		{observability.LogQuery{From: from.Add(time.Second), To: from.Add(20 * time.Second)}, time.Hour},
		{observability.LogQuery{Text: "line 1", From: from.Add(-24 * time.Hour)}, 10 * time.Minute},
		{observability.LogQuery{Regex: "[13]$", Levels: []observability.Level{"error"}, From: from.Add(-24 * time.Hour)}, 30 * time.Minute},
		{observability.LogQuery{Instance: "nobody", From: from.Add(-24 * time.Hour)}, time.Hour},
	} {
		clear(want)
		for _, l := range lines {
			s, err := c.q.Prepare(time.Now())
			require.NoError(t, err)
			if s.Match(&l) {
				want[observability.LogCount{At: l.At.Truncate(c.step), Level: l.Level}]++
			}
		}
		got, err := logs.Count(t.Context(), c.q, c.step)
		require.NoError(t, err)
		counted := make(map[observability.LogCount]int64)
		for i, g := range got {
			require.True(t, i == 0 || !g.At.Before(got[i-1].At), "steps ascend")
			counted[observability.LogCount{At: g.At, Level: g.Level}] = g.Lines
		}
		require.Empty(t, cmp.Diff(want, counted), "%+v", c)
	}
	for field, c := range map[string]struct {
		q    observability.LogQuery
		step time.Duration
	}{
		"step": {observability.LogQuery{From: from}, 0}, "from": {observability.LogQuery{From: from, To: from.Add(-time.Hour)}, time.Minute},
		"regex": {observability.LogQuery{Regex: "(", From: from}, time.Minute},
	} {
		_, err := logs.Count(t.Context(), c.q, c.step)
		var refused *platform.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, field, refused.Field)
	}
	_, err := logs.Count(t.Context(), observability.LogQuery{From: from.Add(-24 * time.Hour)}, time.Second)
	require.ErrorContains(t, err, "steps")
}

func TestValues_ListsALabelWithinTheSelector(t *testing.T) {
	t.Parallel()
	logs := open(t)
	for _, service := range []string{"web", "api", `odd "one"`} {
		l := line(time.Now(), "x")
		l.Service = service
		require.NoError(t, logs.Append(t.Context(), []observability.Line{l}))
	}
	other := line(time.Now(), "x")
	other.Project, other.Service = "bank", "vault"
	require.NoError(t, logs.Append(t.Context(), []observability.Line{other}))
	require.Eventually(t, func() bool {
		got, err := logs.Values(t.Context(), "service", observability.LogQuery{Project: "shop"})
		return err == nil && cmp.Equal([]string{"api", `odd "one"`, "web"}, got)
	}, 10*time.Second, 20*time.Millisecond)
	_, err := logs.Values(t.Context(), "host", observability.LogQuery{})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

func TestQuery_ReadsLinesThatOthersPushed(t *testing.T) {
	t.Parallel()
	server := lokitest.Shared(t)
	tenant, at := server.Tenant(), time.Now().UTC()
	require.Equal(t, http.StatusNoContent, barePush(t, server.URL(), tenant, push.Stream{
		Labels:  `{project="shop", service="nginx", host="web-1", level="error"}`,
		Entries: []push.Entry{{Timestamp: at, Line: "GET /", StructuredMetadata: push.LabelsAdapter{{Name: "trace_id", Value: "abc"}}}},
	}))
	logs := openWith(t, loki.Options{URL: server.URL(), Tenant: tenant})
	got := eventually(t, logs, observability.LogQuery{Project: "shop"}, 1)
	require.Equal(t, observability.Line{At: at, Project: "shop", Service: "nginx", Level: observability.LevelError, Message: "GET /"}, got[0])
}

// TestServer_TheShippedFileStartsAndTakesAPush runs deploy/loki/loki.yaml as users are told to.
func TestServer_TheShippedFileStartsAndTakesAPush(t *testing.T) {
	t.Parallel()
	server := lokitest.StartShipped(t)
	logs := openWith(t, loki.Options{URL: server.URL()})
	want := []observability.Line{line(time.Now().Add(-6*24*time.Hour), "waited out a long outage"), line(time.Now(), strings.Repeat("long ", 12<<10))}
	require.NoError(t, logs.Append(t.Context(), want))
	require.Zero(t, logs.Stats().Lost(), "lines of the full length, and a week old, are within its limits")
	got := eventually(t, logs, observability.LogQuery{Project: "shop"}, 2)
	require.Equal(t, messages(want), messages(got))
	server.Kill()
	server.Start(t)
	eventually(t, logs, observability.LogQuery{Project: "shop"}, 2)
}

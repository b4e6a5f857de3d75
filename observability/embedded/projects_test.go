package embedded_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

func openProjectLogs(t *testing.T, dir string, change ...func(*embedded.LogOptions)) *embedded.ProjectLogs {
	t.Helper()
	options := embedded.LogOptions{FlushInterval: time.Hour} // as in openLogs
	for _, c := range change {
		c(&options)
	}
	logs, err := embedded.OpenProjectLogs(dir, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	return logs
}

func TestProjectLogs_KeepTheContract(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs { return openProjectLogs(t, t.TempDir()) })
}

// noon is the middle of a UTC day some days ago, so that lines around it are of one day.
func noon(daysAgo int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -daysAgo).Add(12 * time.Hour)
}

// write stores lines of a project on each of some days.
func write(t *testing.T, logs observability.Logs, project string, perDay int, daysAgo ...int) {
	t.Helper()
	var lines []observability.Line
	for _, n := range daysAgo {
		for i := range perDay {
			lines = append(lines, observability.Line{
				At: noon(n).Add(time.Duration(i) * time.Second), Project: project, Service: "api", Source: observability.SourceRuntime, Seq: uint64(i),
				Message: strings.Repeat("x", 100) + time.Duration(i*i*7919).String(),
			})
		}
	}
	require.NoError(t, logs.Append(t.Context(), lines))
}

// daysOf returns how many lines of a project are found on each day, oldest first.
func daysOf(t *testing.T, logs observability.Logs, project string) []int64 {
	t.Helper()
	counts, err := logs.Count(t.Context(), observability.LogQuery{Project: project, From: noon(400)}, 24*time.Hour)
	require.NoError(t, err)
	out := []int64{}
	for _, c := range counts {
		out = append(out, c.Lines)
	}
	return out
}

// requireDays waits until lines are visible, which the contract gives two seconds.
func requireDays(t *testing.T, logs observability.Logs, project string, want ...int64) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, want, daysOf(t, logs, project)) }, 10*time.Second, 20*time.Millisecond)
}

// reopen writes what is in memory to disk.
func reopen(t *testing.T, logs *embedded.ProjectLogs, dir string, change ...func(*embedded.LogOptions)) *embedded.ProjectLogs {
	t.Helper()
	require.NoError(t, logs.Close())
	return openProjectLogs(t, dir, change...)
}

func TestProjectLogs_AgeOfAProjectDropsItsDaysAndNobodyElses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ahead atomic.Int64 // nanoseconds that the clock is ahead of the real one
	clock := func(o *embedded.LogOptions) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
	logs := openProjectLogs(t, dir, clock)
	write(t, logs, "shop", 5, 9, 8, 3, 2)
	write(t, logs, "bank", 5, 9, 2)
	own := map[string]platform.LogRetention{"shop": {Age: platform.Duration(7 * 24 * time.Hour)}}
	require.NoError(t, logs.Enforce(own))
	requireDays(t, logs, "shop", 5, 5)
	requireDays(t, logs, "bank", 5, 5)
	requireDays(t, logs, "", 5, 5, 10)

	ahead.Store(int64(3 * 24 * time.Hour))
	require.NoError(t, logs.Enforce(own))
	page, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop", From: noon(400)})
	require.NoError(t, err)
	for _, l := range page.Lines {
		require.False(t, l.At.Before(noon(4)), "older lines are not found")
	}
	logs = reopen(t, logs, dir, clock)
	require.NoError(t, logs.Enforce(nil))
	require.LessOrEqual(t, len(daysOf(t, logs, "shop")), 2, "what was dropped does not come back with a longer age")
}

func TestProjectLogs_LinesBeyondTheAgeAreNotFoundThoughTheirDayIsKept(t *testing.T) {
	t.Parallel()
	begin := time.Now().UTC().Truncate(24 * time.Hour)
	logs := openProjectLogs(t, t.TempDir(), func(o *embedded.LogOptions) { o.Now = func() time.Time { return begin.Add(time.Hour) } })
	require.NoError(t, logs.Append(t.Context(), []observability.Line{
		{At: begin.Add(-23*time.Hour - time.Minute), Project: "shop", Message: "yesterday, too old"}, {At: begin.Add(-22 * time.Hour), Project: "shop", Message: "yesterday"},
	}))
	require.NoError(t, logs.Enforce(map[string]platform.LogRetention{"shop": {Age: platform.MinLogAge}}))
	page, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.NoError(t, err)
	require.Len(t, page.Lines, 1)
	require.Equal(t, "yesterday", page.Lines[0].Message)
}

func TestProjectLogs_SizeOfAProjectDropsItsOldestDaysAndKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := openProjectLogs(t, dir)
	write(t, logs, "shop", 2000, 3, 2, 1)
	write(t, logs, "bank", 2000, 3, 2, 1)
	logs = reopen(t, logs, dir)
	stored := logs.Kept("shop", platform.LogRetention{}).Stored
	require.Positive(t, stored)
	limit := platform.LogRetention{Bytes: stored * 3 / 4}
	require.NoError(t, logs.Enforce(map[string]platform.LogRetention{"shop": limit}))
	requireDays(t, logs, "shop", 2000, 2000)
	requireDays(t, logs, "bank", 2000, 2000, 2000)
	kept := logs.Kept("shop", limit)
	require.LessOrEqual(t, kept.Stored, limit.Bytes)
	require.Equal(t, platform.Duration(30*24*time.Hour), kept.Age, "the installation's")

	require.NoError(t, logs.Enforce(map[string]platform.LogRetention{"shop": {Bytes: 1}}))
	requireDays(t, logs, "shop", 2000)
	write(t, logs, "shop", 3, 2)
	requireDays(t, logs, "shop", 2000)
	require.NoError(t, logs.Append(t.Context(), []observability.Line{{At: time.Now(), Project: "shop", Message: "new"}}))
	requireDays(t, logs, "shop", 2000, 1)
}

func TestProjectLogs_SizeOfAllDropsTheOldestDaysOfAny(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := openProjectLogs(t, dir)
	write(t, logs, "shop", 2000, 5, 1)
	write(t, logs, "bank", 2000, 4, 3, 1)
	logs = reopen(t, logs, dir)
	all := logs.Kept("shop", platform.LogRetention{}).Stored + logs.Kept("bank", platform.LogRetention{}).Stored
	logs = reopen(t, logs, dir, func(o *embedded.LogOptions) { o.MaxBytes = all * 7 / 10 })
	require.NoError(t, logs.Enforce(nil))
	requireDays(t, logs, "shop", 2000)
	requireDays(t, logs, "bank", 2000, 2000)
}

func TestProjectLogs_LinesFromBeforeProjectsHadFoldersAreStillFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, err := embedded.OpenLogs(dir, embedded.LogOptions{FlushInterval: time.Hour})
	require.NoError(t, err)
	write(t, old, "shop", 5, 40, 2)
	require.NoError(t, old.Close())
	logs := openProjectLogs(t, dir)
	write(t, logs, "shop", 5, 1)
	require.NoError(t, logs.Enforce(nil))
	requireDays(t, logs, "shop", 5, 5)
	var seen []time.Time
	q := observability.LogQuery{Project: "shop", Limit: 3, Backward: true}
	for {
		page, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		for _, l := range page.Lines {
			seen = append(seen, l.At)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Len(t, seen, 10, "pages go over both stores")
	for i := 1; i < len(seen); i++ {
		require.True(t, seen[i].Before(seen[i-1]))
	}
}

func TestProjectLogs_StoreOfADeletedProjectGoesWithItsLastDay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := openProjectLogs(t, dir)
	write(t, logs, "shop", 1, 40)
	write(t, logs, "bank", 1, 40, 2)
	folders := func() int {
		entries, err := os.ReadDir(filepath.Join(dir, "projects"))
		require.NoError(t, err)
		return len(entries)
	}
	require.Equal(t, 2, folders())
	require.NoError(t, logs.Enforce(map[string]platform.LogRetention{"shop": {}}))
	require.Equal(t, 2, folders(), "a project that is there keeps its store, and one that is gone what is left of it")
	require.NoError(t, logs.Enforce(map[string]platform.LogRetention{}))
	require.Equal(t, 1, folders())
	requireDays(t, logs, "bank", 1)
	write(t, logs, "shop", 1, 1)
	requireDays(t, logs, "shop", 1)
}

func TestProjectLogs_HalfDeletedDayIsRemovedAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, "dropped-20200101", "datadb")
	require.NoError(t, os.MkdirAll(left, 0o700))
	openProjectLogs(t, dir)
	require.NoDirExists(t, filepath.Dir(left))
}

func TestProjectLogs_QueriesAndAppendsGoOnWhileDaysAreDropped(t *testing.T) {
	t.Parallel()
	logs := openProjectLogs(t, t.TempDir())
	write(t, logs, "shop", 50, 20, 19, 18, 17, 16, 15, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 30 {
			if _, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop", Limit: 1000}); err != nil {
				t.Error(err)
			}
			if err := logs.Append(t.Context(), []observability.Line{{At: time.Now(), Project: "shop", Message: "new"}}); err != nil {
				t.Error(err)
			}
		}
	}()
	for n := 20; n >= 15; n-- {
		require.NoError(t, logs.Enforce(map[string]platform.LogRetention{"shop": {Age: platform.Duration(time.Duration(n-1) * 24 * time.Hour)}}))
	}
	<-done
	requireDays(t, logs, "shop", 50, 30)
}

func TestProjectLogs_ShortRetentionIsRefused(t *testing.T) {
	t.Parallel()
	_, err := embedded.OpenProjectLogs(t.TempDir(), embedded.LogOptions{Retention: time.Hour})
	require.ErrorContains(t, err, "shorter than one day")
}

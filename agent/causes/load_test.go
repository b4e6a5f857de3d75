package causes_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// metric draws two hours until ten minutes after the detection, a point a minute, with a little noise.
func metric(f *causes.Facts, service, name string, level func(minute int) float64) {
	random := rand.New(rand.NewPCG(3, uint64(len(f.Metrics))))
	points := make([]series.Point, 120)
	for i := range points {
		points[i] = series.Point{At: noon.Add(time.Duration(i-110) * time.Minute), Value: level(i) * (1 + 0.02*random.NormFloat64())}
	}
	f.Metrics = append(f.Metrics, causes.Metric{
		Service: service, Name: name, Meaning: series.MeaningOf(name), Points: points, Shape: series.Read(points, series.IsCounter(name)),
		Cite: platform.EvidenceID("M" + name + service),
	})
}

func flat(v float64) func(int) float64 { return func(int) float64 { return v } }

// from is one level, and another from the 105th minute on: five minutes before the detection.
func from(before, after float64) func(int) float64 {
	return func(i int) float64 {
		if i >= 105 {
			return after
		}
		return before
	}
}

func edge(f *causes.Facts, from, to string, kind platform.EdgeKind) {
	f.Edges = append(f.Edges, causes.Edge{Edge: platform.Edge{From: from, To: to, Kind: kind}, Cite: "T"})
}

func changed(f *causes.Facts, kind platform.ChangeKind, id, service, message, diff string, at time.Time) {
	f.Changes = append(f.Changes, causes.Change{
		Change: platform.Change{Kind: kind, ID: id, Service: service, Message: message, Diff: diff, At: at}, Hunks: causes.ParseLoose(diff, nil), Cite: platform.EvidenceID("C" + id),
	})
}

func TestDiagnose_WhatSeriesTell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make     func(*causes.Facts)
		category platform.Category
		service  string
		change   string
	}{
		"memory climbs for long at steady load, since an older commit": {func(f *causes.Facts) {
			metric(f, "api", "container_memory_rss_bytes", func(i int) float64 { return 4e8 + 5e6*float64(max(0, i-20)) })
			metric(f, "api", "http_requests_per_second", flat(40))
			changed(f, platform.ChangeCommit, "leak", "api", "remember answers", "+_answers = {}\n+_answers[key] = answer\n", noon.Add(-95*time.Minute))
			changed(f, platform.ChangeCommit, "late", "api", "round prices", "-    return price\n+    return round(price, 2)\n", noon.Add(-5*time.Minute))
		}, platform.CategoryMemoryLeak, "api", "leak"},
		"a cache that warms up levels off": {func(f *causes.Facts) {
			metric(f, "api", "container_memory_rss_bytes", func(i int) float64 { return 4e8 + 2e8*min(1, float64(max(0, i-10))/20) })
		}, platform.CategoryNone, "", ""},
		"a queue grows after the workers were cut": {func(f *causes.Facts) {
			metric(f, "api", "jobs_pending", func(i int) float64 { return 20 + 60*float64(max(0, i-100)) })
			changed(f, platform.ChangeScale, "fewer", "api", "workers 8 -> 2", "", noon.Add(-11*time.Minute))
		}, platform.CategoryQueueBacklog, "api", "fewer"},
		"users come in crowds": {func(f *causes.Facts) {
			metric(f, "api", "http_requests_per_second", from(40, 400))
			metric(f, "api", "p99_latency_ms", from(80, 900))
			changed(f, platform.ChangeCommit, "near", "api", "rename a helper", "-def f(x):\n+def g(x):\n", noon.Add(-8*time.Minute))
		}, platform.CategoryTrafficSurge, "api", ""},
		"a caller asks again and again": {func(f *causes.Facts) {
			edge(f, "web", "api", platform.EdgeCalls)
			metric(f, "web", "http_requests_per_second", flat(40))
			metric(f, "api", "http_requests_per_second", from(40, 300))
			changed(f, platform.ChangeCommit, "again", "web", "be patient with the api", "-retries = 1\n+retries = 8\n", noon.Add(-7*time.Minute))
		}, platform.CategoryRetryStorm, "web", "again"},
		"slow by itself since a loop of queries": {func(f *causes.Facts) {
			edge(f, "api", "db", platform.EdgeUses)
			metric(f, "api", "http_request_duration_p99_seconds", from(0.1, 1.4))
			metric(f, "api", "http_requests_per_second", flat(40))
			metric(f, "db", "query_time_ms", flat(4))
			changed(f, platform.ChangeCommit, "loop", "api", "show the seller of each item", "+    for item in items:\n+        item.seller = db.query(Seller).get(item.seller_id)\n", noon.Add(-6*time.Minute))
		}, platform.CategoryLatencyRegression, "api", "loop"},
		"a cache lost what it held": {func(f *causes.Facts) {
			edge(f, "api", "cache", platform.EdgeUses)
			metric(f, "cache", "cache_hit_ratio", from(0.96, 0.2))
			metric(f, "api", "db_queries_per_second", from(50, 900))
			changed(f, platform.ChangeCommit, "ttl", "api", "fresher prices", "-CACHE_TTL = 3600\n+CACHE_TTL = 5\n", noon.Add(-6*time.Minute))
		}, platform.CategoryCacheStampede, "api", "ttl"},
		"one neighbour takes the host": {func(f *causes.Facts) {
			edge(f, "api", "batch", platform.EdgeSharesHost)
			metric(f, "api", "container_cpu_cfs_throttled_seconds_rate", from(0.01, 0.6))
			metric(f, "batch", "container_cpu_usage", from(0.2, 3.8))
			metric(f, "api", "http_requests_per_second", flat(40))
		}, platform.CategoryNoisyNeighbour, "batch", ""},
		"it does nothing and yet it runs": {func(f *causes.Facts) {
			f.Fleet = append(f.Fleet, causes.Instance{Instance: platform.Instance{ID: "i", Service: "api", State: platform.InstanceReady}, Cite: "I"})
			metric(f, "api", "cpu_percent", from(30, 0.1))
			metric(f, "api", "http_requests_per_second", from(40, 0.1))
			metric(f, "api", "open_threads", from(10, 60))
		}, platform.CategoryHang, "api", ""},
		"the log runs over": {func(f *causes.Facts) {
			metric(f, "api", "log_lines_per_second", from(20, 900))
			changed(f, platform.ChangeConfig, "debug", "api", "LOG_LEVEL=DEBUG to look into a ticket", "-LOG_LEVEL=INFO\n+LOG_LEVEL=DEBUG\n", noon.Add(-6*time.Minute))
		}, platform.CategoryLogFlood, "api", "debug"},
		"a certificate has run out": {func(f *causes.Facts) {
			metric(f, "api", "tls_cert_days_left", func(i int) float64 { return 0.06 - 0.0005*float64(i) })
		}, platform.CategoryCertExpired, "api", ""},
	} {
		f := told()
		c.make(f)
		d := causes.Diagnose(f)
		service, change := "", ""
		if len(d.Causes) > 0 {
			service = d.Causes[0].Service
			if d.Causes[0].Change != nil {
				change = d.Causes[0].Change.ID
			}
		}
		if d.Category != c.category || service != c.service || change != c.change {
			t.Errorf("%s: %s of %q by %q, not %s of %q by %q: %s", name, d.Category, service, change, c.category, c.service, c.change, d.Summary)
		}
	}
}

func TestDiagnose_AFlagThatWasSwitchedIsNamedAndNotTheCommitNearIt(t *testing.T) {
	t.Parallel()
	f := told("TypeError: Cannot read properties of undefined (reading 'parcel')")
	changed(f, platform.ChangeCommit, "near", "api", "bump a linter", "-eslint 9.8\n+eslint 9.9\n", noon.Add(-20*time.Minute))
	changed(f, platform.ChangeFlag, "flag-1", "api", "parcel-tracking: off -> on", "", noon.Add(-20*time.Second))
	d := causes.Diagnose(f)
	require.Equal(t, platform.CategoryFlagChange, d.Category)
	require.Equal(t, "flag-1", d.Causes[0].Change.ID)
}

func TestDiagnose_NoChangeAfterTheOnsetIsGuilty(t *testing.T) {
	t.Parallel()
	f := told("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached")
	changed(f, platform.ChangeCommit, "after", "api", "smaller pool", "-pool_size = 20\n+pool_size = 5\n", noon.Add(4*time.Minute))
	d := causes.Diagnose(f)
	require.Equal(t, platform.CategoryPoolExhausted, d.Category)
	require.Nil(t, d.Causes[0].Change)
	changed(f, platform.ChangeCommit, "before", "api", "smaller pool", "-pool_size = 20\n+pool_size = 5\n", noon.Add(-4*time.Minute))
	require.Equal(t, "before", causes.Diagnose(f).Causes[0].Change.ID)
}

func TestDiagnose_CalmIsHealthyAndTheVictimIsNotTheCulprit(t *testing.T) {
	t.Parallel()
	calm := told()
	calm.Fleet = append(calm.Fleet, causes.Instance{Instance: platform.Instance{ID: "i", Service: "api", State: platform.InstanceReady}, Cite: "I"})
	metric(calm, "api", "http_5xx_ratio", flat(0.001))
	require.Equal(t, platform.VerdictHealthy, causes.Diagnose(calm).Verdict)

	f := told("redis.exceptions.ConnectionError: Error 111 connecting to sessions:6379. Connection refused.")
	edge(f, "api", "sessions", platform.EdgeUses)
	f.Fleet = append(f.Fleet, causes.Instance{Instance: platform.Instance{ID: "s-1", Service: "sessions", State: platform.InstanceDead, OOMKilled: true}, Cite: "I"})
	d := causes.Diagnose(f)
	require.Equal(t, platform.CategoryOOMKilled, d.Category)
	require.Equal(t, "sessions", d.Causes[0].Service)
	require.Equal(t, []string{"api"}, d.BlastRadius)
	require.Equal(t, "sessions", d.Propagation[0].From)
	require.Equal(t, "api", d.Propagation[0].To)
}

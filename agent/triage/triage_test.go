package triage_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/triage"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func minute(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Minute))) }

func f(v float64) *float64 { return &v }

// line makes a series of n points, one a minute.
func line(service, metric string, n int, at func(i int) float64) bundle.Series {
	s := bundle.Series{Service: service, Metric: metric}
	for i := range n {
		s.Points = append(s.Points, bundle.Point{At: minute(float64(i)), Value: at(i)})
	}
	return s
}

func flat(v float64) func(int) float64 {
	return func(i int) float64 { return v * (1 + 0.01*math.Sin(float64(i)*1.7)) }
}

func step(from, to float64, at int) func(int) float64 {
	return func(i int) float64 {
		if i >= at {
			return to * (1 + 0.01*math.Sin(float64(i)))
		}
		return from * (1 + 0.01*math.Sin(float64(i)))
	}
}

func ramp(from, perMinute float64) func(int) float64 {
	return func(i int) float64 { return from + perMinute*float64(i) }
}

func bump(from, to float64, at, n int) func(int) float64 {
	return func(i int) float64 {
		if i >= at && i < at+n {
			return to
		}
		return from * (1 + 0.01*math.Sin(float64(i)))
	}
}

func saw(low, high float64) func(int) float64 {
	return func(i int) float64 {
		if i%4 == 1 {
			return high
		}
		return low
	}
}

// alert makes one at minute 60 of a service; the options set the rest.
func alert(id, service, name string, options ...func(*bundle.Alert)) bundle.Alert {
	a := bundle.Alert{ID: id, At: minute(60), Service: service, Name: name, Severity: "warning"}
	for _, o := range options {
		o(&a)
	}
	return a
}

func at(n float64) func(*bundle.Alert)     { return func(a *bundle.Alert) { a.At = minute(n) } }
func label(s string) func(*bundle.Alert)   { return func(a *bundle.Alert) { a.Severity = s } }
func pattern(s string) func(*bundle.Alert) { return func(a *bundle.Alert) { a.Pattern = s } }
func release(s string) func(*bundle.Alert) { return func(a *bundle.Alert) { a.Release = s } }

func over(metric string, value, threshold float64) func(*bundle.Alert) {
	return func(a *bundle.Alert) { a.Metric, a.Value, a.Threshold = metric, f(value), f(threshold) }
}

func fired(n int, stay time.Duration) func(*bundle.Alert) {
	return func(a *bundle.Alert) { a.FiredLastHour, a.ResolvedAfter = n, stay }
}

func edges(pairs ...string) []bundle.Edge {
	var out []bundle.Edge
	for _, p := range pairs {
		from, to, _ := strings.Cut(p, ">")
		out = append(out, bundle.Edge{From: from, To: to, Kind: "calls"})
	}
	return out
}

func up(service, id, release string) bundle.Instance {
	return bundle.Instance{Service: service, Instance: id, Release: release, State: "running", StartedAt: minute(58)}
}

func gone(service, id, by string) bundle.Instance {
	code := 1
	return bundle.Instance{Service: service, Instance: id, State: "exited", ExitCode: &code, FinishedAt: minute(59), StoppedBy: by}
}

type alerts = []bundle.Alert

type metrics = []bundle.Series

// scenario says in want what each alert is: page, the kind that suppresses it, or duplicate>id and symptom>id.
type scenario struct {
	name string
	b    bundle.Bundle
	want string
}

var scenarios = []scenario{
	// What needs nobody.
	{"a critical label that flaps is flapping", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "HighErrorRate", label("critical"), over("http_error_ratio", 0.021, 0.02), fired(14, 40*time.Second))},
		Metrics: metrics{line("api", "http_error_ratio", 62, saw(0.004, 0.021))},
	}, "flapping"},
	{"a flapping health check with nothing else recorded is flapping", bundle.Bundle{
		Alerts: alerts{alert("a1", "search", "ProbeFailed", label("critical"), fired(19, 15*time.Second))},
	}, "flapping"},
	{"a series that crosses its threshold all the time is flapping without a count", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "CPUHigh", over("cpu_percent", 81, 80))},
		Metrics: metrics{line("api", "cpu_percent", 62, saw(60, 81))},
	}, "flapping"},
	{"a blip that went by itself is transient", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "HighLatencyP99", over("p99_latency_ms", 1050, 1000), fired(1, 60*time.Second))},
		Metrics: metrics{line("api", "p99_latency_ms", 75, bump(400, 1050, 60, 2))},
	}, "transient"},
	{"barely over and gone without a series is transient", bundle.Bundle{
		Alerts: alerts{alert("a1", "api", "CPUHigh", label("critical"), over("cpu_percent", 82, 80), fired(1, 45*time.Second))},
	}, "transient"},
	{"back in the band with no word of a resolution is transient", bundle.Bundle{
		Alerts:  alerts{alert("a1", "worker", "QueueDepth", over("queue_depth", 140, 100), at(60))},
		Metrics: metrics{line("worker", "queue_depth", 90, bump(20, 140, 58, 5))},
	}, "transient"},
	{"a monthly budget is chatter although it is critical", bundle.Bundle{
		Alerts: alerts{alert("a1", "billing", "MonthlyCostBudgetExceeded", label("critical"), over("cloud_spend_usd", 1250, 1000))},
	}, "chatter"},
	{"an unused volume is chatter", bundle.Bundle{Alerts: alerts{alert("a1", "infra", "UnusedVolumeDetected")}}, "chatter"},
	{"idle resources are chatter", bundle.Bundle{Alerts: alerts{alert("a1", "gpu-pool", "InstanceUnderutilized", over("cpu_percent", 3, 5))}}, "chatter"},
	{"a deprecated key is chatter", bundle.Bundle{Alerts: alerts{alert("a1", "api", "DeprecatedConfigKey", label("warning"))}}, "chatter"},
	{"a new version is chatter", bundle.Bundle{Alerts: alerts{alert("a1", "redis", "NewVersionAvailable", label("info"))}}, "chatter"},
	{"a certificate far from its end is chatter", bundle.Bundle{
		Alerts: alerts{alert("a1", "edge", "CertificateExpiringSoon", label("critical"), over("tls_cert_days_left", 58, 60))},
	}, "chatter"},
	{"a backup that succeeded late is chatter", bundle.Bundle{Alerts: alerts{alert("a1", "db", "BackupSucceededLate", label("warning"))}}, "chatter"},
	{"a job that completed is chatter", bundle.Bundle{Alerts: alerts{alert("a1", "reports", "NightlyJobCompleted", label("info"))}}, "chatter"},
	{"cost rises steadily and is chatter all the same", bundle.Bundle{
		Alerts:  alerts{alert("a1", "billing", "DailySpendHigh", over("daily_spend_usd", 80, 70))},
		Metrics: metrics{line("billing", "daily_spend_usd", 120, ramp(20, 0.5))},
	}, "chatter"},
	{"restarts of a rollout that is well are churn", bundle.Bundle{
		Alerts:    alerts{alert("a1", "api", "PodRestarting", label("critical"), release("v12"), fired(3, 90*time.Second))},
		Changes:   []bundle.Change{{At: minute(57), Kind: "deploy", ID: "dep-12", Service: "api", Release: "v12"}},
		Instances: []bundle.Instance{up("api", "api-1", "v12"), up("api", "api-2", "v12"), gone("api", "api-0", "rollout")},
	}, "churn"},
	{"what an operator stopped is planned", bundle.Bundle{
		Alerts:    alerts{alert("a1", "batch", "InstanceDown", label("critical"))},
		Instances: []bundle.Instance{gone("batch", "batch-1", "operator"), gone("batch", "batch-2", "operator")},
	}, "planned"},
	{"what was scaled to zero is planned", bundle.Bundle{
		Alerts:  alerts{alert("a1", "batch", "ServiceDown", label("critical"), over("up", 0, 1))},
		Metrics: metrics{line("batch", "up", 62, step(1, 0, 58))},
		Changes: []bundle.Change{{At: minute(58), Kind: "scale", ID: "scale-3", Service: "batch", Message: "scale batch to 0 for the night"}},
	}, "planned"},
	{"a steady level hardly over its threshold is harmless where users are well", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "MemoryHigh", over("memory_used_percent", 81, 80))},
		Metrics: metrics{line("api", "memory_used_percent", 90, flat(81)), line("api", "error_rate", 90, flat(0.001))},
	}, "harmless"},
	{"lines that are no more than usual are chatter", bundle.Bundle{
		Alerts:   alerts{alert("a1", "api", "LogPatternMatch", pattern("p7"))},
		Patterns: []bundle.Pattern{{ID: "p7", Signature: "cache refreshed for <*>", Service: "api", Count: 900, Delta: f(0.02), Sentiment: "neutral"}},
	}, "chatter"},

	// What must page, whatever it is called.
	{"an info label that is an outage pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "checkout", "ErrorRatioNotice", label("info"), over("http_error_ratio", 0.38, 0.05))},
		Metrics: metrics{line("checkout", "http_error_ratio", 70, step(0.002, 0.38, 55))},
	}, "page"},
	{"a flapping alert of an outage that comes in bursts pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "checkout", "HighErrorRate", label("info"), over("error_rate", 0.6, 0.05), fired(12, 60*time.Second))},
		Metrics: metrics{line("checkout", "error_rate", 70, saw(0.01, 0.6))},
	}, "page"},
	{"few failures at night are many when little is asked", bundle.Bundle{
		Alerts:  alerts{alert("a1", "login", "LoginErrors", label("info"), over("http_5xx_count", 2, 50))},
		Metrics: metrics{line("login", "http_5xx_per_minute", 70, step(0, 2, 50)), line("login", "http_requests_per_minute", 70, step(2, 2, 50))},
	}, "page"},
	{"every instance down pages", bundle.Bundle{
		Alerts:    alerts{alert("a1", "api", "ContainerExited", label("info"))},
		Instances: []bundle.Instance{gone("api", "api-1", ""), gone("api", "api-2", "")},
	}, "page"},
	{"one of several instances that keeps dying pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "api", "PodCrashLooping", fired(6, 50*time.Second))},
		Instances: []bundle.Instance{
			up("api", "api-1", "v3"),
			{Service: "api", Instance: "api-2", State: "crashloopbackoff", Restarts: 9},
		},
	}, "page"},
	{"data loss pages", bundle.Bundle{Alerts: alerts{alert("a1", "db", "ReplicaChecksumMismatch", label("info"), fired(5, 20*time.Second), pattern("checksum mismatch on page 33"))}}, "page"},
	{"a disk that is about full pages although it flaps", bundle.Bundle{
		Alerts: alerts{alert("a1", "db", "DiskUsage", label("info"), over("disk_used_percent", 98, 90), fired(9, 0))},
	}, "page"},
	{"a quiet disk that fills pages with the forecast", bundle.Bundle{
		Alerts:  alerts{alert("a1", "db", "DiskUsageNotice", label("info"), over("disk_used_percent", 71, 90))},
		Metrics: metrics{line("db", "disk_used_percent", 240, ramp(60, 0.05))},
	}, "page"},
	{"memory that climbs to its limit pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "MemoryTrend", label("info"), over("container_memory_rss_mb", 700, 900))},
		Metrics: metrics{line("api", "container_memory_rss_mb", 180, ramp(350, 2)), line("api", "container_memory_limit_mb", 180, flat(1024))},
	}, "page"},
	{"connections that climb to their most page", bundle.Bundle{
		Alerts:  alerts{alert("a1", "db", "ConnectionsInfo", label("info"), over("db_connections_active", 70, 90))},
		Metrics: metrics{line("db", "db_connections_active", 120, ramp(20, 0.5)), line("db", "db_connections_max", 120, func(int) float64 { return 100 })},
	}, "page"},
	{"lag that only rises pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "ingest", "ConsumerLag", label("info"), over("kafka_consumer_lag", 9000, 5000))},
		Metrics: metrics{line("ingest", "kafka_consumer_lag", 90, ramp(100, 100))},
	}, "page"},
	{"a certificate about to end pages although it is info", bundle.Bundle{
		Alerts: alerts{alert("a1", "edge", "CertInfo", label("info"), over("tls_cert_days_left", 2, 30))},
	}, "page"},
	{"an error budget that burns down pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "ErrorBudgetRemaining", label("info"), over("slo_error_budget_remaining_percent", 31, 20))},
		Metrics: metrics{line("api", "slo_error_budget_remaining_percent", 180, ramp(80, -0.25))},
	}, "page"},
	{"an alert of which nothing was recorded pages", bundle.Bundle{Alerts: alerts{alert("a1", "api", "HighErrorRate", label("info"))}}, "page"},
	{"an alert with a name nobody knows pages", bundle.Bundle{Alerts: alerts{alert("a1", "api", "Xyzzy", label("info"))}}, "page"},
	{"an alert that resolved but whose series is over the threshold still pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "HighLatency", over("p99_latency_ms", 4000, 1000), fired(1, 30*time.Second))},
		Metrics: metrics{line("api", "p99_latency_ms", 80, step(300, 4000, 55))},
	}, "page"},
	{"a rollout that is not well is no churn", bundle.Bundle{
		Alerts:    alerts{alert("a1", "api", "PodRestarting", label("info"), release("v12"))},
		Changes:   []bundle.Change{{At: minute(57), Kind: "deploy", ID: "dep-12", Service: "api", Release: "v12"}},
		Instances: []bundle.Instance{{Service: "api", Instance: "api-1", Release: "v12", State: "exited", Restarts: 4}},
	}, "page"},
	{"a rollout of which nobody knows how it ended is no churn", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "PodRestarting", release("v12"))},
		Changes: []bundle.Change{{At: minute(57), Kind: "deploy", ID: "dep-12", Service: "api", Release: "v12"}},
	}, "page"},
	{"instances that the kernel killed were not stopped on purpose", bundle.Bundle{
		Alerts:    alerts{alert("a1", "batch", "InstanceDown", label("info"))},
		Instances: []bundle.Instance{gone("batch", "batch-1", "kernel")},
	}, "page"},
	{"a backup that failed pages", bundle.Bundle{Alerts: alerts{alert("a1", "db", "BackupFailed", label("info"))}}, "page"},
	{"chatter that is the only word of an outage pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "DeprecatedConfigKey", label("info"))},
		Metrics: metrics{line("api", "http_error_ratio", 70, step(0.001, 0.5, 50))},
	}, "page"},
	{"chatter beside an outage that is told stays chatter", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "DeprecatedConfigKey", label("info")), alert("a2", "api", "HighErrorRate", over("http_error_ratio", 0.5, 0.05))},
		Metrics: metrics{line("api", "http_error_ratio", 70, step(0.001, 0.5, 50))},
	}, "chatter page"},
	{"a low success rate is no notice of success", bundle.Bundle{
		Alerts: alerts{alert("a1", "pay", "SuccessRateLow", label("info"), over("payment_success_ratio", 0.61, 0.99))},
	}, "page"},

	// One page for each cause.
	{"a duplicate with other words", bundle.Bundle{
		Alerts: alerts{alert("a1", "checkout", "5xxRatioElevated", label("critical"), over("http_error_ratio", 0.4, 0.05), pattern("connect ECONNREFUSED redis:6379"))},
		Open:   []bundle.OpenIncident{{ID: "inc-1", Service: "checkout", Title: "Customers cannot pay", Pattern: "could not connect to redis: connection refused", OpenedAt: minute(40)}},
	}, "duplicate>inc-1"},
	{"an outage that an open incident covers is a duplicate", bundle.Bundle{
		Alerts:  alerts{alert("a1", "api", "HighErrorRate", label("critical"), over("http_error_ratio", 0.4, 0.05))},
		Metrics: metrics{line("api", "http_error_ratio", 70, step(0.001, 0.4, 50))},
		Open:    []bundle.OpenIncident{{ID: "inc-1", Service: "api", Title: "api: 38% of requests answer 5xx", OpenedAt: minute(52)}},
	}, "duplicate>inc-1"},
	{"the same name at another service pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "search", "HighErrorRate", over("http_error_ratio", 0.4, 0.05))},
		Open:   []bundle.OpenIncident{{ID: "inc-1", Service: "checkout", Title: "HighErrorRate", OpenedAt: minute(40)}},
	}, "page"},
	{"another trouble of the same service pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "db", "DiskAlmostFull", over("disk_used_percent", 97, 90))},
		Open:   []bundle.OpenIncident{{ID: "inc-1", Service: "db", Title: "db: slow queries", OpenedAt: minute(40)}},
	}, "page"},
	{"another pattern of the same service pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "api", "ErrorLogs", pattern("x509: certificate signed by unknown authority"))},
		Open:   []bundle.OpenIncident{{ID: "inc-1", Service: "api", Title: "api errors", Pattern: "NullPointerException in CartService.total", OpenedAt: minute(40)}},
	}, "page"},
	{"two alerts of one cause at one service", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "api", "HighErrorRate", over("http_error_ratio", 0.4, 0.05), at(60)),
			alert("a2", "api", "HighLatency", over("p99_latency_ms", 4000, 1000), at(61)),
		},
	}, "page duplicate>a1"},
	{"a loud symptom of a quiet origin", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "web", "HighErrorRate", label("critical"), over("http_error_ratio", 0.7, 0.05), at(60)),
			alert("a2", "db", "ConnectionsSaturated", label("info"), over("db_connections_percent", 100, 90), at(62)),
		},
		Metrics: metrics{
			line("web", "http_error_ratio", 70, step(0.001, 0.7, 57)), line("db", "db_connections_percent", 70, step(40, 100, 54)),
		},
		Topology: edges("web>api", "api>db"),
	}, "symptom>a2 page"},
	{"a symptom of an open incident at a dependency", bundle.Bundle{
		Alerts:   alerts{alert("a1", "web", "UpstreamTimeouts", label("critical"), pattern("upstream timed out while reading from api"))},
		Open:     []bundle.OpenIncident{{ID: "inc-9", Service: "api", Title: "api keeps dying", OpenedAt: minute(50)}},
		Topology: edges("web>api"),
	}, "symptom>inc-9"},
	{"two outages at once that have nothing to do with each other", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "checkout", "HighErrorRate", over("http_error_ratio", 0.4, 0.05)),
			alert("a2", "search", "HighErrorRate", over("http_error_ratio", 0.3, 0.05)),
		},
		Topology: edges("checkout>payments", "search>index"),
	}, "page page"},
	{"two outages at once of services that know each other", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "api", "HighErrorRate", over("http_error_ratio", 0.4, 0.05), pattern("TypeError: cannot read properties of undefined (reading 'total')")),
			alert("a2", "db", "DiskAlmostFull", over("disk_used_percent", 99, 90)),
		},
		Topology: edges("api>db"),
	}, "page page"},
	{"what began before its dependency failed is no symptom", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "web", "HighErrorRate", over("http_error_ratio", 0.4, 0.05), at(45)),
			alert("a2", "api", "HighErrorRate", over("http_error_ratio", 0.3, 0.05), at(60)),
		},
		Metrics:  metrics{line("web", "http_error_ratio", 70, step(0.001, 0.4, 30)), line("api", "http_error_ratio", 70, step(0.001, 0.3, 58))},
		Topology: edges("web>api"),
	}, "page page"},
	{"a dependency that only flaps explains nothing", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "web", "HighErrorRate", over("http_error_ratio", 0.4, 0.05)),
			alert("a2", "cache", "ProbeFailed", fired(15, 20*time.Second), at(58)),
		},
		Metrics:  metrics{line("web", "http_error_ratio", 70, step(0.001, 0.4, 57))},
		Topology: edges("web>cache"),
	}, "page flapping"},
	{"callers that fail at one dependency nobody watches page once", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "api", "ErrorLogs", pattern("connect ECONNREFUSED redis:6379"), at(60)),
			alert("a2", "worker", "JobFailures", pattern("Error connecting to redis: connection refused"), at(61)),
		},
		Topology: edges("api>redis", "worker>redis"),
	}, "page duplicate>a1"},
	{"a disk that fills tomorrow does not explain what fails today", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "api", "HighErrorRate", over("http_error_ratio", 0.4, 0.05)),
			alert("a2", "db", "DiskUsage", label("info"), over("disk_used_percent", 71, 90), at(55)),
		},
		Metrics:  metrics{line("db", "disk_used_percent", 70, ramp(60, 0.1)), line("api", "http_error_ratio", 70, step(0.001, 0.4, 57))},
		Topology: edges("api>db"),
	}, "page page"},
	{"the same alert again is told once", bundle.Bundle{
		Alerts: alerts{
			alert("a1", "api", "HighErrorRate", over("http_error_ratio", 0.4, 0.05), at(60)),
			alert("a2", "api", "HighErrorRate", over("http_error_ratio", 0.45, 0.05), at(70)),
		},
	}, "page duplicate>a1"},
}

func TestDecide_Scenarios(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(everyScenario()), 50)
	for _, s := range everyScenario() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			result := triage.Decide(&s.b)
			var got []string
			for _, d := range result.Decisions {
				require.NotEmpty(t, d.Reason)
				require.Equal(t, d.Alert, d.Evidence[0], "it cites the alert itself")
				switch {
				case d.Verdict == triage.Page:
					require.Empty(t, d.DuplicateOf)
					got = append(got, "page")
				case d.DuplicateOf != "":
					require.Contains(t, d.Evidence, d.DuplicateOf)
					got = append(got, fmt.Sprintf("%s>%s", d.Kind, d.DuplicateOf))
				default:
					got = append(got, string(d.Kind))
				}
			}
			require.Equal(t, s.want, strings.Join(got, " "), "%+v", result.Decisions)
		})
	}
}

package triage_test

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
)

func everyScenario() []scenario { return slices.Concat(scenarios, plannedScenarios) }

// told is a change that announces work on a service, at minute 50. Minute 0 is 08:00.
func told(service, message string) []bundle.Change {
	return []bundle.Change{{At: minute(50), Kind: "infra", ID: "w1", Service: service, Author: "ops", Message: message}}
}

// stopped is an instance that somebody ended at minute 59 with exit code 0.
func stopped(service, id, by string) bundle.Instance {
	code := 0
	return bundle.Instance{Service: service, Instance: id, State: "exited", ExitCode: &code, FinishedAt: minute(59), StoppedBy: by}
}

const (
	loadTest    = "planned load test 08:50-09:20 against search"
	maintenance = "maintenance window 08:55-09:40, dwh offline for an upgrade"
)

// plannedScenarios are about work that was announced, levels that stand, and lines and sales by themselves.
var plannedScenarios = []scenario{
	{"the load of an announced load test is planned", bundle.Bundle{
		Alerts:  alerts{alert("a1", "search", "CPUHigh", over("cpu_pct", 91, 80)), alert("a2", "search", "RequestsHigh", over("rps", 400, 250))},
		Changes: told("search", loadTest), Metrics: metrics{line("search", "cpu_pct", 70, step(40, 90, 52)), line("search", "rps", 70, step(100, 400, 52)), line("search", "error_pct", 70, flat(0.1))},
	}, "planned planned"},
	{"a load test that makes requests fail pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "search", "CPUHigh", over("cpu_pct", 91, 80)), alert("a2", "search", "HighErrorRate", over("http_error_ratio", 0.3, 0.05))},
		Changes: told("search", loadTest), Metrics: metrics{line("search", "http_error_ratio", 70, step(0.001, 0.3, 57)), line("search", "cpu_pct", 70, step(40, 90, 52))},
	}, "page page"},
	{"load outside the window of the test pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "search", "CPUHigh", over("cpu_pct", 91, 80), at(90))},
		Changes: told("search", loadTest), Metrics: metrics{line("search", "cpu_pct", 100, step(40, 90, 85))},
	}, "page"},
	{"a load test of another service excuses nothing", bundle.Bundle{
		Alerts:  alerts{alert("a1", "billing", "CPUHigh", over("cpu_pct", 91, 80))},
		Changes: told("search", loadTest), Metrics: metrics{line("billing", "cpu_pct", 70, step(40, 90, 52))},
	}, "page"},
	{"a commit about load tests announces none", bundle.Bundle{
		Alerts:  alerts{alert("a1", "search", "CPUHigh", over("cpu_pct", 91, 80))},
		Changes: []bundle.Change{{At: minute(50), Kind: "commit", ID: "c1", Service: "search", Message: "add a load test"}},
		Metrics: metrics{line("search", "cpu_pct", 70, step(40, 90, 52))},
	}, "page"},
	{"an announced stop and what waits for it are planned", bundle.Bundle{
		Alerts:  alerts{alert("a1", "dwh", "InstanceDown", label("critical")), alert("a2", "loader", "LoadFailures", pattern("could not connect to dwh:5432"), at(62))},
		Changes: told("dwh", maintenance), Instances: []bundle.Instance{stopped("dwh", "dwh-1", "dba")}, Topology: edges("loader>dwh"),
	}, "planned symptom"},
	{"an announced stop whose callers fail requests pages for them", bundle.Bundle{
		Alerts:  alerts{alert("a1", "dwh", "InstanceDown"), alert("a2", "shop", "HighErrorRate", over("http_error_ratio", 0.4, 0.05), at(62))},
		Changes: told("dwh", maintenance), Instances: []bundle.Instance{stopped("dwh", "dwh-1", "dba")}, Topology: edges("shop>dwh"),
		Metrics: metrics{line("shop", "http_error_ratio", 70, step(0.001, 0.4, 60))},
	}, "planned page"},
	{"what was killed for memory in a window pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "dwh", "InstanceDown")}, Changes: told("dwh", maintenance),
		Instances: []bundle.Instance{{Service: "dwh", Instance: "dwh-1", State: "exited", OOMKilled: true, FinishedAt: minute(59), StoppedBy: "kernel"}},
	}, "page"},
	{"what died by itself in a window pages", bundle.Bundle{
		Alerts: alerts{alert("a1", "dwh", "InstanceDown")}, Changes: told("dwh", "planned upgrade of the client library"), Instances: []bundle.Instance{gone("dwh", "dwh-1", "")},
	}, "page"},
	{"a disk that has stood at its threshold for days is harmless", bundle.Bundle{
		Alerts:  alerts{alert("a1", "store", "DiskAbove80", over("disk_used_percent", 80.9, 80))},
		Metrics: metrics{hourly("store", "disk_used_percent", 48, func(i int) float64 { return 80 + 0.4*float64(i%3) })},
	}, "harmless"},
	{"a disk that climbed to its threshold pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "store", "DiskAbove80", over("disk_used_percent", 80.9, 80))},
		Metrics: metrics{hourly("store", "disk_used_percent", 48, func(i int) float64 { return 57 + 0.5*float64(i) })},
	}, "page"},
	{"a disk that stands at nine tenths and more pages", bundle.Bundle{
		Alerts:  alerts{alert("a1", "store", "DiskAbove90", over("disk_used_percent", 92, 90))},
		Metrics: metrics{hourly("store", "disk_used_percent", 48, func(i int) float64 { return 92 + 0.4*float64(i%3) })},
	}, "page"},
	{"new lines that tell of nothing bad are chatter", bundle.Bundle{
		Alerts:   alerts{alert("a1", "audit", "NewPattern", label("critical"), pattern("rotated segment"), over("", 30, 1))},
		Patterns: []bundle.Pattern{{ID: "p1", Service: "audit", Signature: `{"level":"info","msg":"rotated segment","n":<*>}`, Count: 142, Delta: f(5.2), Sentiment: "neutral"}},
	}, "chatter"},
	{"a flood of lines pages whatever they say", bundle.Bundle{
		Alerts:   alerts{alert("a1", "audit", "NewPattern", pattern("rotated segment"), over("", 30, 1))},
		Patterns: []bundle.Pattern{{ID: "p1", Service: "audit", Signature: `{"level":"info","msg":"rotated segment","n":<*>}`, Count: 142000, Delta: f(520), Sentiment: "neutral"}},
	}, "page"},
	{"new lines of an error page", bundle.Bundle{
		Alerts:   alerts{alert("a1", "ledger", "NewPattern", label("info"), pattern("double entry mismatch account=<*>"), over("", 12, 1))},
		Patterns: []bundle.Pattern{{ID: "p1", Service: "ledger", Signature: "ERROR Post : double entry mismatch account=<*>", Count: 67, Delta: f(304), Sentiment: "negative"}},
	}, "page"},
	{"fewer sales while a known outage goes on belong to it", bundle.Bundle{
		Alerts: alerts{alert("a1", "checkout", "ConversionLow")}, Open: []bundle.OpenIncident{{ID: "i1", Service: "checkout", Title: "checkout 5xx after provider outage", OpenedAt: minute(40)}},
	}, "duplicate>i1"},
	{"fewer sales by themselves page", bundle.Bundle{Alerts: alerts{alert("a1", "checkout", "ConversionLow", label("info"))}}, "page"},
	{"an incident of long ago at a dependency explains no new failure", bundle.Bundle{
		Alerts: alerts{alert("a1", "web", "HighErrorRate")}, Open: []bundle.OpenIncident{{ID: "i1", Service: "db", Title: "errors of db", OpenedAt: start.Add(-50 * time.Hour)}},
		Topology: edges("web>db"),
	}, "page"},
}

// hourly makes a series of n points, one an hour, that ends at minute 60.
func hourly(service, metric string, n int, at func(i int) float64) bundle.Series {
	s := bundle.Series{Service: service, Metric: metric}
	for i := range n {
		s.Points = append(s.Points, bundle.Point{At: minute(60).Add(time.Duration(i-n+1) * time.Hour), Value: at(i)})
	}
	return s
}

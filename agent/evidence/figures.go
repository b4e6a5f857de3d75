package evidence

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// hostName is the service under which the machine's own figures go.
const hostName = "host"

const (
	maxFigures = 120 // series of one question
	maxPoints  = 240 // points of one series
)

// figure is one question to the metrics: what every service of the environment shows of something.
type figure struct {
	name    string // as it is told of
	meaning series.Meaning
	expr    string
	system  bool // of the machine, which belongs to no project
}

// figures are the platform's own measurements, one series a service.
var figures = []figure{
	{"requests_per_second", series.Requests, "sum by (service) (rate(" + observability.MetricRequests + "[20s]))", false},
	{"requests_failed_per_second", series.Errors, "sum by (service) (rate(" + observability.MetricRequests + `{class="5xx"}[20s]))`, false},
	{"request_p95_seconds", series.Latency, "histogram_quantile(0.95, sum by (le, service) (rate(" + observability.MetricLatencyHist + "[20s])))", false},
	{"cpu_seconds_per_second", series.CPU, "sum by (service) (rate(" + observability.MetricCPU + "[20s]))", false},
	{"cpu_throttled_seconds_per_second", series.Throttling, "sum by (service) (rate(" + observability.MetricThrottled + "[20s]))", false},
	{"cpu_pressure_seconds_per_second", series.Throttling, `max by (service) (rate(fairlead_instance_pressure_seconds_total{resource="cpu",kind="some"}[20s]))`, false},
	{"memory_bytes", series.Memory, "max by (service) (" + observability.MetricMemory + ")", false},
	{"host_cpu_pressure_seconds_per_second", series.HostCPU, `max(rate(fairlead_host_pressure_seconds_total{resource="cpu",kind="some"}[20s]))`, true},
}

// measures reads how every service of the environment did: traffic, failures, latency, processor, memory, and what the
// applications themselves count.
func (r *run) measures() {
	if r.src.Metrics == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	for _, f := range figures {
		q, ok := r.figureQuery(f.expr, f.system)
		if !ok {
			return
		}
		found, err := r.src.Metrics.Query(r.ctx, q)
		if err != nil {
			r.w.failed("the figure "+f.name, err)
			continue
		}
		for _, s := range found {
			service := s.Labels["service"]
			if f.system {
				service = hostName
			}
			if f.meaning == series.Memory && service == r.f.Incident.Service {
				continue // each instance of it is looked at already
			}
			r.keep(service, f.name, f.meaning, q, s.Points)
		}
	}
	r.ownMeasures()
}

func (r *run) figureQuery(expr string, system bool) (observability.MetricQuery, bool) {
	q := observability.MetricQuery{Project: r.f.Incident.Project, Environment: r.f.Incident.Environment, Expr: expr, From: r.previousEnd.Add(-r.opt.Before), To: r.w.now}
	if early := r.onset().Add(-r.opt.Before); early.Before(q.From) {
		q.From = early
	}
	if system {
		q.Project, q.Environment = platform.SystemProject, ""
	}
	if q.From.After(q.To) {
		return q, false
	}
	q.Step = max(2*time.Second, q.To.Sub(q.From)/maxPoints).Round(time.Second)
	return q, true
}

// ownMeasures reads what the applications count themselves. Instances come and go: a running total is followed across them.
func (r *run) ownMeasures() {
	q, ok := r.figureQuery(`{__name__=~".+",__name__!~"fairlead_.*|.*_bucket|go_.*|process_.*|python_.*|up|scrape_.*"}`, false)
	if !ok {
		return
	}
	found, err := r.src.Metrics.Query(r.ctx, q)
	if err != nil {
		r.w.failed("what the applications measure", err)
		return
	}
	type key struct{ service, name string }
	sums := map[key]map[time.Time]float64{}
	var order []key
	for i, s := range found {
		name, service := s.Labels["__name__"], s.Labels["service"]
		if name == "" || service == "" {
			continue
		}
		if i == maxFigures {
			r.w.gap("the applications measure %d series; %d were read", len(found), maxFigures)
			break
		}
		k := key{service, name}
		if sums[k] == nil {
			sums[k] = map[time.Time]float64{}
			order = append(order, k)
		}
		addUp(sums[k], s.Points, series.IsCounter(name))
	}
	sort.Slice(order, func(i, j int) bool {
		return order[i].service < order[j].service || order[i].service == order[j].service && order[i].name < order[j].name
	})
	for _, k := range order {
		points := make([]observability.Point, 0, len(sums[k]))
		for at, v := range sums[k] {
			points = append(points, observability.Point{At: at, Value: v})
		}
		sort.Slice(points, func(i, j int) bool { return points[i].At.Before(points[j].At) })
		name := k.name
		if series.IsCounter(name) {
			name += " per second"
		}
		r.keep(k.service, name, series.MeaningOf(k.name), q, points)
	}
}

// addUp adds a series of one instance to the sum of its service: a gauge as it is, a running total as its rise per second.
func addUp(sum map[time.Time]float64, points []observability.Point, counter bool) {
	if !counter {
		for _, p := range points {
			sum[p.At] += p.Value
		}
		return
	}
	const span = 10 * time.Second // applications are asked every few seconds: between two answers nothing rises
	for i, p := range points {
		from := i
		for from > 0 && p.At.Sub(points[from].At) < span {
			from--
		}
		seconds := p.At.Sub(points[from].At).Seconds()
		if seconds <= 0 {
			sum[p.At] += 0
			continue
		}
		rise := 0.0
		for j := from + 1; j <= i; j++ {
			if d := points[j].Value - points[j-1].Value; d >= 0 {
				rise += d
			} else {
				rise += points[j].Value
			}
		}
		sum[p.At] += rise / seconds
	}
}

// keep freezes a series as one item that tells its shape, with the series itself as a fact.
func (r *run) keep(service, name string, meaning series.Meaning, q observability.MetricQuery, points []observability.Point) {
	if service == "" || len(points) < 2 {
		return
	}
	list := make([]series.Point, 0, len(points))
	for _, p := range points {
		if p.Value == p.Value { // not a number is no measurement
			list = append(list, series.Point{At: p.At, Value: p.Value})
		}
	}
	if len(list) < 2 {
		return
	}
	m := causes.Metric{Service: service, Name: name, Meaning: meaning, Shape: series.Read(list, false), Points: list}
	d := r.w.draft(platform.EvidenceMetric, name+" of "+service, "metrics")
	d.From, d.To, d.Query = q.From, q.To, q.Expr
	d.writef("%s of %s: %d points, first %.6g, lowest %.6g, highest %.6g, last %.6g; %s", name, service, len(list), m.First, m.Min, m.Max, m.Last, m.Kind)
	if m.Kind != series.Flat {
		d.writef("%s at %s from %.6g to %.6g", m.Kind, stamp(m.Onset), m.Before, m.After)
	}
	m.Cite = r.w.freeze(d)
	r.f.Metrics = append(r.f.Metrics, m)
}

// alert freezes the rule that opened the incident, and what it measures from before to now.
func (r *run) alert() {
	in := r.f.Incident
	if in.Signal != platform.SignalAlert || in.Rule == "" {
		return
	}
	for _, rule := range r.f.Spec.AlertRules() {
		if rule.Name != in.Rule {
			continue
		}
		d := r.w.draft(platform.EvidenceEvents, "The alert rule "+rule.Name, "rules")
		d.write(r.oneLine(rule.Name+": "+rule.Title(), 400))
		if rule.Expr != "" {
			d.write(r.oneLine(rule.Expr, 1000))
		}
		if rule.Logs != nil {
			d.writef("%d lines or more in %s", rule.Logs.Count, time.Duration(rule.Logs.Window))
			d.write(r.oneLine(rule.Logs.Text+rule.Logs.Regex, 1000))
		}
		r.f.Alert = &causes.Alert{Rule: rule, Cite: r.w.freeze(d)}
		r.alertSeries(rule)
	}
}

// comparison is the limit at the end of a rule's expression.
var comparison = regexp.MustCompile(`\s*(?:[<>]=?|==|!=)\s*(?:bool\s+)?-?[\d.]+(?:[eE][+-]?\d+)?\s*$`)

// metricWord is a name in an expression that may be that of a metric.
var metricWord = regexp.MustCompile(`[a-zA-Z_:][\w:]*`)

func (r *run) alertSeries(rule platform.AlertRule) {
	if r.src.Metrics == nil || rule.Expr == "" {
		return
	}
	q, ok := r.figureQuery(comparison.ReplaceAllString(rule.Expr, ""), false)
	if !ok {
		return
	}
	q.Service = r.f.Incident.Service
	found, err := r.src.Metrics.Query(r.ctx, q)
	if err != nil {
		r.w.failed("what the alert rule measures", err)
		return
	}
	for _, s := range found {
		before := len(r.f.Metrics)
		if r.keep(r.f.Incident.Service, "what "+rule.Name+" measures", meaningOfExpr(rule.Expr), q, s.Points); len(r.f.Metrics) > before && r.f.Alert.Series == nil {
			m := r.f.Metrics[before]
			r.f.Alert.Series = &m
		}
	}
}

// meaningOfExpr is what an expression is about: the first of its names that means something.
func meaningOfExpr(expr string) series.Meaning {
	for _, word := range metricWord.FindAllString(expr, -1) {
		switch {
		case !strings.Contains(word, "_"):
			continue
		case strings.HasPrefix(word, observability.MetricLatencyHist), strings.HasPrefix(word, observability.MetricLatencySum):
			return series.Latency
		case word == "histogram_quantile", word == "absent_over_time":
			continue
		}
		if m := series.MeaningOf(word); m != series.Unknown {
			return m
		}
	}
	return series.Unknown
}

// preDeployLog reads what the command said that runs before a deploy, where it failed.
func (r *run) preDeployLog() {
	dep := r.f.Deploy
	if dep == nil || dep.Failure == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	lines, cut, ok := r.query("the log of the command before the deploy", observability.LogQuery{
		Project: r.f.Incident.Project, Deploy: string(dep.ID), Source: observability.SourcePreDeploy, Backward: true, Limit: r.opt.Lines / 2,
	})
	if !ok || len(lines) == 0 {
		return
	}
	d := r.w.draft(platform.EvidenceLogs, fmt.Sprintf("What the command before deploy %s said", dep.ID), "logs:pre-deploy/"+string(dep.ID))
	for i := range lines {
		if lines[i].Service == "" {
			lines[i].Service = r.f.Incident.Service
		}
	}
	r.freezeOwn(d, lines, cut)
}

package evidence

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// selector writes the label matchers of the incident's slot.
func (r *run) selector(metric string) string {
	in := r.f.Incident
	return fmt.Sprintf("%s{project=%s,environment=%s,service=%s}", metric, strconv.Quote(in.Project), strconv.Quote(in.Environment), strconv.Quote(in.Service))
}

// series evaluates an expression over the time around the onset.
func (r *run) series(what, expr string) ([]observability.Series, observability.MetricQuery, bool) {
	q := observability.MetricQuery{Expr: expr, From: r.previousEnd.Add(-r.opt.Before), To: r.w.now}
	if r.src.Metrics == nil {
		r.w.gap("metrics are not readable here")
		return nil, q, false
	}
	if q.From.After(q.To) {
		return nil, q, false
	}
	q.Step = max(time.Second, q.To.Sub(q.From)/240).Round(time.Second)
	out, err := r.src.Metrics.Query(r.ctx, q)
	if err != nil {
		r.w.failed(what, err)
		return nil, q, false
	}
	return out, q, true
}

// increase is how much a counter rose over its points. A counter that appears after the window began rose from 0, and
// one that falls was started again.
func increase(points []observability.Point, from time.Time, step time.Duration) float64 {
	if len(points) == 0 {
		return 0
	}
	total := 0.0
	if points[0].At.After(from.Add(2 * step)) {
		total = points[0].Value
	}
	for i := 1; i < len(points); i++ {
		if d := points[i].Value - points[i-1].Value; d >= 0 {
			total += d
		} else {
			total += points[i].Value
		}
	}
	return total
}

// routes counts requests by release and class of answer.
func (r *run) routes() {
	if r.f.Incident.Signal == platform.SignalBuildFailed || r.f.Incident.Signal == platform.SignalDeployFailed {
		return
	}
	series, q, ok := r.series("the request counts", r.selector(observability.MetricRequests))
	if !ok || len(series) == 0 {
		return
	}
	byRelease := map[int]*causes.Route{}
	classes := map[int]map[string]float64{}
	for _, s := range series {
		n, err := strconv.Atoi(strings.TrimPrefix(s.Labels["release"], "v"))
		if err != nil {
			continue
		}
		if byRelease[n] == nil {
			byRelease[n], classes[n] = &causes.Route{Release: n}, map[string]float64{}
		}
		rise := increase(s.Points, q.From, q.Step)
		byRelease[n].Requests += rise
		classes[n][s.Labels["class"]] += rise
		if s.Labels["class"] == "5xx" {
			byRelease[n].Failed += rise
		}
	}
	r.freezeRoutes(byRelease, classes, q)
}

func (r *run) freezeRoutes(byRelease map[int]*causes.Route, classes map[int]map[string]float64, q observability.MetricQuery) {
	d := r.w.draft(platform.EvidenceRoute, "Requests by release and class of answer", "metrics")
	d.From, d.To, d.Query = q.From, q.To, q.Expr
	numbers := make([]int, 0, len(byRelease))
	for n := range byRelease {
		numbers = append(numbers, n)
	}
	sort.Ints(numbers)
	for _, n := range numbers {
		route := byRelease[n]
		route.Cite = d.ID
		if n == r.suspectNumber() {
			route.Window = "since it went live"
		} else {
			route.Window = fmt.Sprintf("in the %s before", span(r.previousEnd.Sub(q.From)))
		}
		kinds := make([]string, 0, len(classes[n]))
		for c := range classes[n] {
			kinds = append(kinds, c)
		}
		sort.Strings(kinds)
		line := fmt.Sprintf("release v%d: %.0f requests, %.0f answered with 5xx", n, route.Requests, route.Failed)
		for _, c := range kinds {
			line += fmt.Sprintf(", %s %.0f", c, classes[n][c])
		}
		if d.write(line) {
			r.f.Routes = append(r.f.Routes, *route)
		}
	}
	r.w.freeze(d)
}

func span(d time.Duration) string {
	if m := int(d.Round(time.Minute) / time.Minute); m >= 1 {
		if m == 1 {
			return "minute"
		}
		return fmt.Sprintf("%d minutes", m)
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}

// memory reads how near each instance came to its limit.
func (r *run) memory() {
	if r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	used, q, ok := r.series("memory", r.selector(observability.MetricMemory))
	if !ok || len(used) == 0 {
		return
	}
	limits := map[string]float64{}
	if series, _, ok := r.series("memory limits", r.selector(observability.MetricMemoryLimit)); ok {
		for _, s := range series {
			if n := len(s.Points); n > 0 {
				limits[s.Labels["instance"]] = s.Points[n-1].Value
			}
		}
	}
	d := r.w.draft(platform.EvidenceMetric, "Memory of each instance, and its limit", "metrics")
	d.From, d.To, d.Query = q.From, q.To, q.Expr
	for _, s := range used {
		m := causes.Memory{Instance: s.Labels["instance"], Limit: limits[s.Labels["instance"]], Cite: d.ID}
		m.Release, _ = strconv.Atoi(strings.TrimPrefix(s.Labels["release"], "v"))
		if m.Release == 0 {
			m.Release = r.releaseOf(m.Instance)
		}
		if m.Limit == 0 && m.Release == r.suspectNumber() {
			m.Limit = float64(r.f.Spec.Resources.MemoryBytes)
		}
		for _, p := range s.Points {
			m.Peak = max(m.Peak, p.Value)
		}
		if len(s.Points) == 0 || !d.writef("instance %s of release v%d: first %.0f, highest %.0f, last %.0f, limit %.0f bytes",
			m.Instance, m.Release, s.Points[0].Value, m.Peak, s.Points[len(s.Points)-1].Value, m.Limit) {
			continue
		}
		r.f.Memory = append(r.f.Memory, m)
		r.shape(observability.MetricMemory, s, d.ID)
	}
	r.w.freeze(d)
}

// shape keeps a series with what its shape tells, for the rules that look at movement.
func (r *run) shape(name string, s observability.Series, cite platform.EvidenceID) {
	points := make([]series.Point, len(s.Points))
	for i, p := range s.Points {
		points[i] = series.Point{At: p.At, Value: p.Value}
	}
	r.f.Metrics = append(r.f.Metrics, causes.Metric{
		Service: r.f.Incident.Service, Name: name, Labels: s.Labels, Meaning: series.MeaningOf(name), Shape: series.Read(points, series.IsCounter(name)), Points: points, Cite: cite,
	})
}

func (r *run) releaseOf(instance string) int {
	for _, in := range r.f.Instances {
		if string(in.ID) == instance {
			return in.ReleaseNumber
		}
	}
	return 0
}

package triage

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/series"
)

// world is a bundle with what is looked up often.
type world struct {
	b        *bundle.Bundle
	end      time.Time // of everything that was recorded
	series   []*measured
	calls    map[string][]string // what a service depends on
	shared   map[string][]string // what shares a host or a disk with it
	services []string
	effects  map[string]effect
	works    []work
}

// measured is a series with what its name means.
type measured struct {
	bundle.Series
	meaning series.Meaning
	counter bool
	shape   *series.Shape
}

func newWorld(b *bundle.Bundle) *world {
	w := &world{b: b, calls: map[string][]string{}, shared: map[string][]string{}, effects: map[string]effect{}}
	seen := map[string]bool{}
	note := func(service string, at time.Time) {
		if service != "" && !seen[service] {
			seen[service] = true
			w.services = append(w.services, service)
		}
		if at.After(w.end) {
			w.end = at
		}
	}
	for _, s := range b.Metrics {
		if len(s.Points) == 0 {
			continue
		}
		w.series = append(w.series, &measured{Series: s, meaning: meaningOf(s.Metric), counter: series.IsCounter(s.Metric)})
		note(s.Service, s.Points[len(s.Points)-1].At)
	}
	for _, a := range b.Alerts {
		note(a.Service, a.At)
	}
	for _, o := range b.Open {
		note(o.Service, time.Time{})
	}
	for _, p := range b.Probes {
		note(p.Service, p.At)
	}
	note("", b.Logs.To)
	w.edges(note)
	sort.Strings(w.services)
	w.works = announcements(b.Changes)
	return w
}

// edges reads who depends on whom from the topology and from the spans.
func (w *world) edges(note func(string, time.Time)) {
	link := func(to map[string][]string, a, b string) {
		if a != b && !slices.Contains(to[a], b) {
			to[a] = append(to[a], b)
		}
	}
	for _, e := range w.b.Topology {
		note(e.From, time.Time{})
		note(e.To, time.Time{})
		if strings.HasPrefix(e.Kind, "shares") {
			link(w.shared, e.From, e.To)
			link(w.shared, e.To, e.From)
			continue
		}
		link(w.calls, e.From, e.To)
	}
	owner := map[string]string{}
	for _, s := range w.b.Spans {
		owner[s.TraceID+"/"+s.SpanID] = s.Service
	}
	for _, s := range w.b.Spans {
		note(s.Service, s.At)
		if parent := owner[s.TraceID+"/"+s.ParentID]; parent != "" {
			link(w.calls, parent, s.Service)
		}
	}
}

// maxHops bounds how far a failure is followed.
const maxHops = 6

// dependencies returns what a service depends on, directly or not, with the number of steps.
func (w *world) dependencies(service string) map[string]int {
	out := map[string]int{}
	layer := []string{service}
	for hop := 1; hop <= maxHops && len(layer) > 0; hop++ {
		var next []string
		for _, from := range layer {
			for _, to := range w.calls[from] {
				if _, known := out[to]; !known && to != service {
					out[to] = hop
					next = append(next, to)
				}
			}
		}
		layer = next
	}
	return out
}

// read prepares an alert: what it is about, its series, and since when the condition holds.
func (w *world) read(a *bundle.Alert) *judged {
	j := &judged{Decision: Decision{Alert: a.ID}, alert: a, about: aboutAlert(a), onset: a.At}
	j.series = w.seriesOf(j)
	if s := j.series; s != nil && j.about.chatty != cost {
		if shape := s.read(); shape.Kind != series.Flat && !shape.Onset.IsZero() && (a.At.IsZero() || !shape.Onset.After(a.At)) {
			j.onset, j.exact = shape.Onset, true
		}
	}
	return j
}

// seriesOf finds the series of an alert: by the metric's name, or by what it is about where no metric is named.
func (w *world) seriesOf(j *judged) *measured {
	a := j.alert
	var best *measured
	for _, s := range w.series {
		if s.Service != a.Service && s.Service != "" {
			continue
		}
		fits := a.Metric != "" && strings.EqualFold(s.Metric, a.Metric) ||
			a.Metric == "" && s.meaning != series.Unknown && len(j.about.topics) > 0 && meaningTopics[s.meaning] == j.about.topics[0]
		if fits && (best == nil || worse(s, best)) {
			best = s
		}
	}
	return best
}

// worse picks among several series of one name, such as those of several instances, the one that moved further.
func worse(a, b *measured) bool {
	return moved(a) > moved(b)
}

func moved(m *measured) float64 {
	s := m.read()
	return math.Abs(s.Last-s.First) / math.Max(math.Abs(s.Max), 1e-9)
}

func (m *measured) read() series.Shape {
	if m.shape == nil {
		points := make([]series.Point, len(m.Points))
		for i, p := range m.Points {
			points[i] = series.Point{At: p.At, Value: p.Value}
		}
		s := series.Read(points, m.counter)
		m.shape = &s
	}
	return *m.shape
}

// cite names a series with the stretch of time that was looked at.
func (m *measured) cite() string {
	return fmt.Sprintf("metric:%s/%s@%s..%s", m.Service, m.Metric, stamp(m.Points[0].At), stamp(m.Points[len(m.Points)-1].At))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// values returns the points since a time; those of a running total as rates.
func (m *measured) since(from time.Time) []bundle.Point {
	points := m.Points
	if m.counter && m.read().Counter {
		points = rates(points)
	}
	i := sort.Search(len(points), func(i int) bool { return !points[i].At.Before(from) })
	return points[i:]
}

func rates(points []bundle.Point) []bundle.Point {
	var out []bundle.Point
	for i := 1; i < len(points); i++ {
		seconds := points[i].At.Sub(points[i-1].At).Seconds()
		rise := points[i].Value - points[i-1].Value
		if seconds <= 0 {
			continue
		}
		if rise < 0 {
			rise = points[i].Value
		}
		out = append(out, bundle.Point{At: points[i].At, Value: rise / seconds})
	}
	return out
}

// lowWords are words of a metric or alert that is bad when it is low.
var lowWords = []string{" free ", " avail ", " available ", " left ", " remaining ", " headroom ", " success ", " availability ", " low ", " below ", " ready ", " up "}

// lowMeanings are what a metric that is bad when it is low may mean.
var lowMeanings = []series.Meaning{
	series.CertDays, series.DiskFree, series.Success, series.CacheHits, series.Up, series.Replicas, series.Processed,
}

// lowIsBad reports whether the alert fires below its threshold rather than above.
func (j *judged) lowIsBad() bool {
	if slices.Contains(lowMeanings, j.about.meaning) {
		return true
	}
	words := " " + plain(j.alert.Name+" "+j.alert.Metric)
	return slices.ContainsFunc(lowWords, func(l string) bool { return strings.Contains(words, l) })
}

// beyond returns how far a value is past the threshold, as a ratio; 1 is on it, less is in the band. ok is false where
// no threshold is known.
func (j *judged) beyond(v float64) (ratio float64, ok bool) {
	if j.alert.Threshold == nil {
		return 0, false
	}
	limit := *j.alert.Threshold
	if j.lowIsBad() {
		v, limit = limit, v
	}
	const tiny = 1e-9
	if limit <= tiny {
		if v <= tiny {
			return 1, true
		}
		return math.Inf(1), true
	}
	return v / limit, true
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	return s[len(s)/2]
}

// share reads a share that may be written as percent.
func share(metric string, v, largest float64) float64 {
	words := " " + plain(metric)
	for _, percent := range []string{" percent ", " pct ", " percentage "} {
		if strings.Contains(words, percent) {
			return v / 100
		}
	}
	if largest > 1.5 {
		return v / 100
	}
	return v
}

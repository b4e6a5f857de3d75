package causes

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// world is the facts about every service, put in order for the rules that look beyond the suspect.
type world struct {
	f        *Facts
	from, to time.Time // of the lines
	detected time.Time
	onset    time.Time // when the symptom began, as well as all signs together tell
	talks    []*voice
	metrics  []*Metric
	suspects []*candidate
	services []string
	needs    map[string][]string // whom a service depends on
	neededBy map[string][]string
	sharing  map[string][]string // services that share a host or a disk
	usual    float64             // what counted patterns give for one that comes as often as before; 0 when they give differences
}

// voice is a Talk with how new it is.
type voice struct {
	*Talk
	before, since int
	novelty       float64 // 1: it came with the fault; near 0: it was always there
	matches       []match
}

func newWorld(f *Facts) *world {
	w := &world{f: f, needs: map[string][]string{}, neededBy: map[string][]string{}, sharing: map[string][]string{}}
	w.detected = f.Incident.OpenedAt
	if w.detected.IsZero() {
		w.detected = f.Now
	}
	w.adopt()
	w.chart()
	w.listen()
	for i := range f.Metrics {
		w.metrics = append(w.metrics, &f.Metrics[i])
	}
	w.baseline()
	w.accompany()
	w.onset = w.findOnset()
	for _, v := range w.talks {
		w.weigh(v)
	}
	w.suspects = candidates(w)
	w.list()
	return w
}

// adopt takes the suspect's own instances and their probes where those of every service were not read.
func (w *world) adopt() {
	if len(w.f.Fleet) > 0 || len(w.f.Instances) == 0 {
		return
	}
	own := *w.f
	for _, in := range w.f.Instances {
		in.Service = w.f.Incident.Service
		own.Fleet = append(own.Fleet, in)
		for _, p := range in.Probes {
			own.Checks = append(own.Checks, Check{Probe: p, Service: in.Service, Path: w.f.Spec.Health.Path, Cite: in.ProbesCite})
		}
	}
	w.f = &own
}

// chart reads who depends on whom: what was declared and what spans show.
func (w *world) chart() {
	add := func(from, to string) {
		if from != to && from != "" && to != "" && !slices.Contains(w.needs[from], to) {
			w.needs[from] = append(w.needs[from], to)
			w.neededBy[to] = append(w.neededBy[to], from)
		}
	}
	for _, e := range w.f.Edges {
		switch e.Kind {
		case platform.EdgeSharesHost, platform.EdgeSharesDisk:
			w.sharing[e.From] = append(w.sharing[e.From], e.To)
			w.sharing[e.To] = append(w.sharing[e.To], e.From)
		default:
			add(e.From, e.To)
		}
	}
	owner := map[string]string{}
	for _, s := range w.f.Spans {
		owner[s.TraceID+"/"+s.SpanID] = s.Service
	}
	for _, s := range w.f.Spans {
		if parent, ok := owner[s.TraceID+"/"+s.ParentID]; ok {
			add(parent, s.Service)
		}
		add(s.Service, firstOf(s.Attributes, "peer.service", "server.service"))
	}
}

func firstOf(m map[string]string, keys ...string) string {
	for _, k := range keys {
		if m[k] != "" {
			return m[k]
		}
	}
	return ""
}

// listen takes the folded lines, and folds the suspect's own where only those were read.
func (w *world) listen() {
	for i := range w.f.Talk {
		w.hear(&w.f.Talk[i])
	}
	if len(w.f.Talk) > 0 {
		return
	}
	index := map[string]*Talk{}
	for _, l := range w.f.Lines {
		w.fold(index, l, l.Cite)
	}
	for _, l := range w.f.PreviousLines { // not all of them stand in their item: they are counted, and not quoted
		w.fold(index, l, "")
	}
}

// fold counts a line in the talk of lines like it.
func (w *world) fold(index map[string]*Talk, l Line, cite platform.EvidenceID) {
	key := l.Service + "\x00" + l.Level + "\x00" + skeleton(l.Text)
	t, ok := index[key]
	if !ok {
		t = &Talk{Service: l.Service, Level: l.Level, Text: l.Text, First: l.At, Last: l.At, Buckets: map[int64]int{}, Releases: map[string]int{}, Cite: cite}
		index[key] = t
		w.hear(t)
	}
	t.Count++
	t.Buckets[l.At.Unix()/int64(TalkBucket/time.Second)]++
	if l.At.Before(t.First) {
		t.First = l.At
	}
	if l.At.Before(w.from) {
		w.from = l.At
	}
	t.Last, w.to = maxTime(t.Last, l.At), maxTime(w.to, l.At)
	if l.Release > 0 {
		t.Releases[fmt.Sprintf("v%d", l.Release)]++
	}
}

func (w *world) hear(t *Talk) {
	w.talks = append(w.talks, &voice{Talk: t})
	if t.Counted {
		return
	}
	if w.from.IsZero() || t.First.Before(w.from) {
		w.from = t.First
	}
	w.to = maxTime(w.to, t.Last)
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// baseline finds whether the patterns that were counted elsewhere tell their rise as a ratio: then most of them stand near one.
func (w *world) baseline() {
	var deltas []float64
	for _, v := range w.talks {
		if v.Counted && v.Delta != nil {
			deltas = append(deltas, *v.Delta)
		}
	}
	if len(deltas) < 4 {
		return
	}
	if m := middle(deltas); m > 0.4 && m < 2.5 {
		w.usual = m
	}
}

// accompany gives counted patterns that came as often and at the same time as each other's texts: they are lines of one trace.
func (w *world) accompany() {
	for _, v := range w.talks {
		if !v.Counted || v.First.IsZero() {
			continue
		}
		for _, o := range w.talks {
			if o != v && o.Counted && o.Service == v.Service && o.Count == v.Count && o.First.Equal(v.First) && len(v.Others) < 12 {
				v.Others = append(v.Others, o.Text)
			}
		}
	}
}

// skeleton is a line without its numbers.
func skeleton(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// findOnset joins what tells when it began: the rise of error lines, and the steps of symptom metrics near the detection.
func (w *world) findOnset() time.Time {
	onset := w.detected
	if at := w.f.Incident.OnsetAt; !at.IsZero() && at.Before(onset) {
		onset = at
	}
	if at, ok := w.errorOnset(); ok && at.Before(onset) {
		onset = at
	}
	for _, m := range w.metrics {
		switch m.Meaning {
		case series.Errors, series.ErrorShare, series.Latency, series.Timeouts, series.Restarts, series.Success:
			if m.Kind != series.Flat && m.Onset.Before(onset) && m.Onset.After(w.detected.Add(-3*time.Hour)) && m.Z > 8 {
				onset = m.Onset
			}
		default:
		}
	}
	return onset
}

// errorOnset is where error lines began to come more often.
func (w *world) errorOnset() (time.Time, bool) {
	if w.to.Sub(w.from) < 2*time.Minute {
		return time.Time{}, false
	}
	width := max(30*time.Second, w.to.Sub(w.from)/120)
	n := int(w.to.Sub(w.from)/width) + 1
	counts := make([]series.Point, n)
	for i := range counts {
		counts[i].At = w.from.Add(time.Duration(i) * width)
	}
	total := 0
	for _, v := range w.talks {
		if !v.Grave() || v.Counted {
			continue
		}
		for slot, c := range v.Buckets {
			i := int(time.Unix(slot*int64(TalkBucket/time.Second), 0).Sub(w.from) / width)
			counts[min(max(i, 0), n-1)].Value += float64(c)
			total += c
		}
	}
	shape := series.Read(counts, false)
	if total < 3 || shape.Kind == series.Flat || shape.After < shape.Before {
		return time.Time{}, false
	}
	return shape.Onset, true
}

// weigh says how new a voice is: whether its lines came with the onset or were always there.
func (w *world) weigh(v *voice) {
	v.matches = matches(v.Text)
	if v.Counted {
		v.novelty = 0.8
		switch {
		case v.Delta != nil && w.usual > 0 && *v.Delta < 2.5*w.usual: // the usual rate, as most of the others
			v.novelty = 0.3
		case v.Delta != nil && *v.Delta > 0.5:
			v.novelty = 1
		case v.Delta != nil && *v.Delta <= 0.1, v.Delta == nil && !v.First.IsZero() && v.First.Before(w.onset.Add(-30*time.Minute)):
			v.novelty = 0.3
		}
		v.since = v.Count
		return
	}
	pivot := w.onset.Add(-time.Minute)
	for slot, c := range v.Buckets {
		if time.Unix((slot+1)*int64(TalkBucket/time.Second), 0).After(pivot) {
			v.since += c
		} else {
			v.before += c
		}
	}
	past, present := pivot.Sub(w.from).Seconds(), w.to.Sub(pivot).Seconds()
	if past < 60 || past < 0.05*present {
		v.novelty = 0.85 // there is nothing to compare with
		return
	}
	if v.before == 0 {
		v.novelty = 1
		return
	}
	quiet := v.First.Sub(w.from).Seconds() // how long it was not heard at first
	if quiet > 0.3*past && quiet > 120 {
		v.novelty = 0.95
		return
	}
	switch ratio := (float64(v.since) + 0.25) / max(present, 60) / ((float64(v.before) + 0.5) / past); {
	case ratio >= 4:
		v.novelty = 0.9
	case ratio >= 2:
		v.novelty = 0.6
	default:
		v.novelty = 0.2
	}
}

// list names every service that anything is known about.
func (w *world) list() {
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			w.services = append(w.services, name)
		}
	}
	add(w.f.Incident.Service)
	for _, v := range w.talks {
		add(v.Service)
	}
	for _, m := range w.metrics {
		add(m.Service)
	}
	for _, in := range w.f.Fleet {
		add(in.Service)
	}
	for _, s := range w.f.Spans {
		add(s.Service)
	}
	for _, e := range w.f.Edges {
		add(e.From)
		add(e.To)
	}
	for _, n := range w.f.Neighbours {
		add(n.Name)
	}
	sort.Strings(w.services)
}

// known reports whether a name is a service of the world.
func (w *world) known(name string) bool { return slices.Contains(w.services, name) }

// observed reports whether anything but its name is known of a service: one that only others speak of lies outside.
func (w *world) observed(name string) bool {
	for _, v := range w.talks {
		if v.Service == name {
			return true
		}
	}
	for _, m := range w.metrics {
		if m.Service == name {
			return true
		}
	}
	for _, in := range w.f.Fleet {
		if in.Service == name {
			return true
		}
	}
	return false
}

// serviceOf finds the service that a host name stands for: redis-0.redis.svc means redis.
func (w *world) serviceOf(host string) string {
	host = strings.ToLower(strings.Trim(host, ".[]"))
	best := ""
	for _, s := range w.services {
		l := strings.ToLower(s)
		if host == l {
			return s
		}
		if len(l) > len(best) && (strings.HasPrefix(host, l+".") || strings.HasPrefix(host, l+"-") || strings.Contains(host, "."+l+".") || strings.HasPrefix(host, l+":")) {
			best = s
		}
	}
	return best
}

// reaches reports whether one service depends on another, at any distance.
func (w *world) reaches(from, to string) bool { return w.distance(from, to) > 0 }

// distance is how many edges lie between a service and one it depends on; 0 when it does not.
func (w *world) distance(from, to string) int {
	seen, layer := map[string]bool{from: true}, []string{from}
	for depth := 1; len(layer) > 0 && depth < 12; depth++ {
		var next []string
		for _, s := range layer {
			for _, n := range w.needs[s] {
				if n == to {
					return depth
				}
				if !seen[n] {
					seen[n] = true
					next = append(next, n)
				}
			}
		}
		layer = next
	}
	return 0
}

// of returns the series of a service with one of the meanings, or with any when none is given.
func (w *world) of(service string, meanings ...series.Meaning) []*Metric {
	var out []*Metric
	for _, m := range w.metrics {
		if (service == "" || m.Service == service) && (len(meanings) == 0 || slices.Contains(meanings, m.Meaning)) {
			out = append(out, m)
		}
	}
	return out
}

// current reports whether a movement belongs to this incident: it began before the detection and is not over long since.
func (w *world) current(m *Metric) bool {
	return m.Kind != series.Flat && !m.Onset.After(w.detected.Add(10*time.Minute))
}

// risen returns the series of a service that rose by a factor.
func (w *world) risen(service string, factor float64, meanings ...series.Meaning) *Metric {
	var best *Metric
	for _, m := range w.of(service, meanings...) {
		if w.current(m) && m.Up() && m.Ratio() >= factor && (best == nil || steeper(m, best)) {
			best = m
		}
	}
	return best
}

// steeper reports whether one series rose more than another; of counts of requests, one that had a level to rise from tells more.
func steeper(m, than *Metric) bool {
	if m.Meaning == series.Requests && surge(m) != surge(than) {
		return surge(m)
	}
	return m.Ratio() > than.Ratio()
}

// fallen is the same of one that fell.
func (w *world) fallen(service string, factor float64, meanings ...series.Meaning) *Metric {
	var best *Metric
	for _, m := range w.of(service, meanings...) {
		if w.current(m) && m.Down() && m.Ratio() <= 1/factor && (best == nil || m.Ratio() < best.Ratio()) {
			best = m
		}
	}
	return best
}

package causes

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// load finds faults of too much or too slow work: surges, storms, queues, caches, neighbours, latency and standstill.
func (d *docket) load() {
	d.traffic()
	d.queues()
	d.caches()
	d.expiries()
	d.neighbours()
	d.refusals()
	d.floods()
	d.standstill()
	d.latency()
}

// traffic tells a surge of users from a storm of retries: a storm multiplies on its way down, a surge does not.
func (d *docket) traffic() {
	for _, s := range d.w.services {
		requests := d.w.risen(s, 1.5, series.Requests)
		retries := d.w.risen(s, 2, series.Retries)
		if retries != nil && retries.Kind != series.Bump {
			d.say(retries, platform.CategoryRetryStorm, 0.5, movement(retries), false)
		}
		if out := d.w.risen(s, 1.8, series.Outgoing); out != nil && out.Kind != series.Bump && (requests == nil || requests.Ratio() < 0.6*out.Ratio()) {
			l := d.say(out, platform.CategoryRetryStorm, 0.66, movement(out)+" Its own requests did not rise as much.", true)
			l.others = append(l.others, d.w.needs[s]...)
		}
		if requests == nil || !surge(requests) || requests.Kind == series.Bump && requests.Last < 1.3*requests.Before {
			continue
		}
		callers := d.w.neededBy[s]
		measured, above := 0, (*Metric)(nil)
		for _, c := range callers {
			for _, m := range d.w.of(c, series.Requests) {
				measured++
				if d.w.current(m) && m.Up() && (above == nil || m.Ratio() > above.Ratio()) {
					above = m
				}
			}
		}
		switch {
		case measured > 0 && (above == nil || above.Ratio() < 0.6*requests.Ratio()):
			l := d.say(requests, platform.CategoryRetryStorm, 0.55, movement(requests)+" Its callers' own requests did not rise as much.", false)
			l.others = append(l.others, callers...)
		case measured == 0 || above == nil:
			if retries == nil && len(d.w.risenAnywhere(series.Retries)) == 0 {
				at := s
				if named := d.w.f.Incident.Service; named != s && d.w.reaches(s, named) {
					at = named // the door is not what fails behind it
				}
				d.add(platform.CategoryTrafficSurge, at, sign{
					score: math.Min(0.72, 0.48+0.06*requests.Ratio()), text: movement(requests), cite: requests.Cite, onset: requests.Onset, says: inSentence(movement(requests)), direct: true,
				})
			}
		}
	}
}

func (w *world) risenAnywhere(meanings ...series.Meaning) []*Metric {
	var out []*Metric
	for _, s := range w.services {
		if m := w.risen(s, 1.5, meanings...); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// queues tells a backlog from a poison message: the same message again and again, dead letters, and workers that scale in vain.
func (d *docket) queues() {
	for _, m := range d.w.metrics {
		switch m.Meaning {
		case series.QueueDepth, series.QueueAge:
			if d.w.current(m) && m.Up() && m.Ratio() >= 1.8 && m.Kind != series.Bump {
				d.say(m, platform.CategoryQueueBacklog, 0.58, movement(m), true)
			}
		case series.DeadLetters:
			if d.w.current(m) && m.Up() && m.Kind != series.Bump {
				d.say(m, platform.CategoryPoisonMessage, 0.5, movement(m), false)
			}
		default:
		}
	}
	for _, v := range d.w.talks {
		if !v.Grave() && v.Level != "warn" || v.Count < 3 || v.novelty < 0.5 {
			continue
		}
		if id, ok := sameMessage(v); ok {
			d.add(platform.CategoryPoisonMessage, v.Service, sign{
				score: 0.72, text: fmt.Sprintf("The same message is tried again and again: %s stands in lines from %s to %s.", id, clock(v.First), clock(v.Last)),
				quote: id, cite: v.Cite, onset: v.First, says: "one message fails again and again", direct: true,
			})
		}
	}
}

// sameMessage finds an id that stays the same in every example of a failing line about a message.
func sameMessage(v *voice) (string, bool) {
	text := jsonKey.ReplaceAllString(v.Text, " ")
	lower := strings.ToLower(text)
	if !v.Grave() && !containsAnyOf(lower, "fail", "error", "retry", "retries", "requeue", "redeliver", "reject", "attempt", "nack", "exception") {
		return "", false
	}
	if len(v.Others) == 0 || !containsAnyOf(lower, "message", "msg", "job", "task", "offset", "delivery", "event", "record", "queue", "payload") {
		return "", false
	}
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n,;:=()[]{}\"'`", r) })
	for i, f := range fields {
		if !namesMessage(fields, i) {
			continue
		}
		same := 0
		for _, o := range v.Others {
			if containsWord(o, f) && o != v.Text || containsWord(o, f) {
				same++
			}
		}
		if same == len(v.Others) && v.Last.Sub(v.First) > 5*time.Second {
			return f, true
		}
	}
	return "", false
}

// namesMessage reports whether a word of a line is the id of a message: it holds a digit, and the words before say what it is.
func namesMessage(fields []string, i int) bool {
	f := fields[i]
	if len(f) < 4 || !strings.ContainsAny(f, "0123456789") || i == 0 || strings.Contains(f, "/") || strings.Count(f, ".") > 0 || strings.Count(f, ":") > 0 || strings.Contains(f, "T0") || strings.Contains(f, "T1") || strings.Contains(f, "T2") {
		return false
	}
	before := strings.ToLower(strings.Join(fields[max(0, i-3):i], " "))
	return containsAnyOf(before, "message", "msg", "job", "task", "offset", "delivery", "event", "record", "tag", "msgid", "message_id")
}

func containsAnyOf(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// caches finds a cache that lost its contents while what lies behind it was overrun.
func (d *docket) caches() {
	if d.w.f.live() {
		d.stampede()
		return
	}
	for _, m := range d.w.metrics {
		lost := m.Meaning == series.CacheHits && d.w.current(m) && m.Down() && m.Ratio() <= 0.75 ||
			m.Meaning == series.CacheMisses && d.w.current(m) && m.Up() && m.Ratio() >= 2 || m.Meaning == series.Evictions && d.w.current(m) && m.Up() && m.Ratio() >= 4
		if !lost {
			continue
		}
		score := 0.52
		for _, s := range d.w.services {
			if d.w.risen(s, 1.5, series.DBQueries, series.DBCPU, series.Latency, series.Connections, series.PoolWait) != nil {
				score += 0.1
				break
			}
		}
		if m.Meaning == series.CacheHits {
			score += 0.06
		}
		l := d.say(m, platform.CategoryCacheStampede, score, movement(m), true)
		l.others = append(append(l.others, d.w.neededBy[m.Service]...), d.w.needs[m.Service]...)
	}
}

// expiries finds a cache that loses its contents again and again while what lies behind it suffers each time.
func (d *docket) expiries() {
	for _, m := range d.w.metrics {
		if m.Meaning != series.CacheHits && m.Meaning != series.CacheMisses && m.Meaning != series.Evictions {
			continue
		}
		spells := m.spells()
		if len(spells) < 2 {
			continue
		}
		text := fmt.Sprintf("%s of %s leaves its level %d times, first at %s.", m.Name, m.Service, len(spells), clock(spells[0]))
		l := d.add(platform.CategoryCacheStampede, m.Service, sign{score: 0.62, text: text, cite: m.Cite, onset: spells[0], says: inSentence(text), direct: true})
		l.slow = true
		l.others = append(append(l.others, d.w.neededBy[m.Service]...), d.w.needs[m.Service]...)
	}
}

// spells lists when a series left its level and came back, with calm between: twice for long, or again and again at an even
// pace, be it for one point only. A single leap is no spell.
func (m *Metric) spells() []time.Time {
	far, limit := m.far()
	var starts, long []int
	calm := len(far)
	for i, f := range far {
		if f <= limit {
			calm++
			continue
		}
		switch {
		case calm >= 3:
			starts = append(starts, i)
		case calm == 0 && len(starts) > 0 && starts[len(starts)-1] == i-1:
			long = append(long, i-1)
		}
		calm = 0
	}
	if len(long) < 2 && !even(starts) {
		return nil
	}
	if len(long) >= 2 {
		starts = long
	}
	out := make([]time.Time, len(starts))
	for i, at := range starts {
		out[i] = m.Points[at].At
	}
	return out
}

// far is how far each point of a series lies from its median, and from where on that is much.
func (m *Metric) far() ([]float64, float64) {
	if len(m.Points) < 12 {
		return nil, 0
	}
	values := make([]float64, len(m.Points))
	for i, p := range m.Points {
		values[i] = p.Value
	}
	level := middle(values)
	far := make([]float64, len(values))
	for i, v := range values {
		far[i] = math.Abs(v - level)
	}
	share := 2.0
	if m.Meaning == series.CacheHits {
		share = 0.5
	}
	return far, max(10*middle(far), share*math.Abs(level))
}

// even reports whether three places or more lie equally far from each other.
func even(at []int) bool {
	if len(at) < 3 {
		return false
	}
	least, most := at[1]-at[0], at[1]-at[0]
	for i := 2; i < len(at); i++ {
		least, most = min(least, at[i]-at[i-1]), max(most, at[i]-at[i-1])
	}
	return most-least <= 1+least/4
}

// neighbours finds services that share a host and are slowed by one of them.
func (d *docket) neighbours() {
	if d.w.f.live() {
		d.crowd()
		return
	}
	for _, m := range d.w.metrics {
		throttled := m.Meaning == series.Throttling && d.w.current(m) && m.Up() && m.Ratio() >= 2
		host := m.Meaning == series.HostCPU && d.w.current(m) && m.Up() && m.Ratio() >= 1.4
		if !throttled && !host {
			continue
		}
		mates := d.w.sharing[m.Service]
		if len(mates) == 0 && machine(d.w, m.Service) { // nobody says what runs on it: whatever shares a host may
			mates = slices.Sorted(maps.Keys(d.w.sharing))
		}
		offender, peers := d.offender(m.Service, mates)
		score := 0.42
		if throttled {
			score += 0.08
		}
		if len(mates) > 0 {
			score += 0.08
		}
		if d.w.risen(m.Service, 1.4, series.Requests) == nil {
			score += 0.06
		}
		service := m.Service
		if offender != nil {
			score += 0.14
			service = offender.Service
		}
		l := d.add(platform.CategoryNoisyNeighbour, service, sign{score: score, text: movement(m), cite: m.Cite, onset: m.Onset, says: inSentence(movement(m)), direct: true})
		l.slack = maxDuration(l.slack, stepOf(m))
		if offender != nil {
			l.claims = append(l.claims, withClaims(claim("On the same host, "+movement(offender), "", offender.Cite))...)
			if offender.Onset.Before(l.onset) {
				l.onset = offender.Onset
			}
		}
		if offender == nil {
			l.others = append(l.others, peers...)
		}
		l.known = l.known || offender != nil
	}
}

// offender is the service on the same host whose own use of the CPU rose the most.
func (d *docket) offender(service string, mates []string) (*Metric, []string) {
	peers := append([]string(nil), mates...)
	for _, m := range mates {
		for _, p := range d.w.sharing[m] {
			if p != service && !slices.Contains(peers, p) {
				peers = append(peers, p)
			}
		}
	}
	var best *Metric
	for _, p := range append([]string{service}, peers...) {
		if m := d.w.risen(p, 1.5, series.CPU, series.DiskIO); m != nil && (best == nil || m.Ratio() > best.Ratio()) {
			best = m
		}
	}
	if best != nil && best.Service == service && len(peers) > 0 {
		return nil, peers
	}
	return best, peers
}

// refusals reads counts of refusals, lookups and large requests.
func (d *docket) refusals() {
	for _, m := range d.w.metrics {
		switch m.Meaning {
		case series.RateLimited:
			d.rise(m, platform.CategoryRateLimited, 0.5, 2)
		case series.DNSErrors:
			d.rise(m, platform.CategoryDNSFailure, 0.52, 2)
		case series.BodySize:
			d.rise(m, platform.CategoryRequestTooLarge, 0.4, 1.8)
		case series.Errors, series.ErrorShare:
			if d.w.current(m) && m.Up() && m.Ratio() >= 1.5 {
				d.say(m, platform.CategoryCodeError, 0.26, movement(m), false)
			}
		default:
		}
	}
}

// floods counts lines: a service that suddenly says very much, most of it of little weight.
func (d *docket) floods() {
	type flood struct {
		before, since, loud int
		top                 *voice
	}
	count := map[string]*flood{}
	pivot := d.w.onset.Add(-time.Minute)
	for _, v := range d.w.talks {
		if v.Counted {
			continue
		}
		f := count[v.Service]
		if f == nil {
			f = &flood{}
			count[v.Service] = f
		}
		f.before += v.before
		f.since += v.since
		if v.Grave() {
			f.loud += v.since
		}
		if f.top == nil || v.since > f.top.since {
			f.top = v
		}
	}
	past, present := pivot.Sub(d.w.from).Seconds(), d.w.to.Sub(pivot).Seconds()
	if past < 60 || present < 30 {
		return
	}
	for _, s := range d.w.services {
		f := count[s]
		if f == nil || f.since < 200 || f.loud*2 > f.since {
			continue
		}
		ratio := float64(f.since) / present / (float64(f.before+1) / past)
		if ratio < 5 {
			continue
		}
		d.add(platform.CategoryLogFlood, s, sign{
			score: math.Min(0.72, 0.4+0.06*math.Log2(ratio)), text: fmt.Sprintf("%s writes %.0f times as many lines as before, most of them like this one.", s, ratio), quote: firstLine(f.top.Text),
			cite: f.top.Cite, onset: f.top.First, says: "it floods its log", direct: true,
		})
	}
}

// standstill finds a service that does nothing: no CPU, no work, no words, and yet it runs.
func (d *docket) standstill() {
	for _, s := range d.w.services {
		idle := d.w.fallen(s, 4, series.CPU)
		stopped := d.w.fallen(s, 4, series.Requests, series.Processed)
		if idle == nil && stopped == nil || !d.running(s) && len(d.w.f.Fleet) > 0 {
			continue
		}
		score, m := 0.32, stopped
		if idle != nil && stopped != nil {
			score, m = 0.55, idle
		} else if idle != nil {
			m = idle
		}
		if d.w.risen(s, 1.3, series.Threads, series.QueueDepth, series.QueueAge, series.Latency, series.Timeouts) != nil {
			score += 0.1
		}
		if d.silent(s) {
			score += 0.14
		}
		d.say(m, platform.CategoryHang, score, movement(m), score >= 0.55)
	}
}

// silent reports whether a service that used to speak has stopped.
func (d *docket) silent(service string) bool {
	last, lines := time.Time{}, 0
	for _, v := range d.w.talks {
		if v.Service == service && !v.Counted {
			last = maxTime(last, v.Last)
			lines += v.Count
		}
	}
	return lines >= 5 && d.w.to.Sub(last) > 2*time.Minute && !last.Before(d.w.onset.Add(-10*time.Minute))
}

// latency finds the service that became slow by itself: none of those it waits for did.
func (d *docket) latency() {
	slow := map[string]*Metric{}
	for _, s := range d.w.services {
		if m := d.w.risen(s, 1.4, series.Latency); m != nil && (m.Kind != series.Bump || m.Last > 1.25*m.Before) {
			slow[s] = m
		}
	}
	own := d.selfTimes()
	for _, s := range d.w.services {
		m := slow[s]
		if m == nil {
			continue
		}
		below := ""
		for _, n := range d.w.services {
			if n != s && (slow[n] != nil || own[n] >= 3) && d.w.reaches(s, n) {
				below = n
			}
		}
		score := 0.5
		switch {
		case below != "" && own[s] < 2:
			score = 0.2
		case d.w.risen(s, 1.4, series.Requests) != nil:
			score = 0.3
		}
		if own[s] >= 2 {
			score += 0.12
		}
		d.say(m, platform.CategoryLatencyRegression, score, movement(m), false)
	}
	for _, s := range d.w.services {
		if own[s] >= 2 && slow[s] == nil {
			score := 0.45
			if own[s] >= 3 {
				score = 0.56
			}
			d.add(platform.CategoryLatencyRegression, s, sign{score: score, text: fmt.Sprintf("The time that %s itself takes for a call grew %.1f times.", s, own[s]), cite: d.citeOfSpans(s), says: "its own time grew"})
		}
	}
}

// selfTimes says how much the time that each service itself takes grew since the onset: the time of its spans less that
// of the spans below them.
func (d *docket) selfTimes() map[string]float64 {
	below := map[string]time.Duration{}
	for _, s := range d.w.f.Spans {
		below[s.TraceID+"/"+s.ParentID] += s.Took.D()
	}
	before, since := map[string][]float64{}, map[string][]float64{}
	for _, s := range d.w.f.Spans {
		self := math.Max(0, (s.Took.D()-below[s.TraceID+"/"+s.SpanID]).Seconds()) + 0.0005
		if s.At.Before(d.w.onset.Add(-30 * time.Second)) {
			before[s.Service] = append(before[s.Service], self)
		} else {
			since[s.Service] = append(since[s.Service], self)
		}
	}
	out := map[string]float64{}
	for s, after := range since {
		if len(after) >= 3 && len(before[s]) >= 3 {
			if a, b := middle(after), middle(before[s]); a-b > 0.01 {
				out[s] = a / b
			}
		}
	}
	return out
}

func middle(x []float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[len(s)/2]
}

func (d *docket) citeOfSpans(service string) platform.EvidenceID {
	for _, s := range d.w.f.Spans {
		if s.Service == service {
			return s.Cite
		}
	}
	return ""
}

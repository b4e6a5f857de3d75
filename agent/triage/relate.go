package triage

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
)

const (
	together  = 30 * time.Minute // alerts of one cause come within
	recent    = 2 * time.Hour    // an incident explains other symptoms for so long
	seenEarly = 2 * time.Minute  // slack where series show the order
	toldLate  = 10 * time.Minute // slack where only alerts do: rules wait for different times
	alike     = 0.6              // of the words of two patterns
	unlike    = 0.34
)

// coveredByIncident suppresses an alert that an open incident is about already, or whose cause one is.
func (w *world) coveredByIncident(j *judged) bool {
	for _, o := range w.b.Open {
		if why := w.sameIncident(j, o); why != "" {
			j.duplicate(Duplicate, o.ID, fmt.Sprintf("The open incident %s is about the same: %s.", o.ID, why))
			return true
		}
	}
	deps := w.dependencies(j.alert.Service)
	best, hops := -1, maxHops+1
	for i, o := range w.b.Open {
		n, depends := deps[o.Service]
		if !depends || o.Service == "" || n >= hops || !j.mayBeSymptom(o.Service) {
			continue
		}
		if !o.OpenedAt.IsZero() && !j.alert.At.IsZero() && o.OpenedAt.After(j.alert.At.Add(toldLate)) {
			continue
		}
		if !o.OpenedAt.IsZero() && j.alert.At.Sub(o.OpenedAt) > recent && !w.mentions(j.alert.Name+" "+j.alert.Pattern, o.Service) {
			continue // what has failed for so long would have brought it before
		}
		if about := aboutText(o.Title + " " + o.Pattern); !causal(about) {
			continue
		}
		best, hops = i, n
	}
	if best < 0 {
		return false
	}
	o := w.b.Open[best]
	j.duplicate(Symptom, o.ID, fmt.Sprintf("%s depends on %s, which has the open incident %s.", j.alert.Service, o.Service, o.ID))
	return true
}

// causal reports whether what failed can make its callers fail.
func causal(a about) bool {
	return a.chatty == "" && (len(a.topics) == 0 || !a.is(backup, notice, cost, setting))
}

// sameIncident says why an incident is about the same as the alert; "" when it is not.
func (w *world) sameIncident(j *judged, o bundle.OpenIncident) string {
	a := j.alert
	named := o.Service == "" && a.Service != "" && strings.Contains(" "+plain(o.Title), " "+plain(a.Service))
	if o.Service != a.Service && !named {
		return ""
	}
	fresh := o.OpenedAt.IsZero() || a.At.IsZero() || a.At.Sub(o.OpenedAt).Abs() <= recent
	return same(j.text(), o.Title, a.Pattern, o.Pattern, j.about, aboutText(o.Title+" "+o.Pattern), fresh)
}

// text is what the alert says of itself.
func (j *judged) text() string { return j.alert.Name + " " + j.alert.Metric }

// same says why two texts of one service are about one thing. Patterns decide where both have one that is plain words;
// then the words; then what they are about. fresh says that they are near in time, so that one may have brought the other.
func same(aText, bText, aPattern, bPattern string, a, b about, fresh bool) string {
	if aPattern != "" && bPattern != "" {
		if strings.EqualFold(strings.TrimSpace(aPattern), strings.TrimSpace(bPattern)) {
			return "the same pattern"
		}
		switch near := overlap(tokens(aPattern), tokens(bPattern)); {
		case near >= alike:
			return "the same pattern in other words"
		case near < unlike:
			return ""
		}
	}
	if near := overlap(tokens(aText+" "+aPattern), tokens(bText+" "+bPattern)); near >= alike && shared(tokens(aText), tokens(bText)) >= 2 {
		return "the same words"
	}
	for _, t := range a.topics {
		if b.is(t) && !clash(a, b) {
			return "both are about " + string(t)
		}
	}
	if fresh && follows(a, b) {
		return "what it tells of follows from it"
	}
	return ""
}

// clash reports whether two texts that share a topic are about different resources all the same.
func clash(a, b about) bool {
	own := func(x about) []topic {
		var out []topic
		for _, t := range []topic{memory, disk, processor, certificate, files, gpu, loss, access, names, backup} {
			if x.is(t) {
				out = append(out, t)
			}
		}
		return out
	}
	ownA, ownB := own(a), own(b)
	if len(ownA) == 0 || len(ownB) == 0 {
		// One names a resource of its own that the other says nothing of: a full disk is no part of "errors".
		return a.is(disk, certificate, loss) != b.is(disk, certificate, loss)
	}
	return !slices.ContainsFunc(ownA, func(t topic) bool { return slices.Contains(ownB, t) })
}

// follows reports whether an alert about a is what an incident about b brings: users who feel it.
func follows(a, b about) bool {
	if a.chatty != "" || b.chatty != "" || a.own() || clash(a, b) {
		return false
	}
	switch {
	case b.is(errorsTopic, down, latency) && a.is(business):
		return true // who cannot pay does not
	case b.is(errorsTopic, down) && a.is(errorsTopic, latency, down):
		return true
	case b.is(latency) && a.is(errorsTopic, latency) && !a.is(down):
		return true
	case b.is(memory, pool, names, access, files) && a.is(errorsTopic, latency, down):
		return true
	}
	return false
}

// filler are words that say nothing about what is meant.
var filler = map[string]bool{}

func init() {
	for _, w := range strings.Fields("the a an of to in on for at is are was by with and or from high low too alert warning critical rate ratio percent pct total count service prod production over above below threshold seconds ms elevated increased rising spike after") {
		filler[w] = true
	}
}

// synonyms bring words of errors to one form.
var synonyms = strings.NewReplacer(
	"econnrefused", "connection refused", "etimedout", "connection timeout", "econnreset", "connection reset", "enospc", "disk space", "oomkilled", "out memory",
	"outofmemoryerror", "out memory", "oom", "out memory", "enotfound", "dns resolve", "conn ", "connection ", "timed out", "timeout", "deadline exceeded", "timeout", "http 5xx", "5xx errors",
	"cannot connect", "connection refused", "could not connect", "connection refused", "unable to connect", "connection refused", "failed to connect", "connection refused", "dial tcp", "connection",
)

var number = regexp.MustCompile(`^[0-9a-f]*[0-9][0-9a-f]*$`)

// tokens are the words that carry meaning, by their beginnings.
func tokens(text string) map[string]bool {
	out := map[string]bool{}
	for _, word := range strings.Fields(synonyms.Replace(plain(text))) {
		if filler[word] || len(word) < 2 || number.MatchString(word) && len(word) != 3 {
			continue
		}
		for _, end := range []string{"ing", "ed", "es", "s"} {
			if len(word) > len(end)+3 && strings.HasSuffix(word, end) {
				word = strings.TrimSuffix(word, end)
				break
			}
		}
		out[word] = true
	}
	return out
}

func shared(a, b map[string]bool) int {
	n := 0
	for w := range a {
		if b[w] {
			n++
		}
	}
	return n
}

// overlap is the share of the shorter text's words that the other has too.
func overlap(a, b map[string]bool) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	return float64(shared(a, b)) / float64(min(len(a), len(b)))
}

// relate leaves one page for each cause: of alerts of one service that are about the same, and of a failure and its victims.
func (w *world) relate(all []*judged) {
	paging := slices.DeleteFunc(slices.Clone(all), func(j *judged) bool { return j.Verdict != Page })
	slices.SortStableFunc(paging, func(a, b *judged) int { return cmp.Or(a.onset.Compare(b.onset), a.alert.At.Compare(b.alert.At)) })
	byID := map[string]*judged{}
	for _, j := range paging {
		byID[j.Alert] = j
	}
	heads := w.merge(paging)
	for _, j := range heads {
		if origin := w.originOf(j, heads); origin != nil && !leadsTo(byID, origin, j) {
			j.duplicate(Symptom, origin.Alert, fmt.Sprintf("%s depends on %s, which failed first: %s", j.alert.Service, origin.alert.Service, origin.Reason), origin.Evidence...)
		}
	}
	for _, j := range paging { // through to the one that pages
		for next := byID[j.DuplicateOf]; next != nil && next.DuplicateOf != ""; next = byID[j.DuplicateOf] {
			j.DuplicateOf = next.DuplicateOf
		}
	}
}

// leadsTo reports whether from is a duplicate of to already, in some steps.
func leadsTo(byID map[string]*judged, from, to *judged) bool {
	for range len(byID) {
		if from == nil || from == to {
			return from == to
		}
		from = byID[from.DuplicateOf]
	}
	return false
}

// merge makes the later of two alerts of one cause a duplicate of the earlier, and returns those that are left.
func (w *world) merge(paging []*judged) []*judged {
	var heads []*judged
	for _, j := range paging {
		i := slices.IndexFunc(heads, func(h *judged) bool { return w.oneCause(h, j) != "" })
		if i < 0 {
			heads = append(heads, j)
			continue
		}
		h := heads[i]
		why := w.oneCause(h, j)
		if h.Kind == Unknown && j.floor { // the one that shows the harm speaks for both
			heads[i] = j
			for _, other := range paging {
				if other.DuplicateOf == h.Alert {
					other.DuplicateOf = j.Alert
				}
			}
			h, j = j, h
		}
		j.duplicate(Duplicate, h.Alert, fmt.Sprintf("%s is about the same: %s.", h.Alert, why), h.Evidence...)
	}
	return heads
}

// oneCause says why a later alert tells of the same as an earlier one; "" when it does not.
func (w *world) oneCause(h, j *judged) string {
	a, b := h.alert, j.alert
	near := a.At.IsZero() || b.At.IsZero() || b.At.Sub(a.At).Abs() <= together || j.onset.Sub(h.onset).Abs() <= together
	if a.Service == b.Service {
		if a.Name == b.Name && strings.EqualFold(a.Metric, b.Metric) && (a.Pattern == b.Pattern || a.Pattern == "" || b.Pattern == "") && (near || a.ResolvedAfter == 0) {
			return "it is the same alert"
		}
		if !near {
			return ""
		}
		if h.about.is(memory, pool, disk, files) && !h.about.is(errorsTopic) && !h.spent && h.Kind == Burn && !j.about.own() {
			return "" // not at its limit yet, so it breaks nothing yet
		}
		if why := same(j.text(), h.text(), b.Pattern, a.Pattern, j.about, h.about, true); why != "" {
			return why
		}
		if h.spent && j.about.effect() && !contradicts(b.Pattern) {
			return "what it tells of is exhausted"
		}
		return ""
	}
	if !near {
		return ""
	}
	if slices.Contains(w.shared[a.Service], b.Service) && j.about.is(disk, processor) && slices.ContainsFunc(j.about.topics, func(t topic) bool { return h.about.is(t) }) && j.about.own() {
		return fmt.Sprintf("%s and %s share what it is about", a.Service, b.Service)
	}
	if a.Pattern == "" || b.Pattern == "" || overlap(tokens(a.Pattern), tokens(b.Pattern)) < alike {
		return ""
	}
	for dep := range w.dependencies(a.Service) {
		if _, both := w.dependencies(b.Service)[dep]; both && w.mentions(a.Pattern, dep) && w.mentions(b.Pattern, dep) {
			return "both fail at " + dep
		}
	}
	return ""
}

// mentions reports whether a text names a service.
func (w *world) mentions(text, service string) bool {
	words := " " + plain(text)
	if service == "" {
		return false
	}
	if strings.Contains(words, " "+plain(service)) {
		return true
	}
	for _, part := range strings.Fields(plain(service)) {
		if len(part) > 3 && part != "service" && strings.Contains(words, " "+part+" ") {
			return true
		}
	}
	return false
}

// ownFault are words of a fault in a program's own code, which no dependency brings about.
var (
	ownFault   = regexp.MustCompile(`(?i)(null ?pointer|type ?error|key ?error|attribute ?error|index ?error|reference ?error|undefined|nil pointer|index out of (range|bounds)|assert|syntax ?error|import ?error|module ?not|division by zero|unmarshal|parse error|zero ?division|value ?error|invalid argument|illegal state)`)
	waitsOnOne = regexp.MustCompile(`(?i)(refused|timed? ?out|timeout|unreachable|unavailable|upstream|reset by peer|no route|deadline|pool|connect|5\d\d|bad gateway)`)
)

// contradicts reports whether a pattern says that the service itself is at fault.
func contradicts(pattern string) bool {
	return ownFault.MatchString(pattern) && !waitsOnOne.MatchString(pattern)
}

// mayBeSymptom reports whether the alert could be the work of a dependency of that name.
func (j *judged) mayBeSymptom(dependency string) bool {
	a := j.about
	return a.effect() && !a.own() && !a.is(loss, certificate) && !contradicts(j.alert.Pattern) && a.chatty == "" && dependency != j.alert.Service
}

// originOf finds the alert whose service failed first among those that j depends on, directly or not: the deepest that
// fits, since what lies between suffers too.
func (w *world) originOf(j *judged, heads []*judged) *judged {
	deps := w.dependencies(j.alert.Service)
	other := w.otherCulprit(j, deps)
	var best *judged
	for _, h := range heads {
		hops, depends := deps[h.alert.Service]
		depends = depends || slices.Contains(w.shared[j.alert.Service], h.alert.Service) && h.about.is(processor, disk)
		if h == j || !depends || !j.mayBeSymptom(h.alert.Service) || !w.explains(h, j) {
			continue
		}
		if other != "" && !w.mentions(j.alert.Pattern+" "+j.alert.Name, h.alert.Service) && !w.leads(other, h.alert.Service) {
			continue
		}
		if best == nil || hops > deps[best.alert.Service] || hops == deps[best.alert.Service] && h.onset.Before(best.onset) {
			best = h
		}
	}
	return best
}

// otherCulprit returns a dependency that the alert itself names.
func (w *world) otherCulprit(j *judged, deps map[string]int) string {
	for _, s := range w.services {
		if _, depends := deps[s]; depends && w.mentions(j.alert.Pattern+" "+j.alert.Name, s) {
			return s
		}
	}
	return ""
}

func (w *world) leads(from, to string) bool {
	_, ok := w.dependencies(from)[to]
	return ok
}

// explains reports whether h can have brought about j: it fails now, it failed first, and it was not over by then.
func (w *world) explains(h, j *judged) bool {
	if h.Kind == Burn && !h.spent && !h.about.is(queue, pool) || !causal(h.about) || h.about.is(certificate) && !h.spent && h.Kind != Outage {
		return false
	}
	if r := h.alert.ResolvedAfter; r > 0 && h.alert.At.Add(r).Before(j.onset) {
		return false
	}
	if h.onset.IsZero() || j.onset.IsZero() {
		return true
	}
	slack := toldLate
	if h.exact && j.exact {
		slack = seenEarly
	}
	return !h.onset.After(j.onset.Add(slack))
}

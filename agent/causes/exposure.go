package causes

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Exposure is the test "did the old release show it too?". It is the strongest cheap test there is: a fault that the
// old release shows as well was not brought by the new one.
type Exposure struct {
	// Tested is true when the previous release's lines or counts could be read and say something.
	Tested bool
	// Weak is true when the previous release said too little for its silence to mean much.
	Weak bool
	// Shown is true when the previous release shows the fault too.
	Shown bool
	// Why says it in a sentence, for a claim or for what is ruled out.
	Why   string
	Cites []platform.EvidenceID
}

// minRequests is how many requests the old release must have answered before "none of them failed" says something.
const minRequests = 20

// minLines is how many lines the old release must have left before "none of them tells of it" says something.
const minLines = 5

// lineExposure tests whether the previous release's lines hold the words of a fault.
func lineExposure(f *Facts, shows func(text string) bool, what string) Exposure {
	if f.Previous == nil || f.PreviousLinesCite == "" {
		return Exposure{}
	}
	count, first := 0, Line{}
	for _, l := range f.PreviousLines {
		if shows(l.Text) {
			if count == 0 {
				first = l
			}
			count++
		}
	}
	if count > 0 {
		return Exposure{
			Tested: true, Shown: true, Cites: cites(first.Cite),
			Why: fmt.Sprintf("release v%d shows %s too: %s among its lines from before the change", f.Previous.Number, what, times(count)),
		}
	}
	if len(f.PreviousLines) == 0 {
		return Exposure{} // silence of a release that logged nothing proves nothing
	}
	return Exposure{
		Tested: true, Weak: len(f.PreviousLines) < minLines, Cites: cites(f.PreviousLinesCite),
		Why: fmt.Sprintf("%s shows no %s in its last %s", previousName(f), what, last(len(f.PreviousLines), "line")),
	}
}

func previousName(f *Facts) string { return fmt.Sprintf("the previous release v%d", f.Previous.Number) }

// routeExposure compares the share of failed requests of the suspect with that of the previous release.
func routeExposure(f *Facts) Exposure {
	if f.Previous == nil {
		return Exposure{}
	}
	now, okNow := f.routeOf(f.releaseNumber())
	before, okBefore := f.routeOf(f.Previous.Number)
	if !okNow || !okBefore || before.Requests < minRequests || now.Failed < 1 {
		return Exposure{}
	}
	e := Exposure{
		Tested: true, Cites: cites(before.Cite, now.Cite),
		Why: fmt.Sprintf("%s answered %s of %s requests with 5xx %s", previousName(f), count(before.Failed), count(before.Requests), before.Window),
	}
	// The same trouble before and after: at least a third of the rate, and more than a stray error.
	if before.Failed >= 3 && before.Rate() >= now.Rate()/3 {
		e.Shown = true
	}
	return e
}

// exposure joins both tests. Lines decide where they can, since they tell one fault from another.
func (f *Facts) exposure(shows func(string) bool, what string) Exposure {
	lines, routes := lineExposure(f, shows, what), routeExposure(f)
	switch {
	case lines.Shown:
		return lines
	case lines.Tested && routes.Tested && !routes.Shown:
		return Exposure{Tested: true, Why: routes.Why + ", and " + strings.TrimPrefix(lines.Why, previousName(f)+" "), Cites: cites(append(routes.Cites, lines.Cites...)...)}
	case routes.Tested:
		return routes
	}
	return lines
}

// words is a text in which a fault may be told: a log line, the engine's refusal, the reason an instance ended.
type words struct {
	text string
	cite platform.EvidenceID
}

// words returns what the suspect itself and the engine said, in order of time.
func (f *Facts) words() []words {
	var out []words
	if f.Deploy != nil && f.Deploy.Failure != nil && f.Deploy.Failure.Message != "" {
		out = append(out, words{f.Deploy.Failure.Message, f.Deploy.Cite})
	}
	for _, in := range f.Instances {
		if in.Reason != "" {
			out = append(out, words{in.Reason, in.Cite})
		}
	}
	for _, l := range f.own() {
		out = append(out, words{l.Text, l.Cite})
	}
	return out
}

// quoted is a trace with the evidence it stands in.
type quoted struct {
	Trace
	cite  platform.EvidenceID
	text  string
	line  Line
	count int
}

// parse reads the traces of a text, each text once: several rules ask for the same ones.
func (f *Facts) parse(text string) []Trace {
	if f.parsed == nil {
		return ParseTraces(text)
	}
	traces, ok := f.parsed[text]
	if !ok {
		traces = ParseTraces(text)
		f.parsed[text] = traces
	}
	return traces
}

// traces returns the suspect's stack traces, one for each signature, the most frequent first by first appearance.
func (f *Facts) traces() []quoted {
	var out []quoted
	index := map[string]int{}
	for _, l := range f.own() {
		if !strings.Contains(l.Text, "\n") {
			continue
		}
		for _, t := range f.parse(l.Text) {
			sig := t.Signature()
			if at, ok := index[sig]; ok {
				out[at].count++
				continue
			}
			index[sig] = len(out)
			out = append(out, quoted{Trace: t, cite: l.Cite, text: l.Text, line: l, count: 1})
		}
	}
	return out
}

// showsTrace returns a test for the same fault in other lines: the same error type at the same function.
func (f *Facts) showsTrace(t Trace) func(string) bool {
	want := t.Signature()
	kind := t.Kind()
	return func(text string) bool {
		if !strings.Contains(text, kind) {
			return false
		}
		for _, other := range f.parse(text) {
			if other.Signature() == want {
				return true
			}
		}
		return false
	}
}

// allAlike counts the ended instances of the suspect and how many of them ended the same way as the first.
func (f *Facts) allAlike() (same, all int) {
	ended := f.ended()
	if len(ended) == 0 {
		return 0, 0
	}
	first, _ := ended[0].Exit()
	for _, in := range ended {
		if code, ok := in.Exit(); ok && code == first {
			same++
		}
	}
	return same, len(ended)
}

// exitClaim tells how the instance ended.
func exitClaim(f *Facts) []platform.Claim {
	ended := f.ended()
	if len(ended) == 0 {
		return nil
	}
	in := ended[0]
	code, ok := in.Exit()
	if !ok {
		return nil
	}
	same, all := f.allAlike()
	after := ""
	if !in.StartedAt.IsZero() && in.EndedAt != nil && in.EndedAt.After(in.StartedAt) {
		after = fmt.Sprintf(" %s after its start", round(in.EndedAt.Sub(in.StartedAt).Seconds()))
	}
	text := fmt.Sprintf("Instance %s ended by itself%s with exit code %d", in.ID, after, code)
	if all > 1 {
		others := fmt.Sprintf("%d of the %d", same, all)
		if same == all {
			others = "all " + strconv.Itoa(all)
		}
		text += ", as did " + others + " that have ended"
	}
	return withClaims(claim(text+".", fmt.Sprintf("exit code %d", code), in.Cite))
}

func round(seconds float64) string {
	if seconds < 10 {
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	}
	return strconv.FormatFloat(math.Round(seconds), 'f', 0, 64) + " s"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return count(float64(n)) + " times"
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(float64(n)) + " " + word + "s"
}

// last says how many, after "its last": "line", "1,200 lines".
func last(n int, word string) string {
	if n == 1 {
		return word
	}
	return plural(n, word)
}

// count writes a number with thousands separated: 5,120.
func count(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	if len(s) <= 3 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func percent(v float64) string {
	if v > 0 && v < 0.01 {
		return strconv.FormatFloat(v*100, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(v*100, 'f', 0, 64) + " %"
}

// served weighs what a change did while it ran before the fault: a release that holds it served well until the next one, or for
// long enough by itself, and so it did not bring what shows at once. It returns the share of the charge that is left. Only the
// platform's own history of releases tells that.
func (w *world) served(l *lead, c *candidate, onset time.Time, pointed bool) (why string, share float64) {
	if !w.f.live() || c.Kind != platform.ChangeCommit && c.Kind != platform.ChangeDeploy || c.service != "" && c.service != l.service {
		return "", 1
	}
	for _, tag := range c.tags {
		if l.releases[tag] > 0 {
			return "", 1
		}
	}
	if newer(c.tags, l.releases) {
		return "what shows the fault is of an earlier release, which does not hold it", 0
	}
	if w.f.WentLive() && !pointed && w.f.first(c.ID) {
		return "it is the first of all commits, which holds everything, and the error names nothing of it", 0
	}
	if l.category == platform.CategoryUngracefulStop { // it shows when the release ends that holds it
		return "", 1
	}
	if l.slow && l.category != platform.CategoryCacheStampede { // it shows at the first expiry, and not over hours
		return "", 1
	}
	for _, d := range w.allDeploys() {
		if d.Service != l.service || !d.At.After(c.live.Add(time.Second)) || d.At.After(onset.Add(max(l.slack, startSlip))) {
			continue
		}
		if !w.f.WentLive() {
			return fmt.Sprintf("a release before %s held it already and went live", lowerSubject(w.f)), 0
		}
		if last := w.restart(l.service, onset); buildsUp(l.category) && d.At.Sub(c.live) < onset.Sub(last)/2 {
			return "", 1 // it ran too short to show what builds up
		}
		return "", 0.5
	}
	return "", 1
}

const (
	startSlip  = 45 * time.Second // how far the onset of a fault and the start of the release that shows it may lie apart
	longServed = 20 * time.Second
)

// newer reports whether all releases that show a fault are older than those that hold a change.
func newer(tags []string, shown map[string]int) bool {
	least, most := 0, 0
	for _, t := range tags {
		if n := number(strings.TrimPrefix(t, "v")); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	for t := range shown {
		most = max(most, number(strings.TrimPrefix(t, "v")))
	}
	return least > 0 && most > 0 && most < least
}

// restart is when the newest release of a service took over before the onset.
func (w *world) restart(service string, onset time.Time) time.Time {
	last := time.Time{}
	for _, d := range w.allDeploys() {
		if d.Service == service && d.At.Before(onset.Add(startSlip)) {
			last = maxTime(last, d.At)
		}
	}
	return last
}

// first reports whether a commit has none before it.
func (f *Facts) first(sha string) bool {
	for i := range f.Commits {
		if f.Commits[i].SHA == sha {
			return f.Commits[i].Parent == ""
		}
	}
	return false
}

// allDeploys are the deploys of every service, the suspect's own among them.
func (w *world) allDeploys() []Change {
	out := w.f.ownDeploy()
	for _, d := range w.f.Changes {
		if d.Kind == platform.ChangeDeploy {
			out = append(out, d)
		}
	}
	return out
}

package evidence

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

const (
	offlineText   = 4 << 10  // bytes of one exemplar that are kept
	offlineDiff   = 48 << 10 // bytes of one diff that are kept
	offlineGroups = 4000     // groups of lines that are kept: the grave, the rare and the new first
	offlineSpans  = 200_000
)

// FromBundle freezes a bundle of files as Gather freezes what it reads: the same engine explains both. Ids are E1, E2 ...
// and times come from the bundle, so that the same files give the same evidence. Where the bundle holds what was frozen
// of a live incident, that is taken as it is.
func FromBundle(b *bundle.Bundle) Bundle {
	if len(b.Frozen) > 0 {
		frozen, err := thaw(b.Frozen)
		if err == nil {
			return frozen
		}
		b.Gaps = append(b.Gaps, fmt.Sprintf("evidence.ndjson was left aside: %v", err))
	}
	in := platform.Incident{
		ID: platform.IncidentID(b.Incident.ID), Service: b.Incident.Service, Title: b.Incident.Title, Signal: platform.Signal(b.Incident.Signal),
		OpenedAt: b.Incident.DetectedAt, State: platform.IncidentOpen,
	}
	if !in.Signal.Valid() {
		in.Signal = platform.SignalAlert
	}
	if in.OpenedAt.IsZero() {
		in.OpenedAt = b.Logs.To
	}
	r := &offline{b: b, f: &causes.Facts{Incident: in, Now: in.OpenedAt}, redact: Redact}
	r.f.Gaps = append(r.f.Gaps, b.Gaps...)
	for _, step := range []func(){r.incident, r.talk, r.metrics, r.spans, r.changes, r.edges, r.instances, r.checks, r.past} {
		step()
	}
	return Bundle{Items: r.items, Facts: r.f}
}

type offline struct {
	b      *bundle.Bundle
	f      *causes.Facts
	items  []platform.Evidence
	redact func(string) string
}

// freeze seals one item and returns its id.
func (r *offline) freeze(kind platform.EvidenceKind, title, source, excerpt string, cut bool) platform.EvidenceID {
	n := len(r.items) + 1
	e := platform.Evidence{
		ID: platform.EvidenceID("E" + strconv.Itoa(n)), IncidentID: r.f.Incident.ID, Number: n, Kind: kind, Title: title, Source: source,
		Excerpt: excerpt, Truncated: cut, Flagged: Instructs(excerpt), At: r.f.Now,
	}
	r.items = append(r.items, e.Seal())
	return e.ID
}

// clip redacts a text and cuts it at the end of a letter.
func (r *offline) clip(s string, limit int) (string, bool) {
	s = r.redact(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= limit {
		return s, false
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit], true
}

func (r *offline) incident() {
	in := r.b.Incident
	title, _ := r.clip(in.Title, offlineText)
	summary, _ := r.clip(in.Summary, offlineText)
	text := title + "\n" + summary
	cite := r.freeze(platform.EvidenceEvents, "The incident as it was reported", "incident.json", text, false)
	r.f.Words = append(r.f.Words, causes.Text{Body: text, Cite: cite})
	if len(r.b.Alerts) == 0 {
		return
	}
	var lines []string
	for _, a := range r.b.Alerts {
		if len(lines) < 200 {
			name, _ := r.clip(a.Name+" "+a.Pattern, 400)
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", stamp(a.At), a.ID, a.Service, name))
		}
	}
	text = strings.Join(lines, "\n")
	cite = r.freeze(platform.EvidenceEvents, "Alerts from outside", "alerts.ndjson", text, len(lines) < len(r.b.Alerts))
	r.f.Words = append(r.f.Words, causes.Text{Body: text, Cite: cite})
}

// talk freezes the groups of lines, the grave first where there are too many, and the patterns counted elsewhere.
func (r *offline) talk() {
	groups := append([]bundle.Group(nil), r.b.Logs.Groups...)
	if len(groups) > offlineGroups {
		sort.SliceStable(groups, func(i, j int) bool { return gravity(groups[i]) > gravity(groups[j]) })
		groups = groups[:offlineGroups]
		sort.SliceStable(groups, func(i, j int) bool { return groups[i].First.Before(groups[j].First) })
		r.f.Gaps = append(r.f.Gaps, fmt.Sprintf("of %d kinds of lines, the %d gravest and most frequent were looked at", len(r.b.Logs.Groups), offlineGroups))
	}
	for _, g := range groups {
		t := causes.Talk{Service: g.Service, Level: g.Level, Count: g.Count, First: g.First, Last: g.Last, Buckets: g.Buckets, Releases: g.Releases}
		var texts []string
		cut := false
		for _, l := range g.Exemplars {
			text, short := r.clip(l.Text, offlineText)
			texts, cut = append(texts, text), cut || short
		}
		excerpt := strings.Join(texts, "\n")
		t.Text, t.Others = texts[0], texts[1:]
		t.Cite = r.freeze(platform.EvidenceLogs, fmt.Sprintf("Lines of %s: %d like these", orUnnamed(g.Service), g.Count), "logs.ndjson", excerpt, cut || g.Count > len(texts))
		r.f.Talk = append(r.f.Talk, t)
	}
	for _, p := range r.b.Patterns {
		text, cut := r.clip(p.Signature, offlineText)
		t := causes.Talk{Service: p.Service, Level: "error", Text: text, Count: p.Count, First: p.FirstSeen, Counted: true, Delta: p.Delta}
		if p.Sentiment == "positive" || p.Sentiment == "neutral" || p.Sentiment == "info" {
			t.Level = "info"
		}
		if t.Service == "" {
			t.Service = r.f.Incident.Service
		}
		t.Cite = r.freeze(platform.EvidencePattern, fmt.Sprintf("A pattern of %s, counted %d times", orUnnamed(p.Service), p.Count), "patterns.ndjson", text, cut)
		r.f.Talk = append(r.f.Talk, t)
	}
}

func gravity(g bundle.Group) int {
	n := min(g.Count, 1_000_000)
	switch g.Level {
	case "fatal":
		n += 30_000_000
	case "error":
		n += 20_000_000
	case "warn":
		n += 10_000_000
	}
	return n
}

func orUnnamed(service string) string {
	if service == "" {
		return "an unnamed service"
	}
	return service
}

func (r *offline) metrics() {
	for _, s := range r.b.Metrics {
		points := make([]series.Point, len(s.Points))
		for i, p := range s.Points {
			points[i] = series.Point{At: p.At, Value: p.Value}
		}
		m := causes.Metric{Service: s.Service, Name: s.Metric, Labels: s.Labels, Meaning: series.MeaningOf(s.Metric), Points: points}
		m.Shape = series.Read(points, series.IsCounter(s.Metric))
		text := fmt.Sprintf("%s of %s: %d points, first %.6g, lowest %.6g, highest %.6g, last %.6g; %s", s.Metric, orUnnamed(s.Service), len(points), m.First, m.Min, m.Max, m.Last, m.Kind)
		if m.Kind != series.Flat {
			text += fmt.Sprintf(" at %s from %.6g to %.6g", stamp(m.Onset), m.Before, m.After)
		}
		if m.Counter {
			text += " (a running total, as its rate per second)"
		}
		m.Cite = r.freeze(platform.EvidenceMetric, s.Metric+" of "+orUnnamed(s.Service), "metrics.csv", text, false)
		r.f.Metrics = append(r.f.Metrics, m)
	}
}

// spans freezes the failing spans of each service with a few of the others, and keeps all of them as facts.
func (r *offline) spans() {
	byService := map[string][]string{}
	var names []string
	spans := r.b.Spans
	if len(spans) > offlineSpans {
		spans = spans[len(spans)-offlineSpans:]
		r.f.Gaps = append(r.f.Gaps, fmt.Sprintf("only the newest %d spans were looked at", offlineSpans))
	}
	seen := map[string]bool{}
	for i := range spans {
		s := &spans[i]
		if _, ok := byService[s.Service]; !ok {
			names = append(names, s.Service)
			byService[s.Service] = nil
		}
		text, _ := r.clip(s.Error, offlineText)
		spans[i].Error = text
		if lines := byService[s.Service]; s.Error != "" && !seen[s.Service+text] && len(lines) < 40 || len(lines) < 3 {
			seen[s.Service+text] = true
			byService[s.Service] = append(lines, fmt.Sprintf("%s %s %s took %.1f ms %s %s", stamp(s.At), s.TraceID, s.Name, float64(s.Took)/float64(time.Millisecond), s.Status, text))
		}
	}
	cite := map[string]platform.EvidenceID{}
	for _, name := range names {
		cite[name] = r.freeze(platform.EvidenceEvents, "Calls of "+name, "spans.ndjson", strings.Join(byService[name], "\n"), true)
	}
	for _, s := range spans {
		r.f.Spans = append(r.f.Spans, causes.Span{Cite: cite[s.Service], Span: platform.Span{
			At: s.At, TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Service: s.Service, Name: s.Name, Took: platform.Duration(s.Took),
			Failed: failed(s), Error: s.Error, Attributes: s.Attributes,
		}})
	}
}

func failed(s bundle.Span) bool {
	switch s.Status {
	case "error", "failed", "failure", "status_code_error", "2":
		return true
	case "ok", "unset", "":
		return s.Error != "" && s.Status == ""
	}
	code, err := strconv.Atoi(s.Status)
	return err == nil && code >= 500
}

func (r *offline) changes() {
	for _, c := range r.b.Changes {
		message, _ := r.clip(c.Message, offlineText)
		diff, cut := r.clip(c.Diff, offlineDiff)
		change := causes.Change{
			Change: platform.Change{Kind: platform.ChangeKind(c.Kind), ID: c.ID, Service: c.Service, Author: c.Author, Message: message, Files: c.Files, Diff: diff, At: c.At},
			Brings: c.Commit, Tag: c.Release, Hunks: causes.ParseLoose(diff, c.Files),
		}
		if len(change.Files) == 0 {
			for _, h := range change.Hunks {
				if h.Path() != "" {
					change.Files = append(change.Files, h.Path())
				}
			}
		}
		head := fmt.Sprintf("%s %s %s of %s by %s", stamp(c.At), c.Kind, c.ID, orUnnamed(c.Service), c.Author)
		if c.Commit != "" {
			head += ", commit " + c.Commit
		}
		if c.Release != "" {
			head += ", release " + c.Release
		}
		text := head + "\n" + message + "\n" + strings.Join(c.Files, "\n") + "\n" + diff
		kind := platform.EvidenceEvents
		if c.Kind == string(platform.ChangeCommit) {
			kind = platform.EvidenceCommit
		}
		change.Cite = r.freeze(kind, fmt.Sprintf("%s %s", c.Kind, c.ID), "changes.ndjson", text, cut)
		r.f.Changes = append(r.f.Changes, change)
	}
}

func (r *offline) edges() {
	if len(r.b.Topology) == 0 {
		return
	}
	var lines []string
	for _, e := range r.b.Topology {
		lines = append(lines, e.From+" "+e.Kind+" "+e.To)
	}
	cite := r.freeze(platform.EvidenceEvents, "Who depends on whom", "topology.json", strings.Join(lines, "\n"), false)
	for _, e := range r.b.Topology {
		r.f.Edges = append(r.f.Edges, causes.Edge{Edge: platform.Edge{From: e.From, To: e.To, Kind: platform.EdgeKind(e.Kind)}, Cite: cite})
	}
}

func (r *offline) instances() {
	for _, in := range r.b.Instances {
		c := causes.Instance{Instance: platform.Instance{
			ID: platform.InstanceID(in.Instance), Service: in.Service, State: stateOf(in), ExitCode: in.ExitCode, OOMKilled: in.OOMKilled,
			Restarts: in.Restarts, StartedAt: in.StartedAt, Reason: in.Reason,
		}, Tag: in.Release}
		if !in.FinishedAt.IsZero() && c.State.Ended() {
			end := in.FinishedAt
			c.EndedAt = &end
		}
		if !c.State.Ended() {
			c.ExitCode = nil
		}
		text := fmt.Sprintf("instance %s of %s, release %s: %s", in.Instance, in.Service, in.Release, in.State)
		if in.ExitCode != nil {
			text += fmt.Sprintf(", exit code %d", *in.ExitCode)
		}
		text += fmt.Sprintf(", OOMKilled %t, %d restarts", in.OOMKilled, in.Restarts)
		if in.StoppedBy != "" {
			text += ", stopped by " + in.StoppedBy
		}
		c.Cite = r.freeze(platform.EvidenceInstance, "Instance "+in.Instance+" of "+in.Service, "instances.json", text, false)
		r.f.Fleet = append(r.f.Fleet, c)
	}
}

// stateOf brings the words of other systems to ours. One that was stopped by somebody did not end by itself; the kernel
// and the engine's own out-of-memory kill are no somebody.
func stateOf(in bundle.Instance) platform.InstanceState {
	by := strings.ToLower(in.StoppedBy)
	nobody := by == "" || by == "none" || by == "self" || by == "null" || strings.Contains(by, "kernel") || strings.Contains(by, "oom") || by == "crash" || by == "process"
	switch in.State {
	case "running", "ready", "healthy", "up", "active":
		return platform.InstanceReady
	case "starting", "created", "pending", "waiting", "creating":
		return platform.InstanceStarting
	case "unhealthy", "degraded":
		return platform.InstanceUnhealthy
	case "draining", "terminating":
		return platform.InstanceDraining
	}
	if !nobody || in.State == "stopped" && !in.OOMKilled && (in.ExitCode == nil || *in.ExitCode == 0 || *in.ExitCode == 143) {
		return platform.InstanceStopped
	}
	return platform.InstanceDead
}

func (r *offline) checks() {
	byService := map[string][]string{}
	var order []string
	for _, p := range r.b.Probes {
		if _, ok := byService[p.Service]; !ok {
			order = append(order, p.Service)
		}
		byService[p.Service] = append(byService[p.Service], probeLine(p, r.redact(p.Error)))
	}
	cite := map[string]platform.EvidenceID{}
	for _, s := range order {
		lines := byService[s]
		cut := len(lines) > 200
		if cut {
			lines = lines[len(lines)-200:]
		}
		cite[s] = r.freeze(platform.EvidenceProbes, "Health checks of "+orUnnamed(s), "probes.ndjson", strings.Join(lines, "\n"), cut)
	}
	for i, p := range r.b.Probes {
		c := causes.Check{
			Service: p.Service, Path: p.Path, Cite: cite[p.Service],
			Probe: platform.Probe{InstanceID: platform.InstanceID(p.Instance), At: p.At, OK: p.OK, Took: p.Took, Status: p.Status, Error: r.redact(p.Error)},
		}
		if i >= len(r.b.Probes)-100 && len(byService[p.Service]) <= 200 {
			c.Quote = probeLine(p, c.Error)
		}
		r.f.Checks = append(r.f.Checks, c)
	}
}

func probeLine(p bundle.Probe, failure string) string {
	line := fmt.Sprintf("%s %s %s", stamp(p.At), p.Instance, p.Path)
	if p.OK {
		line += " ok"
	} else {
		line += " failed"
	}
	if p.Status != 0 {
		line += fmt.Sprintf(" status %d", p.Status)
	}
	if failure != "" {
		line += ": " + strings.Join(strings.Fields(failure), " ")
	}
	return line
}

// past freezes the incidents that are open already, those of the same service or with a pattern that is seen now.
func (r *offline) past() {
	if len(r.b.Open) == 0 {
		return
	}
	miner, known := patterns.New(patterns.Config{}), map[patterns.TemplateID]bool{}
	for _, t := range r.f.Talk {
		if t.Grave() {
			known[miner.Add(t.Text)] = true
		}
	}
	var lines []string
	var found []causes.Past
	for _, o := range r.b.Open {
		title, _ := r.clip(o.Title, 400)
		pattern, _ := r.clip(o.Pattern, 400)
		same := len(strings.Fields(pattern)) >= minWords && known[miner.Resolve(miner.Add(pattern))]
		if !same && o.Service != r.f.Incident.Service {
			continue
		}
		p := causes.Past{ID: platform.IncidentID(o.ID), Service: o.Service, Title: title, OpenedAt: o.OpenedAt, Open: true, SameWords: same}
		p.Quote = strings.Join(strings.Fields(fmt.Sprintf("%s %s of %s: %s %s", stamp(o.OpenedAt), o.ID, orUnnamed(o.Service), title, pattern)), " ")
		lines, found = append(lines, p.Quote), append(found, p)
	}
	if len(found) == 0 {
		return
	}
	cite := r.freeze(platform.EvidenceEvents, "Open incidents like this one", "open_incidents.json", strings.Join(lines, "\n"), false)
	for _, p := range found {
		p.Cite = cite
		r.f.Past = append(r.f.Past, p)
	}
}

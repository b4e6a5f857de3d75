package evidence

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// buildLog reads the end of the failed build's log.
func (r *run) buildLog() {
	dep := r.f.Deploy
	if dep == nil || dep.Failure == nil || dep.Failure.Reason != platform.FailureBuild {
		return
	}
	lines, cut, ok := r.query("the build log", observability.LogQuery{
		Project: r.f.Incident.Project, Deploy: string(dep.ID), Source: observability.SourceBuild, Backward: true, Limit: 2 * r.opt.Lines,
	})
	if !ok {
		return
	}
	d := r.w.draft(platform.EvidenceBuildLog, "The end of the build log", "logs:build/"+string(dep.ID))
	d.Truncated = cut
	records := make([]string, 0, len(lines))
	for _, l := range lines {
		records = append(records, r.record(l))
	}
	for _, rec := range tail(records, r.opt.Bytes-1, d) {
		d.write(rec)
	}
	body := d.text.String()
	if body == "" {
		r.w.gap("the build left no log")
		return
	}
	r.f.Build = &causes.Text{Body: body, Cite: r.w.freeze(d)}
}

// tail keeps the newest records that fit.
func tail(records []string, limit int, d *draft) []string {
	size := 0
	for i := len(records) - 1; i >= 0; i-- {
		size += len(records[i]) + 1
		if size > limit {
			d.Truncated = true
			return records[i+1:]
		}
	}
	return records
}

// query reads one page, oldest first, and reports whether there was more. Of a store that is away it has the lines that
// wait for it, and the gap says so: what they say is true, whatever else there is.
func (r *run) query(what string, q observability.LogQuery) (lines []observability.Line, cut, ok bool) {
	lines, cut, why, ok := r.read(what, q)
	if why != "" {
		r.w.gap("%s: %s", what, why)
	}
	return lines, cut, ok
}

// whole is query for lines of which none may be missing: what they do not say counts too.
func (r *run) whole(what string, q observability.LogQuery) (lines []observability.Line, cut, ok bool) {
	lines, cut, why, ok := r.read(what, q)
	if why != "" {
		r.w.gap("%s: %s", what, why)
		return nil, false, false
	}
	return lines, cut, ok
}

// read reads one page and says why it is not all that there is.
func (r *run) read(what string, q observability.LogQuery) (lines []observability.Line, cut bool, why string, ok bool) {
	if r.src.Logs == nil {
		r.w.gap("logs are not readable here")
		return nil, false, "", false
	}
	page, err := r.src.Logs.Query(r.ctx, q)
	why, partly := observability.Incomplete(err)
	if err != nil && (!partly || len(page.Lines) == 0) {
		r.w.failed(what, err)
		return nil, false, "", false
	}
	lines = append(lines, page.Lines...)
	if q.Backward {
		for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
			lines[i], lines[j] = lines[j], lines[i]
		}
	}
	return lines, page.Next != "" || why != "", why, true
}

// logs reads the suspect's lines: the last words of every ended instance, then errors and all lines around the onset.
func (r *run) logs() {
	if r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	for _, in := range r.f.Instances {
		if in.State.Ended() {
			r.lastWords(in)
		}
	}
	base := r.slotQuery()
	base.Release = r.suspectNumber()
	base.From, base.To = r.onset().Add(-r.opt.Before), r.w.now.Add(time.Second)
	if d := r.f.Deploy; d != nil && base.Release == 0 {
		base.Deploy = string(d.ID)
	}
	if base.Release == 0 && base.Deploy == "" && len(r.f.Instances) == 0 {
		r.w.gap("the incident names no release, so the lines of all releases were read")
	}
	grave := base
	grave.Levels = []observability.Level{observability.LevelError, observability.LevelFatal}
	r.window("Errors around the onset", "the error lines", grave)
	around := base
	around.From, around.Limit = r.onset().Add(-30*time.Second), r.opt.Lines
	r.window("Lines around the onset", "the lines around the onset", around)
}

func (r *run) slotQuery() observability.LogQuery {
	in := r.f.Incident
	return observability.LogQuery{
		Project: in.Project, Environment: in.Environment, Service: in.Service, Source: observability.SourceRuntime, Limit: r.opt.Lines,
	}
}

func (r *run) suspectNumber() int {
	switch {
	case r.f.Release != nil:
		return r.f.Release.Number
	case r.f.Deploy != nil && r.f.Deploy.ReleaseNumber > 0:
		return r.f.Deploy.ReleaseNumber
	}
	return r.f.Incident.ReleaseNumber
}

// lastWords reads the end of what an ended instance said.
func (r *run) lastWords(in causes.Instance) {
	lines, cut, ok := r.query("the log of "+string(in.ID), observability.LogQuery{
		Project: r.f.Incident.Project, Instance: string(in.ID), Backward: true, Limit: r.opt.Lines / 2,
	})
	if !ok {
		return
	}
	lines = slices.DeleteFunc(lines, func(l observability.Line) bool { return l.Source == observability.SourceRouter }) // the router speaks of it
	if len(lines) == 0 {
		d := r.w.draft(platform.EvidenceLogs, fmt.Sprintf("Instance %s said nothing", in.ID), "logs:"+string(in.ID))
		r.w.freeze(d)
		return
	}
	d := r.w.draft(platform.EvidenceLogs, fmt.Sprintf("The last words of instance %s", in.ID), "logs:"+string(in.ID))
	r.freezeOwn(d, lines, cut)
}

// window reads the lines that a query chooses and freezes those that no item holds yet.
func (r *run) window(title, what string, q observability.LogQuery) {
	lines, cut, ok := r.query(what, q)
	if !ok {
		return
	}
	fresh := lines[:0]
	for _, l := range lines {
		if !r.held[r.keyOf(l)] {
			fresh = append(fresh, l)
		}
	}
	if len(fresh) == 0 {
		return
	}
	d := r.w.draft(platform.EvidenceLogs, title, "logs:"+q.Service)
	d.From, d.To = q.From, q.To
	d.Query = describeQuery(q)
	r.freezeOwn(d, fresh, cut)
}

// freezeOwn freezes lines of the suspect and remembers that an item holds them.
func (r *run) freezeOwn(d *draft, lines []observability.Line, cut bool) {
	before := len(r.f.Lines)
	r.freezeLines(d, lines, cut, &r.f.Lines)
	if len(r.f.Lines) == before {
		return
	}
	for _, l := range r.f.Lines {
		r.held[lineKey{at: l.At.UnixNano(), instance: l.Instance, text: l.Text}] = true
	}
}

// lineKey tells one line from another, in whatever query it comes.
type lineKey struct {
	at             int64
	instance, text string
}

func (r *run) keyOf(l observability.Line) lineKey {
	return lineKey{at: l.At.UnixNano(), instance: l.Instance, text: r.record(l)}
}

// freezeLines writes lines into the item and, as typed facts with the same text, into the list.
func (r *run) freezeLines(d *draft, lines []observability.Line, cut bool, into *[]causes.Line) platform.EvidenceID {
	d.Truncated = d.Truncated || cut
	if len(lines) > 0 && d.From.IsZero() {
		d.From, d.To = lines[0].At, lines[len(lines)-1].At
	}
	records := make([]string, len(lines))
	heads := make([]string, len(lines))
	size := 0
	for i, l := range lines {
		records[i] = r.record(l)
		heads[i] = stamp(l.At) + " " + l.Instance + " "
		size += len(heads[i]) + len(records[i]) + 1
	}
	skip := 0
	for ; size > d.limit && skip < len(lines); skip++ { // the newest words matter the most
		size -= len(heads[skip]) + len(records[skip]) + 1
		d.Truncated = true
	}
	for i := skip; i < len(lines); i++ {
		if d.write(heads[i] + records[i]) {
			l := lines[i]
			*into = append(*into, causes.Line{
				At: l.At, Service: l.Service, Release: l.Release, Instance: l.Instance, Level: string(l.Level), Text: records[i], Cite: d.ID,
			})
		}
	}
	sort.SliceStable(*into, func(i, j int) bool { return (*into)[i].At.Before((*into)[j].At) })
	return r.w.freeze(d)
}

// errorFields are the fields in which structured lines keep an error and its trace, in the order they are shown.
var errorFields = []string{
	"error", "err", "exception", "exc_info", "exc", "traceback", "stack", "stacktrace", "stack_trace", "stackTrace", "error.message",
	"error.stack", "error.stack_trace", "exception.message", "exception.stacktrace", "exc_text", "detail", "reason",
}

// record is the text of one line: what it says, then what its structured fields say of an error, then redaction and the cut.
func (r *run) record(l observability.Line) string {
	raw := compose(l)
	text, ok := r.records[raw]
	if !ok {
		text = r.w.clean(raw, r.opt.Line)
		r.records[raw] = text
	}
	return text
}

func compose(l observability.Line) string {
	message, fields := l.Message, l.Fields
	if len(fields) == 0 && strings.HasPrefix(strings.TrimSpace(message), "{") {
		message, fields = unwrapJSON(message)
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(message, "\n"))
	for _, key := range errorFields {
		v := strings.TrimRight(fields[key], "\n")
		if v == "" || strings.Contains(message, v) {
			continue
		}
		if strings.Contains(v, "\n") {
			b.WriteString("\n" + v)
		} else {
			b.WriteString(" " + key + "=" + v)
		}
	}
	return b.String()
}

// unwrapJSON reads a structured line that nobody has parsed yet. What is not an object stays as it is.
func unwrapJSON(message string) (string, map[string]string) {
	var raw map[string]any
	if err := json.Unmarshal([]byte(message), &raw); err != nil {
		return message, nil
	}
	fields := map[string]string{}
	for k, v := range raw {
		if s, ok := v.(string); ok {
			fields[k] = s
		}
	}
	for _, key := range []string{"message", "msg", "event", "log"} {
		if fields[key] != "" {
			return fields[key], fields
		}
	}
	return message, fields
}

func describeQuery(q observability.LogQuery) string {
	out := "service=" + q.Service
	if q.Release > 0 {
		out += fmt.Sprintf(" release=%d", q.Release)
	}
	if q.Deploy != "" {
		out += " deploy=" + q.Deploy
	}
	if len(q.Levels) > 0 {
		out += fmt.Sprintf(" level in %v", q.Levels)
	}
	return out
}

// patterns compares the log templates of the suspect with those of the previous release.
func (r *run) patterns() {
	if r.f.Previous == nil || r.f.Incident.Signal == platform.SignalBuildFailed || r.src.Logs == nil {
		return
	}
	before, okBefore := r.previousLines()
	q := r.slotQuery()
	q.Release, q.From, q.To, q.Limit = r.suspectNumber(), r.onset().Add(-r.opt.Before), r.w.now.Add(time.Second), 5*r.opt.Lines
	if q.Release == 0 || !okBefore {
		return
	}
	after, _, ok := r.whole("the lines of the release", q)
	if !ok || len(after) == 0 || len(before) == 0 {
		return
	}
	m := patterns.New(patterns.Config{})
	old, fresh := patterns.Window{Exposure: minutes(before)}, patterns.Window{Exposure: minutes(after)}
	for _, l := range before {
		old.Add(m.Add(r.record(l)))
	}
	for _, l := range after {
		fresh.Add(m.Add(r.record(l)))
	}
	r.freezePatterns(m.Novelty(old, fresh), len(before), len(after))
}

// previousLines reads what the previous release said before the suspect took over, its errors apart so that they are
// not lost among many lines, and freezes them: they acquit or convict.
func (r *run) previousLines() ([]observability.Line, bool) {
	q := r.slotQuery()
	q.Release, q.Backward, q.Limit = r.f.Previous.Number, true, 5*r.opt.Lines
	q.To = r.previousEnd
	q.From = q.To.Add(-24 * time.Hour)
	lines, _, ok := r.whole("the lines of the previous release", q)
	if !ok {
		return nil, false
	}
	grave := q
	grave.Levels = []observability.Level{observability.LevelError, observability.LevelFatal}
	errs, cut, okErrs := r.whole("the errors of the previous release", grave)
	if !okErrs {
		return nil, false
	}
	shown := errs
	title := fmt.Sprintf("Errors of the previous release v%d before the change", r.f.Previous.Number)
	if len(shown) == 0 {
		shown, title = lines, fmt.Sprintf("The last lines of the previous release v%d before the change: none is an error", r.f.Previous.Number)
		if len(shown) > 60 {
			shown, cut = shown[len(shown)-60:], true
		}
	}
	d := r.w.draft(platform.EvidenceLogs, title, "logs:"+q.Service)
	d.From, d.To, d.Query = q.From, q.To, describeQuery(q)
	var facts []causes.Line
	r.f.PreviousLinesCite = r.freezeLines(d, shown, cut, &facts)
	r.f.PreviousLines = facts
	quoted := map[string]bool{}
	for _, l := range facts {
		quoted[stamp(l.At)+l.Text] = true
	}
	for _, l := range lines { // the rest is read by the rules and counted, and not quoted
		if quoted[stamp(l.At)+r.record(l)] {
			continue
		}
		r.f.PreviousLines = append(r.f.PreviousLines, causes.Line{
			At: l.At, Service: l.Service, Release: l.Release, Instance: l.Instance, Level: string(l.Level), Text: r.record(l), Cite: r.f.PreviousLinesCite,
		})
	}
	return lines, true
}

// minutes is the span of the lines, at least one minute.
func minutes(lines []observability.Line) float64 {
	if len(lines) == 0 {
		return 1
	}
	return max(1, lines[len(lines)-1].At.Sub(lines[0].At).Minutes())
}

const maxPatterns = 20

func (r *run) freezePatterns(shifts []patterns.Shift, before, after int) {
	d := r.w.draft(platform.EvidencePattern, fmt.Sprintf("Log patterns: release v%d against v%d", r.suspectNumber(), r.f.Previous.Number), "patterns")
	d.writef("%d lines before, %d after; class, count before, count after, ratio of rates, template", before, after)
	for _, s := range shifts {
		if s.Class == patterns.ClassSteady {
			continue
		}
		if len(r.f.Patterns) == maxPatterns || !d.writef("%s %d %d %.1f %s", s.Class, s.Before, s.After, s.Ratio, s.Template) {
			d.Truncated = true
			break
		}
		r.f.Patterns = append(r.f.Patterns, causes.Pattern{Shift: s, Cite: d.ID})
	}
	r.w.freeze(d)
}

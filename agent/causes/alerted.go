package causes

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// limit is what a rule's expression compares with at its end.
var limit = regexp.MustCompile(`([<>])=?\s*(?:bool\s+)?(-?[\d.]+(?:[eE][+-]?\d+)?)\s*$`)

// stillFires reports whether what the rule of the incident measures is a symptom, and was past its limit when it was last read, or
// later.
func (f *Facts) stillFires() bool {
	if f.Alert == nil || f.Alert.Series == nil || len(f.Alert.Series.Points) == 0 {
		return false
	}
	switch f.Alert.Series.Meaning {
	case series.Unknown, series.Requests:
		return false // much of it is no trouble by itself
	default:
	}
	if last := f.Alert.Series.Points[len(f.Alert.Series.Points)-1]; !last.At.After(f.Incident.LastSeenAt) {
		return true // it fired since what was read of it
	}
	compared := limit.FindStringSubmatch(f.Alert.Rule.Expr)
	if compared == nil {
		return false
	}
	edge, err := strconv.ParseFloat(compared[2], 64)
	if err != nil {
		return false
	}
	if compared[1] == "<" {
		return f.Alert.Series.Last < edge
	}
	return f.Alert.Series.Last > edge
}

// alerted reads the rule that opened the incident: a team wrote it about the symptom, and its series shows when it began.
func (d *docket) alerted() {
	service := d.w.f.Incident.Service
	switch d.w.f.Incident.Signal {
	case platform.SignalCrashLoop, platform.SignalDeployFailed, platform.SignalBuildFailed:
		d.quiet(platform.CategoryTrafficSurge, service) // what does not come up is not held up by those who ask
	default:
	}
	a := d.w.f.Alert
	if a == nil {
		return
	}
	if a.Rule.Logs != nil {
		d.manyLines(a, service)
		return
	}
	m := a.Series
	if m == nil || !m.Up() && m.Last <= m.First {
		return
	}
	s := sign{text: fmt.Sprintf("The rule %s fires: %s", a.Rule.Name, movement(m)), cite: m.Cite, onset: m.Onset, says: inSentence(movement(m)), direct: true}
	if s.onset.IsZero() {
		s.onset = d.w.onset
	}
	switch m.Meaning {
	case series.Memory, series.MemoryShare:
		if busy := d.w.risen(service, 1.4, series.Requests); busy != nil && surge(busy) && m.Kind != series.Ramp {
			return
		}
		s.score = 0.66
		l := d.add(platform.CategoryMemoryLeak, service, s)
		l.slow, l.slack = true, maxDuration(l.slack, stepOf(m))
		d.quiet(platform.CategoryTrafficSurge, service) // requests that come and go do not keep memory
	case series.Latency:
		if s.score = 0.6; d.crowded(service) {
			s.score = 0.4
		}
		d.add(platform.CategoryLatencyRegression, service, s)
	default:
	}
}

// quiet makes what was told of a category in a service a guess.
func (d *docket) quiet(category platform.Category, service string) {
	for _, l := range d.order {
		if l.category == category && l.service == service {
			l.score = min(l.score, faint)
		}
	}
}

// crowded reports whether something that makes any service slow is seen: many more requests, or no processor.
func (d *docket) crowded(service string) bool {
	if busy := d.w.risen(service, 2, series.Requests); busy != nil && surge(busy) {
		return true
	}
	for _, l := range d.order {
		if l.category == platform.CategoryNoisyNeighbour && l.score >= strong {
			return true
		}
	}
	return false
}

// manyLines reads a rule that counts lines: of any kind, it tells of a flood.
func (d *docket) manyLines(a *Alert, service string) {
	if rule := a.Rule.Logs; rule.Text != "" || rule.Regex != "" || rule.Level != "" && rule.Level != "debug" && rule.Level != "info" {
		return
	}
	var top *voice
	for _, v := range d.w.talks {
		if v.Service == service && !v.Grave() && !v.Counted && v.Cite != "" && (top == nil || v.since > top.since) {
			top = v
		}
	}
	if top == nil {
		return
	}
	l := d.add(platform.CategoryLogFlood, service, sign{
		score: 0.76, text: fmt.Sprintf("The rule %s counts many lines, most of them like this one.", a.Rule.Name), quote: firstLine(top.Text), cite: top.Cite, onset: d.w.onset, says: "it floods its log", direct: true,
	})
	l.texts = append(l.texts, top.Text)
	for _, word := range strings.Fields(top.Text) {
		if containsAnyOf(word, "DEBUG", "TRACE") {
			l.names = append(l.names, strings.Trim(word, "[]:"))
		}
	}
}

package causes

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// live reports whether the facts come from the platform itself, which knows what it deployed, and not from a bundle of files.
func (f *Facts) live() bool { return f.Release != nil || f.Deploy != nil }

// hold takes what the rules over the suspect's own release found as leads of the same docket: they are weighed against the
// signs of every other service and category, and give way to a more specific one in the same words.
func (d *docket) hold(own []platform.Cause) {
	for i := range own {
		c := &own[i]
		score := c.Score
		if c.Category == platform.CategoryCodeError { // every fault of a program ends in a stack trace
			score = min(score, traceScore)
		}
		category := c.Category
		if category == platform.CategoryBadCommand && d.heard(platform.CategoryArchMismatch, c.Service) {
			category = platform.CategoryArchMismatch // the command is there, and is of another machine
		}
		l := d.add(category, c.Service, sign{score: min(0.95, score), says: inSentence(firstSentence(c.Summary)), onset: d.w.onset, direct: true})
		l.claims = append(slices.Clone(c.Claims), l.claims...)
		if l.variable == "" {
			l.variable = c.Variable
		}
		if l.own == nil || c.Score > l.own.Score {
			l.own = c
		}
		if c.Change != nil && c.Change.Kind != platform.ChangeDeploy {
			if l.accuses == nil {
				l.accuses = map[string]string{}
			}
			l.accuses[c.Change.ID] = accusation(c)
		}
		l.held = l.score
		if c.Category == platform.CategoryDependency {
			d.unnamed(c.Service)
		}
	}
}

// heard reports whether the category has a lead of the service.
func (d *docket) heard(category platform.Category, service string) bool {
	return slices.ContainsFunc(d.order, func(l *lead) bool { return l.category == category && l.service == service })
}

// strangers quiets what services tell that have nothing to do with the one that failed, where that one tells of a fault itself: the
// platform knows who depends on whom.
func (d *docket) strangers() {
	home := d.w.f.Incident.Service
	tells := func(l *lead) bool { return l.service == home && l.direct && l.score >= strong }
	if !d.w.f.live() || !slices.ContainsFunc(d.order, tells) {
		return
	}
	for _, l := range d.order {
		if l.service != home && !d.w.reaches(home, l.service) && !d.w.reaches(l.service, home) && !slices.Contains(d.w.sharing[home], l.service) {
			l.score *= 0.5
		}
	}
}

// shownBefore reports whether the release before, while the change was not there yet, said what the lead is told by.
func (w *world) shownBefore(l *lead, c *candidate) bool {
	if !w.f.live() || l.service != w.f.Incident.Service {
		return false
	}
	for _, claim := range l.claims {
		words := inSentence(claim.Quote)
		if len(words) < minWords {
			continue
		}
		for _, line := range w.f.PreviousLines {
			if line.At.Before(c.live) && strings.Contains(line.Text, words) {
				return true
			}
		}
	}
	return false
}

// ofOtherKeys reports whether what failed names a variable of the suspect, and the change is one of settings that leaves it alone.
func (w *world) ofOtherKeys(l *lead, c *candidate) bool {
	if w.f.Config == nil || len(c.Keys) == 0 || l.service != w.f.Incident.Service {
		return false
	}
	named := false
	for key := range w.f.Config.Keys {
		if !slices.ContainsFunc(l.claims, func(q platform.Claim) bool { return containsWord(q.Quote, key) }) {
			continue
		}
		if slices.Contains(c.Keys, key) {
			return false
		}
		named = true
	}
	return named
}

// minWords is how long a quote must be to be recognised.
const minWords = 12

// unnamed quiets complaints about a name that does not resolve, of a service of the same environment that has no instance:
// the engine names what runs.
func (d *docket) unnamed(service string) {
	for _, l := range d.order {
		if l.category == platform.CategoryDNSFailure && l.service == d.w.f.Incident.Service && slices.ContainsFunc(l.claims, func(c platform.Claim) bool { return containsWord(c.Quote, service) }) {
			l.score = min(l.score, faint)
		}
	}
}

// traceScore is what a stack trace alone says for a fault of the code it names.
const traceScore = 0.62

// firstSentence is the text up to its first full stop that ends a sentence.
func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i > 0 {
		return s[:i]
	}
	return s
}

// accusation is how a rule says that its change reaches the fault: its claim about the change.
func accusation(c *platform.Cause) string {
	for _, claim := range c.Claims {
		if rest, ok := strings.CutPrefix(claim.Text, "Commit "+platform.ShortSHA(c.Change.ID)+" "); ok {
			return "it " + strings.TrimSuffix(rest, ".")
		}
	}
	return "it changed what the error names"
}

// retold is the cause of a lead in the words of the rule that found it first hand, where the lead still stands and its change is
// the rule's.
func (l *lead) retold(c *platform.Cause) {
	own := l.own
	if own == nil || own.Category != c.Category || own.Service != c.Service {
		return
	}
	if l.score > l.held-0.05 {
		c.Score = max(c.Score, own.Score)
	}
	if c.Location == nil {
		c.Location = own.Location
	}
	if !sameChange(c.Change, own.Change) {
		return
	}
	c.Summary, c.Claims = own.Summary, own.Claims
	c.Change, c.Location, c.Variable = own.Change, own.Location, own.Variable
}

// surge reports whether requests rose from a level at which they were before: the first load that a service ever gets is none.
func surge(m *Metric) bool {
	if m.Before <= 0.004*m.After {
		return false
	}
	busy := 0
	for _, p := range m.Points {
		if p.At.Before(m.Onset) && p.Value > 0.5*m.Before {
			busy++
		}
	}
	return busy >= minPointsBefore
}

// minPointsBefore is how many points a level must have held to be one.
const minPointsBefore = 4

// served reports whether the incident is of a service that serves: a kill of what hangs or does not start is no ungraceful stop.
func (d *docket) served() bool {
	switch d.w.f.Incident.Signal {
	case platform.SignalAlert, platform.SignalErrorRate:
		return true
	default:
	}
	return false
}

// namesNeighbour reports whether a cause's quotes name another service of the environment.
func (f *Facts) namesNeighbour(c platform.Cause) bool {
	for _, claim := range c.Claims {
		for _, n := range f.Neighbours {
			if containsWord(claim.Quote, n.Name) {
				return true
			}
		}
	}
	return false
}

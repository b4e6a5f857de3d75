// Package triage says of each alert from outside whether somebody must look: page, or suppress with the reason.
//
// It owns what is judged (behaviour, never the severity label), the floor that nothing may suppress, and how alerts of
// one cause are told apart from separate ones. It is pure: a bundle in, decisions out; no clock, no I/O. Missing data is
// never a reason to suppress: what nothing explains pages. It must not know where alerts come from or how people are told.
package triage

import (
	"cmp"
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
)

// Verdict is what is to be done with an alert.
type Verdict string

// The verdicts.
const (
	Page     Verdict = "page"
	Suppress Verdict = "suppress"
)

// Kind is why, in a word.
type Kind string

// The kinds of reasons. The first five page.
const (
	Outage    Kind = "outage"    // users notice, data is at risk, or something is exhausted
	Burn      Kind = "burn"      // it moves steadily to a limit
	Sustained Kind = "sustained" // the condition holds and nothing explains it away
	Unknown   Kind = "unknown"   // nothing that was recorded shows that it is harmless
	Uncovered Kind = "uncovered" // harmless by itself, but the only word of an outage
	Duplicate Kind = "duplicate" // an open incident or another alert is about the same
	Symptom   Kind = "symptom"   // something that the service depends on failed first
	Flapping  Kind = "flapping"  // it comes and goes
	Transient Kind = "transient" // it went by itself
	Chatter   Kind = "chatter"   // cost, configuration and notices without effect
	Churn     Kind = "churn"     // restarts of a rollout that is through
	Planned   Kind = "planned"   // somebody stopped it
	Harmless  Kind = "harmless"  // steady, with no effect and far from a limit
)

// Decision is what is to be done with one alert, and why.
type Decision struct {
	Alert       string   `json:"alert"`
	Verdict     Verdict  `json:"decision"`
	DuplicateOf string   `json:"duplicate_of,omitempty"` // an alert that pages, or an open incident
	Kind        Kind     `json:"kind"`
	Reason      string   `json:"reason"`
	Evidence    []string `json:"evidence"`
}

// Forecast is a series that moves to a limit although no alert tells of it.
type Forecast struct {
	Service  string   `json:"service"`
	Metric   string   `json:"metric"`
	Reason   string   `json:"reason"`
	Evidence []string `json:"evidence"`
}

// Result is what was made of a bundle: one decision for each alert, in their order.
type Result struct {
	Decisions []Decision `json:"decisions"`
	Burns     []Forecast `json:"burns,omitempty"`
	Gaps      []string   `json:"gaps,omitempty"`
}

// Decide judges every alert of the bundle. The same bundle gives the same result.
func Decide(b *bundle.Bundle) Result {
	w := newWorld(b)
	all := make([]*judged, 0, len(b.Alerts))
	for i := range b.Alerts {
		all = append(all, w.read(&b.Alerts[i]))
	}
	for _, j := range all {
		if !w.coveredByIncident(j) {
			w.judge(j)
		}
	}
	w.relate(all)
	w.cover(all)
	r := Result{Decisions: []Decision{}, Burns: w.quietBurns(all), Gaps: b.Gaps}
	for _, j := range all {
		j.Evidence = compact(j.Evidence)
		r.Decisions = append(r.Decisions, j.Decision)
	}
	return r
}

// judged is an alert while it is judged.
type judged struct {
	Decision
	alert   *bundle.Alert
	about   about
	series  *measured // the series that the alert is about; nil when it was not recorded
	onset   time.Time
	exact   bool // onset is where the series moved, not when the alert came
	spent   bool // something is at its limit now
	floor   bool // may be suppressed as a duplicate only
	planned bool
}

func (j *judged) page(kind Kind, reason string, evidence ...string) {
	j.say(Page, kind, reason, evidence)
}

func (j *judged) suppress(kind Kind, reason string, evidence ...string) {
	j.say(Suppress, kind, reason, evidence)
}

func (j *judged) say(v Verdict, kind Kind, reason string, evidence []string) {
	j.Verdict, j.Kind, j.Reason = v, kind, reason
	j.Evidence = append([]string{j.Alert}, evidence...)
}

// duplicate suppresses in favour of another alert or an incident.
func (j *judged) duplicate(kind Kind, of, reason string, evidence ...string) {
	j.suppress(kind, reason, append([]string{of}, evidence...)...)
	j.DuplicateOf = of
}

// judge looks at one alert by itself. The order matters: what must page is looked for before what may be suppressed.
func (w *world) judge(j *judged) {
	for _, rule := range []func(*judged) bool{
		w.plannedStop, w.dataLoss, w.certificate, w.churn, w.outage, w.exhausted, w.burning, w.waitsForPlanned, w.testedOnPurpose, w.chatter, w.flapping, w.transient, w.harmless,
	} {
		if rule(j) {
			return
		}
	}
	w.otherwise(j)
}

// cover makes sure that an outage whose only words are suppressed ones pages: the most telling of them.
func (w *world) cover(all []*judged) {
	told := map[string]bool{}
	for _, j := range all {
		if j.Verdict == Page || j.DuplicateOf != "" || j.planned {
			told[j.alert.Service] = true
		}
	}
	quiet := slices.DeleteFunc(slices.Clone(all), func(j *judged) bool { return told[j.alert.Service] || j.alert.Service == "" })
	slices.SortStableFunc(quiet, func(a, b *judged) int {
		return cmp.Or(cmp.Compare(chatterLast(a), chatterLast(b)), a.alert.At.Compare(b.alert.At))
	})
	for _, j := range quiet {
		e := w.effect(j.alert.Service)
		if told[j.alert.Service] || !e.outage {
			continue
		}
		told[j.alert.Service] = true
		j.page(Uncovered, "Nothing else tells of it: "+e.words+".", e.evidence...)
	}
}

func chatterLast(j *judged) int {
	if j.Kind == Chatter {
		return 1
	}
	return 0
}

// compact drops what is empty or said twice.
func compact(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

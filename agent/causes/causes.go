// Package causes finds what broke a service from facts that were frozen before it runs, with no language model.
//
// It owns the catalogue of causes (one file per category), the reading of stack traces and diffs, the ranking of
// changes by mechanism and the tests of exposure ("did the old release show it too?"). It is pure: facts in, diagnosis
// out; no I/O, no clock, no randomness. It must not know where facts are read, and a change is never convicted
// because it was recent: only because its diff reaches what failed, or because one release shows the fault and the
// one before did not.
package causes

import (
	"fmt"
	"sort"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// Engine names this engine in a diagnosis.
const Engine = "rules/1"

// Rule is one entry of the catalogue: it looks for causes of one category.
type Rule struct {
	// Category is what its causes are called.
	Category platform.Category
	// Find returns what the facts show. It may return nothing, and must cite evidence for every claim.
	Find func(*Facts) Found
}

// Found is what one rule has to say.
type Found struct {
	Causes   []platform.Cause
	RuledOut []platform.RuledOut
	// Missing says what the rule would have needed to be sure.
	Missing []string
	// Because is set when the rule saw the fault and yet names no cause: one clause that says why.
	Because string
}

// Catalogue returns every rule, the most specific first: of two causes with one score the earlier rule's wins.
func Catalogue() []Rule {
	return []Rule{
		{platform.CategoryBuildFailed, findBuildFailed},
		{platform.CategoryOOMKilled, findOOMKilled},
		{platform.CategoryMissingEnv, findMissingEnv},
		{platform.CategoryImportError, findImportError},
		{platform.CategoryMissingMount, findMissingMount},
		{platform.CategoryBadCommand, findBadCommand},
		{platform.CategoryPortMismatch, findPortMismatch},
		{platform.CategoryBadHealthPath, findBadHealthPath},
		{platform.CategoryDependency, findDependencyDown},
		{platform.CategoryBadConfig, findBadConfig},
		{platform.CategoryBadConfig, brokenFile},
		{platform.CategoryCodeError, findCodeError},
		{platform.CategorySlowStart, findSlowStart},
	}
}

// minScore is the least evidence that a cause needs to be named at all.
const minScore = 0.4

// Diagnose runs the catalogue over the facts. The result carries no id, time or suggestion: the caller adds them.
// Facts that name no cause give the verdict none, or healthy where the facts show that nothing is wrong.
func Diagnose(facts *Facts) platform.Diagnosis {
	own := *facts // the traces that are read belong to this call alone
	own.parsed = map[string][]Trace{}
	f := &own
	d := platform.Diagnosis{IncidentID: f.Incident.ID, Engine: Engine}
	var missing []string
	because := "no line, exit code, probe or count in the evidence explains it"
	for _, rule := range Catalogue() {
		found := rule.Find(f)
		for _, c := range found.Causes {
			if c.Score >= minScore {
				c.Category = rule.Category
				d.Causes = append(d.Causes, c)
			}
		}
		d.RuledOut = append(d.RuledOut, found.RuledOut...)
		missing = append(missing, found.Missing...)
		if found.Because != "" {
			because = found.Because
		}
	}
	around, court := widen(f, d.Causes)
	d.Causes = rank(around)
	d.RuledOut = dedupeRuledOut(d.RuledOut)
	d.Gaps = appendNew(append([]string(nil), f.Gaps...), missing...)
	switch {
	case len(d.Causes) > 0:
		top := d.Causes[0]
		d.Verdict, d.Category, d.Summary = platform.VerdictCause, top.Category, top.Summary
		d.Confidence = confidence(d.Causes, f)
		court.spreadFrom(&d, top)
	default:
		abstain(f, court, &d, because)
	}
	recall(f, &d)
	return d
}

// widen weighs what the rules over the suspect's own release found together with what every service, series and change tells.
func widen(f *Facts, own []platform.Cause) ([]platform.Cause, *docket) {
	found, court := investigate(f, own)
	calm := court.well
	if f.live() { // the platform counts requests and asks instances itself
		if _, _, well := looksHealthy(f); !well {
			calm = func() (string, []platform.EvidenceID, bool) { return "", nil, false }
		}
	}
	if well, _, ok := calm(); ok && well != "" && !sure(found) && len(own) == 0 {
		return nil, court
	}
	var out []platform.Cause
	for _, c := range found {
		if c.Score >= minScore && !silence(f, own, c) {
			out = append(out, c)
		}
	}
	return out, court
}

// silence reports whether a rule over the platform's own facts of the suspect has looked for such a cause and found none: it knows
// what was set, which release was live before and what its lines said. Where a change is convicted, that says more.
func silence(f *Facts, own []platform.Cause, c platform.Cause) bool {
	if !f.live() || c.Change != nil || c.Service != f.Incident.Service {
		return false
	}
	for _, o := range own {
		if o.Category == c.Category {
			return false
		}
	}
	if c.Category == platform.CategoryDependency && !f.namesNeighbour(c) {
		return false // what it needs lies outside, and nobody knows how it does
	}
	for _, rule := range Catalogue() {
		if rule.Category == c.Category {
			return true
		}
	}
	return false
}

// sure reports whether the best cause is told by the fault's own words, so that calm now does not speak against it.
func sure(found []platform.Cause) bool {
	if len(found) == 0 {
		return false
	}
	switch found[0].Category {
	case platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryDNSFailure, platform.CategoryLatencyRegression, platform.CategoryTrafficSurge:
		return false // these pass by themselves, and what has passed is over
	default:
	}
	return found[0].Score >= 0.62
}

// spreadFrom says who suffered from the cause and how it reached them.
func (d *docket) spreadFrom(diagnosis *platform.Diagnosis, top platform.Cause) {
	diagnosis.BlastRadius, diagnosis.Propagation = d.victims(top.Service), d.path(top.Service)
	for _, l := range d.order {
		if l.service == top.Service && l.category == top.Category {
			_, acquitted := d.w.convict(l)
			for _, r := range acquitted {
				if len(r.Evidence) > 0 {
					diagnosis.RuledOut = append(diagnosis.RuledOut, r)
				}
			}
			diagnosis.RuledOut = dedupeRuledOut(diagnosis.RuledOut)
			return
		}
	}
}

// rank orders causes by score, drops those that retell a better one, and numbers the rest.
func rank(all []platform.Cause) []platform.Cause {
	sort.SliceStable(all, func(i, j int) bool { return all[i].Score > all[j].Score })
	var kept []platform.Cause
	for _, c := range all {
		if !retells(kept, c) {
			c.Rank = len(kept) + 1
			c.Score = clamp(c.Score)
			kept = append(kept, c)
		}
	}
	return kept
}

// retells reports whether a better cause already explains the same words: the generic rules see what specific ones see.
func retells(kept []platform.Cause, c platform.Cause) bool {
	for _, k := range kept {
		if k.Category == c.Category && k.Service == c.Service && sameChange(k.Change, c.Change) && k.Variable == c.Variable {
			return true
		}
		if quoteOf(k) != "" && quoteOf(k) == quoteOf(c) {
			return true
		}
		// What kept the process from running explains every later symptom of the same instance.
		if startStopper(k.Category) && (c.Category == platform.CategoryCodeError || c.Category == platform.CategorySlowStart) &&
			k.Score >= 0.6 {
			return true
		}
	}
	return false
}

func startStopper(c platform.Category) bool {
	switch c {
	case platform.CategoryBuildFailed, platform.CategoryMissingEnv, platform.CategoryImportError, platform.CategoryBadCommand,
		platform.CategoryOOMKilled:
		return true
	default:
		return false
	}
}

func quoteOf(c platform.Cause) string {
	for _, claim := range c.Claims {
		if claim.Quote != "" {
			return claim.Quote
		}
	}
	return ""
}

func sameChange(a, b *platform.Change) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.ID == b.ID
}

// confidence is the best score, less for what could not be read and for a rival that is close.
func confidence(ranked []platform.Cause, f *Facts) float64 {
	c := ranked[0].Score
	if len(ranked) > 1 && ranked[1].Category != ranked[0].Category {
		if margin := ranked[0].Score - ranked[1].Score; margin < 0.15 {
			c -= 0.15 - margin
		}
	}
	c -= 0.03 * float64(min(gravely(f.Gaps), 5))
	return clamp(c)
}

// gravely counts the gaps that leave room for another answer. A bundle need not hold every kind of file.
func gravely(gaps []string) int {
	n := 0
	for _, g := range gaps {
		name, absent := strings.CutPrefix(g, "the bundle has no ")
		if !absent || name == "logs.ndjson" || name == "metrics.csv" || name == "changes.ndjson" {
			n++
		}
	}
	return n
}

func clamp(v float64) float64 {
	switch {
	case v < 0:
		return 0
	case v > 0.99: // evidence is never complete
		return 0.99
	}
	return float64(int(v*1000+0.5)) / 1000
}

// abstain gives the verdict of facts that name no cause.
func abstain(f *Facts, court *docket, d *platform.Diagnosis, because string) {
	summary, claims, ok := looksHealthy(f)
	if !ok && f.Release == nil && f.Deploy == nil { // what the platform knows first hand says more than calm
		summary, claims, ok = court.well()
	}
	if ok {
		d.Verdict, d.Category, d.Confidence = platform.VerdictHealthy, platform.CategoryHealthy, clamp(0.9-0.05*float64(len(f.Gaps)))
		d.Summary = summary
		d.RuledOut = append(d.RuledOut, platform.RuledOut{
			Hypothesis: f.Incident.Service + " is failing now", Why: summary, Evidence: claims,
		})
		return
	}
	d.Verdict, d.Category = platform.VerdictNone, platform.CategoryNone
	d.Summary = fmt.Sprintf("What broke %s is not known: %s.", lowerSubject(f), because)
}

func dedupeRuledOut(in []platform.RuledOut) []platform.RuledOut {
	seen := map[string]bool{}
	var out []platform.RuledOut
	for _, r := range in {
		key := r.Hypothesis // a commit is let go once, however it is told of
		if words := strings.Fields(key); len(words) > 2 && words[0] == "commit" {
			key = words[0] + " " + words[1]
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}

func appendNew(base []string, more ...string) []string {
	for _, m := range more {
		known := false
		for _, b := range base {
			known = known || b == m
		}
		if !known {
			base = append(base, m)
		}
	}
	return base
}

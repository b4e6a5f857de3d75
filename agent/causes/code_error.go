package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// quotedName finds the words an error puts in quotes: attributes, keys, columns, functions.
var quotedName = regexp.MustCompile("['\"`]([A-Za-z_][\\w.-]{2,80})['\"`]")

// findCodeError explains a service that fails in its own code: the stack trace's innermost place in the application,
// and the commit whose diff reaches that place. A fault that the previous release shows too convicts nobody.
func findCodeError(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed || f.Incident.Signal == platform.SignalOOM {
		return Found{}
	}
	var out Found
	for _, t := range f.traces() {
		if foreignTrace(f, t) {
			continue
		}
		explainTrace(f, t, &out)
	}
	if len(out.Causes) == 0 && out.Because == "" {
		explainRoutes(f, &out)
	}
	return out
}

// foreignTrace passes over traces that tell of something else: a dependency that does not answer, or our own stop.
func foreignTrace(f *Facts, t quoted) bool {
	switch t.Kind() {
	case "KeyboardInterrupt", "SystemExit", "CancelledError", "BrokenPipeError", "ClientDisconnect":
		return true
	}
	for _, c := range complaints(f) {
		if c.line.Cite == t.cite && c.line.Text == t.text {
			n, ok := f.neighbour(c)
			return ok && n.Down
		}
	}
	return false
}

// callFails are the kinds of errors by which a call of another service or of a server fails.
var callFails = regexp.MustCompile(`(?i)timeout|Connect|HTTPError|URLError|gaierror|ECONN|ENOTFOUND|RemoteDisconnected|ServiceUnavailable|UnreachableError|^fetch failed|SSL|ApiError|StatusError`)

func explainTrace(f *Facts, t quoted, out *Found) {
	frame, placed := t.Inner()
	exposed := f.exposure(f.showsTrace(t.Trace), "such "+t.Kind())
	if lines := lineExposure(f, f.showsTrace(t.Trace), t.Kind()); lines.Shown {
		exposed = lines
	}
	if exposed.Shown {
		out.Because = fmt.Sprintf("%s is not new: %s, so what changed since did not bring it", t.Kind(), exposed.Why)
		out.RuledOut = append(out.RuledOut, platform.RuledOut{
			Hypothesis: fmt.Sprintf("%s brought %s", subject(f), t.Kind()), Why: exposed.Why, Evidence: exposed.Cites,
		})
		return
	}
	m := mechanismOf(t.Trace)
	guilty, convicted := f.Guilty(m)
	if convicted && callFails.MatchString(t.Kind()) && guilty.Score < reachWroteCall {
		convicted = false // the trace runs through code that only waits for another
	}
	if !convicted && (!exposed.Tested || exposed.Weak) {
		out.Because = fmt.Sprintf("%s was seen, but no diff reaches it and the previous release's lines say nothing about it", t.Error)
		out.Missing = append(out.Missing, "a change that reaches "+t.Error+", or the previous release's logs, to tell whether this release brought it")
		return
	}
	c := platform.Cause{Service: f.Incident.Service, Score: 0.5}
	where := ""
	c.Claims = withClaims(claim(fmt.Sprintf("It logged this error %s.", times(t.count)), t.Error, t.cite))
	if placed {
		path := cleanPath(frame.File)
		if p, ok := f.repoPath(frame.File); ok {
			path = p
		}
		c.Location = &platform.Location{File: path, Line: frame.Line}
		where = fmt.Sprintf(" at %s:%d", path, frame.Line)
		c.Claims = append(c.Claims, withClaims(claim(fmt.Sprintf("It fails in %s, at %s:%d.", orNameless(frame.Func), path, frame.Line), frame.Raw, t.cite))...)
	}
	if convicted {
		c.Change, c.Score = guilty.asChange(f), c.Score+0.25*guilty.Score
		c.Location = mergeLocation(c.Location, guilty.location())
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = append(out.RuledOut, f.acquit(guilty.Commit, strings.TrimSpace(strings.TrimPrefix(where, " at ")), m)...)
	}
	addExposure(f, &c, exposed, out)
	c.Claims = append(c.Claims, patternClaim(f, t)...)
	c.Claims = append(c.Claims, exitClaim(f)...)
	c.Summary = fmt.Sprintf("%s fails%s: %s%s.", subject(f), where, inSentence(t.Error), broughtBy(c.Change))
	out.Causes = append(out.Causes, c)
}

// addExposure adds what the previous release did, and how the new one does.
func addExposure(f *Facts, c *platform.Cause, exposed Exposure, out *Found) {
	if now, ok := f.routeOf(f.releaseNumber()); ok && now.Failed > 0 {
		c.Score += 0.03
		c.Claims = append(c.Claims, withClaims(claim(fmt.Sprintf("Release v%d answered %s of %s requests with 5xx %s.", now.Release, count(now.Failed), count(now.Requests), now.Window), "", now.Cite))...)
	}
	if !exposed.Tested {
		out.Missing = append(out.Missing, "whether the previous release showed the error: its lines and counts say nothing about it")
		return
	}
	c.Claims = append(c.Claims, withClaims(claim(sentence(exposed.Why), "", exposed.Cites...))...)
	if exposed.Weak { // it speaks for the cause, and rules nothing out
		c.Score += 0.05
		return
	}
	c.Score += 0.2
	out.RuledOut = append(out.RuledOut, platform.RuledOut{
		Hypothesis: "the fault is older than " + lowerSubject(f), Why: exposed.Why, Evidence: exposed.Cites,
	})
}

// patternClaim cites the log pattern that is new with this release and holds the error.
func patternClaim(f *Facts, t quoted) []platform.Claim {
	for _, p := range f.Patterns {
		if p.Novel() && strings.Contains(p.Exemplar, t.Kind()) {
			return withClaims(claim(fmt.Sprintf("Such lines came with this release: %s before, %s since.", count(float64(p.Before)), count(float64(p.After))), "", p.Cite))
		}
	}
	return nil
}

func orNameless(function string) string {
	if function == "" || function == "<module>" {
		return "the top level"
	}
	return function
}

// mechanismOf is how the trace's fault can come from a diff: its calls, then the words that the error names.
func mechanismOf(t Trace) Mechanism {
	m := Mechanism{Frames: t.App()}
	for e := t.Earlier; e != nil; e = e.Earlier {
		m.Frames = append(m.Frames, e.App()...)
	}
	for _, q := range quotedName.FindAllStringSubmatch(t.Error, 4) {
		m.Names = append(m.Names, q[1])
	}
	return m
}

// explainRoutes convicts a release that answers with errors and logs no reason, where the one before did not.
func explainRoutes(f *Facts, out *Found) {
	if f.Incident.Signal != platform.SignalErrorRate {
		return
	}
	now, ok := f.routeOf(f.releaseNumber())
	if !ok || now.Failed < 3 {
		return
	}
	exposed := routeExposure(f)
	switch {
	case !exposed.Tested:
		out.Because = "requests fail, and whether the previous release failed them too could not be tested"
		out.Missing = append(out.Missing, "the previous release's share of failed requests")
		return
	case exposed.Shown:
		out.Because = "requests failed before the change as well: " + exposed.Why
		out.RuledOut = append(out.RuledOut, platform.RuledOut{Hypothesis: subject(f) + " brought the errors", Why: exposed.Why, Evidence: exposed.Cites})
		return
	case f.Difference != nil && f.Difference.SameImage:
		return // only configuration changed: that is another rule's
	}
	for _, c := range complaints(f) {
		if n, ok := f.neighbour(c); ok && n.Down {
			return
		}
	}
	c := platform.Cause{Service: f.Incident.Service, Score: 0.4}
	addExposure(f, &c, exposed, out)
	c.Summary = fmt.Sprintf("%s answers %s of its requests with 5xx and logs no reason; the release before did not%s.", subject(f), percent(now.Rate()), broughtBy(c.Change))
	out.Missing = append(out.Missing, "a stack trace or an error line of "+f.Incident.Service+" from the failing requests")
	out.Causes = append(out.Causes, c)
}

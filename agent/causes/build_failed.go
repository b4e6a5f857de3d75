package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// buildFault is what a build log says went wrong: the line that says it, and the place where it names one.
type buildFault struct {
	what  string // for people: "SyntaxError: invalid syntax"
	quote string // as it stands in the log
	place Frame
	names []string
	files []string
	score float64 // how exactly the log names the fault
}

var (
	compilerLine = regexp.MustCompile(`(?:^|\s)((?:\.{0,2}/)?[\w@.+-][\w@./+-]{0,300}\.[A-Za-z]\w{0,9}):(\d{1,7})(?::\d{1,6})?:? (?:- )?((?:fatal )?[Ee]rror\b.*|[^\d\s].{3,})$`)
	tscLine      = regexp.MustCompile(`(?:^|\s)([\w@./+-]{1,300}\.[cm]?tsx?)\((\d{1,7}),\d{1,6}\): (error TS\d+: .*)$`)
	rustPlace    = regexp.MustCompile(`^\s*--> ([\w@./+-]{1,300}\.rs):(\d{1,7}):\d{1,6}$`)
	rustError    = regexp.MustCompile(`^error(?:\[E\d+\])?: .+$`)
	sorryLine    = regexp.MustCompile(`((?:Syntax|Indentation|Tab)Error: [^()\n]*) \(([^(),\n]{1,300}), line (\d{1,7})\)`)
	noDockerfile = regexp.MustCompile(`(?:failed to read dockerfile|Cannot locate specified Dockerfile|unable to prepare context)[^\n]*`)
	noCopySource = regexp.MustCompile(`(?:COPY|ADD) failed: [^\n]*|"(/[^"\n]{1,300})": not found`)
	noPackage    = regexp.MustCompile(`(?:ERROR: )?No matching distribution found for ([\w.@/\[\]-]+)[^\n]*|npm (?:ERR!|error) 404 +'?(@?[\w./-]+)@[^\n]*|no required module provides package ([\w./-]+)[^\n]*`)
	failedRun    = regexp.MustCompile(`process "([^\n]{1,400}?)" did not complete successfully: exit code: (\d+)|The command '([^\n]{1,400}?)' returned a non-zero code: (\d+)`)
	buildFlake   = regexp.MustCompile(`TLS handshake timeout|i/o timeout|Temporary failure in name resolution|toomanyrequests|connection reset by peer|503 Service Unavailable|no space left on device`)
)

// findBuildFailed explains a failed build: what the compiler or the builder said, where, and which commit wrote that.
func findBuildFailed(f *Facts) Found {
	failed := f.Incident.Signal == platform.SignalBuildFailed ||
		f.Deploy != nil && f.Deploy.Failure != nil && f.Deploy.Failure.Reason == platform.FailureBuild
	if !failed {
		return Found{}
	}
	if f.Build == nil {
		return Found{Missing: []string{"the build log could not be read"}, Because: "the build failed and its log could not be read"}
	}
	fault, ok := readBuild(f.Build.Body)
	if !ok {
		return Found{Because: "the build log ends without an error that can be placed"}
	}
	m := Mechanism{Names: fault.names, Files: fault.files}
	if fault.place.File != "" {
		m.Frames = []Frame{fault.place}
	}
	c := platform.Cause{Service: f.Incident.Service, Score: fault.score}
	c.Claims = withClaims(claim("The build stopped at this error.", fault.quote, f.Build.Cite))
	if step := failedRun.FindString(f.Build.Body); step != "" && step != fault.quote {
		c.Claims = append(c.Claims, withClaims(claim("It was in this step.", step, f.Build.Cite))...)
	}
	where := ""
	if fault.place.File != "" {
		c.Location = &platform.Location{File: cleanPath(fault.place.File), Line: fault.place.Line}
		if p, ok := f.repoPath(fault.place.File); ok {
			c.Location.File = p
		}
		where = fmt.Sprintf(" at %s:%d", c.Location.File, c.Location.Line)
	}
	var out Found
	guilty, convicted := f.Guilty(m)
	switch {
	case convicted:
		c.Change, c.Score = guilty.asChange(f), c.Score+0.2*guilty.Score
		c.Location = mergeLocation(c.Location, guilty.location())
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = f.acquit(guilty.Commit, placeName(fault, c.Location), m)
	case buildFlake.MatchString(f.Build.Body):
		c.Score -= 0.2
		out.Missing = append(out.Missing, "whether the same commit builds when tried again: the log holds a network or disk error")
	case len(f.Commits) == 1 && f.Commits[0].Read:
		// The commit before it was built and went live; this one is the only difference.
		c.Change, c.Score = commitChange(f, &f.Commits[0]), c.Score+0.05
		c.Claims = append(c.Claims, withClaims(claim("It is the only commit since the release that was built before.", "", f.Commits[0].Cite))...)
	}
	c.Summary = fmt.Sprintf("The build of %s failed%s: %s%s.", f.Incident.Service, where, inSentence(fault.what), broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}

// readBuild finds the most exact statement of the fault in a build log.
func readBuild(body string) (buildFault, bool) {
	for _, read := range []func(string) (buildFault, bool){readSyntax, readCompiler, readMissingFile, readPackage, readTrace, readStep} {
		if fault, ok := read(body); ok {
			return fault, true
		}
	}
	return buildFault{}, false
}

func readSyntax(body string) (buildFault, bool) {
	for _, t := range ParseTraces(body) {
		switch t.Kind() {
		case "SyntaxError", "IndentationError", "TabError":
			at := t.Frames[len(t.Frames)-1]
			return buildFault{what: t.Error, quote: t.Error, place: at, score: 0.75}, true
		}
	}
	if m := sorryLine.FindStringSubmatch(body); m != nil {
		return buildFault{what: m[1], quote: m[0], place: Frame{File: m[2], Line: number(m[3])}, score: 0.75}, true
	}
	return buildFault{}, false
}

func readCompiler(body string) (buildFault, bool) {
	last := ""
	for _, raw := range strings.Split(body, "\n") {
		line := traceLine(raw)
		if m := tscLine.FindStringSubmatch(line); m != nil {
			return buildFault{what: m[3], quote: strings.TrimSpace(m[0]), place: Frame{File: m[1], Line: number(m[2])}, score: 0.75}, true
		}
		if m := rustPlace.FindStringSubmatch(line); m != nil && last != "" {
			return buildFault{what: last, quote: last, place: Frame{File: m[1], Line: number(m[2])}, score: 0.75}, true
		}
		if rustError.MatchString(line) {
			last = line
			continue
		}
		if m := compilerLine.FindStringSubmatch(line); m != nil && !isLibrary(m[1]) && !strings.HasPrefix(m[3], "warning") && !strings.Contains(line, "://") {
			return buildFault{what: m[3], quote: strings.TrimSpace(m[0]), place: Frame{File: m[1], Line: number(m[2])}, score: 0.72}, true
		}
	}
	return buildFault{}, false
}

func readMissingFile(body string) (buildFault, bool) {
	if q := noDockerfile.FindString(body); q != "" {
		return buildFault{what: q, quote: q, files: []string{"Dockerfile", "fairlead.yaml"}, score: 0.72}, true
	}
	if m := noCopySource.FindStringSubmatch(body); m != nil {
		fault := buildFault{what: m[0], quote: m[0], files: []string{"Dockerfile", ".dockerignore"}, score: 0.72}
		if m[1] != "" {
			fault.names = []string{strings.TrimPrefix(m[1], "/"), baseName(m[1])}
		}
		return fault, true
	}
	return buildFault{}, false
}

func readPackage(body string) (buildFault, bool) {
	m := noPackage.FindStringSubmatch(body)
	if m == nil {
		return buildFault{}, false
	}
	name := m[1] + m[2] + m[3]
	plain, _, _ := strings.Cut(name, "=")
	return buildFault{what: m[0], quote: m[0], names: []string{plain}, score: 0.7}, true
}

func readTrace(body string) (buildFault, bool) {
	all := ParseTraces(body)
	if len(all) == 0 {
		return buildFault{}, false
	}
	t := all[len(all)-1]
	at, _ := t.Inner()
	return buildFault{what: t.Error, quote: t.Error, place: at, score: 0.68}, true
}

func readStep(body string) (buildFault, bool) {
	m := failedRun.FindStringSubmatch(body)
	if m == nil {
		return buildFault{}, false
	}
	return buildFault{what: m[0], quote: m[0], names: nil, files: []string{"Dockerfile"}, score: 0.55}, true
}

func placeName(fault buildFault, at *platform.Location) string {
	switch {
	case at != nil && at.File != "":
		return fmt.Sprintf("%s:%d", at.File, at.Line)
	case len(fault.names) > 0:
		return fault.names[0]
	case len(fault.files) > 0:
		return strings.Join(fault.files, " or ")
	}
	return "what failed"
}

// mergeLocation keeps the place that the error names and takes the hunk from the commit.
func mergeLocation(named, from *platform.Location) *platform.Location {
	if named == nil || named.Line == 0 {
		return from
	}
	if from != nil {
		named.Hunk = from.Hunk
		if from.File != "" {
			named.File = from.File
		}
	}
	return named
}

// broughtBy is a second sentence, less its full stop, that names the change, where one is convicted.
func broughtBy(c *platform.Change) string {
	if c == nil {
		return ""
	}
	name := describe(c)
	switch c.Kind {
	case platform.ChangeConfig, platform.ChangeSecret, platform.ChangeDeploy:
		return ". It came with " + name
	default:
		return ". " + strings.ToUpper(name[:1]) + name[1:] + " brought it"
	}
}

package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

var commandWords = []*regexp.Regexp{
	regexp.MustCompile(`exec: "([^"\n]{1,300})":[^\n]*(?:executable file not found in \$PATH|no such file or directory|permission denied)[^\n]*`),
	regexp.MustCompile(`exec ([^\s:]{1,300}): (?:exec format error|no such file or directory|permission denied)`),
	regexp.MustCompile(`(?:^|\n)(?:/bin/)?(?:ba|da)?sh: (?:line )?(?:\d+: )?([\w./-]{1,200}): (?:command )?not found`),
	regexp.MustCompile(`can't open file '([^'\n]{1,300})': \[Errno 2\] No such file or directory`),
	regexp.MustCompile(`Error: Cannot find module '(/[^'\n]{1,300}\.[cm]?js)'`),
	regexp.MustCompile(`Error: Unable to access jarfile ([^\s\n]{1,300})`),
	regexp.MustCompile(`Error loading ASGI app\. (?:Could not import module|Attribute) "([\w.]{1,200})"[^\n]*`),
}

// exitWords says what the exit codes of a container that could not be started mean.
var exitWords = map[int]string{
	125: "the engine could not run the container", 126: "the command is there and cannot be executed", 127: "the command was not found",
}

// findBadCommand explains an instance whose command could not be run at all.
func findBadCommand(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed {
		return Found{}
	}
	code, hasCode := startCode(f)
	for _, w := range f.words() {
		for _, re := range commandWords {
			if m := re.FindStringSubmatch(w.text); m != nil {
				return explainCommand(f, strings.TrimSpace(m[0]), m[1], w.cite, code, hasCode)
			}
		}
	}
	if !hasCode {
		return Found{}
	}
	return explainCommand(f, "", strings.Join(f.Spec.Command, " "), "", code, true)
}

// startCode is the exit code of the newest ended instance where it is one of those above.
func startCode(f *Facts) (int, bool) {
	for _, in := range f.ended() {
		if code, ok := in.Exit(); ok {
			_, known := exitWords[code]
			return code, known
		}
	}
	if f.Deploy != nil && f.Deploy.Failure != nil && f.Deploy.Failure.ExitCode != nil {
		code := *f.Deploy.Failure.ExitCode
		_, known := exitWords[code]
		return code, known
	}
	return 0, false
}

func explainCommand(f *Facts, quote, command string, cite platform.EvidenceID, code int, hasCode bool) Found {
	c := platform.Cause{Service: f.Incident.Service, Score: 0.45}
	what := quote
	if quote != "" {
		c.Score = 0.7
		c.Claims = withClaims(claim("The command of the instance cannot be run.", quote, cite))
	}
	if hasCode {
		c.Score += 0.1
		if what == "" {
			what = fmt.Sprintf("exit code %d: %s", code, exitWords[code])
		}
	}
	c.Claims = append(c.Claims, exitClaim(f)...)
	if len(c.Claims) == 0 && f.Deploy != nil {
		c.Claims = withClaims(claim("The deploy failed when its instance was started.", "", f.Deploy.Cite))
	}
	m := Mechanism{Files: []string{"Dockerfile", "Procfile", "entrypoint.sh", "start.sh", "fairlead.yaml"}}
	if command != "" {
		m.Names = []string{command, baseName(command)}
		m.Files = append(m.Files, baseName(command))
	}
	out := Found{}
	if guilty, ok := f.Guilty(m); ok {
		c.Change, c.Location, c.Score = guilty.asChange(f), guilty.location(), c.Score+0.15*guilty.Score
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = f.acquit(guilty.Commit, "the command "+command, m)
	} else if f.Difference != nil {
		for _, changed := range f.Difference.ChangedSpec {
			if strings.HasPrefix(changed, "command") {
				c.Score += 0.1
				c.Claims = append(c.Claims, withClaims(claim("The command changed with this release.", changed, f.Difference.Cite))...)
			}
		}
	}
	c.Summary = fmt.Sprintf("%s could not be started: %s%s.", subject(f), inSentence(what), broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}

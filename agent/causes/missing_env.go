package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

var (
	keyError = regexp.MustCompile(`KeyError: ['"]([A-Za-z_]\w{1,100})['"]`)
	envWords = []*regexp.Regexp{
		regexp.MustCompile(`required key ([A-Z][A-Z0-9_]{1,100}) missing value`),                                 // kelseyhightower/envconfig
		regexp.MustCompile(`required environment variable "?([A-Z][A-Z0-9_]{1,100})"? is not set`),               // caarlos0/env
		regexp.MustCompile(`([A-Z][A-Z0-9_]{1,100}) not found\. Declare it as envvar or define a default value`), // python-decouple
		regexp.MustCompile(`Set the ([A-Z][A-Z0-9_]{1,100}) environment variable`),                               // django-environ
		regexp.MustCompile(`(?i:environment variables?|env vars?)(?: named)?:? ["'` + "`" + `]?([A-Z][A-Z0-9_]{1,100})["'` + "`" + `]? (?i:is |was |are |must be )?(?i:not set|not defined|required|missing|undefined|unset|empty|set$|set\b)`),
		regexp.MustCompile(`(?i:missing|undefined|unset|required)(?: required)?(?: environment variables?| env vars?| env| config(?:uration)?)?:? ["'` + "`" + `]?([A-Z][A-Z0-9]*_[A-Z0-9_]{1,100})\b`),
		regexp.MustCompile(`\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)["'` + "`" + `]? (?i:environment variable |env var |env )?(?i:is not defined|is not set|not set|is required|is missing|is undefined|must be set|must be defined|must be provided|was not provided|cannot be empty|is unset|not defined)`),
		regexp.MustCompile(`\b([A-Z][A-Z0-9_]{1,100}): (?:parameter (?:null or )?not set|unbound variable)`), // sh
	}
	pydanticHead  = regexp.MustCompile(`validation errors? for (\w*(?:Settings|Config|Env|Environment)\w*)`)
	pydanticField = regexp.MustCompile(`(?m)^\s*([A-Za-z_]\w{0,100})\n\s+(Field required|field required)`)
)

// missing is a variable that the process says it lacks.
type missingVar struct {
	name   string
	alias  string // how the source may write it
	quote  string
	cite   platform.EvidenceID
	frames []Frame
	sure   bool // the words can mean nothing else
}

// findMissingEnv explains a process that needs a variable that nobody set: which one, whether it is set anywhere, and
// which change began to need it or took it away.
func findMissingEnv(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed {
		return Found{}
	}
	var out Found
	seen := map[string]bool{}
	for _, v := range missingVars(f) {
		if seen[v.name] {
			continue
		}
		seen[v.name] = true
		explainMissing(f, v, &out)
	}
	return out
}

func explainMissing(f *Facts, v missingVar, out *Found) {
	set, known := f.isSet(v.name)
	if set {
		out.RuledOut = append(out.RuledOut, platform.RuledOut{
			Hypothesis: "the variable " + v.name + " is not set",
			Why:        "it is set for this release; the error that names it has another reason",
			Evidence:   cites(configCite(f)),
		})
		return
	}
	exposed := f.exposure(func(text string) bool { return strings.Contains(text, v.quote) }, "error about "+v.name)
	if exposed.Shown {
		out.Because = fmt.Sprintf("the error about %s is not new: %s", v.name, exposed.Why)
		out.RuledOut = append(out.RuledOut, platform.RuledOut{
			Hypothesis: subject(f) + " brought the error about " + v.name, Why: exposed.Why, Evidence: exposed.Cites,
		})
		return
	}
	c := platform.Cause{Service: f.Incident.Service, Variable: v.name, Score: 0.5}
	if v.sure {
		c.Score = 0.6
	}
	c.Claims = withClaims(claim("The process says that it lacks "+v.name+".", v.quote, v.cite))
	if known {
		c.Score += 0.1
		c.Claims = append(c.Claims, withClaims(claim(v.name+" is set neither in fairlead.yaml nor in the service's own configuration.", "", configCite(f)))...)
	} else {
		out.Missing = append(out.Missing, "the configuration of the release: whether "+v.name+" is set could not be checked")
	}
	blameVariable(f, v, &c, out)
	c.Claims = append(c.Claims, exitClaim(f)...)
	if exposed.Tested {
		c.Score += 0.05
		c.Claims = append(c.Claims, withClaims(claim(sentence(exposed.Why), "", exposed.Cites...))...)
	}
	at := ""
	if c.Location != nil && c.Location.File != "" {
		at = fmt.Sprintf(", read at %s:%d,", c.Location.File, c.Location.Line)
	}
	c.Summary = fmt.Sprintf("%s cannot start: the environment variable %s%s is not set (%s)%s.", subject(f), v.name, at, inSentence(v.quote), strings.Replace(broughtBy(c.Change), " brought it", " began to need it", 1))
	out.Causes = append(out.Causes, c)
}

// blameVariable finds the change that took the variable away, or the commit that began to read it.
func blameVariable(f *Facts, v missingVar, c *platform.Cause, out *Found) {
	if len(v.frames) > 0 {
		c.Location = &platform.Location{File: cleanPath(v.frames[0].File), Line: v.frames[0].Line}
		if p, ok := f.repoPath(v.frames[0].File); ok {
			c.Location.File = p
		}
	}
	if f.Difference != nil && contains(f.Difference.RemovedKeys, v.name) {
		c.Claims = append(c.Claims, withClaims(claim("The previous release had "+v.name+"; this one does not.", v.name, f.Difference.Cite))...)
		c.Score += 0.1
		for i := len(f.Changes) - 1; i >= 0; i-- {
			if contains(f.Changes[i].Keys, v.name) && (f.Changes[i].Service == "" || f.Changes[i].Service == f.Incident.Service) {
				change := f.Changes[i].Change
				c.Change, c.Score = &change, c.Score+0.1
				c.Claims = append(c.Claims, withClaims(claim("This change touched "+v.name+".", "", f.Changes[i].Cite))...)
				return
			}
		}
	}
	m := Mechanism{Names: []string{v.name, v.alias}, Frames: v.frames}
	guilty, ok := f.Guilty(m)
	if !ok {
		return
	}
	c.Change, c.Score = guilty.asChange(f), c.Score+0.2*guilty.Score
	c.Location = mergeLocation(c.Location, guilty.location())
	c.Claims = append(c.Claims, withClaims(guilty.claim())...)
	out.RuledOut = append(out.RuledOut, f.acquit(guilty.Commit, v.name, m)...)
}

// missingVars reads the suspect's own words only: another service's complaint says nothing about this one.
func missingVars(f *Facts) []missingVar {
	var out []missingVar
	for _, w := range f.words() {
		if v, ok := keyErrorVar(f, w); ok {
			out = append(out, v)
			continue
		}
		if v, ok := pydanticVar(f, w); ok {
			out = append(out, v)
			continue
		}
		for _, re := range envWords {
			if m := re.FindStringSubmatch(w.text); m != nil {
				out = append(out, missingVar{name: m[1], quote: m[0], cite: w.cite, frames: appFrames(f, w.text), sure: true})
				break
			}
		}
	}
	return out
}

// keyErrorVar takes a KeyError for a missing variable only where the trace shows that the environment was read.
func keyErrorVar(f *Facts, w words) (missingVar, bool) {
	m := keyError.FindStringSubmatch(w.text)
	if m == nil {
		return missingVar{}, false
	}
	for _, t := range f.parse(w.text) {
		if t.Error != m[0] {
			continue
		}
		for i := len(t.Frames) - 1; i >= 0; i-- {
			fr := t.Frames[i]
			if strings.Contains(fr.Code, "environ") || fr.File == "<frozen os>" || strings.HasSuffix(fr.File, "/os.py") {
				return missingVar{name: m[1], quote: m[0], cite: w.cite, frames: t.App(), sure: true}, true
			}
		}
		return missingVar{}, false
	}
	if strings.Contains(w.text, "environ") {
		return missingVar{name: m[1], quote: m[0], cite: w.cite}, true
	}
	return missingVar{}, false
}

func pydanticVar(f *Facts, w words) (missingVar, bool) {
	if !pydanticHead.MatchString(w.text) {
		return missingVar{}, false
	}
	m := pydanticField.FindStringSubmatch(w.text)
	if m == nil {
		return missingVar{}, false
	}
	return missingVar{name: strings.ToUpper(m[1]), alias: m[1], quote: m[2], cite: w.cite, frames: appFrames(f, w.text), sure: true}, true
}

func appFrames(f *Facts, text string) []Frame {
	all := f.parse(text)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1].App()
}

func configCite(f *Facts) platform.EvidenceID {
	if f.Config != nil {
		return f.Config.Cite
	}
	if f.Difference != nil {
		return f.Difference.Cite
	}
	return ""
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

// sentence makes a clause into a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

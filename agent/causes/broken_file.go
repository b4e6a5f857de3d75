package causes

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// formats are how parsers say that a file is not what it should be, and the endings of such files.
var formats = []struct {
	says *regexp.Regexp
	ends []string
}{
	{regexp.MustCompile(`JSONDecodeError: [^\n]{1,200}|Unexpected (?:token|end)[^\n]{0,80}JSON[^\n]{0,80}|invalid character '[^\n]{1,80}|JsonParseException[^\n]{0,200}|JSON::ParserError[^\n]{0,200}`), []string{".json"}},
	{regexp.MustCompile(`yaml\.(?:scanner|parser)\.\w+Error[^\n]{0,200}|YAMLException[^\n]{0,200}|yaml: (?:line \d+|unmarshal)[^\n]{0,200}|mapping values are not allowed[^\n]{0,200}`), []string{".yaml", ".yml"}},
	{regexp.MustCompile(`TOMLDecodeError[^\n]{0,200}|toml: [^\n]{1,200}`), []string{".toml"}},
	{regexp.MustCompile(`configparser\.\w+Error[^\n]{0,200}|MissingSectionHeaderError[^\n]{0,200}|DuplicateOptionError[^\n]{0,200}`), []string{".ini", ".cfg", ".conf"}},
	{regexp.MustCompile(`xml\.etree\.ElementTree\.ParseError[^\n]{0,200}|SAXParseException[^\n]{0,200}`), []string{".xml"}},
}

// brokenFile explains a process that ends at its start because a file of settings cannot be read: one that a commit of the
// release changed, in the format that the parser asks for.
func brokenFile(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed || len(f.ended()) == 0 {
		return Found{}
	}
	for _, w := range f.words() {
		for _, format := range formats {
			quote := format.says.FindString(w.text)
			if quote == "" {
				continue
			}
			if found := f.changedFile(format.ends, w.text); found.Commit != nil {
				return explainFile(f, found, strings.TrimSpace(quote), w.cite)
			}
		}
	}
	return Found{}
}

// changedFile is the newest commit of the release that changed a file with one of the endings; one that the text names comes first.
func (f *Facts) changedFile(ends []string, text string) Suspect {
	best := Suspect{}
	for i := range f.Commits {
		c := &f.Commits[i]
		for _, d := range c.Diff {
			name := d.Path()
			if !contains(ends, path.Ext(name)) || !f.inContext(name) {
				continue
			}
			s := Suspect{Commit: c, Score: reachFunction, How: "it changed " + name, File: name, Hunk: firstHunk(d)}
			if strings.Contains(text, path.Base(name)) {
				s.Score = reachWroteLine
			}
			if s.Score >= best.Score {
				best = s
			}
		}
	}
	return best
}

// inContext reports whether a file of the repository is part of what the suspect is built from.
func (f *Facts) inContext(file string) bool {
	root := f.context()
	return root == "" || root == "." || strings.HasPrefix(file, root+"/")
}

func explainFile(f *Facts, s Suspect, quote string, cite platform.EvidenceID) Found {
	c := platform.Cause{Service: f.Incident.Service, Score: 0.7 + 0.15*s.Score, Change: s.asChange(f), Location: s.location()}
	c.Claims = withClaims(claim("It cannot read a file of its settings.", quote, cite), s.claim())
	c.Claims = append(c.Claims, exitClaim(f)...)
	c.Summary = fmt.Sprintf("%s ends at its start, since %s cannot be read: %s%s.", subject(f), s.File, inSentence(quote), broughtBy(c.Change))
	m := Mechanism{Files: []string{s.File}}
	return Found{Causes: []platform.Cause{c}, RuledOut: f.acquit(s.Commit, s.File, m)}
}

package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

var importWords = []*regexp.Regexp{
	regexp.MustCompile(`ModuleNotFoundError: No module named ['"]([\w.]{1,200})['"]`),
	regexp.MustCompile(`ImportError: cannot import name ['"](\w{1,200})['"][^\n]*`),
	regexp.MustCompile(`(?:Error: |Error \[ERR_MODULE_NOT_FOUND\]: )Cannot find (?:module|package) ['"]([^'"\n]{1,200})['"]`),
	regexp.MustCompile(`(lib[\w.+-]{1,100}\.so[\w.]{0,20}): cannot open shared object file[^\n]*`),
	regexp.MustCompile("version [`'](GLIBC\\w*_[\\d.]+)' not found[^\n]*"),
	regexp.MustCompile(`java\.lang\.(?:NoClassDefFoundError|ClassNotFoundException): ([\w./$]{1,200})`),
	regexp.MustCompile(`LoadError: cannot load such file -- ([\w./-]{1,200})|cannot load such file -- ([\w./-]{1,200})`),
}

// dependencyFiles are where a project says what it needs installed.
var dependencyFiles = []string{
	"requirements.txt", "pyproject.toml", "poetry.lock", "uv.lock", "Pipfile.lock", "setup.py", "package.json", "package-lock.json",
	"yarn.lock", "pnpm-lock.yaml", "Gemfile.lock", "pom.xml", "build.gradle", "Dockerfile",
}

// findImportError explains a process that ends because a module or a shared library is not in its image.
func findImportError(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed {
		return Found{}
	}
	for _, w := range f.words() {
		for _, re := range importWords {
			if m := re.FindStringSubmatch(w.text); m != nil {
				return explainImport(f, w, m[0], strings.Join(m[1:], ""))
			}
		}
	}
	return Found{}
}

func explainImport(f *Facts, w words, quote, module string) Found {
	exposed := f.exposure(func(text string) bool { return strings.Contains(text, quote) }, "failed import of "+module)
	if exposed.Shown {
		return Found{Because: "the failed import is not new: " + exposed.Why}
	}
	top, _, _ := strings.Cut(module, ".")
	m := Mechanism{Frames: appFrames(f, w.text), Names: []string{module, top, strings.ReplaceAll(top, "_", "-")}}
	c := platform.Cause{Service: f.Incident.Service, Score: 0.7}
	c.Claims = withClaims(claim("The process cannot load "+module+" from its image.", quote, w.cite))
	var out Found
	guilty, ok := f.Guilty(m)
	if !ok { // nothing names the module, but what is installed may have changed
		m.Files = dependencyFiles
		guilty, ok = f.Guilty(m)
	}
	if ok {
		c.Change, c.Location, c.Score = guilty.asChange(f), guilty.location(), c.Score+0.2*guilty.Score
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = f.acquit(guilty.Commit, "the import of "+module, m)
	}
	c.Claims = append(c.Claims, exitClaim(f)...)
	if exposed.Tested {
		c.Score += 0.05
		c.Claims = append(c.Claims, withClaims(claim(sentence(exposed.Why), "", exposed.Cites...))...)
	}
	at := ""
	if c.Location != nil && c.Location.Line > 0 {
		at = fmt.Sprintf(" at %s:%d", c.Location.File, c.Location.Line)
	}
	c.Summary = fmt.Sprintf("%s cannot load %s%s: %s%s.", subject(f), module, at, inSentence(quote), broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}

package causes

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// This file holds what acquits a change whatever it touches: it does nothing that runs, it did not run, it ran well before,
// or what runs it elsewhere is well.

// innocence says why a candidate cannot have brought the lead, or nothing.
func (w *world) innocence(l *lead, c *candidate) string {
	switch {
	case c.prose:
		return "it touches only documents or tests"
	case l.category != platform.CategoryBuildFailed && c.inert():
		return "it changes nothing that runs"
	case !comesBefore(l.category) && !w.runs(c):
		return "nothing that runs holds it: every instance is older, and no deploy brought it"
	}
	if tag := w.outlived(l, c); tag != "" {
		return fmt.Sprintf("an earlier release that holds it, %s, came up without the fault", tag)
	}
	if w.wellElsewhere(l, c) {
		return "another instance of the same release runs without the fault"
	}
	return ""
}

// workshop are files that only people and their tools read: they are in no image, or change nothing in one.
var workshop = like(`^\.github/(?:codeowners|dependabot|.*template|labeler|funding)|(?:^|/)(?:codeowners|renovate\.json5?|\.renovaterc.*|dependabot\.ya?ml|\.editorconfig|\.gitattributes|\.gitignore|\.pre-commit-config\.ya?ml|\.prettierrc.*|\.prettierignore|\.eslintrc.*|eslint\.config\.\w+|\.rubocop.*\.yml|\.golangci\.ya?ml|\.flake8|\.pylintrc|mypy\.ini|ruff\.toml|checkstyle.*\.xml|requirements[-_.](?:dev|test|lint|docs)\S*\.txt|dev-requirements\.txt|test-requirements\.txt|\.vscode/.*|\.idea/.*|mkdocs\.yml|sonar-project\.properties|codecov\.ya?ml)$`)

// toolPins are lines that give the version of what is used to test, check and format, and is in no image that runs.
var toolPins = like(`\b(?:eslint|prettier|pytest|ruff|black|flake8|isort|mypy|pylint|rubocop|rspec|junit|mockito|assertj|testify|golangci|jest|vitest|mocha|chai|cypress|playwright|husky|lint-staged|stylelint|phpunit|phpstan|psalm|php-cs-fixer|spotless|checkstyle|spotbugs|clippy|rustfmt|criterion|proptest|credo|dialyxir|ex_unit|xunit|nunit|coverlet|coverage|tox|nox|faker|factory[_-]?bot|webmock|vcr|types-|@types/)`)

// inert reports whether everything a change does is in files, lines or spaces that nothing running reads.
func (c *candidate) inert() bool {
	if c.Kind != platform.ChangeCommit || len(c.Files)+len(c.Hunks) == 0 {
		return false
	}
	for _, f := range c.Files {
		if isProse(f) || workshop.MatchString(f) {
			continue
		}
		if !slices.ContainsFunc(c.Hunks, func(d FileDiff) bool { return d.Path() == f || len(c.Files) == 1 }) {
			return false // nothing shows what was done to it
		}
	}
	for _, d := range c.Hunks {
		if !isProse(d.Path()) && !workshop.MatchString(d.Path()) && !idle(d) {
			return false
		}
	}
	return true
}

// idle reports whether the lines that a file lost are those that it gained, but for spaces, remarks and versions of tools.
func idle(d FileDiff) bool {
	gone, come := "", ""
	lines, pins := 0, 0
	for _, h := range d.Hunks {
		for _, l := range h.Lines {
			if l.Op == ' ' {
				continue
			}
			lines++
			text := withoutRemark(l.Text, d.Path())
			if isManifest(d.Path()) && toolPins.MatchString(text) {
				pins++
				continue
			}
			if text = strings.Join(strings.Fields(text), ""); l.Op == '-' {
				gone += text
			} else {
				come += text
			}
		}
	}
	if indented(d.Path()) && gone != "" { // there spaces have a meaning
		return false
	}
	return lines > 0 && gone == come || pins > 0 && onlyVersions(gone, come)
}

// onlyVersions reports whether what is left beside pins of tools is a version and nothing else, as in a pom.
func onlyVersions(gone, come string) bool {
	bare := func(s string) string {
		s = numberWord.ReplaceAllString(s, "#")
		return strings.ReplaceAll(s, ".#", "")
	}
	return bare(gone) == bare(come)
}

func isManifest(file string) bool {
	switch path.Base(file) {
	case "package.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Gemfile", "Gemfile.lock", "pom.xml", "build.gradle", "build.gradle.kts", "pyproject.toml",
		"poetry.lock", "Cargo.toml", "Cargo.lock", "go.mod", "go.sum", "composer.json", "composer.lock", "mix.exs", "mix.lock", "setup.cfg", "libs.versions.toml":
		return true
	}
	return strings.HasSuffix(file, ".csproj") || strings.HasSuffix(file, ".txt")
}

func indented(file string) bool {
	switch path.Ext(file) {
	case ".py", ".yaml", ".yml", ".pug", ".slim", ".haml":
		return true
	}
	return false
}

// withoutRemark is a line of code less what only people read.
func withoutRemark(line, file string) string {
	t := strings.TrimSpace(line)
	marks := []string{"//", "#", "/*", "* ", "<!--"}
	switch path.Ext(file) {
	case ".sql", ".lua", ".hs", ".elm":
		marks = []string{"--", "/*"}
	case ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".css", ".scss":
		marks = []string{"//", "/*", "* "} // a hash is code there
	case ".ini", ".lisp", ".clj":
		marks = []string{";", "#"}
	}
	for _, m := range marks {
		if strings.HasPrefix(t, m) {
			return ""
		}
	}
	return line
}

// outlived names an earlier release of the service that holds the candidate and came up: what keeps a release from starting
// came with a later one.
func (w *world) outlived(l *lead, c *candidate) string {
	if !comesBefore(l.category) && !atStart(l.category) || c.service != l.service || c.live.Equal(c.At) || c.Kind != platform.ChangeCommit {
		return ""
	}
	onset := l.onset
	if onset.IsZero() {
		onset = w.onset
	}
	var next time.Time // the deploy after the one that brought it
	name := ""
	for _, d := range w.f.Changes {
		if d.Kind != platform.ChangeDeploy || d.Service != c.service {
			continue
		}
		if d.At.Equal(c.live) {
			name = d.Tag
		}
		if d.At.After(c.live) && (next.IsZero() || d.At.Before(next)) {
			next = d.At
		}
	}
	settled := onset.Sub(c.live) > 20*time.Minute
	switch {
	case l.category == platform.CategoryBuildFailed && settled, !next.IsZero() && settled && !onset.Before(next.Add(-time.Minute)):
		if name == "" {
			name = "of " + clock(c.live)
		}
		return name
	}
	return ""
}

// atStart are faults that show as soon as a release starts, besides those of comesBefore.
func atStart(c platform.Category) bool {
	switch c {
	case platform.CategoryPortMismatch, platform.CategoryBadHealthPath, platform.CategorySlowStart, platform.CategoryBadConfig, platform.CategoryVolumePermission,
		platform.CategoryBadModelArtifact, platform.CategoryPortInUse, platform.CategoryGPUUnavailable:
		return true
	default:
	}
	return false
}

// wellElsewhere reports whether an instance of a release that holds the commit runs as it should while another one of that very
// release does not: what is in the image is in both.
func (w *world) wellElsewhere(l *lead, c *candidate) bool {
	if c.Kind != platform.ChangeCommit || len(c.tags) == 0 || c.service != l.service || !comesBefore(l.category) && !atStart(l.category) {
		return false
	}
	well, ill := false, false
	for _, in := range w.f.Fleet {
		if in.Service != l.service || !slices.Contains(c.tags, in.Tag) {
			continue
		}
		code, ended := in.Exit()
		switch {
		case ended && (code != 0 || in.OOMKilled) && !in.StoppedByUs():
			ill = true
		case !in.State.Ended() && in.Restarts == 0 && in.State != platform.InstanceUnhealthy && in.State != platform.InstanceStarting:
			well = true
		}
	}
	return well && ill
}

// undeployed reports whether deploys are on record and none of them is of the commit's service after it, though that service
// runs by itself.
func (w *world) undeployed(c *candidate) bool {
	if c.Kind != platform.ChangeCommit || c.service == "" || len(c.tags) > 0 || c.head || !c.live.Equal(c.At) || !w.observed(c.service) {
		return false
	}
	recorded := false
	for _, d := range w.f.Changes {
		if d.Kind != platform.ChangeDeploy {
			continue
		}
		if d.Service == c.service && !d.At.Before(c.At) {
			return false
		}
		recorded = true
	}
	return recorded
}

// watching is what changes say and touch that only make things seen: counters, log lines, headers and labels.
var watching = like(`\blog_\w+|\blogg?(?:ing)?\b.{0,30}\b(?:id|ids|line|lines|request|requests|sampling|format|context|level)\b|\blog (?:the |every |each |tenant |user |request )|\bmetrics?\b|\bdashboards?\b|\bgauges?\b|\bhistograms?\b|\btrac(?:e|ing)\b|\bspans?\b|/version\b|build info|\bresponse headers?\b|\bfor metrics\b|\bpanels?\b|\bsentry\b|\bsampl(?:e|es|ing) \d|\btelemetry\b|\botel\b|\bopentelemetry\b|\bdatadog\b|\bnew ?relic\b|\bannotations?\b`)

// watches reports whether a change is only about what is seen of a service, where that cannot be the fault itself.
func (c *candidate) watches(category platform.Category) bool {
	switch category {
	case platform.CategoryLogFlood, platform.CategoryDiskFull, platform.CategoryMemoryLeak, platform.CategoryOOMKilled, platform.CategoryPortInUse, platform.CategoryPortMismatch,
		platform.CategoryBadHealthPath, platform.CategoryDescriptors, platform.CategoryCodeError:
		return false // counters, lines and their ports cost something too
	default:
	}
	return watching.MatchString(firstLine(c.Message))
}

package causes

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/platform"
)

// Mechanism is how a fault could come from a diff: the places it ran through and the words it names.
type Mechanism struct {
	// Frames are calls in the failing path, the nearest to the fault first.
	Frames []Frame
	// Names are variables, modules, columns, paths or ports named in the error.
	Names []string
	// Files are paths or base names whose change can cause this fault by itself, such as a Dockerfile.
	Files []string
}

// Suspect is a commit whose diff reaches the fault.
type Suspect struct {
	Commit *Commit
	Score  float64 // 0 to 1: how directly
	How    string  // for people: "it wrote line 80 of main.py"
	File   string
	Line   int
	Hunk   *Hunk
}

// The strength of each way that a diff can reach a fault.
const (
	reachWroteLine  = 1.0  // the commit wrote the very line that failed
	reachWroteCall  = 0.85 // it wrote a line that called it
	reachNamed      = 0.85 // it added or removed the word that the error names
	reachFunction   = 0.7  // it changed the function that failed
	reachNear       = 0.6  // it changed lines next to it
	reachFile       = 0.5  // it changed the file that failed
	reachNamedFile  = 0.55 // it changed a file that can cause this by itself
	nearLines       = 6
	maxAuthor       = 80
	convictionLimit = 0.5
)

// Suspects returns the commits whose diffs reach the fault, the most direct first. Order of time plays no part, save
// that of two commits that reach it alike the later one wrote what runs now.
func (f *Facts) Suspects(m Mechanism) []Suspect {
	var out []Suspect
	for i := range f.Commits {
		if s := f.reach(i, m); s.Score > 0 {
			out = append(out, s)
		}
	}
	sort.SliceStable(out, func(a, b int) bool {
		if out[a].Score != out[b].Score {
			return out[a].Score > out[b].Score
		}
		return out[a].Commit.At.After(out[b].Commit.At)
	})
	return out
}

// Guilty returns the commit to convict: the one that reaches the fault, where no other reaches it as directly in
// another place.
func (f *Facts) Guilty(m Mechanism) (Suspect, bool) {
	all := f.Suspects(m)
	if len(all) == 0 || all[0].Score < convictionLimit {
		return Suspect{}, false
	}
	return all[0], true
}

// reach finds the most direct way from the i-th commit to the fault.
func (f *Facts) reach(i int, m Mechanism) Suspect {
	c := &f.Commits[i]
	best := Suspect{Commit: c}
	take := func(s Suspect) {
		if s.Score > best.Score {
			s.Commit = c
			best = s
		}
	}
	for depth, frame := range m.Frames {
		take(f.reachFrame(i, frame, depth))
	}
	for n, name := range m.Names {
		s := reachName(c, name)
		s.Score -= 0.02 * float64(min(n, 5))
		take(s)
	}
	for _, d := range c.Diff {
		for _, want := range m.Files {
			if pathNames(d.Path(), want) {
				take(Suspect{Score: reachNamedFile, How: "it changed " + d.Path(), File: d.Path(), Hunk: firstHunk(d)})
			}
		}
	}
	return best
}

// reachFrame follows the frame's line back through the commits after the i-th, as blame does, and tests it there.
func (f *Facts) reachFrame(i int, frame Frame, depth int) Suspect {
	path, ok := f.repoPath(frame.File)
	if !ok {
		return Suspect{}
	}
	line := frame.Line
	for j := len(f.Commits) - 1; j > i; j-- {
		d, touched := fileIn(f.Commits[j].Diff, path)
		if !touched {
			continue
		}
		old, introduced, _ := d.before(line)
		if introduced || old == 0 { // a later commit wrote it, so this one did not
			line = 0
			break
		}
		line = old
		if d.Old != "" {
			path = d.Old
		}
	}
	d, touched := fileIn(f.Commits[i].Diff, path)
	if !touched {
		return Suspect{}
	}
	s := reachLine(d, line, frame, depth)
	s.File = d.Path()
	if s.Hunk == nil {
		s.Hunk = firstHunk(d)
	}
	return s
}

func reachLine(d FileDiff, line int, frame Frame, depth int) Suspect {
	where := fmt.Sprintf("line %d of %s", frame.Line, d.Path())
	if line > 0 {
		if _, introduced, h := d.before(line); introduced {
			score := reachWroteLine
			if depth > 0 {
				score = max(reachWroteCall-0.03*float64(depth-1), reachNear)
			}
			return Suspect{Score: score, How: "it wrote " + where, Line: frame.Line, Hunk: h}
		}
	}
	fade := 0.03 * float64(min(depth, 5))
	if h := changesFunction(d, frame.Func); h != nil {
		return Suspect{Score: reachFunction - fade, How: fmt.Sprintf("it changed %s, the function that failed, in %s", frame.Func, d.Path()), Line: frame.Line, Hunk: h}
	}
	if line > 0 {
		if h := d.hunkNear(line, nearLines); h != nil {
			return Suspect{Score: reachNear - fade, How: "it changed lines next to " + where, Line: frame.Line, Hunk: h}
		}
	}
	return Suspect{Score: reachFile - fade, How: "it changed " + d.Path() + ", the file that failed", Line: frame.Line}
}

// changesFunction returns the hunk that stands in the function: Git's section names it, or the hunk defines it.
func changesFunction(d FileDiff, name string) *Hunk {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	if len(name) < 2 || strings.HasPrefix(name, "<") {
		return nil
	}
	for i := range d.Hunks {
		h := &d.Hunks[i]
		scope := definesName(h.Section, name)
		for _, l := range h.Lines {
			switch {
			case definesName(l.Text, name):
				scope = true
			case definition(l.Text):
				scope = false // from here the hunk stands in another function
			}
			if scope && l.Op != ' ' {
				return h
			}
		}
	}
	return nil
}

// definition reports whether a line begins a function in the languages whose traces are read.
func definition(line string) bool {
	t := strings.TrimSpace(line)
	for _, word := range []string{"def ", "async def ", "func ", "function ", "async function ", "class "} {
		if strings.HasPrefix(t, word) {
			return true
		}
	}
	return false
}

func definesName(line, name string) bool {
	return containsWord(line, name) && (definition(line) || strings.Contains(line, name+"(") && strings.HasSuffix(strings.TrimSpace(line), "{"))
}

// reachName looks for a word on the lines that the commit added or removed. Comments and prose do not count: a document
// that speaks of a variable does not read it.
func reachName(c *Commit, name string) Suspect {
	if name == "" {
		return Suspect{}
	}
	best := Suspect{}
	for _, d := range c.Diff {
		if isProse(d.Path()) {
			continue
		}
		for i := range d.Hunks {
			for _, l := range d.Hunks[i].Lines {
				if l.Op == ' ' || !containsWord(stripComment(l.Text), name) {
					continue
				}
				s := Suspect{Score: reachNamed, File: d.Path(), Line: l.New, Hunk: &d.Hunks[i], How: fmt.Sprintf("it added %s in %s", name, d.Path())}
				if l.Op == '-' {
					s.Score, s.Line = reachNamed-0.1, d.Hunks[i].NewStart
					s.How = fmt.Sprintf("it removed %s from %s", name, d.Path())
				}
				if s.Score > best.Score {
					best = s
				}
			}
		}
	}
	return best
}

func isProse(path string) bool {
	lower := strings.ToLower(path)
	for _, ext := range []string{".md", ".rst", ".adoc", "changelog", "license", "readme"} {
		if strings.HasSuffix(lower, ext) {
			return true
		}
	}
	return strings.Contains(lower, "test_") || strings.HasSuffix(lower, "_test.go") || strings.HasSuffix(lower, "_test.py") || strings.Contains(lower, ".test.") || strings.Contains(lower, ".spec.")
}

func stripComment(line string) string {
	t := strings.TrimSpace(line)
	if strings.HasPrefix(t, "#") || strings.HasPrefix(t, "//") {
		return ""
	}
	return line
}

// containsWord reports whether s holds the word, not as a part of a longer name.
func containsWord(s, word string) bool {
	for at := 0; ; {
		i := strings.Index(s[at:], word)
		if i < 0 {
			return false
		}
		i += at
		if !nameByte(s, i-1) && !nameByte(s, i+len(word)) {
			return true
		}
		at = i + 1
	}
}

func nameByte(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	b := s[i]
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// repoPath finds the file of the repository that a path in a container stands for. The service's build context decides
// between files of one name in two services; a path that two files fit alike names none.
func (f *Facts) repoPath(file string) (string, bool) {
	file = cleanPath(file)
	best, bestScore, tie := "", 0, false
	seen := map[string]bool{}
	for _, c := range f.Commits {
		for _, d := range c.Diff {
			for _, p := range []string{d.New, d.Old} {
				if p == "" || seen[p] {
					continue
				}
				seen[p] = true
				switch score := f.pathScore(p, file); {
				case score > bestScore:
					best, bestScore, tie = p, score, false
				case score == bestScore && score > 0:
					tie = true
				}
			}
		}
	}
	return best, bestScore > 0 && !tie
}

// pathScore says how well a path of the repository fits one in the container: the number of trailing parts they share,
// 0 when the file cannot be it.
func (f *Facts) pathScore(repo, file string) int {
	ctx := f.context()
	inside := repo
	if ctx != "" {
		if !strings.HasPrefix(repo, ctx+"/") {
			if repo == file || strings.HasSuffix(file, "/"+repo) { // a shared folder, named in full
				return 10
			}
			return 0
		}
		inside = strings.TrimPrefix(repo, ctx+"/")
	}
	if file == inside || file == repo || strings.HasSuffix(file, "/"+inside) {
		return 100 + strings.Count(inside, "/")
	}
	shared := sharedTail(inside, file)
	if shared == 0 || shared < min(strings.Count(inside, "/"), strings.Count(file, "/")) {
		return 0
	}
	return shared
}

func sharedTail(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(as) && n < len(bs) && as[len(as)-1-n] == bs[len(bs)-1-n] {
		n++
	}
	return n
}

func fileIn(diff []FileDiff, path string) (FileDiff, bool) {
	for _, d := range diff {
		if d.New == path || d.Old == path {
			return d, true
		}
	}
	return FileDiff{}, false
}

func pathNames(path, want string) bool {
	return path == want || strings.HasSuffix(path, "/"+want) || baseName(path) == want
}

func firstHunk(d FileDiff) *Hunk {
	if len(d.Hunks) == 0 {
		return nil
	}
	return &d.Hunks[0]
}

// AsChange is the suspect as a change that a cause may name.
func (s Suspect) asChange(f *Facts) *platform.Change {
	return commitChange(f, s.Commit)
}

func commitChange(f *Facts, c *Commit) *platform.Change {
	change := &platform.Change{
		Kind: platform.ChangeCommit, ID: c.SHA, Service: f.Incident.Service, Release: f.releaseNumber(),
		Author: c.Author, Message: c.Message, Files: c.Files, At: c.At,
	}
	if f.Deploy != nil {
		change.DeployID = f.Deploy.ID
	}
	return change
}

// location is the place of the fault with the hunk that touches it.
func (s Suspect) location() *platform.Location {
	l := &platform.Location{File: s.File, Line: s.Line}
	if s.Hunk != nil {
		l.Hunk = s.Hunk.Text
	}
	return l
}

// claim tells how the commit reaches the fault, quoting the line it wrote where there is one.
func (s Suspect) claim() platform.Claim {
	quote := ""
	if s.Hunk != nil {
		for _, l := range s.Hunk.Lines {
			if l.Op == '+' && l.New == s.Line && strings.TrimSpace(l.Text) != "" {
				quote = strings.TrimSpace(l.Text)
			}
		}
	}
	return claim(fmt.Sprintf("Commit %s %s.", platform.ShortSHA(s.Commit.SHA), strings.TrimPrefix(s.How, "it ")), quote, s.Commit.Cite)
}

// authorName is the name alone, on one line: whoever writes a commit chooses it, and it goes into sentences.
func authorName(author string) string {
	if i := strings.IndexByte(author, '<'); i > 0 {
		author = author[:i]
	}
	author = strings.Join(strings.FieldsFunc(author, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return orUnknown(platform.Truncate(author, maxAuthor))
}

// acquit rules out the commits near the onset that do not reach the fault.
func (f *Facts) acquit(guilty *Commit, what string, m Mechanism) []platform.RuledOut {
	var out []platform.RuledOut
	for i := len(f.Commits) - 1; i >= 0; i-- {
		c := &f.Commits[i]
		if c == guilty || !c.Read {
			continue
		}
		s := f.reach(i, m)
		why := fmt.Sprintf("it touches %s, not %s", filesOf(c), what)
		if s.Score > 0 {
			why = fmt.Sprintf("it reaches %s less directly: %s", what, s.How)
		}
		out = append(out, platform.RuledOut{
			Hypothesis: fmt.Sprintf("commit %s by %s (%q) is to blame", platform.ShortSHA(c.SHA), authorName(c.Author), c.Subject()),
			Why:        why, Evidence: cites(c.Cite),
		})
	}
	return out
}

func filesOf(c *Commit) string {
	var names []string
	for _, d := range c.Diff {
		names = append(names, d.Path())
	}
	switch {
	case len(names) == 0:
		return "no file"
	case len(names) > 3:
		return fmt.Sprintf("%s and %d more files", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// cites lists each id once.
func cites(ids ...platform.EvidenceID) []platform.EvidenceID {
	var out []platform.EvidenceID
	for _, id := range ids {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

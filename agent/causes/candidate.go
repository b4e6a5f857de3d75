package causes

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// candidate is a change that may have brought the fault: a commit with the deploys that brought it live, or a change of
// another kind.
type candidate struct {
	*Change
	service string    // whose it is; empty when nothing says
	live    time.Time // when it took effect
	tags    []string  // releases that hold it
	prose   bool      // it touches only documents, tests and the like
	head    bool      // a deploy names it
	unborn  bool      // its service's deploys name commits, and none holds it
}

// candidates lists every change, the oldest first. A deploy whose commit is known is no candidate of its own.
func candidates(w *world) []*candidate {
	changes := w.f.allChanges()
	commits := map[string]*Change{}
	for i := range changes {
		if changes[i].Kind == platform.ChangeCommit {
			commits[changes[i].ID] = &changes[i]
		}
	}
	var out []*candidate
	for i := range changes {
		c := &candidate{Change: &changes[i], service: changes[i].Service, live: changes[i].At}
		if c.Tag != "" {
			c.tags = append(c.tags, c.Tag)
		}
		switch c.Kind {
		case platform.ChangeDeploy:
			if _, ok := lookup(commits, c.Brings); ok || c.Bare {
				continue
			}
		case platform.ChangeCommit:
			c.goLive(changes, commits)
			if c.service == "" {
				c.service = ownerOf(w, c.Files)
			}
		default:
		}
		c.prose = onlyProse(c)
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].live.Before(out[j].live) })
	return out
}

// allChanges joins the changes of every kind with the suspect's own commits.
func (f *Facts) allChanges() []Change {
	out := append([]Change(nil), f.Changes...)
	for i := range out {
		if out[i].Kind == platform.ChangeCommit && out[i].Service == "" {
			out[i].Service, _ = f.builtFrom(out[i].Files, out[i].Hunks)
		}
	}
	out = append(out, f.ownDeploy()...)
	for i := range f.Commits {
		c := &f.Commits[i]
		change := Change{Change: *commitChange(f, c), Hunks: c.Diff, Cite: c.Cite}
		if service, ok := f.builtFrom(c.Files, c.Diff); ok && service != "" {
			change.Service = service
		}
		if change.Service == f.Incident.Service && f.Deploy != nil && f.Deploy.CreatedAt.After(change.At) {
			change.At = f.Deploy.CreatedAt
		}
		out = append(out, change)
	}
	return out
}

// ownDeploy is the suspect's own deploy as a change, where the history of releases does not hold it: of one that failed, say.
func (f *Facts) ownDeploy() []Change {
	if f.Deploy == nil {
		return nil
	}
	for i := range f.Changes {
		if f.Changes[i].Kind == platform.ChangeDeploy && f.Changes[i].ID == string(f.Deploy.ID) {
			return nil
		}
	}
	c := Change{Change: platform.Change{
		Kind: platform.ChangeDeploy, ID: string(f.Deploy.ID), Service: f.Incident.Service, Release: f.releaseNumber(), DeployID: f.Deploy.ID,
		Author: f.Deploy.Author, Message: f.Deploy.Message, At: f.Deploy.CreatedAt,
	}, Brings: f.Deploy.Commit, Cite: f.Deploy.Cite}
	if n := f.releaseNumber(); n > 0 {
		c.Tag = fmt.Sprintf("v%d", n)
	}
	c.Bare = f.Difference != nil && f.Difference.SameCommit
	return []Change{c}
}

// builtFrom finds the service whose folder of the repository holds all of the files that run, and whether folders are known.
func (f *Facts) builtFrom(files []string, hunks []FileDiff) (service string, known bool) {
	if len(f.Contexts) == 0 {
		return "", false
	}
	if len(files) == 0 {
		for _, d := range hunks {
			files = append(files, d.Path())
		}
	}
	for _, file := range files {
		if isProse(file) {
			continue
		}
		owner := ""
		for name, folder := range f.Contexts {
			if folder != "" && folder != "." && strings.HasPrefix(file, folder+"/") && (owner == "" || len(folder) > len(f.Contexts[owner])) {
				owner = name
			}
		}
		if owner == "" || service != "" && owner != service {
			return "", true
		}
		service = owner
	}
	return service, true
}

// lookup finds a commit by its full or shortened name.
func lookup(commits map[string]*Change, name string) (*Change, bool) {
	if name == "" {
		return nil, false
	}
	if c, ok := commits[name]; ok {
		return c, true
	}
	if len(name) < 7 {
		return nil, false
	}
	for id, c := range commits {
		if strings.HasPrefix(id, name) || len(id) >= 7 && strings.HasPrefix(name, id) {
			return c, true
		}
	}
	return nil, false
}

// goLive finds the deploy that brought a commit: the one that names it, else the first later one of its service.
func (c *candidate) goLive(changes []Change, commits map[string]*Change) {
	var first *Change
	passed := false
	for i := range changes {
		d := &changes[i]
		if d.Kind != platform.ChangeDeploy || d.At.Before(c.At) {
			continue
		}
		brought, known := lookup(commits, d.Brings)
		switch {
		case known && brought.ID == c.ID:
		case d.goesBack():
			continue
		case known && d.Service != "" && d.Service == c.Service && !brought.At.Before(c.At): // a later commit brings the earlier ones
		case !known && d.Brings == "" && d.Service != "" && d.Service == c.Service:
		default:
			passed = passed || known && d.Service == c.Service && c.Service != ""
			continue
		}
		c.head = c.head || known && brought.ID == c.ID
		if first == nil || d.At.Before(first.At) {
			first = d
		}
	}
	if first == nil {
		c.unborn = passed
		return
	}
	c.live = first.At
	if first.Tag != "" {
		c.tags = append(c.tags, first.Tag)
	}
	if c.service == "" {
		c.service = first.Service
	}
}

// backwards is how deploys say that they bring an older release back.
var backwards = like(`\broll(?:ed|ing)?[- ]?back\b|\brollback\b|\brevert(?:ed|ing)?\b|\bback to (?:release|version|v?\d)`)

// goesBack reports whether a deploy brings an older release back: it holds no commit that came since.
func (c *Change) goesBack() bool {
	return c.Kind == platform.ChangeDeploy && backwards.MatchString(c.Message)
}

// ownerOf finds the service in whose folder files lie.
func ownerOf(w *world, files []string) string {
	owner := ""
	for _, file := range files {
		for part := range strings.SplitSeq(path.Dir(file), "/") {
			for _, s := range servicesNamed(w) {
				if !strings.EqualFold(part, s) {
					continue
				}
				if owner != "" && owner != s {
					return ""
				}
				owner = s
			}
		}
	}
	return owner
}

// servicesNamed are the names that a folder may stand for. It is read while the world is made, before its list is.
func servicesNamed(w *world) []string {
	if len(w.services) == 0 {
		w.list()
	}
	return w.services
}

// onlyProse reports whether a change touches nothing that runs.
func onlyProse(c *candidate) bool {
	if c.Kind != platform.ChangeCommit {
		return false
	}
	names := c.Files
	if len(names) == 0 {
		for _, d := range c.Hunks {
			names = append(names, d.Path())
		}
	}
	if len(names) == 0 {
		return false
	}
	for _, n := range names {
		if !isProse(n) && !strings.HasPrefix(n, "docs/") && !strings.Contains(n, "/docs/") && !strings.HasPrefix(n, "tests/") &&
			!strings.Contains(n, "/tests/") && !strings.Contains(n, "__tests__") && !strings.Contains(n, "/test/") && !strings.HasPrefix(n, "test/") &&
			!strings.HasSuffix(n, ".d.ts") && !strings.HasSuffix(n, ".txt") && !strings.HasSuffix(n, ".svg") && !strings.HasSuffix(n, ".png") && !strings.HasSuffix(n, "CODEOWNERS") && !strings.HasSuffix(n, ".gitignore") ||
			strings.HasPrefix(path.Base(n), "requirements") {
			return false
		}
	}
	return true
}

// name is how people call the change.
func (c *candidate) name() string {
	subject, _, _ := strings.Cut(c.Message, "\n")
	subject = platform.Truncate(subject, 80)
	if c.Kind == platform.ChangeCommit {
		return fmt.Sprintf("commit %s (%q)", platform.ShortSHA(c.ID), subject)
	}
	if subject == "" {
		return fmt.Sprintf("the %s %s", c.Kind, c.ID)
	}
	return fmt.Sprintf("the %s %s (%q)", c.Kind, c.ID, subject)
}

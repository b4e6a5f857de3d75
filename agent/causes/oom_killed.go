package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

var (
	kernelOOM   = regexp.MustCompile(`Memory cgroup out of memory: Killed process[^\n]*|Out of memory: Killed process[^\n]*|oom-kill:[^\n]*|oom_reaper:[^\n]*`)
	growthWords = regexp.MustCompile(`(?i)\b(cache\b|lru_cache|append\(|extend\(|bytearray\(|np\.(zeros|ones|empty)|torch\.(zeros|ones|empty|load)|from_pretrained|\.read\(\)|readlines\(\)|buffer|batch_size|workers|num_workers|max_length|global\b|make\(\[\]|Buffer\.alloc|new Array)|\* ?1024|<< ?[23]0|\bmemory:|1e[6-9]|\d{8,}`)
)

// declared is a line that names what is kept and keeps nothing yet.
var declared = regexp.MustCompile(`^\s*(?:global\b|(?:import|from|var|let|const)\b[^(=]*$)`)

// fullShare is how near its limit an instance's memory must come to count as full.
const fullShare = 0.9

// oomSignals are independent signs that the kernel killed an instance for memory.
type oomSignals struct {
	in     Instance
	claims []platform.Claim
	strong bool // at least one sign that nothing but memory gives
	memory *Memory
}

// findOOMKilled explains an instance that the kernel killed for memory. Exit code 137 alone is no proof: our own stop
// gives it too. Two signs are needed, one of them about memory itself, and no stop by us.
func findOOMKilled(f *Facts) Found {
	for _, in := range f.Instances {
		if !in.State.Ended() {
			continue
		}
		s := readOOM(f, in)
		code, _ := in.Exit()
		if in.StoppedByUs() {
			if code == 137 || in.OOMKilled {
				return Found{RuledOut: []platform.RuledOut{{
					Hypothesis: "the kernel killed the instance for memory",
					Why:        "Fairlead itself stopped it, and a stop past its time gives exit code 137 too", Evidence: cites(in.Cite),
				}}}
			}
			continue
		}
		if len(s.claims) >= 2 && s.strong {
			return explainOOM(f, s)
		}
		if code == 137 {
			return Found{
				Missing: []string{"who killed the instance: exit code 137 alone is not proof of memory, and there is no second sign"},
				Because: "the instance was killed (exit code 137), and nothing shows by whom",
			}
		}
	}
	return Found{}
}

func readOOM(f *Facts, in Instance) oomSignals {
	s := oomSignals{in: in}
	if in.OOMKilled {
		s.strong = true
		s.claims = append(s.claims, claim("The engine says that it was killed for memory.", "OOMKilled true", in.Cite))
	} else if in.OOMEvent { // one source: the flag and the event are both the engine's
		s.strong = true
		s.claims = append(s.claims, claim("The engine reported an out-of-memory event for it.", "", in.Cite))
	}
	if code, ok := in.Exit(); ok && code == 137 {
		s.claims = append(s.claims, claim("It ended with exit code 137, which is a kill, and Fairlead did not stop it.", "exit code 137", in.Cite))
	}
	for i := range f.Memory {
		m := &f.Memory[i]
		if m.Instance == string(in.ID) && m.Limit > 0 {
			s.memory = m
			if m.Peak >= fullShare*m.Limit {
				s.strong = true
				s.claims = append(s.claims, claim(fmt.Sprintf("Its memory reached %s of its limit of %s.", percent(m.Peak/m.Limit), bytes(m.Limit)), "", m.Cite))
			}
		}
	}
	for _, l := range f.Lines {
		if q := kernelOOM.FindString(l.Text); q != "" && (l.Instance == string(in.ID) || l.Service == f.Incident.Service) {
			s.strong = true
			s.claims = append(s.claims, claim("The kernel says that it killed it.", q, l.Cite))
			break
		}
	}
	s.claims = withClaims(s.claims...)
	return s
}

func explainOOM(f *Facts, s oomSignals) Found {
	c := platform.Cause{Service: f.Incident.Service, Score: min(0.5+0.12*float64(len(s.claims)), 0.8), Claims: s.claims}
	out := Found{}
	limit := f.Spec.Resources.MemoryBytes
	blameMemory(f, &c, &out)
	text := "its memory"
	if limit > 0 {
		text = "its memory limit of " + bytes(float64(limit))
	}
	again := ""
	if n := len(f.ended()); n > 1 {
		again = fmt.Sprintf(", %d times so far", n)
	}
	c.Summary = fmt.Sprintf("%s used up %s and was killed by the kernel%s%s.", subject(f), text, again, broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}

// blameMemory looks for what made memory too small: a lowered limit, or a release that needs more than the one before.
func blameMemory(f *Facts, c *platform.Cause, out *Found) {
	d := f.Difference
	if d != nil && d.MemoryAfter > 0 && d.MemoryBefore > d.MemoryAfter {
		c.Score += 0.1
		c.Claims = append(c.Claims, withClaims(claim(fmt.Sprintf("This release lowered the memory limit from %s to %s.", bytes(float64(d.MemoryBefore)), bytes(float64(d.MemoryAfter))), "", d.Cite))...)
		m := Mechanism{Names: []string{"memory"}, Files: []string{"fairlead.yaml"}}
		if guilty, ok := f.Guilty(m); ok {
			c.Change, c.Location = guilty.asChange(f), guilty.location()
			c.Claims = append(c.Claims, withClaims(guilty.claim())...)
			out.RuledOut = append(out.RuledOut, f.acquit(guilty.Commit, "the memory limit", m)...)
		}
		return
	}
	calm, why, ids := previousCalm(f)
	if !calm {
		if why != "" {
			out.RuledOut = append(out.RuledOut, platform.RuledOut{Hypothesis: subject(f) + " brought the growth of memory", Why: why, Evidence: ids})
		}
		return
	}
	c.Score += 0.05
	c.Claims = append(c.Claims, withClaims(claim(sentence(why), "", ids...))...)
	growing := growingCommits(f)
	if len(growing) == 1 {
		g := growing[0]
		c.Change, c.Location, c.Score = g.asChange(f), g.location(), c.Score+0.1
		c.Claims = append(c.Claims, withClaims(g.claim())...)
		out.RuledOut = append(out.RuledOut, acquitOthers(f, g.Commit, "it adds nothing that keeps or allocates memory")...)
	} else if len(growing) > 1 {
		out.Missing = append(out.Missing, fmt.Sprintf("which of %d commits of this release needs the memory: each adds something that can", len(growing)))
	}
}

// previousCalm reports whether the previous release did without: its peak of memory stayed well under the limit.
func previousCalm(f *Facts) (bool, string, []platform.EvidenceID) {
	if f.Previous == nil {
		return false, "", nil
	}
	for _, m := range f.Memory {
		if m.Release != f.Previous.Number || m.Limit <= 0 {
			continue
		}
		if m.Peak >= fullShare*m.Limit {
			return false, fmt.Sprintf("the previous release v%d reached %s of the limit too", m.Release, percent(m.Peak/m.Limit)), cites(m.Cite)
		}
		return true, fmt.Sprintf("the previous release v%d needed at most %s", m.Release, bytes(m.Peak)), cites(m.Cite)
	}
	return false, "", nil
}

// growingCommits returns the commits of the suspect that add something that allocates or keeps memory.
func growingCommits(f *Facts) []Suspect {
	var out []Suspect
	for i := range f.Commits {
		c := &f.Commits[i]
		if s, ok := growth(f, c); ok {
			out = append(out, s)
		}
	}
	return out
}

// growth finds the first line of a commit that allocates or keeps memory; one that only declares what is kept is second best.
func growth(f *Facts, c *Commit) (best Suspect, found bool) {
	for _, d := range c.Diff {
		if isProse(d.Path()) || !f.inService(d.Path()) {
			continue
		}
		for i := range d.Hunks {
			for _, l := range d.Hunks[i].Lines {
				if l.Op != '+' || !growthWords.MatchString(stripComment(l.Text)) {
					continue
				}
				s := Suspect{Commit: c, Score: reachNear, File: d.Path(), Line: l.New, Hunk: &d.Hunks[i], How: fmt.Sprintf("it added code that keeps or allocates memory, at line %d of %s", l.New, d.Path())}
				if !declared.MatchString(l.Text) {
					return s, true
				}
				if !found {
					best, found = s, true
				}
			}
		}
	}
	return best, found
}

func acquitOthers(f *Facts, guilty *Commit, why string) []platform.RuledOut {
	var out []platform.RuledOut
	for i := range f.Commits {
		if c := &f.Commits[i]; c != guilty && c.Read {
			out = append(out, platform.RuledOut{
				Hypothesis: fmt.Sprintf("commit %s by %s (%q) is to blame", platform.ShortSHA(c.SHA), authorName(c.Author), c.Subject()), Why: why, Evidence: cites(c.Cite),
			})
		}
	}
	return out
}

// inService reports whether a path of the repository can reach the service's image.
func (f *Facts) inService(path string) bool {
	ctx := f.context()
	return ctx == "" || strings.HasPrefix(path, ctx+"/") || baseName(path) == "fairlead.yaml"
}

func bytes(v float64) string {
	switch {
	case v >= 1<<30:
		return trimZero(fmt.Sprintf("%.1f", v/(1<<30))) + " GiB"
	case v >= 1<<20:
		return trimZero(fmt.Sprintf("%.1f", v/(1<<20))) + " MiB"
	}
	return trimZero(fmt.Sprintf("%.1f", v/(1<<10))) + " KiB"
}

func trimZero(s string) string { return strings.TrimSuffix(s, ".0") }

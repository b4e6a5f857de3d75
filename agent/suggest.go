package agent

import (
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

// memoryStep is what a raised memory limit is rounded up to.
const memoryStep = 64 << 20

// suggest turns the best cause into actions of the closed set, the one to prefer first. A verdict that is not a cause
// suggests nothing: acting without a cause is guessing.
func suggest(f *causes.Facts, d platform.Diagnosis) []platform.Suggestion {
	if d.Verdict != platform.VerdictCause {
		return nil
	}
	s := suggester{f: f, top: d.Causes[0]}
	switch s.top.Category {
	case platform.CategoryDependency:
		return nil // what failed is another service, which has an incident of its own
	case platform.CategoryMissingEnv:
		s.setEnv()
	default:
	}
	if f.WentLive() {
		s.rollback()
		s.restart()
	} else {
		s.revert()
	}
	if s.top.Category == platform.CategoryOOMKilled { // after the cure, where there is one: more memory is used up as well
		s.memory()
	}
	return s.out
}

type suggester struct {
	f   *causes.Facts
	top platform.Cause
	out []platform.Suggestion
}

func (s *suggester) add(a platform.Action, format string, args ...any) {
	in := s.f.Incident
	a.Slot = in.Project + "/" + in.Environment + "/" + in.Service
	var ids []platform.EvidenceID
	for _, c := range s.top.Claims {
		for _, id := range c.Evidence {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	s.out = append(s.out, platform.Suggestion{Action: a, Reason: fmt.Sprintf(format, args...), Evidence: ids})
}

// rollback brings back the last healthy release of a suspect that serves traffic, where the release is to blame.
func (s *suggester) rollback() {
	p := s.f.Previous
	if p == nil || s.f.Release == nil || p.Number == s.f.Release.Number || s.top.Change == nil && s.top.Category != platform.CategoryMissingEnv {
		return
	}
	s.add(platform.Action{Kind: platform.ActionRollback, ToRelease: p.Number},
		"Release v%d is at fault; v%d was live and well before it and is still here.", s.f.Release.Number, p.Number)
}

// revert undoes the guilty commit in the source: the old release still serves, so nothing is gained by a rollback.
func (s *suggester) revert() {
	c := s.top.Change
	if c == nil || c.Kind != platform.ChangeCommit {
		return
	}
	still := "The last good release still serves"
	if s.f.Previous != nil {
		still = fmt.Sprintf("Release v%d still serves", s.f.Previous.Number)
	}
	s.add(platform.Action{Kind: platform.ActionRevertCommit, Commit: c.ID},
		"%s, so the fix belongs in the source: commit %s brought the fault.", still, platform.ShortSHA(c.ID))
}

// setEnv asks a human for the variable's value, or takes it from the release that had it.
func (s *suggester) setEnv() {
	if s.top.Variable == "" {
		return
	}
	a := platform.Action{Kind: platform.ActionSetEnv, EnvKey: s.top.Variable}
	if p := s.f.PreviousConfig; p != nil && p.Keys[s.top.Variable] && s.f.Previous != nil {
		a.FromRelease = s.f.Previous.Number
		s.add(a, "Release v%d had %s; its value is still known.", a.FromRelease, s.top.Variable)
		return
	}
	s.add(a, "The service needs %s and nobody has set it. Whoever approves gives the value.", s.top.Variable)
}

// memory doubles the limit, or goes a half above the highest use that was seen, whichever is more.
func (s *suggester) memory() {
	limit := s.f.Spec.Resources.MemoryBytes
	if limit <= 0 {
		return
	}
	want := 2 * limit
	for _, m := range s.f.Memory {
		want = max(want, int64(m.Peak*1.5))
	}
	want = (want + memoryStep - 1) / memoryStep * memoryStep
	s.add(platform.Action{Kind: platform.ActionScale, MemoryBytes: want},
		"The limit of %d MiB is too small for this release; %d MiB leaves room while the cause is fixed.", limit>>20, want>>20)
}

// restart helps a process that hangs: alive, unwell, and not because of its release.
func (s *suggester) restart() {
	if s.f.Incident.Signal == platform.SignalHealthLost && s.top.Change == nil {
		s.add(platform.Action{Kind: platform.ActionRestart}, "The instance lost its health and no change explains it; a restart brings it back for now.")
	}
}

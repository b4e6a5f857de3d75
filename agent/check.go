package agent

import (
	"strings"

	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

// Check holds a diagnosis to the bundle it was made from, whoever made it: every cited id is in the bundle, every quote is
// a substring of the first item it cites, every claim cites something, scores lie between 0 and 1, verdict and causes
// agree, and every suggestion is an action of the closed set on the incident's own slot. The error is a platform error of
// code invalid that names what does not hold.
func Check(d platform.Diagnosis, bundle evidence.Bundle) error {
	c := checker{excerpts: map[platform.EvidenceID]string{}, facts: bundle}
	for _, e := range bundle.Items {
		if e.Seal().SHA256 != e.SHA256 {
			return refuse("evidence %s does not match its own hash", e.ID)
		}
		c.excerpts[e.ID] = e.Excerpt
	}
	for _, check := range []func(platform.Diagnosis) error{c.verdict, c.causes, c.ruledOut, c.suggestions} {
		if err := check(d); err != nil {
			return err
		}
	}
	return c.ids(d.Evidence, "the list of evidence")
}

type checker struct {
	excerpts map[platform.EvidenceID]string
	facts    evidence.Bundle
}

func refuse(format string, args ...any) error {
	return platform.Errorf(platform.CodeInvalid, format, args...)
}

func (c checker) verdict(d platform.Diagnosis) error {
	switch d.Verdict {
	case platform.VerdictCause:
		if len(d.Causes) == 0 {
			return refuse("the verdict is a cause and none is given")
		}
		if d.Causes[0].Category != d.Category {
			return refuse("the category %s is not that of the first cause, %s", d.Category, d.Causes[0].Category)
		}
	case platform.VerdictNone, platform.VerdictHealthy:
		if len(d.Causes) > 0 {
			return refuse("the verdict is %s and causes are given", d.Verdict)
		}
	default:
		return refuse("%q is not a verdict", d.Verdict)
	}
	if d.Confidence < 0 || d.Confidence > 1 {
		return refuse("the confidence %g is not between 0 and 1", d.Confidence)
	}
	return nil
}

func (c checker) causes(d platform.Diagnosis) error {
	for i, cause := range d.Causes {
		if cause.Rank != i+1 {
			return refuse("cause %d has rank %d", i+1, cause.Rank)
		}
		if cause.Score < 0 || cause.Score > 1 || i > 0 && cause.Score > d.Causes[i-1].Score {
			return refuse("the score %g of cause %d is out of order or not between 0 and 1", cause.Score, i+1)
		}
		if len(cause.Claims) == 0 {
			return refuse("cause %d makes no claim", i+1)
		}
		for _, claim := range cause.Claims {
			if err := c.claim(claim); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c checker) claim(claim platform.Claim) error {
	if len(claim.Evidence) == 0 {
		return refuse("the claim %q cites nothing", claim.Text)
	}
	if err := c.ids(claim.Evidence, "the claim "+claim.Text); err != nil {
		return err
	}
	if claim.Quote != "" && !strings.Contains(c.excerpts[claim.Evidence[0]], claim.Quote) {
		return refuse("the quote %q does not stand in evidence %s", claim.Quote, claim.Evidence[0])
	}
	return nil
}

func (c checker) ruledOut(d platform.Diagnosis) error {
	for _, r := range d.RuledOut {
		if err := c.ids(r.Evidence, "what was ruled out"); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) suggestions(d platform.Diagnosis) error {
	for _, s := range d.Suggestions {
		if err := c.ids(s.Evidence, "the suggestion "+string(s.Action.Kind)); err != nil {
			return err
		}
		if err := c.action(s.Action); err != nil {
			return err
		}
	}
	return nil
}

// action refuses what is not known to exist: a release that was never healthy, a commit that did not come with this one.
func (c checker) action(a platform.Action) error {
	f := c.facts.Facts
	in := f.Incident
	if a.Slot != in.Project+"/"+in.Environment+"/"+in.Service {
		return refuse("the action %s is on %s, not on the incident's slot", a.Kind, a.Slot)
	}
	switch a.Kind {
	case platform.ActionRollback:
		if f.Previous == nil || f.Previous.Number != a.ToRelease {
			return refuse("release v%d is not the last healthy release", a.ToRelease)
		}
	case platform.ActionRevertCommit:
		for _, commit := range f.Commits {
			if commit.SHA == a.Commit {
				return nil
			}
		}
		for _, change := range f.Changes {
			if change.Kind == platform.ChangeCommit && change.ID == a.Commit {
				return nil
			}
		}
		return refuse("commit %s is not among those that came with this release", a.Commit)
	case platform.ActionSetEnv:
		if a.EnvKey == "" || a.EnvValue != "" {
			return refuse("an agent names a variable and never gives its value")
		}
	case platform.ActionScale:
		if a.MemoryBytes <= 0 && a.Replicas <= 0 {
			return refuse("a scale action names neither replicas nor memory")
		}
	case platform.ActionRestart:
	default:
		return refuse("%q is not an action", a.Kind)
	}
	return nil
}

func (c checker) ids(ids []platform.EvidenceID, where string) error {
	for _, id := range ids {
		if _, ok := c.excerpts[id]; !ok {
			return refuse("evidence %s, cited by %s, is not in the bundle", id, where)
		}
	}
	return nil
}

package causes

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Past is an earlier incident of the environment that looks like this one. Where it was explained, it has a category.
type Past struct {
	ID         platform.IncidentID
	Service    string
	Title      string
	Category   platform.Category
	Change     string // that was convicted; empty when none was, or it is not known
	Resolution string
	OpenedAt   time.Time
	Open       bool
	SameWords  bool   // lines like its own are seen now
	Quote      string // how the evidence tells of it
	Cite       platform.EvidenceID
}

// recall says of the first cause that the like was seen before. It changes neither the rank nor the score of anything: that a
// fault was there once does not make it the fault of today.
func recall(f *Facts, d *platform.Diagnosis) {
	if len(d.Causes) == 0 || len(f.Past) == 0 {
		return
	}
	top := &d.Causes[0]
	for _, p := range f.Past {
		if !p.tells(top) {
			continue
		}
		text := fmt.Sprintf("The like was seen before, in %s", p.ID)
		switch {
		case p.Open:
			text += ", which is still open."
		case p.Resolution != "":
			text += ": " + strings.TrimSuffix(inSentence(p.Resolution), ".") + "."
		default:
			text += "."
		}
		top.Claims = append(top.Claims, withClaims(claim(text, p.Quote, p.Cite))...)
		return
	}
}

// tells reports whether an earlier incident is about the cause: it had the same category in the same service, or it is not
// known what it had and its words are those of today.
func (p Past) tells(c *platform.Cause) bool {
	if p.Category == "" || p.Category == platform.CategoryNone {
		return p.SameWords
	}
	return p.Category == c.Category && (p.Service == c.Service || p.SameWords)
}

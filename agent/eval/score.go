// Package eval scores diagnoses of incidents whose cause is known.
//
// It owns what a right answer is, how an answer is held against it, the sums over many, and the bundles with a known answer. It
// runs the same engine as an incident does; nothing of an expected answer reaches it.
package eval

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// ChangeNone is the change of an answer that convicts none.
const ChangeNone = "none"

// Expected is the known answer of one incident, as expected.json beside a bundle tells it.
type Expected struct {
	Verdict  platform.Verdict  `json:"verdict"`
	Category platform.Category `json:"category"`
	// AcceptCategories are right as well, where two names fit one fault.
	AcceptCategories []platform.Category `json:"accept_categories,omitempty"`
	Service          string              `json:"service"`
	AcceptServices   []string            `json:"accept_services,omitempty"`
	// Change is the id of the change to convict, or none. A setting that is changed while a fault is played has no id
	// beforehand: there it is the kind (config, scale).
	Change string `json:"change"`
	// Decoys are changes near the onset that did nothing.
	Decoys []string `json:"decoys"`
}

// Guess is one ranked cause as it is scored.
type Guess struct {
	Category platform.Category `json:"category"`
	Service  string            `json:"service"`
	Change   string            `json:"change"`         // the id, or none
	Kind     string            `json:"kind,omitempty"` // of the change
	Score    float64           `json:"score"`
}

// Result is how one diagnosis held. Error is set when there is none to score; then nothing is right.
type Result struct {
	Name     string   `json:"name"`
	Expected Expected `json:"expected"`

	Verdict    platform.Verdict  `json:"verdict"`
	Category   platform.Category `json:"category"`
	Causes     []Guess           `json:"causes"`
	Summary    string            `json:"summary"`
	Confidence float64           `json:"confidence"`
	Gaps       []string          `json:"gaps,omitempty"`

	VerdictRight  bool `json:"verdict_right"`
	CategoryRight bool `json:"category_right"`
	InTop3        bool `json:"in_top3"`       // one of the first three causes has the category
	ServiceRight  bool `json:"service_right"` // of the first cause
	ChangeRight   bool `json:"change_right"`  // of the first cause
	Convicted     bool `json:"decoy_convicted"`
	Abstained     bool `json:"abstained"`

	// Took is how long whoever waits for the diagnosis waited.
	Took  platform.Duration `json:"took"`
	Error string            `json:"error,omitempty"`
}

// Right reports whether verdict, category and change are right and nothing innocent was convicted.
func (r Result) Right() bool {
	return r.Error == "" && r.VerdictRight && r.CategoryRight && r.ChangeRight && !r.Convicted
}

// Change is what the first cause convicts, or none.
func (r Result) Change() string {
	if len(r.Causes) == 0 {
		return ChangeNone
	}
	return r.Causes[0].Change
}

// Score holds a diagnosis against what was expected. An answer that says nothing where there is a cause is right in nothing,
// and a change that is named where none is to blame is convicted, whether it is among the decoys or not.
func Score(name string, e Expected, d platform.Diagnosis) Result {
	r := Result{
		Name: name, Expected: e, Verdict: d.Verdict, Category: d.Category, Summary: d.Summary, Confidence: d.Confidence, Gaps: d.Gaps,
		VerdictRight: e.verdict(d), CategoryRight: e.category(d.Category), Abstained: d.Verdict == platform.VerdictNone, Took: d.Took,
	}
	r.InTop3 = r.CategoryRight
	for i, c := range d.Causes {
		r.Causes = append(r.Causes, guess(c))
		r.InTop3 = r.InTop3 || i < 3 && e.category(c.Category)
	}
	if len(r.Causes) == 0 {
		r.ServiceRight = e.Verdict != platform.VerdictCause && r.VerdictRight
		r.ChangeRight = r.ServiceRight && e.innocent()
		return r
	}
	top := r.Causes[0]
	r.ChangeRight = e.change(top)
	r.ServiceRight = e.Service == "" || e.Verdict == platform.VerdictCause && (top.Service == e.Service || slices.Contains(e.AcceptServices, top.Service))
	r.Convicted = top.Change != ChangeNone && !r.ChangeRight && (slices.Contains(e.Decoys, top.Change) || e.innocent())
	return r
}

// Failed is the result of an incident that could not be explained at all.
func Failed(name string, e Expected, err error) Result {
	return Result{Name: name, Expected: e, Error: err.Error()}
}

func guess(c platform.Cause) Guess {
	g := Guess{Category: c.Category, Service: c.Service, Change: ChangeNone, Score: c.Score}
	if c.Change != nil && c.Change.ID != "" {
		g.Change, g.Kind = c.Change.ID, string(c.Change.Kind)
	}
	return g
}

func (e Expected) category(c platform.Category) bool {
	return c == e.Category || slices.Contains(e.AcceptCategories, c)
}

// verdict reports whether the verdict is right. Where healthy or none is accepted as a category, it is as a verdict.
func (e Expected) verdict(d platform.Diagnosis) bool {
	calm := d.Category == platform.CategoryHealthy || d.Category == platform.CategoryNone
	return d.Verdict == e.Verdict || calm && e.category(d.Category)
}

func (e Expected) innocent() bool { return e.Change == ChangeNone || e.Change == "" }

// change reports whether the right change is convicted: by its id, or a setting by its kind. Secrets and flags are set as
// configuration is.
func (e Expected) change(g Guess) bool {
	switch {
	case e.innocent():
		return g.Change == ChangeNone
	case g.Change == e.Change:
		return true
	case g.Kind == string(platform.ChangeSecret) || g.Kind == string(platform.ChangeFlag):
		return e.Change == string(platform.ChangeConfig)
	}
	return g.Kind != string(platform.ChangeCommit) && g.Kind == e.Change
}

// Share is a count out of a total.
type Share struct {
	Yes int `json:"yes"`
	Of  int `json:"of"`
}

// Add counts one.
func (s *Share) Add(yes bool) {
	s.Of++
	if yes {
		s.Yes++
	}
}

// Rate is the share as a number up to 1; of nothing it is 1.
func (s Share) Rate() float64 {
	if s.Of == 0 {
		return 1
	}
	return float64(s.Yes) / float64(s.Of)
}

// Summary counts many results.
type Summary struct {
	Count     int
	Played    Share // came to a diagnosis
	Verdict   Share
	Category  Share
	Top3      Share
	Service   Share
	Change    Share
	Healthy   Share // of those that are healthy, said so
	Answered  Share // of those that have a cause, named one
	Convicted int
	Median    time.Duration // to a diagnosis
}

// Sum counts the results.
func Sum(results []Result) Summary {
	s := Summary{Count: len(results)}
	var took []time.Duration
	for _, r := range results {
		s.Played.Add(r.Error == "")
		s.Verdict.Add(r.VerdictRight)
		s.Category.Add(r.CategoryRight)
		s.Top3.Add(r.InTop3)
		s.Service.Add(r.ServiceRight)
		s.Change.Add(r.ChangeRight)
		switch r.Expected.Verdict {
		case platform.VerdictHealthy:
			s.Healthy.Add(r.Verdict == platform.VerdictHealthy)
		case platform.VerdictCause:
			s.Answered.Add(r.Error == "" && !r.Abstained)
		default:
		}
		if r.Convicted {
			s.Convicted++
		}
		if r.Error == "" && r.Took > 0 {
			took = append(took, r.Took.D())
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.Median = took[len(took)/2]
	}
	return s
}

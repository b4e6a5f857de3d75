package scenarios

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Expected is what a right diagnosis says, in the words of expected.json of a bundle.
type Expected struct {
	Verdict          platform.Verdict    `json:"verdict"`
	Category         platform.Category   `json:"category"`
	AcceptCategories []platform.Category `json:"accept_categories,omitempty"`
	Service          string              `json:"service"`
	AcceptServices   []string            `json:"accept_services,omitempty"`
	// Change is the SHA of a commit, the kind of another change (config, scale), or none.
	Change string `json:"change"`
	// Decoys are the SHAs of the commits beside it that are innocent.
	Decoys []string `json:"decoys"`
}

// Guess is one ranked cause as it is scored.
type Guess struct {
	Category platform.Category `json:"category"`
	Service  string            `json:"service"`
	Change   string            `json:"change"` // as in Expected
	Score    float64           `json:"score"`
}

// Result is one scenario with what came of it. Error is set when it could not be played to its end; then nothing else counts.
type Result struct {
	Name     string   `json:"name"`
	Expected Expected `json:"expected"`

	Verdict    platform.Verdict  `json:"verdict"`
	Category   platform.Category `json:"category"`
	Causes     []Guess           `json:"causes"`
	Summary    string            `json:"summary"`
	Confidence float64           `json:"confidence"`
	Signal     platform.Signal   `json:"signal,omitempty"` // of the incident
	Gaps       []string          `json:"gaps,omitempty"`
	Incidents  []string          `json:"incidents,omitempty"` // titles of all that opened, for whoever looks why

	VerdictRight  bool `json:"verdict_right"`
	CategoryRight bool `json:"category_right"`
	ServiceRight  bool `json:"service_right"`
	ChangeRight   bool `json:"change_right"`
	InTop3        bool `json:"in_top3"` // category and change of one of the first three causes are right
	Convicted     bool `json:"decoy_convicted"`
	Abstained     bool `json:"abstained"`

	DiagnosisMS float64 `json:"diagnosis_ms"` // from the incident's opening to the diagnosis
	EngineMS    float64 `json:"engine_ms"`    // of these, in the engine
	DetectedMS  float64 `json:"detected_ms"`  // from the onset to the incident's opening
	TookMS      float64 `json:"took_ms"`      // the whole scenario
	Error       string  `json:"error,omitempty"`
}

// Right reports whether category and change are both right and nothing innocent was convicted.
func (r Result) Right() bool {
	return r.Error == "" && r.VerdictRight && r.CategoryRight && r.ChangeRight && !r.Convicted
}

// Expect returns what a right diagnosis of a case says, once the SHAs of its commits are known.
func Expect(c Case, shas map[string]string, decoys []string) Expected {
	e := Expected{
		Verdict: c.Verdict, Category: c.Category, AcceptCategories: c.Accept, Service: c.Service, AcceptServices: c.AcceptServices,
		Change: ChangeNone, Decoys: decoys,
	}
	if c.Change == ChangeGuilty {
		e.Change = c.guilty(shas)
	}
	return e
}

func (c Case) guilty(shas map[string]string) string {
	for _, step := range c.Steps {
		switch {
		case step.named() != ChangeGuilty:
		case step.Env != nil:
			return string(platform.ChangeConfig)
		case step.Scale != nil:
			return string(platform.ChangeScale)
		default:
			return shas[ChangeGuilty]
		}
	}
	return ""
}

// Score holds a diagnosis against what was expected.
func Score(e Expected, incident platform.Incident, d platform.Diagnosis) Result {
	r := Result{
		Expected: e, Verdict: d.Verdict, Category: d.Category, Summary: d.Summary, Confidence: d.Confidence, Signal: incident.Signal, Gaps: d.Gaps,
		EngineMS: milliseconds(d.Took.D()), DiagnosisMS: milliseconds(d.At.Sub(incident.OpenedAt)), DetectedMS: milliseconds(incident.OpenedAt.Sub(incident.OnsetAt)),
		VerdictRight: d.Verdict == e.Verdict, CategoryRight: e.category(d.Category), Abstained: d.Verdict == platform.VerdictNone,
	}
	for _, c := range d.Causes {
		r.Causes = append(r.Causes, Guess{Category: c.Category, Service: c.Service, Change: changeOf(c.Change), Score: c.Score})
	}
	if len(r.Causes) == 0 {
		r.ChangeRight = e.Change == ChangeNone && e.Verdict != platform.VerdictCause && r.VerdictRight
		r.ServiceRight = r.ChangeRight
		r.InTop3 = r.ChangeRight
		return r
	}
	top := r.Causes[0]
	r.ServiceRight, r.ChangeRight = e.service(top.Service), top.Change == e.Change
	r.Convicted = slices.Contains(e.Decoys, top.Change)
	for _, g := range r.Causes[:min(3, len(r.Causes))] {
		r.InTop3 = r.InTop3 || e.category(g.Category) && g.Change == e.Change
	}
	return r
}

// Undisturbed is the result of a scenario in which nothing was to open an incident, and nothing did.
func Undisturbed(e Expected) Result {
	return Result{
		Expected: e, Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy, Summary: "No incident opened.",
		VerdictRight: e.Verdict == platform.VerdictHealthy, CategoryRight: e.category(platform.CategoryHealthy), ServiceRight: true,
		ChangeRight: e.Change == ChangeNone, InTop3: true,
	}
}

func (e Expected) category(c platform.Category) bool {
	return c == e.Category || slices.Contains(e.AcceptCategories, c)
}

func (e Expected) service(name string) bool {
	return name == e.Service || slices.Contains(e.AcceptServices, name)
}

// changeOf is the SHA of a commit, and the kind of every other change: secrets and flags are set as configuration is.
func changeOf(c *platform.Change) string {
	switch {
	case c == nil:
		return ChangeNone
	case c.Kind == platform.ChangeCommit:
		return c.ID
	case c.Kind == platform.ChangeSecret || c.Kind == platform.ChangeFlag:
		return string(platform.ChangeConfig)
	}
	return string(c.Kind)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

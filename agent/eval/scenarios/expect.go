package scenarios

import (
	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/platform"
)

// Result is one scenario with what came of it. The time it took is that from the incident's opening to its diagnosis.
type Result struct {
	eval.Result
	Signal     platform.Signal   `json:"signal,omitempty"`    // of the incident
	Incidents  []string          `json:"incidents,omitempty"` // titles of all that opened, for whoever looks why
	Engine     platform.Duration `json:"engine"`              // of the time to the diagnosis, in the engine
	DetectedIn platform.Duration `json:"detected_in"`         // from the onset to the incident's opening
	PlayedIn   platform.Duration `json:"played_in"`           // the whole scenario
	Offline    *Offline          `json:"offline,omitempty"`   // nil where no incident was to be exported
}

// Offline is how the exported bundle of an incident was explained.
type Offline struct {
	Same  bool   `json:"same"`  // the answer of the incident
	Plain bool   `json:"plain"` // the same from the plain files alone, without what Fairlead froze for its own rules
	Said  string `json:"said"`  // where they differ, what was said
}

// Expect returns what a right diagnosis of a case says, once the SHAs of its commits are known.
func Expect(c Case, shas map[string]string, decoys []string) eval.Expected {
	e := eval.Expected{
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

// Score holds the diagnosis of an incident against what was expected.
func Score(name string, e eval.Expected, incident platform.Incident, d platform.Diagnosis) Result {
	r := Result{
		Result: eval.Score(name, e, d), Signal: incident.Signal, Engine: d.Took, DetectedIn: platform.Duration(incident.OpenedAt.Sub(incident.OnsetAt)),
	}
	r.Took = platform.Duration(d.At.Sub(incident.OpenedAt))
	return r
}

// Undisturbed is the result of a scenario in which nothing was to open an incident, and nothing did.
func Undisturbed(name string, e eval.Expected) Result {
	return Result{Result: eval.Score(name, e, platform.Diagnosis{Verdict: platform.VerdictHealthy, Category: platform.CategoryHealthy, Summary: "No incident opened."})}
}

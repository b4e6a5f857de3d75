package agent

import (
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

// Answer is a diagnosis in the public shape that `fairlead diagnose --bundle` prints. Lists are never null. Change is the id
// of the commit where a commit is the cause, else of the change, else none.
type Answer struct {
	Verdict     platform.Verdict    `json:"verdict"`
	Category    platform.Category   `json:"category"`
	Service     string              `json:"service"`
	Change      string              `json:"change"`
	Confidence  float64             `json:"confidence"`
	Summary     string              `json:"summary"`
	Causes      []AnswerCause       `json:"causes"`
	BlastRadius []string            `json:"blast_radius"`
	Propagation []platform.Hop      `json:"propagation"`
	Action      AnswerAction        `json:"action"`
	RuledOut    []platform.RuledOut `json:"ruled_out"`
	Gaps        []string            `json:"gaps"`
	Evidence    []AnswerEvidence    `json:"evidence"`
	DurationMS  float64             `json:"duration_ms"`
}

// AnswerCause is one ranked cause.
type AnswerCause struct {
	Rank     int               `json:"rank"`
	Category platform.Category `json:"category"`
	Service  string            `json:"service"`
	Change   string            `json:"change"`
	Score    float64           `json:"score"`
	Summary  string            `json:"summary"`
	Claims   []platform.Claim  `json:"claims"`
}

// AnswerAction is what should be done: one of the closed set, or none.
type AnswerAction struct {
	Kind   string            `json:"kind"`
	Params map[string]string `json:"params"`
}

// AnswerEvidence is an item that the answer cites.
type AnswerEvidence struct {
	ID      platform.EvidenceID   `json:"id"`
	Kind    platform.EvidenceKind `json:"kind"`
	Title   string                `json:"title"`
	Source  string                `json:"source"`
	Excerpt string                `json:"excerpt"`
	SHA256  string                `json:"sha256"`
	Flagged bool                  `json:"flagged,omitempty"`
}

// ExplainBundle reads the folder and explains it with nothing else running. Errors are those of bundle.Read.
func ExplainBundle(dir string) (platform.Diagnosis, evidence.Bundle, error) {
	start := time.Now()
	read, err := bundle.Read(dir)
	if err != nil {
		return platform.Diagnosis{}, evidence.Bundle{}, err
	}
	frozen := evidence.FromBundle(read)
	d := Explain(frozen)
	d.At = frozen.Facts.Now
	d.Took = platform.Duration(time.Since(start))
	return d, frozen, nil
}

// AnswerOf puts a diagnosis of the bundle into the public shape. Only items that something cites are listed.
func AnswerOf(d platform.Diagnosis, frozen evidence.Bundle) Answer {
	a := Answer{
		Verdict: d.Verdict, Category: d.Category, Service: frozen.Facts.Incident.Service, Change: "none", Confidence: d.Confidence, Summary: d.Summary,
		Causes: []AnswerCause{}, BlastRadius: append([]string{}, d.BlastRadius...), Propagation: append([]platform.Hop{}, d.Propagation...),
		RuledOut: append([]platform.RuledOut{}, d.RuledOut...), Gaps: append([]string{}, d.Gaps...), Evidence: []AnswerEvidence{},
		DurationMS: float64(time.Duration(d.Took).Microseconds()) / 1000,
	}
	cited := map[platform.EvidenceID]bool{}
	mark := func(ids []platform.EvidenceID) {
		for _, id := range ids {
			cited[id] = true
		}
	}
	for _, c := range d.Causes {
		a.Causes = append(a.Causes, AnswerCause{
			Rank: c.Rank, Category: c.Category, Service: c.Service, Change: changeID(c.Change), Score: c.Score, Summary: c.Summary, Claims: append([]platform.Claim{}, c.Claims...),
		})
		for _, claim := range c.Claims {
			mark(claim.Evidence)
		}
	}
	if len(a.Causes) > 0 {
		a.Service, a.Change = a.Causes[0].Service, a.Causes[0].Change
	}
	for i := range a.Propagation {
		mark(a.Propagation[i].Evidence)
		a.Propagation[i].Evidence = append([]platform.EvidenceID{}, a.Propagation[i].Evidence...)
	}
	for _, r := range a.RuledOut {
		mark(r.Evidence)
	}
	for _, e := range frozen.Items {
		if cited[e.ID] {
			a.Evidence = append(a.Evidence, AnswerEvidence{ID: e.ID, Kind: e.Kind, Title: e.Title, Source: e.Source, Excerpt: e.Excerpt, SHA256: e.SHA256, Flagged: e.Flagged})
		}
	}
	if d.Verdict == platform.VerdictNone {
		a.Service = "none"
	}
	a.Action = actionOf(d, a)
	return a
}

func changeID(c *platform.Change) string {
	if c == nil || c.ID == "" {
		return "none"
	}
	return c.ID
}

// undo is the action that takes a change back, by its kind.
var undo = map[platform.ChangeKind]string{
	platform.ChangeCommit: "revert_commit", platform.ChangeDeploy: "rollback", platform.ChangeConfig: "set_env", platform.ChangeFlag: "set_env",
	platform.ChangeSecret: "rotate_secret", platform.ChangeScale: "scale", platform.ChangeMigration: "notify_owner", platform.ChangeInfra: "notify_owner",
}

// relief is the action that helps where no change is to blame.
var relief = map[platform.Category]string{
	platform.CategoryQueueBacklog: "scale", platform.CategoryTrafficSurge: "scale", platform.CategoryOOMKilled: "set_resources", platform.CategorySharedMemory: "set_resources",
	platform.CategoryMemoryLeak: "restart", platform.CategoryHang: "restart", platform.CategoryDescriptors: "restart", platform.CategoryPoolExhausted: "restart",
	platform.CategoryPoisonMessage: "quarantine_message", platform.CategoryDiskFull: "grow_disk", platform.CategorySlowStart: "extend_startup_grace",
	platform.CategoryBadHealthPath: "set_health_check", platform.CategoryBadCredentials: "rotate_secret", platform.CategoryMissingEnv: "set_env", platform.CategoryDependency: "restart",
}

func actionOf(d platform.Diagnosis, a Answer) AnswerAction {
	out := AnswerAction{Kind: "none", Params: map[string]string{}}
	if d.Verdict != platform.VerdictCause {
		return out
	}
	out.Kind, out.Params["service"] = "notify_owner", a.Service
	if kind, ok := relief[a.Category]; ok {
		out.Kind = kind
	}
	if c := d.Causes[0].Change; c != nil {
		if kind, ok := undo[c.Kind]; ok {
			out.Kind = kind
		}
		out.Params[string(c.Kind)] = c.ID
	}
	if v := d.Causes[0].Variable; v != "" {
		out.Params["variable"] = v
	}
	return out
}

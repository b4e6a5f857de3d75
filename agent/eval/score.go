// Package eval scores diagnoses of incidents whose cause is known.
//
// It owns the expected answers that lie beside bundles, how an answer is held against them, and the table. It runs the
// same engine as an incident does; nothing of an expected answer reaches it.
package eval

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

// Expected is the known answer of one bundle, as expected.json beside it tells.
type Expected struct {
	Verdict  platform.Verdict  `json:"verdict"`
	Category platform.Category `json:"category"`
	Service  string            `json:"service"`
	Change   string            `json:"change"` // the id of the change to convict, or none
	// Decoys are changes near the onset that did nothing.
	Decoys []string `json:"decoys"`
	// Accept are further categories that are right as well, where two names fit one fault.
	Accept []platform.Category `json:"accept_categories"`
}

// Result is how the diagnosis of one bundle held.
type Result struct {
	Name                           string
	Want                           Expected
	Got                            platform.Diagnosis
	Change                         string // that was convicted, or none
	Category, Top3, Service, Right bool   // Right is the change
	Convicted                      bool   // a decoy was
	Took                           time.Duration
}

// Run diagnoses every bundle in the folder that has an expected.json, by name.
func Run(dir string) ([]Result, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	var out []Result
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name(), "expected.json"))
		if !e.IsDir() || err != nil {
			continue
		}
		r, err := run(filepath.Join(dir, e.Name()), data)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func run(dir string, expected []byte) (Result, error) {
	r := Result{Name: filepath.Base(dir)}
	if err := json.Unmarshal(expected, &r.Want); err != nil {
		return r, fmt.Errorf("read expected.json of %s: %w", r.Name, err)
	}
	start := time.Now()
	b, err := bundle.Read(dir)
	if err != nil {
		return r, err
	}
	r.Got = agent.Explain(evidence.FromBundle(b))
	r.Took = time.Since(start)
	r.judge()
	return r, nil
}

// judge holds the answer against the expected one.
func (r *Result) judge() {
	fits := func(c platform.Category) bool { return c == r.Want.Category || slices.Contains(r.Want.Accept, c) }
	r.Change = "none"
	if len(r.Got.Causes) > 0 && r.Got.Causes[0].Change != nil {
		r.Change = r.Got.Causes[0].Change.ID
	}
	r.Category = fits(r.Got.Category)
	r.Top3 = r.Category
	for i, c := range r.Got.Causes {
		r.Top3 = r.Top3 || i < 3 && fits(c.Category)
	}
	want := r.Want.Change
	if want == "" {
		want = "none"
	}
	r.Right = r.Change == want
	r.Convicted = r.Change != "none" && r.Change != want && (slices.Contains(r.Want.Decoys, r.Change) || want == "none")
	r.Service = r.Want.Service == "" || r.Want.Verdict != platform.VerdictCause || len(r.Got.Causes) > 0 && r.Got.Causes[0].Service == r.Want.Service
}

// Summary is the figures of many results.
type Summary struct {
	Bundles     int           `json:"bundles"`
	Category    float64       `json:"right_category"`
	Top3        float64       `json:"right_category_in_top_3"`
	Change      float64       `json:"right_change"`
	Service     float64       `json:"right_service"`
	Convicted   int           `json:"decoys_convicted"`
	Abstentions int           `json:"abstentions"`
	Healthy     int           `json:"healthy"`
	HealthyFell int           `json:"healthy_not_called_healthy"`
	Median      time.Duration `json:"median_ns"`
}

// Sum counts the results.
func Sum(results []Result) Summary {
	s := Summary{Bundles: len(results)}
	if len(results) == 0 {
		return s
	}
	count := func(of func(Result) bool) int {
		n := 0
		for _, r := range results {
			if of(r) {
				n++
			}
		}
		return n
	}
	share := func(of func(Result) bool) float64 { return float64(count(of)) / float64(len(results)) }
	s.Category = share(func(r Result) bool { return r.Category })
	s.Top3 = share(func(r Result) bool { return r.Top3 })
	s.Change = share(func(r Result) bool { return r.Right })
	s.Service = share(func(r Result) bool { return r.Service })
	s.Convicted = count(func(r Result) bool { return r.Convicted })
	s.Abstentions = count(func(r Result) bool { return r.Got.Verdict == platform.VerdictNone })
	s.Healthy = count(func(r Result) bool { return r.Want.Category == platform.CategoryHealthy })
	s.HealthyFell = count(func(r Result) bool {
		return r.Want.Category == platform.CategoryHealthy && r.Got.Verdict != platform.VerdictHealthy
	})
	took := make([]time.Duration, len(results))
	for i, r := range results {
		took[i] = r.Took
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	s.Median = took[len(took)/2]
	return s
}

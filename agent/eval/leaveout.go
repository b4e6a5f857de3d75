package eval

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/evidence"
)

// none is how an expected answer says that no change is to be convicted.
const none = "none"

// LeaveOut diagnoses every bundle that has a guilty change once more with that change taken out of the record, and returns
// how that went. Nothing that is left brought the fault by itself: none is right. A decoy that is convicted then is innocent; a
// change that is neither guilty nor a decoy, such as the roll-back that brought the fault to light, is not right and no innocent.
func LeaveOut(dir string) ([]Result, error) {
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
		r := Result{Name: e.Name()}
		if err := json.Unmarshal(data, &r.Want); err != nil {
			return nil, fmt.Errorf("read expected.json of %s: %w", r.Name, err)
		}
		if r.Want.Change == none || r.Want.Change == "" {
			continue
		}
		b, err := bundle.Read(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		carriers := without(b, r.Want.Change)
		r.Want.Change = none
		start := time.Now()
		r.Got = agent.Explain(evidence.FromBundle(b))
		r.Took = time.Since(start)
		r.judge()
		r.Convicted = r.Change != none && !slices.Contains(carriers, r.Change) && (len(r.Want.Decoys) == 0 || slices.Contains(r.Want.Decoys, r.Change))
		out = append(out, r)
	}
	return out, nil
}

// without takes a change out of a bundle and returns the deploys that carried it: they are still there, and no longer say so.
func without(b *bundle.Bundle, id string) (carriers []string) {
	kept := b.Changes[:0]
	for _, c := range b.Changes {
		if c.ID == id {
			continue
		}
		if c.Commit == id {
			carriers, c.Commit = append(carriers, c.ID), ""
		}
		kept = append(kept, c)
	}
	b.Changes = kept
	return carriers
}

package eval

import (
	"slices"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/evidence"
)

// LeaveOut diagnoses every bundle that has a guilty change once more with that change taken out of the record, and returns
// how that went. Nothing that is left brought the fault by itself: none is right. A decoy that is convicted then is innocent; a
// change that is neither guilty nor a decoy, such as the roll-back that brought the fault to light, is not right and no innocent.
func LeaveOut(dir string) ([]Result, error) {
	var out []Result
	err := each(dir, func(name, folder string, want Expected) error {
		if want.innocent() {
			return nil
		}
		b, err := bundle.Read(folder)
		if err != nil {
			out = append(out, Failed(name, want, err))
			return nil
		}
		carriers := without(b, want.Change)
		want.Change = ChangeNone
		r := Score(name, want, agent.Explain(evidence.FromBundle(b)))
		r.Convicted = r.Change() != ChangeNone && !slices.Contains(carriers, r.Change()) && (len(want.Decoys) == 0 || slices.Contains(want.Decoys, r.Change()))
		out = append(out, r)
		return nil
	})
	return out, err
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

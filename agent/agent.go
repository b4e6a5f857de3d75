// Package agent investigates an incident: it freezes evidence, ranks causes and suggests typed actions.
//
// It owns the order of an investigation, the suggestions and the check that holds every diagnosis to its evidence. It
// has no hands: by its imports it cannot reach control, store or a runtime, so that whatever it reads or concludes, it
// can only return words. Freezing a suggestion into a plan, asking a human and acting are control's.
package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

// Options configures an Agent.
type Options struct {
	Sources  evidence.Sources
	Evidence evidence.Options // bounds, redaction and the clock of evidence
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Agent investigates incidents. It is safe for use by several goroutines at once.
type Agent struct {
	gatherer *evidence.Gatherer
	now      func() time.Time
}

// Result is what an investigation returns. Evidence is frozen: the diagnosis cites it by id. Record is the same as data, for
// an export; it has no id where it could not be kept.
type Result struct {
	Evidence  []platform.Evidence
	Record    platform.Evidence
	Diagnosis platform.Diagnosis
}

// New returns an Agent over the sources.
func New(opt Options) *Agent {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Evidence.Now == nil {
		opt.Evidence.Now = opt.Now
	}
	return &Agent{gatherer: evidence.New(opt.Sources, opt.Evidence), now: opt.Now}
}

// Investigate freezes what is known about the incident and explains it. What cannot be read becomes a gap of the
// diagnosis; errors are the context's, and that the project's secrets cannot be read. The diagnosis has passed Check.
func (a *Agent) Investigate(ctx context.Context, incident platform.Incident) (Result, error) {
	start := a.now()
	gathering, span := tracing.Start(ctx, "gather evidence")
	bundle, err := a.gatherer.Gather(gathering, incident)
	span.End(err)
	if err != nil {
		return Result{}, err
	}
	_, span = tracing.Start(ctx, "rank causes")
	d := Explain(bundle)
	span.End(nil)
	d.ID = platform.NewID[platform.DiagnosisID](platform.PrefixDiagnosis)
	d.At = a.now().UTC()
	d.Took = platform.Duration(d.At.Sub(start))
	return Result{Evidence: bundle.Items, Record: bundle.Record, Diagnosis: d}, nil
}

// Explain is the part of an investigation that reads nothing: the same bundle gives the same diagnosis. A diagnosis that
// does not pass Check is withdrawn and says so.
func Explain(bundle evidence.Bundle) platform.Diagnosis {
	d := causes.Diagnose(bundle.Facts)
	d.Suggestions = suggest(bundle.Facts, d)
	for _, e := range bundle.Items {
		d.Evidence = append(d.Evidence, e.ID)
	}
	if err := Check(d, bundle); err != nil {
		return withdrawn(d, err)
	}
	return fill(d)
}

// withdrawn is what is left of a diagnosis that its own evidence does not carry.
func withdrawn(d platform.Diagnosis, err error) platform.Diagnosis {
	reason := err.Error()
	var refused *platform.Error
	if errors.As(err, &refused) {
		reason = refused.Message
	}
	return fill(platform.Diagnosis{
		IncidentID: d.IncidentID, Engine: d.Engine, Verdict: platform.VerdictNone, Category: platform.CategoryNone,
		Summary: "The explanation was withdrawn, because it did not hold against its own evidence.", Evidence: d.Evidence,
		Gaps: append(d.Gaps, fmt.Sprintf("an explanation (%s) was withdrawn: %s", d.Category, reason)),
	})
}

// fill makes empty lists of nil ones, so that they are lists on every wire.
func fill(d platform.Diagnosis) platform.Diagnosis {
	if d.Causes == nil {
		d.Causes = []platform.Cause{}
	}
	if d.RuledOut == nil {
		d.RuledOut = []platform.RuledOut{}
	}
	if d.Gaps == nil {
		d.Gaps = []string{}
	}
	if d.Suggestions == nil {
		d.Suggestions = []platform.Suggestion{}
	}
	if d.Evidence == nil {
		d.Evidence = []platform.EvidenceID{}
	}
	return d
}

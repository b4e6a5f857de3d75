package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// Why tells what happened to an instance, and what that followed from: the deploy, its plan, who approved it.
func (p *Plane) Why(ctx context.Context, actor platform.Actor, instance platform.InstanceID) (platform.Why, error) {
	var w platform.Why
	err := p.store.View(ctx, func(tx *store.Tx) error {
		if err := authorize(actor, verbRead, ""); err != nil {
			return err
		}
		found, err := tx.InstanceByID(ctx, instance)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbRead, found.Project, "instance", string(instance)); err != nil {
			return err
		}
		w, err = story(ctx, tx, found)
		return err
	})
	return w, err
}

func story(ctx context.Context, tx *store.Tx, in platform.Instance) (platform.Why, error) {
	w := platform.Why{Instance: in}
	var err error
	if w.Release, err = tx.ReleaseByID(ctx, in.ReleaseID); err != nil && platform.CodeOf(err) != platform.CodeNotFound {
		return w, err
	}
	if w.Events, err = chain(ctx, tx, string(in.ID)); err != nil {
		return w, err
	}
	w.Summary = storySentence(w)
	return w, nil
}

// chain collects the events about an id and, step by step, those about what they followed from. Of what led here only
// its own events count, not everything else that followed from it.
func chain(ctx context.Context, tx *store.Tx, id string) ([]platform.Event, error) {
	const maxSteps = 6
	known := map[string]bool{}
	byID := map[platform.EventID]platform.Event{}
	next := []string{id}
	for range maxSteps {
		events, err := tx.EventsAbout(ctx, next...)
		if err != nil {
			return nil, err
		}
		wanted := next
		next = nil
		for _, e := range events {
			if !slices.Contains(wanted, e.Subject) {
				continue
			}
			byID[e.ID] = e
			if e.Cause != "" && e.Cause != id && !known[e.Cause] {
				known[e.Cause] = true
				next = append(next, e.Cause)
			}
		}
		if len(next) == 0 {
			break
		}
	}
	out := []platform.Event{}
	for _, e := range byID {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b platform.Event) int { return int(a.Seq - b.Seq) })
	return out, nil
}

func storySentence(w platform.Why) string {
	in := w.Instance
	parts := []string{fmt.Sprintf("%s is instance %d of %s v%d, started at %s", in.ID, in.Ordinal, in.Service, in.ReleaseNumber, clock(in.StartedAt))}
	switch {
	case in.State == platform.InstanceDead && in.OOMKilled:
		parts = append(parts, "killed because it was out of memory")
	case in.State == platform.InstanceDead && in.ExitCode != nil:
		parts = append(parts, fmt.Sprintf("ended by itself with exit code %d", *in.ExitCode))
	default:
		parts = append(parts, "now "+string(in.State))
	}
	if in.Reason != "" {
		parts = append(parts, platform.Truncate(in.Reason, 300))
	}
	for i := len(w.Events) - 1; i >= 0; i-- {
		if e := w.Events[i]; e.Kind == platform.EventPlanApproved || e.Kind == platform.EventDeployQueued {
			parts = append(parts, "because: "+e.Summary)
			break
		}
	}
	if rule := ruleBehind(w.Events); rule != "" {
		parts = append(parts, "found by the rule "+rule)
	}
	return strings.TrimSuffix(strings.Join(parts, "; "), ".") + "."
}

// ruleBehind names the rule that opened the newest incident of a chain, "" without one.
func ruleBehind(events []platform.Event) string {
	for _, e := range slices.Backward(events) {
		var opened struct {
			Rule string `json:"rule"`
		}
		if e.Kind == platform.EventIncidentOpened && json.Unmarshal(e.Payload, &opened) == nil {
			return opened.Rule
		}
	}
	return ""
}

package control

import (
	"context"
	"slices"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// Status is the whole installation at one look, as far as the actor may see it.
func (p *Plane) Status(ctx context.Context, actor platform.Actor) (platform.Status, error) {
	s := platform.Status{Version: p.o.Version, Uptime: p.now().Sub(p.started), Parts: []platform.PartStatus{}}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, platform.SlotRef{})
		if err != nil {
			return err
		}
		if s.Slots, err = p.slotDetails(ctx, tx, actor, ""); err != nil {
			return err
		}
		page := platform.Page{Limit: platform.MaxPageLimit}
		incidents, err := tx.ListIncidents(ctx, scope, platform.IncidentOpen, page)
		if err != nil {
			return err
		}
		if s.Stops, err = tx.AgentStops(ctx, scope.Projects); err != nil {
			return err
		}
		plans, err := tx.ListPlans(ctx, scope, "", platform.PlanPending, page)
		s.Incidents, s.Plans = incidents.Items, plans.Items
		return err
	})
	if err != nil {
		return platform.Status{}, err
	}
	if p.o.Parts != nil {
		s.Parts = append(s.Parts, p.o.Parts(ctx)...)
	}
	if !slices.ContainsFunc(s.Parts, func(part platform.PartStatus) bool { return part.Name == "postgres" }) {
		s.Parts = append(s.Parts, platform.PartStatus{Name: "postgres", OK: true, Detail: "answers"})
	}
	return s, nil
}

package control

import (
	"context"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// current holds the newest sample of every series; *exposition.Latest satisfies it.
type current interface {
	Current(filter observability.SampleFilter) []observability.Sample
}

// CurrentSamples returns the newest sample of every series that the actor may see. Who is limited to projects sees
// theirs; the host, the queue and Fairlead itself belong to none. project and filter.Environment narrow it further.
func (p *Plane) CurrentSamples(ctx context.Context, actor platform.Actor, project string, filter observability.SampleFilter) ([]observability.Sample, error) {
	if err := authorize(actor, verbRead, ""); err != nil {
		return nil, err
	}
	if p.o.Current == nil {
		return nil, platform.Errorf(platform.CodeUnavailable, "Nothing is measured.")
	}
	filter.Projects = nil
	if len(actor.Projects) > 0 {
		filter.Projects = actor.Projects
	}
	if project != "" {
		err := p.store.View(ctx, func(tx *store.Tx) error {
			found, err := findProject(ctx, tx, actor, verbRead, project)
			filter.Projects = []string{found.Name}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return p.o.Current.Current(filter), nil
}

// AuthorizeProfiling reports whether the actor may look into the memory of this process, which holds what belongs to
// every project.
func (p *Plane) AuthorizeProfiling(_ context.Context, actor platform.Actor) error {
	if err := authorize(actor, verbProfile, ""); err != nil {
		return err
	}
	if len(actor.Projects) > 0 {
		return platform.Errorf(platform.CodeDenied, "%s is limited to %s and may not profile the server.", actor.Name, listed(actor.Projects)).
			WithHint("This needs an admin of every project.")
	}
	return nil
}

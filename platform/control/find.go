package control

import (
	"context"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// findProject returns the project with that name or id if the actor may do what v says in it.
func findProject(ctx context.Context, tx *store.Tx, actor platform.Actor, v verb, ref string) (platform.Project, error) {
	if ref == "" {
		return platform.Project{}, platform.Errorf(platform.CodeInvalid, "No project is named.").
			WithHint("Give its name.").WithField("project")
	}
	if err := authorize(actor, v, ""); err != nil {
		return platform.Project{}, err
	}
	project, err := tx.ProjectByRef(ctx, ref)
	if platform.CodeOf(err) == platform.CodeNotFound || err == nil && !actor.MaySee(project.Name) {
		return platform.Project{}, missingProject(ctx, tx, actor, ref)
	}
	if err != nil {
		return platform.Project{}, err
	}
	return project, authorize(actor, v, project.Name)
}

func missingProject(ctx context.Context, tx *store.Tx, actor platform.Actor, ref string) error {
	names, err := tx.ProjectNames(ctx)
	if err != nil {
		return err
	}
	seen := names[:0]
	for _, n := range names {
		if actor.MaySee(n) {
			seen = append(seen, n)
		}
	}
	return didYouMean(noProject(ref).WithField("project"), ref, seen)
}

// didYouMean adds the nearest of the names to the hint.
func didYouMean(e *platform.Error, name string, names []string) *platform.Error {
	if near := platform.Nearest(name, names); near != "" {
		return e.WithHint("Did you mean %q?", near)
	}
	switch n := len(names); {
	case n == 1:
		return e.WithHint("There is %s.", names[0])
	case n > 1 && n <= 8:
		return e.WithHint("There are %s.", listed(names))
	}
	return e
}

func listed(names []string) string {
	out := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out += " and "
		default:
			out += ", "
		}
		out += n
	}
	return out
}

// findSlot returns the slot that a reference names, by names or ids, if the actor may do what v says there.
func findSlot(ctx context.Context, tx *store.Tx, actor platform.Actor, v verb, ref platform.SlotRef) (platform.Slot, error) {
	project, err := findProject(ctx, tx, actor, v, ref.Project)
	if err != nil {
		return platform.Slot{}, err
	}
	if ref.Environment == "" {
		ref.Environment = platform.ProductionName
	}
	slots, err := tx.ListSlots(ctx, project.ID)
	if err != nil {
		return platform.Slot{}, err
	}
	var environments, services []string
	for _, s := range slots {
		inEnvironment := s.Environment == ref.Environment || string(s.EnvironmentID) == ref.Environment
		if inEnvironment && (s.Service == ref.Service || string(s.ServiceID) == ref.Service || string(s.ID) == ref.Service) {
			return s, nil
		}
		environments = append(environments, s.Environment)
		if inEnvironment {
			services = append(services, s.Service)
		}
	}
	return platform.Slot{}, missingSlot(project, ref, environments, services)
}

func missingSlot(project platform.Project, ref platform.SlotRef, environments, services []string) error {
	if len(services) == 0 && len(environments) > 0 {
		e := platform.Errorf(platform.CodeNotFound, "%s has no environment %q.", project.Name, platform.Truncate(ref.Environment, 80)).WithField("environment")
		return didYouMean(e, ref.Environment, environments)
	}
	e := platform.Errorf(platform.CodeNotFound, "%s has no service %q in %s.", project.Name, platform.Truncate(ref.Service, 80), ref.Environment).WithField("service")
	return didYouMean(e, ref.Service, services)
}

// lockSlot is findSlot that keeps others from changing what runs in the slot.
func lockSlot(ctx context.Context, tx *store.Tx, actor platform.Actor, v verb, ref platform.SlotRef) (platform.Slot, error) {
	slot, err := findSlot(ctx, tx, actor, v, ref)
	if err != nil {
		return platform.Slot{}, err
	}
	return tx.LockSlot(ctx, slot.ID)
}

// scopeOf turns a filter into what the actor may see of it.
func scopeOf(ctx context.Context, tx *store.Tx, actor platform.Actor, ref platform.SlotRef) (store.Scope, error) {
	s := store.Scope{Environment: ref.Environment, Service: ref.Service}
	if ref.Project == "" {
		if len(actor.Projects) > 0 {
			s.Projects = actor.Projects
		}
		return s, authorize(actor, verbRead, "")
	}
	project, err := findProject(ctx, tx, actor, verbRead, ref.Project)
	if err != nil {
		return s, err
	}
	s.Projects = []string{project.Name}
	if ref.Service == "" {
		return s, nil
	}
	slot, err := findSlot(ctx, tx, actor, verbRead, ref)
	s.Service, s.Environment = slot.Service, slot.Environment
	return s, err
}

// hidden makes an object of a project out of scope one that does not exist.
func hidden(actor platform.Actor, v verb, project, noun, id string) error {
	if !actor.MaySee(project) {
		return platform.Errorf(platform.CodeNotFound, "There is no %s %q.", noun, id)
	}
	return authorize(actor, v, project)
}

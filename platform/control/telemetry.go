package control

import (
	"context"
	"slices"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// TelemetryScope says whether the actor may add telemetry of that environment (production when none is named), and which
// names are known there. With no project it only says whether the actor may send any.
func (p *Plane) TelemetryScope(ctx context.Context, actor platform.Actor, project, environment string) (platform.TelemetryScope, error) {
	if project == "" {
		return platform.TelemetryScope{}, authorize(actor, verbSendTelemetry, "")
	}
	if environment == "" {
		environment = platform.ProductionName
	}
	var scope platform.TelemetryScope
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbSendTelemetry, project)
		if err != nil {
			return err
		}
		environments, err := tx.ListEnvironments(ctx, found.ID)
		if err != nil {
			return err
		}
		slots, err := tx.ListSlots(ctx, found.ID)
		if err != nil {
			return err
		}
		scope, err = scopeIn(found, environments, slots, environment)
		return err
	})
	return scope, err
}

func scopeIn(project platform.Project, environments []platform.Environment, slots []platform.Slot, wanted string) (platform.TelemetryScope, error) {
	scope := platform.TelemetryScope{Project: project.Name}
	for _, e := range environments {
		scope.Environments = append(scope.Environments, e.Name)
		if e.Name == wanted || string(e.ID) == wanted {
			scope.Environment = e.Name
		}
	}
	slices.Sort(scope.Environments)
	if scope.Environment == "" {
		e := platform.Errorf(platform.CodeNotFound, "%s has no environment %q.", project.Name, platform.Truncate(wanted, 80)).WithField("environment")
		return platform.TelemetryScope{}, didYouMean(e, wanted, scope.Environments)
	}
	for _, s := range slots {
		if s.Environment == scope.Environment {
			scope.Services = append(scope.Services, s.Service)
		}
	}
	slices.Sort(scope.Services)
	return scope, nil
}

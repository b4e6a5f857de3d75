package control

import (
	"context"
	"errors"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/blueprint"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store"
)

// errDryRun rolls a transaction back that was only tried.
var errDryRun = errors.New("dry run")

// CreateProject makes the project, its production environment, its services and their slots from the blueprint.
// Nothing is made when the blueprint is invalid, asks for more than the host has, or wants a host that is taken.
func (p *Plane) CreateProject(ctx context.Context, actor platform.Actor, req platform.CreateProjectRequest) (platform.ProjectDetail, error) {
	if err := authorize(actor, verbCreateProject, ""); err != nil {
		return platform.ProjectDetail{}, err
	}
	bp, err := p.readBlueprint(ctx, req.Blueprint)
	if err != nil {
		return platform.ProjectDetail{}, err
	}
	if err := authorize(actor, verbCreateProject, bp.Project); err != nil {
		return platform.ProjectDetail{}, err
	}
	var detail platform.ProjectDetail
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := p.insertProject(ctx, tx, actor, bp)
		if err != nil {
			return err
		}
		if detail, err = p.projectDetail(ctx, tx, project); err != nil {
			return err
		}
		if req.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return detail, err
}

func (p *Plane) insertProject(ctx context.Context, tx *store.Tx, actor platform.Actor, bp *blueprint.Blueprint) (platform.Project, error) {
	removing, err := tx.RemovalOpen(ctx, bp.Project)
	if err != nil {
		return platform.Project{}, err
	}
	if removing {
		return platform.Project{}, platform.Errorf(platform.CodeConflict, "A deleted project of the name %q is still being removed.", bp.Project).
			WithHint("Try again in a few seconds; when that does not help, see the server's log.").WithField("project")
	}
	now := p.now()
	project := platform.Project{
		ID: platform.NewID[platform.ProjectID](platform.PrefixProject), Name: bp.Project, DefaultBranch: bp.Branch, CreatedAt: now,
	}
	if err := tx.InsertProject(ctx, project); err != nil {
		return project, err
	}
	environment := platform.Environment{
		ID: platform.NewID[platform.EnvironmentID](platform.PrefixEnvironment), ProjectID: project.ID,
		Name: platform.ProductionName, Kind: platform.EnvironmentProduction, CreatedAt: now,
	}
	if err := tx.InsertEnvironment(ctx, environment); err != nil {
		return project, err
	}
	created := p.record(tx, fact{
		kind: platform.EventProjectCreated, actor: actor, at: inProject(project), subject: string(project.ID),
		summary: actor.Name + " created the project " + project.Name + ".",
		payload: map[string]any{"default_branch": project.DefaultBranch, "services": len(bp.Services)},
	})
	_, err = p.applyBlueprint(ctx, tx, actor, project, bp, string(created))
	return project, err
}

func (p *Plane) projectDetail(ctx context.Context, tx *store.Tx, project platform.Project) (platform.ProjectDetail, error) {
	d := platform.ProjectDetail{Project: project, GitURL: p.o.APIURL + "/git/" + project.Name + ".git"}
	var err error
	if d.Environments, err = tx.ListEnvironments(ctx, project.ID); err != nil {
		return d, err
	}
	if d.Services, err = tx.ListServices(ctx, project.ID); err != nil {
		return d, err
	}
	if p.o.LogsKept != nil {
		kept := p.o.LogsKept(project.Name, project.LogRetention)
		d.Logs = &kept
	}
	d.Slots, err = tx.ListSlots(ctx, project.ID)
	return d, err
}

// GetProject returns a project with what it holds, by name or id.
func (p *Plane) GetProject(ctx context.Context, actor platform.Actor, project string) (platform.ProjectDetail, error) {
	var detail platform.ProjectDetail
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, project)
		if err != nil {
			return err
		}
		detail, err = p.projectDetail(ctx, tx, found)
		return err
	})
	return detail, err
}

// ListProjects returns the projects that the actor may see, newest first.
func (p *Plane) ListProjects(ctx context.Context, actor platform.Actor, page platform.Page) (platform.List[platform.Project], error) {
	var list platform.List[platform.Project]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, platform.SlotRef{})
		if err != nil {
			return err
		}
		list, err = tx.ListProjects(ctx, scope.Projects, page)
		return err
	})
	return list, err
}

// DeleteProject removes a project and everything in it but its events. What it left on the engine and its repository are
// removed by the worker; its name is free again when that is done. Volumes are kept unless asked for. Admin only.
func (p *Plane) DeleteProject(ctx context.Context, actor platform.Actor, req platform.DeleteProjectRequest) error {
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbDeleteProject, req.Project)
		if err != nil {
			return err
		}
		if _, err := tx.LockSlots(ctx, found.ID); err != nil {
			return err
		}
		tx.Enqueue(jobs.RemoveProject{Project: found.Name, Volumes: req.Volumes})
		volumes := "its volumes are kept"
		if req.Volumes {
			volumes = "its volumes go with it"
		}
		p.record(tx, fact{
			kind: platform.EventProjectDeleted, actor: actor, at: inProject(found), subject: string(found.ID),
			summary: actor.Name + " deleted the project " + found.Name + "; " + volumes + ".",
			payload: map[string]any{"volumes": req.Volumes},
		})
		return tx.DeleteProject(ctx, found.ID)
	})
}

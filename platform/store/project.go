package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// InsertProject adds a project; conflict when the name is taken.
func (t *Tx) InsertProject(ctx context.Context, p platform.Project) error {
	taken := platform.Errorf(platform.CodeConflict, "There is a project %q already.", p.Name).
		WithHint("Push a commit with a changed fairlead.yaml to change it, or choose another name.").WithField("project")
	return clash(t.put(ctx, "projects", p), "projects_name", taken)
}

// ProjectByRef returns the project with that name or id.
func (t *Tx) ProjectByRef(ctx context.Context, ref string) (platform.Project, error) {
	return one[platform.Project](ctx, t, notFound("project", ref), "SELECT doc FROM projects WHERE name = $1 OR id = $1", ref)
}

// ListProjects returns one page, newest first; names nil means all.
func (t *Tx) ListProjects(ctx context.Context, names []string, page platform.Page) (platform.List[platform.Project], error) {
	l := listing{name: "projects", scope: scopeName(names), from: "projects", page: page}
	if names != nil {
		l.where.and("name = ANY(?)", names)
	}
	return list[platform.Project](ctx, t, l)
}

// ProjectNames returns the names of every project, for "did you mean".
func (t *Tx) ProjectNames(ctx context.Context) ([]string, error) {
	return many[string](ctx, t, "SELECT to_jsonb(name) FROM projects ORDER BY name")
}

// DeleteProject removes a project and everything in it but its events.
func (t *Tx) DeleteProject(ctx context.Context, id platform.ProjectID) error {
	n, err := t.exec(ctx, "DELETE FROM projects WHERE id = $1", id)
	if err == nil && n == 0 {
		return notFound("project", string(id))
	}
	return err
}

// InsertEnvironment adds an environment to its project.
func (t *Tx) InsertEnvironment(ctx context.Context, e platform.Environment) error {
	return t.put(ctx, "environments", e)
}

// ListEnvironments returns the environments of a project in the order they were made.
func (t *Tx) ListEnvironments(ctx context.Context, project platform.ProjectID) ([]platform.Environment, error) {
	return many[platform.Environment](ctx, t, "SELECT doc FROM environments WHERE project_id = $1 ORDER BY n", project)
}

// InsertService adds a service to its project.
func (t *Tx) InsertService(ctx context.Context, s platform.Service) error {
	return t.put(ctx, "services", s)
}

// UpdateService writes a service over the one with its id.
func (t *Tx) UpdateService(ctx context.Context, s platform.Service) error {
	return t.replace(ctx, "services", string(s.ID), s, notFound("service", s.Name))
}

// ListServices returns the services of a project in the order they were made.
func (t *Tx) ListServices(ctx context.Context, project platform.ProjectID) ([]platform.Service, error) {
	return many[platform.Service](ctx, t, "SELECT doc FROM services WHERE project_id = $1 ORDER BY n", project)
}

// ServiceByID returns one service.
func (t *Tx) ServiceByID(ctx context.Context, id platform.ServiceID) (platform.Service, error) {
	return one[platform.Service](ctx, t, notFound("service", string(id)), "SELECT doc FROM services WHERE id = $1", id)
}

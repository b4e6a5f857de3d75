package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type createProjectInput struct {
	WriteHeader
	Body struct {
		Blueprint string `json:"blueprint" minLength:"1" doc:"Text of fairlead.yaml."`
		DryRun    bool   `json:"dry_run,omitempty" doc:"Validate and answer what would be made; make nothing."`
	}
}

func (a *API) registerProjects() {
	handle(a, operation{
		ID: "list-projects", Method: http.MethodGet, Path: "/v1/projects", Tag: "projects", Summary: "List projects",
		Description: "Those that the token may see, by name.",
	}, func(ctx context.Context, actor platform.Actor, in *struct{ PageQuery }) (platform.List[platform.Project], error) {
		return full(a.plane.ListProjects(ctx, actor, in.page()))
	})
	handle(a, operation{
		ID: "create-project", Method: http.MethodPost, Path: "/v1/projects", Tag: "projects", Summary: "Create a project from its blueprint",
		Description: "Admins only. The answer says where to push. With dry_run the blueprint is checked and nothing is made.",
		Status:      http.StatusCreated, Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *createProjectInput) (platform.ProjectDetail, error) {
		return a.plane.CreateProject(ctx, actor, platform.CreateProjectRequest{Blueprint: in.Body.Blueprint, DryRun: in.Body.DryRun})
	})
	handle(a, operation{
		ID: "get-project", Method: http.MethodGet, Path: "/v1/projects/{project}", Tag: "projects", Summary: "Show a project with its environments and services",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *ProjectPath) (platform.ProjectDetail, error) {
		return a.plane.GetProject(ctx, actor, in.Project)
	})
	handleEmpty(a, operation{
		ID: "delete-project", Method: http.MethodDelete, Path: "/v1/projects/{project}", Tag: "projects", Summary: "Delete a project",
		Description: "Admins only. Its instances are stopped, and its containers, networks, images and Git repository are removed soon after; " +
			"until then its name is taken. Its volumes are kept unless volumes is true; its events are always kept.", Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		ProjectPath
		WriteHeader
		Volumes bool `query:"volumes" doc:"Delete the project's volumes with their data too. This cannot be undone."`
	},
	) error {
		return a.plane.DeleteProject(ctx, actor, platform.DeleteProjectRequest{Project: in.Project, Volumes: in.Volumes})
	})
	handle(a, operation{
		ID: "list-environments", Method: http.MethodGet, Path: "/v1/projects/{project}/environments", Tag: "projects", Summary: "List a project's environments",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *ProjectPath) (platform.List[platform.Environment], error) {
		p, err := a.plane.GetProject(ctx, actor, in.Project)
		return list(p.Environments, err)
	})
}

package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/platform"
)

// Actor returns who the token speaks for.
func (c *Client) Actor(ctx context.Context) (platform.Actor, error) {
	return get[platform.Actor](ctx, c, nil, "actor")
}

// Status returns the whole installation at one look.
func (c *Client) Status(ctx context.Context) (platform.Status, error) {
	return get[platform.Status](ctx, c, nil, "status")
}

// CreateProject makes a project from a blueprint. It is a conflict when one of that name exists.
func (c *Client) CreateProject(ctx context.Context, req platform.CreateProjectRequest) (platform.ProjectDetail, error) {
	return send[platform.ProjectDetail](ctx, c, request{method: http.MethodPost, body: req}, "projects")
}

// GetProject returns a project with its environments and services.
func (c *Client) GetProject(ctx context.Context, project string) (platform.ProjectDetail, error) {
	return get[platform.ProjectDetail](ctx, c, nil, "projects", "project="+project)
}

// ListProjects returns one page of the projects the token may see.
func (c *Client) ListProjects(ctx context.Context, page platform.Page) (platform.List[platform.Project], error) {
	return get[platform.List[platform.Project]](ctx, c, values{}.addPage(page), "projects")
}

// DeleteProject deletes a project and what it made; its volumes only when asked for.
func (c *Client) DeleteProject(ctx context.Context, req platform.DeleteProjectRequest) error {
	query := url.Values(values{}.addBool("volumes", req.Volumes))
	return discard(ctx, c, request{method: http.MethodDelete, query: query}, "projects", "project="+req.Project)
}

// ListEnvironments returns a project's environments.
func (c *Client) ListEnvironments(ctx context.Context, project string) ([]platform.Environment, error) {
	l, err := get[platform.List[platform.Environment]](ctx, c, nil, "projects", "project="+project, "environments")
	return l.Items, err
}

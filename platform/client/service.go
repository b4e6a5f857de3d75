package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/platform"
)

// slot returns the path and query of a slot's resource.
func slot(ref platform.SlotRef, more ...string) ([]string, values) {
	segments := append([]string{"projects", "project=" + ref.Project, "services", "service=" + ref.Service}, more...)
	return segments, values{}.add("environment", ref.Environment)
}

func getSlot[T any](ctx context.Context, c *Client, ref platform.SlotRef, page platform.Page, more ...string) (T, error) {
	segments, query := slot(ref, more...)
	return get[T](ctx, c, query.addPage(page), segments...)
}

func sendSlot[T any](ctx context.Context, c *Client, method string, ref platform.SlotRef, body any, more ...string) (T, error) {
	segments, query := slot(ref, more...)
	return send[T](ctx, c, request{method: method, query: url.Values(query), body: body}, segments...)
}

// GetSlot returns a service in one environment with what runs there.
func (c *Client) GetSlot(ctx context.Context, ref platform.SlotRef) (platform.SlotDetail, error) {
	return getSlot[platform.SlotDetail](ctx, c, ref, platform.Page{})
}

// ListSlots returns a project's services in all environments.
func (c *Client) ListSlots(ctx context.Context, project string) ([]platform.SlotDetail, error) {
	l, err := get[platform.List[platform.SlotDetail]](ctx, c, nil, "projects", "project="+project, "services")
	return l.Items, err
}

// Scale sets the wanted number of instances.
func (c *Client) Scale(ctx context.Context, req platform.ScaleRequest) (platform.Slot, error) {
	return sendSlot[platform.Slot](ctx, c, http.MethodPut, req.SlotRef, map[string]int{"replicas": req.Replicas}, "scale")
}

// Restart replaces every instance, one after another.
func (c *Client) Restart(ctx context.Context, ref platform.SlotRef, reason string) (platform.Slot, error) {
	return sendSlot[platform.Slot](ctx, c, http.MethodPost, ref, map[string]string{"reason": reason}, "restarts")
}

// GetEnv returns a slot's own variables, without the values of secret ones.
func (c *Client) GetEnv(ctx context.Context, ref platform.SlotRef) (platform.Config, error) {
	return getSlot[platform.Config](ctx, c, ref, platform.Page{}, "env")
}

// SetEnv changes a slot's own variables.
func (c *Client) SetEnv(ctx context.Context, req platform.SetEnvRequest) (platform.SetEnvResult, error) {
	body := struct {
		Set      []platform.Variable `json:"set,omitempty"`
		Unset    []string            `json:"unset,omitempty"`
		NoDeploy bool                `json:"no_deploy,omitempty"`
	}{req.Set, req.Unset, req.NoDeploy}
	return sendSlot[platform.SetEnvResult](ctx, c, http.MethodPatch, req.SlotRef, body, "env")
}

// ListReleases returns one page of a service's releases, newest first.
func (c *Client) ListReleases(ctx context.Context, ref platform.SlotRef, page platform.Page) (platform.List[platform.Release], error) {
	return getSlot[platform.List[platform.Release]](ctx, c, ref, page, "releases")
}

// ListInstances returns a slot's instances; with ended, those that are gone too.
func (c *Client) ListInstances(ctx context.Context, ref platform.SlotRef, ended bool) ([]platform.Instance, error) {
	segments, query := slot(ref, "instances")
	l, err := get[platform.List[platform.Instance]](ctx, c, query.addBool("ended", ended), segments...)
	return l.Items, err
}

// Why explains why an instance started and ended.
func (c *Client) Why(ctx context.Context, instance platform.InstanceID) (platform.Why, error) {
	return get[platform.Why](ctx, c, nil, "instances", "instance="+string(instance), "why")
}

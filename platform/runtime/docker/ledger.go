package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/fairlead/fairlead/platform/runtime"
)

// labelPort keeps Spec.Port, so that a container's address can be told from the container alone.
const labelPort = "fairlead.port"

// ours reports whether something with these labels was made by this installation.
func (r *Runtime) ours(labels map[string]string) bool {
	return labels[runtime.LabelManaged] == "true" && labels[runtime.LabelInstallation] == r.installation
}

// owned inspects a container and refuses one that is not ours: every method that takes a container's id begins here.
func (r *Runtime) owned(ctx context.Context, doing, id string) (container.InspectResponse, error) {
	found, err := r.client(ctx).ContainerInspect(ctx, id)
	if err != nil {
		return found, fail(doing, err)
	}
	if found.Config == nil || !r.ours(found.Config.Labels) {
		return found, fmt.Errorf("%s: %w", doing, runtime.ErrNotOurs)
	}
	return found, nil
}

// signed are labels with those that say whose it is.
func (r *Runtime) signed(labels map[string]string) map[string]string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	all[runtime.LabelManaged] = "true"
	all[runtime.LabelInstallation] = r.installation
	return all
}

// match is the engine's filter for what is ours and carries all of labels.
func (r *Runtime) match(labels map[string]string) filters.Args {
	args := filters.NewArgs()
	for key, value := range r.signed(labels) {
		args.Add("label", key+"="+value)
	}
	return args
}

// EnsureNetwork makes the private network of an environment, or adopts it. ErrNotOurs when the name is somebody else's.
// Called at once, here or by another server, it leaves one network: the oldest.
func (r *Runtime) EnsureNetwork(ctx context.Context, name string, labels map[string]string) error {
	doing := "make network " + name
	r.networks.Lock()
	defer r.networks.Unlock()
	adopted, err := r.adoptNetwork(ctx, doing, name)
	if adopted || err != nil {
		return err
	}
	_, err = r.client(ctx).NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Labels: r.signed(labels)})
	if err != nil && !cerrdefs.IsConflict(err) && !cerrdefs.IsPermissionDenied(err) {
		return fail(doing, err)
	}
	// Another server may have been faster, or as fast: engines check for a taken name and take it in two steps.
	if adopted, again := r.adoptNetwork(ctx, doing, name); adopted || again != nil {
		return again
	}
	return fail(doing, err)
}

// adoptNetwork reports whether there is a network of ours by that name, and removes all but the oldest.
func (r *Runtime) adoptNetwork(ctx context.Context, doing, name string) (bool, error) {
	found, err := r.networksNamed(ctx, doing, name)
	if err != nil || len(found) == 0 {
		return false, err
	}
	for _, younger := range found[1:] {
		// Refused where a container is on it already: then it serves until the environment goes.
		if err := r.client(ctx).NetworkRemove(ctx, younger.ID); err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsPermissionDenied(err) {
			return false, fail(doing, err)
		}
	}
	return true, nil
}

// networksNamed are our networks of exactly that name, the oldest first; ErrNotOurs when one is not ours.
func (r *Runtime) networksNamed(ctx context.Context, doing, name string) ([]network.Summary, error) {
	// The engine's filter finds parts of names too.
	found, err := r.client(ctx).NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return nil, fail(doing, err)
	}
	found = slices.DeleteFunc(found, func(n network.Summary) bool { return n.Name != name })
	for _, n := range found {
		if !r.ours(n.Labels) {
			return nil, fmt.Errorf("%s: a network of that name exists: %w", doing, runtime.ErrNotOurs)
		}
	}
	slices.SortFunc(found, func(a, b network.Summary) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// RemoveNetwork deletes a network of ours; gone already is no error, one that is not ours is ErrNotOurs.
func (r *Runtime) RemoveNetwork(ctx context.Context, name string) error {
	doing := "remove network " + name
	found, err := r.networksNamed(ctx, doing, name)
	if err != nil {
		return err
	}
	for _, n := range found {
		if err := r.client(ctx).NetworkRemove(ctx, n.ID); err != nil && !cerrdefs.IsNotFound(err) {
			return fail(doing, err)
		}
	}
	return nil
}

// EnsureVolume makes a durable volume, or adopts it. ErrNotOurs when the name is somebody else's.
func (r *Runtime) EnsureVolume(ctx context.Context, name string, labels map[string]string) error {
	doing := "make volume " + name
	adopted, err := r.adoptVolume(ctx, doing, name)
	if adopted || err != nil {
		return err
	}
	made, err := r.client(ctx).VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: r.signed(labels)})
	if err != nil {
		return fail(doing, err)
	}
	// The engine answers a create of an existing name with what is there: look at whose it is.
	if !r.ours(made.Labels) {
		return fmt.Errorf("%s: a volume of that name exists: %w", doing, runtime.ErrNotOurs)
	}
	return nil
}

func (r *Runtime) adoptVolume(ctx context.Context, doing, name string) (bool, error) {
	found, err := r.client(ctx).VolumeInspect(ctx, name)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fail(doing, err)
	}
	if !r.ours(found.Labels) {
		return false, fmt.Errorf("%s: a volume of that name exists: %w", doing, runtime.ErrNotOurs)
	}
	return true, nil
}

// RemoveVolume deletes a volume of ours with its data; gone already is no error, one that is not ours is ErrNotOurs.
func (r *Runtime) RemoveVolume(ctx context.Context, name string) error {
	doing := "remove volume " + name
	adopted, err := r.adoptVolume(ctx, doing, name)
	if err != nil || !adopted {
		return err
	}
	const force = false
	if err := r.client(ctx).VolumeRemove(ctx, name, force); err != nil && !cerrdefs.IsNotFound(err) {
		return fail(doing, err)
	}
	return nil
}

// Belongings names the networks, volumes and images of ours whose labels include all of match, each sorted.
func (r *Runtime) Belongings(ctx context.Context, match map[string]string) (runtime.Belongings, error) {
	const doing = "list networks, volumes and images"
	networks, err := r.client(ctx).NetworkList(ctx, network.ListOptions{Filters: r.match(match)})
	if err != nil {
		return runtime.Belongings{}, fail(doing, err)
	}
	volumes, err := r.client(ctx).VolumeList(ctx, volume.ListOptions{Filters: r.match(match)})
	if err != nil {
		return runtime.Belongings{}, fail(doing, err)
	}
	images, err := r.client(ctx).ImageList(ctx, image.ListOptions{Filters: r.match(match)})
	if err != nil {
		return runtime.Belongings{}, fail(doing, err)
	}
	var found runtime.Belongings
	for _, n := range networks {
		found.Networks = append(found.Networks, n.Name)
	}
	for _, v := range volumes.Volumes {
		found.Volumes = append(found.Volumes, v.Name)
	}
	for _, i := range images {
		found.Images = append(found.Images, i.ID)
	}
	slices.Sort(found.Networks)
	slices.Sort(found.Volumes)
	slices.Sort(found.Images)
	return found, nil
}

// RemoveImage deletes an image of ours with all its names. One that a container uses, that is not ours, or that is gone
// is left without error.
func (r *Runtime) RemoveImage(ctx context.Context, id string) error {
	doing := "remove image " + id
	found, err := r.client(ctx).ImageInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fail(doing, err)
	}
	if found.Config == nil || !r.ours(found.Config.Labels) {
		return nil
	}
	// Asked beforehand: removing name by name would otherwise strip an image in use of all names but the last.
	users, err := r.client(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("ancestor", found.ID))})
	if err != nil || len(users) > 0 {
		return fail(doing, err)
	}
	names := found.RepoTags
	if len(names) == 0 {
		names = []string{found.ID}
	}
	for _, name := range names {
		_, err := r.client(ctx).ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
		if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
			return fail(doing, err)
		}
	}
	return nil
}

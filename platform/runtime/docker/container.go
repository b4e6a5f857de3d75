package docker

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Inspect returns one container by engine id.
func (r *Runtime) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	found, err := r.owned(ctx, "inspect container "+short(id), id)
	if err != nil {
		return runtime.Container{}, err
	}
	return r.container(ctx, found), nil
}

// List returns our containers whose labels include all of match, ended ones too, in order of creation.
func (r *Runtime) List(ctx context.Context, match map[string]string) ([]runtime.Container, error) {
	list, err := r.client(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: r.match(match)})
	if err != nil {
		return nil, fail("list containers", err)
	}
	found := make([]runtime.Container, 0, len(list))
	for _, summary := range list {
		one, err := r.client(ctx).ContainerInspect(ctx, summary.ID)
		if cerrdefs.IsNotFound(err) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fail("list containers", err)
		}
		found = append(found, r.container(ctx, one))
	}
	slices.SortStableFunc(found, func(a, b runtime.Container) int {
		if order := a.CreatedAt.Compare(b.CreatedAt); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	return found, nil
}

// Stop asks the process to end, kills it after grace (rounded up to whole seconds), and returns when it is gone.
func (r *Runtime) Stop(ctx context.Context, id string, grace time.Duration) error {
	doing := "stop container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !found.State.Running {
		return nil
	}
	seconds := wholeSeconds(grace)
	if err := r.client(ctx).ContainerStop(ctx, found.ID, container.StopOptions{Timeout: &seconds}); err != nil && !cerrdefs.IsNotFound(err) {
		return fail(doing, err)
	}
	return nil
}

// Remove deletes a container and its anonymous volumes; a running one is killed first.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	doing := "remove container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = r.client(ctx).ContainerRemove(ctx, found.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	switch {
	case err == nil, cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err):
		return r.awaitRemoval(ctx, doing, found.ID) // somebody else's removal of it is under way
	default:
		return fail(doing, err)
	}
}

func (r *Runtime) awaitRemoval(ctx context.Context, doing, id string) error {
	removed, errs := r.client(ctx).ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-removed:
		return nil
	case err := <-errs:
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		return fail(doing, err)
	}
}

// container is the contract's view of what the engine knows.
func (r *Runtime) container(ctx context.Context, found container.InspectResponse) runtime.Container {
	seen := runtime.Container{
		ID:        found.ID,
		Name:      strings.TrimPrefix(found.Name, "/"),
		ImageID:   found.Image,
		Labels:    found.Config.Labels,
		Address:   address(found),
		IP:        directIP(found),
		Running:   found.State.Running,
		ExitCode:  found.State.ExitCode,
		OOMKilled: found.State.OOMKilled,
		Error:     found.State.Error,
		CreatedAt: instant(found.Created),
		StartedAt: instant(found.State.StartedAt),
	}
	if !seen.Running {
		seen.EndedAt = instant(found.State.FinishedAt)
	}
	if !seen.EndedAt.IsZero() && seen.EndedAt.Before(seen.StartedAt) {
		// The engine notes the start after the fact: later than the end of a process that ended at once.
		seen.EndedAt = seen.StartedAt
	}
	if !seen.Running && seen.Error == "" && (seen.ExitCode == 126 || seen.ExitCode == 127) {
		seen.Error = r.initError(ctx, found.ID)
	}
	return seen
}

// initMark begins the line that the engine's init leaves when it cannot execute the program, for example a script whose
// interpreter is not in the image.
const initMark = "[FATAL tini"

// initError is what init said of a container that ended with 126 or 127; "" when it was the program that did.
func (r *Runtime) initError(ctx context.Context, id string) string {
	body, err := r.client(ctx).ContainerLogs(ctx, id, container.LogsOptions{ShowStderr: true, Tail: "1"})
	if err != nil {
		return ""
	}
	defer func() { _ = body.Close() }()
	var line bytes.Buffer
	if _, err := stdcopy.StdCopy(&line, &line, body); err != nil {
		return ""
	}
	text := strings.TrimSpace(line.String())
	if !strings.HasPrefix(text, initMark) {
		return ""
	}
	_, said, _ := strings.Cut(text, "] ")
	return said
}

// instant reads the engine's times; its zero time, and anything unreadable, is Go's.
func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() <= 1 {
		return time.Time{}
	}
	return at.UTC()
}

// short is an id as people see it.
func short(id string) string {
	const visible = 12
	if len(id) > visible {
		return id[:visible]
	}
	return id
}

// notRunning is the refusal of what needs a live process.
func notRunning(doing string) error {
	return fmt.Errorf("%s: %w: the container is not running", doing, runtime.ErrRefused)
}

package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/platform/runtime"
)

// capabilities are what a container keeps of root's power: what the entrypoints of ordinary images need to prepare
// files and then step down to a user of their own. The engine's default set has five more (MKNOD, NET_RAW, SYS_CHROOT,
// AUDIT_WRITE, SETFCAP), which serve to forge packets and device files rather than to serve requests.
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", // own and fix files of volumes and caches, as entrypoints of databases do
	"SETUID", "SETGID", "SETPCAP", // step down from root to the user that serves, dropping the rest (gosu, su-exec, setpriv)
	"NET_BIND_SERVICE", // listen on port 80
	"KILL",             // signal own children that run as another user
}

// logConfig keeps output until it is collected. The engine's local driver, because the json-file driver turns bytes that
// are not UTF-8, and letters cut at its 16 KiB, into U+FFFD. Two large files rather than many small ones: engines
// before 23.0 can lose lines when a file is rotated away under a reader that follows.
var logConfig = container.LogConfig{
	Type:   "local",
	Config: map[string]string{"max-size": "64m", "max-file": "2", "compress": "false"},
}

// maxProcesses keeps a fork bomb from taking the host; model servers with a thread per core and worker stay far below.
const maxProcesses = 16384

// Start creates and starts the instance, or adopts the container that carries the same LabelInstance. When the engine
// refuses to start it, the container that it refused is returned with the error, so that it can be removed.
func (r *Runtime) Start(ctx context.Context, spec runtime.Spec) (runtime.Container, error) {
	doing := "start " + spec.Name
	if err := r.check(spec); err != nil {
		return runtime.Container{}, fmt.Errorf("%s: %w", doing, err)
	}
	found, err := r.find(ctx, spec.Labels[runtime.LabelInstance])
	if errors.Is(err, runtime.ErrNotFound) {
		found, err = r.create(ctx, doing, spec)
	}
	if err != nil {
		return runtime.Container{}, err
	}
	if found.State.Status != container.StateCreated {
		return r.container(ctx, found), nil
	}
	return r.start(ctx, doing, found)
}

func (r *Runtime) check(spec runtime.Spec) error {
	switch {
	case spec.Name == "" || spec.Image == "":
		return fmt.Errorf("%w: a spec needs a name and an image", runtime.ErrRefused)
	case !r.ours(spec.Labels):
		return fmt.Errorf("%w: the spec's labels are not this installation's", runtime.ErrRefused)
	case spec.Labels[runtime.LabelInstance] == "":
		return fmt.Errorf("%w: the spec has no %s label", runtime.ErrRefused, runtime.LabelInstance)
	}
	return nil
}

// find returns our container of that instance; ErrNotFound when there is none.
func (r *Runtime) find(ctx context.Context, instance string) (container.InspectResponse, error) {
	doing := "find instance " + instance
	list, err := r.client(ctx).ContainerList(ctx, container.ListOptions{
		All:     true,
		Filters: r.match(map[string]string{runtime.LabelInstance: instance}),
	})
	if err != nil {
		return container.InspectResponse{}, fail(doing, err)
	}
	if len(list) == 0 {
		return container.InspectResponse{}, fmt.Errorf("%s: %w", doing, runtime.ErrNotFound)
	}
	return r.owned(ctx, doing, list[0].ID)
}

// nameRetry is how long to wait for the container behind a name that the engine has reserved but not yet made.
const nameRetry = 20 * time.Millisecond

func (r *Runtime) create(ctx context.Context, doing string, spec runtime.Spec) (container.InspectResponse, error) {
	reach, err := r.howToReach(ctx)
	if err != nil {
		return container.InspectResponse{}, err
	}
	retry := time.NewTicker(nameRetry)
	defer retry.Stop()
	for {
		made, err := r.client(ctx).ContainerCreate(ctx, config(spec), hostConfig(spec, reach), networking(spec), nil, spec.Name)
		if err == nil {
			return r.owned(ctx, doing, made.ID)
		}
		if !cerrdefs.IsConflict(err) {
			return container.InspectResponse{}, fail(doing, err)
		}
		found, err := r.adoptNamed(ctx, doing, spec)
		if !isGone(err) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return container.InspectResponse{}, fmt.Errorf("%s: %w", doing, ctx.Err())
		case <-retry.C:
		}
	}
}

// adoptNamed resolves a name that is taken: by this very instance, made a moment ago by somebody faster, or not.
// ErrNotFound means that the name was given up, or that who took it is not done yet.
func (r *Runtime) adoptNamed(ctx context.Context, doing string, spec runtime.Spec) (container.InspectResponse, error) {
	found, err := r.owned(ctx, doing+": the name is taken", spec.Name)
	if err != nil {
		return found, err
	}
	if holder := found.Config.Labels[runtime.LabelInstance]; holder != spec.Labels[runtime.LabelInstance] {
		return found, fmt.Errorf("%s: %w: instance %s has that name", doing, runtime.ErrRefused, holder)
	}
	return found, nil
}

func (r *Runtime) start(ctx context.Context, doing string, made container.InspectResponse) (runtime.Container, error) {
	err := r.checkCommand(ctx, made)
	if err == nil {
		err = r.client(ctx).ContainerStart(ctx, made.ID, container.StartOptions{})
	}
	if ctx.Err() != nil {
		return runtime.Container{}, fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	if errors.Is(err, runtime.ErrRefused) {
		return r.container(ctx, made), fmt.Errorf("%s: %w", doing, err)
	}
	if err != nil {
		return r.container(ctx, made), fail(doing, err)
	}
	running, err := r.owned(ctx, doing, made.ID)
	if err != nil {
		return runtime.Container{}, err
	}
	return r.container(ctx, running), nil
}

func config(spec runtime.Spec) *container.Config {
	labels := map[string]string{labelPort: strconv.Itoa(spec.Port)}
	for key, value := range spec.Labels {
		labels[key] = value
	}
	made := &container.Config{
		Image:  spec.Image,
		Cmd:    spec.Command,
		Env:    spec.Env,
		Labels: labels,
		// Fairlead's own checks decide; an image's HEALTHCHECK would only run a second set of them.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	if spec.StopGrace > 0 {
		grace := wholeSeconds(spec.StopGrace)
		made.StopTimeout = &grace
	}
	if spec.Port > 0 {
		made.ExposedPorts = nat.PortSet{tcp(spec.Port): struct{}{}}
	}
	return made
}

func hostConfig(spec runtime.Spec, reach Reach) *container.HostConfig {
	// A process with number 1 gets no signal that it has no handler for, and inherits every orphan: an init in its
	// place makes SIGTERM end programs that never heard of it, and reaps zombies.
	init := true
	processes := int64(maxProcesses)
	host := &container.HostConfig{
		Init:          &init,
		LogConfig:     logConfig,
		NetworkMode:   container.NetworkMode(spec.Network),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled}, // the reconciler restarts
		CapDrop:       []string{"ALL"},
		CapAdd:        capabilities,
		SecurityOpt:   []string{"no-new-privileges"},
		ShmSize:       spec.SharedBytes,
		Mounts:        mounts(spec.Mounts),
		Resources: container.Resources{
			NanoCPUs:   int64(math.Round(spec.CPUs * 1e9)),
			Memory:     spec.MemoryBytes,
			MemorySwap: spec.MemoryBytes, // equal: no swap, so a leak ends in an OOM kill that is seen, not in a slow host
			PidsLimit:  &processes,
		},
	}
	if spec.GPUs > 0 {
		host.DeviceRequests = []container.DeviceRequest{{Count: spec.GPUs, Capabilities: [][]string{{"gpu"}}}}
	}
	if spec.Port > 0 && reach == ReachPublished {
		host.PortBindings = nat.PortMap{tcp(spec.Port): {{HostIP: "127.0.0.1", HostPort: ""}}}
	}
	return host
}

func mounts(wanted []runtime.Mount) []mount.Mount {
	made := make([]mount.Mount, 0, len(wanted))
	for _, m := range wanted {
		made = append(made, mount.Mount{Type: mount.TypeVolume, Source: m.Volume, Target: m.Path, ReadOnly: m.ReadOnly})
	}
	return made
}

func networking(spec runtime.Spec) *network.NetworkingConfig {
	if spec.Network == "" {
		return nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		spec.Network: {Aliases: spec.Aliases},
	}}
}

func tcp(port int) nat.Port { return nat.Port(strconv.Itoa(port) + "/tcp") }

// wholeSeconds rounds up: the engine counts in seconds, and 0 would mean to kill at once.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// address is where the container's port is reached; "" while it has none.
func address(found container.InspectResponse) string {
	port, err := strconv.Atoi(found.Config.Labels[labelPort])
	if err != nil || port == 0 || found.NetworkSettings == nil || !found.State.Running {
		return ""
	}
	if len(found.HostConfig.PortBindings) > 0 {
		for _, binding := range found.NetworkSettings.Ports[tcp(port)] {
			return net.JoinHostPort(binding.HostIP, binding.HostPort)
		}
		return ""
	}
	if ip := directIP(found); ip != "" {
		return net.JoinHostPort(ip, strconv.Itoa(port))
	}
	return ""
}

// directIP is the container's address on its network; "" while it does not run, and where its port is published because
// this process does not reach the network.
func directIP(found container.InspectResponse) string {
	if found.NetworkSettings == nil || !found.State.Running || len(found.HostConfig.PortBindings) > 0 {
		return ""
	}
	for _, endpoint := range found.NetworkSettings.Networks {
		if endpoint != nil && endpoint.IPAddress != "" {
			return endpoint.IPAddress
		}
	}
	return ""
}

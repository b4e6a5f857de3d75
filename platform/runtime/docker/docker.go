// Package docker runs instances on one Docker Engine.
//
// It owns every word of the engine's API: naming, ownership by label, limits, networks, logs, events. It must not know
// what a deploy or a release is, and keeps no state of its own: the engine's labels are the ledger, so a second Runtime
// opened after a crash finds everything the first one made. Nothing is changed that lacks LabelManaged and this
// installation's LabelInstallation.
package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Reach says how instances are reached from this process.
type Reach string

// The ways to reach an instance.
const (
	ReachAuto      Reach = ""          // direct where that works, else published
	ReachDirect    Reach = "direct"    // by the container's address on its network: an engine on this Linux host
	ReachPublished Reach = "published" // by a random port of 127.0.0.1: Docker Desktop, rootless engines
)

// Options says which engine to use and as whom.
type Options struct {
	// Installation is this Fairlead's own name; what carries another one's label is not ours. Required.
	Installation string
	// Host is the engine's address, such as unix:///var/run/docker.sock; empty means DOCKER_HOST or the usual socket.
	Host string
	// Reach overrides the choice of how instances are reached.
	Reach Reach
}

// Runtime is a Docker Engine. Its methods may be called from several goroutines.
type Runtime struct {
	api          *client.Client // speaks the oldest version; for asking which one the engine speaks
	host         string
	installation string
	settled      atomic.Pointer[client.Client] // speaks the engine's version; nil until it was asked
	settling     sync.Mutex
	commands     commandCache
	networks     sync.Mutex // one network is made at a time

	mu    sync.Mutex // guards reach
	reach Reach
}

var _ runtime.Runtime = (*Runtime)(nil)

// Open returns a Runtime for the engine that opts names. It does not ask the engine anything, so that Fairlead starts
// while the engine is down: the first call negotiates the API version (engines from 20.10 on), and every call returns
// an error wrapping runtime.ErrUnavailable until the engine answers.
func Open(ctx context.Context, opts Options) (*Runtime, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open docker: %w", err)
	}
	if opts.Installation == "" {
		return nil, errors.New("open docker: no installation name")
	}
	api, err := newClient(opts.Host, client.WithVersion(oldestVersion))
	if err != nil {
		return nil, err
	}
	return &Runtime{api: api, host: opts.Host, installation: opts.Installation, reach: opts.Reach}, nil
}

// oldestVersion is the API of engine 20.10.
const oldestVersion = "1.41"

// client returns the client that speaks the version of the engine, which is asked for it once. The SDK could do that by
// itself, but it changes the version of a client that others are using. While the engine does not answer, the client of
// the oldest version is good enough to say so.
func (r *Runtime) client(ctx context.Context) *client.Client {
	if c := r.settled.Load(); c != nil {
		return c
	}
	r.settling.Lock()
	defer r.settling.Unlock()
	if c := r.settled.Load(); c != nil {
		return c
	}
	ping, err := r.api.Ping(ctx)
	if err != nil {
		return r.api
	}
	c, err := newClient(r.host)
	if err != nil {
		return r.api
	}
	c.NegotiateAPIVersionPing(ping) // nobody else has it yet
	r.settled.Store(c)
	return c
}

// NewClient returns a client of the engine at host; empty means DOCKER_HOST or the usual socket. It asks nothing.
func NewClient(host string) (*client.Client, error) {
	return newClient(host, client.WithAPIVersionNegotiation())
}

func newClient(host string, more ...client.Opt) (*client.Client, error) {
	with := []client.Opt{client.FromEnv}
	if host != "" {
		with = append(with, client.WithHost(host))
	}
	with = append(with, more...)
	api, err := client.NewClientWithOpts(with...)
	if err != nil {
		return nil, fmt.Errorf("open docker: %w", err)
	}
	return api, nil
}

// Close lets go of the connections; containers run on.
func (r *Runtime) Close() error {
	if c := r.settled.Load(); c != nil {
		return errors.Join(c.Close(), r.api.Close())
	}
	return r.api.Close()
}

// Host describes the machine.
func (r *Runtime) Host(ctx context.Context) (runtime.Host, error) {
	info, err := r.client(ctx).Info(ctx)
	if err != nil {
		return runtime.Host{}, fail("describe the host", err)
	}
	return runtime.Host{
		Engine:      "docker " + info.ServerVersion,
		OS:          info.OperatingSystem,
		CPUs:        info.NCPU,
		MemoryBytes: info.MemTotal,
		GPUs:        gpus(info),
		DataRoot:    info.DockerRootDir,
	}, nil
}

// nvidiaGPUs has one entry per GPU that the NVIDIA driver of this host knows.
const nvidiaGPUs = "/proc/driver/nvidia/gpus"

// gpus counts the devices that the engine could give to a container. Without the nvidia runtime (or devices that the
// engine discovered by itself) it would refuse to, however many there are.
func gpus(info system.Info) int {
	discovered := 0
	for _, device := range info.DiscoveredDevices {
		// CDI lists nvidia.com/gpu=0, =1 ... and the alias =all.
		if strings.HasPrefix(device.ID, "nvidia.com/gpu=") && !strings.HasSuffix(device.ID, "=all") {
			discovered++
		}
	}
	entries, err := os.ReadDir(nvidiaGPUs)
	if _, ok := info.Runtimes["nvidia"]; !ok || err != nil {
		return discovered
	}
	return max(len(entries), discovered)
}

// howToReach decides once per Runtime how instances are reached.
func (r *Runtime) howToReach(ctx context.Context) (Reach, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reach != ReachAuto {
		return r.reach, nil
	}
	info, err := r.client(ctx).Info(ctx)
	if err != nil {
		return "", fail("ask the engine where it runs", err)
	}
	r.reach = chooseReach(goruntime.GOOS, r.api.DaemonHost(), info)
	return r.reach, nil
}

// chooseReach: a container's own address is routable only from the host that runs the engine's bridge. Docker Desktop
// and rootless engines hide that bridge in a virtual machine or a network namespace.
func chooseReach(goos, host string, info system.Info) Reach {
	if goos != "linux" || !strings.HasPrefix(host, "unix://") || strings.Contains(info.OperatingSystem, "Docker Desktop") {
		return ReachPublished
	}
	for _, option := range info.SecurityOptions {
		if strings.Contains(option, "rootless") {
			return ReachPublished
		}
	}
	return ReachDirect
}

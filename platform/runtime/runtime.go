// Package runtime is the contract of a container engine: what Fairlead asks of Docker, Swarm or a fake.
//
// It owns the contract, the label vocabulary and the shapes that cross it. It must not know which engine answers,
// what a deploy is, or where state is kept. Package runtimetest holds the conformance suite that every
// implementation and the fake pass.
package runtime

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that implementations wrap, so that callers can tell them apart with errors.Is.
var (
	ErrNotFound     = errors.New("not found")          // no such container, image, network
	ErrImageMissing = errors.New("image not found")    // not on the host and not to be pulled
	ErrNotOurs      = errors.New("not labelled by us") // it exists, but Fairlead did not make it: it is left alone
	ErrUnavailable  = errors.New("engine unavailable") // the engine does not answer
	ErrRefused      = errors.New("engine refused")     // the engine answered no: bad command, no such device, port taken
)

// Runtime runs instances. Every method may be called again with the same arguments after a crash: creating adopts what
// is already there by label, stopping and removing what is gone is no error. No method touches a thing that lacks
// LabelManaged. All methods return an error wrapping ErrUnavailable when the engine does not answer.
type Runtime interface {
	// Host describes the machine; used to refuse limits that cannot be met.
	Host(ctx context.Context) (Host, error)
	// EnsureNetwork makes the private network of an environment, or adopts it.
	EnsureNetwork(ctx context.Context, name string, labels map[string]string) error
	// EnsureVolume makes a durable volume, or adopts it.
	EnsureVolume(ctx context.Context, name string, labels map[string]string) error
	// EnsureImage makes sure that the image is on the host, pulling it when it is not, and returns its content id (sha256:...).
	// ErrImageMissing when it is neither there nor to be had.
	EnsureImage(ctx context.Context, ref string) (id string, err error)
	// Start creates and starts the instance, or adopts the container with the same LabelInstance (starting it if it was
	// created but never started; one that has ended is returned as it is, never started twice). ErrRefused, in the engine's
	// words, comes with the container that was refused, where one was made, so that it can be removed; ErrNotOurs means
	// that the name is taken by something that is not ours.
	Start(ctx context.Context, spec Spec) (Container, error)
	// Stop asks the process to end (SIGTERM), kills it after grace, and returns when it is gone.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Remove deletes an ended container; a running one is killed first.
	Remove(ctx context.Context, id string) error
	// List returns the containers whose labels include all of match, ended ones too, in order of creation.
	List(ctx context.Context, match map[string]string) ([]Container, error)
	// Inspect returns one container by engine id; ErrNotFound, ErrNotOurs.
	Inspect(ctx context.Context, id string) (Container, error)
	// Logs streams the output of a container from since on, each frame one write of the process with the engine's own
	// timestamp. With follow it goes on until the container ends or ctx does; then yield is not called again and Logs returns nil.
	Logs(ctx context.Context, id string, opts LogOptions, yield func(LogFrame) error) error
	// Exec runs argv in a running container and returns its exit code and output (at most 64 KiB of each).
	Exec(ctx context.Context, id string, argv []string) (ExecResult, error)
	// Stats returns one sample of resource use.
	Stats(ctx context.Context, id string) (Stats, error)
	// Watch sends what happens to labelled containers until ctx ends, and then returns nil; it waits for an engine that does
	// not answer. Events are missed across a break of the connection, and before the first EventResync: callers list anew
	// when they get one.
	Watch(ctx context.Context, yield func(Event)) error
	// Listening returns the TCP addresses (ip:port) that processes in the container listen on, for messages about wrong ports.
	Listening(ctx context.Context, id string) ([]string, error)
	// Belongings names the networks, volumes and images whose labels include all of match.
	Belongings(ctx context.Context, match map[string]string) (Belongings, error)
	// RemoveImage deletes an image that carries LabelManaged; one that is in use or not ours is left, without error.
	RemoveImage(ctx context.Context, id string) error
	// RemoveNetwork and RemoveVolume delete what carries LabelManaged; gone already is no error.
	RemoveNetwork(ctx context.Context, name string) error
	RemoveVolume(ctx context.Context, name string) error
	io.Closer
}

// Labels are the ledger: a container's labels say everything needed to adopt it after a crash.
const (
	LabelManaged      = "fairlead.managed" // "true"
	LabelInstallation = "fairlead.installation"
	LabelProject      = "fairlead.project"
	LabelEnvironment  = "fairlead.environment"
	LabelService      = "fairlead.service"
	LabelSlot         = "fairlead.slot"
	LabelRelease      = "fairlead.release"        // release id
	LabelReleaseNo    = "fairlead.release-number" // 1, 2 ...
	LabelDeploy       = "fairlead.deploy"
	LabelInstance     = "fairlead.instance"
	LabelOrdinal      = "fairlead.ordinal"
	LabelRole         = "fairlead.role" // one of the Role constants
	LabelDisk         = "fairlead.disk" // of a volume: the name of the disk
	// LabelMetrics says where an instance exposes its own metrics: a platform.MetricsSpec as JSON, with the port 0 where
	// it is the one of Container.Address.
	LabelMetrics = "fairlead.metrics"
)

// Roles of a container.
const (
	RoleInstance  = "instance"
	RolePreDeploy = "pre-deploy"
	RoleSystem    = "system" // a helper of Fairlead itself
)

// Spec is everything about one container. Labels must hold LabelManaged, LabelInstallation and LabelInstance.
type Spec struct {
	Name        string // container name; unique
	Image       string // content id or reference
	Command     []string
	Env         []string // KEY=value, secrets included; never logged
	Labels      map[string]string
	Network     string   // name of the network from EnsureNetwork
	Aliases     []string // names on that network
	Port        int      // the port the process listens on; 0 for none
	Mounts      []Mount
	CPUs        float64
	MemoryBytes int64
	GPUs        int
	SharedBytes int64
	StopGrace   time.Duration
}

// Mount attaches a volume.
type Mount struct {
	Volume   string
	Path     string
	ReadOnly bool
}

// Container is the engine's view of one container.
type Container struct {
	ID        string
	Name      string
	ImageID   string
	Labels    map[string]string
	Address   string // host:port to reach Spec.Port; "" while not running or without a port
	IP        string // by which any of its ports is reached; "" while not running, or where only Address is
	Running   bool
	ExitCode  int // meaningful when not Running and StartedAt is set
	OOMKilled bool
	Error     string // the engine's own words when it could not start
	CreatedAt time.Time
	StartedAt time.Time // zero when it never started
	EndedAt   time.Time // zero while running
}

// Belongings are things other than containers that carry our labels.
type Belongings struct {
	Networks []string // names
	Volumes  []string // names
	Images   []string // content ids
}

// LogOptions chooses what of a container's output to stream.
type LogOptions struct {
	Since  time.Time // inclusive; zero means from the first byte
	Follow bool
}

// LogFrame is one piece of output, without the line's end. Partial is true when the line goes on in the next frame.
type LogFrame struct {
	At      time.Time // the engine's, nanoseconds
	Stream  string    // stdout or stderr
	Line    []byte
	Partial bool
}

// ExecResult is what a command in a container did.
type ExecResult struct {
	ExitCode int
	Stdout   string
	Stderr   string
}

// Stats is one sample of a container's use of the machine. Counters are since its start.
type Stats struct {
	At          time.Time
	CPUSeconds  float64
	MemoryBytes int64 // working set: usage less inactive file cache
	MemoryUsage int64 // file cache included
	MemoryLimit int64
	NetRxBytes  int64
	NetTxBytes  int64
	ReadBytes   int64
	WriteBytes  int64
	Throttled   float64 // seconds
	PIDs        int64
	OOMKills    *int64     // processes killed for want of memory; nil where the kernel or the engine's place does not tell
	Pressure    []Pressure // empty where the kernel does not measure it
}

// Pressure is how long processes waited for a resource, since the start.
type Pressure struct {
	Resource string        // cpu, memory or io
	Some     time.Duration // at least one process waited
	Full     time.Duration // all of them waited at once
}

// Volume is a durable volume and what is on it.
type Volume struct {
	Name   string
	Labels map[string]string
	Bytes  int64 // allocated on the disk
}

// EventKind says what happened to a container.
type EventKind string

// The kinds of event.
const (
	EventStarted EventKind = "started"
	EventDied    EventKind = "died"
	EventOOM     EventKind = "oom"
	EventRemoved EventKind = "removed"
	EventResync  EventKind = "resync" // the stream is up, for the first time or again after a break: list anew
)

// Event is one thing that happened to a labelled container.
type Event struct {
	Kind     EventKind
	ID       string
	Labels   map[string]string
	ExitCode int // of EventDied
	At       time.Time
}

// Host is the machine that runs instances.
type Host struct {
	Engine      string // "docker 20.10.24"
	OS          string
	CPUs        int
	MemoryBytes int64
	GPUs        int
	DataRoot    string // folder of the engine's images and volumes on its host; "" when it does not say
}

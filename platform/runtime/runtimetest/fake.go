// Package runtimetest holds what proves an implementation of runtime.Runtime: the conformance suite Exercise, and Fake,
// an engine in memory that passes it.
//
// It owns the fake's behaviours, hooks and counters, which tests of other packages script. It must not know any real
// engine, and production code does not import it.
package runtimetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Fake is a container engine in memory, seen by one installation. The engine has no image until Behave names one.
// Its methods may be called from several goroutines.
type Fake struct {
	engine       *engine
	installation string
}

var _ runtime.Runtime = (*Fake)(nil)

// engine is the state that every Fake of it shares, as a real engine outlives the processes that use it.
type engine struct {
	mu         sync.Mutex // guards everything below
	host       runtime.Host
	down       bool
	hook       Hook
	calls      map[string]int
	behaviours map[string]Behaviour // by image reference
	images     map[string]*resource // by image reference
	networks   map[string]*resource
	volumes    map[string]*resource
	containers []*instance // in order of creation
	watchers   map[*watcher]struct{}
	last       time.Time // of the last stamp given, so that no two are alike
	made       int
	processes  sync.WaitGroup
}

// resource is an image, a network or a volume.
type resource struct {
	id     string
	labels map[string]string
	files  map[string]string // of a volume
}

// Hook sees every call before it is done; the error it returns, if any, is the call's. argument is the container name or
// id, the image, the network or the volume. It may block, and may call the Fake.
type Hook func(method, argument string) error

// NewFake returns an empty engine with plenty of room, seen by installation.
func NewFake(installation string) *Fake {
	const gib = 1 << 30
	return &Fake{installation: installation, engine: &engine{
		host:       runtime.Host{Engine: "fake 1.0", OS: "memory", CPUs: 8, MemoryBytes: 64 * gib},
		calls:      map[string]int{},
		behaviours: map[string]Behaviour{},
		images:     map[string]*resource{},
		networks:   map[string]*resource{},
		volumes:    map[string]*resource{},
		watchers:   map[*watcher]struct{}{},
	}}
}

// Again returns another Runtime on the same engine, as a restarted server would open.
func (f *Fake) Again(installation string) *Fake {
	return &Fake{engine: f.engine, installation: installation}
}

// Behave puts an image on the engine and says what its containers do; from the next start on when it is there already.
func (f *Fake) Behave(image string, b Behaviour) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	f.engine.behaviours[image] = b
	if f.engine.images[image] == nil {
		f.engine.images[image] = &resource{id: ImageID(image), labels: b.ImageLabels}
	}
}

// ImageID is the content id that the fake gives an image of that reference; an id is its own.
func ImageID(ref string) string {
	if len(ref) > 7 && ref[:7] == "sha256:" {
		return ref
	}
	sum := sha256.Sum256([]byte(ref))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// SetHost says what Host answers.
func (f *Fake) SetHost(host runtime.Host) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	f.engine.host = host
}

// SetDown makes the engine stop or start to answer. Containers run on; watchers get EventResync when it is back.
func (f *Fake) SetDown(down bool) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	back := f.engine.down && !down
	f.engine.down = down
	for _, c := range f.engine.containers {
		f.engine.wake(c) // who follows logs finds the stream broken
	}
	if back {
		for w := range f.engine.watchers {
			w.send(runtime.Event{Kind: runtime.EventResync, At: f.engine.now()})
		}
	}
}

// SetHook installs h, or none with nil.
func (f *Fake) SetHook(h Hook) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	f.engine.hook = h
}

// Calls is how often a method of the contract was called, over all Fakes of the engine.
func (f *Fake) Calls(method string) int {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	return f.engine.calls[method]
}

// Kill ends a running container as something outside Fairlead would: with that exit code, and said to be out of memory
// when it is OOM.
func (f *Fake) Kill(id string, end End) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	if c := f.engine.container(id); c != nil {
		f.engine.end(c, end.ExitCode, end.OOM)
	}
}

// End is how a container ends.
type End struct {
	ExitCode int
	OOM      bool
}

// Print writes a line of output to a container, as its process would.
func (f *Fake) Print(id, stream, line string) {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	if c := f.engine.container(id); c != nil {
		f.engine.log(c, stream, []byte(line+"\n"))
	}
}

// AddForeign puts a container on the engine that Fairlead did not make, running, and returns its id.
func (f *Fake) AddForeign(name string) string {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	c := f.engine.create(runtime.Spec{Name: name})
	f.engine.run(c, Behaviour{})
	return c.view.ID
}

// Shutdown kills every container and waits for their programs.
func (f *Fake) Shutdown() {
	f.engine.mu.Lock()
	for _, c := range f.engine.containers {
		f.engine.end(c, exitKilled, false)
	}
	f.engine.mu.Unlock()
	f.engine.processes.Wait()
}

// Close lets go of the engine; containers run on.
func (f *Fake) Close() error { return nil }

// enter counts a call, lets the hook speak, and takes the engine's lock when it answers nil.
func (f *Fake) enter(ctx context.Context, method, argument string) error {
	f.engine.mu.Lock()
	f.engine.calls[method]++
	hook := f.engine.hook
	f.engine.mu.Unlock()
	if hook != nil {
		if err := hook(method, argument); err != nil {
			return fmt.Errorf("%s %s: %w", method, argument, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", method, argument, err)
	}
	f.engine.mu.Lock()
	if f.engine.down {
		f.engine.mu.Unlock()
		return fmt.Errorf("%s %s: %w: the fake is down", method, argument, runtime.ErrUnavailable)
	}
	return nil
}

func (f *Fake) ours(labels map[string]string) bool {
	return labels[runtime.LabelManaged] == "true" && labels[runtime.LabelInstallation] == f.installation
}

// ownedLocked finds a container that is ours, by id or name.
func (f *Fake) ownedLocked(id string) (*instance, error) {
	c := f.engine.container(id)
	if c == nil {
		return nil, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
	}
	if !f.ours(c.view.Labels) {
		return nil, fmt.Errorf("container %s: %w", id, runtime.ErrNotOurs)
	}
	return c, nil
}

// Host describes the machine.
func (f *Fake) Host(ctx context.Context) (runtime.Host, error) {
	if err := f.enter(ctx, "Host", ""); err != nil {
		return runtime.Host{}, err
	}
	defer f.engine.mu.Unlock()
	return f.engine.host, nil
}

// EnsureNetwork makes or adopts a network.
func (f *Fake) EnsureNetwork(ctx context.Context, name string, labels map[string]string) error {
	if err := f.enter(ctx, "EnsureNetwork", name); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	return f.ensureLocked(f.engine.networks, "network", name, labels)
}

// EnsureVolume makes or adopts a volume.
func (f *Fake) EnsureVolume(ctx context.Context, name string, labels map[string]string) error {
	if err := f.enter(ctx, "EnsureVolume", name); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	return f.ensureLocked(f.engine.volumes, "volume", name, labels)
}

func (f *Fake) ensureLocked(all map[string]*resource, noun, name string, labels map[string]string) error {
	if found := all[name]; found != nil {
		if !f.ours(found.labels) {
			return fmt.Errorf("make %s %s: %w", noun, name, runtime.ErrNotOurs)
		}
		return nil
	}
	signed := map[string]string{}
	maps.Copy(signed, labels)
	signed[runtime.LabelManaged] = "true"
	signed[runtime.LabelInstallation] = f.installation
	all[name] = &resource{labels: signed, files: map[string]string{}}
	return nil
}

// RemoveNetwork deletes a network; ErrRefused while a container is on it.
func (f *Fake) RemoveNetwork(ctx context.Context, name string) error {
	if err := f.enter(ctx, "RemoveNetwork", name); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	return f.removeLocked(f.engine.networks, "network", name, func(c *instance) bool {
		return c.view.Running && c.spec.Network == name
	})
}

// RemoveVolume deletes a volume; ErrRefused while a container mounts it.
func (f *Fake) RemoveVolume(ctx context.Context, name string) error {
	if err := f.enter(ctx, "RemoveVolume", name); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	return f.removeLocked(f.engine.volumes, "volume", name, func(c *instance) bool {
		return slices.ContainsFunc(c.spec.Mounts, func(m runtime.Mount) bool { return m.Volume == name })
	})
}

func (f *Fake) removeLocked(all map[string]*resource, noun, name string, uses func(*instance) bool) error {
	found := all[name]
	if found == nil {
		return nil
	}
	if !f.ours(found.labels) {
		return fmt.Errorf("remove %s %s: %w", noun, name, runtime.ErrNotOurs)
	}
	if slices.ContainsFunc(f.engine.containers, uses) {
		return fmt.Errorf("remove %s %s: %w: in use", noun, name, runtime.ErrRefused)
	}
	delete(all, name)
	return nil
}

// Belongings names the networks, volumes and images of ours whose labels include all of match, each sorted.
func (f *Fake) Belongings(ctx context.Context, match map[string]string) (runtime.Belongings, error) {
	if err := f.enter(ctx, "Belongings", ""); err != nil {
		return runtime.Belongings{}, err
	}
	defer f.engine.mu.Unlock()
	mine := func(found *resource) bool {
		for key, value := range match {
			if found.labels[key] != value {
				return false
			}
		}
		return f.ours(found.labels)
	}
	var found runtime.Belongings
	for name, network := range f.engine.networks {
		if mine(network) {
			found.Networks = append(found.Networks, name)
		}
	}
	for name, volume := range f.engine.volumes {
		if mine(volume) {
			found.Volumes = append(found.Volumes, name)
		}
	}
	for _, image := range f.engine.images {
		if mine(image) {
			found.Images = append(found.Images, image.id)
		}
	}
	slices.Sort(found.Networks)
	slices.Sort(found.Volumes)
	slices.Sort(found.Images)
	return found, nil
}

// EnsureImage returns the id of an image that Behave named.
func (f *Fake) EnsureImage(ctx context.Context, ref string) (string, error) {
	if err := f.enter(ctx, "EnsureImage", ref); err != nil {
		return "", err
	}
	defer f.engine.mu.Unlock()
	_, found := f.engine.image(ref)
	if found == nil {
		return "", fmt.Errorf("find image %s: %w", ref, runtime.ErrImageMissing)
	}
	return found.id, nil
}

// RemoveImage deletes an image that Behave gave our labels; one in use or not ours is left.
func (f *Fake) RemoveImage(ctx context.Context, id string) error {
	if err := f.enter(ctx, "RemoveImage", id); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	ref, found := f.engine.image(id)
	if found == nil || !f.ours(found.labels) {
		return nil
	}
	if slices.ContainsFunc(f.engine.containers, func(c *instance) bool { return c.view.ImageID == found.id }) {
		return nil
	}
	delete(f.engine.images, ref)
	return nil
}

func (e *engine) image(ref string) (string, *resource) {
	if found := e.images[ref]; found != nil {
		return ref, found
	}
	for name, found := range e.images {
		if found.id == ref {
			return name, found
		}
	}
	return "", nil
}

func (e *engine) container(id string) *instance {
	for _, c := range e.containers {
		if c.view.ID == id || c.view.Name == id {
			return c
		}
	}
	return nil
}

// now is the present, later than any stamp given before.
func (e *engine) now() time.Time {
	at := time.Now().UTC().Round(0)
	if !at.After(e.last) {
		at = e.last.Add(1)
	}
	e.last = at
	return at
}

// address is where a container is reached: nothing answers there, unless the behaviour names a real listener.
func (c *instance) address() string {
	switch {
	case c.spec.Port == 0:
		return ""
	case c.behaviour.Address != "":
		return c.behaviour.Address
	default:
		return net.JoinHostPort(c.ip, strconv.Itoa(c.spec.Port))
	}
}

// fakeIP is of the range that RFC 5737 keeps for examples.
func fakeIP(n int) string { return fmt.Sprintf("192.0.2.%d", n%250+2) }

// Runs reports whether a container is there and running, whoever made it.
func (f *Fake) Runs(id string) bool {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	c := f.engine.container(id)
	return c != nil && c.view.Running
}

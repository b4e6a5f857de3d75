package runtimetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform/runtime"
)

// exitKilled is 128 + SIGKILL.
const exitKilled = 137

// instance is one container of the fake.
type instance struct {
	spec      runtime.Spec
	view      runtime.Container
	behaviour Behaviour
	ip        string
	listening []string
	frames    []runtime.LogFrame
	rest      map[string][]byte // the unfinished line of each stream
	changed   chan struct{}     // closed and replaced whenever frames or view change
	asked     chan struct{}     // closed when it is asked to end
	ended     chan struct{}     // closed when it has ended
	timer     *time.Timer
}

// Start creates and starts a container, or adopts the one of the same instance.
func (f *Fake) Start(ctx context.Context, spec runtime.Spec) (runtime.Container, error) {
	if err := f.enter(ctx, "Start", spec.Name); err != nil {
		return runtime.Container{}, err
	}
	defer f.engine.mu.Unlock()
	doing := "start " + spec.Name
	if spec.Name == "" || spec.Image == "" || !f.ours(spec.Labels) || spec.Labels[runtime.LabelInstance] == "" {
		return runtime.Container{}, fmt.Errorf("%s: %w: the spec lacks a name, an image or a label", doing, runtime.ErrRefused)
	}
	c, err := f.adoptLocked(doing, spec)
	if err != nil {
		return runtime.Container{}, err
	}
	if c == nil {
		if c, err = f.createLocked(doing, spec); err != nil {
			return runtime.Container{}, err
		}
	}
	if !c.view.StartedAt.IsZero() {
		return f.engine.see(c), nil
	}
	ref, _ := f.engine.image(c.view.ImageID)
	behaviour := f.engine.behaviours[ref]
	if refused := refusal(behaviour, c.spec); refused != "" {
		c.view.Error = refused
		return f.engine.see(c), fmt.Errorf("%s: %w: %s", doing, runtime.ErrRefused, refused)
	}
	f.engine.run(c, behaviour)
	return f.engine.see(c), nil
}

// refusal: a Program stands for an image that holds /subject and nothing else.
func refusal(b Behaviour, spec runtime.Spec) string {
	if b.RefuseStart == "" && b.Program != nil && len(spec.Command) > 0 && spec.Command[0] != SubjectPath {
		return fmt.Sprintf("exec: %q: executable file not found in $PATH", spec.Command[0])
	}
	return b.RefuseStart
}

func (f *Fake) adoptLocked(doing string, spec runtime.Spec) (*instance, error) {
	for _, c := range f.engine.containers {
		same := f.ours(c.view.Labels) && c.view.Labels[runtime.LabelInstance] == spec.Labels[runtime.LabelInstance]
		if same {
			return c, nil
		}
	}
	taken := f.engine.container(spec.Name)
	switch {
	case taken == nil:
		return nil, nil
	case !f.ours(taken.view.Labels):
		return nil, fmt.Errorf("%s: the name is taken: %w", doing, runtime.ErrNotOurs)
	default:
		return nil, fmt.Errorf("%s: %w: another instance has that name", doing, runtime.ErrRefused)
	}
}

func (f *Fake) createLocked(doing string, spec runtime.Spec) (*instance, error) {
	_, image := f.engine.image(spec.Image)
	if image == nil {
		return nil, fmt.Errorf("%s: %w: %s", doing, runtime.ErrImageMissing, spec.Image)
	}
	if spec.Network != "" && f.engine.networks[spec.Network] == nil {
		return nil, fmt.Errorf("%s: network %s: %w", doing, spec.Network, runtime.ErrNotFound)
	}
	if spec.MemoryBytes > f.engine.host.MemoryBytes {
		return nil, fmt.Errorf("%s: %w: more memory than the host has", doing, runtime.ErrRefused)
	}
	c := f.engine.create(spec)
	c.view.ImageID = image.id
	return c, nil
}

func (e *engine) create(spec runtime.Spec) *instance {
	e.made++
	c := &instance{
		spec: spec, ip: fakeIP(e.made), rest: map[string][]byte{},
		changed: make(chan struct{}), asked: make(chan struct{}), ended: make(chan struct{}),
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	c.view = runtime.Container{ID: hex.EncodeToString(raw[:]), Name: spec.Name, Labels: maps.Clone(spec.Labels), CreatedAt: e.now()}
	e.containers = append(e.containers, c)
	return c
}

// run starts the process of a container that was created.
func (e *engine) run(c *instance, b Behaviour) {
	c.behaviour = b
	if b.AddressOf != nil {
		c.behaviour.Address = b.AddressOf(maps.Clone(c.view.Labels))
	}
	c.listening = b.Listening
	c.view.Running, c.view.Error, c.view.StartedAt = true, "", e.now()
	c.view.Address = c.address()
	e.tell(c, runtime.Event{Kind: runtime.EventStarted})
	if b.Program != nil {
		e.processes.Go(func() { e.runProgram(c, b) })
		return
	}
	for _, line := range b.Output {
		e.log(c, "stdout", []byte(line+"\n"))
	}
	for _, line := range b.Errors {
		e.log(c, "stderr", []byte(line+"\n"))
	}
	switch {
	case b.Exits:
		e.end(c, b.exitCode(), b.OOM)
	case b.ExitAfter > 0:
		c.timer = time.AfterFunc(b.ExitAfter, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.end(c, b.exitCode(), b.OOM)
		})
	}
}

func (b Behaviour) exitCode() int {
	if b.OOM {
		return exitKilled
	}
	return b.ExitCode
}

// end is idempotent: the first end of a container stands.
func (e *engine) end(c *instance, code int, oom bool) {
	if !c.view.Running {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	for stream := range c.rest {
		e.log(c, stream, nil) // what was written of the last line
	}
	if oom {
		c.view.OOMKilled = true
		e.tell(c, runtime.Event{Kind: runtime.EventOOM})
	}
	c.view.Running, c.view.Address, c.view.ExitCode, c.view.EndedAt = false, "", code, e.now()
	close(c.ended)
	c.ask() // a program that waits to be asked has nothing more to wait for
	e.tell(c, runtime.Event{Kind: runtime.EventDied, ExitCode: code})
}

// tell wakes whoever waits for the container and sends an event of it.
func (e *engine) tell(c *instance, event runtime.Event) {
	e.wake(c)
	if e.down {
		return // nobody hears a broken engine
	}
	event.ID, event.Labels, event.At = c.view.ID, maps.Clone(c.view.Labels), e.now()
	for w := range e.watchers {
		if w.sees(c.view.Labels) {
			w.send(event)
		}
	}
}

func (e *engine) wake(c *instance) {
	close(c.changed)
	c.changed = make(chan struct{})
}

// see copies the engine's view, so that the caller may keep it.
func (e *engine) see(c *instance) runtime.Container {
	seen := c.view
	seen.Labels = maps.Clone(c.view.Labels)
	return seen
}

// Stop asks the process to end, kills it after grace, and returns when it is gone.
func (f *Fake) Stop(ctx context.Context, id string, grace time.Duration) error {
	if err := f.enter(ctx, "Stop", id); err != nil {
		return err
	}
	c, err := f.ownedLocked(id)
	if errors.Is(err, runtime.ErrNotFound) || (err == nil && !c.view.Running) {
		f.engine.mu.Unlock()
		return nil
	}
	if err != nil {
		f.engine.mu.Unlock()
		return err
	}
	c.ask()
	if c.behaviour.Program == nil && !c.behaviour.IgnoresStop {
		f.engine.end(c, c.behaviour.StopCode, false)
	}
	f.engine.mu.Unlock()

	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", id, ctx.Err())
	case <-timer.C:
	}
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	f.engine.end(c, exitKilled, false)
	return nil
}

func (c *instance) ask() {
	select {
	case <-c.asked:
	default:
		close(c.asked)
	}
}

// Remove deletes a container; a running one is killed first.
func (f *Fake) Remove(ctx context.Context, id string) error {
	if err := f.enter(ctx, "Remove", id); err != nil {
		return err
	}
	defer f.engine.mu.Unlock()
	c, err := f.ownedLocked(id)
	if errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.engine.end(c, exitKilled, false)
	f.engine.containers = slices.DeleteFunc(f.engine.containers, func(other *instance) bool { return other == c })
	f.engine.tell(c, runtime.Event{Kind: runtime.EventRemoved})
	return nil
}

// List returns our containers whose labels include all of match, in order of creation.
func (f *Fake) List(ctx context.Context, match map[string]string) ([]runtime.Container, error) {
	if err := f.enter(ctx, "List", ""); err != nil {
		return nil, err
	}
	defer f.engine.mu.Unlock()
	found := []runtime.Container{}
	for _, c := range f.engine.containers {
		if f.ours(c.view.Labels) && includes(c.view.Labels, match) {
			found = append(found, f.engine.see(c))
		}
	}
	return found, nil
}

func includes(labels, match map[string]string) bool {
	for key, value := range match {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// Inspect returns one container.
func (f *Fake) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	if err := f.enter(ctx, "Inspect", id); err != nil {
		return runtime.Container{}, err
	}
	defer f.engine.mu.Unlock()
	c, err := f.ownedLocked(id)
	if err != nil {
		return runtime.Container{}, err
	}
	return f.engine.see(c), nil
}

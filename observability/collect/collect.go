// Package collect follows every container of ours from its first byte to its last, and what the router counts, into
// the stores of logs and metrics.
//
// It owns the followers, their durable cursors, the samples and the detector's shell. Lines are stored exactly once
// across a kill of the process: cursors lag behind what is surely on disk, and what is read again is compared with
// what is stored. It must not know which engine, which stores or what a deploy is; it needs them by narrow interfaces.
package collect

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// engine is what the collector asks of a container engine; runtime.Runtime has it.
type engine interface {
	List(ctx context.Context, match map[string]string) ([]runtime.Container, error)
	Logs(ctx context.Context, id string, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error
	Watch(ctx context.Context, yield func(runtime.Event)) error
	Stats(ctx context.Context, id string) (runtime.Stats, error)
}

// Options say what a Collector works with. Engine, Logs and CursorDir are required.
type Options struct {
	Engine    engine
	Logs      observability.Logs
	Metrics   observability.Metrics // nil: no samples are taken
	Hub       *observability.Hub    // nil: no live lines
	CursorDir string
	// Match chooses the containers; LabelManaged is always added. One installation's collector names its LabelInstallation.
	Match map[string]string
	// Redactor returns what removes the secrets of a project from text; it is asked once for each container, and again
	// while it returns nil, which says that they cannot be read now. Without a Redactor nothing is removed.
	Redactor func(project string) func(string) string
	Log      *slog.Logger // nil: silent

	SampleEvery  time.Duration // between samples of a container; default 5 s
	RescanEvery  time.Duration // between lists of containers besides those that events ask for; default 10 s
	TraceIdle    time.Duration // how long a trace may wait for its next line; default 250 ms
	DrainTimeout time.Duration // the longest that Drained waits; default 15 s
	// DurableAfter is how long after Append a line is sure to outlive a kill of the process; default what the store says
	// (a method Durable() time.Duration), else 0.
	DurableAfter time.Duration
}

func (o Options) withDefaults() Options {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	setDefault(&o.SampleEvery, 5*time.Second)
	setDefault(&o.RescanEvery, 10*time.Second)
	setDefault(&o.TraceIdle, 250*time.Millisecond)
	setDefault(&o.DrainTimeout, 15*time.Second)
	if store, ok := o.Logs.(interface{ Durable() time.Duration }); ok {
		setDefault(&o.DurableAfter, store.Durable())
	}
	if o.Redactor == nil {
		o.Redactor = func(string) func(string) string { return func(text string) string { return text } }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	match := map[string]string{runtime.LabelManaged: "true"}
	for k, v := range o.Match {
		match[k] = v
	}
	o.Match = match
	return o
}

// Collector follows containers. New builds one, Run works.
type Collector struct {
	options Options
	cursors *cursorFile
	rescan  chan struct{}                     // asks for a list of containers; holds one request
	sampled map[string][]observability.Sample // by engine id, what was last taken; only sample uses it

	mu        sync.Mutex           // guards the fields below
	followers map[string]*follower // by engine id
	listed    chan struct{}        // closed and replaced after every list
	running   sync.WaitGroup       // followers at work
}

// New returns a collector. It reads the cursors of the run before, and refuses a cursor folder that cannot be used.
func New(options Options) (*Collector, error) {
	options = options.withDefaults()
	cursors, err := openCursors(options.CursorDir)
	if err != nil {
		return nil, fmt.Errorf("open log cursors: %w", err)
	}
	return &Collector{
		options: options, cursors: cursors, rescan: make(chan struct{}, 1), sampled: make(map[string][]observability.Sample),
		followers: make(map[string]*follower), listed: make(chan struct{}),
	}, nil
}

// Intervals of the collector's own upkeep.
const (
	flushEvery = 40 * time.Millisecond
	saveEvery  = time.Second
)

// Run collects until ctx ends, then stores what it holds (for at most 5 s more) and returns nil. It is called once.
func (c *Collector) Run(ctx context.Context) error {
	var upkeep sync.WaitGroup
	upkeep.Go(func() { c.watch(ctx) })
	upkeep.Go(func() { c.every(ctx, flushEvery, c.sweep) })
	upkeep.Go(func() { c.every(ctx, saveEvery, c.saveCursors) })
	if c.options.Metrics != nil {
		upkeep.Go(func() { c.every(ctx, c.options.SampleEvery, c.sample) })
	}
	c.follow(ctx)
	upkeep.Wait()
	c.running.Wait()
	c.saveCursors(context.WithoutCancel(ctx))
	return nil
}

func (c *Collector) every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

// watch asks for a list whenever something starts or the stream of events was broken.
func (c *Collector) watch(ctx context.Context) {
	for wait := newBackoff(); ctx.Err() == nil; {
		err := c.options.Engine.Watch(ctx, func(e runtime.Event) {
			wait.reset()
			if e.Kind != runtime.EventOOM {
				c.askRescan()
			}
		})
		if ctx.Err() == nil {
			c.options.Log.WarnContext(ctx, "the engine's events broke off", "error", err)
			wait.sleep(ctx)
		}
	}
}

func (c *Collector) askRescan() {
	select {
	case c.rescan <- struct{}{}:
	default:
	}
}

// follow lists containers and starts a follower for each new one, until ctx ends.
func (c *Collector) follow(ctx context.Context) {
	ticker := time.NewTicker(c.options.RescanEvery)
	defer ticker.Stop()
	wait := newBackoff()
	for ctx.Err() == nil {
		if err := c.list(ctx); err != nil && ctx.Err() == nil {
			c.options.Log.WarnContext(ctx, "containers cannot be listed", "error", err)
			wait.sleep(ctx)
			continue
		}
		wait.reset()
		select {
		case <-ctx.Done():
		case <-c.rescan:
		case <-ticker.C:
		}
	}
}

func (c *Collector) list(ctx context.Context) error {
	containers, err := c.options.Engine.List(ctx, c.options.Match)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	present := make(map[string]bool, len(containers))
	for _, container := range containers {
		present[container.ID] = true
		c.startLocked(ctx, container)
	}
	for _, spooled := range c.cursors.spooled() {
		if !present[spooled.ID] {
			present[spooled.ID] = true
			c.startLocked(ctx, spooled)
		}
	}
	for id, f := range c.followers {
		if !present[id] && f.isDrained() && c.cursors.get(id).Done {
			delete(c.followers, id)
		}
	}
	c.cursors.forget(func(id string) bool { return !present[id] && c.followers[id] == nil })
	close(c.listed)
	c.listed = make(chan struct{})
	return nil
}

// startLocked starts a follower of the container unless there is one, or all of it was read. A container that never
// started has said nothing yet.
func (c *Collector) startLocked(ctx context.Context, container runtime.Container) {
	if container.StartedAt.IsZero() && !container.Running {
		return
	}
	if f := c.followers[container.ID]; f != nil {
		f.setContainer(container)
		if !f.isDrained() || !container.Running {
			return
		}
	}
	if !container.Running && c.cursors.get(container.ID).Done {
		return
	}
	f := newFollower(c, container)
	c.followers[container.ID] = f
	c.running.Go(func() { f.run(ctx) })
}

// Drained waits until everything that the ended container of the instance wrote is stored, or kept where a kill of
// the process cannot lose it, so that the container may be removed. It returns nil at once for an instance without a
// container, and an unavailable error when it takes longer than DrainTimeout.
func (c *Collector) Drained(ctx context.Context, instance platform.InstanceID) error {
	return c.awaitDrained(ctx, string(instance), func(f *follower) bool { return f.base.Instance == string(instance) })
}

// DrainedContainer is Drained by the engine's id of the container.
func (c *Collector) DrainedContainer(ctx context.Context, id string) error {
	return c.awaitDrained(ctx, id, func(f *follower) bool { return f.id == id })
}

func (c *Collector) awaitDrained(ctx context.Context, name string, ours func(*follower) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.DrainTimeout, platform.Errorf(platform.CodeUnavailable,
		"The last lines of %s could not be stored within %s.", name, c.options.DrainTimeout).
		WithHint("Look at the log store; what is not stored can still be read while the container is there."))
	defer cancel()
	for range 2 { // the first list may have begun before the container started
		c.mu.Lock()
		listed := c.listed
		c.mu.Unlock()
		c.askRescan()
		select {
		case <-listed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, f := range c.all() {
		if !ours(f) {
			continue
		}
		select {
		case <-f.drained:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *Collector) all() []*follower {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*follower, 0, len(c.followers))
	for _, f := range c.followers {
		out = append(out, f)
	}
	return out
}

// sweep stores what followers hold and ends traces that wait too long.
func (c *Collector) sweep(ctx context.Context) {
	for _, f := range c.all() {
		f.sweep(ctx)
	}
}

// saveCursors moves each cursor to what is durable by now, and writes them down when one moved.
func (c *Collector) saveCursors(ctx context.Context) {
	now := time.Now()
	for _, f := range c.all() {
		f.moveCursor(now)
	}
	if err := c.cursors.save(); err != nil {
		c.options.Log.ErrorContext(ctx, "log cursors cannot be saved", "error", err)
	}
}

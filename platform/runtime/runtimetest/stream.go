package runtimetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/platform/runtime"
)

// maxFrame is how much of a line real engines put into one frame.
const maxFrame = 16 << 10

// log takes bytes that a process wrote and cuts them into frames as real engines do; nil bytes end the last line.
func (e *engine) log(c *instance, stream string, written []byte) {
	text := append(c.rest[stream], written...)
	for {
		line, after, whole := bytes.Cut(text, []byte("\n"))
		switch {
		case len(line) > maxFrame || (!whole && len(line) == maxFrame):
			e.frame(c, stream, line[:maxFrame], true)
			text = text[maxFrame:]
			continue
		case whole:
			e.frame(c, stream, line, false)
			text = after
			continue
		case written == nil && len(line) > 0:
			e.frame(c, stream, line, false)
			text = nil
		}
		break
	}
	c.rest[stream] = bytes.Clone(text)
}

func (e *engine) frame(c *instance, stream string, line []byte, partial bool) {
	c.frames = append(c.frames, runtime.LogFrame{At: e.now(), Stream: stream, Line: bytes.Clone(line), Partial: partial})
	e.wake(c)
}

// Logs streams a container's output.
func (f *Fake) Logs(ctx context.Context, id string, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
	if err := f.enter(ctx, "Logs", id); err != nil {
		return err
	}
	c, err := f.ownedLocked(id)
	f.engine.mu.Unlock()
	if err != nil {
		return err
	}
	for next := 0; ; {
		f.engine.mu.Lock()
		frames, changed, running := c.frames[next:], c.changed, c.view.Running
		down := f.engine.down
		f.engine.mu.Unlock()
		if down {
			return fmt.Errorf("logs %s: %w: the fake is down", id, runtime.ErrUnavailable)
		}
		for _, frame := range frames {
			next++
			if frame.At.Before(opts.Since) {
				continue
			}
			select {
			case <-ctx.Done():
				return nil
			default:
			}
			frame.Line = bytes.Clone(frame.Line)
			if err := yield(frame); err != nil {
				return err
			}
		}
		if !opts.Follow || !running {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Exec runs argv as the image's behaviour says.
func (f *Fake) Exec(ctx context.Context, id string, argv []string) (runtime.ExecResult, error) {
	if err := f.enter(ctx, "Exec", id); err != nil {
		return runtime.ExecResult{}, err
	}
	c, err := f.runningLocked(id)
	f.engine.mu.Unlock()
	if err != nil {
		return runtime.ExecResult{}, err
	}
	switch {
	case c.behaviour.Exec != nil:
		return c.behaviour.Exec(argv), nil
	case c.behaviour.Program != nil:
		return f.engine.execProgram(c, argv), nil
	default:
		return runtime.ExecResult{}, nil
	}
}

func (f *Fake) runningLocked(id string) (*instance, error) {
	c, err := f.ownedLocked(id)
	if err != nil {
		return nil, err
	}
	if !c.view.Running {
		return nil, fmt.Errorf("container %s: %w: not running", id, runtime.ErrRefused)
	}
	return c, nil
}

// Stats returns the behaviour's sample.
func (f *Fake) Stats(ctx context.Context, id string) (runtime.Stats, error) {
	if err := f.enter(ctx, "Stats", id); err != nil {
		return runtime.Stats{}, err
	}
	defer f.engine.mu.Unlock()
	c, err := f.runningLocked(id)
	if err != nil {
		return runtime.Stats{}, err
	}
	sample := c.behaviour.Stats
	sample.At = f.engine.now()
	if sample.MemoryLimit == 0 {
		sample.MemoryLimit = c.spec.MemoryBytes
	}
	if sample.PIDs == 0 {
		sample.PIDs = 1
	}
	if sample.MemoryBytes == 0 {
		sample.MemoryBytes = 1 << 20
	}
	return sample, nil
}

// Listening returns the behaviour's addresses and those that a Program opened.
func (f *Fake) Listening(ctx context.Context, id string) ([]string, error) {
	if err := f.enter(ctx, "Listening", id); err != nil {
		return nil, err
	}
	defer f.engine.mu.Unlock()
	c, err := f.runningLocked(id)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(slices.Values(c.listening)), nil
}

// watcher is one Watch: events wait in queue until its goroutine takes them.
type watcher struct {
	fake  *Fake
	queue []runtime.Event // guarded by the engine's mu
	ready chan struct{}   // has room for one: something is in queue
}

func (w *watcher) sees(labels map[string]string) bool { return w.fake.ours(labels) }

func (w *watcher) send(event runtime.Event) {
	w.queue = append(w.queue, event)
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Watch sends what happens to our containers until ctx ends, EventResync first. What happens while the engine is down
// is missed, as it would be.
func (f *Fake) Watch(ctx context.Context, yield func(runtime.Event)) error {
	w := &watcher{fake: f, ready: make(chan struct{}, 1)}
	f.engine.mu.Lock()
	f.engine.calls["Watch"]++
	f.engine.watchers[w] = struct{}{}
	if !f.engine.down {
		w.send(runtime.Event{Kind: runtime.EventResync, At: f.engine.now()})
	}
	f.engine.mu.Unlock()
	defer func() {
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		delete(f.engine.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.ready:
		}
		f.engine.mu.Lock()
		events := w.queue
		w.queue = nil
		f.engine.mu.Unlock()
		for _, event := range events {
			yield(event)
		}
	}
}

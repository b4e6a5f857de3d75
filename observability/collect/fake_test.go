package collect_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/platform/runtime"
)

// scripted is an engine whose containers say what a test tells them to.
type scripted struct {
	mu         sync.Mutex // guards the fields below
	containers map[string]*script
	changed    chan struct{} // closed and replaced at every change
	breaks     int           // how many streams broke
}

type script struct {
	container runtime.Container
	frames    []runtime.LogFrame
	breakAt   int // the stream breaks off once after that many frames; 0 for never
}

var (
	errBroken = errors.New("the connection broke")
	discard   = slog.New(slog.DiscardHandler)
)

func newEngine() *scripted {
	return &scripted{containers: make(map[string]*script), changed: make(chan struct{})}
}

func (e *scripted) changedLocked() {
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *scripted) start(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers[id] = &script{container: runtime.Container{ID: id, Running: true, CreatedAt: time.Now(), StartedAt: time.Now(), Labels: map[string]string{
		runtime.LabelManaged: "true", runtime.LabelProject: "shop", runtime.LabelEnvironment: "production", runtime.LabelService: "api",
		runtime.LabelReleaseNo: "3", runtime.LabelDeploy: "dep_1", runtime.LabelInstance: "ins_" + id, runtime.LabelRole: runtime.RoleInstance,
	}}}
	e.changedLocked()
}

// say adds frames, a millisecond apart, on stdout.
func (e *scripted) say(id string, texts ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.containers[id]
	for _, text := range texts {
		at := time.Now().UTC()
		if n := len(s.frames); n > 0 && !s.frames[n-1].At.Before(at) {
			at = s.frames[n-1].At.Add(time.Microsecond)
		}
		s.frames = append(s.frames, runtime.LogFrame{At: at, Stream: "stdout", Line: []byte(text)})
	}
	e.changedLocked()
}

func (e *scripted) with(id string, change func(*script)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e.containers[id])
	e.changedLocked()
}

func (e *scripted) end(id string) { e.with(id, func(s *script) { s.container.Running = false }) }

func (e *scripted) remove(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.containers, id)
	e.changedLocked()
}

func (e *scripted) List(_ context.Context, match map[string]string) ([]runtime.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []runtime.Container
	for _, s := range e.containers {
		ok := true
		for k, v := range match {
			ok = ok && s.container.Labels[k] == v
		}
		if ok {
			out = append(out, s.container)
		}
	}
	return out, nil
}

func (e *scripted) Logs(ctx context.Context, id string, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
	for next := 0; ; {
		e.mu.Lock()
		s, changed := e.containers[id], e.changed
		if s == nil {
			e.mu.Unlock()
			return runtime.ErrNotFound
		}
		frames, running, breakAt := slices.Clone(s.frames[next:]), s.container.Running, s.breakAt
		e.mu.Unlock()
		for _, frame := range frames {
			next++
			if frame.At.Before(opts.Since) {
				continue
			}
			if err := yield(frame); err != nil {
				return err
			}
			if breakAt > 0 && next == breakAt {
				e.with(id, func(s *script) { s.breakAt, e.breaks = 0, e.breaks+1 })
				return errBroken
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

func (e *scripted) Watch(ctx context.Context, yield func(runtime.Event)) error {
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			yield(runtime.Event{Kind: runtime.EventStarted})
		}
	}
}

func (e *scripted) Stats(context.Context, string) (runtime.Stats, error) {
	return runtime.Stats{At: time.Now(), CPUSeconds: 1.5, MemoryBytes: 1 << 20}, nil
}

// run starts a collector and returns it with what ends it and waits.
func run(t *testing.T, options collect.Options) (*collect.Collector, func()) {
	t.Helper()
	if options.CursorDir == "" {
		options.CursorDir = t.TempDir()
	}
	c, err := collect.New(options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return c, stop
}

func messages(lines []observability.Line) []string {
	slices.SortFunc(lines, observability.Compare)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Message
	}
	return out
}

// stored waits until logs holds n lines and returns their messages in order.
func stored(t *testing.T, logs interface{ All() []observability.Line }, n int) []string {
	t.Helper()
	require.Eventually(t, func() bool { return len(logs.All()) >= n }, 10*time.Second, 5*time.Millisecond, "%d lines are stored", n)
	return messages(logs.All())
}

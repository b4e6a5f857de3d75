package worker

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// turns lets one goroutine at a time work on a key. Whoever comes meanwhile leaves word, and the holder works once
// more before it lets go: so no signal is lost and nobody waits.
type turns struct {
	mu   sync.Mutex
	held map[string]bool // key is there while held; true when somebody left word
}

func newTurns() *turns { return &turns{held: map[string]bool{}} }

// take runs fn while holding key and returns true; when the key is held it leaves word and returns false.
func (t *turns) take(key string, fn func()) bool {
	t.mu.Lock()
	if _, held := t.held[key]; held {
		t.held[key] = true
		t.mu.Unlock()
		return false
	}
	t.held[key] = false
	t.mu.Unlock()
	for again := true; again; {
		again = t.once(key, fn)
	}
	return true
}

// once runs fn and reports whether somebody left word meanwhile. The key is let go of even when fn panics.
func (t *turns) once(key string, fn func()) (again bool) {
	finished := false
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		again = t.held[key] && finished
		if again {
			t.held[key] = false
			return
		}
		delete(t.held, key)
	}()
	fn()
	finished = true
	return again
}

// locks are mutexes by slot that can be waited for with a context.
type locks struct {
	mu   sync.Mutex
	held map[platform.SlotID]chan struct{}
}

func newLocks() *locks { return &locks{held: map[platform.SlotID]chan struct{}{}} }

// acquire waits for the slot's lock and returns what lets go of it.
func (l *locks) acquire(ctx context.Context, id platform.SlotID) (release func(), err error) {
	l.mu.Lock()
	c, ok := l.held[id]
	if !ok {
		c = make(chan struct{}, 1)
		l.held[id] = c
	}
	l.mu.Unlock()
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// timers hold one pending look per key; an earlier time replaces a later one.
type timers struct {
	mu      sync.Mutex
	pending map[string]pendingLook
	stopped bool
}

type pendingLook struct {
	at    time.Time
	timer *time.Timer
}

func newTimers() *timers { return &timers{pending: map[string]pendingLook{}} }

// after runs fn once after d, unless an earlier look at the key is pending.
func (t *timers) after(key string, d time.Duration, fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now().Add(d)
	if p, ok := t.pending[key]; ok {
		if !p.at.After(at) {
			return
		}
		p.timer.Stop()
	}
	if t.stopped {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		t.mu.Lock()
		if p, ok := t.pending[key]; ok && p.timer == timer {
			delete(t.pending, key)
		}
		stopped := t.stopped
		t.mu.Unlock()
		if !stopped {
			fn()
		}
	})
	t.pending[key] = pendingLook{at: at, timer: timer}
}

func (t *timers) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, p := range t.pending {
		p.timer.Stop()
	}
}

package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// Cadence of probes while an instance starts, and what is kept of them.
const (
	firstProbe     = 10 * time.Millisecond
	slowestProbe   = 250 * time.Millisecond
	transcriptSize = 50
	keptAfterDeath = 200 // transcripts of instances that are gone
	askListening   = 2 * time.Second
)

// health is what the probes of an instance say now.
type health struct {
	known     bool // it is or was probed
	ready     bool
	everReady bool
	readyAt   time.Time
	lastWords string // of the last failing probe
}

// prober asks every running instance whether it is well: often while it starts, at the interval of its check once it
// is ready. One goroutine owns the checks of one instance; others read snapshots.
type prober struct {
	checker *checker
	log     *slog.Logger
	changed func(target) // called when an instance becomes ready or unhealthy

	goes sync.WaitGroup
	mu   sync.Mutex // guards the fields below
	ctx  context.Context
	live map[platform.InstanceID]*watched
	gone []platform.InstanceID // whose transcripts are kept, oldest first
	past map[platform.InstanceID]*watched
}

// watched is one instance with its transcript.
type watched struct {
	target target
	cancel context.CancelFunc

	mu         sync.Mutex // guards the fields below
	health     health
	failures   int // in a row
	transcript []platform.Probe
}

func newProber(engine runtime.Runtime, log *slog.Logger, changed func(target)) *prober {
	return &prober{
		checker: newChecker(engine), log: log, changed: changed,
		live: map[platform.InstanceID]*watched{}, past: map[platform.InstanceID]*watched{},
	}
}

// start gives the prober the context in which its goroutines live.
func (p *prober) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx = ctx
}

func (p *prober) wait() { p.goes.Wait() }

// watch begins to probe an instance; one that is probed already at the same address is left as it is.
func (p *prober) watch(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || p.ctx.Err() != nil {
		return
	}
	if w, ok := p.live[t.instance]; ok {
		if w.target.address == t.address && w.target.container == t.container {
			return
		}
		w.cancel()
	}
	ctx, cancel := context.WithCancel(p.ctx)
	w := &watched{target: t, cancel: cancel, health: health{known: true, ready: t.wasReady, everReady: t.wasReady}}
	p.live[t.instance] = w
	p.goes.Add(1)
	go func() {
		defer p.goes.Done()
		p.follow(ctx, w)
	}()
}

// forget stops probing an instance and keeps its transcript.
func (p *prober) forget(id platform.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.live[id]
	if !ok {
		return
	}
	w.cancel()
	delete(p.live, id)
	p.past[id] = w
	p.gone = append(p.gone, id)
	if len(p.gone) > keptAfterDeath {
		delete(p.past, p.gone[0])
		p.gone = p.gone[1:]
	}
}

// health is the present state of an instance; the zero value when it was never probed.
func (p *prober) health(id platform.InstanceID) health {
	w := p.find(id)
	if w == nil {
		return health{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

// Probes returns the last checks of an instance, oldest first.
func (p *prober) Probes(id platform.InstanceID) []platform.Probe {
	w := p.find(id)
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]platform.Probe(nil), w.transcript...)
}

func (p *prober) find(id platform.InstanceID) *watched {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.live[id]; ok {
		return w
	}
	return p.past[id]
}

// awaitFirst returns when every instance that was not known to be ready has been asked once, or after limit.
func (p *prober) awaitFirst(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for p.unasked() && pause(ctx, firstProbe) {
	}
}

func (p *prober) unasked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.live {
		w.mu.Lock()
		unasked := len(w.transcript) == 0 && !w.health.everReady
		w.mu.Unlock()
		if unasked {
			return true
		}
	}
	return false
}

// follow probes one instance until ctx ends.
func (p *prober) follow(ctx context.Context, w *watched) {
	began := time.Now()
	timer := time.NewTimer(firstProbe)
	defer timer.Stop()
	every := firstProbe
	var askedAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		at := time.Now()
		status, err := p.checker.probe(ctx, w.target)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRefused) && time.Since(began) > askListening && time.Since(askedAt) > askListening {
			askedAt = time.Now()
			if words := p.checker.listening(ctx, w.target); words != "" {
				err = &wordsError{words}
			}
		} else if errors.Is(err, errRefused) {
			err = w.keepWords(err)
		}
		if w.note(at, status, err) {
			p.changed(w.target)
		}
		every = w.next(every)
		timer.Reset(every)
	}
}

// wordsError is a failed probe in the words found by looking at what the process does listen on.
type wordsError struct{ words string }

func (e *wordsError) Error() string { return e.words }

// keepWords prefers what was found out about a refused connection over the bare refusal.
func (w *watched) keepWords(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.health.lastWords) > len("nothing listens") && w.health.lastWords[:len("nothing listens")] == "nothing listens" {
		return &wordsError{w.health.lastWords}
	}
	return err
}

// note records a probe and reports whether the instance changed between ready and not.
func (w *watched) note(at time.Time, status int, err error) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	probe := platform.Probe{InstanceID: w.target.instance, At: at.UTC(), OK: err == nil, Took: time.Since(at), Status: status}
	before := w.health.ready
	if err == nil {
		w.failures = 0
		w.health.ready = true
		if !w.health.everReady {
			w.health.everReady, w.health.readyAt = true, time.Now()
		}
	} else {
		probe.Error = err.Error()
		w.health.lastWords = probe.Error
		w.failures++
		if w.failures >= w.allowed() {
			w.health.ready = false
		}
	}
	w.transcript = append(w.transcript, probe)
	if len(w.transcript) > transcriptSize {
		w.transcript = w.transcript[1:]
	}
	return before != w.health.ready
}

// allowed is how many failures in a row make a ready instance unhealthy.
func (w *watched) allowed() int {
	if w.target.check.Failures > 0 {
		return w.target.check.Failures
	}
	return platform.DefaultHealthFailures
}

// next is the pause before the next probe: growing while the instance starts, the check's interval once it is ready,
// and short again while a ready one fails, so that the loss is known soon.
func (w *watched) next(last time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.health.everReady {
		return min(last*3/2, slowestProbe)
	}
	interval := w.target.check.Interval.D()
	if interval <= 0 {
		interval = platform.DefaultHealthInterval.D()
	}
	if w.failures > 0 && w.health.ready {
		return min(interval, time.Second)
	}
	return interval
}

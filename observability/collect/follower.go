package collect

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform/runtime"
)

const (
	batchLines = 1024 // stored at once
	heldLines  = 4096 // of one container in memory; then reading waits for the store, and the engine keeps the rest
	// disorder is how far the times of two streams of one container may be out of order in the engine's log.
	disorder = 5 * time.Second
	// longestTrace bounds how long before a place a record may begin that holds the place.
	longestTrace = 2 * time.Minute
	lastFlush    = 5 * time.Second
)

// follower reads one container to its end. run owns it; sweep and moveCursor come from the collector's tickers.
type follower struct {
	c       *Collector
	id      string
	base    observability.Line
	drained chan struct{} // closed when everything was read, stored and kept safe

	storing sync.Mutex // held while a batch is on its way, so that batches stay in order

	mu          sync.Mutex // guards the fields below
	container   runtime.Container
	redact      parse.Redact // set by begin
	streams     map[string]*stream
	pending     []observability.Line // finished, not stored
	fresh       int                  // the last of pending that the hub has not seen
	readTo      time.Time            // newest engine time handled
	heard       time.Time            // when the last frame came
	retryAt     time.Time            // when the store may be asked again
	wait        *backoff
	reached     place // everything before it is stored
	checkpoints []checkpoint
	finished    bool // all was read and stored
}

// stream is stdout or stderr of a container.
type stream struct {
	joiner  *parse.Joiner
	bit     uint64 // tells the streams' lines of one time apart in Seq
	at      place  // of the frame that was read last: its time and its number among frames of that time
	handled place  // the furthest frame given to the joiner
	stored  cover  // what the store had when the follower began
}

// checkpoint says what was stored at a time by the clock of this process.
type checkpoint struct {
	when time.Time
	to   time.Time
}

func newFollower(c *Collector, container runtime.Container) *follower {
	release, _ := strconv.Atoi(container.Labels[runtime.LabelReleaseNo])
	source := observability.SourceRuntime
	switch container.Labels[runtime.LabelRole] {
	case runtime.RolePreDeploy:
		source = observability.SourcePreDeploy
	case runtime.RoleSystem:
		source = observability.SourceSystem
	}
	return &follower{
		c: c, id: container.ID, container: container, drained: make(chan struct{}), wait: newBackoff(),
		streams: make(map[string]*stream),
		base: observability.Line{
			Project: container.Labels[runtime.LabelProject], Environment: container.Labels[runtime.LabelEnvironment],
			Service: container.Labels[runtime.LabelService], Deploy: container.Labels[runtime.LabelDeploy],
			Instance: container.Labels[runtime.LabelInstance], Release: release, Source: source,
		},
	}
}

func (f *follower) isDrained() bool {
	select {
	case <-f.drained:
		return true
	default:
		return false
	}
}

func (f *follower) setContainer(container runtime.Container) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.container = container
}

// run reads the container until it ended and all of it is stored, or ctx ends.
func (f *follower) run(ctx context.Context) {
	defer f.leave(ctx)
	for wait := newBackoff(); ctx.Err() == nil; wait.sleep(ctx) {
		if err := f.begin(ctx); err != nil {
			f.c.options.Log.WarnContext(ctx, "a container cannot be followed yet", "instance", f.base.Instance, "error", err)
			continue
		}
		break
	}
	for wait := newBackoff(); ctx.Err() == nil; wait.sleep(ctx) {
		before := f.position()
		err := f.read(ctx, true)
		if f.position() != before {
			wait.reset()
		}
		if errors.Is(err, runtime.ErrNotFound) || err == nil && f.hasEnded(ctx) {
			f.finish(ctx)
			return
		}
		if err != nil && ctx.Err() == nil {
			f.c.options.Log.WarnContext(ctx, "the output of a container broke off", "instance", f.base.Instance, "error", err)
		}
	}
}

// errNoRedactor holds a container's output back in the engine until its secrets can be taken out.
var errNoRedactor = errors.New("the secrets of its project cannot be read")

// begin finds where the run before left off, and what of the rest is stored already.
func (f *follower) begin(ctx context.Context) error {
	redact := f.c.options.Redactor(f.base.Project)
	if redact == nil {
		return errNoRedactor
	}
	since := f.c.cursors.get(f.id).At
	stored, err := f.storedBefore(ctx, since)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.redact, f.readTo, f.reached = redact, since, place{at: since}
	for bit, name := range []string{"stdout", "stderr"} {
		base := f.base
		base.Stream = name
		f.streams[name] = &stream{
			bit: uint64(bit), stored: stored[name],
			joiner: parse.NewJoiner(base, redact, func(l observability.Line) { f.pending = append(f.pending, l) }),
		}
	}
	return nil
}

// storedBefore returns what of the container's output from since on is stored already. Only where nothing else knows, the
// store is asked, and then following waits for its answer.
func (f *follower) storedBefore(ctx context.Context, since time.Time) (map[string]cover, error) {
	if book, ok := f.c.options.Logs.(ledger); ok {
		f.mu.Lock()
		created := f.container.CreatedAt
		f.mu.Unlock()
		if stored, known := appendedParts(book, f.base, since, created); known {
			return stored, nil
		}
	}
	return storedParts(ctx, f.c.options.Logs, f.base, since)
}

func (f *follower) position() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readTo
}

// read reads on from where the follower is. What was handled already is passed over.
func (f *follower) read(ctx context.Context, follow bool) error {
	f.mu.Lock()
	since := f.readTo
	if !since.IsZero() {
		since = since.Add(-disorder)
	}
	for _, s := range f.streams {
		s.at = place{}
	}
	f.mu.Unlock()
	return f.c.source(f.id)(ctx, runtime.LogOptions{Since: since, Follow: follow}, func(frame runtime.LogFrame) error {
		return f.take(ctx, frame)
	})
}

// take handles one frame. While the store refuses lines and enough of them wait, it holds up the engine's stream.
func (f *follower) take(ctx context.Context, frame runtime.LogFrame) error {
	f.mu.Lock()
	f.handleLocked(frame)
	full := len(f.pending) >= heldLines || len(f.pending) >= batchLines && (f.retryAt.IsZero() || time.Now().After(f.retryAt))
	f.mu.Unlock()
	if !full {
		return nil
	}
	for wait := newBackoff(); ; wait.sleep(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.store(ctx)
		f.mu.Lock()
		room := len(f.pending) < heldLines
		f.mu.Unlock()
		if room {
			return nil
		}
	}
}

func (f *follower) handleLocked(frame runtime.LogFrame) {
	s := f.streams[frame.Stream]
	if s == nil {
		s = f.streams["stdout"]
	}
	at := place{at: frame.At, number: s.bit}
	if s.at.at.Equal(frame.At) {
		at.number = s.at.number + 2
	}
	s.at = at
	if !s.handled.before(at) {
		return // read before the stream broke off
	}
	s.handled = at
	if frame.At.After(f.readTo) {
		f.readTo = frame.At
	}
	if s.stored.holds(at) {
		return // stored by a run before
	}
	f.heard = time.Now()
	s.joiner.Add(parse.Part{At: frame.At, Seq: at.number, Text: frame.Line, Partial: frame.Partial})
	f.publishLocked()
}

// publishLocked hands lines to live readers before they are stored.
func (f *follower) publishLocked() {
	if f.fresh < len(f.pending) {
		f.c.options.Hub.Publish(f.pending[f.fresh:])
		f.fresh = len(f.pending)
	}
}

// sweep ends traces that nothing goes on with, and stores what waits.
func (f *follower) sweep(ctx context.Context) {
	f.mu.Lock()
	if time.Since(f.heard) > f.c.options.TraceIdle {
		for _, s := range f.streams {
			s.joiner.FlushTrace()
		}
		f.publishLocked()
	}
	due := time.Now().After(f.retryAt)
	f.mu.Unlock()
	if due {
		f.store(ctx)
	}
}

// store hands pending lines to the store. What the store refuses stays pending. It returns whether nothing waits.
func (f *follower) store(ctx context.Context) (empty bool) {
	f.storing.Lock()
	defer f.storing.Unlock()
	f.mu.Lock()
	f.publishLocked()
	batch, reached := f.pending[:len(f.pending):len(f.pending)], f.reachedLocked()
	f.mu.Unlock()
	var err error
	if len(batch) > 0 {
		err = observability.AppendNormal(ctx, f.c.options.Logs, batch)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			f.c.options.Log.WarnContext(ctx, "the log store refuses lines", "instance", f.base.Instance, "lines", len(batch), "error", err)
		}
		f.retryAt = time.Now().Add(f.wait.next)
		f.wait.next = min(2*f.wait.next, longWait)
		return false
	}
	f.wait.reset()
	f.retryAt = time.Time{}
	rest := copy(f.pending, f.pending[len(batch):])
	clear(f.pending[rest:])
	f.pending = f.pending[:rest]
	f.fresh = max(0, f.fresh-len(batch))
	f.reached = reached
	return len(f.pending) == 0
}

// reachedLocked returns the place before which everything is in finished lines.
func (f *follower) reachedLocked() place {
	to := f.readTo
	for _, s := range f.streams {
		if since, waiting := s.joiner.Pending(); waiting && since.Before(to) {
			to = since
		}
	}
	return place{at: to}
}

// hasEnded asks the engine whether the container is gone or its process ended; a stream may end for other reasons.
func (f *follower) hasEnded(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	match := maps.Clone(f.c.options.Match)
	match[runtime.LabelInstance] = f.base.Instance
	containers, err := f.c.options.Engine.List(ctx, match)
	if err != nil {
		return false
	}
	for _, container := range containers {
		if container.ID == f.id {
			f.setContainer(container)
			return !container.Running
		}
	}
	return true
}

// finish reads what came between the end of the stream and the end of the process, stores all, and keeps a copy of
// what the store might lose in a crash; then the container may go.
func (f *follower) finish(ctx context.Context) {
	for wait := newBackoff(); ctx.Err() == nil; wait.sleep(ctx) {
		if err := f.read(ctx, false); err == nil || errors.Is(err, runtime.ErrNotFound) {
			break
		}
	}
	f.mu.Lock()
	for _, s := range f.streams {
		s.joiner.Flush()
	}
	f.mu.Unlock()
	for wait := newBackoff(); ctx.Err() == nil && !f.store(ctx); wait.sleep(ctx) {
	}
	if ctx.Err() != nil {
		return
	}
	f.spool(ctx)
	f.mu.Lock()
	f.finished = true
	f.mu.Unlock()
	close(f.drained)
}

// leave stores what the follower holds when ctx ended. An unfinished line stays in the engine; it is read again.
func (f *follower) leave(ctx context.Context) {
	if f.isDrained() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	f.mu.Lock()
	for _, s := range f.streams {
		s.joiner.FlushTrace()
	}
	f.mu.Unlock()
	f.store(ctx)
}

// moveCursor notes what is stored now, and moves the cursor to what has been stored long enough to be durable.
func (f *follower) moveCursor(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := len(f.checkpoints) - 1; !f.reached.at.IsZero() && (last < 0 || f.checkpoints[last].to.Before(f.reached.at)) {
		f.checkpoints = append(f.checkpoints, checkpoint{when: now, to: f.reached.at})
	}
	durable := 0
	for durable < len(f.checkpoints) && now.Sub(f.checkpoints[durable].when) >= f.c.options.DurableAfter {
		durable++
	}
	if durable > 0 {
		f.c.cursors.move(f.id, f.checkpoints[durable-1].to)
		f.checkpoints = f.checkpoints[durable:]
	}
	if f.finished && len(f.checkpoints) == 0 {
		f.c.cursors.done(f.id)
	}
}

package loki

import (
	"cmp"
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// batch is what is pushed at once: lines of one stream, of any number of callers, all of whom wait for its end.
//
// One stream and not more: a server answers a push of several streams by what became of the last of them, so that lines
// of another one could be refused without a word (Loki v3.7.8; TestServer_HidesWhatItRefusesOfTheFirstOfTwoStreams).
type batch struct {
	stream string
	lines  []observability.Line // normal
	bytes  int
	full   chan struct{}   // closed when it takes no more
	before <-chan struct{} // done when the batch before, of the same stream, is; nil without one
	done   chan struct{}   // closed when err says what became of it

	life    context.Context // ends when nobody waits any more
	abandon context.CancelFunc
	waiting int // callers; guarded by Logs.mu

	err error // to be read once done is closed
}

// manyLines is how many lines of one Append go at once: who brings so many has gathered them, and waits for them.
const manyLines = 1000

// lineBytes is what a line adds to a batch besides its text.
const lineBytes = 64

// Append stores lines, and returns nil once the server took them or said that it never will: what it refuses for good
// (too old, too far in the future, out of order, too large) is counted in Stats and logged. Any other refusal is tried
// again for RetryFor; then Append returns an unavailable or exhausted error, and some of the lines may be stored.
func (l *Logs) Append(ctx context.Context, lines []observability.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range lines {
		if lines[i].At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A log line has no time.").WithHint("Set At on every line.").WithField("at")
		}
	}
	joined, err := l.join(lines)
	if err != nil {
		return err
	}
	defer l.leave(joined)
	var failed error // the first: all batches of one Append fail for one reason
	for _, b := range joined {
		select {
		case <-b.done:
			failed = cmp.Or(failed, b.err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}

// join adds lines to the open batches of their streams, and returns these.
func (l *Logs) join(lines []observability.Line) ([]*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, platform.Errorf(platform.CodeUnavailable, "The log store is closed.").WithHint("Try again once the server runs.")
	}
	var joined []*batch
	in := make(map[*batch]bool)
	for i := range lines {
		line := lines[i].Normal()
		b := l.openLocked(l.streams.of(&line))
		b.lines = append(b.lines, line)
		b.bytes += sizeOf(&line)
		if !in[b] {
			in[b] = true
			b.waiting++
			joined = append(joined, b)
		}
		if b.bytes >= l.options.BatchBytes {
			l.sealLocked(b)
		}
	}
	if len(lines) >= manyLines {
		for _, b := range joined {
			l.sealLocked(b)
		}
	}
	return joined, nil
}

func sizeOf(line *observability.Line) int {
	n := lineBytes + len(line.Message) + len(line.Raw) + len(line.Deploy) + len(line.Instance)
	for name, value := range line.Fields {
		n += len(name) + len(value)
	}
	return n
}

// openLocked returns the batch of a stream that takes lines, a new one where there is none.
func (l *Logs) openLocked(stream string) *batch {
	if b := l.open[stream]; b != nil {
		return b
	}
	b := &batch{stream: stream, full: make(chan struct{}), done: make(chan struct{}), before: l.last[stream]}
	b.life, b.abandon = context.WithCancel(l.life)
	l.open[stream] = b
	l.last[stream] = b.done
	l.sender.Go(func() { l.carry(b) })
	return b
}

// sealLocked lets a batch take no more lines.
func (l *Logs) sealLocked(b *batch) {
	if l.open[b.stream] == b {
		delete(l.open, b.stream)
		close(b.full)
	}
}

// leave ends the wait of one caller. A batch that nobody waits for is not tried again.
func (l *Logs) leave(joined []*batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range joined {
		if b.waiting--; b.waiting == 0 {
			l.sealLocked(b)
			b.abandon()
		}
	}
}

// carry waits until a batch is full or old, and until the one before it is through, and pushes it.
func (l *Logs) carry(b *batch) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sealLocked(b)
		if l.last[b.stream] == (<-chan struct{})(b.done) {
			delete(l.last, b.stream)
		}
		b.abandon()
		close(b.done)
	}()
	age := time.NewTimer(l.options.BatchWait)
	defer age.Stop()
	select {
	case <-b.full:
	case <-age.C:
	}
	// Lines that come while the batch waits for its turn still join it.
	if b.before != nil {
		<-b.before
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-b.life.Done():
		b.err = b.life.Err()
		return
	}
	l.mu.Lock()
	l.sealLocked(b)
	l.mu.Unlock()
	b.err = l.push(b)
}

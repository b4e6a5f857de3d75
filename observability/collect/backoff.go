package collect

import (
	"context"
	"time"
)

// backoff waits longer after each failure in a row, from 50 ms to 5 s.
type backoff struct{ next time.Duration }

const (
	firstWait = 50 * time.Millisecond
	longWait  = 5 * time.Second
)

func newBackoff() *backoff { return &backoff{next: firstWait} }

func (b *backoff) reset() { b.next = firstWait }

// sleep waits, or returns early when ctx ends.
func (b *backoff) sleep(ctx context.Context) {
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	b.next = min(2*b.next, longWait)
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

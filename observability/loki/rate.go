package loki

import (
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// rate bounds how many bytes of lines each project pushes in a second. A project may save up burst seconds of its rate, and
// what is left may be overdrawn by one push, so that a push of any size that is taken at all is taken sooner or later.
type rate struct {
	perSecond float64

	mu   *sync.Mutex // guards the field below
	left map[string]saved
}

// saved is what a project had left at a time.
type saved struct {
	bytes float64
	at    time.Time
}

const burst = 5 // seconds

func newRate(perSecond int64) rate {
	return rate{perSecond: float64(perSecond), mu: new(sync.Mutex), left: map[string]saved{}}
}

// rateError says that a project pushes too much, and when it may go on.
type rateError struct {
	err  *platform.Error
	wait time.Duration
}

// Error returns what was refused.
func (r *rateError) Error() string { return r.err.Error() }

// Unwrap returns the exhausted error.
func (r *rateError) Unwrap() error { return r.err }

// take counts lines of one push against their projects. When one of these has nothing left no project is charged, and the
// error is exhausted.
func (r *rate) take(lines []observability.Line, now time.Time) error {
	sizes := map[string]int{}
	for i := range lines {
		sizes[lines[i].Project] += bytesOf(&lines[i])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for project, bytes := range sizes {
		if left := r.leftLocked(project, now); left <= 0 {
			wait := time.Duration((1 - left) / r.perSecond * float64(time.Second))
			return &rateError{platform.Errorf(platform.CodeExhausted,
				"Ingestion rate limit exceeded for %s (limit: %.0f bytes/sec) while attempting to ingest %d lines totaling %d bytes.", project, r.perSecond, len(lines), bytes).
				WithHint("Nothing of the push was kept. Send it again later, and less in a second."), wait}
		}
	}
	for project, bytes := range sizes {
		r.left[project] = saved{r.leftLocked(project, now) - float64(bytes), now}
	}
	return nil
}

func (r *rate) leftLocked(project string, now time.Time) float64 {
	full := burst * r.perSecond
	was, known := r.left[project]
	if !known {
		return full
	}
	return min(full, was.bytes+now.Sub(was.at).Seconds()*r.perSecond)
}

// bytesOf is what a line counts for: its text and its fields.
func bytesOf(l *observability.Line) int {
	n := len(l.Message)
	for name, value := range l.Fields {
		n += len(name) + len(value)
	}
	return n
}

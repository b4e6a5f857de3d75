package observability

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// PrepareCount is Prepare for a count: it also checks the step, and leaves cursor, limit and direction out.
func (q LogQuery) PrepareCount(now time.Time, step time.Duration) (Search, error) {
	q.Cursor, q.Limit, q.Backward = "", 0, false
	s, err := q.Prepare(now)
	if err != nil {
		return Search{}, err
	}
	refuse := func(field, message, hint string) (Search, error) {
		return Search{}, platform.Errorf(platform.CodeInvalid, "%s", message).WithHint("%s", hint).WithField(field)
	}
	switch {
	case s.From.IsZero():
		return refuse("from", "A count needs the beginning of its range.", "Give from, for example 1h ago.")
	case !s.From.Before(s.To):
		return refuse("from", "The range begins in the future, at "+s.From.UTC().Format(time.RFC3339Nano)+".", "Give a beginning that is before now.")
	case step < MinLogStep || step%time.Millisecond != 0:
		return refuse("step", "The step "+step.String()+" is too fine.", "Use whole milliseconds, at least "+MinLogStep.String()+".")
	}
	if n := steps(s.From, s.To, step); n > MaxLogSteps {
		return refuse("step", "The range holds "+strconv.FormatInt(n, 10)+" steps of "+step.String()+"; the limit is "+strconv.Itoa(MaxLogSteps)+".",
			"Use a longer step or a shorter range.")
	}
	return s, nil
}

// steps is how many steps a range touches. Ranges longer than a Duration can say count as the longest.
func steps(from, to time.Time, step time.Duration) int64 {
	return int64(to.Add(-1).Sub(StepOf(from, step))/step) + 1
}

// StepOf returns the beginning of the step that a moment falls into.
func StepOf(at time.Time, step time.Duration) time.Time {
	since := at.Sub(time.Unix(0, 0)) % step
	if since < 0 {
		since += step
	}
	return at.Add(-since).UTC()
}

// Tally sums lines by step and level. It is not safe for concurrent use.
type Tally struct {
	step  time.Duration
	lines map[countKey]int64
}

type countKey struct {
	at    int64 // nanoseconds
	level Level
}

// NewTally returns a tally of that step.
func NewTally(step time.Duration) *Tally {
	return &Tally{step: step, lines: map[countKey]int64{}}
}

// Add counts n lines of a level at a moment.
func (c *Tally) Add(at time.Time, level Level, n int64) {
	c.lines[countKey{StepOf(at, c.step).UnixNano(), level}] += n
}

// Counts returns what was counted, in the order of the contract.
func (c *Tally) Counts() []LogCount {
	counts := make([]LogCount, 0, len(c.lines))
	for k, n := range c.lines {
		counts = append(counts, LogCount{At: time.Unix(0, k.at).UTC(), Level: k.level, Lines: n})
	}
	slices.SortFunc(counts, func(a, b LogCount) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(slices.Index(Levels, a.Level), slices.Index(Levels, b.Level)), cmp.Compare(a.Level, b.Level))
	})
	return counts
}

// Overdue says that ctx ended before a log query was done.
func Overdue(ctx context.Context) error {
	return platform.Errorf(platform.CodeUnavailable, "The log query was ended before it was done: %s.", context.Cause(ctx)).
		WithHint("Ask for a shorter range, or name a service, an instance or a level, so that less has to be read.")
}

// Package observabilitytest holds what every store of logs, metrics and spans must do, as suites that its tests run, and a
// small store in memory for tests of others.
//
// It owns ExerciseLogs, ExerciseMetrics, ExerciseSpans and MemoryLogs. No production package imports it.
package observabilitytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// MemoryLogs is a store of lines in memory that passes ExerciseLogs. The zero value is ready.
type MemoryLogs struct {
	mu    sync.Mutex // guards the fields below
	lines []observability.Line
	fail  error
}

var _ observability.Logs = (*MemoryLogs)(nil)

// Fail makes every Append return err until it is called with nil.
func (m *MemoryLogs) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Append stores lines.
func (m *MemoryLogs) Append(ctx context.Context, lines []observability.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for i := range lines {
		if lines[i].At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A log line has no time.").WithHint("Set At on every line.").WithField("at")
		}
	}
	for i := range lines {
		m.lines = append(m.lines, lines[i].Normal())
	}
	return nil
}

// Query returns one page.
func (m *MemoryLogs) Query(_ context.Context, q observability.LogQuery) (observability.LogPage, error) {
	search, err := q.Prepare(time.Now())
	if err != nil {
		return observability.LogPage{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	pager := observability.NewPager(&search)
	for i := range m.lines {
		if search.Match(&m.lines[i]) {
			pager.Add(m.lines[i])
		}
	}
	return pager.Page(), nil
}

// Count counts lines by step and level.
func (m *MemoryLogs) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	search, err := q.PrepareCount(time.Now(), step)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, observability.Overdue(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	counter := observability.NewTally(step)
	for i := range m.lines {
		if search.Match(&m.lines[i]) {
			counter.Add(m.lines[i].At, m.lines[i].Level, 1)
		}
	}
	return counter.Counts(), nil
}

// All returns every stored line in the order it was appended.
func (m *MemoryLogs) All() []observability.Line {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lines)
}

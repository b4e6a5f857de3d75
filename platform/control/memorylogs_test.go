package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// memoryLogs is a log store that keeps lines in order and knows From, Limit and Backward.
type memoryLogs struct {
	mu    sync.Mutex // guards lines
	lines []observability.Line
}

func (m *memoryLogs) add(l observability.Line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, l)
}

func (m *memoryLogs) Query(_ context.Context, q observability.LogQuery) (observability.LogPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page observability.LogPage
	for _, l := range m.lines {
		if !l.At.Before(q.From) {
			page.Lines = append(page.Lines, l)
		}
	}
	if q.Backward {
		slices.Reverse(page.Lines)
	}
	if q.Limit > 0 && len(page.Lines) > q.Limit {
		page.Lines = page.Lines[:q.Limit]
	}
	return page, nil
}

func (m *memoryLogs) Count(context.Context, observability.LogQuery, time.Duration) ([]observability.LogCount, error) {
	return nil, nil
}

package embedded

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
)

// Count counts lines by step and level. Where the library's filters mean exactly what ours mean it counts without
// reading the lines; else each line is looked at.
func (l *Logs) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	search, err := q.PrepareCount(l.options.now(), step)
	if err != nil {
		return nil, err
	}
	counter := observability.NewTally(step)
	err = l.count(ctx, &search, step, counter)
	return counter.Counts(), err
}

func (l *Logs) count(ctx context.Context, search *observability.Search, step time.Duration, counter *observability.Tally) error {
	release, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer release()
	now := l.options.now()
	window := clamp(search, now.Add(-l.options.Retention-48*time.Hour), now.Add(72*time.Hour))
	for _, part := range l.sieves.narrow(search.Text).parts(window) {
		if exact(search) {
			err = l.stats(ctx, search, part, step, counter)
		} else {
			err = l.scan(ctx, search, part, func(at time.Time, row func() observability.Line) {
				if line := row(); search.Match(&line) {
					counter.Add(at, line.Level, 1)
				}
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exact reports whether filter narrows to exactly the lines that s.Match takes. Expressions of the library know flags of
// their own, a field that must be absent is left out of the filter, and stored text has its invalid bytes escaped.
func exact(s *observability.Search) bool {
	if s.Regex != "" {
		return false
	}
	for _, text := range []string{s.Project, s.Environment, s.Service, s.Deploy, s.Instance, s.Source, s.Text} {
		if !utf8.ValidString(text) {
			return false
		}
	}
	for name, value := range s.Fields {
		if value == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return false
		}
	}
	return true
}

// stats lets the library count.
func (l *Logs) stats(ctx context.Context, s *observability.Search, window span, step time.Duration, counter *observability.Tally) error {
	const lines = "lines"
	text := fmt.Sprintf("%s | stats by (_time:%dms, %s) count() as %s", filter(s), step.Milliseconds(), colLevel, lines)
	query, err := logstorage.ParseQueryAtTimestamp(text, window.to)
	if err != nil {
		return fmt.Errorf("build the log count: %w", err)
	}
	query.AddTimeFilter(window.from, window.to)
	var mu sync.Mutex // guards counter and wrong; blocks arrive concurrently
	var wrong error
	err = l.run(ctx, query, func(db *logstorage.DataBlock) {
		mu.Lock()
		defer mu.Unlock()
		columns := map[string][]string{}
		for _, c := range db.Columns {
			columns[c.Name] = c.Values
		}
		for i, n := range columns[lines] {
			at, errAt := time.Parse(time.RFC3339Nano, columns["_time"][i])
			count, errCount := strconv.ParseInt(n, 10, 64)
			if errAt != nil || errCount != nil {
				wrong = fmt.Errorf("read a log count of %q at %q", n, columns["_time"][i])
				return
			}
			counter.Add(at, levelAt(columns[colLevel], i), count)
		}
	})
	if err != nil {
		return err
	}
	return wrong
}

// levelAt clones the level of a row: the block's strings live no longer than the callback.
func levelAt(column []string, i int) observability.Level {
	if i >= len(column) {
		return observability.LevelUnknown
	}
	return observability.Level([]byte(column[i]))
}

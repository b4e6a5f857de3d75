package embedded

import (
	"context"
	"maps"
	"slices"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
)

// Reindex makes findable what is stored of the streams of these lines. The library writes lines and the index of their
// streams to disk at times of their own, so that a kill can keep the lines and lose the index: nothing but another row of
// a stream, on the same day, names it again. It writes one such row for each, which no query returns. It is called after a
// crash, before what is stored is compared with what was sent.
func (l *Logs) Reindex(ctx context.Context, lines []observability.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	release, err := l.use()
	if err != nil {
		return err
	}
	defer release()
	marks := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(marks)
	known := map[string]bool{}
	var r row
	for i := range lines {
		at := lines[i].At.UnixNano()
		if at < l.floor.Load() {
			continue
		}
		r.fill(&lines[i])
		key := lines[i].At.UTC().Format(dayLayout)
		for _, tag := range r.tags {
			key += "\x00" + tag.Name + "\x00" + tag.Value
		}
		if known[key] {
			continue
		}
		known[key] = true
		marks.MustAdd(logstorage.TenantID{}, at, []logstorage.Field{{Name: colMark, Value: "1"}}, r.tags)
	}
	if marks.RowsCount() == 0 {
		return nil
	}
	l.storage.MustAddRows(marks)
	l.storage.DebugFlush()
	return nil
}

// Reindex does so in the store of each project.
func (p *ProjectLogs) Reindex(ctx context.Context, lines []observability.Line) error {
	byProject := map[string][]observability.Line{}
	for i := range lines {
		byProject[lines[i].Project] = append(byProject[lines[i].Project], lines[i])
	}
	for _, project := range slices.Sorted(maps.Keys(byProject)) {
		l, err := p.store(project)
		if err != nil {
			return err
		}
		if err := l.Reindex(ctx, byProject[project]); err != nil {
			return err
		}
	}
	return nil
}

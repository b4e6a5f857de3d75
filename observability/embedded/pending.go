package embedded

import (
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
)

// pending is lines on their way to the library, which packs the lines of a stream that it is given at once into blocks
// and later merges blocks that are small: the more it is given at once, the less it has to pack again. They wait for a
// second, for a query, or until they are many.
type pending struct {
	mu    sync.Mutex          // guards the fields below
	rows  *logstorage.LogRows // nil before the first line; it keeps its memory
	bytes int                 // of those that wait
	idle  int                 // how often none waited
	row   row
	day   int64 // whose name is dayName
	name  string
}

const (
	pendingBytes = 4 << 20
	dayLength    = int64(24 * time.Hour)
)

// pend adds normal lines to those that wait, all or none.
func (l *Logs) pend(lines []observability.Line) error {
	p := &l.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes >= pendingBytes {
		if err := l.handLocked(); err != nil {
			return err
		}
	}
	for i := range lines {
		at := lines[i].At.UnixNano()
		if at < l.floor.Load() {
			continue
		}
		if p.rows == nil {
			p.rows = logstorage.GetLogRows(nil, nil, nil, nil, "")
		}
		p.row.fill(&lines[i])
		p.rows.MustAdd(logstorage.TenantID{}, at, p.row.fields, p.row.tags)
		l.sieves.add(p.dayOf(at), at, lines[i].Message)
		if p.bytes += p.row.bytes; p.bytes >= pendingBytes {
			_ = l.handLocked() // the next Append says it; these lines are taken
		}
	}
	return nil
}

// dayOf is the name of the day of a time.
func (p *pending) dayOf(at int64) string {
	if day := at / dayLength; day != p.day || p.name == "" {
		p.day, p.name = day, time.Unix(0, at).UTC().Format(dayLayout)
	}
	return p.name
}

// hand gives the lines that wait to the library.
func (l *Logs) hand() error {
	l.pending.mu.Lock()
	defer l.pending.mu.Unlock()
	return l.handLocked()
}

// restAfter is how often nothing was there to hand before the memory for it is given back.
const restAfter = 20

func (l *Logs) handLocked() error {
	p := &l.pending
	if p.rows == nil {
		return nil
	}
	if p.rows.RowsCount() == 0 {
		if p.idle++; p.idle > restAfter {
			logstorage.PutLogRows(p.rows)
			p.rows = nil
		}
		return nil
	}
	p.idle = 0
	if err := l.sieves.flush(); err != nil {
		return err
	}
	l.storage.MustAddRows(p.rows)
	p.rows.ResetKeepSettings()
	p.bytes = 0
	return nil
}

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// day is the lines of one UTC day in one store: the least that can be dropped.
type day struct {
	name  string // 20261125
	bytes int64  // on disk
}

const dayLayout = "20060102"

// end is when the day is over.
func (d day) end() time.Time {
	at, err := time.Parse(dayLayout, d.name)
	if err != nil {
		return time.Unix(1<<40, 0) // never
	}
	return at.AddDate(0, 0, 1)
}

// split says which of the days, oldest first, are kept and which are dropped: those that ended an age ago, then the
// oldest while all together are too large, but never the newest for its size.
func split(r platform.LogRetention, days []day, now time.Time) (keep, drop []day) {
	first := 0
	for r.Age > 0 && first < len(days) && !days[first].end().After(now.Add(-r.Age.D())) {
		first++
	}
	total := int64(0)
	for _, d := range days[first:] {
		total += d.bytes
	}
	for r.Bytes > 0 && total > r.Bytes && first < len(days)-1 {
		total -= days[first].bytes
		first++
	}
	return days[first:], days[:first]
}

// days returns the days that are stored, oldest first. A store that is closed has none.
func (l *Logs) days() []day {
	release, err := l.use()
	if err != nil {
		return nil
	}
	defer release()
	_ = l.hand() // lines that wait have days too; an error is the next Append's to tell
	names := l.storage.PartitionList()
	slices.Sort(names)
	out := make([]day, len(names))
	for i, name := range names {
		out[i] = day{name, sizeOfFolder(l.dayFolder(name))}
	}
	return out
}

func (l *Logs) dayFolder(name string) string { return filepath.Join(l.dir, "data", "partitions", name) }

// sizeOfFolder adds up files; those that are merged away meanwhile do not count.
func sizeOfFolder(dir string) int64 {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// droppedPrefix names folders of days on their way out. They are moved away whole before they are deleted, so that a
// kill of the process never leaves half a day where the library opens it.
const droppedPrefix = "dropped-"

// drop deletes days. Queries and appends wait meanwhile: the library takes a day out of a list that queries go through.
func (l *Logs) drop(days []day) error {
	if len(days) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if err := l.hand(); err != nil { // of those days too, which must not come back
		return fmt.Errorf("store what waits: %w", err)
	}
	for _, d := range days {
		if err := l.storage.PartitionDetach(d.name); err != nil {
			return fmt.Errorf("drop the logs of %s: %w", d.name, err)
		}
		// A line of that day that comes late would lie in a day of its own that the library's caches do not expect.
		l.floor.Store(max(l.floor.Load(), d.end().UnixNano()))
		away := filepath.Join(l.dir, droppedPrefix+d.name)
		if err := errors.Join(os.Rename(l.dayFolder(d.name), away), os.RemoveAll(away), l.sieves.drop(d.name)); err != nil {
			return fmt.Errorf("drop the logs of %s: %w", d.name, err)
		}
	}
	return nil
}

// removeDropped ends what a kill of the process left half deleted.
func removeDropped(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), droppedPrefix) {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

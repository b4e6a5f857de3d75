package embedded

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ProjectLogs is a store of lines that keeps each project in a folder of its own, so that each has its own retention:
// the library drops whole days of a whole store only, and can delete no single lines.
//
// Lines of no project, and what was stored before projects had folders, lie in one more store, the common one.
type ProjectLogs struct {
	dir     string
	options LogOptions
	common  *Logs

	mu       sync.RWMutex // guards the fields below
	projects map[string]*Logs
	limits   Retentions
	closed   bool
}

var _ observability.Logs = (*ProjectLogs)(nil)

// Retentions say what is kept. Zero fields do not restrict.
type Retentions struct {
	Age      time.Duration // of every project without its own
	Bytes    int64         // of all projects together; the oldest days of any go first
	Projects map[string]platform.LogRetention
}

// of is what holds for one project; for the common store, "", the longest age of any.
func (r Retentions) of(project string) platform.LogRetention {
	own := r.Projects[project]
	if project == "" {
		own.Age = platform.Duration(r.Age)
		for _, other := range r.Projects {
			own.Age = max(own.Age, other.Age)
		}
	}
	if own.Age == 0 {
		own.Age = platform.Duration(r.Age)
	}
	return own
}

// libraryAge is the library's own retention of a project's store: ours always ends before it.
const libraryAge = time.Duration(platform.MaxLogAge) + 48*time.Hour

// OpenProjectLogs opens the stores under dir, making the folder where it does not exist. The retention and the size of
// options hold for every project until Enforce says otherwise. The caller closes it.
func OpenProjectLogs(dir string, options LogOptions) (*ProjectLogs, error) {
	limits := Retentions{Age: options.withDefaults().Retention, Bytes: options.MaxBytes}
	if limits.Age < 24*time.Hour {
		return nil, platform.Errorf(platform.CodeInvalid, "A log retention of %s is shorter than one day.", limits.Age).
			WithHint("Keep logs for at least 24h.").WithField("retention")
	}
	options.Retention, options.MaxBytes = libraryAge, 0
	common, err := OpenLogs(dir, options)
	if err != nil {
		return nil, err
	}
	p := &ProjectLogs{dir: dir, options: options, common: common, projects: map[string]*Logs{}, limits: limits}
	entries, err := os.ReadDir(filepath.Join(dir, projectsFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("list the log folders: %w", err), common.Close())
	}
	for _, e := range entries {
		project, ok := projectOf(e.Name())
		if !ok {
			continue
		}
		if _, err := p.open(project); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// projectsFolder holds the stores of projects.
const projectsFolder = "projects"

// folderOf is the name of a project's folder: hexadecimal, since a name may hold anything.
func folderOf(project string) string { return "p" + hex.EncodeToString([]byte(project)) }

func projectOf(folder string) (string, bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(folder, "p"))
	return string(raw), err == nil && len(raw) > 0 && folderOf(string(raw)) == folder
}

// maxFolderName is the longest project whose folder has a name that file systems take; longer ones are common.
const maxFolderName = 120

// store returns the store of a project, made at its first line.
func (p *ProjectLogs) store(project string) (*Logs, error) {
	if project == "" || len(project) > maxFolderName {
		return p.common, nil
	}
	p.mu.RLock()
	l, closed := p.projects[project], p.closed
	p.mu.RUnlock()
	if l != nil || closed {
		return firstStore(l, p.common), nil
	}
	return p.open(project)
}

func firstStore(l, other *Logs) *Logs {
	if l != nil {
		return l
	}
	return other
}

func (p *ProjectLogs) open(project string) (*Logs, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.projects[project]; l != nil || p.closed {
		return firstStore(l, p.common), nil
	}
	l, err := OpenLogs(filepath.Join(p.dir, projectsFolder, folderOf(project)), p.options)
	if err != nil {
		return nil, fmt.Errorf("open the logs of %s: %w", project, err)
	}
	p.projects[strings.Clone(project)] = l // it may be a part of something large
	return l, nil
}

// Durable returns how long after Append returned a line is sure to outlive a kill of the process.
func (p *ProjectLogs) Durable() time.Duration { return p.common.Durable() }

// Visible returns how long after Append returned a line may be hidden from a query.
func (p *ProjectLogs) Visible() time.Duration { return p.common.Visible() }

// Close writes what is in memory to disk and frees the folders. Later calls of any method return an unavailable error.
func (p *ProjectLogs) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	err := p.common.Close()
	for _, l := range p.projects {
		err = errors.Join(err, l.Close())
	}
	return err
}

// Append stores lines. When one store takes none, those of other projects may be stored; lines are stored in the order
// of the projects' names.
func (p *ProjectLogs) Append(ctx context.Context, lines []observability.Line) error {
	return p.AppendNormal(ctx, observability.NormalLines(lines))
}

// AppendNormal is Append for lines that are in normal form (observability.Line.Normal).
func (p *ProjectLogs) AppendNormal(ctx context.Context, lines []observability.Line) error {
	for i := range lines {
		if lines[i].At.IsZero() { // here too, so that a bad line of one project keeps nothing of another
			return platform.Errorf(platform.CodeInvalid, "A log line has no time.").WithHint("Set At on every line.").WithField("at")
		}
	}
	if len(lines) == 0 {
		return p.common.AppendNormal(ctx, nil)
	}
	byProject := map[string][]observability.Line{lines[0].Project: lines}
	if !ofOneProject(lines) {
		clear(byProject)
		for i := range lines {
			byProject[lines[i].Project] = append(byProject[lines[i].Project], lines[i])
		}
	}
	for _, project := range slices.Sorted(maps.Keys(byProject)) {
		l, err := p.store(project)
		if err != nil {
			return err
		}
		if err := l.AppendNormal(ctx, byProject[project]); err != nil {
			return err
		}
	}
	return nil
}

func ofOneProject(lines []observability.Line) bool {
	for i := range lines {
		if lines[i].Project != lines[0].Project {
			return false
		}
	}
	return true
}

// view is a store and the oldest moment of it that may be seen.
type view struct {
	*Logs
	since time.Time
}

// views returns the stores that a query of a project may find lines in.
func (p *ProjectLogs) views(project string, now time.Time) []view {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := []view{{p.common, p.since(project, now)}}
	for _, name := range slices.Sorted(maps.Keys(p.projects)) {
		if project == "" || name == project {
			out = append(out, view{p.projects[name], p.since(name, now)})
		}
	}
	return out
}

func (p *ProjectLogs) since(project string, now time.Time) time.Time {
	if age := p.limits.of(project).Age; age > 0 {
		return now.Add(-age.D())
	}
	return time.Time{}
}

// Query returns one page. Lines beyond a project's age are not found, though their day may still be on disk.
func (p *ProjectLogs) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	now := p.options.now()
	search, err := q.Prepare(now)
	if err != nil {
		return observability.LogPage{}, err
	}
	pager := observability.NewPager(&search)
	for _, v := range p.views(q.Project, now) {
		if err := v.collect(ctx, v.clip(search), pager); err != nil {
			return observability.LogPage{}, err
		}
	}
	return pager.Page(), nil
}

// Count returns how many lines pass the filters.
func (p *ProjectLogs) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	now := p.options.now()
	search, err := q.PrepareCount(now, step)
	if err != nil {
		return nil, err
	}
	counter := observability.NewTally(step)
	for _, v := range p.views(q.Project, now) {
		if err := v.count(ctx, v.clip(search), step, counter); err != nil {
			return nil, err
		}
	}
	return counter.Counts(), nil
}

func (v view) clip(s observability.Search) *observability.Search {
	if s.From.Before(v.since) {
		s.From = v.since
	}
	return &s
}

// Kept says what is kept of a project whose own limits are given.
func (p *ProjectLogs) Kept(project string, own platform.LogRetention) platform.LogsKept {
	p.mu.RLock()
	l, limits := p.projects[project], p.limits
	p.mu.RUnlock()
	kept := platform.LogsKept{LogRetention: Retentions{Age: limits.Age, Projects: map[string]platform.LogRetention{project: own}}.of(project)}
	if l != nil {
		for _, d := range l.days() {
			kept.Stored += d.bytes
		}
	}
	return kept
}

// Enforce takes the projects' own limits and drops every day that is beyond its project's age or size, or beyond the size
// of all together, oldest first. The newest day of a project is never dropped for its size. A project that is not in own is
// gone: its store is removed once nothing of it is kept. With a nil own every store stays.
func (p *ProjectLogs) Enforce(own map[string]platform.LogRetention) error {
	now := p.options.now()
	p.mu.Lock()
	p.limits.Projects = maps.Clone(own)
	limits, stores := p.limits, map[string]*Logs{"": p.common}
	maps.Copy(stores, p.projects)
	p.mu.Unlock()
	var all []storedDay
	var errs error
	for name, l := range stores {
		left, drop := split(limits.of(name), l.days(), now)
		errs = errors.Join(errs, l.drop(drop))
		for _, d := range left[:max(0, len(left)-1)] {
			all = append(all, storedDay{d, l})
		}
	}
	return errors.Join(errs, p.enforceTotal(all, stores, limits.Bytes), p.leave(own))
}

// leave removes the stores of projects that are gone and of which nothing is kept any more.
func (p *ProjectLogs) leave(own map[string]platform.LogRetention) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs error
	for name, l := range p.projects {
		if _, exists := own[name]; exists || own == nil || p.closed || len(l.days()) > 0 {
			continue
		}
		delete(p.projects, name)
		errs = errors.Join(errs, l.Close(), os.RemoveAll(l.dir))
	}
	return errs
}

// storedDay is a day and the store that it may be dropped from.
type storedDay struct {
	day
	store *Logs
}

func (p *ProjectLogs) enforceTotal(all []storedDay, stores map[string]*Logs, limit int64) error {
	if limit == 0 {
		return nil
	}
	total := int64(0)
	for _, l := range stores {
		for _, d := range l.days() {
			total += d.bytes
		}
	}
	slices.SortFunc(all, func(a, b storedDay) int { return strings.Compare(a.name, b.name) })
	var errs error
	for _, d := range all {
		if total <= limit {
			break
		}
		errs = errors.Join(errs, d.store.drop([]day{d.day}))
		total -= d.bytes
	}
	return errs
}

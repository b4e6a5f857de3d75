// Package source keeps each project's Git repository: it receives pushes over HTTP, reads commits and makes reverts.
//
// It owns the bare repositories and every call of the git program: argv and a clean environment, never a shell. It
// must not know what a push leads to: that is the receiver it is given.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Repos is a folder of bare repositories, one for each project: <project>.git.
type Repos struct {
	dir        string
	retryEvery time.Duration // between deliveries while a push is not recorded

	mu      sync.Mutex // guards the fields below
	options Options
	locks   map[string]chan struct{}

	undelivered chan struct{} // holds one word while a push may be unrecorded
}

// Open returns the repositories under dir, which is made when missing. It fails when the host has no git. One process
// at a time owns the folder: what another left half made is removed.
func Open(dir string) (*Repos, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the repositories: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(abs, homeDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the repositories: %w", err)
	}
	for _, pattern := range []string{".new-*", ".gone-*", ".revert-*", ".push-*"} {
		left, err := filepath.Glob(filepath.Join(abs, pattern))
		if err != nil {
			return nil, fmt.Errorf("look for what a killed server left: %w", err)
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return nil, fmt.Errorf("remove what a killed server left: %w", err)
			}
		}
	}
	r := &Repos{dir: abs, retryEvery: recoverEvery, locks: map[string]chan struct{}{}, undelivered: make(chan struct{}, 1)}
	if _, err := r.git(context.Background(), "", nil, "--version"); err != nil {
		return nil, platform.Errorf(platform.CodeUnavailable, "Fairlead needs the git program, and it does not run here: %v.", err).
			WithHint("Install it (Debian and Ubuntu: apt-get install git).")
	}
	return r, nil
}

// Init makes the project's repository unless it is there. It is idempotent and leaves nothing half made.
func (r *Repos) Init(ctx context.Context, project string) error {
	if err := platform.CheckName("project", project); err != nil {
		return err
	}
	if r.exists(project) {
		return nil
	}
	unlock, err := r.lock(ctx, project)
	if err != nil {
		return err
	}
	defer unlock()
	return r.initLocked(ctx, project)
}

func (r *Repos) initLocked(ctx context.Context, project string) error {
	if r.exists(project) {
		return nil
	}
	fresh, err := os.MkdirTemp(r.dir, ".new-")
	if err != nil {
		return fmt.Errorf("make the repository of %s: %w", project, err)
	}
	defer os.RemoveAll(fresh)
	if _, err := r.git(ctx, "", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", fresh); err != nil {
		return fmt.Errorf("make the repository of %s: %w", project, err)
	}
	// These win over a .gitattributes of a commit, so that a checkout is the whole commit and nothing but it.
	info := filepath.Join(fresh, "info")
	if err := errors.Join(
		os.MkdirAll(info, 0o700),
		os.WriteFile(filepath.Join(info, "attributes"), []byte("* !export-ignore !export-subst !filter\n"), 0o600),
		os.Rename(fresh, r.path(project)),
	); err != nil {
		return fmt.Errorf("make the repository of %s: %w", project, err)
	}
	return nil
}

// Remove deletes the project's repository with everything that was pushed to it; one that is gone is no error. It waits
// for a push that is being received. A crash leaves the repository whole or gone.
func (r *Repos) Remove(ctx context.Context, project string) error {
	if err := platform.CheckName("project", project); err != nil {
		return err
	}
	unlock, err := r.lock(ctx, project)
	if err != nil {
		return err
	}
	defer unlock()
	grave, err := os.MkdirTemp(r.dir, ".gone-")
	if err != nil {
		return fmt.Errorf("remove the repository of %s: %w", project, err)
	}
	err = os.Rename(r.path(project), filepath.Join(grave, "git"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.RemoveAll(grave)); err != nil {
		return fmt.Errorf("remove the repository of %s: %w", project, err)
	}
	return nil
}

func (r *Repos) path(project string) string { return filepath.Join(r.dir, project+".git") }

func (r *Repos) exists(project string) bool {
	_, err := os.Stat(filepath.Join(r.path(project), "HEAD"))
	return err == nil
}

// repo returns the path of the project's repository, or not_found when nothing was pushed to it yet.
func (r *Repos) repo(project string) (string, error) {
	if err := platform.CheckName("project", project); err != nil {
		return "", err
	}
	if !r.exists(project) {
		return "", platform.Errorf(platform.CodeNotFound, "The project %q has no repository yet.", project).
			WithHint("Push to it first: git push http://<fairlead>/git/%s.git main", project)
	}
	return r.path(project), nil
}

// projects lists the projects that have a repository.
func (r *Repos) projects() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the repositories: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, isRepo := strings.CutSuffix(e.Name(), ".git")
		if isRepo && platform.CheckName("project", name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// lock lets one writer at a time into a repository, so that what changed since the last delivery is one push.
func (r *Repos) lock(ctx context.Context, project string) (unlock func(), err error) {
	r.mu.Lock()
	slot, ok := r.locks[project]
	if !ok {
		slot = make(chan struct{}, 1)
		r.locks[project] = slot
	}
	r.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, platform.Errorf(platform.CodeUnavailable, "Another push to %s is still being received.", project).WithHint("Push again in a moment.")
	}
}

package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// files is where a build reads from, links resolved and known to lie inside the tree.
type files struct {
	context    string // absolute
	dockerfile string // absolute
	name       string // the Dockerfile as people name it: relative to the tree
}

// place finds the context and the Dockerfile of a request and refuses what lies outside the tree.
func place(req Request) (files, error) {
	root, err := filepath.EvalSymlinks(req.Dir)
	if err != nil {
		return files{}, fmt.Errorf("find the tree to build: %w", err)
	}
	if root, err = filepath.Abs(root); err != nil {
		return files{}, fmt.Errorf("find the tree to build: %w", err)
	}
	dir, err := inside(root, req.Context, "context")
	if err != nil {
		return files{}, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return files{}, missing("context", "There is no folder %s in this commit.", req.Context).
			WithHint("Set context in fairlead.yaml to a folder of the repository, or leave it out to use its root.")
	}
	name := req.Dockerfile
	if name == "" {
		name = filepath.Join(req.Context, "Dockerfile")
	}
	name = filepath.Clean(name)
	file, err := inside(root, name, "dockerfile")
	if err != nil {
		return files{}, err
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || (err == nil && !info.Mode().IsRegular()) {
		return files{}, noDockerfile(root, name)
	}
	if err != nil {
		return files{}, fmt.Errorf("read the Dockerfile: %w", err)
	}
	return files{context: dir, dockerfile: file, name: name}, nil
}

// inside resolves a path of the tree, links included. What does not exist yet is returned as it is: the caller says so.
func inside(root, path, field string) (string, error) {
	if path == "" {
		path = "."
	}
	if !filepath.IsLocal(path) {
		return "", platform.Errorf(platform.CodeInvalid, "The path %s leads out of the repository.", path).WithField(field).
			WithHint("Set %s in fairlead.yaml to a path inside the repository, relative to its root.", field)
	}
	full := filepath.Join(root, path)
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return full, nil //nolint:nilerr // a missing file is the caller's to report, with what there is instead
	}
	if real != root && !strings.HasPrefix(real, root+string(filepath.Separator)) {
		return "", platform.Errorf(platform.CodeInvalid, "The path %s is a link that leads out of the repository.", path).WithField(field).
			WithHint("Commit the file itself in place of the link.")
	}
	return real, nil
}

func missing(field, format string, args ...any) *platform.Error {
	return platform.Errorf(platform.CodeInvalid, format, args...).WithField(field)
}

func noDockerfile(root, name string) *platform.Error {
	e := missing("dockerfile", "There is no Dockerfile at %s in this commit.", name)
	near := dockerfiles(root)
	if len(near) == 0 {
		return e.WithHint("Commit a Dockerfile at %s, or give the service an image in place of a build.", name)
	}
	return e.WithHint("The commit has %s: set dockerfile in fairlead.yaml to the one that is meant.", strings.Join(near, ", "))
}

// Bounds of the search for what was meant, so that a huge tree does not make a small mistake slow.
const (
	maxSearched = 20_000
	maxFound    = 5
	maxDepth    = 5
)

// dockerfiles are the files of the tree that look like one, nearest the root first.
func dockerfiles(root string) []string {
	var found []string
	searched := 0
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if searched++; err != nil || searched > maxSearched {
			return fs.SkipAll
		}
		relative, _ := filepath.Rel(root, path)
		if entry.IsDir() {
			skip := entry.Name() == ".git" || entry.Name() == "node_modules" || depth(relative) >= maxDepth
			if skip && path != root {
				return fs.SkipDir
			}
			return nil
		}
		lower := strings.ToLower(entry.Name())
		if strings.HasPrefix(lower, "dockerfile") || strings.HasSuffix(lower, ".dockerfile") || lower == "containerfile" {
			if !strings.HasSuffix(lower, ".dockerignore") {
				found = append(found, relative)
			}
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b string) int { return depth(a) - depth(b) })
	return found[:min(len(found), maxFound)]
}

func depth(path string) int { return strings.Count(path, string(filepath.Separator)) }

package source

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// emptyTree is the id that every Git knows for a tree with nothing in it.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// Limits of what is read.
const (
	MaxDiff  = 512 << 10 // bytes; what is cut is told in the last line
	MaxFile  = 8 << 20
	maxFiles = 2000 // changed paths of one commit
)

var (
	fullSHA   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortSHA  = regexp.MustCompile(`^[0-9a-fA-F]{4,40}$`)
	plainName = regexp.MustCompile(`^[A-Za-z0-9_./@+=,#%!&()-]{1,200}$`)
)

// Resolve returns the full SHA of the commit that rev names: a branch, a SHA or its unique beginning, or HEAD for the
// default branch. Anything else is not_found with the nearest branch, and changes nothing.
func (r *Repos) Resolve(ctx context.Context, project, rev string) (string, error) {
	repo, err := r.repo(project)
	if err != nil {
		return "", err
	}
	if rev == "HEAD" {
		return r.verify(ctx, repo, project, rev, "HEAD")
	}
	if plainName.MatchString(rev) && !strings.Contains(rev, "..") {
		sha, err := r.verify(ctx, repo, project, rev, "refs/heads/"+rev)
		if err == nil || platform.CodeOf(err) != platform.CodeNotFound {
			return sha, err
		}
	}
	if shortSHA.MatchString(rev) {
		return r.verify(ctx, repo, project, rev, rev)
	}
	return "", r.unknownRev(ctx, repo, project, rev)
}

// verify resolves an expression that was checked to be harmless.
func (r *Repos) verify(ctx context.Context, repo, project, rev, expression string) (string, error) {
	out, err := r.git(ctx, repo, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", expression+"^{commit}")
	if exited(err) {
		var said *gitError
		if errors.As(err, &said) && strings.Contains(said.stderr, "ambiguous") {
			return "", platform.Errorf(platform.CodeInvalid, "Several commits of %s begin with %s.", project, rev).WithHint("Write more of it.")
		}
		return "", r.unknownRev(ctx, repo, project, rev)
	}
	if err != nil {
		return "", fmt.Errorf("resolve a revision of %s: %w", project, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (r *Repos) unknownRev(ctx context.Context, repo, project, rev string) error {
	e := platform.Errorf(platform.CodeNotFound, "%s has no branch and no commit %q.", project, platform.Truncate(rev, 80))
	heads, err := r.refs(ctx, repo, headPrefix)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(heads))
	for _, h := range heads {
		names = append(names, h.name)
	}
	if near := platform.Nearest(rev, names); near != "" {
		return e.WithHint("Did you mean the branch %s?", near)
	}
	if len(names) == 0 {
		return e.WithHint("Nothing was pushed yet.")
	}
	return e.WithHint("Its branches are: %s.", platform.Truncate(strings.Join(names, ", "), 300))
}

// Head returns the SHA of a branch's newest commit, or not_found.
func (r *Repos) Head(ctx context.Context, project, branch string) (string, error) {
	branches, err := r.Branches(ctx, project)
	if err != nil {
		return "", err
	}
	if sha, ok := branches[branch]; ok {
		return sha, nil
	}
	return "", r.unknownRev(ctx, r.path(project), project, branch)
}

// Branches returns the SHA of each branch's newest commit.
func (r *Repos) Branches(ctx context.Context, project string) (map[string]string, error) {
	repo, err := r.repo(project)
	if err != nil {
		return nil, err
	}
	heads, err := r.refs(ctx, repo, headPrefix)
	branches := make(map[string]string, len(heads))
	for _, h := range heads {
		branches[h.name] = h.sha
	}
	return branches, err
}

// ref is one reference, its prefix cut off.
type ref struct{ name, sha string }

func (r *Repos) refs(ctx context.Context, repo, prefix string) ([]ref, error) {
	out, err := r.git(ctx, repo, nil, "for-each-ref", "--format=%(objectname) %(refname)", prefix)
	if err != nil {
		return nil, fmt.Errorf("list branches: %w", err)
	}
	var refs []ref
	for line := range strings.Lines(string(out)) {
		sha, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok {
			refs = append(refs, ref{strings.TrimPrefix(name, prefix), sha})
		}
	}
	return refs, nil
}

// Commit reads one commit with the paths it changed against its first parent. Its Branch and ProjectID are empty.
func (r *Repos) Commit(ctx context.Context, project, sha string) (platform.Commit, error) {
	repo, err := r.repo(project)
	if err != nil {
		return platform.Commit{}, err
	}
	sha, err = r.Resolve(ctx, project, sha)
	if err != nil {
		return platform.Commit{}, err
	}
	commits, err := r.log(ctx, repo, "--max-count=1", sha)
	if err != nil || len(commits) == 0 {
		return platform.Commit{}, fmt.Errorf("read commit %s of %s: %w", sha, project, err)
	}
	return commits[0], nil
}

// log reads commits in topological order, newest first.
func (r *Repos) log(ctx context.Context, repo string, args ...string) ([]platform.Commit, error) {
	const perCommit = 5
	full := append([]string{"log", "--topo-order", "--no-color", "--no-show-signature", "--no-notes", "--format=%H%x00%P%x00%an <%ae>%x00%cI%x00%B%x00"}, args...)
	out, err := r.git(ctx, repo, nil, append(full, "--")...)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(string(out), "\x00")
	var commits []platform.Commit
	for ; len(parts) >= perCommit; parts = parts[perCommit:] {
		at, err := time.Parse(time.RFC3339, parts[3])
		if err != nil {
			return nil, fmt.Errorf("read the time of a commit: %w", err)
		}
		c := platform.Commit{SHA: strings.TrimSpace(parts[0]), Author: clean(parts[2]), Message: clean(strings.TrimSpace(parts[4])), At: at.UTC()}
		c.Parent, _, _ = strings.Cut(parts[1], " ")
		if c.Files, err = r.changed(ctx, repo, c); err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	return commits, nil
}

func (r *Repos) changed(ctx context.Context, repo string, c platform.Commit) ([]string, error) {
	from := c.Parent
	if from == "" {
		from = emptyTree
	}
	out, err := r.git(ctx, repo, nil, "diff-tree", "-r", "-z", "--name-only", "--no-renames", from, c.SHA, "--")
	if err != nil {
		return nil, fmt.Errorf("list the files of commit %s: %w", c.SHA, err)
	}
	var files []string
	for path := range strings.SplitSeq(clean(string(out)), "\x00") {
		if path != "" && len(files) < maxFiles {
			files = append(files, path)
		}
	}
	return files, nil
}

// clean makes text that any store takes: valid UTF-8. Zero bytes do not occur but as separators.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Diff returns the unified diff between two commits with renames found. An empty from is the empty tree. A diff longer
// than MaxDiff is cut at a line, and its last line says so.
func (r *Repos) Diff(ctx context.Context, project, from, to string) (string, error) {
	repo, err := r.repo(project)
	if err != nil {
		return "", err
	}
	base := emptyTree
	if from != "" {
		if base, err = r.Resolve(ctx, project, from); err != nil {
			return "", err
		}
	}
	head, err := r.Resolve(ctx, project, to)
	if err != nil {
		return "", err
	}
	out := &capped{limit: MaxDiff}
	err = r.run(ctx, call{repo: repo, output: out, args: []string{
		"diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/", base, head, "--",
	}})
	if err != nil {
		return "", fmt.Errorf("compare two commits of %s: %w", project, err)
	}
	text := clean(out.String())
	if out.cut {
		text = text[:strings.LastIndexByte(text, '\n')+1] + fmt.Sprintf("\\ The diff is cut here: it is longer than %d bytes.\n", MaxDiff)
	}
	return text, nil
}

// File returns a file's content at a commit, or not_found. Files above MaxFile are refused.
func (r *Repos) File(ctx context.Context, project, sha, path string) ([]byte, error) {
	repo, err := r.repo(project)
	if err != nil {
		return nil, err
	}
	if sha, err = r.Resolve(ctx, project, sha); err != nil {
		return nil, err
	}
	text, found, err := r.blob(ctx, repo, sha, path)
	if err == nil && !found {
		err = platform.Errorf(platform.CodeNotFound, "Commit %s of %s has no file %q.", platform.ShortSHA(sha), project, platform.Truncate(path, 200))
	}
	return text, err
}

// blob reads a file of a commit given by its full SHA.
func (r *Repos) blob(ctx context.Context, repo, sha, path string) (text []byte, found bool, err error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, false, nil
	}
	out := &capped{limit: MaxFile}
	err = r.run(ctx, call{repo: repo, output: out, args: []string{"cat-file", "blob", sha + ":" + strings.TrimPrefix(path, "/")}})
	switch {
	case exited(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read a file of commit %s: %w", sha, err)
	case out.cut:
		return nil, false, platform.Errorf(platform.CodeInvalid, "The file %q is longer than %d bytes.", path, MaxFile)
	}
	return out.Bytes(), true, nil
}

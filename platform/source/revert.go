package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// Revert undoes a commit with a new commit on the branch and delivers it like a push. The branch's head must be
// expectHead (a full SHA) and must still be when the new commit is put there, else conflict. A revert that does not
// apply is a conflict that names the files; nothing changes then. When the new commit is there and could not be
// delivered, its SHA comes with the error, and Recover delivers it.
func (r *Repos) Revert(ctx context.Context, project, branch, commit, expectHead string, author platform.Actor) (newSHA string, err error) {
	repo, err := r.repo(project)
	if err != nil {
		return "", err
	}
	unlock, err := r.lock(ctx, project)
	if err != nil {
		return "", err
	}
	defer unlock()
	head, err := r.Head(ctx, project, branch)
	if err != nil {
		return "", err
	}
	if head != expectHead {
		return "", moved(branch, head)
	}
	if commit, err = r.Resolve(ctx, project, commit); err != nil {
		return "", err
	}
	if lacking, err := r.lacks(ctx, repo, head, commit); err != nil {
		return "", err
	} else if lacking {
		return "", platform.Errorf(platform.CodeConflict, "Commit %s is not part of %s, so there is nothing to undo there.", platform.ShortSHA(commit), branch)
	}
	if newSHA, err = r.makeRevert(ctx, revertJob{repo: repo, commit: commit, head: head, author: author}); err != nil {
		return "", err
	}
	if err := r.rememberPusher(project, author); err != nil {
		return "", err
	}
	if _, err := r.git(ctx, repo, nil, "update-ref", headPrefix+branch, newSHA, expectHead); exited(err) {
		return "", moved(branch, "another commit")
	} else if err != nil {
		return "", fmt.Errorf("move %s to the revert: %w", branch, err)
	}
	_, err = r.deliverLocked(context.WithoutCancel(ctx), project, author)
	return newSHA, err
}

func moved(branch, to string) error {
	if fullSHA.MatchString(to) {
		to = platform.ShortSHA(to)
	}
	return platform.Errorf(platform.CodeConflict, "%s has moved to %s since the revert was asked for.", branch, to).
		WithHint("Look at what came in between and ask again.")
}

// revertJob is one revert, all revisions resolved.
type revertJob struct {
	repo, commit, head string
	author             platform.Actor
}

// makeRevert makes the commit in a working tree of its own, which it removes. No branch moves.
func (r *Repos) makeRevert(ctx context.Context, j revertJob) (sha string, err error) {
	tree, err := os.MkdirTemp(r.dir, ".revert-")
	if err != nil {
		return "", fmt.Errorf("make a working tree: %w", err)
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(tree))
		if _, pruneErr := r.git(context.WithoutCancel(ctx), j.repo, nil, "worktree", "prune"); pruneErr != nil {
			err = errors.Join(err, fmt.Errorf("forget the working tree: %w", pruneErr))
		}
	}()
	work := filepath.Join(tree, "tree")
	if _, err := r.git(ctx, j.repo, nil, "worktree", "add", "--quiet", "--detach", work, j.head); err != nil {
		return "", fmt.Errorf("make a working tree: %w", err)
	}
	args := []string{"revert", "--no-edit"}
	parents, err := r.git(ctx, j.repo, nil, "rev-list", "--parents", "--max-count=1", j.commit)
	if err != nil {
		return "", fmt.Errorf("read the parents of %s: %w", j.commit, err)
	}
	if len(strings.Fields(string(parents))) > 2 {
		args = append(args, "--mainline", "1")
	}
	err = r.run(ctx, call{dir: work, env: identity(j.author), args: append(args, j.commit)})
	if exited(err) {
		return "", r.explainRevert(ctx, work, j.commit, err)
	}
	if err != nil {
		return "", fmt.Errorf("revert %s: %w", j.commit, err)
	}
	out := &capped{limit: 1 << 10}
	if err := r.run(ctx, call{dir: work, output: out, args: []string{"rev-parse", "--verify", "HEAD"}}); err != nil {
		return "", fmt.Errorf("read the revert of %s: %w", j.commit, err)
	}
	return strings.TrimSpace(out.String()), nil
}

func (r *Repos) explainRevert(ctx context.Context, work, commit string, cause error) error {
	out := &capped{limit: 64 << 10}
	if err := r.run(ctx, call{dir: work, output: out, args: []string{"diff", "--name-only", "--diff-filter=U", "-z"}}); err != nil {
		return fmt.Errorf("find what is in conflict: %w", err)
	}
	files := strings.FieldsFunc(clean(out.String()), func(r rune) bool { return r == 0 })
	if len(files) > 0 {
		return platform.Errorf(platform.CodeConflict, "Commit %s cannot be undone by itself: later commits changed the same lines of %s.",
			platform.ShortSHA(commit), platform.Truncate(strings.Join(files, ", "), 400)).
			WithHint("Revert it in a clone, resolve the conflict there and push; or roll back to an older release.")
	}
	status := &capped{limit: 1 << 10}
	if err := r.run(ctx, call{dir: work, output: status, args: []string{"status", "--porcelain"}}); err == nil && status.String() == "" {
		return platform.Errorf(platform.CodeConflict, "Commit %s is undone already: nothing of it is left to revert.", platform.ShortSHA(commit))
	}
	return fmt.Errorf("revert %s: %w", commit, cause)
}

// identity names who made the commit. Git takes neither angle brackets nor line ends in it.
func identity(a platform.Actor) []string {
	name := strings.Map(func(r rune) rune {
		if r < 0x20 || r == '<' || r == '>' {
			return -1
		}
		return r
	}, a.Name)
	if strings.Trim(name, " .,:;\"'") == "" {
		name = "Fairlead"
	}
	mail := string(a.Kind) + "@fairlead.invalid"
	return []string{"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + mail, "GIT_COMMITTER_NAME=" + name, "GIT_COMMITTER_EMAIL=" + mail}
}

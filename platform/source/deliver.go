package source

import (
	"context"
	"encoding/json"
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

// The references that matter. Git moves a branch; the delivered reference beside it moves only once the receiver has
// recorded the push. Whatever differs is still to be delivered, also after a kill -9 between the two.
const (
	headPrefix      = "refs/heads/"
	deliveredPrefix = "refs/fairlead/delivered/"
)

const (
	// maxCommits is how many commits of one push are told one by one.
	maxCommits = 200
	// maxBlueprint is what is read of fairlead.yaml: more than a blueprint may have, so that its own limit is what speaks.
	maxBlueprint = 2 << 20
	treeDepth    = 3
	maxTrees     = 20_000
)

// blueprintFile is the blueprint's place at the root of the repository.
const blueprintFile = "fairlead.yaml"

// recoverEvery is how often delivery is tried again while something is undelivered.
const recoverEvery = 5 * time.Second

// Run delivers what Git accepted and nobody recorded: at once, and again while a push could not be recorded, for example
// because the database was down. It works until ctx ends and then returns nil. Handler must have been called.
func (r *Repos) Run(ctx context.Context) error {
	log := r.receiver().Log
	retry := time.NewTicker(r.retryEvery)
	defer retry.Stop()
	for {
		select { // this look is the one that the word asked for
		case <-r.undelivered:
		default:
		}
		err := r.Recover(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			select {
			case <-r.undelivered:
			case <-ctx.Done():
				return nil
			}
		} else {
			log.Warn("pushes are not recorded yet", "error", err)
		}
		retry.Reset(r.retryEvery)
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// leaveWord has Run look again.
func (r *Repos) leaveWord() {
	select {
	case r.undelivered <- struct{}{}:
	default:
	}
}

// Recover delivers what Git accepted and nobody recorded, in every repository. It is for boot, after Handler was called,
// and may be called again at any time: it does nothing when there is nothing to deliver.
func (r *Repos) Recover(ctx context.Context) error {
	projects, err := r.projects()
	if err != nil {
		return err
	}
	var all error
	for _, project := range projects {
		all = errors.Join(all, r.recoverProject(ctx, project))
	}
	return all
}

func (r *Repos) recoverProject(ctx context.Context, project string) error {
	unlock, err := r.lock(ctx, project)
	if err != nil {
		return err
	}
	defer unlock()
	if !r.exists(project) { // removed since it was listed
		return nil
	}
	if _, err := r.git(ctx, r.path(project), nil, "worktree", "prune"); err != nil {
		return fmt.Errorf("clean the repository of %s: %w", project, err)
	}
	_, err = r.deliverLocked(ctx, project, r.lastPusher(project))
	return err
}

// deliverLocked tells the receiver about every branch whose head it does not know, and returns its notes. After an
// error Run tries again.
func (r *Repos) deliverLocked(ctx context.Context, project string, actor platform.Actor) (notes []string, err error) {
	defer func() {
		if err != nil {
			r.leaveWord()
		}
	}()
	repo := r.path(project)
	heads, err := r.refs(ctx, repo, headPrefix)
	if err != nil {
		return nil, err
	}
	told, err := r.refs(ctx, repo, deliveredPrefix)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, d := range told {
		known[d.name] = d.sha
	}
	// Branches that are gone come first: a new one may need the place of their reference.
	gone, err := r.forgetGone(ctx, repo, heads, told)
	if err != nil {
		return nil, err
	}
	for _, name := range gone {
		notes = append(notes, fmt.Sprintf("branch %s was deleted; what runs goes on running", name))
	}
	for _, head := range heads {
		if known[head.name] == head.sha {
			continue
		}
		more, pushErr := r.deliverBranch(ctx, project, actor, head, known[head.name])
		notes = append(notes, more...)
		err = errors.Join(err, pushErr)
	}
	return notes, err
}

func (r *Repos) forgetGone(ctx context.Context, repo string, heads, told []ref) (gone []string, err error) {
	there := map[string]bool{}
	for _, h := range heads {
		there[h.name] = true
	}
	for _, d := range told {
		if there[d.name] {
			continue
		}
		if _, err := r.git(ctx, repo, nil, "update-ref", "-d", deliveredPrefix+d.name); err != nil {
			return gone, fmt.Errorf("forget the deleted branch %s: %w", d.name, err)
		}
		gone = append(gone, d.name)
	}
	return gone, nil
}

func (r *Repos) deliverBranch(ctx context.Context, project string, actor platform.Actor, head ref, old string) (notes []string, err error) {
	repo := r.path(project)
	push, err := r.push(ctx, project, head, old)
	if err != nil {
		return nil, fmt.Errorf("read the push to %s of %s: %w", head.name, project, err)
	}
	if old != "" {
		if forced, err := r.lacks(ctx, repo, head.sha, old); err != nil {
			return nil, err
		} else if forced {
			notes = append(notes, fmt.Sprintf("%s was rewritten: %s is no longer part of it", head.name, platform.ShortSHA(old)))
		}
	}
	received := r.receiver().Received
	if received == nil {
		return nil, errors.New("deliver a push: no receiver was given to Handler")
	}
	result, err := received(ctx, actor, push)
	if err != nil && !final(err) {
		return notes, fmt.Errorf("record the push to %s of %s: %w", head.name, project, err)
	}
	if err != nil {
		notes = append(notes, err.Error())
	}
	if err := r.markDelivered(ctx, repo, head); err != nil {
		return notes, err
	}
	return append(notes, result.Notes...), nil
}

// final holds for refusals that telling again would not change.
func final(err error) bool {
	switch platform.CodeOf(err) {
	case platform.CodeInvalid, platform.CodeDenied, platform.CodeNotFound:
		return true
	default:
		return false
	}
}

func (r *Repos) markDelivered(ctx context.Context, repo string, head ref) error {
	if _, err := r.git(ctx, repo, nil, "update-ref", deliveredPrefix+head.name, head.sha); err != nil {
		return fmt.Errorf("note that the push to %s is recorded: %w", head.name, err)
	}
	// A clone checks out HEAD, which a repository whose first branch is not main would leave dangling.
	if _, err := r.git(ctx, repo, nil, "rev-parse", "--verify", "--quiet", "HEAD"); exited(err) {
		if _, err := r.git(ctx, repo, nil, "symbolic-ref", "HEAD", headPrefix+head.name); err != nil {
			return fmt.Errorf("choose the branch that clones get: %w", err)
		}
	}
	return nil
}

// lacks reports whether old is not part of the history of head.
func (r *Repos) lacks(ctx context.Context, repo, head, old string) (bool, error) {
	_, err := r.git(ctx, repo, nil, "merge-base", "--is-ancestor", old, head)
	if exited(err) {
		return true, nil
	}
	return false, err
}

// push reads what a branch's new head brings.
func (r *Repos) push(ctx context.Context, project string, head ref, old string) (platform.Push, error) {
	repo := r.path(project)
	push := platform.Push{Project: project, Branch: head.name, Old: old, New: head.sha}
	var err error
	if push.Commits, err = r.newCommits(ctx, repo, head, old); err != nil {
		return push, err
	}
	text, _, err := r.blob(ctx, repo, head.sha, blueprintFile)
	if err != nil && platform.CodeOf(err) != platform.CodeInvalid {
		return push, err
	}
	push.Blueprint = string(text[:min(len(text), maxBlueprint)])
	push.Trees, err = r.trees(ctx, repo, head.sha)
	return push, err
}

// newCommits lists, oldest first, what no delivered push to any branch brought, and always the head itself.
func (r *Repos) newCommits(ctx context.Context, repo string, head ref, old string) ([]platform.Commit, error) {
	args := []string{fmt.Sprintf("--max-count=%d", maxCommits), head.sha}
	if old == "" {
		args = append(args, "--not", "--glob="+deliveredPrefix+"*")
	} else {
		args = append(args, "^"+old)
	}
	commits, err := r.log(ctx, repo, args...)
	if err == nil && len(commits) == 0 {
		commits, err = r.log(ctx, repo, "--max-count=1", head.sha)
	}
	slices.Reverse(commits)
	for i := range commits {
		commits[i].Branch = head.name
	}
	return commits, err
}

// trees returns the ids of the root and of the folders below it.
func (r *Repos) trees(ctx context.Context, repo, sha string) (map[string]string, error) {
	root, err := r.git(ctx, repo, nil, "rev-parse", "--verify", "--end-of-options", sha+"^{tree}")
	if err != nil {
		return nil, err
	}
	trees := map[string]string{".": strings.TrimSpace(string(root))}
	out, err := r.git(ctx, repo, nil, "ls-tree", "-r", "-d", "-z", sha)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(string(out), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		words := strings.Fields(meta) // mode, type, id
		if ok && len(words) == 3 && words[1] == "tree" && strings.Count(name, "/") < treeDepth && len(trees) < maxTrees {
			trees[clean(name)] = words[2]
		}
	}
	return trees, nil
}

func (r *Repos) pusherFile(project string) string {
	return filepath.Join(r.path(project), "fairlead-pusher.json")
}

// rememberPusher writes down who pushes before Git takes anything, so that Recover names the right one.
func (r *Repos) rememberPusher(project string, actor platform.Actor) error {
	text, err := json.Marshal(actor)
	if err != nil {
		return fmt.Errorf("note who pushes: %w", err)
	}
	path := r.pusherFile(project)
	if err := errors.Join(os.WriteFile(path+".new", text, 0o600), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("note who pushes: %w", err)
	}
	return nil
}

func (r *Repos) lastPusher(project string) platform.Actor {
	actor := platform.SystemActor("source")
	text, err := os.ReadFile(r.pusherFile(project))
	if errors.Is(err, fs.ErrNotExist) {
		return actor
	}
	var known platform.Actor
	if err == nil && json.Unmarshal(text, &known) == nil && known.Kind.Valid() {
		return known
	}
	return actor
}

package store

import (
	"context"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// PutCommits records commits, oldest first; those that are there already are left as they are.
func (t *Tx) PutCommits(ctx context.Context, commits []platform.Commit) error {
	for _, c := range commits {
		doc, err := encode(c)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO commits (doc) VALUES ($1) ON CONFLICT DO NOTHING", doc); err != nil {
			return err
		}
	}
	return nil
}

// CommitBySHA returns one commit by its full SHA.
func (t *Tx) CommitBySHA(ctx context.Context, project platform.ProjectID, sha string) (platform.Commit, error) {
	return one[platform.Commit](ctx, t, notFound("commit", sha), "SELECT doc FROM commits WHERE project_id = $1 AND sha = $2", project, sha)
}

// CommitsBeginning returns at most three commits whose SHA begins so: more than one means that it is not unique.
func (t *Tx) CommitsBeginning(ctx context.Context, project platform.ProjectID, beginning string) ([]platform.Commit, error) {
	return many[platform.Commit](ctx, t,
		"SELECT doc FROM commits WHERE project_id = $1 AND starts_with(sha, $2) ORDER BY n LIMIT 3", project, strings.ToLower(beginning))
}

// CommitsBetween walks first parents from upto back to after, which is left out, and returns them oldest first. The
// walk ends where a commit was not recorded.
func (t *Tx) CommitsBetween(ctx context.Context, project platform.ProjectID, after, upto string) ([]platform.Commit, error) {
	const maxWalk = 1000
	commits, err := many[platform.Commit](ctx, t, `
		WITH RECURSIVE walk AS (
			SELECT doc, 1 AS depth FROM commits WHERE project_id = $1 AND sha = $3 AND sha <> $2
			UNION ALL
			SELECT c.doc, w.depth + 1 FROM walk w JOIN commits c ON c.project_id = $1 AND c.sha = w.doc->>'parent'
			WHERE c.sha <> $2 AND w.depth < $4
		) SELECT doc FROM walk ORDER BY depth`, project, after, upto, maxWalk)
	slices.Reverse(commits)
	return commits, err
}

// PutBranch records the head of a branch.
func (t *Tx) PutBranch(ctx context.Context, project platform.ProjectID, name, head string) error {
	_, err := t.exec(ctx, `INSERT INTO branches (project_id, name, head) VALUES ($1, $2, $3)
		ON CONFLICT (project_id, name) DO UPDATE SET head = excluded.head, updated_at = now()`, project, Clean(name), head)
	return err
}

// Branch is a branch as it was last pushed.
type Branch struct {
	Name string `json:"name"`
	Head string `json:"head"`
}

// ListBranches returns the branches of a project by name.
func (t *Tx) ListBranches(ctx context.Context, project platform.ProjectID) ([]Branch, error) {
	return many[Branch](ctx, t,
		"SELECT jsonb_build_object('name', name, 'head', head) FROM branches WHERE project_id = $1 ORDER BY name", project)
}

// PutTrees records the ids of the trees of build contexts at a commit.
func (t *Tx) PutTrees(ctx context.Context, project platform.ProjectID, sha string, trees map[string]string) error {
	for folder, tree := range trees {
		_, err := t.exec(ctx, `INSERT INTO context_trees (project_id, commit_sha, context, tree) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, project, sha, Clean(folder), tree)
		if err != nil {
			return err
		}
	}
	return nil
}

// TreeAt returns the id of a build context's tree at a commit, "" when it was not recorded.
func (t *Tx) TreeAt(ctx context.Context, project platform.ProjectID, sha, folder string) (string, error) {
	tree, err := first[string](ctx, t,
		"SELECT to_jsonb(tree) FROM context_trees WHERE project_id = $1 AND commit_sha = $2 AND context = $3", project, sha, folder)
	if err != nil || tree == nil {
		return "", err
	}
	return *tree, nil
}

package source

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

var ada = platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin}

// world is a server with one project, shop, and what its receiver was told.
type world struct {
	repos *Repos
	url   string // of the server
	limit int64

	mu     sync.Mutex // guards the fields below
	pushes []platform.Push
	actors []platform.Actor
	answer func(platform.Push) (platform.PushResult, error)
}

func setup(t *testing.T) *world {
	t.Helper()
	return setupWith(t, &world{}, t.TempDir())
}

func setupWith(t *testing.T, w *world, dir string) *world {
	t.Helper()
	var err error
	w.repos, err = Open(dir)
	require.NoError(t, err)
	server := httptest.NewServer(w.repos.Handler(Options{
		MaxBody: w.limit,
		Authenticate: func(_ context.Context, _, password string) (platform.Actor, error) {
			switch password {
			case "good":
				return ada, nil
			case "viewer":
				return platform.Actor{Kind: platform.ActorHuman, Name: "eve", Role: platform.RoleViewer}, nil
			}
			return platform.Actor{}, platform.Errorf(platform.CodeUnauthenticated, "The token is unknown.")
		},
		Authorize: func(_ context.Context, a platform.Actor, project string, write bool) error {
			if project != "shop" && project != "other" {
				return platform.Errorf(platform.CodeNotFound, "no")
			}
			if write && a.Role == platform.RoleViewer {
				return platform.Errorf(platform.CodeDenied, "A viewer may not push.")
			}
			return nil
		},
		Received: w.received,
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) received(_ context.Context, actor platform.Actor, push platform.Push) (platform.PushResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pushes, w.actors = append(w.pushes, push), append(w.actors, actor)
	if w.answer != nil {
		return w.answer(push)
	}
	return platform.PushResult{Notes: []string{"api: deploy dep_1 queued", "http://127.0.0.1:7700/\x1b[31mred"}}, nil
}

func (w *world) remote(password, project string) string {
	return strings.Replace(w.url, "http://", "http://ada:"+password+"@", 1) + "/git/" + project + ".git"
}

func (w *world) told() []platform.Push {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.pushes)
}

// clone is a working copy on the developer's side.
type clone struct {
	t   *testing.T
	dir string
}

func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{t, t.TempDir()}
	c.git("init", "--quiet", "--initial-branch=main")
	return c
}

func (c *clone) try(args ...string) (string, error) {
	out, err := c.command(args...).CombinedOutput()
	return string(out), err
}

func (c *clone) command(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	return cmd
}

// feed runs git with input and returns what it prints, byte by byte.
func (c *clone) feed(input []byte, args ...string) []byte {
	c.t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	require.NoError(c.t, err, "git %v", args)
	return out
}

func (c *clone) git(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	require.NoError(c.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(out)
}

func (c *clone) write(path, text string) {
	c.t.Helper()
	full := filepath.Join(c.dir, path)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(c.t, os.WriteFile(full, []byte(text), 0o644))
}

// commit writes files (path, text, path, text ...) and commits them.
func (c *clone) commit(message string, files ...string) string {
	c.t.Helper()
	for i := 0; i < len(files); i += 2 {
		c.write(files[i], files[i+1])
	}
	c.git("add", "-A")
	c.git("commit", "--quiet", "--allow-empty", "-m", message)
	return c.git("rev-parse", "HEAD")
}

func TestPush_IsDeliveredAndItsNotesReachTheTerminal(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	first := c.commit("first\n\nbody", "fairlead.yaml", "project: shop\n", "api/src/deep/er/main.py", "print()\n")
	second := c.commit("second", "api/main.py", "x\n", "naïve name.txt", "y\n")
	out := c.git("push", w.remote("good", "shop"), "main")
	require.Contains(t, out, "remote: api: deploy dep_1 queued")
	require.Contains(t, out, "remote: http://127.0.0.1:7700/[31mred", "control characters are taken out")

	pushes := w.told()
	require.Len(t, pushes, 1)
	p := pushes[0]
	require.Equal(t, "shop", p.Project)
	require.Equal(t, "main", p.Branch)
	require.Empty(t, p.Old)
	require.Equal(t, second, p.New)
	require.Equal(t, "project: shop\n", p.Blueprint)
	require.Len(t, p.Commits, 2)
	require.Equal(t, first, p.Commits[0].SHA)
	require.Equal(t, "first\n\nbody", p.Commits[0].Message)
	require.Equal(t, "Ada <ada@example.com>", p.Commits[0].Author)
	require.Equal(t, []string{"api/src/deep/er/main.py", "fairlead.yaml"}, p.Commits[0].Files)
	require.Equal(t, first, p.Commits[1].Parent)
	require.Equal(t, []string{"api/main.py", "naïve name.txt"}, p.Commits[1].Files)
	require.False(t, p.Commits[1].At.IsZero())
	require.Equal(t, c.git("rev-parse", "HEAD:api"), p.Trees["api"])
	require.Equal(t, c.git("rev-parse", "HEAD^{tree}"), p.Trees["."])
	require.Contains(t, p.Trees, "api/src/deep")
	require.NotContains(t, p.Trees, "api/src/deep/er")
	require.Equal(t, "git", w.actors[0].Channel)

	third := c.commit("third", "api/main.py", "z\n")
	c.git("push", w.remote("good", "shop"), "main")
	c.git("push", w.remote("good", "shop"), "main") // nothing new
	pushes = w.told()
	require.Len(t, pushes, 2)
	require.Equal(t, second, pushes[1].Old)
	require.Equal(t, third, pushes[1].New)
	require.Len(t, pushes[1].Commits, 1)

	again := newClone(t)
	again.git("clone", "--quiet", w.remote("good", "shop"), "copy")
	require.FileExists(t, filepath.Join(again.dir, "copy", "api", "main.py"))
	require.NotContains(t, c.git("ls-remote", w.remote("good", "shop")), "fairlead", "delivered references are hidden")
}

func TestPush_RefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "b")
	for name, want := range map[string][2]string{
		"a bad token":        {w.remote("bad", "shop"), "Authentication failed"},
		"no token":           {w.url + "/git/shop.git", "could not read Username"},
		"an unknown project": {w.remote("good", "nothing"), `remote: There is no project "nothing"`},
		"a lacking right":    {w.remote("viewer", "shop"), "remote: A viewer may not push."},
		"no project at all":  {w.remote("good", "..%2f..%2fetc"), "not found"},
	} {
		out, err := c.try("push", want[0], "main")
		require.Error(t, err, name)
		require.Contains(t, out, want[1], name)
	}
	require.Empty(t, w.told())
	res, err := http.Get(w.url + "/git/shop.git/info/refs?service=git-receive-pack")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Contains(t, res.Header.Get("WWW-Authenticate"), "Basic")
}

func TestPush_OnlyBranchesAndTagsAreTaken(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "b")
	for _, target := range []string{"refs/fairlead/delivered/main", "refs/notes/x", "refs/pull/1/head"} {
		out, err := c.try("push", w.remote("good", "shop"), "HEAD:"+target)
		require.Error(t, err)
		require.Contains(t, out, "hidden ref", target)
	}
	c.git("push", w.remote("good", "shop"), "HEAD:refs/tags/v1")
	require.Empty(t, w.told(), "a tag deploys nothing")
}

func TestPush_BranchesComeAndGoAndAreRewritten(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	first := c.commit("first", "a", "1")
	c.git("push", w.remote("good", "shop"), "main", "HEAD:refs/heads/topic")
	require.Len(t, w.told(), 2)
	require.Len(t, w.told()[1].Commits, 1, "the head is always told, also when another branch brought it")
	out := c.git("push", w.remote("good", "shop"), ":topic")
	require.Contains(t, out, "branch topic was deleted")
	c.git("push", w.remote("good", "shop"), "HEAD:refs/heads/topic/below")
	c.git("commit", "--quiet", "--amend", "-m", "rewritten")
	out = c.git("push", "--force", w.remote("good", "shop"), "main")
	require.Contains(t, out, "main was rewritten: "+first[:8])
	pushes := w.told()
	require.Equal(t, first, pushes[len(pushes)-1].Old)
}

func TestPush_SeveralMegabytesAndTheLimit(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	noise := make([]byte, 6<<20)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	c.commit("big", "weights.bin", string(noise))
	c.git("push", w.remote("good", "shop"), "main")
	require.Len(t, w.told(), 1)

	small := setupWith(t, &world{limit: 1 << 20}, t.TempDir())
	out, err := c.try("push", small.remote("good", "shop"), "main")
	require.Error(t, err)
	require.Contains(t, out, "413")
	require.Empty(t, small.told())
}

func TestPush_ManyAtOnceAreEachToldOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var wg sync.WaitGroup
	const many = 6
	failed := make([]error, many)
	clones := make([]*clone, many)
	for i := range many {
		clones[i] = newClone(t)
		clones[i].commit(fmt.Sprint("commit ", i), "f", fmt.Sprint(i))
	}
	for i := range many {
		wg.Go(func() {
			_, failed[i] = clones[i].try("push", w.remote("good", "shop"), fmt.Sprintf("HEAD:refs/heads/b%d", i))
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
	branches := map[string]bool{}
	for _, p := range w.told() {
		require.False(t, branches[p.Branch], "told twice")
		branches[p.Branch] = true
	}
	require.Len(t, branches, many)
}

func TestRecover_DeliversWhatNobodyRecorded(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	w.answer = func(platform.Push) (platform.PushResult, error) {
		return platform.PushResult{}, platform.Errorf(platform.CodeUnavailable, "The database does not answer.")
	}
	head := c.commit("first", "a", "1")
	out := c.git("push", w.remote("good", "shop"), "main")
	require.Contains(t, out, "could not record them yet: The database does not answer.")

	// A new process over the same folder.
	after := setupWith(t, &world{}, w.repos.dir)
	require.NoError(t, after.repos.Recover(t.Context()))
	require.NoError(t, after.repos.Recover(t.Context()))
	require.Len(t, after.told(), 1)
	require.Equal(t, head, after.told()[0].New)
	require.Equal(t, "ada", after.actors[0].Name, "the pusher is remembered")
}

func TestPush_ARefusalOfTheReceiverIsTold(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	w.answer = func(platform.Push) (platform.PushResult, error) {
		return platform.PushResult{}, platform.Errorf(platform.CodeDenied, "Pushing is closed.")
	}
	c.commit("first", "a", "1")
	require.Contains(t, c.git("push", w.remote("good", "shop"), "main"), "remote: Pushing is closed.")
	require.NoError(t, w.repos.Recover(t.Context()))
	require.Len(t, w.told(), 1, "a refusal is not repeated")
}

func TestResolve_TakesBranchesAndBeginningsAndNothingElse(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	sha := c.commit("first", "a", "1", "dir/b", "2")
	c.git("push", w.remote("good", "shop"), "main", "HEAD:refs/heads/feature/x")
	for _, rev := range []string{"main", "feature/x", sha, sha[:7], "HEAD"} {
		got, err := w.repos.Resolve(t.Context(), "shop", rev)
		require.NoError(t, err, rev)
		require.Equal(t, sha, got)
	}
	for _, rev := range []string{"", "--help", "-1", "main~0", "main^{tree}", "main:a", ":/first", "@{0}", "a..b", "main\nx", "$(id)", "; ls", "refs/fairlead/delivered/main", "0000", strings.Repeat("a", 41), "../shop"} {
		_, err := w.repos.Resolve(t.Context(), "shop", rev)
		require.Equal(t, platform.CodeNotFound, platform.CodeOf(err), rev)
	}
	_, err := w.repos.Resolve(t.Context(), "shop", "mian")
	require.ErrorContains(t, err, "Did you mean the branch main?")
	for _, project := range []string{"../shop", "-x", "", "SHOP"} {
		_, err := w.repos.Resolve(t.Context(), project, "main")
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), project)
	}
	_, err = w.repos.Resolve(t.Context(), "unborn", "main")
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

func TestRead_CommitsDiffsAndFiles(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	first := c.commit("first", "main.py", "one\n")
	second := c.commit("second", "main.py", "two\n", "-rf", "odd\n")
	c.git("push", w.remote("good", "shop"), "main")
	commit, err := w.repos.Commit(t.Context(), "shop", second[:8])
	require.NoError(t, err)
	require.Equal(t, "second", commit.Subject())
	require.Equal(t, []string{"-rf", "main.py"}, commit.Files)

	diff, err := w.repos.Diff(t.Context(), "shop", first, second)
	require.NoError(t, err)
	require.Contains(t, diff, "-one\n+two\n")
	whole, err := w.repos.Diff(t.Context(), "shop", "", second)
	require.NoError(t, err)
	require.Contains(t, whole, "--- /dev/null\n+++ b/main.py")

	text, err := w.repos.File(t.Context(), "shop", second, "-rf")
	require.NoError(t, err)
	require.Equal(t, "odd\n", string(text))
	for _, path := range []string{"nothing", "", "../../../etc/passwd", "a\x00b"} {
		_, err = w.repos.File(t.Context(), "shop", second, path)
		require.Equal(t, platform.CodeNotFound, platform.CodeOf(err), path)
	}
	head, err := w.repos.Head(t.Context(), "shop", "main")
	require.NoError(t, err)
	require.Equal(t, second, head)

	long := c.commit("long", "long.txt", strings.Repeat("0123456789abcdef\n", 60000))
	c.git("push", w.remote("good", "shop"), "main")
	diff, err = w.repos.Diff(t.Context(), "shop", second, long)
	require.NoError(t, err)
	require.LessOrEqual(t, len(diff), MaxDiff+200)
	require.True(t, strings.HasSuffix(diff, "longer than 524288 bytes.\n"))
}

func TestCheckout_WritesTheWholeCommitAndNothingOutside(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.write(".gitattributes", "secret.txt export-ignore\nversion.txt export-subst\n")
	c.write("run.sh", "#!/bin/sh\n")
	require.NoError(t, os.Chmod(filepath.Join(c.dir, "run.sh"), 0o755))
	require.NoError(t, os.Symlink("run.sh", filepath.Join(c.dir, "link")))
	good := c.commit("good", "secret.txt", "kept\n", "version.txt", "$Format:%H$\n", "deep/er/f", "x")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(c.dir, "passwd")))
	bad := c.commit("bad")
	c.git("push", w.remote("good", "shop"), "main")

	dir := t.TempDir()
	require.NoError(t, w.repos.Checkout(t.Context(), "shop", good, dir))
	text, err := os.ReadFile(filepath.Join(dir, "version.txt"))
	require.NoError(t, err)
	require.Equal(t, "$Format:%H$\n", string(text))
	require.FileExists(t, filepath.Join(dir, "secret.txt"))
	require.FileExists(t, filepath.Join(dir, "deep", "er", "f"))
	info, err := os.Stat(filepath.Join(dir, "run.sh"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)
	target, err := os.Readlink(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, "run.sh", target)

	err = w.repos.Checkout(t.Context(), "shop", bad, t.TempDir())
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, "outside the repository")
}

func TestRevert_MakesACommitAndDeliversIt(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "1\n", "b", "1\n")
	bad := c.commit("bad", "a", "broken\n")
	head := c.commit("later", "b", "2\n")
	c.git("push", w.remote("good", "shop"), "main")

	sha, err := w.repos.Revert(t.Context(), "shop", "main", bad, head, platform.SystemActor("executor <x>"))
	require.NoError(t, err)
	pushes := w.told()
	require.Equal(t, sha, pushes[len(pushes)-1].New)
	require.Equal(t, head, pushes[len(pushes)-1].Old)
	made, err := w.repos.Commit(t.Context(), "shop", sha)
	require.NoError(t, err)
	require.Equal(t, head, made.Parent)
	require.Contains(t, made.Message, "This reverts commit "+bad)
	require.Equal(t, "executor x <system@fairlead.invalid>", made.Author)
	text, err := w.repos.File(t.Context(), "shop", "main", "a")
	require.NoError(t, err)
	require.Equal(t, "1\n", string(text))

	_, err = w.repos.Revert(t.Context(), "shop", "main", bad, head, ada)
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err), "the head has moved")
	_, err = w.repos.Revert(t.Context(), "shop", "main", bad, sha, ada)
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	require.ErrorContains(t, err, "undone already")
	left, err := filepath.Glob(filepath.Join(w.repos.dir, ".revert-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRevert_AConflictNamesTheFilesAndChangesNothing(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "1\n")
	bad := c.commit("bad", "a", "2\n")
	head := c.commit("more", "a", "3\n")
	c.git("push", w.remote("good", "shop"), "main")
	_, err := w.repos.Revert(t.Context(), "shop", "main", bad, head, ada)
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	require.ErrorContains(t, err, "same lines of a.")
	now, err := w.repos.Head(t.Context(), "shop", "main")
	require.NoError(t, err)
	require.Equal(t, head, now)
	require.Len(t, w.told(), 1)
}

func TestRevert_UndoesAMerge(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "1\n")
	c.git("checkout", "--quiet", "-b", "topic")
	c.commit("topic", "b", "2\n")
	c.git("checkout", "--quiet", "main")
	c.commit("main goes on", "c", "3\n")
	c.git("merge", "--quiet", "--no-ff", "-m", "merge", "topic")
	head := c.git("rev-parse", "HEAD")
	c.git("push", w.remote("good", "shop"), "main")
	sha, err := w.repos.Revert(t.Context(), "shop", "main", head, head, ada)
	require.NoError(t, err)
	_, err = w.repos.File(t.Context(), "shop", sha, "b")
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

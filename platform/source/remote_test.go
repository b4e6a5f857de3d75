package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestFetch_AViewerMayCloneAndNotPush(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "1")
	c.git("push", w.remote("good", "shop"), "main")

	viewer := newClone(t)
	viewer.git("clone", "--quiet", w.remote("viewer", "shop"), "copy")
	require.FileExists(t, filepath.Join(viewer.dir, "copy", "a"))
	viewer.dir = filepath.Join(viewer.dir, "copy")
	viewer.commit("mine", "a", "2")
	out, err := viewer.try("push", "origin", "main")
	require.Error(t, err)
	require.Contains(t, out, "remote: A viewer may not push.")
	require.Len(t, w.told(), 1)

	// The advertisement is not the only door.
	req, err := http.NewRequest(http.MethodPost, w.url+"/git/shop.git/git-receive-pack", strings.NewReader("0000"))
	require.NoError(t, err)
	req.SetBasicAuth("eve", "viewer")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestPush_FromAShallowClone(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	for i := range 4 {
		c.commit(fmt.Sprint("commit ", i), "a", fmt.Sprint(i))
	}
	c.git("push", w.remote("good", "shop"), "main")

	shallow := newClone(t)
	shallow.git("clone", "--quiet", "--depth=1", w.remote("good", "shop"), "copy")
	shallow.dir = filepath.Join(shallow.dir, "copy")
	require.Equal(t, "1", shallow.git("rev-list", "--count", "HEAD"))
	head := shallow.commit("on top of little", "a", "5")
	shallow.git("push", "origin", "main")
	pushes := w.told()
	require.Len(t, pushes, 2)
	require.Equal(t, head, pushes[1].New)
	require.Len(t, pushes[1].Commits, 1)
	whole := newClone(t)
	whole.git("clone", "--quiet", w.remote("good", "shop"), "copy")
	whole.dir = filepath.Join(whole.dir, "copy")
	require.Equal(t, "5", whole.git("rev-list", "--count", "HEAD"), "the server's history is whole")

	// Where the server lacks what the clone lacks, Git says so, and nothing is told.
	out, err := shallow.try("push", w.remote("good", "other"), "main")
	require.Error(t, err)
	require.Contains(t, out, "shallow update not allowed")
	require.Len(t, w.told(), 2)
}

// packetOf is one line of Git's wire format.
func packetOf(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

func TestRemote_TakesCompressedBodies(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	first := c.commit("first", "a", "1")
	c.git("push", w.remote("good", "shop"), "main")
	second := c.commit("second", "a", "2")
	pack := c.feed([]byte(second+"\n^"+first+"\n"), "pack-objects", "--revs", "--stdout", "--quiet")

	for _, request := range []struct{ path, body, want string }{
		{"git-upload-pack", packetOf("want "+first+"\n") + "0000" + packetOf("done\n"), "PACK"},
		{
			"git-receive-pack",
			packetOf(first+" "+second+" refs/heads/main\x00report-status\n") + "0000" + string(pack), "ok refs/heads/main",
		},
	} {
		for _, encoding := range []string{"gzip", "x-gzip"} {
			var body bytes.Buffer
			zip := gzip.NewWriter(&body)
			_, err := zip.Write([]byte(request.body))
			require.NoError(t, err)
			require.NoError(t, zip.Close())
			req, err := http.NewRequest(http.MethodPost, w.url+"/git/shop.git/"+request.path, &body)
			require.NoError(t, err)
			req.SetBasicAuth("ada", "good")
			req.Header.Set("Content-Type", "application/x-"+request.path+"-request")
			req.Header.Set("Content-Encoding", encoding)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			var answer bytes.Buffer
			_, err = answer.ReadFrom(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", request.path, answer.String())
			require.Contains(t, answer.String(), request.want)
			if request.path == "git-receive-pack" {
				break // the same push is refused a second time: the branch has moved
			}
		}
	}
	pushes := w.told()
	require.Len(t, pushes, 2)
	require.Equal(t, second, pushes[1].New)
}

func TestRemove_DeletesTheRepositoryAndFreesItsName(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	c.commit("first", "a", "1")
	c.git("push", w.remote("good", "shop"), "main")
	require.NoError(t, w.repos.Remove(t.Context(), "shop"))
	require.NoError(t, w.repos.Remove(t.Context(), "shop"), "gone already is no error")
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(w.repos.Remove(t.Context(), "../shop")))
	_, err := w.repos.Resolve(t.Context(), "shop", "main")
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	left, err := filepath.Glob(filepath.Join(w.repos.dir, "[.s]*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(w.repos.dir, homeDir)}, left)

	c.git("push", w.remote("good", "shop"), "main")
	pushes := w.told()
	require.Len(t, pushes, 2, "a project of the same name begins anew")
	require.Empty(t, pushes[1].Old)
}

// outage makes the receiver refuse the next n pushes as a database that is down would.
func (w *world) outage(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = func(platform.Push) (platform.PushResult, error) {
		if n > 0 {
			n--
			return platform.PushResult{}, platform.Errorf(platform.CodeUnavailable, "The database does not answer.")
		}
		return platform.PushResult{}, nil
	}
}

func TestRun_TriesAgainUntilThePushIsRecorded(t *testing.T) {
	t.Parallel()
	w, c := setup(t), newClone(t)
	w.repos.retryEvery = 10 * time.Millisecond
	recorded := func(head string) {
		t.Helper()
		require.Eventually(t, func() bool {
			refs, err := w.repos.refs(t.Context(), w.repos.path("shop"), deliveredPrefix)
			return err == nil && len(refs) == 1 && refs[0].sha == head
		}, time.Minute, 10*time.Millisecond)
	}
	head := c.commit("before the start", "a", "1")
	w.outage(3)
	require.Contains(t, c.git("push", w.remote("good", "shop"), "main"), "they are recorded as soon as it can")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.repos.Run(ctx) }()
	recorded(head)
	require.Len(t, w.told(), 4)

	// Run waits now, and is woken by a push that could not be recorded.
	w.outage(3)
	head = c.commit("while it runs", "a", "2")
	c.git("push", w.remote("good", "shop"), "main")
	recorded(head)
	require.Len(t, w.told(), 8)
	cancel()
	require.NoError(t, <-ended)
}

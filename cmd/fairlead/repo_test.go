package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// patience is how long a test waits for what the server does in the background.
const patience = 60 * time.Second

// files are the contents of a working tree by path.
type files map[string]string

// repo is a real Git repository on disk, pushed with the git program.
type repo struct {
	t   *testing.T
	rig *installed
	dir string
}

func newRepo(t *testing.T, r *installed) *repo {
	t.Helper()
	g := &repo{t: t, rig: r, dir: t.TempDir()}
	g.git("init", "-q", "-b", "main")
	return g
}

func (g *repo) git(args ...string) string {
	g.t.Helper()
	out, err := g.try(args...)
	require.NoError(g.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(out)
}

func (g *repo) try(args ...string) (string, error) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
	cmd.Dir = g.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LANG=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// commit writes the files and commits everything.
func (g *repo) commit(message string, tree files) string {
	g.t.Helper()
	for name, text := range tree {
		require.NoError(g.t, os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o644))
	}
	g.git("add", "-A")
	g.git("commit", "-q", "-m", message)
	return g.git("rev-parse", "HEAD")
}

// addApp puts the compiled test program into the tree.
func (g *repo) addApp() {
	g.t.Helper()
	raw, err := os.ReadFile(g.rig.binary(g.t))
	require.NoError(g.t, err)
	require.NoError(g.t, os.WriteFile(filepath.Join(g.dir, "app"), raw, 0o755))
}

// remote is the address of a project's Git remote with a token as its password.
func (g *repo) remote(project, token string) string {
	return "http://git:" + token + "@" + g.rig.config.api + "/git/" + project + ".git"
}

// push pushes as the admin, which Git must accept, and returns what the terminal shows.
func (g *repo) push(project string) string {
	g.t.Helper()
	return g.git("push", g.remote(project, g.rig.admin), "main:main")
}

const dockerfile = "FROM scratch\nCOPY app /app\n"

// project makes a project whose fairlead.yaml has the given services, and a repository that holds it, not pushed yet.
func (r *installed) project(t *testing.T, services string) (string, *repo) {
	t.Helper()
	name := r.newName()
	blueprint := "project: " + name + "\nservices:\n" + services
	_, err := r.client.CreateProject(t.Context(), platform.CreateProjectRequest{Blueprint: blueprint})
	require.NoError(t, err)
	g := newRepo(t, r)
	require.NoError(t, os.WriteFile(filepath.Join(g.dir, "fairlead.yaml"), []byte(blueprint), 0o644))
	return name, g
}

// settled waits until the newest deploy of a service has ended.
func (r *installed) settled(t *testing.T, project, service string) platform.Deploy {
	t.Helper()
	var d platform.Deploy
	require.Eventually(t, func() bool {
		list, err := r.client.ListDeploys(t.Context(), platform.DeployFilter{SlotRef: platform.SlotRef{Project: project, Service: service}})
		if err != nil || len(list.Items) == 0 {
			return false
		}
		d = list.Items[0]
		return d.Phase.Terminal()
	}, patience, 50*time.Millisecond, "the deploy of %s/%s ends", project, service)
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.Image != "" {
		r.images[d.Image] = true
	}
	return d
}

// incident waits until one opens in a project.
func (r *installed) incident(t *testing.T, project string) platform.Incident {
	t.Helper()
	var found platform.Incident
	require.Eventually(t, func() bool {
		list, err := r.client.ListIncidents(t.Context(), platform.IncidentFilter{SlotRef: platform.SlotRef{Project: project}})
		if err != nil || len(list.Items) == 0 {
			return false
		}
		found = list.Items[0]
		return true
	}, patience, 50*time.Millisecond, "an incident opens in %s", project)
	return found
}

// untouched asserts that a project has neither deploys nor a service beyond the given ones.
func (r *installed) untouched(t *testing.T, project string, services ...string) {
	t.Helper()
	detail, err := r.client.GetProject(t.Context(), project)
	require.NoError(t, err)
	names := []string{}
	for _, s := range detail.Services {
		names = append(names, s.Name)
	}
	require.Equal(t, services, names, "the services are as they were")
	deploys, err := r.client.ListDeploys(t.Context(), platform.DeployFilter{SlotRef: platform.SlotRef{Project: project}})
	require.NoError(t, err)
	require.Empty(t, deploys.Items, "nothing was deployed")
}

// absent asserts that no project of that name was made.
func (r *installed) absent(t *testing.T, project string) {
	t.Helper()
	_, err := r.client.GetProject(t.Context(), project)
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

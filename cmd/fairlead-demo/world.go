package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/embeddedpg"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

// world is everything the demo made and must remove: a state folder, a Postgres, a server, a router and a repository.
type world struct {
	*report
	binary string
	dir    string // holds state, postgres and the repository
	state  string
	repo   string
	api    string // host:port of the server
	router string // host:port of the router
	token  string // the admin's

	postgres *embeddedpg.Server
	server   *exec.Cmd
	client   *client.Client
	engine   runtime.Runtime
	serving  *load // the load that is running, nil when none is

	projects []string // that are deleted at the end
	records  string   // eval: the folder of what came of each scenario
	played   int      // eval: scenarios that ended, of total
	total    int

	good     string // SHA of the newest commit that works
	incident string // of the release that answers 500
	plan     string // the rollback that the human approved
}

// planLife is short, so that the demo can show an expired plan without waiting half an hour.
const planLife = 75 * time.Second

func newWorld(ctx context.Context, binary, example string, r *report) (*world, error) {
	w := &world{report: r, projects: []string{"shop"}}
	var err error
	if w.binary, err = filepath.Abs(binary); err != nil {
		return w, err
	}
	if w.dir, err = os.MkdirTemp("", "fairlead-demo-"); err != nil {
		return w, err
	}
	if err := os.Chmod(w.dir, 0o755); err != nil {
		return w, err
	}
	w.state, w.repo = filepath.Join(w.dir, "state"), filepath.Join(w.dir, "shop")
	if w.api, err = freeAddress(ctx); err != nil {
		return w, err
	}
	if w.router, err = freeAddress(ctx); err != nil {
		return w, err
	}
	if example != "" {
		if err := os.CopyFS(w.repo, os.DirFS(example)); err != nil {
			return w, fmt.Errorf("copy the example: %w", err)
		}
	}
	if err := w.startPostgres(ctx); err != nil {
		return w, err
	}
	if err := w.startServer(ctx); err != nil {
		return w, err
	}
	secret, err := os.ReadFile(filepath.Join(w.state, "admin-token"))
	if err != nil {
		return w, fmt.Errorf("read the admin token: %w", err)
	}
	w.token = strings.TrimSpace(string(secret))
	w.client = client.New(client.Options{BaseURL: "http://" + w.api, Token: w.token})
	installation, err := os.ReadFile(filepath.Join(w.state, "installation"))
	if err != nil {
		return w, fmt.Errorf("read the installation's name: %w", err)
	}
	w.engine, err = docker.Open(ctx, docker.Options{Installation: strings.TrimSpace(string(installation))})
	return w, err
}

func (w *world) startPostgres(ctx context.Context) error {
	var err error
	w.postgres, err = embeddedpg.Open(ctx, embeddedpg.Options{Dir: filepath.Join(w.dir, "postgres")})
	return err
}

// startServer starts the server and waits until it is ready.
func (w *world) startServer(ctx context.Context) error {
	out, err := os.OpenFile(filepath.Join(w.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	w.server = exec.CommandContext(context.WithoutCancel(ctx), w.binary, "server", "--api", w.api, "--router", w.router)
	w.server.Env = w.env("DATABASE_URL="+w.postgres.URL(), "FAIRLEAD_PLAN_TTL="+planLife.String())
	w.server.Stdout, w.server.Stderr = out, out
	w.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.server.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(ended)
	}(w.server)
	return w.until(ctx, 60*time.Second, "the server is ready", func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("the server ended: see server.log")
		default:
		}
		return w.get(ctx, "/readyz") == http.StatusOK, nil
	})
}

// killServer ends the server without any warning.
func (w *world) killServer() error {
	if err := w.server.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	return nil
}

func (w *world) get(ctx context.Context, path string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.api+path, nil)
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// env is the environment of every program the demo starts, with extra entries at its end.
func (w *world) env(extra ...string) []string {
	kept := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LANG=C.UTF-8"}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		kept = append(kept, "DOCKER_HOST="+host)
	}
	kept = append(kept, "FAIRLEAD_STATE="+w.state, "FAIRLEAD_URL=http://"+w.api, "NO_COLOR=1")
	return append(kept, extra...)
}

// fairlead runs the program as the admin would and returns what it printed and its exit code.
func (w *world) fairlead(ctx context.Context, args ...string) (string, int) {
	return w.fairleadAs(ctx, w.token, args...)
}

func (w *world) fairleadAs(ctx context.Context, token string, args ...string) (string, int) {
	return w.run(ctx, w.repo, w.env("FAIRLEAD_TOKEN="+token), w.binary, args...)
}

// git runs the real git in the repository.
func (w *world) git(ctx context.Context, args ...string) (string, error) {
	identity := []string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"}
	out, code := w.run(ctx, w.repo, w.env(), "git", append(identity, args...)...)
	if code != 0 {
		return out, fmt.Errorf("git %s: exit %d: %s", strings.Join(args, " "), code, out)
	}
	return out, nil
}

func (w *world) run(ctx context.Context, dir string, env []string, program string, args ...string) (string, int) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return out.String(), exit.ExitCode()
	case err != nil:
		return out.String() + err.Error(), -1
	}
	return out.String(), 0
}

// until polls what until it says true, an error comes or the time is up.
func (w *world) until(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if whole.Err() != nil {
				return fmt.Errorf("%s: %w", what, context.Cause(whole))
			}
			return fmt.Errorf("%s: not seen within %s", what, limit)
		case <-tick.C:
		}
	}
}

// dump prints the end of the server's log, for a step that could not go on.
func (w *world) dump() {
	for _, name := range []string{"server.log", "state/router.log", "state/router-log/0000000001.log"} {
		raw, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
		w.say("\n   --- end of %s", name)
		for _, line := range lines[max(0, len(lines)-12):] {
			w.say("   %s", platform.Truncate(line, 240))
		}
	}
}

// close stops and removes everything the world holds, and nothing else: containers, networks, volumes and images carry
// the label of this installation, which only this world has.
func (w *world) close(keep bool) {
	if w.serving != nil {
		w.serving.stop()
	}
	if keep {
		w.say("\nkept: state %s, API http://%s, router http://%s", w.state, w.api, w.router)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if w.server != nil && w.server.Process != nil {
		w.deleteProjects(ctx)
		_, _ = w.run(ctx, w.dir, w.env(), w.binary, "server", "stop")
		_ = w.server.Process.Kill()
	}
	if w.engine != nil {
		if err := w.removeRest(ctx); err != nil {
			w.say("clean-up: %v", err)
		}
		w.engine.Close()
	}
	if w.postgres != nil {
		_ = w.postgres.Stop(ctx)
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}

// deleteProjects removes the projects as a user would, with their containers, images and volumes.
func (w *world) deleteProjects(ctx context.Context) {
	if w.client == nil || w.engine == nil {
		return
	}
	for _, project := range w.projects {
		err := w.client.DeleteProject(ctx, platform.DeleteProjectRequest{Project: project, Volumes: true})
		if err != nil && platform.CodeOf(err) != platform.CodeNotFound {
			w.say("clean-up: %v", err)
			return
		}
	}
	_ = w.until(ctx, 30*time.Second, "the projects' containers are gone", func() (bool, error) {
		left, err := w.engine.List(ctx, nil)
		return err == nil && len(left) == 0, err
	})
}

// removeRest removes what the server could not remove any more, or was not asked to: every container, network, volume and
// image that carries this installation's label.
func (w *world) removeRest(ctx context.Context) error {
	containers, err := w.engine.List(ctx, nil)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if err := w.engine.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	left, err := w.engine.Belongings(ctx, nil)
	if err != nil {
		return err
	}
	var all []error
	for _, network := range left.Networks {
		all = append(all, w.engine.RemoveNetwork(ctx, network))
	}
	for _, volume := range left.Volumes {
		all = append(all, w.engine.RemoveVolume(ctx, volume))
	}
	for _, image := range left.Images {
		all = append(all, w.engine.RemoveImage(ctx, image))
	}
	return errors.Join(all...)
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

package worker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/routing"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// childEnv makes the test binary a worker process: its value says which.
const childEnv = "FAIRLEAD_TEST_WORKER"

// child is a worker process of its own, which kills itself with -9 at a point.
type child struct {
	URL          string
	Installation string
	Socket       string
	RouterURL    string
	KillAt       string
}

func TestMain(m *testing.M) {
	if raw := os.Getenv(childEnv); raw != "" {
		var c child
		if err := json.Unmarshal([]byte(raw), &c); err != nil {
			panic(err)
		}
		if err := c.run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (c child) run() error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: c.URL})
	if err != nil {
		return err
	}
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		return err
	}
	engine, err := docker.Open(ctx, docker.Options{Installation: c.Installation})
	if err != nil {
		return err
	}
	return New(Options{
		Plane: control.New(control.Options{Store: s, Sealer: sealer}), Store: s, Installation: c.Installation, Runtime: engine,
		Router: routing.NewClient(c.Socket), RouterURL: c.RouterURL,
		Crash: func(point string) error {
			if point == c.KillAt {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				<-ctx.Done() // never: the signal is on its way
			}
			return nil
		},
	}).Run(ctx)
}

// start begins the process and returns what waits for its end.
func (c child) start(t *testing.T) *exec.Cmd {
	t.Helper()
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// dockerRig is a rig on the real engine, in a project of its own.
type dockerRig struct {
	*rig
	project string
	docker  *docker.Runtime
	images  []string // imported for the test
}

func newDockerRig(t *testing.T) (*dockerRig, child) {
	t.Helper()
	url := storetest.URL(t)
	r := newRigOn(t, storetest.OpenURL(t, url))
	var raw [4]byte
	_, _ = rand.Read(raw[:])
	d := &dockerRig{rig: r, project: "t" + hex.EncodeToString(raw[:])}
	var err error
	d.docker, err = docker.Open(t.Context(), docker.Options{Installation: d.project})
	require.NoError(t, err)
	t.Cleanup(d.clean)
	r.options.Runtime, r.options.Installation = d.docker, d.project
	return d, child{URL: url, Installation: d.project, Socket: r.socket, RouterURL: r.routerURL}
}

func (d *dockerRig) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := d.docker.List(ctx, map[string]string{runtime.LabelInstallation: d.project})
	require.NoError(d.t, err)
	for _, c := range list {
		require.NoError(d.t, d.docker.Remove(ctx, c.ID))
	}
	require.NoError(d.t, d.docker.RemoveNetwork(ctx, NetworkName(d.project, platform.ProductionName)))
	require.NoError(d.t, d.docker.Close())
	// Last: of an image that a container uses, force takes only the name and leaves it on the engine for ever.
	api, err := docker.NewClient("")
	require.NoError(d.t, err)
	defer api.Close()
	for _, ref := range d.images {
		_, err := api.ImageRemove(ctx, ref, image.RemoveOptions{})
		require.NoError(d.t, err, "no image is left on the engine")
	}
}

// imports makes an image of the test app that says it is name.
func (d *dockerRig) imports(binary []byte, name string, env ...string) string {
	d.t.Helper()
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	require.NoError(d.t, w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(binary))}))
	_, err := w.Write(binary)
	require.NoError(d.t, err)
	require.NoError(d.t, w.Close())
	api, err := docker.NewClient("")
	require.NoError(d.t, err)
	defer api.Close()
	ref := "fairlead-test/" + d.project + ":" + name
	changes := []string{`CMD ["/app"]`, "ENV IMAGE=" + name}
	for _, kv := range env {
		changes = append(changes, "ENV "+kv)
	}
	answer, err := api.ImageImport(d.t.Context(), image.ImportSource{Source: &root, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	require.NoError(d.t, err)
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	require.NoError(d.t, err)
	d.images = append(d.images, ref)
	return ref
}

func compileApp(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "app")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./testdata/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	words, err := cmd.CombinedOutput()
	require.NoError(t, err, string(words))
	binary, err := os.ReadFile(out)
	require.NoError(t, err)
	return binary
}

// runs waits until exactly n containers of the installation exist, all running and of the release.
func (d *dockerRig) runs(n, release int) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		list, err := d.docker.List(d.t.Context(), map[string]string{runtime.LabelInstallation: d.project})
		if err != nil || len(list) != n {
			return false
		}
		for _, c := range list {
			if !c.Running || c.Labels[runtime.LabelReleaseNo] != fmt.Sprint(release) {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond)
}

func (d *dockerRig) slotRef() platform.SlotRef {
	return platform.SlotRef{Project: d.project, Service: "api"}
}

func (d *dockerRig) deployImage(image string) platform.Deploy {
	d.t.Helper()
	deploy, err := d.plane.Deploy(d.t.Context(), ada, platform.DeployRequest{SlotRef: d.slotRef(), Image: image})
	require.NoError(d.t, err)
	return deploy
}

func (d *dockerRig) create(image string, replicas int) {
	d.t.Helper()
	text := fmt.Sprintf("project: %s\nservices:\n  - {name: api, type: web, image: %q, port: 8000, replicas: %d, drain: 3s, healthCheck: {path: /healthz, interval: 1s}}\n", d.project, image, replicas)
	_, err := d.plane.CreateProject(d.t.Context(), ada, platform.CreateProjectRequest{Blueprint: text})
	require.NoError(d.t, err)
	d.host = "api." + d.project + ".localhost"
}

// TestKill_RealProcessRealEngineRealRequests kills a worker process with -9 at each step of a deploy on the real
// engine: the next process finishes it, with one set of containers, while no request fails.
func TestKill_RealProcessRealEngineRealRequests(t *testing.T) {
	t.Parallel()
	d, worker := newDockerRig(t)
	binary := compileApp(t)
	images := []string{d.imports(binary, "one"), d.imports(binary, "two")}
	d.create(images[0], 1)
	first := worker.start(t)
	d.reaches(d.deployImage(images[0]).ID, platform.PhaseLive)
	d.runs(1, 1)
	require.NoError(t, first.Process.Signal(syscall.SIGKILL))
	_ = first.Wait()

	load := d.load()
	points := []string{"starting/start", "checking/enter", "shifting/shift", "draining/retire", "draining/enter"}
	for i, point := range points {
		dying := worker
		dying.KillAt = point
		cmd := dying.start(t)
		deploy := d.deployImage(images[(i+1)%2])
		require.ErrorContains(t, cmd.Wait(), "killed", point)
		began := time.Now()
		next := worker.start(t)
		d.reaches(deploy.ID, platform.PhaseLive)
		t.Logf("killed at %s: live %s after the next process began", point, time.Since(began).Round(time.Millisecond))
		d.runs(1, i+2)
		require.NoError(t, next.Process.Signal(syscall.SIGKILL))
		_ = next.Wait()
	}
	load.none(t)
}

// TestKill_AtAnyMoment kills the process again and again at moments of no meaning, until a deploy is live.
func TestKill_AtAnyMoment(t *testing.T) {
	t.Parallel()
	d, worker := newDockerRig(t)
	binary := compileApp(t)
	images := []string{d.imports(binary, "one"), d.imports(binary, "two")}
	d.create(images[0], 2)
	first := worker.start(t)
	d.reaches(d.deployImage(images[0]).ID, platform.PhaseLive)
	d.runs(2, 1)
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()

	load := d.load()
	for i := range 3 {
		deploy := d.deployImage(images[(i+1)%2])
		for attempt := 0; ; attempt++ {
			cmd := worker.start(t)
			// Longer each time, so that it arrives in the end; the first ones die before or in the middle of each step.
			timer := time.AfterFunc(time.Duration(50+120*attempt+mathrand.IntN(100))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			require.Error(t, cmd.Wait())
			timer.Stop()
			now, err := d.plane.GetDeploy(t.Context(), ada, deploy.ID)
			require.NoError(t, err)
			if now.Phase == platform.PhaseLive {
				t.Logf("live after %d kills", attempt+1)
				break
			}
			require.False(t, now.Phase.Terminal(), "%+v", now.Failure)
			require.Less(t, attempt, 40)
		}
		last := worker.start(t)
		d.runs(2, i+2)
		require.NoError(t, last.Process.Kill())
		_ = last.Wait()
	}
	load.none(t)
}

// TestOverhead_OfADeployOnTheRealEngine measures what Fairlead itself adds between image and traffic.
func TestOverhead_OfADeployOnTheRealEngine(t *testing.T) {
	d, _ := newDockerRig(t)
	binary := compileApp(t)
	images := []string{d.imports(binary, "one"), d.imports(binary, "two")}
	d.create(images[0], 1)
	timed := &timedEngine{Runtime: d.docker}
	d.options.Runtime = timed
	d.start()
	for i := range 6 {
		deploy := d.deployImage(images[i%2])
		d.reaches(deploy.ID, platform.PhaseLive)
		at := d.phases(deploy.ID)
		whole := at[platform.PhaseDraining].Sub(at[platform.PhaseStarting])
		t.Logf("image to traffic %s, of it the engine's start %s: overhead %s", whole, timed.last.Round(time.Millisecond), (whole - timed.last).Round(time.Millisecond))
		require.Less(t, whole-timed.last, 5*time.Second)
	}
}

// phases is when each phase of a deploy began.
func (d *dockerRig) phases(id platform.DeployID) map[platform.Phase]time.Time {
	d.t.Helper()
	list, err := d.plane.ListEvents(d.t.Context(), ada, platform.EventFilter{Subject: string(id), Page: platform.Page{Limit: 100}})
	require.NoError(d.t, err)
	at := map[platform.Phase]time.Time{}
	for _, e := range list.Items {
		var payload struct {
			Phase platform.Phase `json:"phase"`
		}
		require.NoError(d.t, json.Unmarshal(e.Payload, &payload))
		at[payload.Phase] = e.At
	}
	return at
}

// timedEngine remembers how long the engine took to start the last instance.
type timedEngine struct {
	runtime.Runtime
	last time.Duration
}

func (e *timedEngine) Start(ctx context.Context, spec runtime.Spec) (runtime.Container, error) {
	began := time.Now()
	defer func() { e.last = time.Since(began) }()
	return e.Runtime.Start(ctx, spec)
}

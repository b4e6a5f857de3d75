package docker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

func spec(installation, instance string, steps ...string) runtime.Spec {
	return runtime.Spec{
		Name: "fairlead-" + installation + "-" + instance, Image: subjectImage,
		Command: append([]string{runtimetest.SubjectPath}, steps...),
		Labels: map[string]string{
			runtime.LabelManaged: "true", runtime.LabelInstallation: installation, runtime.LabelInstance: instance,
		},
	}
}

// home is a Runtime of an installation of its own, emptied at the end.
func home(t *testing.T, o docker.Options) (*docker.Runtime, string) {
	t.Helper()
	o.Installation = "test-" + token()
	r, err := docker.Open(t.Context(), o)
	require.NoError(t, err)
	owner := open(t, o.Installation) // by the usual way, whatever becomes of r's
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		list, err := owner.List(ctx, nil)
		require.NoError(t, err)
		for _, c := range list {
			require.NoError(t, owner.Remove(ctx, c.ID))
		}
		require.NoError(t, owner.Close())
		require.NoError(t, r.Close())
	})
	return r, o.Installation
}

func TestDocker_DownSaysUnavailableAndOpensAllTheSame(t *testing.T) {
	t.Parallel()
	r, err := docker.Open(t.Context(), docker.Options{Installation: "x", Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")})
	require.NoError(t, err, "Fairlead starts while its engine is down")
	defer r.Close()
	_, err = r.List(t.Context(), nil)
	require.ErrorIs(t, err, runtime.ErrUnavailable)
	_, err = r.Host(t.Context())
	require.ErrorIs(t, err, runtime.ErrUnavailable)
	_, err = r.Start(t.Context(), spec("x", "one"))
	require.ErrorIs(t, err, runtime.ErrUnavailable)
	require.ErrorIs(t, r.Stop(t.Context(), "abc", time.Second), runtime.ErrUnavailable)
	_, err = r.EnsureImage(t.Context(), "busybox")
	require.ErrorIs(t, err, runtime.ErrUnavailable, "not: missing")
}

func TestDocker_NeedsAnInstallation(t *testing.T) {
	t.Parallel()
	_, err := docker.Open(t.Context(), docker.Options{})
	require.ErrorContains(t, err, "installation")
}

func TestDocker_PublishedInstancesAnswerOnALoopbackPort(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{Reach: docker.ReachPublished})
	s := spec(name, "one", "listen:0.0.0.0:8080", "out:up", "wait")
	s.Port = 8080
	c, err := r.Start(t.Context(), s)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(c.Address, "127.0.0.1:"), c.Address)
	dials(t, c.Address)
	list, err := r.List(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, c.Address, list[0].Address)
}

func TestDocker_DirectInstancesAnswerAtTheirOwnAddress(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	s := spec(name, "one", "listen:0.0.0.0:8080", "wait")
	s.Port = 8080
	c, err := r.Start(t.Context(), s)
	require.NoError(t, err)
	require.False(t, strings.HasPrefix(c.Address, "127.0.0.1:"), c.Address)
	dials(t, c.Address)
}

func dials(t *testing.T, address string) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "something answers at %s", address)
}

func TestDocker_LimitsAndHardeningReachTheEngine(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	s := spec(name, "one", "wait")
	s.CPUs, s.MemoryBytes, s.SharedBytes, s.StopGrace = 0.25, 64<<20, 32<<20, 1500*time.Millisecond
	c, err := r.Start(t.Context(), s)
	require.NoError(t, err)
	api, err := docker.NewClient("")
	require.NoError(t, err)
	defer api.Close()
	seen, err := api.ContainerInspect(t.Context(), c.ID)
	require.NoError(t, err)
	host := seen.HostConfig
	require.Equal(t, int64(250_000_000), host.NanoCPUs)
	require.Equal(t, int64(64<<20), host.Memory)
	require.Equal(t, host.Memory, host.MemorySwap, "no swap")
	require.Equal(t, int64(32<<20), host.ShmSize)
	require.Equal(t, 2, *seen.Config.StopTimeout, "rounded up to whole seconds")
	require.True(t, *host.Init)
	require.Equal(t, []string{"ALL"}, []string(host.CapDrop))
	require.NotContains(t, host.CapAdd, "NET_RAW")
	require.Equal(t, []string{"no-new-privileges"}, host.SecurityOpt)
	require.False(t, host.Privileged)
	require.NotEmpty(t, host.LogConfig.Config["max-size"])
	require.True(t, host.RestartPolicy.IsNone())
}

func TestDocker_AGPUThatIsNotThereIsRefusedWithTheEnginesWords(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	host, err := r.Host(t.Context())
	require.NoError(t, err)
	s := spec(name, "one", "wait")
	s.GPUs = host.GPUs + 1
	_, err = r.Start(t.Context(), s)
	require.ErrorIs(t, err, runtime.ErrRefused)
	require.ErrorContains(t, err, "start "+s.Name)
	t.Log(err)
}

func TestDocker_MoreCPUsThanTheHostHasIsRefused(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	s := spec(name, "one", "wait")
	s.CPUs = 10_000
	_, err := r.Start(t.Context(), s)
	require.ErrorIs(t, err, runtime.ErrRefused)
	require.ErrorContains(t, err, "CPUs")
}

func TestDocker_NetworksMadeAtOnceAreOne(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	// Two servers, each asked several times at once.
	servers := []*docker.Runtime{r, open(t, name)}
	network := "fairlead-" + name
	t.Cleanup(func() {
		require.NoError(t, r.RemoveNetwork(context.WithoutCancel(t.Context()), network))
		require.NoError(t, servers[1].Close())
	})
	for range 3 {
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() { errs[i] = servers[i%2].EnsureNetwork(t.Context(), network, nil) })
		}
		all.Wait()
		require.NoError(t, errors.Join(errs...))
		found, err := r.Belongings(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, []string{network}, found.Networks)
		s := spec(name, "on-it-"+token(), "exit:0")
		s.Network = network
		c, err := r.Start(t.Context(), s)
		require.NoError(t, err, "the name is not ambiguous")
		require.NoError(t, r.Remove(t.Context(), c.ID))
		require.NoError(t, r.RemoveNetwork(t.Context(), network))
	}
}

func TestDocker_NetworksAreFoundByTheirWholeName(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	name = "fairlead-" + name
	require.NoError(t, r.EnsureNetwork(t.Context(), name+"-longer", nil), "a longer name is another name")
	require.NoError(t, r.EnsureNetwork(t.Context(), name, nil))
	found, err := r.Belongings(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{name, name + "-longer"}, found.Networks)
	require.NoError(t, r.RemoveNetwork(t.Context(), name))
	found, err = r.Belongings(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{name + "-longer"}, found.Networks)
	require.NoError(t, r.RemoveNetwork(t.Context(), name+"-longer"))
}

func TestDocker_RemoveImageTakesOursOnly(t *testing.T) {
	t.Parallel()
	r, name := home(t, docker.Options{})
	api, err := docker.NewClient("")
	require.NoError(t, err)
	defer api.Close()
	label := func(change string) string {
		root, err := runtimetest.SubjectImage(t.Context())
		require.NoError(t, err)
		ref := "fairlead-test/removable:" + token()
		answer, err := api.ImageImport(t.Context(), image.ImportSource{Source: root, SourceName: "-"}, ref, image.ImportOptions{Changes: []string{change}})
		require.NoError(t, err)
		defer answer.Close()
		_, err = io.Copy(io.Discard, answer)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, _ = api.ImageRemove(context.WithoutCancel(t.Context()), ref, image.RemoveOptions{Force: true})
		})
		return ref
	}
	ours := label(fmt.Sprintf("LABEL %s=true %s=%s", runtime.LabelManaged, runtime.LabelInstallation, name))
	theirs := label(fmt.Sprintf("LABEL %s=true %s=another", runtime.LabelManaged, runtime.LabelInstallation))

	s := spec(name, "one", "wait")
	s.Image = ours
	c, err := r.Start(t.Context(), s)
	require.NoError(t, err)
	found, err := r.Belongings(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{c.ImageID}, found.Images)
	require.NoError(t, err)
	require.NoError(t, r.RemoveImage(t.Context(), ours))
	_, err = r.EnsureImage(t.Context(), ours)
	require.NoError(t, err, "in use: left")
	require.NoError(t, r.Remove(t.Context(), c.ID))
	require.NoError(t, r.RemoveImage(t.Context(), c.ImageID))
	_, err = r.EnsureImage(t.Context(), c.ImageID)
	require.ErrorIs(t, err, runtime.ErrImageMissing)
	require.NoError(t, r.RemoveImage(t.Context(), theirs))
	_, err = r.EnsureImage(t.Context(), theirs)
	require.NoError(t, err, "another installation's: left")
}

// breakable passes an engine's socket on, and breaks every connection when told.
type breakable struct {
	listener net.Listener
	mu       sync.Mutex // guards open
	open     []net.Conn
}

func newBreakable(t *testing.T) (*breakable, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	b := &breakable{listener: listener}
	target, err := client.ParseHostURL(client.DefaultDockerHost)
	require.NoError(t, err)
	var pipes sync.WaitGroup
	pipes.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			engine, err := (&net.Dialer{}).DialContext(context.Background(), "unix", target.Host)
			if err != nil {
				_ = conn.Close()
				continue
			}
			b.mu.Lock()
			b.open = append(b.open, conn, engine)
			b.mu.Unlock()
			pipes.Go(func() { _, _ = io.Copy(engine, conn); _ = engine.Close() })
			pipes.Go(func() { _, _ = io.Copy(conn, engine); _ = conn.Close() })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		b.snap()
		pipes.Wait()
	})
	return b, "unix://" + socket
}

func (b *breakable) snap() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.open {
		_ = conn.Close()
	}
	b.open = nil
}

func TestDocker_WatchResyncsAfterABreak(t *testing.T) {
	t.Parallel()
	wire, host := newBreakable(t)
	r, name := home(t, docker.Options{Host: host})
	events := make(chan runtime.Event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Watch(ctx, func(e runtime.Event) { events <- e }) }()
	require.Equal(t, runtime.EventResync, (<-events).Kind, "the stream is up")
	wire.snap()
	require.Equal(t, runtime.EventResync, (<-events).Kind, "and up again")
	c, err := r.Start(t.Context(), spec(name, "one", "exit:4"))
	require.NoError(t, err)
	started, died := <-events, <-events
	require.Equal(t, []any{runtime.EventStarted, c.ID}, []any{started.Kind, started.ID})
	require.Equal(t, []any{runtime.EventDied, 4}, []any{died.Kind, died.ExitCode})
	cancel()
	require.NoError(t, <-ended)
}

func TestDocker_FollowGoesOnAcrossABreak(t *testing.T) {
	t.Parallel()
	wire, host := newBreakable(t)
	r, name := home(t, docker.Options{Host: host})
	c, err := r.Start(t.Context(), spec(name, "one", "out:first", "wait", "out:last"))
	require.NoError(t, err)
	lines := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- r.Logs(t.Context(), c.ID, runtime.LogOptions{Follow: true}, func(f runtime.LogFrame) error {
			lines <- string(f.Line)
			return nil
		})
	}()
	require.Equal(t, "first", <-lines)
	wire.snap()
	require.NoError(t, open(t, name).Stop(t.Context(), c.ID, 30*time.Second))
	require.NoError(t, <-ended)
	require.Equal(t, "asked to end", <-lines)
	require.Equal(t, "last", <-lines)
	require.Empty(t, lines, "nothing twice")
}

// An engine that answers 503 is on its way up or down.
func TestDocker_ServiceUnavailableIsUnavailable(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"starting"}`, http.StatusServiceUnavailable)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	r, err := docker.Open(t.Context(), docker.Options{Installation: "x", Host: "unix://" + socket})
	require.NoError(t, err)
	defer r.Close()
	_, err = r.List(t.Context(), nil)
	require.ErrorIs(t, err, runtime.ErrUnavailable)
}

func TestVolumes_AreMeasuredWithTheirLabels(t *testing.T) {
	t.Parallel()
	r, installation := home(t, docker.Options{})
	name := "fairlead-" + installation + "-models"
	require.NoError(t, r.EnsureVolume(t.Context(), name, map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: installation, runtime.LabelDisk: "models",
	}))
	t.Cleanup(func() { require.NoError(t, r.RemoveVolume(context.WithoutCancel(t.Context()), name)) })
	volumes, err := r.Volumes(t.Context())
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	require.Equal(t, name, volumes[0].Name)
	require.Equal(t, "models", volumes[0].Labels[runtime.LabelDisk])
	require.GreaterOrEqual(t, volumes[0].Bytes, int64(0))
	found, err := r.Host(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, found.DataRoot)
}

func TestStats_OfARunningContainerTellUsageAndKills(t *testing.T) {
	t.Parallel()
	r, installation := home(t, docker.Options{})
	wanted := spec(installation, "one", "wait")
	wanted.MemoryBytes = 64 << 20
	c, err := r.Start(t.Context(), wanted)
	require.NoError(t, err)
	sample, err := r.Stats(t.Context(), c.ID)
	require.NoError(t, err)
	require.GreaterOrEqual(t, sample.MemoryUsage, sample.MemoryBytes)
	require.NotNil(t, sample.OOMKills)
	require.Zero(t, *sample.OOMKills)
}

package collect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

// daemon is a Docker Engine of a test's own, beside the one that the other tests share, so that it can be killed.
type daemon struct {
	dir   string
	flags []string
	cmd   *exec.Cmd
	ended chan struct{}
}

// startDaemon starts an engine with a folder of its own and ends it with the test, after everything that runs on it.
func startDaemon(t *testing.T, flags ...string) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "fairlead-engine-") // a socket's path is short
	require.NoError(t, err)
	d := &daemon{dir: dir, flags: flags}
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(d.path("log"))
			t.Logf("--- end of the engine's log\n%s", said[max(0, len(said)-4000):])
		}
		d.end(t)
		d.endContainerd(t)
		_ = syscall.Unmount(d.path("data"), syscall.MNT_DETACH) // an engine that was killed leaves its folder mounted on itself
		require.NoError(t, os.RemoveAll(dir))
	})
	d.start(t)
	return d
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *daemon) host() string { return "unix://" + d.path("docker.sock") }

// start starts the process and waits until it answers.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	d.cmd = exec.Command("dockerd", append([]string{
		"--data-root", d.path("data"), "--exec-root", d.path("exec"), "--pidfile", d.path("pid"), "-H", d.host(),
		"--bridge=none", "--iptables=false", "--ip6tables=false",
	}, d.flags...)...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// In a network namespace of its own: an engine without a bridge removes the bridge docker0 that it finds.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	require.NoError(t, d.cmd.Start(), "dockerd is needed, and root")
	d.ended = make(chan struct{})
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait()
	}()
	api, err := docker.NewClient(d.host())
	require.NoError(t, err)
	defer api.Close()
	require.Eventually(t, func() bool {
		_, err := api.Ping(t.Context())
		return err == nil
	}, 60*time.Second, 20*time.Millisecond, "the engine answers")
}

// end ends the process in order and waits until it is gone.
func (d *daemon) end(t *testing.T) {
	t.Helper()
	select {
	case <-d.ended:
		return
	default:
	}
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.ended:
	case <-time.After(60 * time.Second):
		require.Fail(t, "the engine does not end")
	}
}

// endContainerd ends the containerd that a killed engine left behind.
func (d *daemon) endContainerd(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile(d.path("exec/containerd/containerd.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	require.NoError(t, err)
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if !strings.Contains(string(command), d.dir) {
		return
	}
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 10*time.Second, 10*time.Millisecond)
}

// TestCollector_AcrossARestartOfTheEngineStoresEachLineOnce ends the engine while a container writes 20,000 lines a second,
// and kills the collector too. What the engine's own log holds of the container in the end is stored, each line once: what
// an engine that is killed has read from a container and not written down is lost before anybody can collect it.
func TestCollector_AcrossARestartOfTheEngineStoresEachLineOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags []string
		again bool // the engine stops the container, and it is started again
	}{
		"containers go on":         {[]string{"--live-restore"}, false},
		"containers are restarted": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			const total = 80_000
			d := startDaemon(t, c.flags...)
			engine, installation, instance := writerOn(t, d.host(), nil, fmt.Sprint(total), "200")
			dir := t.TempDir()
			collector := startChildOf(t, d.host(), dir, installation, "")
			awaitLines(t, engine, instance, 15_000)
			d.end(t)
			d.start(t)
			if c.again {
				startAgain(t, d, engine, instance)
				awaitLines(t, engine, instance, 30_000)
			}
			require.NoError(t, collector.Process.Kill())
			require.Error(t, collector.Wait(), "it was killed")
			require.NoError(t, startChildOf(t, d.host(), dir, installation, instance).Wait())

			logged := map[string]int{}
			require.NoError(t, engine.Logs(t.Context(), containerOf(t, engine, instance).ID, runtime.LogOptions{}, func(f runtime.LogFrame) error {
				logged[string(f.Line)]++
				return nil
			}))
			require.Greater(t, len(logged), 15_000)
			if c.again {
				require.Len(t, logged, total+1, "the engine's log has every number")
			}
			t.Logf("the engine's own log lacks %d of %d numbers", total+1-len(logged), total+1)
			stored := storedOnce(t, dir, instance)
			for text, n := range logged {
				require.Equal(t, n, stored[text], text)
			}
			require.Len(t, stored, len(logged), "nothing is stored that was not said")
		})
	}
}

func containerOf(t *testing.T, engine *docker.Runtime, instance string) runtime.Container {
	t.Helper()
	containers, err := engine.List(t.Context(), map[string]string{runtime.LabelInstance: instance})
	require.NoError(t, err)
	require.Len(t, containers, 1)
	return containers[0]
}

// awaitLines waits until the engine's log of the instance holds n more lines than at the call, or the container has ended.
func awaitLines(t *testing.T, engine *docker.Runtime, instance string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	id, from, seen := containerOf(t, engine, instance).ID, time.Now(), 0
	for seen < n && ctx.Err() == nil { // the stream of an engine that was just started may break off
		seen = 0
		err := engine.Logs(ctx, id, runtime.LogOptions{Since: from, Follow: true}, func(runtime.LogFrame) error {
			if seen++; seen == n {
				return io.EOF
			}
			return nil
		})
		if err != nil && !errors.Is(err, io.EOF) {
			t.Logf("the stream broke off after %d lines: %v", seen, err)
		}
	}
	require.Equal(t, n, seen, "the container goes on writing")
}

// startAgain starts the container that its engine stopped with itself.
func startAgain(t *testing.T, d *daemon, engine *docker.Runtime, instance string) {
	t.Helper()
	api, err := docker.NewClient(d.host())
	require.NoError(t, err)
	defer api.Close()
	stopped := containerOf(t, engine, instance)
	require.False(t, stopped.Running, "the engine stopped it")
	require.NoError(t, api.ContainerStart(t.Context(), stopped.ID, container.StartOptions{}))
}

package collect_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

// The test binary runs itself as a collector that can be killed: these name its state folder, the engine ("" for the usual
// one), its installation, and the instance whose end it waits for ("" to go on until it is killed).
const (
	childDir          = "FAIRLEAD_TEST_COLLECT_DIR"
	childEngine       = "FAIRLEAD_TEST_COLLECT_ENGINE"
	childInstallation = "FAIRLEAD_TEST_COLLECT_INSTALLATION"
	childInstance     = "FAIRLEAD_TEST_COLLECT_INSTANCE"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child collects through a spool into an embedded store, as the server does.
func child() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := os.Getenv(childDir)
	store, err := embedded.OpenLogs(filepath.Join(dir, "logs"), embedded.LogOptions{FlushInterval: time.Second})
	if err != nil {
		return err
	}
	logs, err := spool.Open(spool.Options{Dir: filepath.Join(dir, "spool"), Target: store, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	draining, drained := context.WithCancel(context.Background())
	defer drained()
	drain := make(chan error, 1)
	go func() { drain <- logs.Run(draining) }()
	engine, err := docker.Open(ctx, docker.Options{Installation: os.Getenv(childInstallation), Host: os.Getenv(childEngine)})
	if err != nil {
		return err
	}
	c, err := collect.New(collect.Options{
		Engine: engine, Logs: logs, CursorDir: filepath.Join(dir, "cursors"), DrainTimeout: 6 * time.Minute,
		Match: map[string]string{runtime.LabelInstallation: os.Getenv(childInstallation)},
		Log:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	if instance := os.Getenv(childInstance); instance != "" {
		if err := c.Drained(ctx, platform.InstanceID(instance)); err != nil {
			return err
		}
		cancel()
	}
	if err := <-done; err != nil {
		return err
	}
	drained()
	return errors.Join(<-drain, store.Close(), logs.Settle(), logs.Close())
}

// startChild runs this test binary as a collector of the usual engine.
func startChild(t *testing.T, dir, installation, instance string) *exec.Cmd {
	t.Helper()
	return startChildOf(t, "", dir, installation, instance)
}

func startChildOf(t *testing.T, host, dir, installation, instance string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childEngine+"="+host, childInstallation+"="+installation, childInstance+"="+instance)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd
}

// writer starts a container that prints numbered lines, and removes it and its image at the end.
func writer(t *testing.T, args ...string) (engine *docker.Runtime, installation, instance string) {
	t.Helper()
	return writerWith(t, nil, args...)
}

// writerWith is writer with more labels on the container.
func writerWith(t *testing.T, more map[string]string, args ...string) (engine *docker.Runtime, installation, instance string) {
	t.Helper()
	return writerOn(t, "", more, args...)
}

// writerOn is writerWith on the engine at an address.
func writerOn(t *testing.T, host string, more map[string]string, args ...string) (engine *docker.Runtime, installation, instance string) {
	t.Helper()
	api, err := docker.NewClient(host)
	require.NoError(t, err)
	installation = platform.NewID[string]("test")
	ref := "fairlead-test/writer:" + installation
	answer, err := api.ImageImport(t.Context(), image.ImportSource{Source: writerImage(t), SourceName: "-"}, ref, image.ImportOptions{})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer)
	require.NoError(t, err)
	require.NoError(t, answer.Close())
	engine, err = docker.Open(t.Context(), docker.Options{Installation: installation, Host: host})
	require.NoError(t, err)
	instance = platform.NewID[string](platform.PrefixInstance)
	labels := map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: installation, runtime.LabelInstance: instance, runtime.LabelProject: "shop",
		runtime.LabelEnvironment: "production", runtime.LabelService: "api", runtime.LabelRole: runtime.RoleInstance, runtime.LabelReleaseNo: "1",
	}
	maps.Copy(labels, more)
	network := "fairlead-test-" + installation
	require.NoError(t, engine.EnsureNetwork(t.Context(), network, labels))
	started, err := engine.Start(t.Context(), runtime.Spec{Name: network, Image: ref, Command: append([]string{"/writer"}, args...), Labels: labels, Network: network})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if started.ID != "" {
			require.NoError(t, engine.Remove(ctx, started.ID))
		}
		require.NoError(t, engine.RemoveNetwork(ctx, network))
		_, err := api.ImageRemove(ctx, ref, image.RemoveOptions{Force: true})
		require.NoError(t, err)
		require.NoError(t, engine.Close())
		require.NoError(t, api.Close())
	})
	require.NoError(t, err)
	return engine, installation, instance
}

// writerImage compiles the writer and returns a file system that holds nothing else.
func writerImage(t *testing.T) io.Reader {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "writer")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./testdata/writer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "writer", Mode: 0o755, Size: int64(len(content))}))
	_, err = w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return &packed
}

func TestCollector_KilledTwiceStoresEachLineOfARealContainerOnce(t *testing.T) {
	t.Parallel()
	const total = 30_000
	_, installation, instance := writer(t, fmt.Sprint(total), "30") // 3,000 lines a second for 10 s
	dir := t.TempDir()
	for _, lives := range []time.Duration{3500 * time.Millisecond, 3 * time.Second} {
		killChild(t, dir, installation, lives)
	}
	require.NoError(t, startChild(t, dir, installation, instance).Wait())
	requireEachOnce(t, dir, instance, total)
}

func TestCollector_KilledAtTwentyThousandLinesASecondStoresEachLineOnce(t *testing.T) {
	t.Parallel()
	const total = 80_000
	engine, installation, instance := writer(t, fmt.Sprint(total), "200") // 20,000 lines a second for 4 s
	dir := t.TempDir()
	killChild(t, dir, installation, 2*time.Second)
	killed := time.Now()
	require.NoError(t, startChild(t, dir, installation, instance).Wait())
	containers, err := engine.List(t.Context(), map[string]string{runtime.LabelInstance: instance})
	require.NoError(t, err)
	require.Len(t, containers, 1)
	started, ended := containers[0].StartedAt, containers[0].EndedAt
	require.True(t, killed.After(started) && killed.Before(ended), "it was killed while the writer wrote")
	t.Logf("%.0f lines a second for %s, killed after %s, all stored after %s", total/ended.Sub(started).Seconds(),
		ended.Sub(started).Round(time.Millisecond), killed.Sub(started).Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
	requireEachOnce(t, dir, instance, total)
}

// killChild lets a collector live for a while and kills it.
func killChild(t *testing.T, dir, installation string, lives time.Duration) {
	t.Helper()
	cmd := startChild(t, dir, installation, "")
	<-time.After(lives)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), "it was killed")
}

// requireEachOnce reads the whole store and counts the writer's numbers.
func requireEachOnce(t *testing.T, dir, instance string, total int) {
	t.Helper()
	seen := storedOnce(t, dir, instance)
	var missing, doubled []string
	for i := range total {
		switch n := seen[fmt.Sprintf("number %d", i)]; {
		case n == 0:
			missing = append(missing, fmt.Sprint(i))
		case n > 1:
			doubled = append(doubled, fmt.Sprint(i))
		}
	}
	require.Empty(t, missing, "missing of %d", total)
	require.Empty(t, doubled, "doubled of %d", total)
	require.Equal(t, 1, seen["the end without a line end"])
	require.Len(t, seen, total+1)
}

// storedOnce reads the whole store of an ended collector and counts each text.
func storedOnce(t *testing.T, dir, instance string) map[string]int {
	t.Helper()
	logs, err := embedded.OpenLogs(filepath.Join(dir, "logs"), embedded.LogOptions{})
	require.NoError(t, err)
	defer func() { require.NoError(t, logs.Close()) }()
	seen := map[string]int{}
	q := observability.LogQuery{Project: "shop", Instance: instance, Limit: observability.MaxLogLimit}
	for more := true; more; more = q.Cursor != "" {
		page, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		for _, l := range page.Lines {
			seen[l.Message]++
		}
		q.Cursor = page.Next
	}
	return seen
}

func TestCollector_FollowLatencyOfARealContainerIsBelow200ms(t *testing.T) {
	t.Parallel()
	engine, installation, _ := writer(t, "600", "2")
	hub := observability.NewHub()
	live, err := hub.Subscribe(observability.LogQuery{Project: "shop"}, 2000)
	require.NoError(t, err)
	defer live.Close()
	logs, err := embedded.OpenLogs(t.TempDir(), embedded.LogOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	run(t, collect.Options{Engine: engine, Logs: logs, Hub: hub, Match: map[string]string{runtime.LabelInstallation: installation}})
	began := time.Now()
	var late []time.Duration
	for l := range live.Lines() {
		if strings.HasPrefix(l.Message, "the end") {
			break
		}
		if l.At.After(began) {
			late = append(late, time.Since(l.At))
		}
	}
	slices.Sort(late)
	require.NotEmpty(t, late)
	t.Logf("follow latency of %d lines: p50 %s, p99 %s", len(late), late[len(late)/2], late[len(late)*99/100])
	require.Less(t, late[len(late)*99/100], 200*time.Millisecond)
}

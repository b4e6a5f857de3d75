package docker_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// subjectImage is the image of the suite's program, made once for the run and removed at its end.
var subjectImage string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	api, err := docker.NewClient("")
	if err == nil {
		subjectImage, err = makeSubject(ctx, api)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docker tests need a Docker Engine (deploy/needs.sh docker):", err)
		return 1
	}
	defer func() {
		_, _ = api.ImageRemove(ctx, subjectImage, image.RemoveOptions{Force: true})
		_ = api.Close()
	}()
	return m.Run()
}

// makeSubject imports the suite's program as the only file of an image.
func makeSubject(ctx context.Context, api *client.Client) (string, error) {
	root, err := runtimetest.SubjectImage(ctx)
	if err != nil {
		return "", err
	}
	ref := "fairlead-test/subject:" + token()
	answer, err := api.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, ref, image.ImportOptions{})
	if err != nil {
		return "", err
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return ref, err
}

func token() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

func open(t *testing.T, installation string) *docker.Runtime {
	t.Helper()
	r, err := docker.Open(t.Context(), docker.Options{Installation: installation})
	require.NoError(t, err)
	return r
}

// foreign starts a container with no label at all, as a user of the same engine would.
func foreign(t *testing.T) (id, name string, running func() bool) {
	t.Helper()
	api, err := docker.NewClient("")
	require.NoError(t, err)
	name = "somebody-elses-" + token()
	made, err := api.ContainerCreate(t.Context(), &container.Config{
		Image: subjectImage, Cmd: []string{runtimetest.SubjectPath, "wait"},
	}, nil, nil, nil, name)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, api.ContainerRemove(context.WithoutCancel(t.Context()), made.ID, container.RemoveOptions{Force: true}))
		require.NoError(t, api.Close())
	})
	require.NoError(t, api.ContainerStart(t.Context(), made.ID, container.StartOptions{}))
	return made.ID, name, func() bool {
		seen, err := api.ContainerInspect(t.Context(), made.ID)
		return err == nil && seen.State.Running
	}
}

func TestDocker_PassesTheConformanceSuite(t *testing.T) {
	t.Parallel()
	api, err := docker.NewClient("")
	require.NoError(t, err)
	defer api.Close()
	info, err := api.Info(t.Context())
	require.NoError(t, err)
	runtimetest.Exercise(t, runtimetest.Engine{
		Open:         func(t *testing.T, installation string) runtime.Runtime { return open(t, installation) },
		Image:        subjectImage,
		Foreign:      foreign,
		MemoryLimits: info.MemoryLimit,
		KeepsBytes:   true,
	})
}

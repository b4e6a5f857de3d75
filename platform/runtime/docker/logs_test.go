package docker_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// Files of 1 MiB are rotated under a follower that keeps up: engine 20.10 then sends some lines twice. (One that lags by
// a whole file loses it there; Fairlead's files are 64 times as large.)
func TestLogs_RotationUnderAFollowerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	const batches, batch = 30, 5000
	const lines = batches * batch
	command := []string{runtimetest.SubjectPath}
	for i := range batches {
		command = append(command, fmt.Sprintf("count:%d-%d", i*batch, (i+1)*batch-1), fmt.Sprintf("until:/go-%d", i))
	}
	installation := "test-" + token()
	r := open(t, installation)
	defer r.Close()
	api, err := docker.NewClient("")
	require.NoError(t, err)
	defer api.Close()
	made, err := api.ContainerCreate(t.Context(), &container.Config{
		Image:  subjectImage,
		Cmd:    command,
		Labels: map[string]string{runtime.LabelManaged: "true", runtime.LabelInstallation: installation},
	}, &container.HostConfig{LogConfig: container.LogConfig{
		Type: "local", Config: map[string]string{"max-size": "1m", "max-file": "20", "compress": "false"},
	}}, nil, nil, "fairlead-"+installation)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, api.ContainerRemove(context.WithoutCancel(t.Context()), made.ID, container.RemoveOptions{Force: true}))
	})
	require.NoError(t, api.ContainerStart(t.Context(), made.ID, container.StartOptions{}))

	seen := make([]int, lines)
	require.NoError(t, r.Logs(t.Context(), made.ID, runtime.LogOptions{Follow: true}, func(frame runtime.LogFrame) error {
		n, err := strconv.Atoi(string(frame.Line))
		require.NoError(t, err)
		seen[n]++
		if seen[n] == 1 && (n+1)%batch == 0 {
			// The process waits for its reader, so that on a slow machine too none lags by a file.
			_, err := r.Exec(t.Context(), made.ID, []string{runtimetest.SubjectPath, fmt.Sprintf("write:/go-%d=", n/batch)})
			return err
		}
		return nil
	}))
	for n, times := range seen {
		require.Equal(t, 1, times, "line %d", n)
	}
}

package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/system"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
)

const tables = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16011 1 0000000000000000 100 0 0 10 0
   1: 0B00007F:A2C3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16012 1 0000000000000000 100 0 0 10 0
   2: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16013 1 0000000000000000 100 0 0 10 0
   3: 020011AC:2328 010011AC:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 16014 1 0000000000000000 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 16015 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 16016 1 0 100 0 0 10 0
`

func TestListeners_ReadsTheKernelsTables(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0.0.0.0:9000", "127.0.0.1:8080", "[::]:80", "[::1]:81"}, listeners(tables),
		"without the engine's DNS and without connections")
}

func FuzzListeners(f *testing.F) {
	f.Add(tables)
	f.Add("0: zz:zz 0 0A")
	f.Fuzz(func(t *testing.T, text string) {
		for _, address := range listeners(text) {
			require.NotEmpty(t, address)
		}
	})
}

func TestParseMessage_KeepsTheBytesAndKnowsAPiece(t *testing.T) {
	t.Parallel()
	got, err := parseMessage("stderr", []byte("2026-11-20T20:00:00.000000007Z a b\r\n"))
	require.NoError(t, err)
	require.Equal(t, runtime.LogFrame{
		At: time.Date(2026, 11, 20, 20, 0, 0, 7, time.UTC), Stream: "stderr", Line: []byte("a b\r"),
	}, got)
	piece, err := parseMessage("stdout", []byte("2026-11-20T20:00:00Z "+strings.Repeat("x", engineBuffer)))
	require.NoError(t, err)
	require.True(t, piece.Partial)
	empty, err := parseMessage("stdout", []byte("2026-11-20T20:00:00Z \n"))
	require.NoError(t, err)
	require.Empty(t, empty.Line)
	for _, bad := range []string{"", "no-stamp", "yesterday hello\n"} {
		_, err := parseMessage("stdout", []byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("2026-11-20T20:00:00.000000007Z hello\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		frame, err := parseMessage("stdout", message)
		if err == nil {
			require.LessOrEqual(t, len(frame.Line), len(message))
			require.NotContains(t, string(frame.Line[max(0, len(frame.Line)-1):]), "\n\n")
		}
	})
}

func TestChooseReach_DirectOnlyWhereTheHostRoutesToTheBridge(t *testing.T) {
	t.Parallel()
	const socket = "unix:///var/run/docker.sock"
	for name, test := range map[string]struct {
		goos, host string
		info       system.Info
		want       Reach
	}{
		"linux":       {"linux", socket, system.Info{OperatingSystem: "Debian GNU/Linux 12"}, ReachDirect},
		"mac":         {"darwin", socket, system.Info{OperatingSystem: "Docker Desktop"}, ReachPublished},
		"desktop":     {"linux", socket, system.Info{OperatingSystem: "Docker Desktop"}, ReachPublished},
		"rootless":    {"linux", socket, system.Info{SecurityOptions: []string{"name=seccomp", "name=rootless"}}, ReachPublished},
		"remote":      {"linux", "tcp://10.0.0.1:2376", system.Info{}, ReachPublished},
		"windows npp": {"windows", "npipe:////./pipe/docker_engine", system.Info{}, ReachPublished},
	} {
		require.Equal(t, test.want, chooseReach(test.goos, test.host, test.info), name)
	}
}

func TestHostConfig_AsksForGPUs(t *testing.T) {
	t.Parallel()
	made := hostConfig(runtime.Spec{GPUs: 2}, ReachDirect)
	require.Equal(t, []container.DeviceRequest{{Count: 2, Capabilities: [][]string{{"gpu"}}}}, made.DeviceRequests)
	require.Empty(t, hostConfig(runtime.Spec{}, ReachDirect).DeviceRequests)
}

func TestWorkingSet_LeavesTheFileCacheOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(70), workingSet(container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 30}}))
	require.Equal(t, int64(60), workingSet(container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 30, "total_inactive_file": 40}}))
	require.Zero(t, workingSet(container.MemoryStats{Usage: 1, Stats: map[string]uint64{"inactive_file": 30}}))
}

func TestCandidates_FollowTheSearchPath(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"/usr/bin/python", "/bin/python"}, command{program: "python", searchPath: "/usr/bin:/bin"}.candidates())
	require.Equal(t, []string{"/opt/run"}, command{program: "/opt/run"}.candidates())
	require.Equal(t, []string{"/app/bin/run"}, command{program: "./bin/run", dir: "/app"}.candidates())
	require.Equal(t, "/last", searchPath([]string{"PATH=/first", "A=b", "PATH=/last"}))
	require.Equal(t, defaultPath, searchPath(nil))
}

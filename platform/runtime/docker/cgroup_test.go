package docker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
)

const someID = "4f1c9f0a2b"

// host writes files below a root that stands for a host's.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func TestGroupStats_Version2TellsPressureAndKills(t *testing.T) {
	t.Parallel()
	group := "sys/fs/cgroup/system.slice/docker-" + someID + ".scope/"
	root := host(t, map[string]string{
		"proc/17/cgroup":          "0::/system.slice/docker-" + someID + ".scope\n",
		group + "cpu.pressure":    "some avg10=1.50 avg60=0.60 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
		group + "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
		group + "memory.events":   "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
	})
	var s runtime.Stats
	groupStats(root, 17, someID, &s)
	require.Equal(t, []runtime.Pressure{
		{Resource: "cpu", Some: 2500 * time.Millisecond, Full: time.Millisecond},
		{Resource: "memory", Some: 7 * time.Microsecond, Full: 5 * time.Microsecond},
	}, s.Pressure, "io is not measured there, which is no fault")
	require.Equal(t, int64(2), *s.OOMKills)
}

func TestGroupStats_Version1TellsKillsOnly(t *testing.T) {
	t.Parallel()
	root := host(t, map[string]string{
		"proc/17/cgroup": "12:pids:/docker/" + someID + "\n4:memory:/docker/" + someID + "\n0::/system.slice/docker.service\n",
		"sys/fs/cgroup/memory/docker/" + someID + "/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
	})
	var s runtime.Stats
	groupStats(root, 17, someID, &s)
	require.Empty(t, s.Pressure)
	require.Equal(t, int64(4), *s.OOMKills)
}

func TestGroupStats_BothVersionsTogetherTellWhatEachKnows(t *testing.T) {
	t.Parallel()
	root := host(t, map[string]string{
		"proc/17/cgroup": "4:memory:/docker/" + someID + "\n0::/docker/" + someID + "\n",
		"sys/fs/cgroup/memory/docker/" + someID + "/memory.oom_control": "oom_kill 4\n",
		"sys/fs/cgroup/unified/docker/" + someID + "/io.pressure":       "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
	})
	var s runtime.Stats
	groupStats(root, 17, someID, &s)
	require.Equal(t, []runtime.Pressure{{Resource: "io", Some: 9 * time.Microsecond}}, s.Pressure)
	require.Equal(t, int64(4), *s.OOMKills)
}

func TestGroupStats_AnotherProcessOfThatNumberTellsNothing(t *testing.T) {
	t.Parallel()
	root := host(t, map[string]string{
		"proc/17/cgroup":                        "0::/user.slice\n",
		"sys/fs/cgroup/user.slice/cpu.pressure": "some avg10=1.50 avg60=0.60 avg300=0.10 total=2500000\n",
	})
	var s runtime.Stats
	groupStats(root, 17, someID, &s)
	groupStats(root, 18, someID, &s)
	require.Equal(t, runtime.Stats{}, s)
}

func FuzzParsePressure(f *testing.F) {
	f.Add("some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\n")
	f.Add("total=")
	f.Fuzz(func(_ *testing.T, text string) { parsePressure("cpu", text) })
}

func TestFolderBytes_CountsAFileWithTwoNamesOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one"), make([]byte, 1<<20), 0o644))
	before, err := folderBytes(t.Context(), dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, before, int64(1<<20))
	require.NoError(t, os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "two")))
	after, err := folderBytes(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = folderBytes(t.Context(), filepath.Join(dir, "nowhere"))
	require.Error(t, err)
}

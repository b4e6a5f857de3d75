package observabilitytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// ForgetStreams leaves the embedded log stores below dir, which are closed, as a kill can: the lines are on disk, and the
// index that names their streams is not.
func ForgetStreams(t testing.TB, dir string) {
	t.Helper()
	found := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "indexdb" && d.Name() != "cache" {
			return err
		}
		found++
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, os.MkdirAll(path, 0o755))
		if d.Name() == "indexdb" {
			require.NoError(t, os.WriteFile(filepath.Join(path, "parts.json"), []byte("[]"), 0o600))
		}
		return filepath.SkipDir
	}))
	require.NotZero(t, found)
}

package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/durable"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	out := []string{}
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out
}

func TestReplace_PutsTheNewContentInPlaceOfTheOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"a first and longer one", "second"} {
		require.NoError(t, durable.Replace(path, durable.Bytes([]byte(content))))
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(raw))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	require.Equal(t, []string{"state"}, names(t, dir))
}

func TestReplace_AWriteThatFailsLeavesTheOldFileAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	require.NoError(t, durable.Replace(path, durable.Bytes([]byte("old"))))
	broken := errors.New("the disk broke")
	err := durable.Replace(path, func(file *os.File) error {
		_, err := file.WriteString("half of the ne")
		return errors.Join(err, broken)
	})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "write state")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(raw))
	require.Equal(t, []string{"state"}, names(t, dir))

	require.Error(t, durable.Replace(filepath.Join(dir, "no folder", "state"), durable.Bytes(nil)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "taken"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "taken", "x"), nil, 0o600))
	require.Error(t, durable.Replace(filepath.Join(dir, "taken"), durable.Bytes(nil)), "a folder that is not empty is not replaced")
	require.Equal(t, []string{"state", "taken"}, names(t, dir))
}

func TestCreate_ReturnsTheNewFileOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	file, err := durable.Create(path, durable.Bytes([]byte("head")))
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteAt([]byte(" and tail"), 4)
	require.NoError(t, err)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "head and tail", string(raw))
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)
	raw, err = io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "head and tail", string(raw))
}

func TestClear_RemovesWhatACrashLeftAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	require.Panics(t, func() { // the nearest to a crash in the middle of a write
		_ = durable.Replace(path, func(*os.File) error { panic("killed") })
	})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	require.Len(t, names(t, dir), 2)
	require.NoError(t, durable.Clear(dir))
	require.Equal(t, []string{"other"}, names(t, dir))
	require.Error(t, durable.Clear(filepath.Join(dir, "none")))
}

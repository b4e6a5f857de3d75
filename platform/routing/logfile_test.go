package routing_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/routing"
)

// readLog returns the numbers of the files in dir and all their lines.
func readLog(t *testing.T, dir string) (numbers []uint64, lines []string) {
	t.Helper()
	numbers, err := routing.LogNumbers(dir)
	require.NoError(t, err)
	for _, n := range numbers {
		raw, err := os.ReadFile(routing.LogPath(dir, n))
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(raw), "\n"), "%d ends with a whole line", n)
		lines = append(lines, strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")...)
	}
	return numbers, lines
}

func TestLogFile_BeginsTheNextFileAtItsBoundAndKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir, opened := t.TempDir(), 0
	l, err := routing.OpenLog(dir, routing.LogOptions{MaxBytes: 100, Keep: 3, Opened: func(*os.File) { opened++ }})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 25 {
				_, err := fmt.Fprintf(l, "writer %d line %03d\n", w, i) // 18 bytes, five a file
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	require.NoError(t, l.Close())
	numbers, lines := readLog(t, dir)
	require.Equal(t, []uint64{18, 19, 20}, numbers)
	require.Len(t, lines, 15)
	require.Equal(t, 20, opened)
	_, err = l.Write([]byte("x\n"))
	require.Error(t, err)
}

func TestLogFile_GoesOnAfterAKillWithAWholeLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(routing.LogPath(dir, 7), []byte("whole\nunfin"), 0o600))
	l, err := routing.OpenLog(dir, routing.LogOptions{})
	require.NoError(t, err)
	_, err = l.Write([]byte("after\n"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	numbers, lines := readLog(t, dir)
	require.Equal(t, []uint64{7}, numbers)
	require.Equal(t, []string{"whole", "unfin", "after"}, lines)
}

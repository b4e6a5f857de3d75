package spool_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/spool"
)

// The test binary runs itself as a writer that can be killed: these name its folder and the number it begins with.
const (
	childDir   = "FAIRLEAD_TEST_SPOOL_DIR"
	childFirst = "FAIRLEAD_TEST_SPOOL_FIRST"
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

func openBoth(dir string) (*embedded.Logs, *spool.Spool, error) {
	logs, err := embedded.OpenLogs(filepath.Join(dir, "logs"), embedded.LogOptions{FlushInterval: time.Second})
	if err != nil {
		return nil, nil, err
	}
	s, err := spool.Open(spool.Options{
		Dir: filepath.Join(dir, "spool"), Target: logs, SegmentBytes: 256 << 10, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	return logs, s, err
}

// child appends numbered lines until it is killed, and prints the number after the last one that was accepted.
func child() error {
	_, s, err := openBoth(os.Getenv(childDir))
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(os.Getenv(childFirst))
	if err != nil {
		return err
	}
	go func() { _ = s.Run(context.Background()) }()
	for n := first; ; n += 50 {
		if err := s.Append(context.Background(), counted(n, n+50)); err != nil {
			return err
		}
		fmt.Println(n + 50)
	}
}

func counted(from, to int) []observability.Line {
	out := make([]observability.Line, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, observability.Line{
			At: time.Now(), Project: "shop", Service: "api", Instance: "ins_" + strconv.Itoa(i%3), Source: observability.SourceRuntime,
			Level: observability.LevelInfo, Message: fmt.Sprintf("number %d", i), Seq: uint64(i),
		})
	}
	return out
}

// The embedded store itself loses its newest seconds in a kill; the spool gives them again, each once.
func TestSpool_KilledAgainAndAgainLosesAndDoublesNoAcceptedLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var accepted []int
	next := 0
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childFirst+"="+strconv.Itoa(next))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		first := next
		deadline := time.AfterFunc(time.Duration(round+1)*700*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			next, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
		}
		require.Error(t, cmd.Wait(), "it was killed")
		deadline.Stop()
		for n := first; n < next; n++ {
			accepted = append(accepted, n)
		}
		next += 1000 // what was on its way at the kill keeps numbers of its own
	}
	logs, s, err := openBoth(dir)
	require.NoError(t, err)
	drained(t, s)
	require.NoError(t, s.Close())
	defer func() { require.NoError(t, logs.Close()) }()

	seen := storedIn(t, logs)
	t.Logf("%d lines accepted over 4 kills, %d stored", len(accepted), len(seen))
	require.Greater(t, len(accepted), 10_000)
	var missing, doubled []string
	for _, n := range accepted {
		if seen[fmt.Sprintf("number %d", n)] == 0 {
			missing = append(missing, strconv.Itoa(n))
		}
	}
	for message, n := range seen {
		if n > 1 {
			doubled = append(doubled, strings.TrimPrefix(message, "number "))
		}
	}
	require.Empty(t, missing, "missing of %d", len(accepted))
	require.Empty(t, doubled, "doubled of %d", len(accepted))
}

// drained runs the spool until everything was handed over.
func drained(t *testing.T, s *spool.Spool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return s.Stats().State == spool.StateIdle }, 60*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

// storedIn counts what the store has, by message.
func storedIn(t *testing.T, logs *embedded.Logs) map[string]int {
	t.Helper()
	seen := map[string]int{}
	q := observability.LogQuery{Project: "shop", Limit: observability.MaxLogLimit}
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

// A kill can leave lines in the store that no query finds. They were sent again once, and then all were there twice.
func TestSpool_LinesThatAKillHidInTheStoreAreNotDoubled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs, s, err := openBoth(dir)
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), counted(0, 500)))
	drained(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, logs.Close())
	observabilitytest.ForgetStreams(t, filepath.Join(dir, "logs"))

	logs, s, err = openBoth(dir)
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), counted(500, 600)))
	drained(t, s)
	require.NoError(t, s.Close())
	defer func() { require.NoError(t, logs.Close()) }()
	seen := storedIn(t, logs)
	require.Len(t, seen, 600)
	for message, n := range seen {
		require.Equal(t, 1, n, message)
	}
}

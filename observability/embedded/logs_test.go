package embedded_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
)

func openLogs(t *testing.T, dir string) *embedded.Logs {
	t.Helper()
	// The library reads a count of a part that it flushes for its own metrics after a query may have given the part back:
	// the race detector sees that, so no flush but the one of Close falls into a test.
	logs, err := embedded.OpenLogs(dir, embedded.LogOptions{FlushInterval: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	return logs
}

func TestLogs_KeepTheContract(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs { return openLogs(t, t.TempDir()) })
}

func TestLogs_SecondOpenerIsRefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := openLogs(t, dir)
	_, err := embedded.OpenLogs(dir, embedded.LogOptions{})
	require.ErrorIs(t, err, embedded.ErrInUse)
	require.NoError(t, logs.Append(t.Context(), []observability.Line{{At: time.Now(), Project: "shop", Message: "still here"}}))
}

func TestLogs_LinesOutliveACloseAndTheFolderIsFreeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs, err := embedded.OpenLogs(dir, embedded.LogOptions{})
	require.NoError(t, err)
	require.NoError(t, logs.Append(t.Context(), []observability.Line{{At: time.Now().Add(-time.Minute), Project: "shop", Message: "kept"}}))
	require.NoError(t, logs.Close())
	require.NoError(t, logs.Close())
	_, err = logs.Query(t.Context(), observability.LogQuery{})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(logs.Append(t.Context(), nil)))

	page, err := openLogs(t, dir).Query(t.Context(), observability.LogQuery{Project: "shop"})
	require.NoError(t, err)
	require.Len(t, page.Lines, 1)
}

func TestOpenLogs_FullDiskIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	_, err := embedded.OpenLogs(t.TempDir(), embedded.LogOptions{MinFreeBytes: 1 << 60})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "MiB free")
}

func TestOpenLogs_FolderThatIsAFileIsAnErrorNotAnExit(t *testing.T) {
	t.Parallel()
	_, err := embedded.OpenLogs("/dev/null/logs", embedded.LogOptions{})
	require.Error(t, err)
}

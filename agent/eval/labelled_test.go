package eval_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/platform"
)

// TestGroupings_TheMinerGroupsLabelledLinesAsPeopleDo scores the small sample of our own; `make eval LOGHUB_DIR=...` scores those
// that lie outside the project.
func TestGroupings_TheMinerGroupsLabelledLinesAsPeopleDo(t *testing.T) {
	t.Parallel()
	all, err := eval.Groupings(filepath.Join("..", "patterns", "testdata"))
	require.NoError(t, err)
	content, whole := eval.MeanGrouping(all)
	require.GreaterOrEqual(t, content, 0.90)
	require.Nil(t, whole, "the sample has no whole lines")
}

func TestGroupings_WholeLinesAreScoredWhereTheyLieBesideTheLabels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	put("a.log_structured.csv", "LineId,Content,EventId\n1,cache warmed,E1\n2,disk full,E2\n")
	put("a.log", "09:00 cache warmed\n09:01 disk full\n")
	all, err := eval.Groupings(dir)
	require.NoError(t, err)
	require.Equal(t, "a.log", all[0].Name)
	require.InDelta(t, 1, *all[0].Whole, 0)
	put("a.log", "09:00 cache warmed\n")
	_, err = eval.Groupings(dir)
	require.ErrorContains(t, err, "1 lines lie beside 2 labels")
	put("a.log_structured.csv", "LineId,EventId\n1,E1\n")
	_, err = eval.Groupings(dir)
	require.ErrorContains(t, err, "no column Content")
	_, err = eval.Groupings(t.TempDir())
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

package embedded_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/observabilitytest"
)

type reopened interface {
	observability.Logs
	Reindex(ctx context.Context, lines []observability.Line) error
	Close() error
}

func TestReindex_LinesWhoseStreamsAKillForgotAreFoundAgainOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(dir string) (reopened, error){
		"one store": func(dir string) (reopened, error) {
			return embedded.OpenLogs(dir, embedded.LogOptions{FlushInterval: time.Hour})
		},
		"a store for each project": func(dir string) (reopened, error) {
			return embedded.OpenProjectLogs(dir, embedded.LogOptions{FlushInterval: time.Hour})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var lines []observability.Line
			for i := range 20 {
				lines = append(lines, observability.Line{
					At: time.Now().Add(time.Duration(i-60) * time.Second), Project: "shop", Service: "api", Instance: fmt.Sprintf("ins_%d", i%2),
					Source: observability.SourceRuntime, Level: observability.LevelInfo, Message: fmt.Sprintf("number %d", i),
				})
			}
			logs, err := open(dir)
			require.NoError(t, err)
			require.NoError(t, logs.Append(t.Context(), lines))
			require.NoError(t, logs.Close())
			observabilitytest.ForgetStreams(t, dir)

			logs, err = open(dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, logs.Close()) }()
			of := observability.LogQuery{Project: "shop", Instance: "ins_0"}
			page, err := logs.Query(t.Context(), of)
			require.NoError(t, err)
			require.Empty(t, page.Lines, "this is what a kill can leave")

			require.NoError(t, logs.Reindex(t.Context(), lines))
			require.NoError(t, logs.Reindex(t.Context(), lines), "again is no harm")
			page, err = logs.Query(t.Context(), of)
			require.NoError(t, err)
			require.Len(t, page.Lines, 10)
			all, err := logs.Query(t.Context(), observability.LogQuery{Project: "shop"})
			require.NoError(t, err)
			require.Len(t, all.Lines, 20, "what names a stream is no line")
			counts, err := logs.Count(t.Context(), observability.LogQuery{Project: "shop", From: time.Now().Add(-time.Hour), To: time.Now()}, time.Hour)
			require.NoError(t, err)
			total := 0
			for _, c := range counts {
				total += int(c.Lines)
			}
			require.Equal(t, 20, total)
		})
	}
}

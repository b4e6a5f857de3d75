package build

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/secret"
)

func TestLog_AStepSaidToBeCachedAfterItsEndIsCountedAndSaidOnce(t *testing.T) {
	t.Parallel()
	var lines []Line
	log := newLog(func(line Line) { lines = append(lines, line) }, secret.NewRedactor(nil))
	const name = "[2/2] RUN make"
	log.begin("a", name, now())
	log.end("a", KindDone, now(), "")
	log.end("a", KindCached, now(), "")
	log.end("a", KindCached, now(), "")
	steps, cached := log.count()
	require.Equal(t, []int{1, 1}, []int{steps, cached})
	said := 0
	for _, line := range lines {
		if line.Kind == KindCached {
			require.Equal(t, "[2/2] cached", line.Text)
			said++
		}
	}
	require.Equal(t, 1, said)
}

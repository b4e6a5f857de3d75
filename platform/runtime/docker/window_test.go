package docker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform/runtime"
)

func frame(nanos int, stream string) runtime.LogFrame {
	return runtime.LogFrame{At: time.Unix(0, int64(nanos)), Stream: stream}
}

func TestWindow_DeliversEachFrameOnceOverAnyBreaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// A log file: stamps ascend per stream, but the streams interleave with jitter.
		var file []runtime.LogFrame
		clock, stamps := 0, map[string]int{}
		for range rapid.IntRange(1, 300).Draw(t, "lines") {
			stream := rapid.SampledFrom([]string{"stdout", "stderr"}).Draw(t, "stream")
			clock += rapid.IntRange(0, int(100*time.Millisecond)).Draw(t, "step")
			jitter := rapid.IntRange(0, int(overlap)).Draw(t, "jitter")
			at := max(stamps[stream]+1, clock-jitter)
			stamps[stream] = at
			for range rapid.IntRange(0, 2).Draw(t, "pieces") {
				piece := frame(at, stream)
				piece.Partial = true
				file = append(file, piece)
			}
			file = append(file, frame(at, stream))
		}
		var w window
		var got []runtime.LogFrame
		for at := 0; at < len(file); {
			until := rapid.IntRange(at+1, len(file)).Draw(t, "break")
			from := w.resumeAt(time.Time{})
			w.begin()
			for _, f := range file[:until] {
				if !f.At.Before(from) && w.isNew(f) {
					got = append(got, f)
				}
			}
			at = until
		}
		require.Len(t, got, len(file))
		require.Equal(t, int64(len(file)), w.delivered)
	})
}

func TestWindow_ForgetsTheOldestOnly(t *testing.T) {
	t.Parallel()
	var w window
	w.begin()
	for i := range maxRemembered + 10 {
		require.True(t, w.isNew(frame(i+1, "stdout")))
	}
	require.Len(t, w.seen, maxRemembered)
	require.False(t, w.isNew(frame(11, "stdout")), "remembered")
	require.True(t, w.isNew(frame(10, "stdout")), "let go of, so it may come twice, but is not held back")
	require.Equal(t, int64(12), w.resumeAt(time.Time{}).UnixNano(), "not before what is remembered, or it would all come twice")
}

package detect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/detect"
)

var fillStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// filling are points a step apart that begin at from and rise by rate bytes a second.
func filling(n int, step time.Duration, from, rate float64) []observability.Point {
	out := make([]observability.Point, n)
	for i := range out {
		out[i] = observability.Point{At: fillStart.Add(time.Duration(i) * step), Value: from + rate*(time.Duration(i)*step).Seconds()}
	}
	return out
}

func TestForecast_SteadyGrowthIsFullWhenTheLineSays(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	points := filling(73, 5*time.Minute, 20*gib, gib/3600.0) // 1 GiB an hour for 6 h, 26 GiB at the end
	left, ok := detect.DefaultFill.Forecast(points, 67*gib)
	require.True(t, ok)
	require.InDelta(t, 41*time.Hour, left, float64(time.Second), "full in 41 h")
}

func TestForecast_AbstainsWhenItCannotTell(t *testing.T) {
	t.Parallel()
	steady := filling(73, 5*time.Minute, 1e9, 1e5)
	sawtooth := filling(72, 5*time.Minute, 1e9, 0)
	for i := range sawtooth {
		sawtooth[i].Value += float64(i%12) * 1e8
	}
	noise := filling(72, 5*time.Minute, 1e9, 0)
	for i := range noise {
		noise[i].Value += rand.New(rand.NewPCG(1, uint64(i))).Float64() * 1e8 //nolint:gosec // a fixed seed
	}
	for name, c := range map[string]struct {
		points   []observability.Point
		capacity float64
	}{
		"no points": {nil, 1e10}, "few points": {steady[:5], 1e10}, "a short time": {filling(20, time.Minute, 1e9, 1e5), 1e10},
		"nothing written": {filling(73, 5*time.Minute, 1e9, 0), 1e10}, "shrinking": {filling(73, 5*time.Minute, 5e9, -1e4), 1e10},
		"filled and emptied in turns": {sawtooth, 1e10}, "noise": {noise, 1e10}, "years away": {steady, 1e15}, "no capacity": {steady, 0},
		"capacity unknown": {steady, math.NaN()},
	} {
		_, ok := detect.DefaultFill.Forecast(c.points, c.capacity)
		require.False(t, ok, name)
	}
	left, ok := detect.DefaultFill.Forecast(steady, 5e8)
	require.True(t, ok)
	require.Zero(t, left, "full already")
}

func TestForecast_Properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(12, 200).Draw(t, "points")
		from, rate := rapid.Float64Range(0, 1e12).Draw(t, "from"), rapid.Float64Range(1e3, 1e7).Draw(t, "rate")
		points := filling(n, 5*time.Minute, from, rate)
		last := points[n-1].Value
		room := rapid.Float64Range(1, 20*24*3600).Draw(t, "seconds of room") * rate
		rule := detect.DefaultFill
		rule.MinGrowth = 0
		left, ok := rule.Forecast(points, last+room)
		require.True(t, ok)
		require.InEpsilon(t, room/rate, left.Seconds(), 0.01, "a line is read exactly")

		more, ok := rule.Forecast(points, last+room*1.2)
		require.True(t, ok)
		require.Greater(t, more, left, "a larger disk is full later")

		shuffled := append([]observability.Point(nil), points...)
		rand.New(rand.NewPCG(uint64(n), 7)).Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] }) //nolint:gosec // a fixed seed
		again, _ := rule.Forecast(shuffled, last+room)
		require.Equal(t, left, again, "the order of points plays no part")

		for range n / 20 { // wild points, the last one spared: what is left is measured from it
			i := rapid.IntRange(0, n-2).Draw(t, "wild")
			points[i].Value = rapid.Float64Range(0, 1e12).Draw(t, "value")
		}
		if wild, ok := rule.Forecast(points, last+room); ok {
			require.InEpsilon(t, left.Seconds(), wild.Seconds(), 0.25, "few wild points hardly move it")
		}
	})
}

func TestForecast_IsNeverNegativeWhateverThePoints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64(), 0, 40).Draw(t, "values")
		points := filling(len(values), 5*time.Minute, 0, 0)
		for i, v := range values {
			points[i].Value = v
		}
		left, ok := detect.DefaultFill.Forecast(points, rapid.Float64().Draw(t, "capacity"))
		require.GreaterOrEqual(t, left, time.Duration(0))
		require.LessOrEqual(t, left, detect.DefaultFill.Horizon)
		require.True(t, ok || left == 0)
	})
}

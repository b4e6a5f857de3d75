package detect

import (
	"math"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// FillRule says when a disk is full if it goes on as it did lately. DefaultFill is what Fairlead uses.
type FillRule struct {
	MinPoints int           // below which nothing is said
	MinSpan   time.Duration // between the first and the last point
	Horizon   time.Duration // beyond which nothing is said: it is too far to tell
	// Agree is the share of pairs of points that must rise: what is filled and emptied in turns has no slope to tell.
	Agree float64
	// MinGrowth is the share of the capacity by which use must have risen over the points.
	MinGrowth float64
}

// DefaultFill needs half an hour of points that agree, and says nothing about more than thirty days ahead.
var DefaultFill = FillRule{MinPoints: 6, MinSpan: 30 * time.Minute, Horizon: 30 * 24 * time.Hour, Agree: 0.8, MinGrowth: 1e-4}

// maxFillPoints bounds the pairs that are looked at.
const maxFillPoints = 120

// Forecast returns how long after the newest point the used bytes reach capacity, by the median slope of all pairs of
// points (Theil and Sen), which a fifth of wild points does not move. Points may come in any order. It abstains when
// they are too few or too close, do not agree, do not rise, or say that it is too far off. What is full already is full
// in 0.
func (r FillRule) Forecast(used []observability.Point, capacity float64) (time.Duration, bool) {
	points := finite(used)
	if len(points) < r.MinPoints || !(capacity > 0) || math.IsInf(capacity, 1) {
		return 0, false
	}
	slices.SortFunc(points, func(a, b observability.Point) int { return a.At.Compare(b.At) })
	first, last := points[0], points[len(points)-1]
	if last.Value >= capacity {
		return 0, true
	}
	if last.At.Sub(first.At) < r.MinSpan {
		return 0, false
	}
	slopes, rising := pairSlopes(thin(points))
	slope := median(slopes)
	if float64(rising) < r.Agree*float64(len(slopes)) || !(slope > 0) || slope*last.At.Sub(first.At).Seconds() < r.MinGrowth*capacity {
		return 0, false
	}
	left := (capacity - last.Value) / slope
	if left > r.Horizon.Seconds() {
		return 0, false
	}
	return time.Duration(left * float64(time.Second)), true
}

func finite(points []observability.Point) []observability.Point {
	kept := make([]observability.Point, 0, len(points))
	for _, p := range points {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) && p.Value >= 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// thin keeps at most maxFillPoints, evenly, the last among them.
func thin(points []observability.Point) []observability.Point {
	if len(points) <= maxFillPoints {
		return points
	}
	kept := make([]observability.Point, 0, maxFillPoints)
	for i := range maxFillPoints {
		kept = append(kept, points[(i+1)*len(points)/maxFillPoints-1])
	}
	return kept
}

// pairSlopes returns the slope of each pair of points, in bytes a second, and how many rise.
func pairSlopes(points []observability.Point) (slopes []float64, rising int) {
	for i, a := range points {
		for _, b := range points[i+1:] {
			seconds := b.At.Sub(a.At).Seconds()
			if seconds <= 0 {
				continue
			}
			slope := (b.Value - a.Value) / seconds
			if slope > 0 {
				rising++
			}
			slopes = append(slopes, slope)
		}
	}
	return slopes, rising
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// Package series says what a metric means by its name and what happened to it by its shape.
//
// It owns the vocabulary of metric names, the detection of where a series changed (a step, a ramp, a bump that is over)
// and the arithmetic of counters. It is pure: values in, values out. It must not know services, incidents or causes.
package series

import (
	"math"
	"slices"
	"time"
)

// Point is one value of a series.
type Point struct {
	At    time.Time
	Value float64
}

// Kind is how a series moved.
type Kind string

// The kinds of movement.
const (
	Flat Kind = "flat"
	Step Kind = "step" // from one level to another
	Ramp Kind = "ramp" // steadily, from a point in time on
	Bump Kind = "bump" // away and back again
)

// Shape is what happened to a series.
type Shape struct {
	Kind    Kind
	N       int
	Counter bool      // the series only rises, and was read as its rate per second
	Onset   time.Time // where it left its old level, or began to climb; zero when it is flat
	Before  float64   // median before the onset
	After   float64   // median since the onset; of a bump, while it lasted
	First   float64   // the level at its beginning and at its end
	Last    float64
	Min     float64
	Max     float64
	Slope   float64 // of a ramp: change in an hour
	Z       float64 // how far it moved, in units of its own noise
}

// Up reports whether the series rose.
func (s Shape) Up() bool { return s.Kind != Flat && s.After > s.Before }

// Down reports whether the series fell.
func (s Shape) Down() bool { return s.Kind != Flat && s.After < s.Before }

// Ratio is the level after over the level before; a level of nothing counts as very little.
func (s Shape) Ratio() float64 {
	if s.Kind == Flat {
		return 1
	}
	floor := 0.001 * math.Max(math.Abs(s.Max), 1e-9)
	return math.Max(math.Abs(s.After), floor) / math.Max(math.Abs(s.Before), floor)
}

const (
	minPoints   = 5
	minZ        = 5.0
	minRelative = 0.12 // a smaller move is not worth telling of
	rampTrust   = 0.6  // of the variance that a ramp must explain
	knots       = 48   // tried for the start of a ramp
)

// Read finds the shape of a series, oldest point first. counter says that its name is that of a counter; it is read as
// one only when it also never falls but to start again.
func Read(points []Point, counter bool) Shape {
	if counter && rises(points) {
		s := read(rate(points))
		s.Counter = true
		return s
	}
	return read(points)
}

// rises reports whether a series is a running total: it falls at most where it was started again.
func rises(points []Point) bool {
	if len(points) < 3 {
		return false
	}
	falls := 0
	for i := 1; i < len(points); i++ {
		switch {
		case points[i].Value >= points[i-1].Value:
		case points[i].Value > 0.5*points[i-1].Value: // a fall that is no new start
			return false
		default:
			falls++
		}
	}
	return falls*20 <= len(points) && points[len(points)-1].Value != points[0].Value
}

// rate turns a running total into its rise per second.
func rate(points []Point) []Point {
	var out []Point
	for i := 1; i < len(points); i++ {
		seconds := points[i].At.Sub(points[i-1].At).Seconds()
		if seconds <= 0 {
			continue
		}
		rise := points[i].Value - points[i-1].Value
		if rise < 0 {
			rise = points[i].Value
		}
		out = append(out, Point{points[i].At, rise / seconds})
	}
	return out
}

func read(points []Point) Shape {
	s := Shape{Kind: Flat, N: len(points)}
	if len(points) == 0 {
		return s
	}
	x := make([]float64, len(points))
	for i, p := range points {
		x[i] = p.Value
	}
	s.Min, s.Max = slices.Min(x), slices.Max(x)
	edge := max(1, min(len(x)/8, 20))
	s.First, s.Last = median(x[:edge]), median(x[len(x)-edge:])
	s.Before, s.After = median(x), median(x)
	if len(x) < minPoints || s.Min == s.Max {
		return s
	}
	smooth := filter(x)
	noise := noiseOf(x)
	step, stepError := bestStep(smooth)
	knot, rampError, slope := bestRamp(points, smooth)
	whole := squares(smooth, 0, len(smooth))
	switch {
	case s.bump(points, smooth, noise):
	case whole > 0 && rampError < stepError && 1-rampError/whole > rampTrust && s.ramp(points, smooth, knot, slope, noise):
	default:
		s.step(points, smooth, step, noise)
	}
	return s
}

// step takes the best split where its two levels differ by more than noise.
func (s *Shape) step(points []Point, x []float64, at int, noise float64) {
	before, after := median(x[:at]), median(x[at:])
	if !s.moved(before, after, noise) {
		return
	}
	s.Kind, s.Before, s.After, s.Onset = Step, before, after, points[at].At
}

// moved reports whether two levels differ by more than noise and by enough to matter, and keeps how much.
func (s *Shape) moved(before, after, noise float64) bool {
	move := math.Abs(after - before)
	z := move / noise
	scale := math.Max(math.Abs(before), math.Abs(after))
	if z < minZ || move < minRelative*scale {
		return false
	}
	s.Z = z
	return true
}

// ramp takes a steady climb or fall from a knot on.
func (s *Shape) ramp(points []Point, x []float64, knot int, slope, noise float64) bool {
	edge := max(1, min(len(x)/10, 10))
	start, end := median(x[max(0, knot-edge):min(len(x), max(knot, 1))]), median(x[len(x)-edge:])
	if knot == 0 {
		start = median(x[:edge])
	}
	if !s.moved(start, end, noise) {
		return false
	}
	s.Kind, s.Before, s.After, s.Onset, s.Slope = Ramp, start, end, points[knot].At, slope
	return true
}

// bump finds a series that left its level and came back to it.
func (s *Shape) bump(points []Point, x []float64, noise float64) bool {
	if len(x) < 8 {
		return false
	}
	edge := max(2, len(x)/8)
	base := median(append(slices.Clone(x[:edge]), x[len(x)-edge:]...))
	band := math.Max(4*noise, minRelative*math.Abs(base))
	if math.Abs(median(x[:edge])-base) > band || math.Abs(median(x[len(x)-edge:])-base) > band {
		return false
	}
	first, last := -1, -1
	for i, v := range x {
		if math.Abs(v-base) > math.Max(band, 0.3*math.Max(s.Max-base, base-s.Min)) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < edge/2 || last-first < 1 || last >= len(x)-2 {
		return false
	}
	peak := median(x[first : last+1])
	if !s.moved(base, peak, noise) || math.Abs(peak-base) < 2*band {
		return false
	}
	s.Kind, s.Before, s.After, s.Onset = Bump, base, peak, points[first].At
	return true
}

// bestStep returns the split into two levels with the least squares left.
func bestStep(x []float64) (at int, left float64) {
	sum, square := prefix(x)
	n := len(x)
	part := func(i, j int) float64 {
		count := float64(j - i)
		total := sum[j] - sum[i]
		return math.Max(0, square[j]-square[i]-total*total/count)
	}
	at, left = n/2, math.Inf(1)
	for k := 1; k < n; k++ {
		if e := part(0, k) + part(k, n); e < left-1e-12*math.Abs(left) || math.IsInf(left, 1) {
			at, left = k, e
		}
	}
	return at, left
}

// bestRamp returns the knot of the best flat-then-straight line, the squares left and the change in an hour.
func bestRamp(points []Point, x []float64) (knot int, left, slope float64) {
	n := len(x)
	stride := max(1, n/knots)
	left = math.Inf(1)
	hours := make([]float64, n)
	for i := range points {
		hours[i] = points[i].At.Sub(points[0].At).Hours()
	}
	for k := 0; k < n-minPoints+1; k += stride {
		level := x[0]
		if k > 0 {
			level = mean(x[:k+1])
			b, e := hinge(hours[k:], x[k:], level)
			if e += squaresFrom(x[:k], level); e < left {
				knot, left, slope = k, e, b
			}
			continue
		}
		a, b := line(hours, x)
		e := 0.0
		for i := range x {
			d := x[i] - a - b*hours[i]
			e += d * d
		}
		knot, left, slope = 0, e, b
	}
	return knot, left, slope
}

// hinge fits a line through (h[0], level).
func hinge(h, x []float64, level float64) (slope, left float64) {
	var hx, hh float64
	for i := range x {
		d := h[i] - h[0]
		hx += d * (x[i] - level)
		hh += d * d
	}
	if hh > 0 {
		slope = hx / hh
	}
	for i := range x {
		d := x[i] - level - slope*(h[i]-h[0])
		left += d * d
	}
	return slope, left
}

// line is the least-squares line.
func line(h, x []float64) (a, b float64) {
	mh, mx := mean(h), mean(x)
	var hx, hh float64
	for i := range x {
		hx += (h[i] - mh) * (x[i] - mx)
		hh += (h[i] - mh) * (h[i] - mh)
	}
	if hh > 0 {
		b = hx / hh
	}
	return mx - b*mh, b
}

// noiseOf is the noise of a series: the median step between neighbours, which a level or a slope hardly moves.
func noiseOf(x []float64) float64 {
	steps := make([]float64, 0, len(x))
	for i := 1; i < len(x); i++ {
		steps = append(steps, x[i]-x[i-1])
	}
	mid := median(steps)
	for i := range steps {
		steps[i] = math.Abs(steps[i] - mid)
	}
	level := math.Abs(median(x))
	return math.Max(1.4826*median(steps)/math.Sqrt2, math.Max(0.01*level, 1e-9))
}

// filter is the median of three, so that a lone spike is no change.
func filter(x []float64) []float64 {
	out := slices.Clone(x)
	for i := 1; i+1 < len(x); i++ {
		out[i] = median([]float64{x[i-1], x[i], x[i+1]})
	}
	return out
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Clone(x)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func mean(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total / float64(len(x))
}

func squares(x []float64, i, j int) float64 { return squaresFrom(x[i:j], mean(x[i:j])) }

func squaresFrom(x []float64, level float64) float64 {
	total := 0.0
	for _, v := range x {
		total += (v - level) * (v - level)
	}
	return total
}

func prefix(x []float64) (sum, square []float64) {
	sum, square = make([]float64, len(x)+1), make([]float64, len(x)+1)
	for i, v := range x {
		sum[i+1], square[i+1] = sum[i]+v, square[i]+v*v
	}
	return sum, square
}

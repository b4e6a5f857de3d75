// Package usage turns samples into amounts that can be billed, and amounts into money. It is pure: values in, values out.
//
// It owns how counters and gauges are integrated, what a gap means, the price file and the forecast. It must not know
// where samples come from or where amounts are kept.
//
// What is measured lies between two samples that are at most MaxGap apart; each stretch between them is apportioned to a
// window by its length. So windows add up: a range may be cut anywhere, in any number of pieces, and the sum is the same.
// Longer gaps are not billed and are said to be unmeasured.
package usage

import (
	"cmp"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// Interval is how often instances are sampled; MaxGap is how far apart two samples may be for the time between them to
// count as measured.
const (
	Interval = 5 * time.Second
	MaxGap   = 12 * Interval
)

// Window is a range of time, From inclusive, To exclusive.
type Window struct{ From, To time.Time }

// Widened is the window within which samples have a say in w.
func (w Window) Widened() Window { return Window{w.From.Add(-MaxGap), w.To.Add(MaxGap)} }

// overlap is how much of the stretch from one moment to another lies in w.
func (w Window) overlap(from, to time.Time) time.Duration {
	if from.Before(w.From) {
		from = w.From
	}
	if to.After(w.To) {
		to = w.To
	}
	return max(0, to.Sub(from))
}

// Life is from when to when an instance ran, or until now for one that still does. The zero Life is not known: it lasts
// from the first sample to the last one.
type Life struct{ From, To time.Time }

// Series is the samples of one counter or gauge, ready to be integrated.
type Series struct {
	points []observability.Point // by time, each time once
	life   Life
}

// NewSeries takes samples in any order. A life that is shorter than they show is lengthened: clocks differ a little.
func NewSeries(points []observability.Point, life Life) Series {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b observability.Point) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.Value, a.Value)) })
	points = slices.CompactFunc(points, func(a, b observability.Point) bool { return a.At.Equal(b.At) })
	if len(points) > 0 {
		first, last := points[0].At, points[len(points)-1].At
		if life.From.IsZero() || first.Before(life.From) {
			life.From = first
		}
		if life.To.IsZero() || last.After(life.To) {
			life.To = last
		}
	}
	return Series{points: points, life: life}
}

// stretch is a measured piece of time. A counter has risen in it; a gauge has held its value.
type stretch struct {
	from, to    time.Time
	rise, value float64
}

// each yields the measured stretches in order: from the beginning of the life, where a counter is zero, to the first
// sample, between samples, and from the last one to the end of the life, over which a gauge holds.
func (s Series) each(yield func(stretch)) {
	if len(s.points) == 0 {
		return
	}
	add := func(from, to time.Time, rise, value float64) {
		if d := to.Sub(from); d > 0 && d <= MaxGap {
			yield(stretch{from, to, rise, value})
		}
	}
	first, last := s.points[0], s.points[len(s.points)-1]
	add(s.life.From, first.At, first.Value, first.Value)
	for i := 1; i < len(s.points); i++ {
		before, after := s.points[i-1], s.points[i]
		rise := after.Value - before.Value
		if rise < 0 { // it began at zero again
			rise = after.Value
		}
		add(before.At, after.At, rise, before.Value)
	}
	add(last.At, s.life.To, 0, last.Value)
}

// Increase is how much a counter rose in w. A fall is a new beginning from zero.
func (s Series) Increase(w Window) float64 {
	sum := 0.0
	s.each(func(p stretch) {
		if in := w.overlap(p.from, p.to); in > 0 {
			sum += p.rise * (float64(in) / float64(p.to.Sub(p.from)))
		}
	})
	return sum
}

// Integral is a gauge times seconds in w; each sample holds until the next one.
func (s Series) Integral(w Window) float64 {
	sum := 0.0
	s.each(func(p stretch) { sum += p.value * w.overlap(p.from, p.to).Seconds() })
	return sum
}

// Covered is how much of the life in w was measured, and how much was not.
func (s Series) Covered(w Window) (measured, unmeasured time.Duration) {
	s.each(func(p stretch) { measured += w.overlap(p.from, p.to) })
	return measured, s.life.In(w) - measured
}

// In is how much of the life lies in w.
func (l Life) In(w Window) time.Duration { return w.overlap(l.From, l.To) }

package patterns

import (
	"cmp"
	"math"
	"slices"
)

// ClassSame is the class of a template whose rate shows no change that Compare vouches for.
const ClassSame Class = "same"

// significant is the likelihood ratio from which a change of rate is not taken for chance: the point of chi squared with
// one degree of freedom that chance exceeds once in a hundred times.
const significant = 6.635

// Change is how one template's rate changed between two windows.
type Change struct {
	ID         TemplateID `json:"id"`
	Class      Class      `json:"class"`
	Before     int        `json:"before"`
	After      int        `json:"after"`
	RateBefore float64    `json:"rate_before"` // lines per unit of exposure
	RateAfter  float64    `json:"rate_after"`
	// Ratio is the rate after over the rate before, each count with a prior of 0.5: (After+0.5)/exposure after over
	// (Before+0.5)/exposure before.
	Ratio float64 `json:"ratio"`
	// Likelihood is the log-likelihood ratio (G) of two Poisson rates against one that both windows share.
	Likelihood float64 `json:"likelihood"`
	// Significant says that chance alone makes a change like this less than once in a hundred times.
	Significant bool `json:"significant"`
}

// Compare says of every template of either window how its rate changed. A template is new or gone when the other window
// has none of it, surged when its rate is at least three times what it was and the change is significant, and else the
// same. New ones come first, then surged, gone and the rest, in each class the least likely to be chance first. An
// exposure that is not positive counts as 1. It is pure: windows are not changed, and equal windows give equal answers.
func Compare(before, after Window) []Change {
	exposedBefore, exposedAfter := before.exposure(), after.exposure()
	var changes []Change
	for id, n := range after.Counts {
		if n > 0 {
			changes = append(changes, change(id, before.Counts[id], n, exposedBefore, exposedAfter))
		}
	}
	for id, n := range before.Counts {
		if n > 0 && after.Counts[id] <= 0 {
			changes = append(changes, change(id, n, 0, exposedBefore, exposedAfter))
		}
	}
	rank := []Class{ClassNew, ClassSurged, ClassGone, ClassSame}
	slices.SortFunc(changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, x.Class), slices.Index(rank, y.Class)), -cmp.Compare(x.Likelihood, y.Likelihood), cmp.Compare(x.ID, y.ID))
	})
	return changes
}

func (w Window) exposure() float64 {
	if w.Exposure > 0 && !math.IsInf(w.Exposure, 1) {
		return w.Exposure
	}
	return 1
}

func change(id TemplateID, before, after int, exposedBefore, exposedAfter float64) Change {
	before, after = max(0, before), max(0, after)
	c := Change{
		ID: id, Before: before, After: after, Class: ClassSame,
		RateBefore: float64(before) / exposedBefore, RateAfter: float64(after) / exposedAfter,
		Ratio:      ((float64(after) + prior) / exposedAfter) / ((float64(before) + prior) / exposedBefore),
		Likelihood: likelihood(before, after, exposedBefore, exposedAfter),
	}
	c.Significant = c.Likelihood >= significant
	switch {
	case before == 0:
		c.Class = ClassNew
	case after == 0:
		c.Class = ClassGone
	case c.Ratio >= surge && c.Significant:
		c.Class = ClassSurged
	}
	return c
}

// likelihood is G: twice the sum of count times the logarithm of count over what a shared rate would have given.
func likelihood(before, after int, exposedBefore, exposedAfter float64) float64 {
	shared := float64(before+after) / (exposedBefore + exposedAfter)
	g := 0.0
	for _, w := range []struct {
		n       int
		exposed float64
	}{{before, exposedBefore}, {after, exposedAfter}} {
		if w.n > 0 {
			g += 2 * float64(w.n) * math.Log(float64(w.n)/(shared*w.exposed))
		}
	}
	return max(0, g) // rounding may leave a hair below zero
}

// Arithmetic says in words how Compare works, for those who read its numbers.
const Arithmetic = "rate = lines / exposure; ratio = ((after + 0.5) / exposure after) / ((before + 0.5) / exposure before); " +
	"likelihood = 2 * sum of n * ln(n / expected), where expected follows from one rate that both windows share; " +
	"significant from 6.635 on, which chance exceeds once in a hundred times; " +
	"new: no line before; gone: no line after; surged: ratio of 3 or more, and significant; same: the rest."

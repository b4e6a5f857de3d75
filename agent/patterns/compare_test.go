package patterns_test

import (
	"maps"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/agent/patterns"
)

func drawWindow(t *rapid.T, name string) patterns.Window {
	return patterns.Window{
		Counts:   rapid.MapOf(rapid.Map(rapid.IntRange(1, 12), func(i int) patterns.TemplateID { return patterns.TemplateID(i) }), rapid.IntRange(0, 5000)).Draw(t, name),
		Exposure: rapid.Float64Range(0.01, 1e6).Draw(t, name+" exposure"),
	}
}

func byID(changes []patterns.Change) map[patterns.TemplateID]patterns.Change {
	out := map[patterns.TemplateID]patterns.Change{}
	for _, c := range changes {
		out[c.ID] = c
	}
	return out
}

func TestCompare_NamesEachTemplateOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawWindow(t, "before"), drawWindow(t, "after")
		kept := maps.Clone(before.Counts)
		changes := patterns.Compare(before, after)
		require.Equal(t, kept, before.Counts)
		require.Equal(t, changes, patterns.Compare(before, after), "equal windows give equal answers")
		found := byID(changes)
		require.Len(t, found, len(changes), "each template once")
		for _, counts := range []map[patterns.TemplateID]int{before.Counts, after.Counts} {
			for id, n := range counts {
				_, ok := found[id]
				require.Equal(t, before.Counts[id] > 0 || after.Counts[id] > 0, ok, "%d with %d", id, n)
			}
		}
		for _, c := range changes {
			require.Equal(t, before.Counts[c.ID], c.Before)
			require.Equal(t, after.Counts[c.ID], c.After)
			require.Equal(t, c.Before == 0, c.Class == patterns.ClassNew)
			require.Equal(t, c.After == 0, c.Class == patterns.ClassGone)
			require.GreaterOrEqual(t, c.Likelihood, 0.0)
			require.False(t, math.IsNaN(c.Likelihood) || math.IsInf(c.Ratio, 0))
			if c.Class == patterns.ClassSurged {
				require.True(t, c.Significant)
				require.GreaterOrEqual(t, c.Ratio, 3.0)
			}
		}
	})
}

func TestCompare_TurnedAroundIsItsMirror(t *testing.T) {
	t.Parallel()
	mirror := map[patterns.Class]patterns.Class{patterns.ClassNew: patterns.ClassGone, patterns.ClassGone: patterns.ClassNew}
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawWindow(t, "before"), drawWindow(t, "after")
		there, back := byID(patterns.Compare(before, after)), byID(patterns.Compare(after, before))
		require.Len(t, back, len(there))
		for id, c := range there {
			require.InEpsilon(t, 1/c.Ratio, back[id].Ratio, 1e-9)
			require.InDelta(t, c.Likelihood, back[id].Likelihood, 1e-6*(1+c.Likelihood))
			if want, ok := mirror[c.Class]; ok {
				require.Equal(t, want, back[id].Class)
			}
		}
	})
}

func TestCompare_UnitOfExposureDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawWindow(t, "before"), drawWindow(t, "after")
		there := byID(patterns.Compare(before, after))
		before.Exposure, after.Exposure = before.Exposure*60, after.Exposure*60
		for id, c := range byID(patterns.Compare(before, after)) {
			require.InEpsilon(t, there[id].Ratio, c.Ratio, 1e-9)
			require.InDelta(t, there[id].Likelihood, c.Likelihood, 1e-6*(1+c.Likelihood))
		}
	})
}

func TestCompare_MoreLinesAfterNeverLowerTheRatio(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawWindow(t, "before"), drawWindow(t, "after")
		id := patterns.TemplateID(1)
		less := byID(patterns.Compare(before, after))[id]
		more := patterns.Window{Counts: maps.Clone(after.Counts), Exposure: after.Exposure}
		more.Counts[id] += rapid.IntRange(1, 100).Draw(t, "more")
		require.Greater(t, byID(patterns.Compare(before, more))[id].Ratio, less.Ratio)
	})
}

func TestCompare_ClassesFollowRatesNotCounts(t *testing.T) {
	t.Parallel()
	before := patterns.Window{Exposure: 1000, Counts: map[patterns.TemplateID]int{1: 100, 2: 10, 3: 7, 4: 1}}
	after := patterns.Window{Exposure: 100, Counts: map[patterns.TemplateID]int{1: 10, 2: 40, 5: 3, 4: 1}}
	changes := patterns.Compare(before, after)
	got := map[patterns.TemplateID]patterns.Class{}
	for _, c := range changes {
		got[c.ID] = c.Class
	}
	require.Equal(t, map[patterns.TemplateID]patterns.Class{
		1: patterns.ClassSame,   // a tenth of the lines in a tenth of the exposure
		2: patterns.ClassSurged, // four times the lines in a tenth of the exposure
		3: patterns.ClassGone,
		4: patterns.ClassSame, // ten times the rate, by one line each: chance
		5: patterns.ClassNew,
	}, got)
	require.EqualValues(t, 5, changes[0].ID, "new ones first")
	require.EqualValues(t, 2, changes[1].ID, "then surged ones")
	require.InDelta(t, 0.4, changes[1].RateAfter, 1e-9)
	require.InDelta(t, (40.5/100)/(10.5/1000), changes[1].Ratio, 1e-9)
	require.Empty(t, patterns.Compare(patterns.Window{}, patterns.Window{}))
}

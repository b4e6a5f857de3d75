package usage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
)

var day = usage.Window{From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)}

func at(seconds float64) time.Time {
	return day.From.Add(time.Duration(seconds * float64(time.Second)))
}

func point(seconds, value float64) observability.Point {
	return observability.Point{At: at(seconds), Value: value}
}

// drawn is samples with gaps, falls and doubles, and sometimes a life around them.
func drawn(t *rapid.T) ([]observability.Point, usage.Life) {
	var points []observability.Point
	second, value := float64(rapid.IntRange(-100, 86_000).Draw(t, "start")), 0.0
	life := usage.Life{}
	if rapid.Bool().Draw(t, "known") {
		life.From = at(second - float64(rapid.IntRange(0, 200).Draw(t, "before")))
	}
	for range rapid.IntRange(1, 60).Draw(t, "samples") {
		second += float64(rapid.SampledFrom([]int{0, 1, 5, 5, 5, 30, 60, 61, 900}).Draw(t, "wait"))
		value += float64(rapid.IntRange(0, 20).Draw(t, "rise"))
		if rapid.IntRange(0, 9).Draw(t, "falls") == 0 {
			value = float64(rapid.IntRange(0, 3).Draw(t, "anew"))
		}
		points = append(points, point(second, value))
	}
	if !life.From.IsZero() {
		life.To = at(second + float64(rapid.IntRange(0, 200).Draw(t, "after")))
	}
	return points, life
}

// all is everything that a series says of a window.
func all(s usage.Series, w usage.Window) [4]float64 {
	measured, unmeasured := s.Covered(w)
	return [4]float64{s.Increase(w), s.Integral(w), measured.Seconds(), unmeasured.Seconds()}
}

func TestUsage_CutAnywhereTheSumIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := usage.NewSeries(drawn(t))
		whole := all(s, day)
		cuts := rapid.SliceOfN(rapid.IntRange(0, 86_400_000), 0, 8).Draw(t, "cuts")
		slices.Sort(cuts)
		var sum [4]float64
		from := day.From
		for _, cut := range append(cuts, 86_400_000) {
			to := day.From.Add(time.Duration(cut) * time.Millisecond)
			for i, v := range all(s, usage.Window{From: from, To: to}) {
				sum[i] += v
			}
			from = to
		}
		for i := range whole {
			require.InDelta(t, whole[i], sum[i], 1e-6)
		}
	})
}

func TestUsage_SamplesNearAWindowAreEnoughForIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points, life := drawn(t)
		if life.From.IsZero() { // an unknown life is what its samples show, so it must be given
			life = usage.Life{From: slices.MinFunc(points, byTime).At, To: slices.MaxFunc(points, byTime).At}
		}
		from := rapid.IntRange(0, 86_000).Draw(t, "from")
		w := usage.Window{From: at(float64(from)), To: at(float64(from + rapid.IntRange(1, 4000).Draw(t, "length")))}
		wide := w.Widened()
		near := slices.DeleteFunc(slices.Clone(points), func(p observability.Point) bool { return p.At.Before(wide.From) || p.At.After(wide.To) })
		want, got := all(usage.NewSeries(points, life), w), all(usage.NewSeries(near, life), w)
		for i := range want {
			require.InDelta(t, want[i], got[i], 1e-6)
		}
	})
}

func byTime(a, b observability.Point) int { return a.At.Compare(b.At) }

func TestUsage_OrderAndDoublesOfSamplesDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points, life := drawn(t)
		mixed := rapid.Permutation(append(slices.Clone(points), points[:len(points)/2]...)).Draw(t, "mixed")
		require.Equal(t, all(usage.NewSeries(points, life), day), all(usage.NewSeries(mixed, life), day))
	})
}

func TestUsage_ResetsAreNeitherNegativeNorDouble(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// What each run of a process counted, sampled every five seconds; the last sample of a run is what it came to.
		var points []observability.Point
		want, second := 0.0, 10.0
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			total := 0.0
			for range rapid.IntRange(1, 20).Draw(t, "samples") {
				total += float64(rapid.IntRange(1, 50).Draw(t, "rise"))
				points = append(points, point(second, total))
				second += 5
			}
			want += total
		}
		got := usage.NewSeries(points, usage.Life{From: at(5), To: at(second)}).Increase(day)
		require.GreaterOrEqual(t, got, 0.0)
		require.LessOrEqual(t, got, want+1e-6, "nothing counts twice")
	})
	s := usage.NewSeries([]observability.Point{point(5, 10), point(10, 30), point(15, 4), point(20, 9)}, usage.Life{From: at(0), To: at(22)})
	require.InDelta(t, 10+20+4+5, s.Increase(day), 1e-9)
}

func TestUsage_LongGapIsNotBilledAndSaid(t *testing.T) {
	t.Parallel()
	s := usage.NewSeries([]observability.Point{point(100, 1), point(105, 2), point(705, 1000), point(710, 1001)}, usage.Life{From: at(98), To: at(1000)})
	require.InDelta(t, 1+1+1, s.Increase(day), 1e-9)
	require.InDelta(t, 2*1+5*1+5*1000, s.Integral(day), 1e-9)
	measured, unmeasured := s.Covered(day)
	require.Equal(t, 12*time.Second, measured)
	require.Equal(t, 600*time.Second+290*time.Second, unmeasured)

	never := usage.NewSeries(nil, usage.Life{From: at(0), To: at(60)})
	measured, unmeasured = never.Covered(day)
	require.Zero(t, measured)
	require.Equal(t, time.Minute, unmeasured)
}

const prices = `currency: EUR
prices:
  cpu_hour: 0.036
  memory_gb_hour: 0.005
  egress_gb: 0.05
  million_requests: 0.2
projects:
  shop: {memory_gb_hour: 0, gpu_hour: 1.5}
`

func TestPrices_CostIsExactAndRoundedOnce(t *testing.T) {
	t.Parallel()
	p, err := usage.ParsePrices(prices)
	require.NoError(t, err)
	require.Equal(t, "EUR", p.Currency)
	use := platform.Usage{CPUSeconds: platform.MicroOf(100_000), MemoryGBHours: platform.MicroOf(3), GPUHours: platform.MicroOf(2), EgressBytes: 1, Requests: 5_000_000}
	require.Equal(t, "2.015", p.Cost("other", use).String(), "1 + 0.015 + 0 + 1, and a byte is nothing")
	require.Equal(t, "5", p.Cost("shop", use).String(), "its own prices go first")
	half := platform.Usage{EgressBytes: 10_000} // 0.0000005: halfway, so to the even one
	require.Equal(t, platform.Micro(0), p.Cost("other", half))
	half.EgressBytes = 30_000 // 0.0000015
	require.Equal(t, platform.Micro(2), p.Cost("other", half))
}

func TestPrices_BadFilesAreRefusedByLineWithTheNearest(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                {"line 1", "is empty"},
		"currency: [":                     {"does not parse"},
		"currency: euro\nprices: {}":      {"line 1: currency", "three capital letters"},
		"prices: {}":                      {"currency is missing"},
		"currency: EUR":                   {"prices is missing"},
		"currency: EUR\nprices: 3":        {"line 2: prices", "not a mapping"},
		"currency: EUR\nprice: {}":        {"line 2: price is unknown", "Did you mean prices?"},
		"currency: EUR\nprices: {a: 1}":   {"line 2: prices.a is unknown", "Known are cpu_hour"},
		"currency: EUR\n---\ncurrency: X": {"second document"},
		strings.Replace(prices, "cpu_hour", "cpu_hours", 1):                    {"line 3: prices.cpu_hours is unknown", "Did you mean cpu_hour?"},
		strings.Replace(prices, "0.036", "-1", 1):                              {"line 3: prices.cpu_hour is not a price"},
		strings.Replace(prices, "0.036", "0.0000001", 1):                       {"line 3", "at most 6 places"},
		strings.Replace(prices, "  egress_gb", "  cpu_hour", 1):                {"line 5: prices.cpu_hour is there twice"},
		strings.Replace(prices, "shop: {memory_gb_hour", "SHOP: {gpu_hour", 1): {"line 8: projects.SHOP", "name of a project"},
	} {
		_, err := usage.ParsePrices(text)
		var e *platform.Error
		require.ErrorAs(t, err, &e, text)
		for _, w := range want {
			require.Contains(t, e.Message+" "+e.Hint, w, text)
		}
	}
}

func FuzzParsePrices(f *testing.F) {
	f.Add(prices)
	f.Add("currency: &a EUR\nprices: *a")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := usage.ParsePrices(text); err == nil {
			require.Len(t, p.Currency, 3)
		} else {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
		}
	})
}

func TestBudget_EachMarkIsReachedOnceAMonth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC) // half of the month
	status := func(spent float64, told ...string) platform.BudgetStatus {
		s := platform.BudgetStatus{Budget: platform.Budget{Monthly: platform.MicroOf(200), Month: "2026-11", Told: told}, Spent: platform.MicroOf(spent)}
		s.Forecast = usage.Forecast(s.Spent, now)
		return s
	}
	require.Equal(t, "180", status(90).Forecast.String())
	require.Empty(t, usage.Reached(status(90), now))
	require.Equal(t, []string{"50"}, usage.Reached(status(100), now))
	require.Equal(t, []string{"80", "forecast"}, usage.Reached(status(170, "50"), now))
	require.Equal(t, []string{"100"}, usage.Reached(status(201, "50", "80", "forecast"), now))
	require.Empty(t, usage.Reached(status(400, "50", "80", "100"), now))
	require.Equal(t, []string{"50"}, usage.Reached(status(100, "50"), now.AddDate(0, 1, 0)), "another month begins anew")
	require.Nil(t, usage.Forecast(platform.MicroOne, time.Date(2026, 11, 1, 23, 0, 0, 0, time.UTC)))
	require.Empty(t, usage.Reached(platform.BudgetStatus{Budget: platform.Budget{Monthly: platform.MicroOf(1)}}, now))
}

package usage

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Month is the calendar month, UTC, that a moment falls into.
func Month(at time.Time) Window {
	from := time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	return Window{from, from.AddDate(0, 1, 0)}
}

// Forecast is what the month of now costs if it goes on as it did so far; nil on its first day, which says too little.
func Forecast(spent platform.Micro, now time.Time) *platform.Micro {
	m := Month(now)
	gone := now.Sub(m.From)
	if gone < 24*time.Hour {
		return nil
	}
	f := spent.TimesOver(int64(m.To.Sub(m.From)/time.Second), int64(gone/time.Second))
	return &f
}

// marks are the parts of a budget, in percent, that are told when they are spent.
var marks = []struct {
	name    string
	percent int64
}{{"50", 50}, {"80", 80}, {"100", 100}}

// Reached returns the marks of a budget that the month has reached and that were not told yet, lowest first. A forecast
// is no news once the budget is spent.
func Reached(s platform.BudgetStatus, now time.Time) []string {
	var told, reached []string
	if s.Month == Month(now).From.Format("2006-01") {
		told = s.Told
	}
	for _, m := range marks {
		if s.Spent >= s.Monthly.TimesOver(m.percent, 100) && s.Spent > 0 {
			reached = append(reached, m.name)
		}
	}
	if s.Forecast != nil && *s.Forecast > s.Monthly && s.Spent < s.Monthly {
		reached = append(reached, platform.BudgetForecast)
	}
	return slices.DeleteFunc(reached, func(m string) bool { return slices.Contains(told, m) })
}

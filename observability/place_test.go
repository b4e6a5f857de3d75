package observability_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func TestParsePlace_ReadsEveryWayToNameALine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
	for given, want := range map[string]observability.Place{
		"2026-01-31T12:00:00.123456789Z":        {At: at},
		"2026-01-31T12:00:00.123456789Z+7":      {At: at, Seq: 7, HasSeq: true},
		"2026-01-31T12:00:00.123456789Z 7":      {At: at, Seq: 7, HasSeq: true},
		"2026-01-31T13:00:00.123456789+01:00":   {At: at},
		"2026-01-31T13:00:00.123456789+01:00+0": {At: at, HasSeq: true},
		"1769860800123456789.7":                 {At: at, Seq: 7, HasSeq: true},
		"l1.0011223344556677.1.2":               {Cursor: "l1.0011223344556677.1.2"},
	} {
		got, err := observability.ParsePlace(given)
		require.NoError(t, err, given)
		require.Equal(t, want, got, given)
	}
}

// FuzzParsePlace checks that what is read is written and read again as the same, and that what is refused says how to write it.
func FuzzParsePlace(f *testing.F) {
	for _, given := range []string{"2026-01-31T12:00:00.1Z+7", "2026-01-31T13:00:00+01:00 18446744073709551615", "17.9", "l1.x", "+", ".", "", "9223372036854775807.1", "there"} {
		f.Add(given)
	}
	f.Fuzz(func(t *testing.T, given string) {
		place, err := observability.ParsePlace(given)
		if err != nil {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
			return
		}
		again, err := observability.ParsePlace(place.String())
		require.NoError(t, err, "%q", place.String())
		require.Equal(t, place, again)
	})
}

// FuzzParseComparing checks the same of comparisons.
func FuzzParseComparing(f *testing.F) {
	for _, given := range []string{"release:11..12", "window:24h..1h", "", "release:1..1", "window:1ns..1h", "window:900h..1h", "release:..", ":"} {
		f.Add(given)
	}
	f.Fuzz(func(t *testing.T, given string) {
		compare, err := observability.ParseComparing(given)
		if err != nil {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
			return
		}
		require.Equal(t, given == "", compare.IsZero())
		again, err := observability.ParseComparing(compare.String())
		require.NoError(t, err)
		require.Equal(t, compare, again)
	})
}

func TestStepOf_IsTheMultipleAtOrBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(0, rapid.Int64Range(-1<<60, 1<<60).Draw(t, "at"))
		step := time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "step"))
		begin := observability.StepOf(at, step)
		require.Zero(t, begin.UnixNano()%int64(step))
		require.False(t, begin.After(at))
		require.Less(t, at.Sub(begin), step)
	})
}

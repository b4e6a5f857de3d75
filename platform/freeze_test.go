package platform_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestFreeze_HoldsFromToByTheWallClockOfItsZone(t *testing.T) {
	t.Parallel()
	weekend := platform.Freeze{From: "fri 17:00", To: "mon 07:00", Zone: "Europe/Berlin"}
	night := platform.Freeze{From: "22:00", To: "06:00", Zone: "UTC"}
	lunch := platform.Freeze{From: "12:00", To: "13:00", Zone: "UTC"}
	hour := platform.Freeze{From: "sat 10:00", To: "sat 12:00", Zone: "UTC"}
	all := platform.Freeze{From: "sat 12:00", To: "sat 10:00", Zone: "UTC"}
	dated := platform.Freeze{From: "2026-12-23 18:00", To: "2027-01-02 00:00", Zone: "America/New_York"}
	for _, c := range []struct {
		name   string
		freeze platform.Freeze
		at     string
		until  string // "" when it does not hold
	}{
		{"a minute before the weekend", weekend, "2026-11-27T15:59:59Z", ""}, // 16:59 in Berlin
		{"the weekend begins", weekend, "2026-11-27T16:00:00Z", "2026-11-30T06:00:00Z"},
		{"sunday", weekend, "2026-11-29T12:00:00Z", "2026-11-30T06:00:00Z"},
		{"the weekend has ended", weekend, "2026-11-30T06:00:00Z", ""},
		{"summer time begins on that sunday", weekend, "2026-03-28T12:00:00Z", "2026-03-30T05:00:00Z"},
		{"before midnight", night, "2026-11-25T23:00:00Z", "2026-11-26T06:00:00Z"},
		{"after midnight", night, "2026-11-26T05:59:00Z", "2026-11-26T06:00:00Z"},
		{"by day", night, "2026-11-26T06:00:00Z", ""},
		{"at lunch", lunch, "2026-11-26T12:30:00Z", "2026-11-26T13:00:00Z"},
		{"after lunch", lunch, "2026-11-26T13:00:00Z", ""},
		{"within one day of the week", hour, "2026-11-28T11:00:00Z", "2026-11-28T12:00:00Z"},
		{"the same hour of another day", hour, "2026-11-27T11:00:00Z", ""},
		{"nearly the whole week", all, "2026-11-28T09:00:00Z", "2026-11-28T10:00:00Z"},
		{"its hole", all, "2026-11-28T11:00:00Z", ""},
		{"the day before the dates", dated, "2026-12-23T22:59:00Z", ""},
		{"the dates", dated, "2026-12-25T00:00:00Z", "2027-01-02T05:00:00Z"},
		{"after the dates", dated, "2027-01-02T05:00:00Z", ""},
	} {
		require.Nil(t, c.freeze.Check(), c.name)
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		until, holds := c.freeze.Until(at)
		require.Equal(t, c.until != "", holds, c.name)
		if holds {
			require.Equal(t, c.until, until.Format(time.RFC3339), c.name)
		}
	}
}

func TestFreeze_BadTimesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		freeze platform.Freeze
		field  string
	}{
		"no zone":        {platform.Freeze{From: "22:00", To: "06:00"}, "zone"},
		"local zone":     {platform.Freeze{From: "22:00", To: "06:00", Zone: "Local"}, "zone"},
		"day":            {platform.Freeze{From: "fry 17:00", To: "mon 07:00", Zone: "UTC"}, "from"},
		"hour":           {platform.Freeze{From: "fri 17:00", To: "mon 7:00", Zone: "UTC"}, "to"},
		"mixed":          {platform.Freeze{From: "fri 17:00", To: "07:00", Zone: "UTC"}, "to"},
		"nothing":        {platform.Freeze{From: "07:00", To: "07:00", Zone: "UTC"}, "to"},
		"backward dates": {platform.Freeze{From: "2027-01-02 00:00", To: "2026-12-23 18:00", Zone: "UTC"}, "to"},
		"no such date":   {platform.Freeze{From: "2026-02-30 00:00", To: "2026-12-23 18:00", Zone: "UTC"}, "from"},
	} {
		err := c.freeze.Check()
		require.NotNil(t, err, name)
		require.Equal(t, c.field, err.Field, name)
		_, holds := c.freeze.Until(time.Now())
		require.False(t, holds && c.field != "to", name)
	}
}

package platform

import (
	"slices"
	"strings"
	"time"
)

// Freeze is a time during which nothing is changed but by those whom it excepts. From and To are both a day of the week and
// a time ("fri 17:00"), both a time of each day ("22:00"), or both a date and a time ("2026-12-23 18:00"), by the wall clock
// of the zone.
type Freeze struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
	Zone string `json:"zone"` // IANA name
	Where
	// Except may act all the same, or have plans carried out by approving them; ExceptActions are never frozen.
	Except        []Who        `json:"except,omitempty"`
	ExceptActions []ActionKind `json:"except_actions,omitempty"`
}

// freezeTime is From or To as read: weekly with day, daily with neither, or dated.
type freezeTime struct {
	form   string
	day    int
	minute int
	date   time.Time // its wall clock only
}

const dateAndTime = "2006-01-02 15:04"

// FreezeForms says how From and To are written.
const FreezeForms = `a day and a time such as "fri 17:00", a time such as "22:00", or a date and a time such as "2026-12-23 18:00"`

func readFreezeTime(text string) (freezeTime, bool) {
	if at, err := time.Parse(dateAndTime, text); err == nil {
		return freezeTime{form: "dated", date: at}, true
	}
	form, day := "daily", 0
	if word, rest, weekly := strings.Cut(text, " "); weekly {
		form, day, text = "weekly", slices.Index(weekdays, word), rest
	}
	at, err := time.Parse("15:04", text)
	return freezeTime{form: form, day: day, minute: at.Hour()*60 + at.Minute()}, err == nil && len(text) == 5 && day >= 0
}

// Check returns an invalid error that names the field at fault.
func (f Freeze) Check() *Error {
	bad := func(field, format string, args ...any) *Error {
		return Errorf(CodeInvalid, format, args...).WithField(field)
	}
	if _, err := time.LoadLocation(f.Zone); err != nil || f.Zone == "" || f.Zone == "Local" {
		return bad("zone", "%q is not a time zone", Truncate(f.Zone, 60)).WithHint("Write an IANA name, such as Europe/Berlin or UTC.")
	}
	from, ok := readFreezeTime(f.From)
	if !ok {
		return bad("from", "%q is not a time of a freeze; expected %s", Truncate(f.From, 40), FreezeForms)
	}
	to, ok := readFreezeTime(f.To)
	switch {
	case !ok:
		return bad("to", "%q is not a time of a freeze; expected %s", Truncate(f.To, 40), FreezeForms)
	case from.form != to.form:
		return bad("to", "%q is %s, and from is %s", f.To, to.form, from.form).WithHint("Write both in the same form.")
	case f.From == f.To:
		return bad("to", "%q is from as well, so the freeze has no length", f.To)
	case from.form == "dated" && !to.date.After(from.date):
		return bad("to", "%q lies before from", f.To)
	}
	return nil
}

// Until returns when the freeze that holds at that time ends, and false when none does. It follows the wall clock of its
// zone over changes of daylight saving time.
func (f Freeze) Until(at time.Time) (time.Time, bool) {
	zone, err := time.LoadLocation(f.Zone)
	from, fromOK := readFreezeTime(f.From)
	to, toOK := readFreezeTime(f.To)
	if err != nil || !fromOK || !toOK || from.form != to.form {
		return time.Time{}, false
	}
	if from.form == "dated" {
		begin, end := onWall(from.date, 0, zone), onWall(to.date, 0, zone)
		return end.UTC(), !at.Before(begin) && at.Before(end)
	}
	period, days := 1, 0
	if from.form == "weekly" {
		period, days = 7, (to.day-from.day+7)%7
	}
	if days == 0 && to.minute <= from.minute {
		days = period
	}
	local := at.In(zone)
	for back := range period + 1 { // those that began today, and those that began before and still hold
		day := time.Date(local.Year(), local.Month(), local.Day()-back, 0, 0, 0, 0, time.UTC)
		if period == 7 && int(day.Weekday()) != from.day {
			continue
		}
		begin, end := onWall(day, from.minute, zone), onWall(day.AddDate(0, 0, days), to.minute, zone)
		if !at.Before(begin) && at.Before(end) {
			return end.UTC(), true
		}
	}
	return time.Time{}, false
}

// onWall is the moment at which the wall clock of the zone shows the date, so many minutes later.
func onWall(date time.Time, minute int, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), date.Hour(), date.Minute()+minute, 0, 0, zone)
}

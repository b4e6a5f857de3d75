package detect

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// clearFor is the least time that a condition must be over before its incident ends, so that one that comes and goes
// stays one incident.
const clearFor = time.Minute

// Reading is what one look at a rule's condition found.
type Reading struct {
	Holds bool
	Value float64 // what was measured; for lines, their count
	Usual float64 // for lines with a factor: the mean of the windows before
}

// AlertMemory is what is remembered of one rule in one slot between looks. The zero value is a rule never looked at.
type AlertMemory struct {
	Since  time.Time // when the condition began to hold without a break; zero while it does not
	Over   time.Time // when it last began not to hold; zero while it holds
	Firing bool
}

// Look returns what is remembered after a reading at now, and whether the rule fires then. A look that found out nothing
// must not be given: missing data is neither good nor bad. A memory that was lost begins quiet, and ends what is still
// open once the condition has been over for long enough.
func (m AlertMemory) Look(rule platform.AlertRule, reading Reading, now time.Time) AlertMemory {
	if reading.Holds {
		if m.Since.IsZero() {
			m.Since = now
		}
		m.Over = time.Time{}
		m.Firing = m.Firing || now.Sub(m.Since) >= rule.For.D()
		return m
	}
	m.Since = time.Time{}
	if m.Over.IsZero() {
		m.Over = now
	}
	m.Firing = m.Firing && !m.Settled(rule, now)
	return m
}

// Settled reports whether the condition has been over for so long that its incident ends.
func (m AlertMemory) Settled(rule platform.AlertRule, now time.Time) bool {
	return !m.Over.IsZero() && now.Sub(m.Over) >= max(rule.For.D(), clearFor)
}

// Lines judges a count of lines: count within the window, usual the mean of the windows before.
func Lines(alert platform.LogAlert, count, usual float64) Reading {
	holds := count >= float64(alert.Count) && (alert.Factor == 0 || count >= alert.Factor*usual)
	return Reading{Holds: holds, Value: count, Usual: usual}
}

// AlertFinding puts a rule that fires into the words of an incident.
func AlertFinding(slot platform.Slot, rule platform.AlertRule, m AlertMemory, reading Reading, now time.Time) platform.Finding {
	f := platform.Finding{
		SlotID: slot.ID, Signal: platform.SignalAlert, Rule: rule.Name, Severity: rule.Severity, ReleaseID: slot.LiveReleaseID, SeenAt: now, OnsetAt: m.Since,
	}
	f.Title = fmt.Sprintf("%s: %s (%s)", slot.Service, rule.Title(), measured(rule, reading))
	return f
}

// AlertOver says that a rule does not hold any more.
func AlertOver(slot platform.Slot, rule platform.AlertRule, now time.Time) platform.Finding {
	return platform.Finding{
		SlotID: slot.ID, Signal: platform.SignalAlert, Rule: rule.Name, SeenAt: now, Resolved: true,
		Title: fmt.Sprintf("%s: the condition of %s has not held for %s", slot.Service, rule.Name, platform.Duration(max(rule.For.D(), clearFor))),
	}
}

func measured(rule platform.AlertRule, r Reading) string {
	if rule.Logs == nil {
		return "measured " + number(r.Value)
	}
	words := fmt.Sprintf("%s lines in %s", number(r.Value), rule.Logs.Window)
	if rule.Logs.Factor > 0 {
		words += ", usually " + number(r.Usual)
	}
	return words
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

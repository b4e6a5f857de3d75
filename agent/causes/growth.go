package causes

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// grow finds what fills up or leaks: memory, descriptors, connections, disks, and what is measured in days.
func (d *docket) grow() {
	for _, m := range d.w.metrics {
		switch m.Meaning {
		case series.Memory, series.MemoryShare:
			d.leak(m)
		case series.Descriptors:
			d.rise(m, platform.CategoryDescriptors, 0.5, 1.5)
		case series.SharedMemory:
			d.rise(m, platform.CategorySharedMemory, 0.55, 1.3)
		case series.Connections:
			d.connections(m)
		case series.PoolWait:
			d.rise(m, platform.CategoryPoolExhausted, 0.5, 2)
		case series.DiskUsed, series.DiskFree:
			d.disk(m)
		case series.CertDays:
			if m.N > 0 && m.Last <= 0.5 && m.Last > -4000 {
				d.say(m, platform.CategoryCertExpired, 0.78, fmt.Sprintf("%s of %s has reached %.4g.", m.Name, m.Service, m.Last), true)
			}
		case series.ClockOffset:
			d.clock(m)
		case series.GPUMemory:
			if full(m) {
				d.say(m, platform.CategoryCUDAOOM, 0.42, fmt.Sprintf("%s of %s is full: %s.", m.Name, m.Service, amount(m.Last)), false)
			}
		case series.LogVolume:
			if d.w.current(m) && m.Up() && m.Ratio() >= 3 {
				d.say(m, platform.CategoryLogFlood, math.Min(0.8, 0.5+0.06*math.Log2(m.Ratio())), movement(m), true)
			}
		default:
		}
	}
}

// say adds what one series shows.
func (d *docket) say(m *Metric, category platform.Category, score float64, text string, direct bool) *lead {
	l := d.add(category, m.Service, sign{score: score, text: text, cite: m.Cite, onset: onsetOfMetric(m), says: inSentence(text), direct: direct})
	if m.Kind == series.Ramp {
		l.slow = true
	}
	if at := onsetOfMetric(m); !at.IsZero() && at.Before(l.onset) { // a series is dated well, however little it proves
		l.onset = at
	}
	l.slack = maxDuration(l.slack, stepOf(m))
	return l
}

func onsetOfMetric(m *Metric) time.Time {
	if m.Kind == series.Flat {
		return time.Time{}
	}
	return m.Onset
}

// stepOf is how exactly the onset of a series is known: a ramp's start is known less well than a step's.
func stepOf(m *Metric) time.Duration {
	if len(m.Points) < 2 {
		return 0
	}
	step := m.Points[len(m.Points)-1].At.Sub(m.Points[0].At) / time.Duration(len(m.Points)-1)
	if m.Kind == series.Ramp {
		climb := m.Points[len(m.Points)-1].At.Sub(m.Onset)
		return max(min(6*step, 30*time.Minute), min(climb/10, 6*time.Hour))
	}
	return min(2*step, 10*time.Minute)
}

func maxDuration(a, b time.Duration) time.Duration { return max(a, b) }

// rise adds a lead for a series that rose by a factor.
func (d *docket) rise(m *Metric, category platform.Category, score, factor float64) {
	if d.w.current(m) && m.Up() && m.Ratio() >= factor && m.Kind != series.Bump {
		d.say(m, category, score, movement(m), false)
	}
}

// leak tells a leak from a step: memory that climbs for long at steady load, or climbs again after each restart.
func (d *docket) leak(m *Metric) {
	falls := sawtooth(m.Points)
	climbs := len(falls)
	span, whole := time.Duration(0), time.Duration(0)
	if n := len(m.Points); n > 0 {
		span, whole = m.Points[n-1].At.Sub(m.Onset), m.Points[n-1].At.Sub(m.Points[0].At)
	}
	patience := 15 * time.Minute
	if d.killed(m.Service) { // a quick climb to the limit is a kill for memory; a leak takes its time
		patience = 3 * time.Hour
	}
	switch {
	case climbs >= 2 && whole/time.Duration(climbs) < max(patience/2, 25*time.Minute):
		d.say(m, platform.CategoryOOMKilled, 0.3, fmt.Sprintf("%s of %s climbs and falls %d times.", m.Name, m.Service, climbs), false)
	case climbs >= 2 && !d.restarted(m, falls):
		// memory that a collector takes back is no leak
	case climbs >= 2:
		l := d.say(m, platform.CategoryMemoryLeak, 0.78, fmt.Sprintf("%s of %s climbs, falls at a restart and climbs again, %d times.", m.Name, m.Service, climbs), true)
		l.slow, l.onset = true, climbStart(m.Points)
		l.slack = maxDuration(l.slack, 40*time.Minute)
	case d.w.current(m) && m.Kind == series.Ramp && m.Up() && m.Ratio() >= 1.2 && span >= patience:
		score := 0.55
		if span >= time.Hour {
			score += 0.12
		}
		if m.Ratio() >= 1.8 {
			score += 0.06
		}
		if busy := d.w.risen(m.Service, 1.4, series.Requests); busy == nil {
			score += 0.07
		} else {
			score -= 0.2
		}
		if fraction := lastRise(m); fraction < 0.12 { // it has levelled off: a cache that warmed up
			score -= 0.3
		}
		if score > 0.3 {
			d.say(m, platform.CategoryMemoryLeak, score, fmt.Sprintf("%s of %s has climbed from %s to %s since %s.", m.Name, m.Service, amount(m.Before), amount(m.After), clock(m.Onset)), true)
		}
	case d.w.current(m) && m.Up() && m.Ratio() >= 1.5 && (m.Kind == series.Step || m.Kind == series.Ramp):
		d.say(m, platform.CategoryOOMKilled, 0.28, movement(m), false)
	}
}

// restarted reports whether most falls of a service's memory are restarts: instances ended, began or were replaced then. What
// falls with nothing restarted is what a collector takes back.
func (d *docket) restarted(m *Metric, falls []time.Time) bool {
	if d.w.risen(m.Service, 1, series.Restarts) != nil {
		return true
	}
	var at []time.Time
	counted := 0
	for _, in := range d.w.f.Fleet {
		if in.Service != m.Service {
			continue
		}
		counted += in.Restarts
		at = append(at, in.StartedAt)
		if in.EndedAt != nil {
			at = append(at, *in.EndedAt)
		}
	}
	for _, c := range d.w.f.Changes {
		if c.Kind == platform.ChangeDeploy && c.Service == m.Service {
			at = append(at, c.At)
		}
	}
	near := max(3*stepOf(m), 3*time.Minute)
	explained := 0
	for _, fall := range falls {
		if slices.ContainsFunc(at, func(t time.Time) bool { return fall.Sub(t).Abs() <= near }) {
			explained++
		}
	}
	return 2*max(explained, counted) >= len(falls)
}

// killed reports whether an instance of the service was killed for memory.
func (d *docket) killed(service string) bool {
	for _, in := range d.w.f.Fleet {
		if in.Service == service && in.OOMKilled && !in.StoppedByUs() {
			return true
		}
	}
	l, ok := d.leads[string(platform.CategoryOOMKilled)+"\x00"+service]
	return ok && l.direct && l.score >= 0.6
}

// lastRise is the share of a ramp's climb that fell in its last third: a third for a straight line, less for one that levels off.
func lastRise(m *Metric) float64 {
	var since []series.Point
	for _, p := range m.Points {
		if !p.At.Before(m.Onset) {
			since = append(since, p)
		}
	}
	if len(since) < 9 || m.After == m.Before {
		return 1
	}
	third := since[len(since)*2/3:]
	edge := max(1, len(third)/4)
	sum := func(ps []series.Point) float64 {
		total := 0.0
		for _, p := range ps {
			total += p.Value
		}
		return total / float64(len(ps))
	}
	return (sum(third[len(third)-edge:]) - sum(third[:edge])) / (m.After - m.Before)
}

// sawtooth lists when climbs ended in a fall to the floor.
func sawtooth(points []series.Point) (falls []time.Time) {
	if len(points) < 12 {
		return nil
	}
	low, high := points[0].Value, points[0].Value
	for _, p := range points {
		low, high = math.Min(low, p.Value), math.Max(high, p.Value)
	}
	if high-low < 0.3*high {
		return nil
	}
	rising, trough, start, walked := 0, points[0].Value, 0, 0.0
	for i := 1; i < len(points); i++ {
		switch step := points[i].Value - points[i-1].Value; {
		case step < -0.2*(high-low):
			late := points[start+(i-1-start)*2/3].Value // it must still climb when it ends: what levels off has warmed up
			if climb := points[i-1].Value - trough; rising >= 5 && climb > 0.2*(high-low) && climb > 0.45*walked && points[i-1].Value-late > 0.15*climb {
				falls = append(falls, points[i].At)
			}
			rising, trough, start, walked = 0, points[i].Value, i, 0
			continue
		case step > 0:
			rising++
		}
		walked += math.Abs(points[i].Value - points[i-1].Value)
		trough = math.Min(trough, points[i].Value)
	}
	return falls
}

// climbStart is where the first climb of a sawtooth began.
func climbStart(points []series.Point) time.Time {
	top := 0
	for i, p := range points {
		if p.Value > points[top].Value {
			top = i
		}
	}
	if shape := series.Read(points[:top+1], false); shape.Kind != series.Flat {
		return shape.Onset
	}
	return points[0].At
}

// connections reads connections in use against the most there may be.
func (d *docket) connections(m *Metric) {
	top := 0.0
	for _, limit := range d.w.of(m.Service, series.ConnectionMax) {
		top = math.Max(top, limit.Max)
	}
	switch {
	case top > 0 && m.Max >= 0.97*top && m.Last >= 0.9*top:
		d.say(m, platform.CategoryPoolExhausted, 0.6, fmt.Sprintf("%s of %s has reached its most, %s.", m.Name, m.Service, amount(top)), true)
	case d.w.current(m) && m.Up() && m.Ratio() >= 1.8 && m.Kind != series.Bump:
		d.say(m, platform.CategoryPoolExhausted, 0.42, movement(m), false)
	}
}

func (d *docket) disk(m *Metric) {
	used := m.Meaning == series.DiskUsed
	switch {
	case used && m.Max <= 100.5 && m.Last >= 97 && m.Min >= 0 || used && m.Max <= 1.005 && m.Last >= 0.97:
		d.say(m, platform.CategoryDiskFull, 0.72, fmt.Sprintf("%s of %s is at %s.", m.Name, m.Service, amount(m.Last)), true)
	case !used && m.First > 0 && m.Last <= 0.03*m.First:
		d.say(m, platform.CategoryDiskFull, 0.72, fmt.Sprintf("%s of %s has fallen from %s to %s.", m.Name, m.Service, amount(m.First), amount(m.Last)), true)
	case d.w.current(m) && (used && m.Up() && m.Ratio() >= 1.1 || !used && m.Down() && m.Ratio() <= 0.7) && m.Kind != series.Bump:
		d.say(m, platform.CategoryDiskFull, 0.45, movement(m), false)
	}
}

func (d *docket) clock(m *Metric) {
	limit := 1.0
	words := series.Words(m.Name)
	if words["ms"] || words["milliseconds"] || words["millis"] {
		limit = 1000
	}
	if math.Abs(m.Last) >= 5*limit || m.Kind != series.Flat && math.Abs(m.After) >= limit && math.Abs(m.After) > 5*math.Abs(m.Before) {
		d.say(m, platform.CategoryClockSkew, 0.75, fmt.Sprintf("%s of %s is at %s.", m.Name, m.Service, amount(m.Last)), true)
	}
}

// full reports whether a share or a filled quantity is at its top: near 100 or 1, or flat at its own maximum after a rise.
func full(m *Metric) bool {
	switch {
	case m.Max <= 1.005 && m.Last >= 0.95, m.Max > 1.005 && m.Max <= 100.5 && m.Last >= 95:
		return true
	}
	return m.Max > 100.5 && m.Kind != series.Flat && m.Up() && m.After >= 0.95*m.Max && m.Ratio() > 1.1
}

// movement tells what a series did.
func movement(m *Metric) string {
	verb := "rose"
	if m.Down() {
		verb = "fell"
	}
	back := ""
	if m.Kind == series.Bump {
		back = " and came back"
	}
	return fmt.Sprintf("%s of %s %s from %s to %s at %s%s.", m.Name, m.Service, verb, amount(m.Before), amount(m.After), clock(m.Onset), back)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// amount writes a number with three digits that count.
func amount(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

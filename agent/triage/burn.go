package triage

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/series"
)

const (
	horizon    = 72 * time.Hour // a limit that is further away can wait
	quietAhead = 24 * time.Hour // the same for what no alert tells of
	full       = 0.95           // of a limit is as good as reached
	levels     = 6              // that a series is cut into to see that it only rises
	minRise    = 0.04           // of its scale
	plateau    = 0.3            // of its slope must be left at the end
)

// limit is where a series cannot go beyond.
type limit struct {
	value float64
	down  bool // it falls to it
	cite  string
}

// limitOf finds the limit of a series: a whole, nothing left, or what another series of the service says.
func (w *world) limitOf(m *measured) (limit, bool) {
	words := " " + plain(m.Metric)
	ratio := strings.Contains(words, " percent ") || strings.Contains(words, " pct ") || strings.Contains(words, " ratio ") || strings.Contains(words, " utilization ") || strings.Contains(words, " share ") || strings.Contains(words, " saturation ")
	whole := 1.0
	if m.read().Max > 1.5 {
		whole = 100
	}
	beside := func(meaning series.Meaning) (limit, bool) {
		for _, s := range w.of(m.Service, meaning) {
			if v := s.read().Last; v > 0 && v >= 0.5*m.read().Max {
				return limit{value: v, cite: s.cite()}, true
			}
		}
		return limit{}, false
	}
	switch {
	case strings.Contains(words, " budget ") && (strings.Contains(words, " error ") || strings.Contains(words, " slo ")):
		return limit{down: !strings.Contains(words, " burned ") && !strings.Contains(words, " consumed ") && !strings.Contains(words, " used "), value: 0}, !strings.Contains(words, " rate ")
	case m.meaning == series.CertDays, m.meaning == series.DiskFree:
		return limit{down: true}, true
	case m.meaning == series.MemoryShare, m.meaning == series.DiskUsed && ratio:
		return limit{value: whole}, true
	case ratio && (m.meaning == series.Connections || m.meaning == series.Descriptors || m.meaning == series.Threads || m.meaning == series.GPUMemory):
		return limit{value: whole}, true
	case m.meaning == series.Memory:
		return beside(series.MemoryLimit)
	case m.meaning == series.Connections:
		return beside(series.ConnectionMax)
	}
	return w.sizeOf(m)
}

// sizeOf finds a series of the service that is named like this one but for a word of size.
func (w *world) sizeOf(m *measured) (limit, bool) {
	switch m.meaning {
	case series.DiskUsed, series.Descriptors, series.GPUMemory, series.Threads, series.SharedMemory:
	default:
		return limit{}, false
	}
	own := series.Words(m.Metric)
	for _, s := range w.series {
		if s.Service != m.Service || s == m {
			continue
		}
		words := series.Words(s.Metric)
		sized := words["max"] || words["limit"] || words["total"] || words["size"] || words["capacity"]
		common := 0
		for word := range words {
			if own[word] {
				common++
			}
		}
		if v := s.read().Last; sized && common > 0 && v >= m.read().Max {
			return limit{value: v, cite: s.cite()}, true
		}
	}
	return limit{}, false
}

// exhausted pages what is at its limit, or as good as.
func (w *world) exhausted(j *judged) bool {
	if j.about.chatty == cost || j.about.is(certificate) {
		return false
	}
	now, lim, cite, ok := w.fill(j)
	if !ok {
		return false
	}
	part := 0.0
	switch {
	case lim.down && j.series != nil:
		if top := j.series.read().Max; !ratioLike(j.series.Metric) || top <= 0 {
			return false
		} else if top > 1.5 {
			now /= 100
		}
		part = 1 - now
	case lim.down, lim.value <= 0:
		return false
	default:
		part = now / lim.value
	}
	if part < full {
		return false
	}
	j.floor, j.spent = true, true
	j.page(Outage, fmt.Sprintf("%s is as good as exhausted: %s of its limit.", firstOf(j.alert.Metric, string(j.about.topics[0])), percent(math.Min(part, 1))), cite, lim.cite)
	return true
}

func ratioLike(metric string) bool {
	words := " " + plain(metric)
	return strings.Contains(words, " percent ") || strings.Contains(words, " pct ") || strings.Contains(words, " ratio ")
}

// fill returns the newest value of what fills up and its limit, from the series or from the alert itself.
func (w *world) fill(j *judged) (now float64, lim limit, cite string, ok bool) {
	if j.series != nil {
		if j.series.counter {
			return 0, limit{}, "", false
		}
		lim, ok = w.limitOf(j.series)
		points := j.series.Points
		return median(valuesOf(points[max(0, len(points)-minDying):])), lim, j.series.cite(), ok
	}
	if j.alert.Value == nil || j.alert.ResolvedAfter > 0 {
		return 0, limit{}, "", false
	}
	alone := &measured{Series: bundle.Series{Service: j.alert.Service, Metric: j.alert.Metric, Points: []bundle.Point{
		{At: j.alert.At, Value: *j.alert.Value}, {At: j.alert.At, Value: thresholdOf(j.alert)},
	}}, meaning: j.about.meaning}
	lim, ok = w.limitOf(alone)
	return *j.alert.Value, lim, "", ok && !lim.down
}

// burning pages what moves steadily to a limit, however quiet its label.
func (w *world) burning(j *judged) bool {
	if j.series == nil || j.about.chatty == cost {
		return false
	}
	words, left, ok := w.forecast(j.series)
	if ok && left <= horizon {
		j.floor = left <= quietAhead
		lim, _ := w.limitOf(j.series)
		j.page(Burn, words, j.series.cite(), lim.cite)
		return true
	}
	if ok {
		return false
	}
	return w.grows(j)
}

// forecast says when a series that moves steadily reaches its limit.
func (w *world) forecast(m *measured) (words string, left time.Duration, ok bool) {
	lim, ok := w.limitOf(m)
	if !ok || m.counter && m.read().Counter {
		return "", 0, false
	}
	rate, last, ok := trend(m, lim.down)
	if !ok {
		return "", 0, false
	}
	room := lim.value - last
	if lim.down {
		room, rate = last-lim.value, -rate
	}
	if room < 0 || rate <= 0 {
		return "", 0, false
	}
	left = time.Duration(math.Min(room/rate*float64(time.Hour), float64(1000*time.Hour)))
	return fmt.Sprintf("%s moves steadily by %.3g an hour and reaches %.4g in about %s.", m.Metric, rate, lim.value, roughly(left)), left, true
}

func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case d < 72*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// grows pages what has no known limit, only ever rises, and has multiplied or is past its threshold.
func (w *world) grows(j *judged) bool {
	switch j.about.meaning {
	case series.QueueDepth, series.QueueAge, series.DeadLetters, series.PoolWait, series.Memory, series.Descriptors, series.Connections, series.Threads, series.DiskUsed, series.GPUMemory, series.SharedMemory:
	default:
		return false
	}
	rate, last, ok := trend(j.series, false)
	first := j.series.read().First
	if !ok || last < 1.5*math.Max(first, 1e-9) {
		return false
	}
	words := fmt.Sprintf("%s only rises, by %.3g an hour, from %.4g to %.4g", j.series.Metric, rate, first, last)
	if t := j.alert.Threshold; t != nil && *t > last && rate > 0 {
		ahead := time.Duration(math.Min((*t-last)/rate*float64(time.Hour), float64(1000*time.Hour)))
		if ahead > horizon {
			return false
		}
		words += fmt.Sprintf(", and passes its threshold in about %s", roughly(ahead))
	}
	j.floor = true
	j.page(Burn, words+".", j.series.cite())
	return true
}

// trend returns the change in an hour and the newest level of a series that moves one way only, and still does.
func trend(m *measured, falls bool) (rate, last float64, ok bool) {
	points := m.since(time.Time{})
	if shape := m.read(); shape.Kind == series.Ramp {
		if tail := m.since(shape.Onset); len(tail) >= 2*levels {
			points = tail
		}
	}
	if len(points) < levels || points[len(points)-1].At.Sub(points[0].At) < 10*time.Minute {
		return 0, 0, false
	}
	sign := 1.0
	if falls {
		sign = -1
	}
	var level [levels]float64
	for i := range level {
		level[i] = sign * median(valuesOf(points[i*len(points)/levels:(i+1)*len(points)/levels]))
	}
	total := level[levels-1] - level[0]
	scale := math.Max(math.Abs(level[0]), math.Abs(level[levels-1]))
	if total <= 0 || total < minRise*scale {
		return 0, 0, false
	}
	for i := 1; i < levels; i++ {
		if level[i]-level[i-1] < 0.02*total/levels {
			return 0, 0, false
		}
	}
	late := level[levels-1] - level[levels-3]
	if late < plateau*total*2/(levels-1) {
		return 0, 0, false
	}
	hours := points[len(points)-1].At.Sub(points[0].At).Hours() * 2 / levels
	edge := points[max(0, len(points)-max(1, len(points)/(2*levels))):]
	return sign * late / hours, median(valuesOf(edge)), true
}

// quietBurns returns what moves to a limit soon and no alert or incident tells of.
func (w *world) quietBurns(all []*judged) []Forecast {
	var out []Forecast
	for _, m := range w.series {
		words, left, ok := w.forecast(m)
		if !ok || left > quietAhead || w.toldOf(m, all) {
			continue
		}
		out = append(out, Forecast{Service: m.Service, Metric: m.Metric, Reason: words, Evidence: []string{m.cite()}})
	}
	return out
}

func (w *world) toldOf(m *measured, all []*judged) bool {
	t := meaningTopics[m.meaning]
	for _, j := range all {
		if j.alert.Service == m.Service && (j.Verdict == Page || j.DuplicateOf != "") && j.about.is(t) {
			return true
		}
	}
	for _, o := range w.b.Open {
		if o.Service == m.Service && aboutText(o.Title+" "+o.Pattern).is(t) {
			return true
		}
	}
	return false
}

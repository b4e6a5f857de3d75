package causes

import (
	"fmt"
	"math"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

const (
	heavyCPU  = 0.4  // processors, from where on a service may crowd the others out
	waitsCPU  = 0.05 // share of the time that a process waits for a processor, from where on it is crowded out
	crowdSlip = 45 * time.Second
)

// crowd finds a service that took the processors of the host from the others of its environment. The platform measures what each
// of them takes: without one that took much more than before there is no such neighbour, however busy the host is.
func (d *docket) crowd() {
	for _, waits := range d.w.of("", series.Throttling) {
		if !d.w.current(waits) || !waits.Up() || waits.Last < waitsCPU || waits.Ratio() < 1.5 {
			continue
		}
		for _, cpu := range d.w.of("", series.CPU) {
			if cpu.Service == waits.Service || !cpu.Up() || cpu.Last < heavyCPU || cpu.Ratio() < 2 || cpu.Onset.After(waits.Onset.Add(crowdSlip)) || d.busier(waits.Service, cpu) {
				continue
			}
			score := 0.5 + 0.1*math.Min(1, cpu.Last)
			if a := d.w.f.Alert; a != nil && a.Series != nil && (a.Series.Meaning == series.Throttling || a.Series.Meaning == series.CPU) {
				score += 0.14
			}
			text := fmt.Sprintf("%s waits for a processor: %s", waits.Service, movement(waits))
			l := d.add(platform.CategoryNoisyNeighbour, cpu.Service, sign{score: score, text: text, cite: waits.Cite, onset: cpu.Onset, says: inSentence(text), direct: true})
			l.claims = append(l.claims, withClaims(claim("On the same host, "+movement(cpu), "", cpu.Cite))...)
			l.slack, l.others = maxDuration(l.slack, stepOf(cpu)), append(l.others, waits.Service)
			d.hop(cpu.Service, waits.Service, l)
		}
	}
}

// busier reports whether the waiting service itself took more than the other.
func (d *docket) busier(service string, other *Metric) bool {
	for _, m := range d.w.of(service, series.CPU) {
		if m.Last > other.Last {
			return true
		}
	}
	return false
}

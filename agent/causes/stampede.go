package causes

import (
	"math"
	"strings"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

const (
	manyMisses  = 2.0 // a second, from where on misses are many
	missesShare = 0.15
)

// stampede finds a cache that was asked in vain far more often than before, with no more requests than before: many ask at once
// for what has just gone. What is behind it suffers. A cache that fills after a start is none.
func (d *docket) stampede() {
	for _, m := range d.w.of("", series.CacheMisses) {
		if !d.w.current(m) || !m.Up() || m.Max < manyMisses || m.Ratio() < 4 {
			continue
		}
		asked := 0.0
		for _, r := range d.w.of(m.Service, series.Requests) {
			asked = math.Max(asked, r.Max)
		}
		if asked > 0 && m.Max < missesShare*asked || !d.suffers(m.Service) {
			continue
		}
		l := d.say(m, platform.CategoryCacheStampede, 0.64, movement(m), true)
		l.others = append(append(l.others, d.w.neededBy[m.Service]...), d.w.needs[m.Service]...)
	}
}

// suffers reports whether a service waits in vain for what it asks: its grave words tell of time that ran out, or it became slow.
func (d *docket) suffers(service string) bool {
	for _, v := range d.w.talks {
		if v.Service != service || v.novelty < 0.5 {
			continue
		}
		if lower := strings.ToLower(v.Text); containsAnyOf(lower, "timed out", "timeout", "deadline exceeded", "too many", "overload") {
			return true
		}
	}
	return d.w.risen(service, 2, series.Latency) != nil
}

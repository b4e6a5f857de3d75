package causes

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// well reports whether the facts show that nothing is wrong now, in any service: instances run or were stopped on
// purpose, symptom metrics are in band or back in it, the last checks passed, and no grave words go on. It needs
// positive evidence: silence is not health.
func (d *docket) well() (string, []platform.EvidenceID, bool) {
	switch d.w.f.Incident.Signal {
	case platform.SignalBuildFailed, platform.SignalDeployFailed, platform.SignalOOM, platform.SignalCrashLoop:
		return "", nil, false
	default:
	}
	var ids []platform.EvidenceID
	var good []string
	if d.unmeasured() || d.blind() || d.w.f.stillFires() {
		return "", nil, false
	}
	running, planned := 0, 0
	for _, in := range d.w.f.Fleet {
		code, ended := in.Exit()
		switch {
		case !in.State.Ended():
			if in.State == platform.InstanceUnhealthy || in.State == platform.InstanceStarting {
				return "", nil, false
			}
			running++
		case in.OOMKilled, !in.StoppedByUs() && ended && code != 0:
			return "", nil, false
		default:
			planned++
		}
		ids = append(ids, in.Cite)
	}
	if running > 0 {
		good = append(good, plural(running, "instance")+" running")
	}
	if planned > 0 {
		good = append(good, fmt.Sprintf("%d stopped on purpose", planned))
	}
	last := map[string]Check{}
	for _, c := range d.w.f.Checks {
		last[c.Service+"\x00"+string(c.InstanceID)] = c
	}
	passed := 0
	for _, c := range last {
		if !c.OK && !d.gone(c) {
			return "", nil, false
		}
		passed++
	}
	if passed > 0 {
		good = append(good, "the last health checks passed")
	}
	steady := 0
	for _, m := range d.w.metrics {
		switch m.Meaning {
		case series.Errors, series.ErrorShare, series.Latency, series.Timeouts, series.Retries, series.QueueDepth, series.QueueAge, series.PoolWait, series.DeadLetters, series.RateLimited:
			if m.Kind != series.Flat && m.Up() && m.Last > 1.5*m.Before && m.Last > 0.25*m.Max || len(m.spells()) >= 2 {
				return "", nil, false // it goes on, or it comes again and again
			}
			steady++
			ids = append(ids, m.Cite)
		case series.Memory, series.MemoryShare, series.Descriptors, series.Connections, series.DiskUsed, series.LogVolume:
			if m.Kind == series.Ramp && m.Up() && m.Ratio() > 1.5 && lastRise(m) > 0.15 {
				return "", nil, false
			}
		default:
		}
	}
	if steady > 0 {
		good = append(good, plural(steady, "symptom metric")+" in band or back in it")
	}
	if d.goesOn() || len(good) == 0 {
		return "", nil, false
	}
	if len(ids) > 12 {
		ids = ids[:12]
	}
	return "Nothing is wrong now: " + strings.Join(good, ", ") + ".", cites(ids...), true
}

// seenByPeople are words of trouble that people met and that no rate, latency or health check shows: answers that are wrong,
// lost, old or there twice, and complaints of some users only.
var seenByPeople = like(`\bduplicat|\btwice\b|\bdouble[- ](?:charge|book|post|send|sent|entr)|\bwrong\b|\bincorrect|\bmissing (?:data|rows?|orders?|records?|items?|e-?mails?|files?)|\b(?:data|rows?|orders?|records?|e-?mails?|messages?) (?:is |are |was |were )?(?:missing|lost|stale|outdated|inconsistent|corrupt)|\bstale\b|\binconsistent|\bcorrupt|\bcomplain|\b(?:users?|customers?|clients?|visitors|tenants?|analysts?|people) (?:in \w+ |from \w+ )?(?:report|say|see|find|found|cannot|can't|complain)|\breported by (?:users?|customers?|support)|\bsupport tickets?\b`)

// unmeasured reports whether the incident tells of trouble that what was read cannot show. Calm there is no answer to it.
func (d *docket) unmeasured() bool {
	for _, t := range d.w.f.Words {
		if seenByPeople.MatchString(t.Body) {
			return true
		}
	}
	return false
}

// blind reports whether most symptom metrics have a hole around the time of the trouble: calm before and after it proves nothing.
func (d *docket) blind() bool {
	holes, all := 0, 0
	for _, m := range d.w.metrics {
		switch m.Meaning {
		case series.Errors, series.ErrorShare, series.Latency, series.Requests, series.Success:
		default:
			continue
		}
		if len(m.Points) < 12 {
			continue
		}
		all++
		usual := m.Points[len(m.Points)-1].At.Sub(m.Points[0].At) / time.Duration(len(m.Points)-1)
		for i := 1; i < len(m.Points); i++ {
			from, to := m.Points[i-1].At, m.Points[i].At
			if to.Sub(from) > max(5*usual, 4*time.Minute) && from.Before(d.w.detected) && to.After(d.w.detected.Add(-time.Hour)) {
				holes++
				break
			}
		}
	}
	return holes > 0 && holes*2 >= all
}

// gone reports whether the instance of a check was stopped on purpose.
func (d *docket) gone(c Check) bool {
	for _, in := range d.w.f.Fleet {
		if in.ID == c.InstanceID && in.StoppedByUs() {
			return true
		}
	}
	return false
}

// goesOn reports whether grave words that are new still came in the last part of the lines.
func (d *docket) goesOn() bool {
	tail := d.w.to.Add(-d.w.to.Sub(d.w.onset) / 4)
	recent := 0
	for _, v := range d.w.talks {
		if !v.Grave() || v.novelty < 0.8 || v.Counted {
			continue
		}
		for slot, n := range v.Buckets {
			if time.Unix(slot*int64(TalkBucket/time.Second), 0).After(tail) {
				recent += n
			}
		}
	}
	return recent >= 3
}

package triage

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/series"
)

// What users notice.
const (
	outageShare = 0.05             // of requests that fail now, or again and again
	burstShare  = 0.20             // that once failed for burstFor is told although it is over
	burstFor    = 2 * time.Minute  //
	lately      = 10 * time.Minute // before the end of what was recorded is now
	minDying    = 3                // failed probes, spans or requests in a row without a good one
)

// effect is what users notice of a service.
type effect struct {
	known    bool // something that would show it was recorded
	outage   bool
	words    string
	evidence []string
}

// effect looks at a service's requests, probes and instances.
func (w *world) effect(service string) effect {
	if e, ok := w.effects[service]; ok {
		return e
	}
	e := effect{}
	for _, look := range []func(string) effect{w.failingShare, w.failingCount, w.notUp, w.allDown, w.failingProbes, w.failingSpans} {
		found := look(service)
		e.known = e.known || found.known
		if found.known {
			e.evidence = append(e.evidence, found.evidence...)
		}
		if found.outage {
			e = found
			break
		}
	}
	w.effects[service] = e
	return e
}

// of returns the series of a service that mean one of these.
func (w *world) of(service string, meanings ...series.Meaning) []*measured {
	var out []*measured
	for _, s := range w.series {
		if s.Service == service && slices.Contains(meanings, s.meaning) {
			out = append(out, s)
		}
	}
	return out
}

// failingShare reads the share of failed requests where it is measured as such.
func (w *world) failingShare(service string) effect {
	for _, s := range w.of(service, series.ErrorShare, series.Success) {
		if strings.Contains(" "+plain(s.Metric), " budget ") {
			continue
		}
		shares := make([]bundle.Point, len(s.Points))
		for i, p := range s.Points {
			v := share(s.Metric, p.Value, s.read().Max)
			if s.meaning == series.Success {
				v = 1 - v
			}
			shares[i] = bundle.Point{At: p.At, Value: v}
		}
		if e := w.shares(service, s.cite(), shares); e.known {
			return e
		}
	}
	return effect{}
}

// failingCount divides failed requests by all of them. Where traffic is low few failures are many.
func (w *world) failingCount(service string) effect {
	failed, all := w.of(service, series.Errors), w.of(service, series.Requests)
	if len(failed) == 0 || len(all) == 0 {
		return effect{}
	}
	total := map[int64]float64{}
	for _, s := range all {
		for _, p := range s.since(time.Time{}) {
			total[p.At.Unix()] += p.Value
		}
	}
	bad := map[int64]float64{}
	for _, s := range failed {
		for _, p := range s.since(time.Time{}) {
			bad[p.At.Unix()] += p.Value
		}
	}
	var shares []bundle.Point
	for at, n := range bad {
		if t := total[at]; t > 0 {
			shares = append(shares, bundle.Point{At: time.Unix(at, 0), Value: math.Min(1, n/t)})
		}
	}
	slices.SortFunc(shares, func(a, b bundle.Point) int { return a.At.Compare(b.At) })
	return w.shares(service, failed[0].cite(), shares)
}

// shares judges a course of shares: failing now, or in bursts that come back or were long.
func (w *world) shares(service, cite string, points []bundle.Point) effect {
	if len(points) == 0 {
		return effect{}
	}
	e := effect{known: true, evidence: []string{cite}}
	usual := median(valuesOf(points[:max(1, len(points)/2)]))
	limit := math.Max(outageShare, 2*math.Min(usual, 0.3))
	last := points[max(0, len(points)-minDying):]
	runs, longest, peak := bursts(points, limit)
	switch now := median(valuesOf(last)); {
	case now >= limit || len(points) > 1 && now >= outageShare && usual >= outageShare:
		e.outage, e.words = true, fmt.Sprintf("%s of the requests to %s fail", percent(now), service)
	case runs >= minDying && peak >= burstShare:
		e.outage, e.words = true, fmt.Sprintf("requests to %s fail again and again, up to %s of them", service, percent(peak))
	case longest >= burstFor && peak >= burstShare && w.end.Sub(points[len(points)-1].At) < time.Hour:
		e.outage, e.words = true, fmt.Sprintf("%s of the requests to %s failed for %s", percent(peak), service, longest.Round(time.Second))
	default:
		e.words = fmt.Sprintf("%s of the requests to %s fail", percent(now), service)
	}
	return e
}

// bursts counts the stretches at or over a limit, and returns the longest and the highest.
func bursts(points []bundle.Point, limit float64) (runs int, longest time.Duration, peak float64) {
	start := -1
	for i, p := range points {
		peak = math.Max(peak, p.Value)
		switch {
		case p.Value >= limit && start < 0:
			start = i
			runs++
		case p.Value < limit:
			start = -1
		}
		if start >= 0 {
			longest = max(longest, p.At.Sub(points[start].At))
		}
	}
	return runs, longest, peak
}

func valuesOf(points []bundle.Point) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = p.Value
	}
	return out
}

func percent(v float64) string { return fmt.Sprintf("%.3g%%", 100*v) }

// notUp reads metrics that say whether a service is up, or how many of it are.
func (w *world) notUp(service string) effect {
	if w.stoppedOnPurpose(service) != nil {
		return effect{}
	}
	e := effect{}
	for _, s := range w.of(service, series.Up, series.Replicas) {
		e.known = true
		e.evidence = append(e.evidence, s.cite())
		points := s.Points[max(0, len(s.Points)-2):]
		if largest(points) == 0 && s.read().Max > 0 {
			return effect{known: true, outage: true, words: fmt.Sprintf("no instance of %s is up (%s is 0)", service, s.Metric), evidence: []string{s.cite()}}
		}
	}
	return e
}

func largest(points []bundle.Point) float64 {
	out := math.Inf(-1)
	for _, p := range points {
		out = math.Max(out, p.Value)
	}
	return out
}

// allDown reads the instances: every newest one ended by itself, or is unwell.
func (w *world) allDown(service string) effect {
	e := effect{}
	if w.stoppedOnPurpose(service) != nil {
		return e
	}
	bad := 0
	for _, in := range w.b.Instances {
		if in.Service != service {
			continue
		}
		switch {
		case purposeful(in.StoppedBy):
		case ended(in) || unwell(in.State):
			bad++
			e.evidence = append(e.evidence, in.Instance)
		case running(in.State):
			return effect{known: true, evidence: []string{in.Instance}}
		}
	}
	if bad == 0 {
		return effect{}
	}
	e.known, e.outage = true, true
	e.words = fmt.Sprintf("every instance of %s is down (%d of %d)", service, bad, bad)
	return e
}

func running(state string) bool {
	switch state {
	case "running", "ready", "healthy", "up", "live", "serving":
		return true
	}
	return false
}

func unwell(state string) bool {
	switch state {
	case "unhealthy", "crashloopbackoff", "crash_loop", "crashing", "restarting", "error", "failed", "not_ready", "notready":
		return true
	}
	return false
}

func ended(in bundle.Instance) bool {
	switch in.State {
	case "exited", "dead", "stopped", "terminated", "killed", "crashed", "oom_killed", "oomkilled", "removed", "down":
		return true
	}
	return in.State == "" && !in.FinishedAt.IsZero()
}

// purposeful reports whether somebody, or a part of the platform that was asked to, ended an instance.
func purposeful(by string) bool {
	words := " " + plain(by)
	for _, w := range []string{" user ", " operator ", " admin ", " human ", " deploy ", " deployer ", " rollout ", " scale ", " scaler ", " autoscaler ", " scheduler ", " drain ", " maintenance ", " planned ", " upgrade ", " cron ", " platform ", " rollback ", " controller ", " orchestrator ", " scaledown ", " engineer "} {
		if strings.Contains(words, w) {
			return true
		}
	}
	return false
}

func (w *world) failingProbes(service string) effect {
	var last []bundle.Probe
	for _, p := range w.b.Probes {
		if p.Service == service {
			last = append(last, p)
		}
	}
	if len(last) == 0 || w.stoppedOnPurpose(service) != nil {
		return effect{}
	}
	last = last[max(0, len(last)-minDying):]
	e := effect{known: true, evidence: []string{"probe:" + service + "@" + stamp(last[len(last)-1].At)}}
	bad := len(slices.DeleteFunc(slices.Clone(last), func(p bundle.Probe) bool { return p.OK }))
	if bad == len(last) && bad >= minDying {
		e.outage, e.words = true, fmt.Sprintf("the last %d health checks of %s failed", bad, service)
	}
	return e
}

// failingSpans reads the newest operations of a service.
func (w *world) failingSpans(service string) effect {
	total, bad, trace := 0, 0, ""
	for _, s := range w.b.Spans {
		if s.Service != service || s.At.Before(w.end.Add(-lately)) {
			continue
		}
		total++
		if s.Status == "error" || s.Error != "" || strings.HasPrefix(s.Status, "5") && len(s.Status) == 3 {
			bad++
			trace = s.TraceID
		}
	}
	if total < minDying {
		return effect{}
	}
	e := effect{known: true, evidence: []string{"trace:" + firstOf(trace, service)}}
	if part := float64(bad) / float64(total); bad >= minDying && part >= 2*outageShare {
		e.outage, e.words = true, fmt.Sprintf("%s of the operations of %s fail", percent(part), service)
	}
	return e
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

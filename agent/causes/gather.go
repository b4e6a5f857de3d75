package causes

import (
	"math"
	"slices"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// This file finds what several services have in common: a host, a disk, a resolver.

// gather marks trouble that several services with nothing but a host, a disk or a resolver in common show at once: what one
// of them changed did not bring it to the others. The origin is the host where one is known.
func (d *docket) gather() {
	for _, category := range []platform.Category{platform.CategoryDiskFull, platform.CategoryDNSFailure, platform.CategoryClockSkew, platform.CategoryReadOnlyFS, platform.CategoryGPUUnavailable, platform.CategoryCertExpired, platform.CategoryUpstream5xx, platform.CategoryBadCredentials} {
		var alike []*lead
		for _, l := range d.order {
			if l.category == category && l.direct && l.score >= strong {
				alike = append(alike, l)
			}
		}
		if len(alike) < 2 {
			if category == platform.CategoryDiskFull {
				d.filler(alike)
			}
			continue
		}
		for _, l := range alike {
			for _, o := range alike {
				l.common = l.common || o != l && !d.w.reaches(l.service, o.service) && !d.w.reaches(o.service, l.service)
			}
		}
		d.host(category, alike)
		if category == platform.CategoryDiskFull {
			d.filler(alike)
		}
		if category == platform.CategoryDNSFailure {
			d.resolver(alike)
		}
	}
}

// filler moves a full disk to the service that filled it: one that shares the disk, and whose own files grew while it filled.
func (d *docket) filler(full []*lead) {
	for _, l := range full {
		var most *Metric
		for _, s := range d.w.sharing[l.service] {
			for _, m := range d.w.of(s) {
				if grown(m) && d.w.current(m) && (most == nil || m.Ratio() > most.Ratio()) {
					most = m
				}
			}
		}
		if most == nil || slices.ContainsFunc(d.w.of(l.service), grown) {
			continue
		}
		to := d.lead(platform.CategoryDiskFull, most.Service)
		to.score = math.Max(to.score, math.Min(0.97, l.score+0.02))
		to.says, to.direct, to.slow, to.known = l.says, true, true, true
		to.onset, to.slack = most.Onset, maxDuration(l.slack, stepOf(most))
		to.claims = append(withClaims(claim("On the same disk, "+movement(most), "", most.Cite)), append(slices.Clone(l.claims), to.claims...)...)
		d.hop(most.Service, l.service, l)
		l.score -= followed
		for _, o := range d.order { // who writes through the one that is full only tells of it
			if o.category == platform.CategoryDiskFull && o.service != most.Service && d.w.reaches(o.service, l.service) {
				d.hop(l.service, o.service, o)
				o.score -= followed
			}
		}
	}
}

// grown reports whether a series tells of files that became many times as large.
func grown(m *Metric) bool {
	if m.Meaning == series.DiskUsed || m.Meaning == series.DiskFree || m.Kind == series.Flat || !m.Up() || m.Ratio() < 2 {
		return false
	}
	words := series.Words(m.Name)
	sized := words["bytes"] || words["mb"] || words["gb"] || words["mib"] || words["gib"] || words["size"] || words["files"]
	for _, w := range []string{"spool", "backup", "backups", "wal", "log", "logs", "dump", "dumps", "archive", "snapshot", "snapshots", "segments", "tmp", "temp", "cache", "dir", "directory", "volume", "core", "disk", "storage", "data"} {
		if words[w] {
			return sized
		}
	}
	return false
}

// resolver moves failed lookups of several services to the resolver that all of them use, where that one shows trouble itself.
func (d *docket) resolver(alike []*lead) {
	for _, s := range d.w.needs[alike[0].service] {
		own := d.troubleOf(s)
		if own == nil || slices.ContainsFunc(alike, func(l *lead) bool { return !slices.Contains(d.w.needs[l.service], s) }) {
			continue
		}
		to := d.lead(platform.CategoryDNSFailure, s)
		for _, l := range alike {
			to.score = math.Max(to.score, math.Min(0.97, l.score+0.02))
			if to.onset.IsZero() || l.onset.Before(to.onset) {
				to.onset = l.onset
			}
			to.says, to.direct = l.says, true
			to.claims = append(to.claims, l.claims...)
			d.hop(s, l.service, l)
		}
		for _, l := range alike {
			l.score -= followed
		}
		to.claims, to.through = append(slices.Clone(own.claims), to.claims...), own
		own.score -= followed
		return
	}
}

// troubleOf is the strongest lead in a service that its own words or series tell.
func (d *docket) troubleOf(service string) *lead {
	var best *lead
	for _, l := range d.order {
		if l.service == service && l.direct && l.score >= strong && (best == nil || l.score > best.score) {
			best = l
		}
	}
	return best
}

// host moves trouble to the machine that measures it itself: one that is no part of the map of calls.
func (d *docket) host(category platform.Category, alike []*lead) {
	for _, l := range alike {
		if len(d.w.needs[l.service])+len(d.w.neededBy[l.service]) > 0 || !machine(d.w, l.service) || category == platform.CategoryDiskFull || category == platform.CategoryReadOnlyFS {
			continue
		}
		for _, o := range alike {
			if o != l && l.score < o.score+0.02 {
				l.score = math.Min(0.97, o.score+0.02)
			}
		}
		for _, o := range alike {
			if o != l {
				d.hop(l.service, o.service, o)
				o.score -= followed
			}
		}
		return
	}
}

// machine reports whether a name is a host: it is measured and serves no requests.
func machine(w *world, service string) bool {
	if len(w.of(service)) == 0 {
		return false
	}
	for _, m := range w.of(service) {
		if m.Meaning == series.Requests || m.Meaning == series.Latency {
			return false
		}
	}
	return true
}

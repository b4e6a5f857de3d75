package triage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
)

// work is something that somebody told of beforehand, and the time that it takes.
type work struct {
	id, service string // service is "" when the words name it
	words       string
	from, to    time.Time
	load        bool // traffic that is sent on purpose, else a stop
}

var (
	loadWork = regexp.MustCompile(`\b(load|stress|perf|performance|soak|capacity) tests?\b|\bload testing\b`)
	stopWork = regexp.MustCompile(`\bmaintenance\b|\b(planned|announced|scheduled) (stop|outage|downtime|work|upgrade|failover|switchover|reboot|restart|shutdown)\b`)
	window   = regexp.MustCompile(`\b([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?: ?(?:Z|UTC))? ?(?:-|–|to|until) ?([01]?\d|2[0-3]):([0-5]\d)\b`)
)

const workTakes = 2 * time.Hour // where it does not say how long

// announcements reads the work that changes tell of. A commit announces nothing.
func announcements(changes []bundle.Change) []work {
	var out []work
	for _, c := range changes {
		words := plain(c.Message)
		load := loadWork.MatchString(words)
		if c.Kind == "commit" || c.At.IsZero() || !load && !stopWork.MatchString(words) {
			continue
		}
		a := work{id: c.ID, service: c.Service, words: c.Message, from: c.At, to: c.At.Add(workTakes), load: load}
		if m := window.FindStringSubmatch(c.Message); m != nil {
			a.from, a.to = clockTime(c.At, m[1], m[2]), clockTime(c.At, m[3], m[4])
			if !a.to.After(a.from) {
				a.to = a.to.Add(24 * time.Hour)
			}
		}
		out = append(out, a)
	}
	return out
}

// clockTime is a time of the day that begins a day's work, in UTC as bundles are.
func clockTime(day time.Time, hour, minute string) time.Time {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	day = day.UTC()
	return time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, time.UTC)
}

// slackOfWork is how far outside its window work may still show.
const slackOfWork = 2 * time.Minute

// announced finds the work on a service that goes on at a time.
func (w *world) announced(service string, at time.Time, load bool) *work {
	for i, a := range w.works {
		if a.load != load || at.IsZero() || at.Before(a.from.Add(-slackOfWork)) || at.After(a.to.Add(slackOfWork)) {
			continue
		}
		if a.service == service && service != "" || a.service == "" && w.mentions(a.words, service) {
			return &w.works[i]
		}
	}
	return nil
}

// somebody reports whether an instance was ended by a person or a part that acts for one, and not by its own fault.
func somebody(by string) bool {
	words := " " + plain(by)
	if strings.TrimSpace(words) == "" {
		return false
	}
	for _, machine := range []string{" kernel ", " oom", " crash", " process ", " self ", " none ", " null ", " liveness ", " probe ", " watchdog ", " kubelet ", " docker ", " containerd ", " runtime ", " signal ", " systemd ", " segfault ", " unknown "} {
		if strings.Contains(words, machine) {
			return false
		}
	}
	return true
}

// testedOnPurpose suppresses what traffic that was announced brings by its nature, as long as users notice nothing.
func (w *world) testedOnPurpose(j *judged) bool {
	if !j.about.is(processor, traffic) || j.about.is(errorsTopic, down, loss, certificate, disk, memory, queue, latency) {
		return false
	}
	a := w.announced(j.alert.Service, j.alert.At, true)
	e := w.effect(j.alert.Service)
	if a == nil || !e.known || e.outage {
		return false
	}
	j.suppress(Planned, fmt.Sprintf("%s announced the load, and %s.", a.id, calm(e)), append([]string{a.id}, e.evidence...)...)
	return true
}

// waitsForPlanned suppresses what only says that a dependency is away which was stopped on purpose: users are seen to notice
// nothing, or its own words name that dependency. Where requests are seen to fail it pages all the same: that work was
// planned is no comfort to users.
func (w *world) waitsForPlanned(j *judged) bool {
	e := w.effect(j.alert.Service)
	if e.outage {
		return false
	}
	for service := range w.dependencies(j.alert.Service) {
		a := w.announced(service, j.alert.At, false)
		if a == nil || !j.mayBeSymptom(service) || !e.known && !w.mentions(j.alert.Name+" "+j.alert.Pattern, service) && !w.saidOf(j.alert.Service, service, a.from) {
			continue
		}
		if why := w.stoppedOnPurpose(service); why != nil {
			j.planned = true
			j.suppress(Symptom, fmt.Sprintf("%s depends on %s, which was stopped on purpose.", j.alert.Service, service), append(why, a.id)...)
			return true
		}
	}
	return false
}

// saidOf reports whether a service's lines have named another since a time, and not before.
func (w *world) saidOf(service, other string, since time.Time) bool {
	for _, g := range w.b.Logs.Groups {
		if g.Service != service || g.First.Before(since.Add(-slackOfWork)) {
			continue
		}
		for _, l := range g.Exemplars {
			if w.mentions(l.Text, other) {
				return true
			}
		}
	}
	return false
}

package control

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// rows are the alerts of a project that matter to one notification, and what is to be done with each.
type rows struct {
	all                          []platform.InboundAlert
	judge, changed, fresh, ended map[int]bool
	open                         map[platform.IncidentID]bool
}

func newRows(known []platform.InboundAlert, open []platform.Incident) *rows {
	r := &rows{all: known, judge: map[int]bool{}, changed: map[int]bool{}, fresh: map[int]bool{}, ended: map[int]bool{}, open: map[platform.IncidentID]bool{}}
	for _, i := range open {
		r.open[i.ID] = true
	}
	return r
}

func (r *rows) byID(id platform.InboundID) int {
	return slices.IndexFunc(r.all, func(a platform.InboundAlert) bool { return a.ID == id })
}

func (r *rows) firing() int {
	n := 0
	for _, a := range r.all {
		if a.State == platform.InboundFiring {
			n++
		}
	}
	return n
}

func (r *rows) environments() []string {
	var out []string
	for _, a := range r.all {
		if !slices.Contains(out, a.Environment) {
			out = append(out, a.Environment)
		}
	}
	return out
}

// needs reports whether an alert that fires must be judged: it was not, it is quiet, or its incident is gone.
func (r *rows) needs(a platform.InboundAlert) bool {
	return a.State == platform.InboundFiring && (a.Decision != platform.InboundPage || a.IncidentID != "" && !r.open[a.IncidentID])
}

// merge puts one alert as told into what is known of its fingerprint, and returns its place.
func (r *rows) merge(told platform.InboundAlert, now time.Time) int {
	i := slices.IndexFunc(r.all, func(a platform.InboundAlert) bool {
		return a.Source == told.Source && a.Fingerprint == told.Fingerprint
	})
	if i < 0 {
		told.ID = platform.NewID[platform.InboundID](platform.PrefixInbound)
		told.Firings, told.Evidence = []time.Time{}, []string{}
		r.all = append(r.all, told)
		i = len(r.all) - 1
		r.fresh[i] = true
		if told.State == platform.InboundResolved {
			r.all[i].Decision, r.all[i].Kind, r.all[i].Reason = platform.InboundSuppress, kindOverFirst, "It was over when it was first told."
			r.all[i].Stayed = platform.Duration(told.ResolvedAt.Sub(told.StartsAt))
		}
	}
	a := &r.all[i]
	was := a.State
	a.Count++
	r.changed[i] = true
	a.LastSeenAt = now
	switch {
	case told.State == platform.InboundResolved && was == platform.InboundFiring:
		a.State, a.ResolvedAt = platform.InboundResolved, told.ResolvedAt
		a.Stayed = platform.Duration(max(0, told.ResolvedAt.Sub(a.StartsAt)))
		r.ended[i] = true
		r.judge[i] = false
	case told.State == platform.InboundFiring:
		again := was == platform.InboundResolved || r.fresh[i]
		a.Name, a.Severity, a.Summary, a.Metric, a.Value, a.Threshold = told.Name, told.Severity, told.Summary, told.Metric, told.Value, told.Threshold
		a.Pattern, a.Release, a.Labels, a.Environment, a.Service = told.Pattern, told.Release, told.Labels, told.Environment, told.Service
		if again {
			a.State, a.StartsAt, a.ResolvedAt, a.IncidentID = platform.InboundFiring, told.StartsAt, nil, ""
			a.Firings = append(slices.DeleteFunc(a.Firings, func(at time.Time) bool { return now.Sub(at) > time.Hour }), now)
			r.fresh[i] = true
			a.Firings = a.Firings[max(0, len(a.Firings)-100):]
		}
		r.judge[i] = again || r.needs(*a)
	}
	return i
}

package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/platform"
)

// Past reads earlier incidents.
type Past interface {
	// Explained returns the newest incidents of an environment, newest first, each with its newest diagnosis, nil where it
	// has none.
	Explained(ctx context.Context, project, environment string, limit int) ([]Explained, error)
}

// Explained is an incident with what was made of it.
type Explained struct {
	platform.Incident
	Diagnosis *platform.Diagnosis
}

const (
	maxPast     = 50 // that are looked at
	maxSimilar  = 5  // that are frozen
	similarDays = 90
)

// similar freezes the earlier incidents of the environment that look like this one: those whose error lines are seen now,
// and those of the same service with the same signal and rule.
func (r *run) similar() {
	if r.src.Past == nil {
		return
	}
	in := r.f.Incident
	all, err := r.src.Past.Explained(r.ctx, in.Project, in.Environment, maxPast)
	if err != nil {
		r.w.failed("earlier incidents", err)
		return
	}
	said := r.templates()
	var found []causes.Past
	for _, e := range all {
		if e.ID == in.ID || !e.OpenedAt.Before(r.onset().Add(time.Second)) || r.onset().Sub(e.OpenedAt) > similarDays*24*time.Hour {
			continue
		}
		same := said.any(e.Diagnosis)
		if same || e.Service == in.Service && e.Signal == in.Signal && e.Rule == in.Rule {
			found = append(found, r.past(e, same))
		}
	}
	slices.SortStableFunc(found, func(a, b causes.Past) int { // the same words first; the newest first as they came
		switch {
		case a.SameWords == b.SameWords:
			return 0
		case a.SameWords:
			return -1
		}
		return 1
	})
	if len(found) == 0 {
		return
	}
	d := r.w.draft(platform.EvidenceEvents, "Earlier incidents like this one", "incidents")
	d.Truncated = len(found) > maxSimilar
	for _, p := range found[:min(maxSimilar, len(found))] {
		if p.Cite = d.ID; d.write(p.Quote) {
			r.f.Past = append(r.f.Past, p)
		}
	}
	r.w.freeze(d)
}

func (r *run) past(e Explained, same bool) causes.Past {
	p := causes.Past{
		ID: e.ID, Service: e.Service, Title: r.oneLine(e.Title, 300), Resolution: r.oneLine(e.Resolution, 300), OpenedAt: e.OpenedAt,
		Open: e.State == platform.IncidentOpen, SameWords: same,
	}
	p.Quote = fmt.Sprintf("%s %s of %s, %s: %s", stamp(e.OpenedAt), e.ID, e.Service, e.Signal, p.Title)
	if d := e.Diagnosis; d != nil {
		p.Category = d.Category
		p.Quote += fmt.Sprintf("; explained as %s: %s", d.Category, r.oneLine(d.Summary, 300))
		if len(d.Causes) > 0 && d.Causes[0].Change != nil {
			p.Change = d.Causes[0].Change.ID
		}
	}
	switch {
	case p.Open:
		p.Quote += "; still open"
	case p.Resolution != "":
		p.Quote += "; " + p.Resolution
	}
	return p
}

// templates are those of the error lines that are seen now.
type templates struct {
	miner *patterns.Miner
	known map[patterns.TemplateID]bool
}

func (r *run) templates() templates {
	t := templates{miner: patterns.New(patterns.Config{}), known: map[patterns.TemplateID]bool{}}
	for _, l := range r.f.Lines {
		if l.Level == "error" || l.Level == "fatal" {
			for line := range strings.SplitSeq(l.Text, "\n") {
				t.known[t.miner.Add(line)] = true
			}
		}
	}
	return t
}

// any reports whether a line that an earlier diagnosis quotes is like one of today.
func (t templates) any(d *platform.Diagnosis) bool {
	if d == nil || len(d.Causes) == 0 || len(t.known) == 0 {
		return false
	}
	for _, c := range d.Causes[0].Claims {
		for line := range strings.SplitSeq(c.Quote, "\n") {
			if len(strings.Fields(line)) >= minWords && t.known[t.miner.Resolve(t.miner.Add(line))] {
				return true
			}
		}
	}
	return false
}

// minWords keeps what any two logs share, such as "}" and "Traceback", from being the same words.
const minWords = 3

package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

// Map says who depends on whom in an environment, with the calls of a range of time.
type Map interface {
	ServiceMap(ctx context.Context, project, environment string, from, to time.Time) (platform.ServiceMap, error)
}

// serviceMap freezes who depends on whom around the onset.
func (r *run) serviceMap() {
	if r.src.Map == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	from, to := r.previousEnd.Add(-r.opt.Before), r.w.now
	if !from.Before(to) {
		return
	}
	m, err := r.src.Map.ServiceMap(r.ctx, r.f.Incident.Project, r.f.Incident.Environment, from, to)
	if err != nil {
		r.w.failed("who depends on whom", err)
		return
	}
	d := r.w.draft(platform.EvidenceMap, "Who depends on whom", "map")
	d.From, d.To = m.From, m.To
	for _, e := range m.Edges {
		e.From, e.To = r.nodeName(e.From), r.nodeName(e.To)
		if d.write(edgeLine(e, r.oneLine(e.Via, 200))) && e.From != platform.RouterNode {
			r.f.Edges = append(r.f.Edges, causes.Edge{Edge: e.Edge, Cite: d.ID})
		}
	}
	r.sharedHost(m, d)
	if d.text.Len() == 0 {
		return
	}
	for _, note := range m.Notes {
		d.write(r.oneLine(note, 300))
	}
	r.w.freeze(d)
}

// sharedHost adds the services that run beside the incident's: what one of them takes, the others lack.
func (r *run) sharedHost(m platform.ServiceMap, d *draft) {
	own := ""
	for _, n := range m.Nodes {
		if n.Name == r.f.Incident.Service {
			own = n.Host
		}
	}
	for _, n := range m.Nodes {
		if own == "" || n.Host != own || n.Name == r.f.Incident.Service {
			continue
		}
		e := platform.Edge{From: r.f.Incident.Service, To: r.nodeName(n.Name), Kind: platform.EdgeSharesHost}
		if d.writef("%s %s %s: %s", e.From, e.Kind, e.To, r.oneLine(own, 200)) {
			r.f.Edges = append(r.f.Edges, causes.Edge{Edge: e, Cite: d.ID})
		}
	}
}

func edgeLine(e platform.MapEdge, via string) string {
	line := fmt.Sprintf("%s %s %s", e.From, e.Kind, e.To)
	if e.Requests > 0 {
		line += fmt.Sprintf(": %d requests, %d failed, half within %s, 95%% within %s", e.Requests, e.Failed, e.P50, e.P95)
	}
	known := make([]string, 0, len(e.Sources))
	for _, s := range e.Sources {
		known = append(known, string(s))
	}
	line += "; known by " + strings.Join(known, ", ")
	if via != "" {
		line += " (" + via + ")"
	}
	return line
}

// nodeName is a name of a map that is fit for one line; applications may call themselves anything.
func (r *run) nodeName(name string) string { return r.oneLine(name, 200) }

// oneLine cleans a text and puts it on one line.
func (r *run) oneLine(text string, limit int) string {
	return strings.Join(strings.Fields(r.w.clean(text, limit)), " ")
}

// involved are the incident's service and those next to it on the map.
func (r *run) involved() []string {
	names := []string{r.f.Incident.Service}
	for _, e := range r.f.Edges {
		if e.Kind == platform.EdgeSharesHost {
			continue
		}
		for _, pair := range [][2]string{{e.From, e.To}, {e.To, e.From}} {
			if pair[0] == r.f.Incident.Service && !slices.Contains(names, pair[1]) {
				names = append(names, pair[1])
			}
		}
	}
	return names
}

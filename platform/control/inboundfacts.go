package control

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

const (
	measureFor  = time.Hour
	measureStep = time.Minute
	measureTime = 5 * time.Second // for all questions of one notification
	settled     = 5 * time.Minute // what holds so long does not flap
	mapFor      = 15 * time.Minute
	// maxDependencies bounds how many dependencies of one service are measured.
	maxDependencies = 8
)

// recordedFacts are what the metric store and the service map said, by environment.
type recordedFacts struct {
	series map[string][]bundle.Series
	edges  map[string][]bundle.Edge
	gaps   []string
}

// measures are asked of every service that an alert names: the names are plain words, which triage reads.
var measures = []struct{ name, expr string }{
	{"requests_per_second", "sum(rate(fairlead_requests_total[1m]))"},
	{"http_5xx_per_second", `sum(rate(fairlead_requests_total{class=~"5xx|none"}[1m]))`},
	{"memory_bytes", "max(fairlead_instance_memory_bytes)"},
	{"memory_limit_bytes", "min(fairlead_instance_memory_limit_bytes > 0)"},
}

var metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$`)

// measure reads who depends on whom, and asks the metric store about the services of the alerts and about those that they
// depend on. What does not answer is a gap, and no error.
func (in *intake) measure(ctx context.Context, alerts []platform.InboundAlert) {
	in.facts.series, in.facts.edges = map[string][]bundle.Series{}, map[string][]bundle.Edge{}
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	firing := slices.DeleteFunc(slices.Clone(alerts), func(a platform.InboundAlert) bool { return a.Service == "" || a.State != platform.InboundFiring })
	in.readMaps(ctx, firing)
	if in.plane.o.Metrics == nil {
		in.facts.gaps = append(in.facts.gaps, "no metric store is connected")
		return
	}
	asked := map[question]bool{}
	for _, a := range firing {
		for _, service := range append([]string{a.Service}, in.dependencies(a.Environment, a.Service)...) {
			for _, m := range measures {
				in.ask(ctx, asked, question{a.Environment, service, m.name}, m.expr)
			}
		}
		if metricName.MatchString(a.Metric) {
			in.ask(ctx, asked, question{a.Environment, a.Service, a.Metric}, "max("+a.Metric+")")
		}
	}
}

// readMaps reads the service map of each environment that an alert is about: as it was seen lately, and as it is declared.
func (in *intake) readMaps(ctx context.Context, firing []platform.InboundAlert) {
	for _, a := range firing {
		if _, read := in.facts.edges[a.Environment]; read {
			continue
		}
		in.facts.edges[a.Environment] = nil
		now := in.plane.now()
		m, err := in.plane.ServiceMap(ctx, detector, platform.MapRequest{Project: in.project.Name, Environment: a.Environment, From: now.Add(-mapFor), To: now})
		if err != nil {
			in.facts.gaps = append(in.facts.gaps, "who depends on whom in "+a.Environment+" could not be read")
			continue
		}
		for _, e := range m.Edges {
			if e.From != platform.RouterNode && e.Kind != platform.EdgeSharesHost { // on one host everything shares it, which explains nothing
				in.facts.edges[a.Environment] = append(in.facts.edges[a.Environment], bundle.Edge{From: e.From, To: e.To, Kind: string(e.Kind)})
			}
		}
	}
}

// dependencies are the services of ours that one depends on directly.
func (in *intake) dependencies(environment, service string) []string {
	var out []string
	for _, e := range in.facts.edges[environment] {
		ours := slices.ContainsFunc(in.slots, func(s platform.Slot) bool { return s.Environment == environment && s.Service == e.To })
		if e.From == service && ours && !slices.Contains(out, e.To) && len(out) < maxDependencies {
			out = append(out, e.To)
		}
	}
	return out
}

// question is what the metric store is asked once.
type question struct{ environment, service, name string }

func (in *intake) ask(ctx context.Context, asked map[question]bool, q question, expr string) {
	if asked[q] || ctx.Err() != nil {
		return
	}
	asked[q] = true
	now := in.plane.now()
	found, err := in.plane.o.Metrics.Query(ctx, observability.MetricQuery{
		Project: in.project.Name, Environment: q.environment, Service: q.service, Expr: expr, From: now.Add(-measureFor), To: now, Step: measureStep,
	})
	if err != nil {
		in.facts.gaps = append(in.facts.gaps, "the series "+q.name+" of "+q.service+" could not be read")
		return
	}
	for _, s := range found {
		out := bundle.Series{Service: q.service, Metric: q.name}
		for _, p := range s.Points {
			out.Points = append(out.Points, bundle.Point{At: p.At, Value: p.Value})
		}
		if len(out.Points) > 0 {
			in.facts.series[q.environment] = append(in.facts.series[q.environment], out)
		}
	}
}

// bundle puts what is known of an environment into the form that triage reads.
func (in *intake) bundle(ctx context.Context, tx *store.Tx, rows *rows, environment string, open []platform.Incident) (*bundle.Bundle, error) {
	b := &bundle.Bundle{Metrics: in.facts.series[environment], Topology: in.facts.edges[environment], Gaps: in.facts.gaps}
	named := map[string]bool{}
	for i, a := range rows.all {
		if a.Environment != environment || a.State != platform.InboundFiring {
			continue
		}
		if rows.judge[i] {
			named[a.Service] = true
			for _, service := range in.dependencies(environment, a.Service) {
				named[service] = true
			}
		}
		b.Alerts = append(b.Alerts, in.alert(a))
	}
	for _, i := range open {
		if i.Environment == environment {
			b.Open = append(b.Open, bundle.OpenIncident{ID: string(i.ID), Service: i.Service, Title: i.Title + " " + i.Rule + " " + signalWords(i.Signal), OpenedAt: i.OnsetAt})
		}
	}
	for _, s := range in.slots {
		if s.Environment != environment || !named[s.Service] {
			continue
		}
		if err := in.recent(ctx, tx, s, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// alert is a row as triage reads it. What has held for a while neither flaps nor is over.
func (in *intake) alert(a platform.InboundAlert) bundle.Alert {
	out := bundle.Alert{
		ID: string(a.ID), At: a.StartsAt, Service: a.Service, Name: a.Name, Metric: a.Metric, Severity: a.Severity, Value: a.Value, Threshold: a.Threshold,
		Pattern: a.Pattern, Release: a.Release,
	}
	if in.plane.now().Sub(a.StartsAt) < settled {
		out.FiredLastHour = len(a.Firings)
		if len(a.Firings) > 1 {
			out.ResolvedAfter = a.Stayed.D()
		}
	}
	if out.FiredLastHour < 4 {
		out.ResolvedAfter = 0 // it fires now: that it was short before says nothing of this time
	}
	return out
}

// signalWords puts a signal into the words that alerts use.
func signalWords(s platform.Signal) string {
	switch s {
	case platform.SignalErrorRate:
		return "errors"
	case platform.SignalCrashLoop:
		return "crash down"
	case platform.SignalHealthLost:
		return "unhealthy down"
	case platform.SignalOOM:
		return "out of memory"
	case platform.SignalAlert, platform.SignalBuildFailed, platform.SignalDeployFailed:
	}
	return ""
}

// recent adds the newest deploy and the newest instance of each place of a slot.
func (in *intake) recent(ctx context.Context, tx *store.Tx, s platform.Slot, b *bundle.Bundle) error {
	d, err := tx.NewestDeploy(ctx, s.ID)
	if err != nil {
		return err
	}
	if d != nil {
		b.Changes = append(b.Changes, bundle.Change{At: d.CreatedAt, Kind: "deploy", ID: string(d.ID), Service: s.Service, Message: d.Message, Commit: d.Commit})
	}
	all, err := tx.ListInstances(ctx, s.ID, true)
	if err != nil {
		return err
	}
	newest := map[int]platform.Instance{}
	for _, i := range all {
		if last, known := newest[i.Ordinal]; !known || !i.StartedAt.Before(last.StartedAt) {
			newest[i.Ordinal] = i
		}
	}
	for _, ordinal := range slices.Sorted(maps.Keys(newest)) {
		i := newest[ordinal]
		out := bundle.Instance{Service: s.Service, Instance: string(i.ID), State: string(i.State), ExitCode: i.ExitCode, OOMKilled: i.OOMKilled, StartedAt: i.StartedAt}
		if i.EndedAt != nil {
			out.FinishedAt = *i.EndedAt
		}
		if i.State == platform.InstanceStopped {
			out.StoppedBy = "rollout"
			if s.Replicas == 0 {
				out.StoppedBy = "scale to zero"
			}
		}
		b.Instances = append(b.Instances, out)
	}
	return nil
}

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
)

// recordedFacts are what the metric store said, by environment.
type recordedFacts struct {
	series map[string][]bundle.Series
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

// measure asks the metric store about the services of the alerts. What it does not answer is a gap, and no error.
func (in *intake) measure(ctx context.Context, alerts []platform.InboundAlert) {
	in.facts.series = map[string][]bundle.Series{}
	if in.plane.o.Metrics == nil {
		in.facts.gaps = append(in.facts.gaps, "no metric store is connected")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	asked := map[[3]string]bool{}
	for _, a := range alerts {
		if a.Service == "" || a.State != platform.InboundFiring {
			continue
		}
		for _, m := range measures {
			in.ask(ctx, asked, a, m.name, m.expr)
		}
		if metricName.MatchString(a.Metric) {
			in.ask(ctx, asked, a, a.Metric, "max("+a.Metric+")")
		}
	}
}

func (in *intake) ask(ctx context.Context, asked map[[3]string]bool, a platform.InboundAlert, name, expr string) {
	key := [3]string{a.Environment, a.Service, name}
	if asked[key] || ctx.Err() != nil {
		return
	}
	asked[key] = true
	now := in.plane.now()
	found, err := in.plane.o.Metrics.Query(ctx, observability.MetricQuery{
		Project: in.project.Name, Environment: a.Environment, Service: a.Service, Expr: expr, From: now.Add(-measureFor), To: now, Step: measureStep,
	})
	if err != nil {
		in.facts.gaps = append(in.facts.gaps, "the series "+name+" of "+a.Service+" could not be read")
		return
	}
	for _, s := range found {
		out := bundle.Series{Service: a.Service, Metric: name}
		for _, p := range s.Points {
			out.Points = append(out.Points, bundle.Point{At: p.At, Value: p.Value})
		}
		if len(out.Points) > 0 {
			in.facts.series[a.Environment] = append(in.facts.series[a.Environment], out)
		}
	}
}

// bundle puts what is known of an environment into the form that triage reads.
func (in *intake) bundle(ctx context.Context, tx *store.Tx, rows *rows, environment string, open []platform.Incident) (*bundle.Bundle, error) {
	b := &bundle.Bundle{Metrics: in.facts.series[environment], Gaps: in.facts.gaps}
	named := map[string]bool{}
	for i, a := range rows.all {
		if a.Environment != environment || a.State != platform.InboundFiring {
			continue
		}
		named[a.Service] = named[a.Service] || rows.judge[i]
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

package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Export turns an incident and what was frozen of it into a bundle: what was read then, and nothing read since, so that the
// folder explains the same incident. evidence.ndjson holds the items as they were frozen; the plain files tell the same
// to whoever reads the public format. Texts are as they were frozen, redacted. The error is of code not_found when the
// facts of the diagnosis were not kept.
func Export(in platform.Incident, items []platform.Evidence) (bundle.Written, error) {
	f, err := factsOf(items)
	if err != nil {
		return bundle.Written{}, err
	}
	x := &exporter{f: f, excerpts: map[platform.EvidenceID]string{}, said: map[lineKey]bool{}}
	x.out.Incident = bundle.Incident{
		ID: string(in.ID), Title: in.Title, Service: in.Service, Signal: string(in.Signal), DetectedAt: in.OpenedAt,
	}
	var frozen bytes.Buffer
	enc := json.NewEncoder(&frozen)
	for _, e := range items {
		x.excerpts[e.ID] = e.Excerpt
		if err := enc.Encode(e); err != nil {
			return bundle.Written{}, fmt.Errorf("write item E%d: %w", e.Number, err)
		}
	}
	x.out.Frozen = frozen.Bytes()
	for _, part := range []func(){x.lines, x.metrics, x.spans, x.commits, x.deploy, x.changes, x.edges, x.instances, x.neighbours, x.past} {
		part()
	}
	return x.out, nil
}

type exporter struct {
	f        *causes.Facts
	excerpts map[platform.EvidenceID]string
	said     map[lineKey]bool
	out      bundle.Written
}

func (x *exporter) lines() {
	for _, all := range [][]causes.Line{x.f.PreviousLines, x.f.Lines} {
		for _, l := range all {
			key := lineKey{at: l.At.UnixNano(), instance: l.Instance, text: l.Text}
			if x.said[key] {
				continue
			}
			x.said[key] = true
			x.out.Lines = append(x.out.Lines, bundle.Line{
				At: l.At, Service: orElse(l.Service, x.f.Incident.Service), Instance: l.Instance, Release: bundle.ReleaseName(l.Release), Level: l.Level, Text: l.Text,
			})
		}
	}
	slices.SortStableFunc(x.out.Lines, func(a, b bundle.Line) int { return a.At.Compare(b.At) })
	if b := x.f.Build; b != nil {
		for line := range strings.SplitSeq(b.Body, "\n") {
			x.engineSaid(line)
		}
	}
}

// engineSaid adds a line of the build or of the engine itself, from just before the incident opened.
func (x *exporter) engineSaid(text string) {
	x.out.Lines = append(x.out.Lines, bundle.Line{
		At: x.f.Incident.OpenedAt.Add(-time.Second), Service: x.f.Incident.Service, Release: bundle.ReleaseName(x.release()), Level: string(observability.LevelError), Text: text,
	})
}

func (x *exporter) release() int {
	if x.f.Release != nil {
		return x.f.Release.Number
	}
	return x.f.Incident.ReleaseNumber
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// placeLabels stand in columns of their own, or are the same for a whole bundle.
var placeLabels = []string{"project", "environment", "service", "__name__", "ts", "metric", "name", "value", "time", "timestamp"}

func (x *exporter) metrics() {
	for _, m := range x.f.Metrics {
		s := bundle.Series{Service: m.Service, Metric: m.Name}
		for name, value := range m.Labels {
			if !slices.Contains(placeLabels, strings.ToLower(name)) {
				if s.Labels == nil {
					s.Labels = map[string]string{}
				}
				s.Labels[name] = value
			}
		}
		for _, p := range m.Points {
			s.Points = append(s.Points, bundle.Point{At: p.At, Value: p.Value})
		}
		x.out.Metrics = append(x.out.Metrics, s)
	}
	for _, m := range x.f.Memory {
		if m.Limit > 0 {
			x.out.Metrics = append(x.out.Metrics, bundle.Series{
				Service: x.f.Incident.Service, Metric: observability.MetricMemoryLimit, Labels: map[string]string{"instance": m.Instance, "release": bundle.ReleaseName(m.Release)},
				Points: []bundle.Point{{At: x.f.Now, Value: m.Limit}},
			})
		}
	}
}

func (x *exporter) spans() {
	for _, s := range x.f.Spans {
		status := "ok"
		if s.Failed {
			status = "error"
		}
		x.out.Spans = append(x.out.Spans, bundle.Span{
			At: s.At, TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Service: s.Service, Name: s.Name, Took: s.Took.D(), Status: status, Error: s.Error,
			Attributes: s.Attributes,
		})
	}
}

// commits writes each with its diff as it stands in its item, from the first line of one on.
func (x *exporter) commits() {
	for _, c := range x.f.Commits {
		out := bundle.Change{At: c.At, Kind: string(platform.ChangeCommit), ID: c.SHA, Author: c.Author, Message: c.Message}
		if _, diff, ok := strings.Cut(x.excerpts[c.Cite], "\ndiff --git "); ok {
			out.Diff = "diff --git " + diff
		}
		for _, d := range c.Diff {
			out.Files = append(out.Files, d.Path())
		}
		if x.ownFiles(out.Files) {
			out.Service = x.f.Incident.Service
		}
		x.out.Changes = append(x.out.Changes, out)
	}
}

// ownFiles reports whether one of the files is among those that the service is built from. A repository holds other services too.
func (x *exporter) ownFiles(files []string) bool {
	if x.f.Spec.Build == nil {
		return false
	}
	root := strings.Trim(strings.TrimPrefix(x.f.Spec.Build.Context, "."), "/")
	return slices.ContainsFunc(files, func(f string) bool { return root == "" || strings.HasPrefix(f, root+"/") })
}

// deploy writes the deploy with what it changed beside the commits, and the engine's own words where it failed.
func (x *exporter) deploy() {
	d := x.f.Deploy
	if d == nil {
		return
	}
	out := bundle.Change{
		At: d.CreatedAt, Kind: string(platform.ChangeDeploy), ID: string(d.ID), Service: x.f.Incident.Service, Author: d.Author, Message: d.Message, Commit: d.Commit,
		Release: bundle.ReleaseName(x.release()),
	}
	if diff := x.f.Difference; diff != nil {
		for _, part := range diff.ChangedSpec {
			out.Message += "\n" + part
		}
		for _, keys := range []struct {
			word string
			keys []string
		}{{"added", diff.AddedKeys}, {"removed", diff.RemovedKeys}, {"changed", diff.ChangedKeys}} {
			if len(keys.keys) > 0 {
				out.Message += fmt.Sprintf("\nenvironment %s: %s", keys.word, strings.Join(keys.keys, ", "))
			}
		}
	}
	if !out.At.IsZero() {
		x.out.Changes = append(x.out.Changes, out)
	}
	if d.Failure != nil {
		x.engineSaid(fmt.Sprintf("%s: %s: %s", d.Failure.Phase, d.Failure.Reason, d.Failure.Message))
	}
}

func (x *exporter) changes() {
	for _, c := range x.f.Changes {
		if c.Kind == platform.ChangeCommit && slices.ContainsFunc(x.out.Changes, func(o bundle.Change) bool { return o.ID == c.ID }) {
			continue
		}
		x.out.Changes = append(x.out.Changes, bundle.Change{
			At: c.At, Kind: string(c.Kind), ID: c.ID, Service: orElse(c.Service, x.f.Incident.Service), Author: c.Author, Message: c.Message, Files: c.Files, Diff: c.Diff,
			Release: orElse(c.Tag, bundle.ReleaseName(c.Release)), Commit: c.Brings,
		})
	}
	slices.SortStableFunc(x.out.Changes, func(a, b bundle.Change) int { return a.At.Compare(b.At) })
}

func (x *exporter) edges() {
	for _, e := range x.f.Edges {
		x.out.Topology = append(x.out.Topology, bundle.Edge{From: e.From, To: e.To, Kind: string(e.Kind)})
	}
}

// instances writes those of the suspect, and of every other service where those were read.
func (x *exporter) instances() {
	known := map[platform.InstanceID]bool{}
	for _, all := range [][]causes.Instance{x.f.Instances, x.f.Fleet} {
		for _, in := range all {
			if known[in.ID] {
				continue
			}
			known[in.ID] = true
			x.out.Instances = append(x.out.Instances, exportedInstance(in, x.f.Incident.Service))
			for _, p := range in.Probes {
				x.probe(p, orElse(in.Service, x.f.Incident.Service), x.f.Spec.Health.Path)
			}
		}
	}
	for _, c := range x.f.Checks {
		if !known[c.InstanceID] {
			x.probe(c.Probe, c.Service, c.Path)
		}
	}
	slices.SortStableFunc(x.out.Probes, func(a, b bundle.Probe) int { return a.At.Compare(b.At) })
}

func exportedInstance(in causes.Instance, service string) bundle.Instance {
	out := bundle.Instance{
		Service: orElse(in.Service, service), Instance: string(in.ID), Release: bundle.ReleaseName(in.ReleaseNumber), State: string(in.State), ExitCode: in.ExitCode,
		OOMKilled: in.OOMKilled, Restarts: in.Restarts, StartedAt: in.StartedAt, Reason: in.Reason,
	}
	if in.EndedAt != nil {
		out.FinishedAt = *in.EndedAt
	}
	if in.StoppedByUs() {
		out.StoppedBy = "fairlead"
	}
	return out
}

func (x *exporter) probe(p platform.Probe, service, path string) {
	x.out.Probes = append(x.out.Probes, bundle.Probe{
		At: p.At, Service: service, Instance: string(p.InstanceID), OK: p.OK, Status: p.Status, Took: p.Took, Path: path, Error: p.Error,
	})
}

// past writes the earlier incidents that are open still.
func (x *exporter) past() {
	for _, p := range x.f.Past {
		if p.Open {
			x.out.Open = append(x.out.Open, bundle.OpenIncident{ID: string(p.ID), Service: p.Service, Title: p.Title, OpenedAt: p.OpenedAt})
		}
	}
}

// neighbours tells of the other services whose instances were only counted.
func (x *exporter) neighbours() {
	for _, n := range x.f.Neighbours {
		if !n.Known || slices.ContainsFunc(x.out.Instances, func(in bundle.Instance) bool { return in.Service == n.Name }) {
			continue
		}
		state := string(platform.InstanceReady)
		if n.Ready == 0 {
			state = string(platform.InstanceDead)
		}
		x.out.Instances = append(x.out.Instances, bundle.Instance{Service: n.Name, Instance: n.Name, State: state})
	}
}

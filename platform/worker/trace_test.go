package worker

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing/tracingtest"
	"github.com/fairlead/fairlead/platform"
)

// ancestors are the ids of the spans above one, the nearest first.
func ancestors(byID map[string]tracingtest.Span, s tracingtest.Span) []string {
	var out []string
	for s.Parent != "" && len(out) < 100 {
		out = append(out, s.Parent)
		s = byID[s.Parent]
	}
	return out
}

// TestTrace_ADeployBelongsToTheRequestThatAskedForIt: a real job of a real queue, its spans received as a collector does.
func TestTrace_ADeployBelongsToTheRequestThatAskedForIt(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	r := newRig(t)
	r.options.Tracer, r.options.Meter = tracer, meter.New()
	r.image(&app{image: "registry.test/api:1"})
	r.blueprint("registry.test/api:1", "env: {API_TOKEN: hunter2}")
	r.start()

	ctx, request := tracer.Serve(t.Context(), nil, "request")
	d, err := r.plane.Deploy(ctx, ada, platform.DeployRequest{SlotRef: ref, Image: "registry.test/api:1"})
	request.End(nil)
	require.NoError(t, err)
	r.reaches(d.ID, platform.PhaseLive)
	r.cancel() // everything has ended

	spans, raw := collector.All(t, tracer)
	root := tracingtest.Named(t, spans, "request")
	byID := map[string]tracingtest.Span{}
	for _, s := range spans {
		byID[s.ID] = s
	}
	var steps []string
	for _, s := range spans {
		if s.Attrs["fairlead.deploy.id"] != string(d.ID) || s.Name == "look at deploy" {
			continue
		}
		require.Equal(t, root.Trace, s.Trace, s.Name)
		look := byID[s.Parent]
		require.Contains(t, []string{"job advance_deploy", "look at deploy"}, look.Name, s.Name)
		require.Contains(t, ancestors(byID, look), root.ID, "a look belongs to the request, by itself or by the job that asked for it")
		require.Equal(t, "SPAN_KIND_CONSUMER", look.Kind)
		require.False(t, look.Began.After(s.Began))
		steps = append(steps, s.Name)
	}
	for _, step := range []string{"build image", "deploy enter", "deploy start", "deploy shift"} {
		require.Contains(t, steps, step)
	}
	started := spans[slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Name == "start instance" && s.Trace == root.Trace })]
	require.Equal(t, "deploy start", byID[started.Parent].Name)
	require.Equal(t, "api", started.Attrs["fairlead.service"])
	require.NotContains(t, string(raw), "hunter2")
	for _, s := range spans {
		if s.Name == "job advance_deploy" || s.Name == "look at deploy" {
			require.True(t, s.IsFailed || slices.ContainsFunc(spans, func(below tracingtest.Span) bool { return below.Parent == s.ID }),
				"a look that found nothing leaves no span")
		}
	}

	samples, err := r.options.Meter.Sample(t.Context(), time.Now())
	require.NoError(t, err)
	looks := map[string]float64{}
	for _, s := range samples {
		if s.Name == observability.MetricJobs {
			looks[s.Labels["kind"]] += s.Value
		}
	}
	require.Positive(t, looks["advance_deploy"])
	require.Positive(t, looks["reconcile_slot"])
}

func TestTrace_AnInvestigationIsASpanOfItsJob(t *testing.T) {
	t.Parallel()
	collector, tracer := tracingtest.New(t)
	r := newRig(t)
	r.options.Tracer = tracer
	asked := make(chan platform.Incident, 1)
	r.options.Investigator = investigations{asked}
	r.image(&app{image: "registry.test/api:1"})
	r.blueprint("registry.test/api:1")
	r.start()
	r.reaches(r.deploy("registry.test/api:1").ID, platform.PhaseLive)
	slot := r.slot()
	incident, err := r.plane.Report(t.Context(), platform.Finding{SlotID: slot.ID, Signal: platform.SignalOOM, ReleaseID: slot.LiveReleaseID, Title: "out of memory: hunter2"})
	require.NoError(t, err)
	require.Equal(t, incident.ID, (<-asked).ID)
	require.Eventually(t, func() bool {
		detail, err := r.plane.GetIncident(t.Context(), ada, incident.ID)
		return err == nil && detail.Diagnosis != nil
	}, patience, 5*time.Millisecond)
	r.cancel()
	spans, raw := collector.All(t, tracer)
	found := tracingtest.Named(t, spans, "investigate incident")
	require.Equal(t, string(incident.ID), found.Attrs["fairlead.incident.id"])
	require.Equal(t, "oom", found.Attrs["fairlead.incident.signal"])
	require.Equal(t, found.Parent, tracingtest.Named(t, spans, "job diagnose_incident").ID)
	require.NotContains(t, string(raw), "hunter2")
}

package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/rollout"
	"github.com/fairlead/fairlead/platform/store"
)

// traceJob returns the context of one look at a job, which goes on with the trace of the request that asked for it, and
// the function that ends the look. A look that finds nothing to do leaves no span: there is one every few seconds.
func (w *Worker) traceJob(ctx context.Context, kind string, id int64, metadata []byte) (context.Context, func(again time.Duration, err error)) {
	var carried store.JobMetadata
	_ = json.Unmarshal(metadata, &carried) // what is not ours says nothing of a trace
	began := time.Now()
	ctx, finish := w.o.Tracer.Later(ctx, carried.Traceparent, "job "+kind,
		slog.String("fairlead.job.kind", kind), slog.Int64("fairlead.job.id", id))
	return ctx, func(again time.Duration, err error) {
		result := "done"
		switch {
		case err != nil && ctx.Err() != nil:
			result, err = "again", nil // the server stops; the next one goes on
		case err != nil:
			result = "failed"
		case again > 0:
			result = "again"
		}
		finish(err)
		w.o.Meter.Add(observability.MetricJobs, 1, "kind", kind, "result", result)
		w.o.Meter.Observe(observability.MetricJobSeconds, time.Since(began), "kind", kind)
	}
}

// traceKick is traceJob for a look that a signal brought about: it goes on with the trace that the deploy's job was in.
func (w *Worker) traceKick(ctx context.Context, id platform.DeployID) (context.Context, func(error)) {
	return w.o.Tracer.Later(ctx, w.memory.traceOf(id), "look at deploy", slog.String("fairlead.deploy.id", string(id)))
}

// traceStep begins the span of a step that does something.
func traceStep(ctx context.Context, d platform.Deploy, next rollout.Step) (context.Context, tracing.Span) {
	switch next.Kind {
	case rollout.StepWait, rollout.StepDone, rollout.StepBuild: // a build has its own span, for as long as it lasts
		return ctx, tracing.Span{}
	default:
		return tracing.Start(ctx, "deploy "+string(next.Kind), append(deployAttrs(d), slog.String("fairlead.deploy.next_phase", string(next.Phase)))...)
	}
}

func deployAttrs(d platform.Deploy) []slog.Attr {
	return append(slotAttrs(d.Project, d.Environment, d.Service),
		slog.String("fairlead.deploy.id", string(d.ID)), slog.String("fairlead.deploy.phase", string(d.Phase)))
}

func slotAttrs(project, environment, service string) []slog.Attr {
	return []slog.Attr{slog.String("fairlead.project", project), slog.String("fairlead.environment", environment), slog.String("fairlead.service", service)}
}

func instanceAttrs(in platform.Instance) []slog.Attr {
	return append(slotAttrs(in.Project, in.Environment, in.Service), slog.String("fairlead.instance.id", string(in.ID)))
}

// traceBuild makes the span of an image build, in the trace of the look that began it.
func traceBuild(ctx context.Context, work control.Work, build func(context.Context) building) building {
	ctx, span := tracing.Start(ctx, "build image", deployAttrs(work.Deploy)...)
	result := build(ctx)
	if result.failed != nil {
		span.Fail(string(result.failed.Reason))
	}
	span.End(result.err)
	return result
}

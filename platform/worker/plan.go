package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
)

// planLook is how often an executing plan's expectation is looked at; verifyWithin is its deadline where none is given.
const (
	planLook     = 500 * time.Millisecond
	verifyWithin = 15 * time.Minute
)

// workPlan carries out an approved plan once, then watches until its expectation holds or its deadline passes.
func (w *Worker) workPlan(ctx context.Context, args jobs.ExecutePlan) (time.Duration, error) {
	actor := platform.SystemActor("worker")
	p, err := w.o.Plane.GetPlan(ctx, actor, args.PlanID)
	if err != nil {
		if platform.CodeOf(err) == platform.CodeNotFound {
			return 0, nil
		}
		return 0, fmt.Errorf("read plan %s: %w", args.PlanID, err)
	}
	if p.State == platform.PlanApproved {
		within, span := tracing.Start(ctx, "execute plan", slog.String("fairlead.plan.id", string(p.ID)), slog.String("fairlead.action.kind", string(p.Body.Action.Kind)))
		p, err = w.o.Plane.ExecutePlan(within, args.PlanID, args.Hash, w.revert)
		span.End(err)
		if err != nil {
			return w.planRefused(ctx, args.PlanID, err)
		}
		if err := w.stopHere("plan/executed"); err != nil {
			return 0, err
		}
	}
	if p.State != platform.PlanExecuting {
		return 0, nil
	}
	verdict, err := w.verify(ctx, p, time.Now())
	if err != nil {
		return 0, err
	}
	if verdict.pending {
		return planLook, nil
	}
	ctx, span := tracing.Start(ctx, "finish plan", slog.String("fairlead.plan.id", string(p.ID)), slog.Bool("fairlead.plan.held", verdict.held))
	defer span.End(nil)
	if _, err := w.o.Plane.FinishPlan(ctx, p.ID, verdict.held, verdict.words); err != nil {
		return 0, fmt.Errorf("finish plan %s: %w", p.ID, err)
	}
	return 0, nil
}

// planRefused ends the job of a plan that control refused to execute, for it has recorded why; an outage is waited out.
func (w *Worker) planRefused(ctx context.Context, id platform.PlanID, err error) (time.Duration, error) {
	switch platform.CodeOf(err) {
	case platform.CodeUnavailable, platform.CodeInternal:
		return 0, fmt.Errorf("execute plan %s: %w", id, err)
	default:
		w.log.InfoContext(ctx, "plan refused", "plan", id, "reason", err)
		return 0, nil
	}
}

func (w *Worker) revert(ctx context.Context, project, commit, head string) error {
	if w.o.Revert == nil {
		return platform.Errorf(platform.CodeUnavailable, "This server cannot revert commits.").
			WithHint("Revert it in a clone and push.")
	}
	return w.o.Revert(ctx, project, commit, head)
}

// verdict is what a look at a plan's expectation found.
type verdict struct {
	pending bool
	held    bool
	words   string
}

// verify compares the world with what the plan expects. Whatever is not yet so is pending until the deadline.
func (w *Worker) verify(ctx context.Context, p platform.Plan, now time.Time) (verdict, error) {
	began := now
	if p.ExecutedAt != nil {
		began = *p.ExecutedAt
	}
	want := p.Body.Expectation
	within := want.Within.D()
	if within <= 0 {
		within = verifyWithin
	}
	missing, since, err := w.missing(ctx, p, began)
	if err != nil {
		return verdict{}, err
	}
	if missing.held || (!missing.pending && missing.words != "") {
		return missing, nil
	}
	if missing.words == "" {
		missing, err = w.measured(ctx, p, since, now)
		if err != nil || missing.held {
			return missing, err
		}
	}
	if now.Sub(began) > within {
		return verdict{words: fmt.Sprintf("Not seen within %s: %s.", platform.Duration(within), missing.words)}, nil
	}
	return verdict{pending: true}, nil
}

// missing says what of the deploy, the release and the instances is not as expected yet; words are empty when all is.
// since is when the change was complete: the measured window begins there.
func (w *Worker) missing(ctx context.Context, p platform.Plan, began time.Time) (v verdict, since time.Time, err error) {
	since = began
	if p.DeployID != "" {
		d, err := w.o.Plane.GetDeploy(ctx, platform.SystemActor("worker"), p.DeployID)
		if err != nil {
			return verdict{}, since, fmt.Errorf("read deploy %s: %w", p.DeployID, err)
		}
		if d.Phase.Terminal() && d.Phase != platform.PhaseLive {
			return verdict{words: deployEnded(d)}, since, nil
		}
		if d.Phase != platform.PhaseLive {
			return verdict{pending: true, words: "deploy " + string(d.ID) + " is " + string(d.Phase)}, since, nil
		}
		if d.FinishedAt != nil {
			since = *d.FinishedAt
		}
	}
	work, err := w.o.Plane.SlotWork(ctx, p.Body.SlotID)
	if err != nil {
		return verdict{}, since, fmt.Errorf("read slot %s: %w", p.Body.SlotID, err)
	}
	want := p.Body.Expectation
	if want.LiveRelease > 0 && work.Slot.LiveRelease != want.LiveRelease {
		return verdict{pending: true, words: fmt.Sprintf("release %d is live, not %d", work.Slot.LiveRelease, want.LiveRelease)}, since, nil
	}
	if !want.Healthy {
		return verdict{}, since, nil
	}
	ready := 0
	for _, in := range work.Instances {
		outdated := work.Slot.RestartedAt != nil && in.StartedAt.Before(*work.Slot.RestartedAt)
		if in.ReleaseID == work.Slot.LiveReleaseID && in.State == platform.InstanceReady && !outdated {
			ready++
		}
		if in.ReadyAt != nil && in.ReadyAt.After(since) {
			since = *in.ReadyAt
		}
	}
	if ready < work.Slot.Replicas {
		return verdict{pending: true, words: fmt.Sprintf("%d of %d instances are ready", ready, work.Slot.Replicas)}, since, nil
	}
	return verdict{}, since, nil
}

func deployEnded(d platform.Deploy) string {
	words := fmt.Sprintf("Deploy %s ended as %s", d.ID, d.Phase)
	if d.Failure != nil {
		return words + ": " + d.Failure.Message
	}
	return words + "."
}

// measured holds the share of failed requests since the change against the limit, once the window has passed.
func (w *Worker) measured(ctx context.Context, p platform.Plan, since, now time.Time) (verdict, error) {
	want := p.Body.Expectation
	window := want.Window.D()
	if now.Sub(since) < window {
		return verdict{pending: true, words: fmt.Sprintf("it has held for %s of %s", platform.Duration(now.Sub(since).Round(time.Second)), want.Window)}, nil
	}
	if want.MaxErrorRate < 0 || w.o.Metrics == nil || window <= 0 {
		return verdict{held: true, words: heldWords(want)}, nil
	}
	failed, total, err := w.requests(ctx, p, window, now)
	if err != nil {
		return verdict{}, err
	}
	rate := 0.0
	if total > 0 {
		rate = failed / total
	}
	if rate > want.MaxErrorRate {
		return verdict{pending: true, words: fmt.Sprintf("%.1f%% of requests failed in the last %s, more than %.1f%%", 100*rate, want.Window, 100*want.MaxErrorRate)}, nil
	}
	return verdict{held: true, words: fmt.Sprintf("%s Error rate %.1f%% of %.0f requests over %s.", heldWords(want), 100*rate, total, want.Window)}, nil
}

func heldWords(want platform.Expectation) string {
	if want.Summary == "" {
		return "The change is in effect."
	}
	return "As expected: " + want.Summary
}

// requests reads how many requests of the slot failed, and how many came, in the window before now.
func (w *Worker) requests(ctx context.Context, p platform.Plan, window time.Duration, now time.Time) (failed, total float64, err error) {
	labels := fmt.Sprintf("project=%q,environment=%q,service=%q", p.Project, p.Environment, p.Service)
	if n := p.Body.Expectation.LiveRelease; n > 0 {
		labels += fmt.Sprintf(",release=\"%d\"", n)
	}
	seconds := max(int(window.Seconds()), 1)
	if failed, err = w.scalar(ctx, fmt.Sprintf(`sum(increase(%s{%s,class=~"5xx|none"}[%ds]))`, observability.MetricRequests, labels, seconds), now); err != nil {
		return 0, 0, err
	}
	total, err = w.scalar(ctx, fmt.Sprintf(`sum(increase(%s{%s}[%ds]))`, observability.MetricRequests, labels, seconds), now)
	return failed, total, err
}

func (w *Worker) scalar(ctx context.Context, expr string, at time.Time) (float64, error) {
	series, err := w.o.Metrics.Query(ctx, observability.MetricQuery{Expr: expr, From: at, To: at})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", expr, err)
	}
	for _, s := range series {
		for _, point := range s.Points {
			if point.Value == point.Value { // not NaN
				return point.Value, nil
			}
		}
	}
	return 0, nil
}

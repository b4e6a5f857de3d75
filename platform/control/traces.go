package control

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// spans finds what applications told of their requests.
type spans interface {
	Query(ctx context.Context, q observability.SpanQuery) (observability.SpanPage, error)
	Traces(ctx context.Context, q observability.TraceQuery) (observability.TracePage, error)
	Each(ctx context.Context, q observability.SpanQuery, yield func(*observability.Span) bool) error
}

// SearchTraces returns one page of a project's traces, the newest first, secrets redacted. A service may be one that the
// project does not have: spans are kept under the name that they came with.
func (p *Plane) SearchTraces(ctx context.Context, actor platform.Actor, q observability.TraceQuery) (observability.TracePage, error) {
	redactor, err := p.mayReadSpans(ctx, actor, &q.Project, &q.Environment)
	if err != nil {
		return observability.TracePage{}, err
	}
	page, err := p.o.Spans.Traces(ctx, q)
	for i := range page.Traces {
		t := &page.Traces[i]
		t.Name, t.Error = redactor.Redact(t.Name), redactor.Redact(t.Error)
	}
	return page, err
}

// GetTrace returns one trace of a project with its spans, the earliest first, secrets redacted.
func (p *Plane) GetTrace(ctx context.Context, actor platform.Actor, project, id string) (observability.TraceDetail, error) {
	environment := ""
	redactor, err := p.mayReadSpans(ctx, actor, &project, &environment)
	if err != nil {
		return observability.TraceDetail{}, err
	}
	page, err := p.o.Spans.Query(ctx, observability.SpanQuery{Project: project, TraceID: id, Limit: observability.MaxSpanLimit})
	if err != nil {
		return observability.TraceDetail{}, err
	}
	if len(page.Spans) == 0 {
		return observability.TraceDetail{}, platform.Errorf(platform.CodeNotFound, "No trace %s of %s is kept.", platform.Truncate(id, 80), project).
			WithHint("Traces are kept for about an hour; `fairlead traces` lists those there are.").WithField("trace")
	}
	for i := range page.Spans {
		redactSpan(redactor, &page.Spans[i])
	}
	return observability.TraceDetail{Trace: observability.TraceOf(page.Spans), Tree: page.Spans}, nil
}

// mayReadSpans checks the actor and the names, and returns what takes secrets out of text.
func (p *Plane) mayReadSpans(ctx context.Context, actor platform.Actor, project, environment *string) (*secret.Redactor, error) {
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, *project)
		if err != nil {
			return err
		}
		*project = found.Name
		if *environment == "" {
			return nil
		}
		environments, err := tx.ListEnvironments(ctx, found.ID)
		if err != nil {
			return err
		}
		scope, err := scopeIn(found, environments, nil, *environment)
		*environment = scope.Environment
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.o.Spans == nil {
		return nil, platform.Errorf(platform.CodeUnavailable, "No store of traces is connected.")
	}
	values, err := p.Redactions(ctx, *project)
	return secret.NewValueRedactor(values), err
}

func redactSpan(r *secret.Redactor, s *observability.Span) {
	s.Name, s.Error = r.Redact(s.Name), r.Redact(s.Error)
	for key, value := range s.Attributes { // the span is ours: stores hand out copies
		s.Attributes[key] = r.Redact(value)
	}
}

// mapRange is how far back a map looks when no beginning is named, and maxMapRange how far it may.
const (
	mapRange    = time.Hour
	maxMapRange = 7 * 24 * time.Hour
)

// closeMapRange fills in what a range leaves open, and refuses one that is reversed or too long.
func (p *Plane) closeMapRange(req *platform.MapRequest) error {
	if req.To.IsZero() {
		req.To = p.now()
	}
	if req.From.IsZero() {
		req.From = req.To.Add(-mapRange)
	}
	switch length := req.To.Sub(req.From); {
	case length <= 0:
		return platform.Errorf(platform.CodeInvalid, "The range is reversed: it begins at %s and ends at %s.", req.From.UTC().Format(time.RFC3339), req.To.UTC().Format(time.RFC3339)).
			WithHint("Give a beginning that is before the end.").WithField("from")
	case length > maxMapRange+time.Minute:
		return platform.Errorf(platform.CodeInvalid, "The range of %d hours is over the limit of %d.", int(length.Hours()), int(maxMapRange.Hours())).
			WithHint("Ask for a shorter range.").WithField("from")
	}
	return nil
}

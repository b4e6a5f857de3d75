package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

type queryMetricsInput struct {
	ProjectPath
	Query string `query:"query" required:"true" minLength:"1" maxLength:"4000" doc:"A PromQL expression."`
	From  string `query:"from" doc:"Start: RFC 3339, or how long ago, for example 1h. Left out: one instant at to."`
	To    string `query:"to" doc:"End; now when left out."`
	Step  string `query:"step" doc:"Distance of points, for example 15s; left out: the range over 240, at least 1s."`
}

func (in *queryMetricsInput) query(now time.Time) (observability.MetricQuery, error) {
	q := observability.MetricQuery{Expr: in.Query}
	var err error
	if q.To, err = moment("to", in.To, now); err != nil {
		return q, err
	}
	if q.To.IsZero() {
		q.To = now
	}
	if q.From, err = moment("from", in.From, now); err != nil {
		return q, err
	}
	if q.From.IsZero() {
		q.From = q.To
	}
	if in.Step != "" {
		if q.Step, err = time.ParseDuration(in.Step); err != nil || q.Step <= 0 {
			return q, platform.Errorf(platform.CodeInvalid, "step %q is not a positive duration.", platform.Truncate(in.Step, 40)).
				WithHint("Write for example 15s.").WithField("step")
		}
	}
	return q, nil
}

// namedHere gives a fault of the expression the name that the parameter has here.
func namedHere(err error) error {
	var refused *platform.Error
	if errors.As(err, &refused) && refused.Field == "expr" {
		return refused.WithField("query")
	}
	return err
}

func (a *API) registerMetrics() {
	handle(a, operation{
		ID: "query-metrics", Method: http.MethodGet, Path: "/v1/projects/{project}/metrics", Tag: "metrics", Summary: "Evaluate PromQL over a project's metrics",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *queryMetricsInput) (platform.List[observability.Series], error) {
		q, err := in.query(time.Now())
		if err != nil {
			return platform.List[observability.Series]{}, err
		}
		series, err := a.plane.QueryMetrics(ctx, actor, in.Project, q)
		return list(series, namedHere(err))
	})
}

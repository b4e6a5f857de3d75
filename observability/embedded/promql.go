package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	engine "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

// Query evaluates PromQL over the range, or at one instant when From equals To or is zero. A zero To means now.
func (m *Metrics) Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	release, err := m.use()
	if err != nil {
		return nil, err
	}
	defer release()
	if q.Expr, err = promql.Restrict(q.Expr, q.Only()); err != nil {
		return nil, err
	}
	if q, err = promql.Range(q, time.Now()); err != nil {
		return nil, err
	}
	query, err := m.prepare(ctx, q)
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The metric expression cannot be evaluated: %s.", err).
			WithHint("Ask for a number per time, such as a rate or a sum.").WithField("expr")
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, queryError(result.Err)
	}
	return seriesList(result.Value)
}

func (m *Metrics) prepare(ctx context.Context, q observability.MetricQuery) (engine.Query, error) {
	if q.From.Equal(q.To) {
		return m.engine.NewInstantQuery(ctx, m.db, nil, q.Expr, q.To)
	}
	return m.engine.NewRangeQuery(ctx, m.db, nil, q.Expr, q.From, q.To, q.Step)
}

func queryError(err error) error {
	var (
		timeout  engine.ErrQueryTimeout
		canceled engine.ErrQueryCanceled
		samples  engine.ErrTooManySamples
		inside   engine.ErrStorage
	)
	switch {
	case errors.As(err, &samples):
		return promql.TooMany()
	case errors.As(err, &timeout):
		return promql.TooSlow()
	case errors.As(err, &canceled):
		return fmt.Errorf("evaluate the metric query: %w", err)
	case errors.As(err, &inside):
		return fmt.Errorf("read metrics: %w", err)
	}
	return promql.CannotEvaluate(err.Error())
}

// seriesList turns what an expression gave into series; values that are not numbers are left out.
func seriesList(value parser.Value) ([]observability.Series, error) {
	switch v := value.(type) {
	case engine.Matrix:
		out := make([]observability.Series, 0, len(v))
		for _, s := range v {
			points := make([]observability.Point, 0, len(s.Floats))
			for _, p := range s.Floats {
				points = appendPoint(points, p.T, p.F)
			}
			out = append(out, observability.Series{Labels: s.Metric.Map(), Points: points})
		}
		return out, nil
	case engine.Vector:
		out := make([]observability.Series, 0, len(v))
		for _, s := range v {
			out = append(out, observability.Series{Labels: s.Metric.Map(), Points: appendPoint(nil, s.T, s.F)})
		}
		return out, nil
	case engine.Scalar:
		return []observability.Series{{Labels: map[string]string{}, Points: appendPoint(nil, v.T, v.V)}}, nil
	}
	return nil, promql.NotNumbers(string(value.Type()))
}

func appendPoint(points []observability.Point, ms int64, value float64) []observability.Point {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return points // JSON has no word for them
	}
	return append(points, observability.Point{At: time.UnixMilli(ms).UTC(), Value: value})
}

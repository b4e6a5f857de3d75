package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// maxExpression bounds the text of a PromQL expression.
const maxExpression = 16 << 10

// projectLabel is the label that every sample of a project carries.
const projectLabel = "project"

// Scope returns expr with every selector restricted to one project, whatever else it says, so that no series of
// another project can be read through it. A bad expression is a platform invalid error.
func Scope(expr, project string) (string, error) {
	if project == "" {
		return "", platform.Errorf(platform.CodeInvalid, "A metric query names no project.").WithHint("Say which project to read.").WithField("project")
	}
	return restrict(expr, map[string]string{projectLabel: project})
}

// restrict returns expr with every selector restricted to series that carry all of the labels.
func restrict(expr string, only map[string]string) (string, error) {
	parsed, err := parse(expr)
	if err != nil {
		return "", err
	}
	var matchers []*labels.Matcher
	for _, name := range slices.Sorted(maps.Keys(only)) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, name, only[name]))
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			selector.LabelMatchers = append(selector.LabelMatchers, matchers...)
		}
		return nil
	})
	return parsed.String(), nil
}

func parse(expr string) (parser.Expr, error) {
	if strings.TrimSpace(expr) == "" || len(expr) > maxExpression {
		return nil, platform.Errorf(platform.CodeInvalid, "A metric expression must have 1 to %d bytes.", maxExpression).
			WithHint("Write PromQL, for example sum by (service) (rate(%s[1m])).", observability.MetricRequests).WithField("expr")
	}
	parsed, err := promParser.ParseExpr(expr)
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The metric expression does not parse: %s.", strings.TrimSuffix(err.Error(), ".")).
			WithHint("Write PromQL, for example sum by (service) (rate(%s[1m])).", observability.MetricRequests).WithField("expr")
	}
	return parsed, nil
}

// Query evaluates PromQL over the range, or at one instant when From equals To or is zero. A zero To means now.
func (m *Metrics) Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	release, err := m.use()
	if err != nil {
		return nil, err
	}
	defer release()
	if q.Expr, err = restrict(q.Expr, q.Only()); err != nil {
		return nil, err
	}
	if q, err = rangeOf(q, time.Now()); err != nil {
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

func (m *Metrics) prepare(ctx context.Context, q observability.MetricQuery) (promql.Query, error) {
	if q.From.Equal(q.To) {
		return m.engine.NewInstantQuery(ctx, m.db, nil, q.Expr, q.To)
	}
	return m.engine.NewRangeQuery(ctx, m.db, nil, q.Expr, q.From, q.To, q.Step)
}

// rangeOf checks the range of q and fills in its defaults.
func rangeOf(q observability.MetricQuery, now time.Time) (observability.MetricQuery, error) {
	if q.To.IsZero() {
		q.To = now
	}
	if q.From.IsZero() {
		q.From = q.To
	}
	if q.From.After(q.To) {
		return q, platform.Errorf(platform.CodeInvalid, "The range is reversed: it begins at %s and ends at %s.", q.From.UTC().Format(time.RFC3339), q.To.UTC().Format(time.RFC3339)).
			WithHint("Give a beginning that is before the end.").WithField("from")
	}
	length := q.To.Sub(q.From)
	if q.Step == 0 {
		q.Step = max(time.Second, (length / 240).Truncate(time.Second))
	}
	if q.Step < time.Millisecond {
		return q, platform.Errorf(platform.CodeInvalid, "A step of %s is too short.", q.Step).WithHint("Use at least 1ms, or leave it out.").WithField("step")
	}
	if length/q.Step > maxPoints {
		return q, platform.Errorf(platform.CodeInvalid, "The range asks for %d points of each series; the limit is %d.", length/q.Step, maxPoints).
			WithHint("Use a step of %s or more, or a shorter range.", (length/maxPoints + time.Second).Truncate(time.Second)).WithField("step")
	}
	return q, nil
}

func queryError(err error) error {
	var (
		timeout  promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
		samples  promql.ErrTooManySamples
		inside   promql.ErrStorage
	)
	switch {
	case errors.As(err, &samples):
		return platform.Errorf(platform.CodeExhausted, "The metric query needs too many samples.").
			WithHint("Name a service, shorten the range, or use a longer step.").WithField("expr")
	case errors.As(err, &timeout):
		return platform.Errorf(platform.CodeExhausted, "The metric query took too long.").WithHint("Shorten the range, or use a longer step.").WithField("expr")
	case errors.As(err, &canceled):
		return fmt.Errorf("evaluate the metric query: %w", err)
	case errors.As(err, &inside):
		return fmt.Errorf("read metrics: %w", err)
	}
	return platform.Errorf(platform.CodeInvalid, "The metric expression cannot be evaluated: %s.", strings.TrimSuffix(err.Error(), ".")).
		WithHint("Check the labels that it joins or groups by.").WithField("expr")
}

// seriesList turns what an expression gave into series; values that are not numbers are left out.
func seriesList(value parser.Value) ([]observability.Series, error) {
	switch v := value.(type) {
	case promql.Matrix:
		out := make([]observability.Series, 0, len(v))
		for _, s := range v {
			points := make([]observability.Point, 0, len(s.Floats))
			for _, p := range s.Floats {
				points = appendPoint(points, p.T, p.F)
			}
			out = append(out, observability.Series{Labels: s.Metric.Map(), Points: points})
		}
		return out, nil
	case promql.Vector:
		out := make([]observability.Series, 0, len(v))
		for _, s := range v {
			out = append(out, observability.Series{Labels: s.Metric.Map(), Points: appendPoint(nil, s.T, s.F)})
		}
		return out, nil
	case promql.Scalar:
		return []observability.Series{{Labels: map[string]string{}, Points: appendPoint(nil, v.T, v.V)}}, nil
	}
	return nil, platform.Errorf(platform.CodeInvalid, "The metric expression gives a %s, not numbers.", value.Type()).
		WithHint("Ask for a number per time, such as a rate or a sum.").WithField("expr")
}

func appendPoint(points []observability.Point, ms int64, value float64) []observability.Point {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return points // JSON has no word for them
	}
	return append(points, observability.Point{At: time.UnixMilli(ms).UTC(), Value: value})
}

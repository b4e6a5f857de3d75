// Package promql is what every store of samples checks before it stores or evaluates anything: expressions, the view of
// one project, ranges, names.
//
// It owns the words of those refusals, so that all stores refuse the same things in the same way, and the rewriting that
// keeps an expression inside one project. It must not know where samples are kept.
package promql

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// maxExpression bounds the text of an expression.
const maxExpression = 16 << 10

// projectLabel is the label that every sample of a project carries.
const projectLabel = "project"

// Parser reads PromQL without the experimental functions: one of them selects series on its own, past Scope.
var Parser = parser.NewParser(parser.Options{})

// Scope returns expr with every selector restricted to one project, whatever else it says, so that no series of
// another project can be read through it. A bad expression is a platform invalid error.
func Scope(expr, project string) (string, error) {
	if project == "" {
		return "", platform.Errorf(platform.CodeInvalid, "A metric query names no project.").WithHint("Say which project to read.").WithField("project")
	}
	return Restrict(expr, map[string]string{projectLabel: project})
}

// Restrict returns expr with every selector restricted to series that carry all of the labels.
func Restrict(expr string, only map[string]string) (string, error) {
	parsed, err := Parse(expr)
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

// Parse reads an expression. A bad one is a platform invalid error on the field expr.
func Parse(expr string) (parser.Expr, error) {
	if strings.TrimSpace(expr) == "" || len(expr) > maxExpression {
		return nil, platform.Errorf(platform.CodeInvalid, "A metric expression must have 1 to %d bytes.", maxExpression).
			WithHint("Write PromQL, for example sum by (service) (rate(%s[1m])).", observability.MetricRequests).WithField("expr")
	}
	parsed, err := Parser.ParseExpr(expr)
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The metric expression does not parse: %s.", strings.TrimSuffix(err.Error(), ".")).
			WithHint("Write PromQL, for example sum by (service) (rate(%s[1m])).", observability.MetricRequests).WithField("expr")
	}
	return parsed, nil
}

// NotNumbers is the refusal of an expression that gives something other than numbers per time.
func NotNumbers(gives string) *platform.Error {
	return platform.Errorf(platform.CodeInvalid, "The metric expression gives a %s, not numbers.", gives).
		WithHint("Ask for a number per time, such as a rate or a sum.").WithField("expr")
}

// TooMany is the refusal of a query that needs more samples than one may load.
func TooMany() *platform.Error {
	return platform.Errorf(platform.CodeExhausted, "The metric query needs too many samples.").
		WithHint("Name a service, shorten the range, or use a longer step.").WithField("expr")
}

// TooSlow is the refusal of a query that takes longer than one may.
func TooSlow() *platform.Error {
	return platform.Errorf(platform.CodeExhausted, "The metric query took too long.").WithHint("Shorten the range, or use a longer step.").WithField("expr")
}

// CannotEvaluate is the refusal of an expression that parses and has no value, in the engine's words.
func CannotEvaluate(why string) *platform.Error {
	return platform.Errorf(platform.CodeInvalid, "The metric expression cannot be evaluated: %s.", strings.TrimSuffix(why, ".")).
		WithHint("Check the labels that it joins or groups by.").WithField("expr")
}

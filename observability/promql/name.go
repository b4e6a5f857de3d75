package promql

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ownPrefix begins the names that Fairlead keeps for itself: an application's cannot have it.
const ownPrefix = "fairlead_"

// MaxSeries is how many series one answer to people and programs may have.
const MaxSeries = 5000

// CheckNames refuses an expression that names a metric of Fairlead that there is not: its answer would be empty for ever,
// and an alert on it would never fire. Names of applications are theirs. What does not parse is left to the store.
func CheckNames(expr string) error {
	parsed, err := Parse(expr)
	if err != nil {
		return nil //nolint:nilerr // the store says what is wrong with it
	}
	var missing string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok && strings.HasPrefix(selector.Name, ownPrefix) && missing == "" {
			if _, known := observability.Describe(selector.Name); !known {
				missing = selector.Name
			}
		}
		return nil
	})
	if missing == "" {
		return nil
	}
	return platform.Errorf(platform.CodeInvalid, "There is no metric %s.", platform.Truncate(missing, 80)).
		WithHint("%s`fairlead metrics list` names them all.", nearestName(missing)).WithField("expr")
}

func nearestName(name string) string {
	var names []string
	for _, d := range observability.Catalogue {
		if d.Kind != observability.Histogram {
			names = append(names, d.Name)
			continue
		}
		if d.Name == name {
			return "It is a histogram: write " + name + "_bucket, _sum or _count. "
		}
		names = append(names, d.Name+"_bucket", d.Name+"_sum", d.Name+"_count")
	}
	if near := platform.Nearest(name, names); near != "" {
		return "Did you mean " + near + "? "
	}
	return ""
}

// TooManySeries is the refusal of a query whose answer has more series than one may.
func TooManySeries(n int) *platform.Error {
	return platform.Errorf(platform.CodeExhausted, "The metric query gives %d series; the limit is %d.", n, MaxSeries).
		WithHint("Add them up, for example sum by (service) (...), or name a service.").WithField("expr")
}

package exposition_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/observability/promql"
)

// dashboard is what of a Grafana dashboard matters here.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		Title   string
		Targets []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "deploy", "grafana", "*.json"))
	require.NoError(t, err)
	require.Len(t, paths, 4)
	found := map[string]dashboard{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(raw, &d), path)
		require.NotEmpty(t, d.Panels, path)
		found[filepath.Base(path)] = d
	}
	return found
}

// labelsOfMetric are the labels that a series may carry; false for a metric that nothing provides.
func labelsOfMetric(name string) ([]string, bool) {
	if d, ok := observability.Describe(name); ok {
		if strings.HasSuffix(name, "_bucket") {
			return append(append([]string(nil), d.Labels...), "le"), true
		}
		return d.Labels, true
	}
	_, ok := exposition.Descriptions()[name]
	return nil, ok
}

var (
	legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	definition  = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
)

// selectors checks every metric, label and grouping of an expression, and returns the labels that its series know.
func selectors(t *testing.T, where, expr string) map[string]bool {
	t.Helper()
	parsed, err := promql.Parse(expr)
	require.NoError(t, err, "%s: %s", where, expr)
	known := map[string]bool{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			have, provided := labelsOfMetric(selector.Name)
			require.True(t, provided, "%s: nothing provides the metric %s", where, selector.Name)
			for _, label := range have {
				known[label] = true
			}
			for _, m := range selector.LabelMatchers {
				if m.Name != promql.NameLabel {
					require.Contains(t, have, m.Name, "%s: %s has no such label", where, selector.Name)
				}
			}
		}
		return nil
	})
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if sum, ok := node.(*parser.AggregateExpr); ok {
			for _, label := range sum.Grouping {
				require.True(t, known[label], "%s: no series has the label %s, by which it groups", where, label)
			}
		}
		return nil
	})
	return known
}

func TestDashboards_UseOnlyMetricsAndLabelsThatAreProvided(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for file, d := range dashboards(t) {
		variables := map[string]bool{"datasource": true}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
			if v.Type != "query" {
				continue
			}
			m := definition.FindStringSubmatch(v.Definition)
			require.NotNil(t, m, "%s: variable %s", file, v.Name)
			require.True(t, selectors(t, file+" variable "+v.Name, m[1])[m[2]], "%s: variable %s", file, v.Name)
		}
		for _, p := range d.Panels {
			require.NotEmpty(t, p.Targets, "%s: %s", file, p.Title)
			for _, target := range p.Targets {
				where := file + ", panel " + p.Title
				for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
					require.True(t, variables[v[1]], "%s: there is no variable %s", where, v[1])
				}
				known := selectors(t, where, target.Expr)
				for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
					require.True(t, known[label[1]], "%s: the legend names a label %s that no series has", where, label[1])
				}
				for _, name := range regexp.MustCompile(`fairlead_\w+|\bup\b`).FindAllString(target.Expr, -1) {
					if described, ok := observability.Describe(name); ok {
						used[described.Name] = true
					}
				}
			}
		}
	}
	for _, metric := range observability.Catalogue {
		require.True(t, used[metric.Name], "no dashboard shows %s", metric.Name)
	}
}

func TestCatalogue_NamesAreUniqueAndDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range observability.Catalogue {
		require.False(t, seen[d.Name], d.Name)
		seen[d.Name] = true
		require.True(t, promql.ValidName(d.Name))
		require.True(t, strings.HasSuffix(d.Help, "."), d.Name)
		require.Equal(t, d.Kind == observability.Counter, strings.HasSuffix(d.Name, "_total"), d.Name)
	}
}

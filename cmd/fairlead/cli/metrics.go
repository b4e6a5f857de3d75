package cli

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// sparkWidth is how many columns a graph has; more points are gathered.
const sparkWidth = 40

type metricFlags struct {
	since, until string
	step         time.Duration
}

func (a *app) metricsCommand() *cobra.Command {
	var f metricFlags
	cmd := &cobra.Command{
		Use: "metrics <promql>", Short: "Evaluate PromQL over a project's metrics", Args: args("<promql>"),
		Long: "Shows the values now, or with --since a graph of each series with its lowest, highest and last value.\n" +
			"Project _fairlead is the host, the queue and Fairlead itself, for admins. `fairlead metrics list` names what is measured.",
		Example: "  fairlead metrics 'sum by (service) (rate(fairlead_requests_total[1m]))'\n" +
			"  fairlead metrics 'fairlead_instance_memory_bytes' --since 1h\n" +
			"  fairlead metrics 'rate(fairlead_api_requests_total[5m])' --project _fairlead",
		RunE: func(cmd *cobra.Command, given []string) error { return a.metrics(cmd.Context(), f, given[0]) },
	}
	cmd.Flags().StringVar(&f.since, "since", "", "from how long ago (1h), or from a time (2026-01-31T12:00:00Z); one moment when left out")
	cmd.Flags().StringVar(&f.until, "until", "", "until how long ago, or until a time (default now)")
	cmd.Flags().DurationVar(&f.step, "step", 0, "between two points, for example 15s (default: the range over 240)")
	cmd.AddCommand(a.metricsListCommand())
	return cmd
}

func (a *app) metricsListCommand() *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: "list", Short: "List what Fairlead measures", Args: args(),
		Long:    "Lists each metric with its kind, its labels and its meaning. Those of applications are their own.",
		Example: "  fairlead metrics list --grep spool",
		RunE: func(*cobra.Command, []string) error {
			found := slices.DeleteFunc(slices.Clone(observability.Catalogue), func(d observability.Description) bool {
				return !strings.Contains(strings.ToLower(d.Name+" "+d.Help), strings.ToLower(text))
			})
			if a.json() {
				return a.out.json(found)
			}
			var rows [][]string
			for _, d := range found {
				rows = append(rows, []string{d.Name, string(d.Kind), strings.Join(d.Labels, " "), d.Help})
			}
			a.listed(rows, "No metric matches.", "METRIC", "KIND", "LABELS", "MEANING")
			return nil
		},
	}
	cmd.Flags().StringVar(&text, "grep", "", "only those with this text in their name or meaning")
	return cmd
}

func (a *app) metrics(ctx context.Context, f metricFlags, expr string) error {
	now := a.Now()
	q := observability.MetricQuery{Expr: expr, Step: f.step}
	var err error
	if q.From, err = moment("since", f.since, now); err != nil {
		return err
	}
	if q.To, err = moment("until", f.until, now); err != nil {
		return err
	}
	if f.step < 0 {
		return platform.Errorf(platform.CodeInvalid, "--step %s is not a positive duration.", f.step).WithHint("Write for example 15s.").WithField("step")
	}
	if f.step > 0 && f.since == "" {
		return platform.Errorf(platform.CodeInvalid, "--step has no meaning for one moment.").WithHint("Say with --since where the range begins.").WithField("step")
	}
	series, err := call(ctx, a, func(ctx context.Context, c *client.Client) ([]observability.Series, error) {
		project, err := a.projectName(ctx, c)
		if err != nil {
			return nil, err
		}
		return c.QueryMetrics(ctx, project, q)
	})
	if err != nil || a.json() {
		return a.result(series, err)
	}
	a.series(series, f.since != "")
	return nil
}

// series writes a row for each series: its value, or its course over the range.
func (a *app) series(all []observability.Series, ranged bool) {
	var rows [][]string
	for _, s := range all {
		points := slices.DeleteFunc(slices.Clone(s.Points), func(p observability.Point) bool { return math.IsNaN(p.Value) })
		if len(points) == 0 {
			continue
		}
		last := number(points[len(points)-1].Value)
		if !ranged {
			rows = append(rows, []string{clean(seriesName(s.Labels)), last})
			continue
		}
		lowest, highest := math.Inf(1), math.Inf(-1)
		for _, p := range points {
			lowest, highest = min(lowest, p.Value), max(highest, p.Value)
		}
		rows = append(rows, []string{clean(seriesName(s.Labels)), number(lowest), number(highest), last, spark(points, lowest, highest)})
	}
	none := "No series matches: check the metric's name and labels (`fairlead metrics list`), and that there was something to measure."
	if ranged {
		a.listed(rows, none, "SERIES", "LOWEST", "HIGHEST", "LAST", "")
		return
	}
	a.listed(rows, none, "SERIES", "VALUE")
}

// seriesName writes labels as PromQL does.
func seriesName(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "__name__" {
			pairs = append(pairs, name+"="+strconv.Quote(labels[name]))
		}
	}
	text := labels["__name__"]
	if len(pairs) > 0 || text == "" {
		text += "{" + strings.Join(pairs, ", ") + "}"
	}
	return text
}

// number writes a value with four digits that matter; whole numbers in full.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// spark draws points over time, each column the highest of those that it gathers.
func spark(points []observability.Point, lowest, highest float64) string {
	const ramp = "▁▂▃▄▅▆▇█"
	levels := []rune(ramp)
	width := min(sparkWidth, len(points))
	var out strings.Builder
	for column := range width {
		top := math.Inf(-1)
		for _, p := range points[column*len(points)/width : (column+1)*len(points)/width] {
			top = max(top, p.Value)
		}
		level := 0
		if highest > lowest && !math.IsInf(highest-lowest, 0) {
			level = int((top - lowest) / (highest - lowest) * float64(len(levels)-1))
		}
		out.WriteRune(levels[min(max(level, 0), len(levels)-1)])
	}
	return out.String()
}

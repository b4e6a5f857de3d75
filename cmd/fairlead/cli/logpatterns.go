package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// patternFlags are what `fairlead logs patterns` is asked.
type patternFlags struct {
	logFilter
	sample  int
	top     int
	compare string
	input   string
	assign  bool
}

func (a *app) logPatternsCommand() *cobra.Command {
	var f patternFlags
	cmd := &cobra.Command{
		Use: "patterns [service]", Short: "Group log lines by template, or compare templates", Args: args("[service]"),
		Long: "Groups the lines of the range, the last hour unless --since says otherwise. --compare shows which templates are new, gone or\n" +
			"have surged between two releases, or between the end of the range and what came before it, weighed by the requests or\n" +
			"the minutes of running instances that the lines were written in. --input groups the lines of a file, with no server;\n" +
			"with --assign it prints each line with its template: the line, a tab, the template's number, a tab, the template.",
		Example: "  fairlead logs patterns api --since 24h\n  fairlead logs patterns api --compare release:11..12\n" +
			"  fairlead logs patterns api --compare window:24h..1h --min-level warn\n  fairlead logs patterns --input app.log --assign",
		RunE: func(cmd *cobra.Command, given []string) error { return a.logPatterns(cmd.Context(), f, given) },
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.IntVar(&f.sample, "sample", observability.DefaultPatternSample, "how many lines are read, the newest")
	flags.IntVarP(&f.top, "limit", "n", observability.DefaultPatterns, "how many templates")
	flags.StringVar(&f.compare, "compare", "", "release:11..12, or window:24h..1h for the last hour against the day before it")
	flags.StringVar(&f.input, "input", "", "group the lines of this file instead; - reads standard input")
	flags.BoolVar(&f.assign, "assign", false, "with --input: print each line with its template")
	cmd.MarkFlagsMutuallyExclusive("input", "compare")
	return cmd
}

func (a *app) logPatterns(ctx context.Context, f patternFlags, given []string) error {
	if f.input != "" {
		return a.patternsOf(ctx, f, given)
	}
	if f.assign {
		return platform.Errorf(platform.CodeInvalid, "--assign needs --input.").WithHint("Name the file whose lines are to be assigned, or - for standard input.").WithField("assign")
	}
	compare, err := observability.ParseComparing(f.compare)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	q, err := a.logQuery(ctx, c, f.logFilter, given)
	if err != nil {
		return err
	}
	found, err := c.LogPatterns(ctx, observability.PatternQuery{LogQuery: q, Sample: f.sample, Top: f.top, Compare: compare})
	if err != nil {
		return err
	}
	switch {
	case a.json():
		return a.out.json(found)
	case found.Comparison != nil:
		a.showShifts(found.Comparison)
	default:
		a.showPatterns(found)
	}
	return nil
}

func (a *app) showPatterns(found observability.LogPatterns) {
	out := a.out
	if found.Read == 0 {
		out.print("No line matches.")
		return
	}
	for _, p := range found.Patterns {
		head := out.bold(strconv.Itoa(p.Lines)) + "  " + percent(p.Share)
		if levels := out.levels(p.Levels); levels != "" {
			head += "  " + levels
		}
		if !p.First.IsZero() {
			head += "  " + out.dim(out.ago(p.First)+" to "+out.ago(p.Last))
		}
		out.print("%s", head)
		out.print("    %s", oneLine(p.Template, columns))
		if p.Example != p.Template {
			out.print("    %s", out.dim("for example: "+oneLine(p.Example, columns)))
		}
	}
	out.print("%d templates in %d lines.", found.Templates, found.Read)
	if found.Templates > len(found.Patterns) {
		out.print("The %d most frequent are shown; --limit shows more.", len(found.Patterns))
	}
	if found.Truncated {
		out.print("%s", found.Note)
	}
}

func (a *app) showShifts(c *observability.LogComparison) {
	out := a.out
	for _, w := range []observability.LogWindow{c.Before, c.After} {
		out.print("%s: %d lines in %s %s.", w.Name, w.Read, strconv.FormatFloat(math.Round(10*w.Exposure)/10, 'f', -1, 64), w.Unit)
		if w.Truncated {
			out.print("  %s", w.Note)
		}
	}
	var rows [][]string
	same := 0
	for _, s := range c.Shifts {
		if s.Class == string(patterns.ClassSame) {
			same++
			continue
		}
		rows = append(rows, []string{a.class(s.Class), strconv.Itoa(s.Before), strconv.Itoa(s.After), fmt.Sprintf("x%.3g", s.Ratio), dash(out.levels(s.Levels)), oneLine(s.Template, columns)})
	}
	if len(rows) > 0 {
		out.table([]string{"CLASS", "BEFORE", "AFTER", "RATE", "LEVELS", "TEMPLATE"}, rows)
	}
	out.print("%d templates have changed, %d are the same.", len(rows), same)
}

func (a *app) class(word string) string {
	switch patterns.Class(word) {
	case patterns.ClassNew, patterns.ClassSurged:
		return a.out.red(word)
	case patterns.ClassGone:
		return a.out.yellow(word)
	default:
		return word
	}
}

// levels says how many lines of each level there are, gravest first.
func (s *screen) levels(counts map[observability.Level]int) string {
	var parts []string
	for _, level := range slices.Backward(observability.Levels) {
		if n := counts[level]; n > 0 {
			parts = append(parts, s.level(level, fmt.Sprintf("%s %d", level, n)))
		}
	}
	return strings.Join(parts, " ")
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + "%" }

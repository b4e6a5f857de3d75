package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/observability"
)

// barWidth is how many columns the longest bar has.
const barWidth = 50

func (a *app) logHistogramCommand() *cobra.Command {
	var f logFilter
	var step time.Duration
	cmd := &cobra.Command{
		Use: "histogram [service]", Short: "Count log lines over time", Args: args("[service]"),
		Long:    "Shows a bar for each step of the range, which is the last hour unless --since says otherwise.",
		Example: "  fairlead logs histogram api --since 24h\n  fairlead logs histogram api --grep timeout --step 5m",
		RunE:    func(cmd *cobra.Command, given []string) error { return a.logHistogram(cmd.Context(), f, step, given) },
	}
	f.register(cmd.Flags())
	cmd.Flags().DurationVar(&step, "step", 0, "length of a step, for example 5m (default: one that makes about sixty)")
	return cmd
}

func (a *app) logHistogram(ctx context.Context, f logFilter, step time.Duration, given []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	q, err := a.logQuery(ctx, c, f, given)
	if err != nil {
		return err
	}
	h, err := c.CountLogs(ctx, q, step)
	if err != nil {
		return err
	}
	a.noteIncomplete(h.Incomplete)
	if a.json() {
		return a.out.json(h)
	}
	a.out.bars(h)
	return nil
}

// bars writes one row for each step of the histogram, those without a line too.
func (s *screen) bars(h observability.LogHistogram) {
	step := h.Step.D()
	if h.Lines == 0 || step <= 0 {
		s.print("No line matches.")
		return
	}
	byStep, most := map[int64]map[observability.Level]int64{}, int64(0)
	for _, c := range h.Counts {
		at := c.At.UnixNano()
		if byStep[at] == nil {
			byStep[at] = map[observability.Level]int64{}
		}
		byStep[at][c.Level] += c.Lines
		most = max(most, sum(byStep[at]))
	}
	layout := "15:04:05"
	if h.To.Sub(h.From) > 24*time.Hour {
		layout = "01-02 15:04"
	}
	rows := [][]string{}
	for at := observability.StepOf(h.From, step); at.Before(h.To); at = at.Add(step) {
		levels := byStep[at.UnixNano()]
		row := []string{s.dim(at.UTC().Format(layout)), "", "", s.bar(levels, most)}
		if n := sum(levels); n > 0 {
			row[1] = strconv.FormatInt(n, 10)
		}
		if n := levels[observability.LevelError] + levels[observability.LevelFatal]; n > 0 {
			row[2] = s.red(strconv.FormatInt(n, 10))
		}
		rows = append(rows, row)
	}
	s.table([]string{"FROM", "LINES", "ERRORS", ""}, rows)
	s.print("%d lines from %s to %s, a step is %s.", h.Lines, stamp(h.From), stamp(h.To), h.Step)
}

// bar is as long as the lines are many, in the colours of their levels, gravest first. What is there is seen: a step with
// any line has a bar.
func (s *screen) bar(levels map[observability.Level]int64, most int64) string {
	all := sum(levels)
	if all == 0 {
		return ""
	}
	length := max(1, int(all*barWidth/most))
	var b strings.Builder
	drawn, seen := 0, int64(0)
	for i := len(observability.Levels); i >= 0; i-- {
		level := observability.LevelUnknown
		if i > 0 {
			level = observability.Levels[i-1]
		}
		seen += levels[level]
		end := int((seen*int64(length) + all - 1) / all) // the graver has the column that two share
		b.WriteString(s.level(level, strings.Repeat("█", max(0, end-drawn))))
		drawn = max(drawn, end)
	}
	return b.String()
}

func sum(levels map[observability.Level]int64) int64 {
	var n int64
	for _, lines := range levels {
		n += lines
	}
	return n
}

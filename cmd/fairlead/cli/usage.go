package cli

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// alsoCSV marks the commands that write CSV too.
const alsoCSV = "csv"

func (a *app) usageCommand() *cobra.Command {
	var month, by string
	cmd := &cobra.Command{
		Use: "usage", Short: "Show what was used and what it costs", Args: args(), Annotations: map[string]string{alsoCSV: "true"},
		Long: "Shows CPU, memory, GPUs, egress, builds, disks and requests of a month (UTC), and their cost where the server has prices.\n" +
			"GB are thousands of millions of bytes. With --output csv amounts are written in full, for a spreadsheet.",
		Example: "  fairlead usage --month 2026-11\n  fairlead usage --by day --output csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := platform.UsageRequest{By: platform.UsageBy(by)}
			if err := readMonth(month, &req); err != nil {
				return err
			}
			if !req.By.Valid() {
				return platform.Errorf(platform.CodeInvalid, "--by cannot be %q.", by).WithHint("Use service or day.").WithField("by")
			}
			r, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.UsageReport, error) {
				ref, err := a.scope(ctx, c, nil)
				if err != nil {
					return platform.UsageReport{}, err
				}
				req.Project = ref.Project
				return c.GetUsage(ctx, req)
			})
			if err != nil || a.json() {
				return a.result(r, err)
			}
			if a.output == alsoCSV {
				return a.usageCSV(r)
			}
			a.usage(r)
			return nil
		},
	}
	cmd.Flags().StringVar(&month, "month", "", "a month such as 2026-11 (default the present one)")
	cmd.Flags().StringVar(&by, "by", string(platform.UsageByService), "a row for each service, or for each day")
	must(cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"service", "day"}, cobra.ShellCompDirectiveNoFileComp)))
	cmd.AddCommand(a.budgetCommand())
	return cmd
}

func readMonth(text string, req *platform.UsageRequest) error {
	if text == "" {
		return nil
	}
	from, err := time.Parse("2006-01", text)
	if err != nil {
		return platform.Errorf(platform.CodeInvalid, "--month cannot be %q.", platform.Truncate(text, 40)).WithHint("Write year and month, such as 2026-11.").WithField("month")
	}
	req.From, req.To = from, from.AddDate(0, 1, 0)
	return nil
}

func (a *app) usage(r platform.UsageReport) {
	a.out.print("%s to %s UTC\n", r.From.Format("2006-01-02 15:04"), r.To.Format("2006-01-02 15:04"))
	heading := []string{"SERVICE", "CPU S", "MEMORY GBH", "GPU H", "EGRESS", "BUILD MIN", "DISK GBH", "REQUESTS"}
	if r.By == platform.UsageByDay {
		heading[0] = "DAY"
	}
	if r.Total.Cost != nil {
		heading = append(heading, "COST "+r.Currency)
	}
	var rows [][]string
	for _, row := range r.Rows {
		name := row.Project + "/" + row.Environment + "/" + row.Service
		if r.By == platform.UsageByDay {
			name = row.Day + " " + row.Project
		}
		rows = append(rows, usageCells(name, row))
	}
	rows = append(rows, usageCells("total", r.Total))
	alignRight(heading, rows)
	a.out.table(heading, rows)
	for _, b := range r.Budgets {
		a.out.print("\nBudget of %s: %s of %s %s spent%s.", b.Project, b.Spent.Fixed(2), b.Monthly.Fixed(2), r.Currency, a.foreseen(b))
	}
	for _, note := range r.Notes {
		a.out.print("\nNote: %s", clean(note))
	}
}

func (a *app) foreseen(b platform.BudgetStatus) string {
	if b.Forecast == nil {
		return ""
	}
	text := b.Forecast.Fixed(2)
	if *b.Forecast > b.Monthly {
		text = a.out.red(text)
	}
	return ", " + text + " foreseen"
}

// usageCells writes amounts for people; what nobody measured is a dash.
func usageCells(name string, row platform.UsageRow) []string {
	measured := func(text string) string {
		if row.Unknown() {
			return "-"
		}
		return text
	}
	cells := []string{
		name, measured(row.CPUSeconds.Fixed(1)), measured(row.MemoryGBHours.Fixed(2)), row.GPUHours.Fixed(2), measured(platform.FormatSize(row.EgressBytes)),
		row.BuildMinutes.Fixed(1), row.DiskGBHours.Fixed(1), strconv.FormatInt(row.Requests, 10),
	}
	if row.Cost != nil {
		cells = append(cells, row.Cost.Fixed(2))
	}
	return cells
}

// alignRight pads every column but the first on its left.
func alignRight(heading []string, rows [][]string) {
	for i := 1; i < len(heading); i++ {
		wide := len(heading[i])
		for _, row := range rows {
			wide = max(wide, len(row[i]))
		}
		heading[i] = strings.Repeat(" ", wide-len(heading[i])) + heading[i]
		for _, row := range rows {
			row[i] = strings.Repeat(" ", wide-len(row[i])) + row[i]
		}
	}
}

func (a *app) usageCSV(r platform.UsageReport) error {
	w := csv.NewWriter(a.out.w)
	rows := [][]string{{
		"day", "project", "environment", "service", "cpu_seconds", "memory_gb_hours", "gpu_hours", "egress_bytes", "build_minutes", "disk_gb_hours", "requests",
		"measured_seconds", "unmeasured_seconds", "cost", "currency",
	}}
	for _, row := range r.Rows {
		cost := ""
		if row.Cost != nil {
			cost = row.Cost.String()
		}
		measured := func(text string) string {
			if row.Unknown() {
				return ""
			}
			return text
		}
		rows = append(rows, []string{
			row.Day, row.Project, row.Environment, row.Service, measured(row.CPUSeconds.String()), measured(row.MemoryGBHours.String()), row.GPUHours.String(),
			measured(strconv.FormatInt(row.EgressBytes, 10)), row.BuildMinutes.String(), row.DiskGBHours.String(), strconv.FormatInt(row.Requests, 10),
			row.MeasuredSeconds.String(), row.UnmeasuredSeconds.String(), cost, r.Currency,
		})
	}
	return w.WriteAll(rows)
}

func (a *app) budgetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "budget", Short: "Set what a project may cost in a month"}
	cmd.AddCommand(&cobra.Command{
		Use: "set <amount>", Short: "Set what a project may cost in a calendar month (UTC); 0 takes the budget away", Args: args("<amount>"),
		Long: "Sets a budget in the currency of the server's prices. The timeline and `fairlead usage` tell when 50, 80 and 100 percent\n" +
			"of it are spent, and when the month is on its way above it. Nothing is stopped.",
		Example: "  fairlead usage budget set 200 --project shop",
		RunE: func(cmd *cobra.Command, given []string) error {
			amount, err := platform.ParseMicro(given[0])
			if err != nil {
				return platform.Errorf(platform.CodeInvalid, "The budget cannot be %q.", platform.Truncate(given[0], 40)).WithHint("Write an amount such as 200 or 99.50.").WithField("monthly")
			}
			b, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Budget, error) {
				project, err := a.projectName(ctx, c)
				if err != nil {
					return platform.Budget{}, err
				}
				return c.SetBudget(ctx, platform.SetBudgetRequest{Project: project, Monthly: amount})
			})
			if err != nil || a.json() {
				return a.result(b, err)
			}
			if b.Monthly == 0 {
				a.out.print("%s has no budget.", a.out.bold(b.Project))
				return nil
			}
			a.out.print("%s may cost %s a month.", a.out.bold(b.Project), b.Monthly.Fixed(2))
			return nil
		},
	})
	return cmd
}

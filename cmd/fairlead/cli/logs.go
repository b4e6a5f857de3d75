package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// logsFlags are what `fairlead logs` is asked beside which lines.
type logsFlags struct {
	logFilter
	follow  bool
	forward bool
	refs    bool
	around  string
	context int
	export  string
}

func (a *app) logsCommand() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use: "logs [service]", Short: "Read, search and follow log lines", Args: args("[service]"),
		Long: "Shows the newest log lines, oldest first. With --deploy also those of its build; with --deploy and --follow it ends when the\n" +
			"deploy has ended and nothing more comes. --around shows what came before and after one line in its own instance's stream;\n" +
			"a line is named by its reference, which --refs shows.",
		Example: "  fairlead logs api --follow\n  fairlead logs api --since 15m --min-level error\n  fairlead logs api --grep timeout -i --field user=ada\n" +
			"  fairlead logs api --around 2026-01-31T12:00:00.123456789Z+7 --context 20\n  fairlead logs api --since 24h --export api.ndjson\n  fairlead logs --deploy dep_... --build",
		RunE: func(cmd *cobra.Command, given []string) error { return a.logs(cmd.Context(), f, given) },
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with new lines as they come")
	flags.BoolVar(&f.forward, "forward", false, "the oldest lines of the range instead of the newest")
	flags.IntVarP(&f.query.Limit, "limit", "n", observability.DefaultLogLimit, "how many lines")
	flags.StringVar(&f.query.Cursor, "cursor", "", "go on where another page ended")
	flags.BoolVar(&f.refs, "refs", false, "show the reference of each line, for --around")
	flags.StringVar(&f.around, "around", "", "the lines before and after this one: its reference, or a cursor")
	flags.IntVar(&f.context, "context", 10, "how many lines on each side with --around")
	flags.StringVar(&f.export, "export", "", "write every line of the range to this file as JSON, one object a line; - for the screen")
	cmd.MarkFlagsMutuallyExclusive("follow", "around", "export", "forward")
	cmd.MarkFlagsMutuallyExclusive("follow", "cursor")
	cmd.MarkFlagsMutuallyExclusive("follow", "until")
	cmd.MarkFlagsMutuallyExclusive("export", "limit")
	cmd.AddCommand(a.logHistogramCommand(), a.logPatternsCommand())
	return cmd
}

func (a *app) logs(ctx context.Context, f logsFlags, given []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	q, err := a.logQuery(ctx, c, f.logFilter, given)
	if err != nil {
		return err
	}
	p := &linePrinter{app: a, services: q.Service == "", refs: f.refs}
	switch {
	case f.follow:
		return a.followLogs(ctx, c, q, p.print)
	case f.export != "":
		return a.exportLogs(ctx, c, q, f.export)
	case f.around != "":
		return a.logsAround(ctx, c, q, f, p)
	}
	q.Backward = !f.forward
	page, err := c.SearchLogs(ctx, q)
	if err != nil {
		return err
	}
	if q.Backward {
		slices.Reverse(page.Lines)
	}
	a.noteIncomplete(page.Incomplete)
	if a.json() {
		return a.out.json(page)
	}
	for _, l := range page.Lines {
		if err := p.print(l); err != nil {
			return err
		}
	}
	if len(page.Lines) == 0 {
		a.out.print("No line matches.")
	}
	if page.Next != "" {
		fmt.Fprintf(a.Err, "There are more lines: add --cursor %s\n", page.Next)
	}
	return nil
}

// noteIncomplete says beside an answer what is missing in it.
func (a *app) noteIncomplete(why string) {
	if why != "" {
		fmt.Fprintf(a.Err, "Incomplete: %s\n", why)
	}
}

// logsAround shows a line between its neighbours and marks it.
func (a *app) logsAround(ctx context.Context, c *client.Client, q observability.LogQuery, f logsFlags, p *linePrinter) error {
	place, err := observability.ParsePlace(f.around)
	if err != nil {
		return err
	}
	found, err := c.LogsAround(ctx, q, place, f.context)
	if err != nil {
		return err
	}
	a.noteIncomplete(found.Incomplete)
	if a.json() {
		return a.out.json(found)
	}
	lines := append(append(found.Before, found.Line), found.After...)
	for i, l := range lines {
		p.mark = "  "
		if i == len(found.Before) {
			p.mark = a.out.bold("> ")
		}
		if err := p.print(l); err != nil {
			return err
		}
	}
	return nil
}

// followLogs goes on until interrupted; the log of one deploy ends by itself.
func (a *app) followLogs(ctx context.Context, c *client.Client, q observability.LogQuery, print func(observability.Line) error) error {
	if q.Deploy == "" {
		return c.FollowLogs(ctx, q, print)
	}
	q.Limit = observability.MaxLogLimit
	following, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- a.untilQuiet(following, platform.DeployID(q.Deploy), lines, stop) }()
	err := c.FollowLogs(following, q, func(l observability.Line) error {
		select {
		case lines <- struct{}{}:
		default:
		}
		return print(l)
	})
	stop()
	if watch := <-ended; watch != nil && !errors.Is(watch, context.Canceled) {
		return watch
	}
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// untilQuiet stops following when the deploy has ended and its log has been silent for a moment.
func (a *app) untilQuiet(ctx context.Context, id platform.DeployID, lines <-chan struct{}, stop func()) error {
	defer stop()
	c, err := a.patient()
	if err != nil {
		return err
	}
	for {
		d, err := c.GetDeploy(ctx, id)
		if err != nil {
			return err
		}
		if d.Phase.Terminal() {
			break
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	// A live instance goes on logging, so the wait for silence has an end of its own.
	last := time.NewTimer(2 * quiet)
	defer last.Stop()
	silence := time.NewTimer(quiet)
	defer silence.Stop()
	for {
		select {
		case <-lines:
			silence.Reset(quiet)
		case <-silence.C:
			return nil
		case <-last.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// linePrinter writes lines for people, or one JSON object each.
type linePrinter struct {
	app      *app
	services bool   // name the service of each line
	refs     bool   // show how to name it
	mark     string // before each line
}

func (p *linePrinter) print(l observability.Line) error {
	out := p.app.out
	if p.app.json() {
		return out.line(l)
	}
	var b strings.Builder
	b.WriteString(p.mark)
	if p.refs {
		b.WriteString(out.dim(observability.PlaceOf(l).String()) + " ")
	}
	b.WriteString(out.dim(l.At.UTC().Format("15:04:05.000")) + " ")
	if p.services && l.Service != "" {
		b.WriteString(out.cyan(l.Service) + " ")
	}
	if l.Release > 0 && l.Source != observability.SourceBuild {
		b.WriteString(out.dim("v"+strconv.Itoa(l.Release)) + " ")
	}
	if l.Source != observability.SourceRuntime {
		b.WriteString(out.dim(l.Source) + " ")
	}
	if l.Level != observability.LevelUnknown {
		b.WriteString(p.level(l.Level) + " ")
	}
	indent := width(b.String())
	text := clean(l.Message)
	if l.Truncated && !strings.HasSuffix(text, observability.CutMark) {
		text += observability.CutMark
	}
	b.WriteString(indentAfterFirst(text, indent))
	out.print("%s", b.String())
	return nil
}

func (p *linePrinter) level(l observability.Level) string {
	return p.app.out.level(l, strings.ToUpper(string(l)))
}

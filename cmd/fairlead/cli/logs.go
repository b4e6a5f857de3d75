package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// logsFlags are what `fairlead logs` is asked.
type logsFlags struct {
	query    observability.LogQuery
	services string
	levels   []string
	since    string
	build    bool
	follow   bool
}

func (a *app) logsCommand() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use: "logs [service]", Short: "Read and follow log lines", Args: args("[service]"),
		Long: "Shows log lines, oldest first. With --deploy also those of its build; with --deploy and --follow it ends when the deploy\n" +
			"has ended and nothing more comes.",
		Example: "  fairlead logs api --follow\n  fairlead logs api --since 15m --level error,fatal\n  fairlead logs --deploy dep_... --build",
		RunE:    func(cmd *cobra.Command, given []string) error { return a.logs(cmd.Context(), f, given) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with new lines as they come")
	flags.StringVar(&f.since, "since", "", "from how long ago (15m), or from a time (2026-01-31T12:00:00Z)")
	flags.StringVar(&f.services, "service", "", "only of this service")
	flags.StringSliceVar(&f.levels, "level", nil, "only these levels: debug, info, warn, error, fatal")
	flags.StringVar(&f.query.Text, "grep", "", "lines that contain this")
	flags.StringVar(&f.query.Regex, "regex", "", "lines that match this expression (RE2)")
	flags.IntVar(&f.query.Release, "release", 0, "only of this release number")
	flags.StringVar(&f.query.Instance, "instance", "", "only of this instance")
	flags.StringVar(&f.query.Deploy, "deploy", "", "only of this deploy, its build included")
	flags.BoolVar(&f.build, "build", false, "only build output")
	flags.IntVarP(&f.query.Limit, "limit", "n", observability.DefaultLogLimit, "how many of the newest lines")
	return cmd
}

func (a *app) logs(ctx context.Context, f logsFlags, given []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	q, err := a.logQuery(ctx, c, f, given)
	if err != nil {
		return err
	}
	p := &linePrinter{app: a, services: q.Service == ""}
	if f.follow {
		return a.followLogs(ctx, c, q, p.print)
	}
	q.Backward = true
	page, err := c.SearchLogs(ctx, q)
	if err != nil {
		return err
	}
	for i, j := 0, len(page.Lines)-1; i < j; i, j = i+1, j-1 {
		page.Lines[i], page.Lines[j] = page.Lines[j], page.Lines[i]
	}
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
	return nil
}

func (a *app) logQuery(ctx context.Context, c *client.Client, f logsFlags, given []string) (observability.LogQuery, error) {
	q := f.query
	target := f.services
	if len(given) > 0 {
		if target != "" && target != given[0] {
			return q, platform.Errorf(platform.CodeInvalid, "Two services are named: %s and %s.", given[0], target).WithHint("Leave out --service.")
		}
		target = given[0]
	}
	for _, l := range f.levels {
		q.Levels = append(q.Levels, observability.Level(strings.ToLower(l)))
	}
	if f.build {
		q.Source = observability.SourceBuild
	}
	var err error
	if q.From, err = since(f.since, a.Now()); err != nil {
		return q, err
	}
	q.Environment = a.environment
	switch {
	case target != "":
		ref, err := a.slot(ctx, c, target)
		q.Project, q.Environment, q.Service = ref.Project, firstOf(ref.Environment, platform.ProductionName), ref.Service
		return q, err
	case q.Deploy != "":
		d, err := c.GetDeploy(ctx, platform.DeployID(q.Deploy))
		q.Project = d.Project
		return q, err
	}
	q.Project, err = a.projectName(ctx, c)
	return q, err
}

func since(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	return time.Time{}, platform.Errorf(platform.CodeInvalid, "--since cannot be %q.", s).
		WithHint("Write how long ago, for example 15m, or a time, for example 2026-01-31T12:00:00Z.").WithField("since")
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
	services bool // name the service of each line
}

func (p *linePrinter) print(l observability.Line) error {
	out := p.app.out
	if p.app.json() {
		return out.line(l)
	}
	var b strings.Builder
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
	word := strings.ToUpper(string(l))
	switch l {
	case observability.LevelError, observability.LevelFatal:
		return p.app.out.red(word)
	case observability.LevelWarn:
		return p.app.out.yellow(word)
	case observability.LevelDebug:
		return p.app.out.dim(word)
	default:
		return p.app.out.green(word)
	}
}

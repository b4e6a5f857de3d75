package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// eventsFlags are what `fairlead events` is asked.
type eventsFlags struct {
	kinds   []string
	subject string
	since   string
	follow  bool
	limit   int
}

func (a *app) eventsCommand() *cobra.Command {
	var f eventsFlags
	cmd := &cobra.Command{
		Use: "events [service]", Short: "Print the timeline: who did what, and why", Args: args("[service]"),
		Long: "Prints every fact, oldest first. Events form a hash chain; `fairlead events verify` checks it.",
		RunE: func(cmd *cobra.Command, given []string) error { return a.events(cmd.Context(), f, given) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with new events as they come")
	flags.StringSliceVar(&f.kinds, "kind", nil, "only these kinds, for example deploy.live")
	flags.StringVar(&f.subject, "subject", "", "only about this id")
	flags.StringVar(&f.since, "since", "", "from how long ago (1h), or from a time")
	flags.IntVarP(&f.limit, "limit", "n", 0, "how many at most; 0 means all")
	cmd.AddCommand(a.eventsVerifyCommand())
	return cmd
}

func (a *app) events(ctx context.Context, f eventsFlags, given []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	ref, err := a.scope(ctx, c, given)
	if err != nil {
		return err
	}
	filter := platform.EventFilter{Project: ref.Project, Environment: ref.Environment, Service: ref.Service, Subject: f.subject}
	for _, k := range f.kinds {
		filter.Kinds = append(filter.Kinds, platform.EventKind(k))
	}
	if filter.Since, err = moment("since", f.since, a.Now()); err != nil {
		return err
	}
	if f.follow {
		p := &eventPrinter{app: a}
		return c.WatchEvents(ctx, filter, func(e platform.Event) error {
			if a.json() {
				return a.out.line(e)
			}
			p.print(e)
			return nil
		})
	}
	all, err := allEvents(ctx, c, filter, f.limit)
	if err != nil || a.json() {
		return a.result(platform.List[platform.Event]{Items: all}, err)
	}
	if len(all) == 0 {
		a.out.print("Nothing has happened yet.")
	}
	p := &eventPrinter{app: a}
	for _, e := range all {
		p.fit(e)
	}
	for _, e := range all {
		p.print(e)
	}
	return nil
}

func allEvents(ctx context.Context, c *client.Client, f platform.EventFilter, limit int) ([]platform.Event, error) {
	all := []platform.Event{}
	f.Limit = platform.MaxPageLimit
	for {
		page, err := c.ListEvents(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if page.Next == "" {
			return all, nil
		}
		f.Cursor = page.Next
	}
}

// eventPrinter writes events in columns that grow with what was fitted.
type eventPrinter struct {
	app              *app
	day              string
	who, kind, place int
}

func (p *eventPrinter) fit(e platform.Event) {
	p.who, p.kind, p.place = max(p.who, width(who(e.Actor))), max(p.kind, len(e.Kind)), max(p.place, width(place(e)))
}

func (p *eventPrinter) print(e platform.Event) {
	p.fit(e)
	out := p.app.out
	if day := e.At.UTC().Format("2006-01-02"); day != p.day {
		p.day = day
		out.print("%s", out.bold(day))
	}
	text := clean(e.Summary)
	if e.Cause != "" {
		text += out.dim("  (because of " + cause(e.Cause) + ")")
	}
	out.print("%s  %s  %s  %s  %s", out.dim(e.At.UTC().Format("15:04:05")), pad(out.cyan(who(e.Actor)), p.who), pad(string(e.Kind), p.kind), pad(place(e), p.place), text)
}

func pad(cell string, n int) string { return cell + strings.Repeat(" ", max(0, n-width(cell))) }

func who(actor platform.Actor) string { return clean(actor.Principal()) }

// place is where it happened, without the environment when that is production.
func place(e platform.Event) string {
	parts := []string{}
	for _, part := range []string{e.Project, e.Environment, e.Service} {
		if part != "" && part != platform.ProductionName {
			parts = append(parts, part)
		}
	}
	return dash(strings.Join(parts, "/"))
}

// cause is short when it is a commit.
func cause(id string) string {
	if len(id) == 40 && !strings.Contains(id, "_") {
		return platform.ShortSHA(id)
	}
	return id
}

func (a *app) eventsVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Verify the hash chain of all events", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.ChainReport, error) { return c.VerifyEvents(ctx) })
			if err != nil {
				return err
			}
			if a.json() {
				if err := a.out.json(r); err != nil {
					return err
				}
			} else if r.OK {
				a.out.print("%s The chain of %d events holds. Its head is %s.", a.out.green("✓"), r.Events, r.Head)
			}
			if !r.OK {
				return endedError{fmt.Errorf("the chain of %d events is broken at event %d: that event, or one before it, was changed", r.Events, r.BrokenAt)}
			}
			return nil
		},
	}
}

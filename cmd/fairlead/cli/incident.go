package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) incidentsCommand() *cobra.Command {
	var all bool
	list := func(cmd *cobra.Command, given []string) error {
		l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Incident], error) {
			ref, err := a.scope(ctx, c, given)
			if err != nil {
				return platform.List[platform.Incident]{}, err
			}
			f := platform.IncidentFilter{SlotRef: ref, State: platform.IncidentOpen, Page: platform.Page{Limit: platform.MaxPageLimit}}
			if all {
				f.State = ""
			}
			return c.ListIncidents(ctx, f)
		})
		if err != nil || a.json() {
			return a.result(l, err)
		}
		if len(l.Items) == 0 && !all {
			a.out.print("No incident is open. `fairlead incidents list --all` shows those that were.")
			return nil
		}
		a.incidents(l.Items)
		return nil
	}
	cmd := &cobra.Command{Use: "incidents", Aliases: []string{"incident"}, Short: "List and show what broke", Args: args("[service]"), RunE: list}
	sub := &cobra.Command{Use: "list [service]", Aliases: []string{"ls"}, Short: "List incidents, newest first", Args: args("[service]"), RunE: list}
	for _, c := range []*cobra.Command{cmd, sub} {
		c.Flags().BoolVar(&all, "all", false, "also those that are resolved")
	}
	cmd.AddCommand(sub, a.incidentShowCommand(), a.incidentExportCommand())
	return cmd
}

func (a *app) incidents(all []platform.Incident) {
	var rows [][]string
	for _, in := range all {
		rows = append(rows, []string{string(in.ID), a.out.state(string(in.State)), in.Project + "/" + in.Environment + "/" + in.Service, string(in.Signal), a.out.ago(in.OpenedAt), oneLine(in.Title, 80)})
	}
	a.listed(rows, "There was no incident yet.", "INCIDENT", "STATE", "SERVICE", "SIGNAL", "OPENED", "TITLE")
}

func (a *app) incidentShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show <incident>", Short: "Show an incident with diagnosis, evidence and plans", Args: args("<incident>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			in, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.IncidentDetail, error) {
				return c.GetIncident(ctx, platform.IncidentID(given[0]))
			})
			if err != nil || a.json() {
				return a.result(in, err)
			}
			a.showIncident(in)
			return nil
		},
	}
}

func (a *app) showIncident(in platform.IncidentDetail) {
	a.incidentHead(in)
	a.out.print("")
	a.diagnosis(in)
	if len(in.Evidence) > 0 {
		a.out.print("\n%s", a.out.bold("Evidence"))
	}
	for _, e := range in.Evidence {
		flags := ""
		if e.Truncated {
			flags += " (cut)"
		}
		if e.Flagged {
			flags += " " + a.out.yellow("(tries to instruct its reader)")
		}
		a.out.print("  %s %s, from %s%s", a.out.cyan(fmt.Sprintf("E%d", e.Number)), oneLine(e.Title, 80), e.Source, flags)
		a.out.block(clean(e.Excerpt), 6)
	}
	if len(in.Events) > 0 {
		a.out.print("\n%s", a.out.bold("Timeline"))
	}
	for _, e := range in.Events {
		a.out.print("  %s  %s", a.out.dim(stamp(e.At)), clean(e.Summary))
	}
}

func (a *app) incidentHead(in platform.IncidentDetail) {
	release := ""
	if in.ReleaseNumber > 0 {
		release = fmt.Sprintf("v%d", in.ReleaseNumber)
	}
	resolved := a.out.whenPtr(in.ResolvedAt)
	if in.Resolution != "" {
		resolved += ": " + clean(in.Resolution)
	}
	a.out.fields("incident", a.out.bold(string(in.ID))+" "+a.out.state(string(in.State)), "what", clean(in.Title), "where", in.Project+"/"+in.Environment+"/"+in.Service,
		"release", release, "since", a.out.when(in.OnsetAt), "resolved", resolved)
}

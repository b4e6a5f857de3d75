package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) alertsCommand() *cobra.Command {
	list := func(cmd *cobra.Command, given []string) error {
		l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Alert], error) {
			ref, err := a.scope(ctx, c, given)
			if err != nil {
				return platform.List[platform.Alert]{}, err
			}
			return c.ListAlerts(ctx, ref)
		})
		if err != nil || a.json() {
			return a.result(l, err)
		}
		a.alerts(l.Items)
		return nil
	}
	cmd := &cobra.Command{Use: "alerts", Aliases: []string{"alert"}, Short: "Show alert rules, and silence them", Args: args("[service]"), RunE: list}
	cmd.AddCommand(
		&cobra.Command{Use: "list [service]", Aliases: []string{"ls"}, Short: "List alert rules and how they stand", Args: args("[service]"), RunE: list},
		a.inboxCommand(), a.silenceCommand(), a.silencesCommand(), a.unsilenceCommand(),
	)
	return cmd
}

func (a *app) alerts(all []platform.Alert) {
	var rows [][]string
	for _, alert := range all {
		state := string(alert.State)
		switch alert.State {
		case platform.AlertFiring:
			state = a.out.red(state)
		case platform.AlertSilenced:
			state = a.out.yellow(state)
		case platform.AlertQuiet:
		}
		about := firstOf(string(alert.IncidentID), string(alert.SilencedBy), "-")
		rows = append(rows, []string{
			alert.Project + "/" + alert.Environment + "/" + alert.Service, alert.Rule.Name, string(alert.Rule.Severity), state, about, oneLine(alert.Rule.Title(), 90),
		})
	}
	a.listed(rows, "Nothing is live, so no rule is looked at.", "SERVICE", "RULE", "SEVERITY", "STATE", "BY", "MEANS")
}

func (a *app) silenceCommand() *cobra.Command {
	req := platform.CreateSilenceRequest{}
	var last time.Duration
	cmd := &cobra.Command{
		Use: "silence [service]", Short: "Keep findings from opening incidents for a while", Args: args("[service]"),
		Example: "  fairlead alerts silence api --rule cpu-throttled --for 2h --reason \"batch scoring\"\n  fairlead alerts silence --project shop --for 30m --reason \"the database moves\"",
		RunE: func(cmd *cobra.Command, given []string) error {
			req.For = platform.Duration(last)
			if err := req.Check(); err != nil {
				return err
			}
			s, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Silence, error) {
				var err error
				if len(given) > 0 {
					req.SlotRef, err = a.slot(ctx, c, given[0])
				} else {
					req.SlotRef.Environment = a.environment
					req.SlotRef.Project, err = a.projectName(ctx, c)
				}
				if err != nil {
					return platform.Silence{}, err
				}
				return c.CreateSilence(ctx, req)
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.out.fields("silence", a.out.bold(string(s.ID)), "what", clean(s.What()), "until", a.out.when(s.EndsAt), "reason", clean(s.Reason))
			a.out.print("\nEnd it before its time with: fairlead alerts unsilence %s", s.ID)
			return nil
		},
	}
	cmd.Flags().StringVar(&req.Rule, "rule", "", "only this rule (default everything but failed builds and deploys)")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for those who wonder later (needed)")
	cmd.Flags().DurationVar(&last, "for", time.Hour, "how long")
	return cmd
}

func (a *app) silencesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "silences", Short: "List silences that have not ended", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Silence], error) {
				project, err := a.projectName(ctx, c)
				if err != nil {
					return platform.List[platform.Silence]{}, err
				}
				return c.ListSilences(ctx, project)
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, s := range l.Items {
				rows = append(rows, []string{string(s.ID), clean(s.What()), s.Actor.Name, a.out.ago(s.EndsAt), strconv.Itoa(s.Kept), oneLine(s.Reason, 60)})
			}
			a.listed(rows, "Nothing is silenced.", "SILENCE", "WHAT", "BY", "ENDS", "KEPT QUIET", "REASON")
			return nil
		},
	}
}

func (a *app) unsilenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unsilence <silence>", Short: "End a silence now", Args: args("<silence>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.EndSilence(cmd.Context(), platform.SilenceID(given[0])); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]string{"ended": given[0]})
			}
			a.out.print("Silence %s has ended.", given[0])
			return nil
		},
	}
}

func (a *app) inboxCommand() *cobra.Command {
	var state, decision string
	cmd := &cobra.Command{
		Use: "inbox [service]", Short: "List alerts from outside: what paged, what was suppressed, and why", Args: args("[service]"),
		Example: "  fairlead alerts inbox --decision suppress\n  fairlead alerts inbox api --state firing",
		RunE: func(cmd *cobra.Command, given []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.InboundAlert], error) {
				ref, err := a.scope(ctx, c, given)
				if err != nil {
					return platform.List[platform.InboundAlert]{}, err
				}
				return c.ListInboundAlerts(ctx, platform.InboundFilter{SlotRef: ref, State: platform.InboundState(state), Decision: platform.InboundDecision(decision)})
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			a.inbox(l.Items)
			return nil
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only firing or resolved ones")
	cmd.Flags().StringVar(&decision, "decision", "", "only those of page or suppress")
	return cmd
}

func (a *app) inbox(all []platform.InboundAlert) {
	var rows [][]string
	for _, in := range all {
		decision := string(in.Decision)
		if in.Decision == platform.InboundPage {
			decision = a.out.red(decision)
		}
		of := firstOf(string(in.IncidentID), clean(in.DuplicateOf), "-")
		rows = append(rows, []string{
			clean(in.Project + "/" + in.Environment + "/" + firstOf(in.Service, "?")), oneLine(in.Name, 40), string(in.State), decision, in.Kind, of, a.out.ago(in.LastSeenAt), oneLine(in.Reason, 100),
		})
	}
	a.listed(rows, "No alert has come from outside.", "SERVICE", "ALERT", "STATE", "DECISION", "KIND", "BY", "SEEN", "REASON")
}

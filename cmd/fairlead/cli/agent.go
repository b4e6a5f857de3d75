package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) agentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agent", Short: "Stop and start carrying out what agents propose"}
	cmd.AddCommand(
		a.agentSwitchCommand("stop", "Stop carrying out what agents and the investigation propose",
			"Once it has returned nothing that an agent or the investigation proposed begins: in the project of --project, or everywhere\n"+
				"without it. What has begun is finished, diagnosis goes on, and plans wait. Operators and admins may; only an admin starts again.",
			(*client.Client).StopAgents),
		a.agentSwitchCommand("start", "Start agents again",
			"Ends a stop: that of the project of --project, or that of everywhere. Plans that need no approval and have not expired begin.",
			(*client.Client).StartAgents),
		a.agentStatusCommand(),
	)
	return cmd
}

func (a *app) agentSwitchCommand(word, short, long string, do func(*client.Client, context.Context, platform.AgentSwitchRequest) (platform.AgentStatus, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: word, Short: short, Long: long, Args: args(), Example: "  fairlead agent " + word + " --project shop --reason \"load test\"\n  fairlead agent " + word,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.AgentStatus, error) {
				return do(c, ctx, platform.AgentSwitchRequest{Project: a.project, Reason: reason})
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.agentStatus(s)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who are refused and for the timeline")
	return cmd
}

func (a *app) agentStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show where agents are stopped, by whom, and what waits", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.AgentStatus, error) {
				return c.AgentStatus(ctx, a.project)
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.agentStatus(s)
			return nil
		},
	}
}

func (a *app) agentStatus(s platform.AgentStatus) {
	if len(s.Stops) == 0 {
		a.out.print("Agents are not stopped. What they propose still needs its approvals; `fairlead policy explain` says which.")
	}
	a.stops(s.Stops)
	if len(s.Waiting) > 0 {
		a.out.print("")
		a.plans(s.Waiting)
	}
}

// stops says where agents are stopped and how they are started again.
func (a *app) stops(stops []platform.AgentStop) {
	for _, s := range stops {
		where, flag := "everywhere", ""
		if s.Project != "" {
			where, flag = "in "+s.Project, " --project "+s.Project
		}
		a.out.print("%s %s by %s, %s.", a.out.red("Agents are stopped"), clean(where), who(s.Actor), a.out.ago(s.At))
		if s.Reason != "" {
			a.out.print("  Reason: %s", oneLine(s.Reason, 200))
		}
		a.out.print("  An admin starts them again: fairlead agent start%s", clean(flag))
	}
}

package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Show, set and explain who may change what"}
	cmd.AddCommand(a.policyShowCommand(), a.policySetCommand(), a.policyCheckCommand(), a.policyExplainCommand())
	return cmd
}

func (a *app) policyShowCommand() *cobra.Command {
	var version int64
	var text bool
	cmd := &cobra.Command{
		Use: "show", Short: "Show the policy of a project", Args: args(),
		Example: "  fairlead policy show --text > policy.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.ProjectPolicy, error) {
				project, err := a.projectName(ctx, c)
				if err != nil {
					return platform.ProjectPolicy{}, err
				}
				return c.GetPolicy(ctx, project, version)
			})
			switch {
			case err != nil || a.json():
				return a.result(p, err)
			case text:
				a.out.print("%s", strings.TrimRight(clean(p.Text), "\n"))
			case p.Version == 0:
				a.out.print("%s has no policy of its own: the platform's rules hold. R0 is free, R1 and R2 need one person who did not ask, R3 needs two.", a.out.bold(p.Project))
				a.out.print("Set one with `fairlead policy set policy.yaml`.")
			default:
				a.out.print("Policy of %s, version %d, set by %s %s", a.out.bold(p.Project), p.Version, who(*p.Actor), a.out.ago(p.UpdatedAt))
				a.out.print("")
				a.out.block(clean(p.Text), 2)
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&version, "version", 0, "an earlier version (default: the one that holds)")
	cmd.Flags().BoolVar(&text, "text", false, "the text alone, to be changed and set again")
	return cmd
}

func (a *app) policySetCommand() *cobra.Command {
	var ifVersion int64
	cmd := &cobra.Command{
		Use: "set <file>", Short: "Set the policy of a project", Args: args("<file>"),
		Long: "Sets the policy to what the file says; - reads standard input, and {} is a policy that says nothing. It holds at once: plans\n" +
			"are judged by it when they are decided and when they begin. Only people with the role admin may.",
		Example: "  fairlead policy set policy.yaml --project shop",
		RunE: func(cmd *cobra.Command, given []string) error {
			req := platform.SetPolicyRequest{}
			if cmd.Flags().Changed("if-version") {
				req.IfVersion = &ifVersion
			}
			p, err := a.sendPolicy(cmd.Context(), given[0], req)
			if err != nil || a.json() {
				return a.result(p, err)
			}
			a.out.print("Policy of %s is version %d now.", a.out.bold(p.Project), p.Version)
			return nil
		},
	}
	cmd.Flags().Int64Var(&ifVersion, "if-version", 0, "only if this version holds")
	return cmd
}

func (a *app) policyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check <file>", Short: "Check the text of a policy and set nothing", Args: args("<file>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			p, err := a.sendPolicy(cmd.Context(), given[0], platform.SetPolicyRequest{DryRun: true})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			a.out.print("It is well: it would be version %d of the policy of %s.", p.Version, a.out.bold(p.Project))
			return nil
		},
	}
}

func (a *app) sendPolicy(ctx context.Context, file string, req platform.SetPolicyRequest) (platform.ProjectPolicy, error) {
	text, err := a.readText("policy", file, "Name it as the argument.")
	if err != nil {
		return platform.ProjectPolicy{}, err
	}
	return call(ctx, a, func(ctx context.Context, c *client.Client) (platform.ProjectPolicy, error) {
		req.Text = text
		if req.Project, err = a.projectName(ctx, c); err != nil {
			return platform.ProjectPolicy{}, err
		}
		return c.SetPolicy(ctx, req)
	})
}

func (a *app) policyExplainCommand() *cobra.Command {
	var q platform.PolicyQuestion
	var action, service, kind, role, memory string
	cmd := &cobra.Command{
		Use: "explain", Short: "Explain what would become of an action, check by check", Args: args(),
		Long: "Says whether the action would be done at once, after how many approvals, not now, or not at all, and lists every check in its\n" +
			"order. It asks about whoever holds the token unless --actor, --kind or --role say otherwise. Nothing is done or recorded.",
		Example: "  fairlead policy explain --kind agent --action scale --service api --replicas 9\n" +
			"  fairlead policy explain --actor bob --action restart --service shop/staging/api",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if action == "" || service == "" {
				return platform.Errorf(platform.CodeInvalid, "`fairlead policy explain` needs --action and --service.").WithHint("For example --action restart --service api.")
			}
			var err error
			if q.MemoryBytes, err = platform.ParseSize("memory", memory); err != nil {
				return err
			}
			q.Action, q.Kind, q.Role = platform.ActionKind(action), platform.ActorKind(kind), platform.Role(role)
			d, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.PolicyDecision, error) {
				var err error
				if q.SlotRef, err = a.slot(ctx, c, service); err != nil {
					return platform.PolicyDecision{}, err
				}
				return c.ExplainPolicy(ctx, q)
			})
			if err != nil || a.json() {
				return a.result(d, err)
			}
			a.explained(d)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&action, "action", "", "rollback, restart, scale, set_env, revert_commit or deploy")
	flags.StringVar(&service, "service", "", "service, project/service or project/environment/service")
	flags.StringVar(&q.Name, "actor", "", "name of the token's holder")
	flags.StringVar(&kind, "kind", "", "human, automation or agent")
	flags.StringVar(&role, "role", "", "viewer, operator or admin")
	flags.IntVar(&q.Replicas, "replicas", 0, "how many instances a scale asks for")
	flags.StringVar(&memory, "memory", "0", "how much memory of each a scale asks for, such as 512MiB")
	flags.BoolVar(&q.Plan, "plan", false, "ask about a plan rather than a change by hand; an agent's is one always")
	return cmd
}

// explained writes the outcome first, then each check with why it said what it did.
func (a *app) explained(d platform.PolicyDecision) {
	how := "by hand"
	if d.Plan {
		how = "as a plan"
	}
	a.out.paragraph(a.outcome(d)+": ", d.Reason, "")
	a.out.print("%s with the role %s, %s %s in %s, %s, policy %s", who(d.Actor), d.Actor.Role, d.Action, how, clean(d.Slot), d.Risk, d.Version)
	if d.Until != nil {
		a.out.print("It passes %s.", a.out.when(*d.Until))
	}
	a.out.print("")
	var rows [][]string
	for _, s := range d.Steps {
		rows = append(rows, []string{oneLine(s.Check, 40), a.stepResult(s.Result), oneLine(s.Why, 300)})
	}
	a.out.table([]string{"CHECK", "RESULT", "WHY"}, rows)
}

func (a *app) outcome(d platform.PolicyDecision) string {
	switch d.Outcome {
	case platform.PolicyAllowed:
		return a.out.green("Allowed at once")
	case platform.PolicyApproval:
		return a.out.yellow("Needs approval")
	case platform.PolicyNotNow:
		return a.out.yellow("Not now")
	case platform.PolicyDenied:
		return a.out.red("Denied")
	}
	return string(d.Outcome)
}

func (a *app) stepResult(r platform.StepResult) string {
	switch r {
	case platform.StepDenies:
		return a.out.red(string(r))
	case platform.StepHolds, platform.StepUnknown:
		return a.out.yellow(string(r))
	case platform.StepMatched:
		return a.out.cyan(string(r))
	case platform.StepOther, platform.StepSkipped:
		return a.out.dim(string(r))
	case platform.StepPassed:
	}
	return string(r)
}

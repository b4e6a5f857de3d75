package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) plansCommand() *cobra.Command {
	var all bool
	list := func(cmd *cobra.Command, given []string) error {
		l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Plan], error) {
			ref, err := a.scope(ctx, c, given)
			if err != nil {
				return platform.List[platform.Plan]{}, err
			}
			f := platform.PlanFilter{SlotRef: ref, State: platform.PlanPending, Page: platform.Page{Limit: platform.MaxPageLimit}}
			if all {
				f.State = ""
			}
			return c.ListPlans(ctx, f)
		})
		if err != nil || a.json() {
			return a.result(l, err)
		}
		if len(l.Items) == 0 && !all {
			a.out.print("No plan waits for a decision. `fairlead plans list --all` shows those that were.")
			return nil
		}
		a.plans(l.Items)
		return nil
	}
	cmd := &cobra.Command{Use: "plans", Aliases: []string{"plan"}, Short: "List and show proposed actions", Args: args("[service]"), RunE: list}
	sub := &cobra.Command{Use: "list [service]", Aliases: []string{"ls"}, Short: "List plans, newest first", Args: args("[service]"), RunE: list}
	for _, c := range []*cobra.Command{cmd, sub} {
		c.Flags().BoolVar(&all, "all", false, "also those that are decided")
	}
	cmd.AddCommand(sub, a.planShowCommand(), a.planProposeCommand())
	return cmd
}

func (a *app) plans(all []platform.Plan) {
	var rows [][]string
	for _, p := range all {
		rows = append(rows, []string{
			string(p.ID), a.out.state(string(p.State)), string(p.Body.Risk), p.Project + "/" + p.Environment + "/" + p.Service, who(p.Body.RequestedBy),
			a.out.ago(p.Body.CreatedAt), oneLine(p.Body.Title, 60),
		})
	}
	a.listed(rows, "Nothing was proposed yet.", "PLAN", "STATE", "RISK", "SERVICE", "ASKED BY", "ASKED", "TITLE")
}

func (a *app) planShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show <plan>", Short: "Show a plan: before, after, risk, who may approve", Args: args("<plan>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Plan, error) {
				return c.GetPlan(ctx, platform.PlanID(given[0]))
			})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			a.showPlan(p)
			return nil
		},
	}
}

func (a *app) planProposeCommand() *cobra.Command {
	var req platform.ProposeRequest
	var memory string
	cmd := &cobra.Command{
		Use: "propose <action> <service>", Short: "Propose an action; another person approves it", Args: args("<action>", "<service>"),
		Long: "Freezes an action into a plan that waits for another person: rollback, restart, scale, set_env or revert_commit. For what policy\n" +
			"does not let one person do alone.",
		Example: "  fairlead plans propose scale api --replicas 4 --reason \"the queue grows\"\n  fairlead plans propose set_env api --key LOG_LEVEL --value debug --reason \"to see more\"",
		RunE: func(cmd *cobra.Command, given []string) error {
			var err error
			if req.Action.MemoryBytes, err = platform.ParseSize("memory", memory); err != nil {
				return err
			}
			req.Action.Kind = platform.ActionKind(given[0])
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Plan, error) {
				ref, err := a.slot(ctx, c, given[1])
				if err != nil {
					return platform.Plan{}, err
				}
				if ref.Environment == "" {
					ref.Environment = platform.ProductionName
				}
				req.Action.Slot = ref.Project + "/" + ref.Environment + "/" + ref.Service
				return c.Propose(ctx, req)
			})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			a.showPlan(p)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Reason, "reason", "", "why, for the person who decides")
	must(cmd.MarkFlagRequired("reason"))
	flags.IntVar(&req.Action.Replicas, "replicas", 0, "scale: how many instances")
	flags.StringVar(&memory, "memory", "0", "scale: how much memory of each, such as 512MiB")
	flags.IntVar(&req.Action.ToRelease, "to", 0, "rollback: number of the release (default: the one before)")
	flags.StringVar(&req.Action.EnvKey, "key", "", "set_env: the variable")
	flags.StringVar(&req.Action.EnvValue, "value", "", "set_env: its value (default: the person who approves gives it)")
	flags.StringVar(&req.Action.Commit, "commit", "", "revert_commit: the full SHA")
	flags.BoolVar(&req.DryRun, "dry-run", false, "show the plan and record nothing")
	return cmd
}

func (a *app) showPlan(p platform.Plan) {
	b := p.Body
	var decisions []string
	for _, d := range p.Approvals {
		word := "approved"
		if !d.Approved {
			word = "rejected"
		}
		line := fmt.Sprintf("%s by %s over %s, %s", word, who(d.Actor), dash(d.Actor.Channel), a.out.ago(d.At))
		if d.Comment != "" {
			line += ": " + oneLine(d.Comment, 100)
		}
		decisions = append(decisions, line)
	}
	a.out.fields("plan", a.out.bold(string(p.ID))+" "+a.out.state(string(p.State)), "what", clean(b.Title), "where", p.Project+"/"+p.Environment+"/"+p.Service,
		"why", clean(b.Reason), "before", clean(strings.Join(b.Before, "\n")), "after", clean(strings.Join(b.After, "\n")), "risk", b.Risk.Title(),
		"reaches", clean(b.BlastRadius), "to undo", clean(b.Reversible), "expects", clean(b.Expectation.Summary), "incident", string(b.IncidentID),
		"asked by", who(b.RequestedBy)+", "+a.out.ago(b.CreatedAt), "needs", clean(b.Approvers()), "decided", strings.Join(decisions, "\n"),
		"policy", b.PolicyVersion, "expires", a.out.when(b.ExpiresAt), "deploy", string(p.DeployID), "outcome", clean(p.Outcome), "hash", p.Hash)
	if p.State == platform.PlanPending {
		a.out.print("\nfairlead approve %s%s\nfairlead reject %s", p.ID, valueFlag(p), p.ID)
	}
}

// valueFlag reminds of the value that the human must give to a set_env plan that was frozen without one.
func valueFlag(p platform.Plan) string {
	if p.NeedsValue() {
		return " --value -"
	}
	return ""
}

func (a *app) approveCommand() *cobra.Command {
	var req platform.DecideRequest
	cmd := &cobra.Command{
		Use: "approve <plan>", Short: "Approve a plan; exactly what it shows is then done", Args: args("<plan>"),
		Long: "Approves a plan as it stands now: its hash goes with the decision, so that what was read is what runs. A plan is decided\n" +
			"once. For a variable whose value a person must give, --value takes it; - reads it from standard input.",
		RunE: func(cmd *cobra.Command, given []string) error {
			req.Approve = true
			return a.decide(cmd.Context(), platform.PlanID(given[0]), req)
		},
	}
	cmd.Flags().StringVar(&req.Comment, "comment", "", "a word for the timeline")
	cmd.Flags().StringVar(&req.EnvValue, "value", "", "value of the variable that the plan sets; - reads standard input")
	cmd.Flags().StringVar(&req.Hash, "hash", "", "the hash of the plan that was read (default: as it stands)")
	return cmd
}

func (a *app) rejectCommand() *cobra.Command {
	var req platform.DecideRequest
	cmd := &cobra.Command{
		Use: "reject <plan>", Short: "Reject a plan", Args: args("<plan>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.decide(cmd.Context(), platform.PlanID(given[0]), req)
		},
	}
	cmd.Flags().StringVar(&req.Comment, "comment", "", "why, for the timeline")
	return cmd
}

func (a *app) decide(ctx context.Context, id platform.PlanID, req platform.DecideRequest) error {
	p, err := call(ctx, a, func(ctx context.Context, c *client.Client) (platform.Plan, error) {
		p, err := c.GetPlan(ctx, id)
		if err != nil {
			return p, err
		}
		if req.EnvValue == "-" {
			if req.EnvValue, err = a.secret(p.Body.Action.EnvKey + ": "); err != nil {
				return p, err
			}
		}
		if req.Approve && req.EnvValue == "" && p.NeedsValue() && p.State == platform.PlanPending {
			return p, platform.Errorf(platform.CodeInvalid, "The plan sets %s, and a person must give its value.", p.Body.Action.EnvKey).
				WithHint("Run `fairlead approve %s --value -` and type it.", id).WithField("value")
		}
		if req.Hash == "" {
			req.Hash = p.Hash
		}
		return c.Decide(ctx, id, req)
	})
	if err != nil || a.json() {
		return a.result(p, err)
	}
	switch p.State {
	case platform.PlanPending:
		a.out.print("Your approval of %s counts; %d of %d are there.", p.ID, len(p.Approvals), p.Body.Approvals)
	case platform.PlanRejected:
		a.out.print("%s is rejected: %s.", p.ID, clean(p.Body.Title))
	default:
		a.out.print("%s %s is approved: %s.", a.out.green("✓"), p.ID, clean(p.Body.Title))
		a.out.print("It is carried out now; `fairlead plans show %s` says how it ended.", p.ID)
	}
	return nil
}

package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) deployCommand() *cobra.Command {
	var req platform.DeployRequest
	var noWait bool
	cmd := &cobra.Command{
		Use: "deploy <service>", Short: "Deploy a pushed commit or a ready image; list, show and cancel deploys",
		Long: "Deploys the head of the default branch, a pushed commit or a ready image, and shows it live: phases, build log, result.\n" +
			"The exit code is 0 when it went live and 9 when it did not; the old release then still serves.",
		Example: "  fairlead deploy api\n  fairlead deploy shop/staging/api --commit 4f2c9a1b\n  fairlead deploy api --image ghcr.io/acme/api:1.2",
		Args:    args("<service>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			d, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.Deploy, error) {
				req.SlotRef = ref
				return c.Deploy(ctx, req)
			})
			if err != nil {
				return err
			}
			return a.after(cmd.Context(), d, noWait)
		},
	}
	cmd.Flags().StringVar(&req.Commit, "commit", "", "a pushed commit: a SHA, its beginning, or a branch")
	cmd.Flags().StringVar(&req.Image, "image", "", "a ready image instead of a commit")
	cmd.MarkFlagsMutuallyExclusive("commit", "image")
	waitFlags(cmd, &noWait)
	cmd.AddCommand(a.deployListCommand(), a.deployShowCommand(), a.deployCancelCommand())
	return cmd
}

func waitFlags(cmd *cobra.Command, noWait *bool) {
	cmd.Flags().Bool("wait", true, "wait until it is live or has failed")
	cmd.Flags().BoolVar(noWait, "no-wait", false, "return at once")
	cmd.MarkFlagsMutuallyExclusive("wait", "no-wait")
	earlier := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, given []string) error {
		if wait, _ := cmd.Flags().GetBool("wait"); !wait {
			*noWait = true
		}
		if earlier != nil {
			return earlier(cmd, given)
		}
		return nil
	}
}

// after shows a deploy that was just asked for: to its end, or only that it is queued.
func (a *app) after(ctx context.Context, d platform.Deploy, noWait bool) error {
	if noWait {
		if a.json() {
			return a.out.json(d)
		}
		a.out.print("Deploy %s of %s is %s.", d.ID, d.Ref(), d.Phase)
		a.out.print("Watch it with `fairlead deploy show %s` or `fairlead logs --deploy %s --follow`.", d.ID, d.ID)
		return nil
	}
	d, err := a.follow(ctx, d)
	if err != nil {
		return err
	}
	if a.json() {
		if err := a.out.json(d); err != nil {
			return err
		}
	} else {
		a.ended(d)
	}
	if d.Phase != platform.PhaseLive {
		return endedError{fmt.Errorf("deploy %s did not go live: it is %s", d.ID, d.Phase)}
	}
	return nil
}

// ended is the last word on a deploy.
func (a *app) ended(d platform.Deploy) {
	if d.Phase == platform.PhaseLive {
		a.out.print("%s release %d of %s is live; %s.", a.out.green("✓"), d.ReleaseNumber, d.Ref(), probes(d.Probes))
		return
	}
	serves := "the old release still serves"
	if d.PreviousRelease == "" {
		serves = "nothing serves there yet"
	}
	a.out.print("%s deploy %s of %s is %s; %s.", a.out.red("✗"), d.ID, d.Ref(), d.Phase, serves)
	if d.Failure != nil {
		a.out.block(clean(d.Failure.Message), 2)
		if d.Failure.Hint != "" {
			a.out.block(clean(d.Failure.Hint), 2)
		}
	}
}

func probes(p platform.ProbeCount) string {
	return fmt.Sprintf("%d of %d probe requests failed", p.Failed, p.Sent)
}

func (a *app) deployListCommand() *cobra.Command {
	var commit string
	limit := 20
	cmd := &cobra.Command{
		Use: "list [service]", Aliases: []string{"ls"}, Short: "List deploys, newest first", Args: args("[service]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Deploy], error) {
				ref, err := a.scope(ctx, c, given)
				if err != nil {
					return platform.List[platform.Deploy]{}, err
				}
				return c.ListDeploys(ctx, platform.DeployFilter{SlotRef: ref, Commit: commit, Page: platform.Page{Limit: limit}})
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, d := range l.Items {
				release := "-"
				if d.ReleaseNumber > 0 {
					release = "v" + strconv.Itoa(d.ReleaseNumber)
				}
				rows = append(rows, []string{
					string(d.ID), d.Ref(), a.out.state(string(d.Phase)), release, dash(platform.ShortSHA(d.Commit)), string(d.Trigger),
					a.out.ago(d.CreatedAt), oneLine(d.Message, 50),
				})
			}
			a.listed(rows, "There is no deploy yet.", "DEPLOY", "SERVICE", "PHASE", "RELEASE", "COMMIT", "TRIGGER", "ASKED", "MESSAGE")
			return nil
		},
	}
	cmd.Flags().StringVar(&commit, "commit", "", "only of this commit")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return cmd
}

func (a *app) deployShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show <deploy>", Short: "Show a deploy", Args: args("<deploy>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			d, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Deploy, error) {
				return c.GetDeploy(ctx, platform.DeployID(given[0]))
			})
			if err != nil || a.json() {
				return a.result(d, err)
			}
			a.showDeploy(d)
			return nil
		},
	}
}

func (a *app) showDeploy(d platform.Deploy) {
	commit := ""
	if d.Commit != "" {
		commit = platform.ShortSHA(d.Commit) + "  " + oneLine(d.Message, 70)
	}
	release, failure, plan := "", "", ""
	if d.ReleaseNumber > 0 {
		release = strconv.Itoa(d.ReleaseNumber)
	}
	if d.Failure != nil {
		failure = fmt.Sprintf("%s while %s: %s", d.Failure.Reason, d.Failure.Phase, clean(d.Failure.Message))
		if d.Failure.Hint != "" {
			failure += "\n" + clean(d.Failure.Hint)
		}
		if d.Failure.InstanceID != "" {
			failure += "\n`fairlead why " + string(d.Failure.InstanceID) + "` tells its story."
		}
	}
	if d.PlanID != "" {
		plan = string(d.PlanID)
	}
	traffic := ""
	if d.Probes.Sent > 0 || d.Phase == platform.PhaseLive {
		traffic = probes(d.Probes)
	}
	a.out.fields("deploy", a.out.bold(string(d.ID)), "service", d.Ref(), "phase", a.out.state(string(d.Phase)), "release", release, "commit", commit,
		"author", clean(d.Author), "image", d.Image, "trigger", string(d.Trigger), "asked by", d.Actor.Principal(), "plan", plan, "failure", failure,
		"traffic", traffic, "asked", a.out.when(d.CreatedAt), "ended", a.out.whenPtr(d.FinishedAt))
}

func (a *app) deployCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel <deploy>", Short: "Cancel a deploy before traffic moves", Args: args("<deploy>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			d, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Deploy, error) {
				return c.CancelDeploy(ctx, platform.DeployID(given[0]))
			})
			if err != nil || a.json() {
				return a.result(d, err)
			}
			a.out.print("Deploy %s of %s will be canceled at its next step.", d.ID, d.Ref())
			return nil
		},
	}
}

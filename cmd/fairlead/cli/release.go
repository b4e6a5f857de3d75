package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) releasesCommand() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "releases <service>", Short: "List a service's releases, newest first", Args: args("<service>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			live := 0
			l, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.List[platform.Release], error) {
				l, err := c.ListReleases(ctx, ref, platform.Page{Limit: limit})
				if err != nil || a.json() {
					return l, err
				}
				s, err := c.GetSlot(ctx, ref)
				live = s.LiveRelease
				return l, err
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, r := range l.Items {
				mark := ""
				if r.Number == live {
					mark = a.out.green("live")
				}
				rows = append(rows, []string{"v" + strconv.Itoa(r.Number), mark, dash(platform.ShortSHA(r.Commit)), oneLine(r.ImageRef, 60), string(r.DeployID), a.out.ago(r.CreatedAt)})
			}
			a.listed(rows, "There is no release yet: push, or run `fairlead deploy`.", "RELEASE", "", "COMMIT", "IMAGE", "DEPLOY", "MADE")
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return cmd
}

func (a *app) rollbackCommand() *cobra.Command {
	var req platform.RollbackRequest
	var noWait bool
	var to string
	cmd := &cobra.Command{
		Use: "rollback <service>", Short: "Bring an older release back", Args: args("<service>"),
		Long:    "Deploys a release that exists, so nothing is built. Without --to it is the one that was live before the live one.",
		Example: "  fairlead rollback api\n  fairlead rollback api --to 11 --reason \"errors on /predict\"",
		RunE: func(cmd *cobra.Command, given []string) error {
			if to != "" {
				n, err := strconv.Atoi(strings.TrimPrefix(to, "v"))
				if err != nil || n < 1 {
					return platform.Errorf(platform.CodeInvalid, "--to cannot be %q.", to).WithHint("Write the number of a release; `fairlead releases %s` lists them.", given[0]).WithField("to")
				}
				req.ToRelease = n
			}
			d, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.Deploy, error) {
				req.SlotRef = ref
				return c.Rollback(ctx, req)
			})
			if err != nil {
				return err
			}
			return a.after(cmd.Context(), d, noWait)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "number of the release to bring back")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the timeline")
	waitFlags(cmd, &noWait)
	return cmd
}

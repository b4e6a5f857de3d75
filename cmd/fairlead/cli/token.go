package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Aliases: []string{"tokens"}, Short: "Make, list and revoke tokens"}
	cmd.AddCommand(a.tokenCreateCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
	return cmd
}

func (a *app) tokenCreateCommand() *cobra.Command {
	var kind, role string
	var projects []string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "create <name>", Short: "Make a token; its secret is shown once", Args: args("<name>"),
		Example: "  fairlead token create fixer --kind agent --role operator --project shop\n  fairlead token create ci --kind automation --ttl 720h",
		RunE: func(cmd *cobra.Command, given []string) error {
			req := platform.CreateTokenRequest{Name: given[0], Kind: platform.ActorKind(kind), Role: platform.Role(role), Projects: projects, TTL: platform.Duration(ttl)}
			if len(projects) == 0 && a.project != "" {
				req.Projects = []string{a.project}
			}
			t, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.CreatedToken, error) {
				return c.CreateToken(ctx, req)
			})
			if err != nil || a.json() {
				return a.result(t, err)
			}
			a.out.fields("token", string(t.ID), "for", string(t.Kind)+":"+t.Name, "role", string(t.Role), "projects", firstOf(strings.Join(t.Projects, ", "), "all"),
				"expires", firstOf(a.out.whenPtr(t.ExpiresAt), "never"), "secret", a.out.bold(t.Secret))
			a.out.print("\nThe secret is shown this once.")
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", string(platform.ActorHuman), "human, automation or agent; agents may propose, never approve")
	cmd.Flags().StringVar(&role, "role", string(platform.RoleOperator), "viewer, operator or admin; or sender, for automation that only sends telemetry")
	cmd.Flags().StringSliceVar(&projects, "only", nil, "only these projects (default all, or --project)")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it is good for (default until revoked)")
	return cmd
}

func (a *app) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tokens; secrets are not kept", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) ([]platform.Token, error) { return c.ListTokens(ctx) })
			if err != nil || a.json() {
				return a.result(platform.List[platform.Token]{Items: all}, err)
			}
			var rows [][]string
			for _, t := range all {
				used, expires := "-", "never"
				if t.LastUsedAt != nil {
					used = a.out.ago(*t.LastUsedAt)
				}
				if t.ExpiresAt != nil {
					expires = a.out.ago(*t.ExpiresAt)
				}
				if t.RevokedAt != nil {
					expires = a.out.red("revoked")
				}
				rows = append(rows, []string{string(t.ID), string(t.Kind) + ":" + t.Name, string(t.Role), firstOf(strings.Join(t.Projects, ","), "all"), used, expires})
			}
			a.listed(rows, "There is no token.", "TOKEN", "FOR", "ROLE", "PROJECTS", "USED", "EXPIRES")
			return nil
		},
	}
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke <token>", Short: "Make a token useless at once", Args: args("<token>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.RevokeToken(cmd.Context(), platform.TokenID(given[0])); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]string{"revoked": given[0]})
			}
			a.out.print("Token %s is revoked.", given[0])
			return nil
		},
	}
}

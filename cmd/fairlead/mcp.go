package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/cmd/fairlead/cli"
	"github.com/fairlead/fairlead/mcp"
	"github.com/fairlead/fairlead/mcp/tools"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func newMCPCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Speak MCP over standard input and output, for a client that starts its servers itself",
		Long: "Bridges one MCP client to the server's API with the token of --token-file, FAIRLEAD_TOKEN or `fairlead login`.\n" +
			"A client that speaks HTTP connects to /mcp on the API address instead.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := cli.ConnectionOf(cmd)
			if err != nil {
				return err
			}
			if o.Token == "" {
				return platform.Errorf(platform.CodeUnauthenticated, "There is no token to speak with.").
					WithHint("Set FAIRLEAD_TOKEN; `fairlead token create <name> --kind agent` makes one.")
			}
			o.Channel, o.Retry = "mcp", true
			return mcp.ServeStdio(cmd.Context(), mcp.Options{
				Version: version, Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
				Client: func(token string) tools.API {
					o.Token = token
					return client.New(o)
				},
			}, o.Token, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

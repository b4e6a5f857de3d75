package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// incidentExportCommand writes an incident with its frozen evidence as a folder of files.
func (a *app) incidentExportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export <incident> <folder>", Short: "Write an incident as a folder that `fairlead diagnose --bundle` explains", Args: args("<incident>", "<folder>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			in, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.IncidentDetail, error) {
				return c.GetIncident(ctx, platform.IncidentID(given[0]))
			})
			if err != nil {
				return err
			}
			written := evidence.Export(in)
			if err := written.Write(a.folder(given[1])); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]any{"incident": in.ID, "folder": given[1], "lines": len(written.Lines), "changes": len(written.Changes), "instances": len(written.Instances), "probes": len(written.Probes)})
			}
			a.out.print("%s is in %s: %d lines, %d changes, %d instances, %d health checks.", in.ID, given[1], len(written.Lines), len(written.Changes), len(written.Instances), len(written.Probes))
			a.out.print("Explain it anywhere with `fairlead diagnose --bundle %s`.", given[1])
			return nil
		},
	}
}

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
			if in.Diagnosis == nil {
				return platform.Errorf(platform.CodeConflict, "%s has no diagnosis yet, so nothing was frozen.", in.ID).WithHint("Wait a second, or ask for one with `fairlead diagnose <incident>`.")
			}
			items, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Evidence], error) {
				return c.ListIncidentEvidence(ctx, in.ID)
			})
			if err != nil {
				return err
			}
			written, err := evidence.Export(in.Incident, items.Items)
			if err != nil {
				return err
			}
			if err := written.Write(a.folder(given[1])); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]any{"incident": in.ID, "folder": given[1], "lines": len(written.Lines), "metrics": len(written.Metrics), "changes": len(written.Changes), "instances": len(written.Instances), "probes": len(written.Probes)})
			}
			a.out.print("%s is in %s: %d lines, %d series, %d changes, %d instances, %d health checks.", in.ID, given[1], len(written.Lines), len(written.Metrics), len(written.Changes), len(written.Instances), len(written.Probes))
			a.out.print("Explain it anywhere with `fairlead diagnose --bundle %s`.", given[1])
			return nil
		},
	}
}

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "The whole installation at one look", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Status, error) { return c.Status(ctx) })
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.status(s)
			return nil
		},
	}
}

func (a *app) status(s platform.Status) {
	a.out.print("Fairlead %s, up %s", s.Version, span(s.Uptime))
	var rows [][]string
	for _, p := range s.Parts {
		mark := a.out.green("ok")
		if !p.OK {
			mark = a.out.red("down")
		}
		rows = append(rows, []string{"  " + p.Name, mark, oneLine(p.Detail, 90)})
	}
	if len(rows) > 0 {
		a.out.table([]string{"  PART", "", ""}, rows)
	}
	if len(s.Stops) > 0 {
		a.out.print("")
		a.stops(s.Stops)
	}
	a.out.print("")
	a.slots(s.Slots)
	if len(s.Incidents) > 0 {
		a.out.print("")
		a.incidents(s.Incidents)
	}
	if len(s.Plans) > 0 {
		a.out.print("")
		a.plans(s.Plans)
	}
}

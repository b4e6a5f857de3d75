package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why <instance>", Short: "Why an instance started and ended", Args: args("<instance>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Why, error) {
				return c.Why(ctx, platform.InstanceID(given[0]))
			})
			if err != nil || a.json() {
				return a.result(w, err)
			}
			a.why(w)
			return nil
		},
	}
}

func (a *app) why(w platform.Why) {
	in := w.Instance
	exit := ""
	if in.ExitCode != nil {
		exit = strconv.Itoa(*in.ExitCode)
		if in.OOMKilled {
			exit += ", killed for memory"
		}
	}
	release := "v" + strconv.Itoa(in.ReleaseNumber)
	if w.Release.Commit != "" {
		release += " of " + platform.ShortSHA(w.Release.Commit)
	}
	a.out.print("%s\n", clean(w.Summary))
	a.out.fields("instance", a.out.bold(string(in.ID))+" "+a.out.state(string(in.State)), "service", in.Project+"/"+in.Environment+"/"+in.Service,
		"release", release, "deploy", string(in.DeployID), "exit code", exit, "reason", clean(in.Reason), "started", a.out.when(in.StartedAt),
		"ready", a.out.whenPtr(in.ReadyAt), "ended", a.out.whenPtr(in.EndedAt))
	if len(w.Events) > 0 {
		a.out.print("")
	}
	p := &eventPrinter{app: a}
	for _, e := range w.Events {
		p.fit(e)
	}
	for _, e := range w.Events {
		p.print(e)
	}
}

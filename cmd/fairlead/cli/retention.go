package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) projectRetentionCommand() *cobra.Command {
	var age, size string
	set := &cobra.Command{
		Use: "set", Short: "Set how long and how many log lines of a project are kept", Args: args(),
		Long: "Sets the project's own limits; one that is left out or 0 is the installation's. They take effect within a minute, and\n" +
			"what is dropped then is gone. Whole UTC days are dropped, oldest first, the newest day never.",
		Example: "  fairlead project retention set --age 7d --size 5GB --project shop",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var limits platform.LogRetention
			var err error
			if limits.Age, err = readAge(age); err != nil {
				return err
			}
			if limits.Bytes, err = platform.ParseSize("size", size); err != nil {
				return err
			}
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Project, error) {
				project, err := a.projectName(ctx, c)
				if err != nil {
					return platform.Project{}, err
				}
				return c.SetRetention(ctx, platform.SetRetentionRequest{Project: project, LogRetention: limits})
			})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			a.out.print("Logs of %s: kept %s; it takes effect within a minute.", a.out.bold(p.Name), keptWords(p.LogRetention, "as the installation says"))
			return nil
		},
	}
	set.Flags().StringVar(&age, "age", "0", "how long, such as 7d or 36h")
	set.Flags().StringVar(&size, "size", "0", "how much on disk, such as 5GB")
	cmd := &cobra.Command{Use: "retention", Short: "Set how long and how many log lines of a project are kept"}
	cmd.AddCommand(set)
	return cmd
}

// readAge reads a duration that may be in days.
func readAge(text string) (platform.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			return platform.Duration(n) * platform.Duration(24*time.Hour), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, platform.Errorf(platform.CodeInvalid, "--age cannot be %q.", platform.Truncate(text, 40)).WithHint("Write for example 7d or 36h.").WithField("age")
	}
	return platform.Duration(d), nil
}

func keptWords(r platform.LogRetention, none string) string {
	var words []string
	if r.Age != 0 {
		words = append(words, "for "+days(r.Age))
	}
	if r.Bytes != 0 {
		words = append(words, "within "+platform.FormatSize(r.Bytes))
	}
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, " and ")
}

// days writes whole days as such.
func days(d platform.Duration) string {
	const day = platform.Duration(24 * time.Hour)
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

package cli

import (
	"path/filepath"

	"github.com/spf13/cobra"

	recorded "github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/triage"
	"github.com/fairlead/fairlead/platform"
)

func (a *app) triageCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "triage", Short: "Say which of recorded alerts need somebody, and why", Args: args(),
		Long: "Reads the alerts of a bundle, a folder of files, and says of each whether it pages or is suppressed, with the reason and\n" +
			"what shows it. Behaviour decides, not the severity. It needs no server; `fairlead alerts inbox` shows live ones.",
		RunE: func(_ *cobra.Command, _ []string) error {
			if dir == "" {
				return platform.Errorf(platform.CodeInvalid, "--bundle is needed.").WithHint("Name a folder with an alerts.ndjson in it.").WithField("bundle")
			}
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(a.Dir, dir)
			}
			b, err := recorded.ReadParts(dir)
			if err != nil {
				return err
			}
			result := triage.Decide(b)
			if a.json() {
				return a.out.json(result)
			}
			a.triaged(result)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "bundle", "", "folder with alerts.ndjson and what was recorded around them")
	return cmd
}

func (a *app) triaged(r triage.Result) {
	var rows [][]string
	pages := 0
	for _, d := range r.Decisions {
		word := a.out.dim(string(d.Verdict))
		if d.Verdict == triage.Page {
			word = a.out.red(string(d.Verdict))
			pages++
		}
		rows = append(rows, []string{clean(d.Alert), word, string(d.Kind), firstOf(clean(d.DuplicateOf), "-"), oneLine(d.Reason, 110)})
	}
	a.listed(rows, "The bundle holds no alerts.", "ALERT", "DECISION", "KIND", "SAME AS", "REASON")
	if len(rows) > 0 {
		a.out.print("\n%d of %d page.", pages, len(rows))
	}
	for _, b := range r.Burns {
		a.out.print("%s", a.out.yellow("No alert tells of "+clean(b.Service)+": "+oneLine(b.Reason, 140)))
	}
	for _, gap := range r.Gaps {
		a.out.print("%s", a.out.dim("gap: "+oneLine(gap, 140)))
	}
}

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) diagnoseCommand() *cobra.Command {
	var again bool
	var folder string
	cmd := &cobra.Command{
		Use: "diagnose [incident|service]", Short: "Explain what broke: cause, evidence, what to do",
		Args: func(cmd *cobra.Command, given []string) error {
			if folder != "" {
				return nil // diagnoseBundle says what is wrong with both
			}
			return args("<incident|service>")(cmd, given)
		},
		Long: "Shows the diagnosis of an incident, or of the newest open incident of a service, and waits for it where it is still being\n" +
			"made. Every claim cites evidence by number (E1, E2); `fairlead incidents show` prints the evidence in full.\n\n" +
			"With --bundle it explains an incident from a folder of files, with no server: agent/eval/README.md describes them, and\n" +
			"`fairlead incidents export` writes them.",
		RunE: func(cmd *cobra.Command, given []string) error {
			if folder != "" {
				return a.diagnoseBundle(folder, given)
			}
			in, err := a.diagnosed(cmd.Context(), given[0], again)
			if err != nil || a.json() {
				return a.result(in, err)
			}
			a.incidentHead(in)
			a.out.print("")
			a.diagnosis(in)
			return nil
		},
	}
	cmd.Flags().StringVar(&folder, "bundle", "", "explain the incident in this folder of files instead; needs no server")
	cmd.Flags().BoolVar(&again, "again", false, "ask for a fresh diagnosis first")
	return cmd
}

// diagnosed finds the incident and waits for its diagnosis.
func (a *app) diagnosed(ctx context.Context, target string, again bool) (platform.IncidentDetail, error) {
	c, err := a.client()
	if err != nil {
		return platform.IncidentDetail{}, err
	}
	id, err := a.incidentOf(ctx, c, target)
	if err != nil {
		return platform.IncidentDetail{}, err
	}
	in, err := c.GetIncident(ctx, id)
	if err != nil {
		return in, err
	}
	before := platform.DiagnosisID("")
	if again {
		if in.Diagnosis != nil {
			before = in.Diagnosis.ID
		}
		if _, err := c.Diagnose(ctx, id); err != nil {
			return in, err
		}
	}
	giveUp := a.Now().Add(30 * pollEvery)
	for in.Diagnosis == nil || in.Diagnosis.ID == before {
		if a.Now().After(giveUp) {
			return in, platform.Errorf(platform.CodeUnavailable, "The diagnosis of %s is not there yet.", id).WithHint("Ask again in a moment.")
		}
		if err := pause(ctx, pollEvery); err != nil {
			return in, err
		}
		if in, err = c.GetIncident(ctx, id); err != nil {
			return in, err
		}
	}
	return in, nil
}

// incidentOf reads the id of an incident, or finds the newest open one of a service.
func (a *app) incidentOf(ctx context.Context, c *client.Client, target string) (platform.IncidentID, error) {
	if platform.HasPrefix(target, platform.PrefixIncident) {
		return platform.IncidentID(target), nil
	}
	ref, err := a.slot(ctx, c, target)
	if err != nil {
		return "", err
	}
	l, err := c.ListIncidents(ctx, platform.IncidentFilter{SlotRef: ref, State: platform.IncidentOpen, Page: platform.Page{Limit: 1}})
	if err != nil {
		return "", err
	}
	if len(l.Items) == 0 {
		return "", platform.Errorf(platform.CodeNotFound, "%s has no open incident.", target).WithHint("`fairlead incidents list --all` shows those that were.")
	}
	return l.Items[0].ID, nil
}

// diagnosis writes the verdict, the best cause with its place and cited claims, lesser causes, what was ruled out, what
// could not be read, and the proposals.
func (a *app) diagnosis(in platform.IncidentDetail) {
	d := in.Diagnosis
	if d == nil {
		a.out.print("It has not been diagnosed yet.")
		return
	}
	numbers := map[platform.EvidenceID]string{}
	for _, e := range in.Evidence {
		numbers[e.ID] = fmt.Sprintf("E%d", e.Number)
	}
	a.out.print("%s", a.out.bold(verdictWords(d)))
	a.out.paragraph("  ", d.Summary, "")
	for i, c := range d.Causes {
		if i > 0 {
			a.out.print("\n%s %s", a.out.bold("Less likely: "+lowerFirst(c.Category.Title())), a.out.dim(fmt.Sprintf("(score %.2f)", c.Score)))
		}
		if i > 0 || c.Summary != d.Summary {
			a.out.paragraph("  ", c.Summary, "")
		}
		a.cause(c, numbers)
	}
	a.ruledOut(d.RuledOut, numbers)
	if len(d.Gaps) > 0 {
		a.out.print("\n%s", a.out.bold("Not known"))
	}
	for _, g := range d.Gaps {
		a.out.paragraph("  - ", g, "")
	}
	a.proposals(proposedOrder(in))
	by := fmt.Sprintf("by %s in %s", d.Engine, time.Duration(d.Took).Round(time.Millisecond))
	if !d.At.IsZero() { // of a bundle it is now
		by += ", " + a.out.ago(d.At)
	}
	a.out.print("\n%s", a.out.dim(by))
}

func verdictWords(d *platform.Diagnosis) string {
	if d.Verdict == platform.VerdictCause {
		return fmt.Sprintf("%s (%.0f%% sure)", d.Title(), 100*d.Confidence)
	}
	return d.Title()
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// cause writes where it is, what changed there, and why it is believed.
func (a *app) cause(c platform.Cause, numbers map[platform.EvidenceID]string) {
	a.out.print("")
	a.change(c.Change)
	if c.Variable != "" {
		a.out.print("  variable %s", a.out.yellow(clean(c.Variable)))
	}
	if c.Location != nil {
		at := clean(c.Location.File)
		if c.Location.Line > 0 {
			at += fmt.Sprintf(":%d", c.Location.Line)
		}
		a.out.print("  at %s", a.out.yellow(at))
		if c.Location.Hunk != "" {
			a.hunk(c.Location.Hunk)
		}
	}
	if len(c.Claims) > 0 {
		a.out.print("\n%s", a.out.bold("Because"))
	}
	for _, claim := range c.Claims {
		a.out.paragraph("  - ", claim.Text, a.cited(claim.Evidence, numbers))
		if claim.Quote != "" {
			a.out.block("> "+strings.ReplaceAll(clean(claim.Quote), "\n", "\n> "), 6)
		}
	}
}

func (a *app) change(c *platform.Change) {
	switch {
	case c == nil:
	case c.Kind == platform.ChangeCommit:
		subject, _, _ := strings.Cut(c.Message, "\n")
		a.out.print("  commit %s %s%s", a.out.yellow(platform.ShortSHA(c.ID)), oneLine(subject, 70), by(c.Author))
	default:
		a.out.print("  change %s", firstOf(strings.TrimRight(oneLine(c.Message, 100), "."), c.ID))
	}
}

func (a *app) ruledOut(all []platform.RuledOut, numbers map[platform.EvidenceID]string) {
	if len(all) > 0 {
		a.out.print("\n%s", a.out.bold("Ruled out"))
	}
	for _, r := range all {
		a.out.paragraph("  - ", r.Hypothesis+": "+r.Why, a.cited(r.Evidence, numbers))
	}
}

// proposedOrder puts the plans that the diagnosis suggests in its order, the preferred one first, and others after them.
func proposedOrder(in platform.IncidentDetail) []platform.Plan {
	place := func(p platform.Plan) int {
		i := slices.IndexFunc(in.Diagnosis.Suggestions, func(s platform.Suggestion) bool { return s.Action.Kind == p.Body.Action.Kind })
		if i < 0 {
			return len(in.Diagnosis.Suggestions)
		}
		return i
	}
	plans := slices.Clone(in.Plans)
	slices.SortStableFunc(plans, func(x, y platform.Plan) int { return place(x) - place(y) })
	return plans
}

func by(author string) string {
	if author == "" {
		return ""
	}
	name, _, _ := strings.Cut(clean(author), " <")
	return ", by " + name
}

func (a *app) hunk(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(clean(text), " \n"), "\n") {
		switch {
		case strings.HasPrefix(line, "+"):
			line = a.out.green(line)
		case strings.HasPrefix(line, "-"):
			line = a.out.red(line)
		}
		a.out.block(line, 6)
	}
}

func (a *app) cited(ids []platform.EvidenceID, numbers map[platform.EvidenceID]string) string {
	if len(ids) == 0 {
		return ""
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = firstOf(numbers[id], string(id))
	}
	return a.out.cyan("[" + strings.Join(names, ", ") + "]")
}

func (a *app) proposals(plans []platform.Plan) {
	if len(plans) == 0 {
		return
	}
	a.out.print("\n%s", a.out.bold("Proposed, for a human to approve"))
	for _, p := range plans {
		a.out.print("  %s %s (%s, %s)", a.out.bold(string(p.ID)), clean(p.Body.Title), p.Body.Risk, a.out.state(string(p.State)))
		a.out.paragraph("    ", p.Body.Reason, "")
		if p.State == platform.PlanPending {
			a.out.print("    fairlead approve %s%s", p.ID, valueFlag(p))
		}
	}
}

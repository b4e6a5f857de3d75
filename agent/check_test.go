package agent_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

func TestCheck_RefusesWhatTheEvidenceDoesNotCarry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*platform.Diagnosis, *evidence.Bundle)
		says  string
	}{
		"a claim with an unknown id": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Claims[0].Evidence[0] = "ev_other" }, "ev_other"},
		"a claim that cites nothing": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Claims[0].Evidence = nil }, "cites nothing"},
		"a quote that nobody wrote":  {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Claims[0].Quote = "MemoryError" }, "does not stand"},
		"a quote of another item": {func(d *platform.Diagnosis, b *evidence.Bundle) {
			d.Causes[0].Claims[0].Evidence = []platform.EvidenceID{b.Items[0].ID, d.Causes[0].Claims[0].Evidence[0]}
		}, "does not stand"},
		"a cause with no claim": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Claims = nil }, "no claim"},
		"what is ruled out by unknown ids": {func(d *platform.Diagnosis, _ *evidence.Bundle) {
			d.RuledOut[0].Evidence = []platform.EvidenceID{"ev_x"}
		}, "ev_x"},
		"a list with an unknown id":     {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Evidence = append(d.Evidence, "ev_y") }, "ev_y"},
		"an item that was changed":      {func(_ *platform.Diagnosis, b *evidence.Bundle) { b.Items[0].Excerpt += " more" }, "its own hash"},
		"a cause without a verdict":     {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Verdict = platform.VerdictNone }, "causes are given"},
		"a verdict without a cause":     {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes = nil }, "none is given"},
		"an unknown verdict":            {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Verdict = "certain" }, "not a verdict"},
		"another category":              {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Category = platform.CategoryOOMKilled }, "category"},
		"a rank that is skipped":        {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Rank = 2 }, "rank"},
		"a score above one":             {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Causes[0].Score = 1.5 }, "score"},
		"a confidence above one":        {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Confidence = 2 }, "confidence"},
		"an action that does not exist": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Suggestions[0].Action.Kind = "shell" }, "not an action"},
		"another service's slot": {func(d *platform.Diagnosis, _ *evidence.Bundle) {
			d.Suggestions[0].Action.Slot = "shop/production/billing"
		}, "incident's slot"},
		"another project's slot": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Suggestions[0].Action.Slot = "bank/production/api" }, "incident's slot"},
		"a release nobody knows to be well": {func(d *platform.Diagnosis, _ *evidence.Bundle) {
			d.Suggestions[0].Action = platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api", ToRelease: 2}
		}, "last healthy release"},
		"a commit that did not come with it": {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Suggestions[1].Action.Commit = sha("base") }, "not among those"},
		"a value for a variable":             {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Suggestions[0].Action.EnvValue = "x" }, "never gives its value"},
		"a variable without a name":          {func(d *platform.Diagnosis, _ *evidence.Bundle) { d.Suggestions[0].Action.EnvKey = "" }, "names a variable"},
		"a scale to nothing": {func(d *platform.Diagnosis, _ *evidence.Bundle) {
			d.Suggestions[0].Action = platform.Action{Kind: platform.ActionScale, Slot: "shop/production/api"}
		}, "neither replicas nor memory"},
		"a suggestion that cites unknown ids": {func(d *platform.Diagnosis, _ *evidence.Bundle) {
			d.Suggestions[0].Evidence = []platform.EvidenceID{"ev_z"}
		}, "ev_z"},
	} {
		b := missingVariable().gather(t, evidence.Options{})
		d := explain(t, b)
		require.Len(t, d.Suggestions, 2)
		b.Items = slices.Clone(b.Items)
		c.spoil(&d, &b)
		err := agent.Check(d, b)
		require.Error(t, err, name)
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), name)
		require.Contains(t, err.Error(), c.says, name)
	}
}

func TestExplain_WithdrawsWhatDoesNotHoldAgainstItsOwnEvidence(t *testing.T) {
	t.Parallel()
	b := missingVariable().gather(t, evidence.Options{})
	for i := range b.Facts.Lines { // facts that say other than the items they cite
		b.Facts.Lines[i].Text = "Environment variable SECRET_SAUCE is not set"
	}
	d := agent.Explain(b)
	require.Equal(t, platform.VerdictNone, d.Verdict)
	require.Empty(t, d.Suggestions)
	require.Contains(t, d.Gaps[len(d.Gaps)-1], "was withdrawn")
	require.NoError(t, agent.Check(d, b))
}

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// TestAlert_RuleOfTheBlueprintOpensAnIncidentByItself counts real lines of a real container and measures real requests.
func TestAlert_RuleOfTheBlueprintOpensAnIncidentByItself(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "128Mi", "    alerts:\n"+
		"      - {name: many-predictions, logs: {text: predict, window: 30s, count: 20}, for: 0s, summary: more predictions than agreed}\n"+
		"      - {name: busy, expr: 'sum(rate(fairlead_requests_total[1m])) > 1', for: 0s, severity: critical}\n")
	stop := b.ask()
	defer stop()
	opened := map[string]platform.Incident{}
	require.Eventually(t, func() bool {
		list, err := b.rig.client.ListIncidents(t.Context(), platform.IncidentFilter{SlotRef: b.ref()})
		for _, in := range list.Items {
			if err == nil && in.Signal == platform.SignalAlert {
				opened[in.Rule] = in
			}
		}
		return len(opened) == 2
	}, 2*patience, patience/100)
	require.Contains(t, opened["many-predictions"].Title, "api: more predictions than agreed (")
	require.Equal(t, platform.SeverityCritical, opened["busy"].Severity)

	code, out, errOut := b.rig.fairlead(t, b.repo.dir, b.rig.admin, "alerts", "--project", b.name)
	require.Zero(t, code, errOut)
	require.Equal(t, 2, strings.Count(out, "firing"), out)
	code, out, errOut = b.rig.fairlead(t, b.repo.dir, b.rig.admin, "alerts", "silence", "api", "--project", b.name, "--rule", "busy", "--reason", "a load test")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "the rule busy of "+b.name)
	b.shown(platform.IncidentDetail{Incident: opened["busy"]})
}

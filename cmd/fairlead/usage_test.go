package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// TestUsage_OfARealServiceIsMeasuredPricedAndBudgeted asks a real container for answers until its use shows.
func TestUsage_OfARealServiceIsMeasuredPricedAndBudgeted(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "128Mi")
	stop := b.ask()
	defer stop()
	b.sampled()
	require.NoError(t, os.WriteFile(b.rig.config.state.path("prices.yaml"), []byte("currency: EUR\nprices: {cpu_hour: 100, memory_gb_hour: 100, million_requests: 100}\n"), 0o600))
	var report platform.UsageReport
	require.Eventually(t, func() bool {
		var err error
		report, err = b.rig.client.GetUsage(t.Context(), platform.UsageRequest{Project: b.name})
		u := report.Total
		return err == nil && u.CPUSeconds > 0 && u.MemoryGBHours > 0 && u.EgressBytes > 0 && u.Requests > 20 && u.Cost != nil && *u.Cost > 0
	}, 2*patience, patience/100)
	require.Len(t, report.Rows, 1)
	require.Equal(t, "api", report.Rows[0].Service)
	require.Positive(t, report.Total.BuildMinutes)
	require.Positive(t, report.Total.MeasuredSeconds)

	code, out, errOut := b.rig.fairlead(t, b.repo.dir, b.rig.admin, "usage", "budget", "set", "0.000001", "--project", b.name)
	require.Zero(t, code, out+errOut)
	code, out, errOut = b.rig.fairlead(t, b.repo.dir, b.rig.admin, "usage", "--project", b.name)
	require.Zero(t, code, errOut)
	t.Log("\n" + out)
	require.Contains(t, out, b.name+"/production/api")
	require.Contains(t, out, "COST EUR")
	require.Contains(t, out, "Budget of "+b.name)

	code, out, errOut = b.rig.fairlead(t, b.repo.dir, b.rig.admin, "project", "retention", "set", "--age", "7d", "--size", "5GB", "--project", b.name)
	require.Zero(t, code, out+errOut)
	require.Eventually(t, func() bool {
		p, err := b.rig.client.GetProject(t.Context(), b.name)
		return err == nil && p.Logs != nil && p.Logs.Stored > 0 && p.Logs.Bytes == 5_000_000_000
	}, patience, patience/100)
}

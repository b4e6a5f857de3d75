package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

func TestFigures_CountWhatWasRecorded(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	slot := b.slot()
	for i, in := range []platform.Instance{
		{ID: "ins_a", State: platform.InstanceReady},
		{ID: "ins_b", State: platform.InstanceDead},
		{ID: "ins_c", State: platform.InstanceDead, OOMKilled: true},
		{ID: "ins_d", State: platform.InstanceStopped},
	} {
		in.ProjectID, in.SlotID, in.Ordinal = slot.ProjectID, slot.ID, i
		require.NoError(t, b.store.InTx(ctx, func(tx *store.Tx) error { return tx.PutInstance(ctx, in) }))
	}
	_, err := b.Report(ctx, platform.Finding{SlotID: slot.ID, Signal: platform.SignalOOM, ReleaseID: slot.LiveReleaseID, Title: "out of memory"})
	require.NoError(t, err)
	for _, d := range b.push(3).Deploys {
		if d.Service == "api" {
			b.fail(d, platform.FailureBuild)
		}
	}

	found, err := b.store.Figures(ctx)
	require.NoError(t, err)
	require.Len(t, found.Slots, 2)
	got := found.Slots[0]
	require.Equal(t, "shop/production/api", got.Project+"/"+got.Environment+"/"+got.Service)
	require.Equal(t, 1, got.Replicas)
	require.Equal(t, map[platform.InstanceState]int{platform.InstanceReady: 1}, got.Instances)
	require.Equal(t, []platform.InstanceFigure{{ID: "ins_a", Ready: true}}, got.Running)
	require.Equal(t, 2, got.Deaths)
	require.Equal(t, 1, got.OOMKills)
	require.Equal(t, map[platform.Phase]int{platform.PhaseLive: 2, platform.PhaseFailed: 1}, got.Deploys)
	require.Equal(t, map[platform.Signal]int{platform.SignalOOM: 1, "build_failed": 1}, got.Incidents)
	require.Equal(t, 1, got.OpenIncidents[platform.SignalOOM])
	for name, d := range map[string]platform.DurationFigure{"deploy": got.DeployTook, "build": got.BuildTook} {
		require.Equal(t, 2, d.Buckets[0], "two %ss took less than a second", name)
		require.Len(t, d.Buckets, len(platform.FigureBounds)+1)
		require.Positive(t, d.Sum)
		require.Less(t, d.Sum, time.Second)
	}
	kinds := map[string]int{}
	for _, q := range found.Queue {
		kinds[q.Kind] += q.Jobs
		require.Less(t, q.Oldest, time.Minute)
	}
	require.Positive(t, kinds["advance_deploy"])
	require.Positive(t, kinds["diagnose_incident"])
}

package worker

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// turningPlane holds one slot whose deploy becomes live after the first thing that is read.
type turningPlane struct {
	plane
	read bool
}

func (p *turningPlane) turn() (live bool) {
	live, p.read = p.read, true
	return live
}

func (p *turningPlane) OpenDeploys(context.Context) ([]platform.Deploy, error) {
	if p.turn() {
		return nil, nil
	}
	return []platform.Deploy{{ID: "dep_2", SlotID: "slot_1", Phase: platform.PhaseDraining}}, nil
}

func (p *turningPlane) ListWorkSlots(context.Context) ([]platform.Slot, error) {
	slot := platform.Slot{ID: "slot_1", Hosts: []string{host}, LiveReleaseID: "rel_1"}
	if p.turn() {
		slot.LiveReleaseID = "rel_2"
	}
	return []platform.Slot{slot}, nil
}

func TestRoutes_DeployThatBecomesLiveWhileTheTableIsMadeKeepsItsTraffic(t *testing.T) {
	t.Parallel()
	engine := runtimetest.NewFake("test")
	t.Cleanup(engine.Shutdown)
	engine.Behave("two", runtimetest.Behaviour{})
	c, err := engine.Start(t.Context(), runtime.Spec{Name: "api", Image: "two", Port: 8000, Labels: map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: "test", runtime.LabelRole: runtime.RoleInstance, runtime.LabelSlot: "slot_1",
		runtime.LabelRelease: "rel_2", runtime.LabelDeploy: "dep_2", runtime.LabelInstance: "ins_2",
	}})
	require.NoError(t, err)
	w := New(Options{Plane: &turningPlane{}, Runtime: engine, Installation: "test"})
	ctx, cancel := context.WithCancel(t.Context())
	defer w.prober.wait()
	defer cancel()
	w.prober.start(ctx)
	w.prober.watch(target{instance: "ins_2", deploy: "dep_2", slot: "slot_1", container: c.ID, address: c.Address, port: 8000, startedAt: c.StartedAt, wasReady: true})
	table, err := w.routes.build(t.Context())
	require.NoError(t, err)
	require.Len(t, table.Routes, 1)
	require.Len(t, table.Routes[0].Targets, 1)
}

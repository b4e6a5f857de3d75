package worker

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

func refusedBehaviour() runtimetest.Behaviour {
	return runtimetest.Behaviour{RefuseStart: "no such device: nvidia0"}
}

// deafBehaviour runs, and listens elsewhere than it should.
func deafBehaviour() runtimetest.Behaviour {
	return runtimetest.Behaviour{
		Listening: []string{"127.0.0.1:5000"},
		AddressOf: func(map[string]string) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			defer listener.Close() // nobody listens here from now on
			return listener.Addr().String()
		},
	}
}

func TestSlot_ScalesUpAndDownWithoutALostRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one", handleFor: 20 * time.Millisecond, loadFor: 100 * time.Millisecond})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	load := r.load()
	for _, n := range []int{3, 1} {
		_, err := r.plane.Scale(t.Context(), ada, platform.ScaleRequest{SlotRef: ref, Replicas: n})
		require.NoError(t, err)
		r.settles(n, 1)
	}
	load.none(t)
}

func TestSlot_ScaledUpWhileItDrainsStartsAnewAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one", handleFor: 400 * time.Millisecond})
	r.blueprint("one", "replicas: 2")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(2, 1)
	load := r.load()
	scale := func(n int) {
		_, err := r.plane.Scale(t.Context(), ada, platform.ScaleRequest{SlotRef: ref, Replicas: n})
		require.NoError(t, err)
	}
	scale(1)
	require.Eventually(t, func() bool {
		rows, err := r.plane.ListInstances(t.Context(), ada, ref, false)
		draining := func(in platform.Instance) bool { return in.State == platform.InstanceDraining }
		return err == nil && slices.ContainsFunc(rows, draining)
	}, patience, time.Millisecond)
	scale(2)
	r.settles(2, 1)
	load.none(t)
}

func TestSlot_RollingRestartReplacesEveryInstanceWithoutALostRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one", handleFor: 20 * time.Millisecond})
	r.blueprint("one", "replicas: 2")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(2, 1)
	before := map[string]bool{}
	for _, c := range r.containers() {
		before[c.ID] = true
	}
	load := r.load()
	_, err := r.plane.Restart(t.Context(), ada, ref, "stuck")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		list := r.containers()
		for _, c := range list {
			if before[c.ID] {
				return false
			}
		}
		return len(list) == 2
	}, patience, 10*time.Millisecond)
	r.settles(2, 1)
	load.none(t)
}

func TestSlot_DeadInstanceIsReplacedAndItsEndRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	old := r.containers()[0]
	r.engine.Kill(old.ID, runtimetest.End{ExitCode: 137, OOM: true})
	require.Eventually(t, func() bool {
		list := r.containers()
		return len(list) == 1 && list[0].ID != old.ID
	}, patience, 10*time.Millisecond)
	r.settles(1, 1)
	rows, err := r.plane.ListInstances(t.Context(), ada, ref, true)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, platform.InstanceDead, rows[0].State)
	require.True(t, rows[0].OOMKilled)
	require.Equal(t, 1, rows[1].Restarts)
	require.Eventually(t, func() bool { status, _ := r.get(); return status == 200 }, patience, 10*time.Millisecond)
}

func TestSlot_StraysAreRemovedAndForeignContainersStay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	slot := r.slot().Slot
	foreign := r.engine.AddForeign("somebody-elses")
	_, err := r.engine.Start(t.Context(), runtime.Spec{
		Name: "fairlead-stray", Image: "one", Labels: map[string]string{
			runtime.LabelManaged: "true", runtime.LabelInstallation: "test", runtime.LabelInstance: "ins_stray",
			runtime.LabelSlot: string(slot.ID), runtime.LabelRelease: "rel_gone", runtime.LabelRole: runtime.RoleInstance,
		},
	})
	require.NoError(t, err)
	r.worker.kickSlot(slot.ID)
	r.settles(1, 1)
	require.True(t, r.engine.Runs(foreign))
}

func TestSlot_RouterThatIsReplacedGetsItsTable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.socketTaken(func() { r.routerURL = "http://" + listener.Addr().String(); r.startRouter(listener) })
	require.Eventually(t, func() bool { status, _ := r.get(); return status == 200 }, patience, 20*time.Millisecond)
}

func TestBackoff_GrowsToAMinute(t *testing.T) {
	t.Parallel()
	want := []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second}
	for n, d := range want {
		require.Equal(t, d, backoff(n))
	}
	require.Equal(t, time.Minute, backoff(50))
}

// crashes are the rules of a test: every death is a finding.
type crashes struct{}

func (crashes) Instances(slot platform.Slot, seen []platform.Instance, now time.Time) []platform.Finding {
	var found []platform.Finding
	for _, in := range seen {
		if in.State == platform.InstanceDead {
			found = append(found, platform.Finding{
				SlotID: slot.ID, Signal: platform.SignalCrashLoop, ReleaseID: in.ReleaseID, Title: "api ended", OnsetAt: *in.EndedAt, SeenAt: now,
			})
		}
	}
	return found
}

func TestSlot_DeathsAreReportedAndDiagnosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(&app{image: "one"})
	r.options.Findings = crashes{}
	asked := make(chan platform.Incident, 10)
	r.options.Investigator = investigations{asked}
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	r.engine.Kill(r.containers()[0].ID, runtimetest.End{ExitCode: 1})
	incident := <-asked
	require.Equal(t, platform.SignalCrashLoop, incident.Signal)
	require.Eventually(t, func() bool {
		detail, err := r.plane.GetIncident(t.Context(), ada, incident.ID)
		return err == nil && detail.Diagnosis != nil && detail.Diagnosis.Summary == "It crashed."
	}, patience, 10*time.Millisecond)
	r.settles(1, 1)
	for range 5 {
		_, err := r.worker.reconcile(t.Context(), incident.SlotID)
		require.NoError(t, err)
	}
	detail, err := r.plane.GetIncident(t.Context(), ada, incident.ID)
	require.NoError(t, err)
	before := detail.Count
	for range 5 {
		_, err := r.worker.reconcile(t.Context(), incident.SlotID)
		require.NoError(t, err)
	}
	detail, err = r.plane.GetIncident(t.Context(), ada, incident.ID)
	require.NoError(t, err)
	require.Equal(t, before, detail.Count, "looking again is not a new finding")
}

type investigations struct{ asked chan platform.Incident }

func (i investigations) Investigate(_ context.Context, incident platform.Incident) ([]platform.Evidence, platform.Diagnosis, error) {
	i.asked <- incident
	return nil, platform.Diagnosis{
		ID: platform.NewID[platform.DiagnosisID](platform.PrefixDiagnosis), IncidentID: incident.ID, Verdict: platform.VerdictNone,
		Category: platform.CategoryNone, Summary: "It crashed.", At: time.Now().UTC(), Engine: "test",
	}, nil
}

package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// withBuilt puts an image on the engine that carries the project's labels, as builds make them.
func (r *rig) withBuilt(ref string) {
	r.engine.Behave(ref, runtimetest.Behaviour{ImageLabels: map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: "test", runtime.LabelProject: "shop",
	}})
}

func (r *rig) belongings() runtime.Belongings {
	r.t.Helper()
	left, err := r.engine.Belongings(r.t.Context(), map[string]string{runtime.LabelProject: "shop"})
	require.NoError(r.t, err)
	return left
}

// running brings the project live with a disk, an image of its own, and a count of repositories removed.
func (r *rig) running(forgotten *atomic.Int64) {
	r.t.Helper()
	r.options.Forget = func(_ context.Context, project string) error {
		require.Equal(r.t, "shop", project)
		forgotten.Add(1)
		return nil
	}
	r.image(&app{image: "one"})
	r.withBuilt("fairlead/shop/api:old")
	r.blueprint("one", "disk: {name: data, mountPath: /data}")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	require.Equal(r.t, runtime.Belongings{
		Networks: []string{"fairlead-shop-production"}, Volumes: []string{"fairlead-shop-production-data"},
		Images: []string{runtimetest.ImageID("fairlead/shop/api:old")},
	}, r.belongings())
}

// recreated waits until a project of that name can be made again.
func (r *rig) recreated() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		_, err := r.plane.CreateProject(r.t.Context(), ada, platform.CreateProjectRequest{
			Blueprint: "project: shop\nservices: [{name: api, type: web, image: one, port: 8000}]\n",
		})
		if err != nil {
			require.Equal(r.t, platform.CodeConflict, platform.CodeOf(err))
			require.ErrorContains(r.t, err, "still being removed")
		}
		return err == nil
	}, patience, 5*time.Millisecond)
}

func TestRemove_DeletedProjectLeavesItsVolumesAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var forgotten atomic.Int64
	r.running(&forgotten)
	foreign := r.engine.AddForeign("somebody-elses")
	require.NoError(t, r.plane.DeleteProject(t.Context(), ada, platform.DeleteProjectRequest{Project: "shop"}))
	r.recreated()
	require.Empty(t, r.containers())
	require.Equal(t, runtime.Belongings{Volumes: []string{"fairlead-shop-production-data"}}, r.belongings())
	require.EqualValues(t, 1, forgotten.Load())
	require.True(t, r.engine.Runs(foreign))
	status, _ := r.get()
	require.NotEqual(t, 200, status)
}

func TestRemove_TakesTheVolumesWhenAskedTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var forgotten atomic.Int64
	r.running(&forgotten)
	require.NoError(t, r.plane.DeleteProject(t.Context(), ada, platform.DeleteProjectRequest{Project: "shop", Volumes: true}))
	r.recreated()
	require.Empty(t, r.containers())
	require.Equal(t, runtime.Belongings{}, r.belongings())
}

func TestRemove_IsFinishedByTheNextWorkerAndThroughAnOutageOfTheEngine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var forgotten atomic.Int64
	r.running(&forgotten)
	r.cancel()
	require.NoError(t, r.plane.DeleteProject(t.Context(), ada, platform.DeleteProjectRequest{Project: "shop"}))
	r.startCrashing("removal/ended")
	require.Zero(t, forgotten.Load())
	r.engine.SetDown(true)
	r.start()
	require.Eventually(t, func() bool { return r.engine.Calls("Belongings") > 1 || r.engine.Calls("List") > 3 }, patience, 5*time.Millisecond)
	r.engine.SetDown(false)
	r.recreated()
	require.Empty(t, r.containers())
	require.Equal(t, runtime.Belongings{Volumes: []string{"fairlead-shop-production-data"}}, r.belongings())
	require.EqualValues(t, 1, forgotten.Load())
}

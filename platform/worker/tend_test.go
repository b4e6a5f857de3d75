package worker

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// TestDeploy_NewInstanceThatDiesWhileTheOldOnesDrainIsReplacedAtOnce holds the drain open with a request that does not
// end, and kills what serves.
func TestDeploy_NewInstanceThatDiesWhileTheOldOnesDrainIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.drain = "120s"
	r.image(&app{image: "one", handleFor: 100 * time.Second})
	r.image(&app{image: "two"})
	r.blueprint("one")
	r.start()
	r.reaches(r.deploy("one").ID, platform.PhaseLive)
	r.settles(1, 1)
	letGo := r.holdRequest()
	d := r.deploy("two")
	r.reaches(d.ID, platform.PhaseDraining)
	killed := r.runningOf(2)
	require.Len(t, killed, 1)
	r.engine.Kill(killed[0].ID, runtimetest.End{ExitCode: 139})
	require.Eventually(t, func() bool {
		list := r.runningOf(2)
		return len(list) == 1 && list[0].ID != killed[0].ID && r.answers("two")
	}, 30*time.Second, 20*time.Millisecond)
	now, err := r.plane.GetDeploy(t.Context(), ada, d.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PhaseDraining, now.Phase)
	require.Len(t, r.runningOf(1), 1, "the old one still holds its request")
	letGo()
	r.reaches(d.ID, platform.PhaseLive)
	r.settles(1, 2)
	rows, err := r.plane.ListInstances(t.Context(), ada, ref, true)
	require.NoError(t, err)
	dead := 0
	for _, row := range rows {
		if row.State == platform.InstanceDead {
			dead++
			require.Equal(t, 139, *row.ExitCode)
		}
	}
	require.Equal(t, 1, dead)
}

// runningOf returns the running containers of a release.
func (r *rig) runningOf(release int) []runtime.Container {
	var list []runtime.Container
	for _, c := range r.containers() {
		if c.Running && c.Labels[runtime.LabelReleaseNo] == string(rune('0'+release)) {
			list = append(list, c)
		}
	}
	return list
}

// holdRequest sends a request that the instance holds until letGo is called.
func (r *rig) holdRequest() (letGo func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := r.ask(ctx); err == nil {
			res.Body.Close()
		}
	}()
	letGo = func() { cancel(); <-ended }
	r.t.Cleanup(letGo)
	require.Eventually(r.t, func() bool {
		s, err := r.options.Router.Snapshot(r.t.Context())
		return err == nil && len(s.Targets) == 1 && s.Targets[0].InFlight == 1
	}, patience, 5*time.Millisecond)
	return letGo
}

// answers reports whether the image answers through the router within a moment.
func (r *rig) answers(image string) bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
	defer cancel()
	res, err := r.ask(ctx)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK && res.Header.Get("X-Image") == image
}

func (r *rig) ask(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.routerURL+"/predict", nil)
	if err != nil {
		return nil, err
	}
	req.Host = r.host
	return http.DefaultClient.Do(req)
}

package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/platform"
)

// asked notes the filter that it is asked with.
type asked struct{ filter observability.SampleFilter }

func (a *asked) Current(f observability.SampleFilter) []observability.Sample {
	a.filter = f
	return []observability.Sample{{Name: "m"}}
}

func TestCurrentSamples_AreOfTheActorsProjectsOnly(t *testing.T) {
	t.Parallel()
	seen := &asked{}
	b := shop(t, func(o *Options) { o.Current = seen })
	ctx := t.Context()
	samples, err := b.CurrentSamples(ctx, ada, "", observability.SampleFilter{Environment: "staging", Projects: []string{"other"}})
	require.NoError(t, err)
	require.Len(t, samples, 1)
	require.Equal(t, observability.SampleFilter{Environment: "staging"}, seen.filter, "what a caller asks of projects is not taken over")

	viewer := person("vera", platform.RoleViewer)
	viewer.Projects = []string{"shop"}
	_, err = b.CurrentSamples(ctx, viewer, "", observability.SampleFilter{})
	require.NoError(t, err)
	require.Equal(t, []string{"shop"}, seen.filter.Projects)
	_, err = b.CurrentSamples(ctx, ada, "shop", observability.SampleFilter{})
	require.NoError(t, err)
	require.Equal(t, []string{"shop"}, seen.filter.Projects)
	viewer.Projects = []string{"other"}
	_, err = b.CurrentSamples(ctx, viewer, "shop", observability.SampleFilter{})
	code(t, platform.CodeNotFound, err)
	_, err = b.CurrentSamples(ctx, platform.Actor{}, "", observability.SampleFilter{})
	code(t, platform.CodeUnauthenticated, err)
}

func TestGetSlot_SaysHowFullItsDiskIs(t *testing.T) {
	t.Parallel()
	newest := exposition.NewLatest()
	b := shop(t, func(o *Options) { o.Current = newest })
	require.Nil(t, b.slot().Disk)
	at := time.Now()
	for service, used := range map[string]float64{"api": 3 << 30, "features": 9 << 30} {
		labels := map[string]string{"project": "shop", "environment": "production", "service": service, "disk": "models"}
		require.NoError(t, newest.Append(t.Context(), []observability.Sample{
			{Name: observability.MetricDiskUsed, Labels: labels, At: at, Value: used},
			{Name: observability.MetricDiskCapacity, Labels: labels, At: at, Value: 20 << 30},
			{Name: observability.MetricDiskFull, Labels: labels, At: at, Value: 41 * 3600},
		}))
	}
	left := platform.Duration(41 * time.Hour)
	require.Equal(t, &platform.DiskUse{Name: "models", UsedBytes: 3 << 30, CapacityBytes: 20 << 30, FullIn: &left}, b.slot().Disk)
}

func TestAuthorizeProfiling_IsForAdminsOfEveryProject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	scoped := person("sam", platform.RoleAdmin)
	scoped.Projects = []string{"shop"}
	for name, c := range map[string]struct {
		actor platform.Actor
		want  platform.ErrorCode
	}{
		"viewer":   {person("v", platform.RoleViewer), platform.CodeDenied},
		"operator": {person("o", platform.RoleOperator), platform.CodeDenied},
		"scoped":   {scoped, platform.CodeDenied},
		"agent":    {platform.Actor{Kind: platform.ActorAgent, Name: "fixer", Owner: "ada", Role: platform.RoleAdmin}, platform.CodeDenied},
		"nobody":   {platform.Actor{}, platform.CodeUnauthenticated},
	} {
		err := b.AuthorizeProfiling(t.Context(), c.actor)
		require.Equal(t, c.want, platform.CodeOf(err), name)
	}
	require.NoError(t, b.AuthorizeProfiling(t.Context(), person("ada", platform.RoleAdmin)))
	require.NoError(t, b.AuthorizeProfiling(t.Context(), platform.Actor{Kind: platform.ActorAutomation, Name: "ci", Owner: "ada", Role: platform.RoleAdmin}))
}

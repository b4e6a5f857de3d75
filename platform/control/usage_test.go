package control

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

const testPrices = `currency: EUR
prices: {cpu_hour: 1, memory_gb_hour: 1, build_minute: 0.5, million_requests: 100}
`

// metered is a bench with a real metric store and prices, and one instance of the api that began to run just now.
type metered struct {
	*bench
	metrics *embedded.Metrics
	begun   time.Time
	id      platform.InstanceID
}

func newMetered(t *testing.T) *metered {
	t.Helper()
	metrics, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metrics.Close()) })
	prices, err := usage.ParsePrices(testPrices)
	require.NoError(t, err)
	b := shop(t, func(o *Options) {
		o.Metrics = metrics
		o.Prices = func() (*usage.Prices, error) { return prices, nil }
	})
	m := &metered{bench: b, metrics: metrics, id: platform.NewID[platform.InstanceID](platform.PrefixInstance)}
	deploy := b.pushLive(1)
	in := b.instance(m.id, deploy, platform.InstanceReady)
	m.begun = b.now().Truncate(time.Second)
	in.StartedAt = m.begun
	require.NoError(t, b.RecordInstance(t.Context(), in, ""))
	return m
}

// run lets time pass in which the instance uses half a CPU and two GB and answers ten requests a second; sampled says
// whether anybody looks.
func (m *metered) run(d time.Duration, sampled bool) {
	m.t.Helper()
	from := m.now()
	m.clock.Advance(d)
	if !sampled {
		return
	}
	labels := map[string]string{"project": "shop", "environment": "production", "service": "api", "release": "1"}
	var samples []observability.Sample
	for at := from.Truncate(5 * time.Second).Add(5 * time.Second); !at.After(m.now()); at = at.Add(5 * time.Second) {
		since := at.Sub(m.begun).Seconds()
		of := map[string]string{"instance": string(m.id)}
		for k, v := range labels {
			of[k] = v
		}
		samples = append(samples,
			observability.Sample{Name: observability.MetricCPU, Labels: of, At: at, Value: since / 2},
			observability.Sample{Name: observability.MetricMemory, Labels: of, At: at, Value: 2e9},
			observability.Sample{Name: observability.MetricNetTx, Labels: of, At: at, Value: since * 1000},
			observability.Sample{Name: observability.MetricRequests, Labels: labels, At: at, Value: since * 10})
	}
	require.NoError(m.t, m.metrics.Append(m.t.Context(), samples))
}

func (m *metered) report(by platform.UsageBy) platform.UsageReport {
	m.t.Helper()
	r, err := m.GetUsage(m.t.Context(), vic, platform.UsageRequest{Project: "shop", From: m.begun.Add(-time.Hour), By: by})
	require.NoError(m.t, err)
	return r
}

func TestUsage_LiveAndWrittenHoursAreTheSameAndOutliveTheSamples(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(150*time.Minute, true)
	seconds := m.now().Sub(m.begun).Seconds()
	live := m.report(platform.UsageByService)
	require.Len(t, live.Rows, 1)
	api := live.Rows[0]
	require.Equal(t, "api", api.Service)
	require.InDelta(t, seconds/2, api.CPUSeconds.Float(), 5)
	require.InDelta(t, seconds/3600*2, api.MemoryGBHours.Float(), 0.01)
	require.InDelta(t, seconds*1000, float64(api.EgressBytes), 6000)
	require.InDelta(t, seconds*10, float64(api.Requests), 200)
	require.InDelta(t, seconds, api.MeasuredSeconds.Float(), 1)
	require.LessOrEqual(t, api.UnmeasuredSeconds.Float(), 1.0)
	require.Equal(t, "EUR", live.Currency)
	require.Equal(t, *live.Total.Cost, *live.Rows[0].Cost)

	until := m.begun.Add(2 * time.Hour)
	ask := platform.UsageRequest{Project: "shop", From: m.begun.Add(-time.Hour), To: until}
	before, err := m.GetUsage(t.Context(), ada, ask)
	require.NoError(t, err)
	m.clock.Advance(2 * time.Hour)
	require.NoError(t, m.RollUpUsage(t.Context()))
	require.NoError(t, m.RollUpUsage(t.Context()), "again changes nothing")
	m.o.Metrics = nil // the samples are gone
	after, err := m.GetUsage(t.Context(), ada, ask)
	require.NoError(t, err)
	require.Equal(t, before.Total, after.Total)
	require.True(t, after.LiveFrom.After(until.Add(-time.Hour)))
	for _, row := range m.report(platform.UsageByDay).Rows {
		require.NotEmpty(t, row.Day)
		require.Empty(t, row.Service)
	}
}

func TestUsage_HourThatIsComputedAgainIsReplaced(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(3*time.Hour, true)
	require.NoError(t, m.RollUpUsage(t.Context()))
	first := m.report("")
	require.NoError(t, m.store.InTx(t.Context(), func(tx *store.Tx) error {
		return tx.PutSetting(t.Context(), usageMark, m.begun.Truncate(time.Hour).Format(time.RFC3339))
	}))
	require.NoError(t, m.RollUpUsage(t.Context()))
	again := m.report("")
	require.InDelta(t, first.Total.CPUSeconds.Float(), again.Total.CPUSeconds.Float(), 1e-3)
	require.Equal(t, first.Total.Requests, again.Total.Requests)
}

func TestUsage_TimeThatNobodyMeasuredIsSaidAndNotBilled(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(30*time.Minute, true)
	m.run(30*time.Minute, false)
	m.run(30*time.Minute, true)
	r := m.report(platform.UsageByService)
	require.InDelta(t, 1800, r.Total.UnmeasuredSeconds.Float(), 15)
	require.InDelta(t, 3600/2, r.Total.CPUSeconds.Float(), 10)
	require.Contains(t, r.Notes[0], "Nothing measured the instances for")

	m.o.Metrics = nil
	r = m.report(platform.UsageByService)
	require.True(t, r.Rows[0].Unknown())
}

func TestUsage_BuildsCountFromTheTimeline(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	for _, d := range m.push(2).Deploys {
		if d.Service != "api" {
			continue
		}
		_, err := m.AdvanceDeploy(t.Context(), d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
		require.NoError(t, err)
		m.clock.Advance(6 * time.Minute)
		require.InDelta(t, 6, m.report("").Rows[0].BuildMinutes.Float(), 0.1, "one that still runs counts up to now")
		_, err = m.AdvanceDeploy(t.Context(), d.ID, platform.PhaseBuilding, DeployUpdate{
			Phase: platform.PhaseFailed, Failure: &platform.DeployFailure{Phase: platform.PhaseBuilding, Reason: platform.FailureBuild, Message: "no"},
		})
		require.NoError(t, err)
	}
	m.clock.Advance(time.Hour)
	require.InDelta(t, 6, m.report("").Rows[0].BuildMinutes.Float(), 0.1)
}

func TestUsage_BadRequestsNameTheField(t *testing.T) {
	t.Parallel()
	b := shop(t)
	now := b.now()
	for field, req := range map[string]platform.UsageRequest{
		"by":      {By: "week"},
		"from":    {From: now.Add(time.Hour)},
		"project": {Project: "shup"},
	} {
		_, err := b.GetUsage(t.Context(), ada, req)
		var e *platform.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
	}
	_, err := b.GetUsage(t.Context(), ada, platform.UsageRequest{From: now.AddDate(-2, 0, 0)})
	code(t, platform.CodeInvalid, err, "longer than a year")
}

func TestUsage_ScopedActorSeesItsOwnProjectsOnly(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(10*time.Minute, true)
	_, err := m.SetBudget(t.Context(), ada, platform.SetBudgetRequest{Project: "shop", Monthly: platform.MicroOne})
	require.NoError(t, err)
	eve := person("eve", platform.RoleAdmin)
	eve.Projects = []string{"other"}
	r, err := m.GetUsage(t.Context(), eve, platform.UsageRequest{From: m.begun.Add(-time.Hour)})
	require.NoError(t, err)
	require.Empty(t, r.Rows)
	require.Empty(t, r.Budgets)
	require.Zero(t, r.Total.CPUSeconds)
}

func (m *metered) reached() []string {
	m.t.Helper()
	list, err := m.ListEvents(m.t.Context(), ada, platform.EventFilter{Kinds: []platform.EventKind{platform.EventBudgetReached}})
	require.NoError(m.t, err)
	var out []string
	for _, e := range list.Items {
		out = append(out, e.Summary)
	}
	return out
}

func TestBudget_EachMarkIsToldOnceAndShown(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.clock.now = usage.Month(m.begun.AddDate(0, 1, 0)).From.Add(12 * time.Hour) // the first day of a month: no forecast yet
	m.begun = m.now()
	budget, err := m.SetBudget(t.Context(), ada, platform.SetBudgetRequest{Project: "shop", Monthly: platform.MicroOf(100)})
	require.NoError(t, err)
	require.NoError(t, m.CheckBudgets(t.Context()))
	require.Empty(t, m.reached())
	m.run(4*time.Minute, true) // 2400 requests are 0.24 EUR, and CPU and memory little more
	_, err = m.SetBudget(t.Context(), ada, platform.SetBudgetRequest{Project: "shop", Monthly: platform.MicroOf(0.45)})
	require.NoError(t, err)
	require.NoError(t, m.CheckBudgets(t.Context()))
	require.NoError(t, m.CheckBudgets(t.Context()))
	told := m.reached()
	require.Len(t, told, 2)
	require.Contains(t, told[0], "shop has spent 50% of its budget of 0.45 EUR for ")
	require.Contains(t, told[1], "shop has spent 80% of its budget")
	r := m.report("")
	require.Len(t, r.Budgets, 1)
	require.Equal(t, []string{"50", "80"}, r.Budgets[0].Told)
	require.Positive(t, r.Budgets[0].Spent)
	require.Nil(t, r.Budgets[0].Forecast)

	_, err = m.SetBudget(t.Context(), ada, platform.SetBudgetRequest{Project: "shop"})
	require.NoError(t, err)
	require.Empty(t, m.report("").Budgets)
	require.NotEqual(t, budget.UpdatedAt, time.Time{})
	_, err = m.SetBudget(t.Context(), ada, platform.SetBudgetRequest{Project: "shop", Monthly: -1})
	code(t, platform.CodeInvalid, err, "below zero")
	_, err = m.SetBudget(t.Context(), bob, platform.SetBudgetRequest{Project: "shop", Monthly: 1})
	code(t, platform.CodeDenied, err)
}

func TestRetention_IsRecordedAndHandedToTheStore(t *testing.T) {
	t.Parallel()
	asked := map[string]platform.LogRetention{}
	b := shop(t, func(o *Options) {
		o.LogsKept = func(project string, own platform.LogRetention) platform.LogsKept {
			asked[project] = own
			return platform.LogsKept{LogRetention: own, Stored: 7}
		}
	})
	week := platform.LogRetention{Age: platform.Duration(7 * 24 * time.Hour), Bytes: 5e9}
	_, err := b.SetRetention(t.Context(), ada, platform.SetRetentionRequest{Project: "shop", LogRetention: week})
	require.NoError(t, err)
	all, err := b.LogRetentions(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]platform.LogRetention{"shop": week}, all)
	detail, err := b.GetProject(t.Context(), vic, "shop")
	require.NoError(t, err)
	require.Equal(t, week, detail.LogRetention)
	require.Equal(t, int64(7), detail.Logs.Stored)
	require.Equal(t, week, asked["shop"])
	require.Contains(t, b.kinds(), platform.EventRetentionSet)

	before := b.kinds()
	for field, r := range map[string]platform.LogRetention{"age": {Age: platform.Duration(time.Hour)}, "bytes": {Bytes: 5}} {
		_, err := b.SetRetention(t.Context(), ada, platform.SetRetentionRequest{Project: "shop", LogRetention: r})
		var e *platform.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, field, e.Field)
	}
	_, err = b.SetRetention(t.Context(), bob, platform.SetRetentionRequest{Project: "shop"})
	code(t, platform.CodeDenied, err)
	require.Equal(t, before, b.kinds())
}

// away is a metric store that does not answer.
type away struct{}

func (away) Query(context.Context, observability.MetricQuery) ([]observability.Series, error) {
	return nil, platform.Errorf(platform.CodeUnavailable, "The metric store is closed.")
}

func TestUsage_HourIsNotWrittenWhileItsSamplesCannotBeRead(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(3*time.Hour, true)
	m.o.Metrics = away{}
	code(t, platform.CodeUnavailable, m.RollUpUsage(t.Context()))
	m.o.Metrics = m.metrics
	require.NoError(t, m.RollUpUsage(t.Context()))
	require.InDelta(t, 3*3600/2, m.report("").Total.CPUSeconds.Float(), 10)
}

func TestUsage_WindowWithTooManySamplesIsMeasuredInPieces(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	m.run(150*time.Minute, true)
	whole := m.report("").Total
	small, err := embedded.OpenMetrics(t.TempDir(), embedded.MetricOptions{MaxSamples: 300})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, small.Close()) })
	at := m.now()
	samples, err := m.metrics.Query(t.Context(), observability.MetricQuery{Expr: `{__name__=~"fairlead_.+"}[4h]`, From: at, To: at})
	require.NoError(t, err)
	var all []observability.Sample
	for _, s := range samples {
		name := s.Labels["__name__"]
		delete(s.Labels, "__name__")
		for _, p := range s.Points {
			all = append(all, observability.Sample{Name: name, Labels: s.Labels, At: p.At, Value: p.Value})
		}
	}
	slices.SortFunc(all, func(a, b observability.Sample) int { return a.At.Compare(b.At) })
	require.NoError(t, small.Append(t.Context(), all))
	m.o.Metrics = small
	pieces := m.report("").Total
	require.InDelta(t, whole.CPUSeconds.Float(), pieces.CPUSeconds.Float(), 0.1)
	require.InDelta(t, float64(whole.Requests), float64(pieces.Requests), 50, "each piece is rounded to whole requests")
	require.Zero(t, pieces.UnmeasuredSeconds)
}

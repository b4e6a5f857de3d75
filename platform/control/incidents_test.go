package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func (b *bench) finding(change ...func(*platform.Finding)) platform.Finding {
	f := platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalErrorRate, ReleaseID: b.slot().LiveReleaseID, Title: "errors Bearer abcdefghijklmnop"}
	for _, c := range change {
		c(&f)
	}
	return f
}

func TestReport_OpensMergesAndResolves(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	first, err := b.Report(ctx, b.finding())
	require.NoError(t, err)
	require.Equal(t, 2, first.ReleaseNumber)
	require.NotContains(t, first.Title, "abcdefghijklmnop")
	before := len(b.kinds())
	for range 5 {
		again, err := b.Report(ctx, b.finding())
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
	}
	require.Len(t, b.kinds(), before, "a symptom that goes on is not told each time")
	other, err := b.Report(ctx, b.finding(func(f *platform.Finding) { f.Signal = platform.SignalOOM }))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, other.ID)
	resolved, err := b.Report(ctx, b.finding(func(f *platform.Finding) { f.Resolved, f.Title = true, "no errors for a minute" }))
	require.NoError(t, err)
	require.Equal(t, first.ID, resolved.ID)
	require.Equal(t, platform.IncidentResolved, resolved.State)
	require.Equal(t, 6, resolved.Count)
	none, err := b.Report(ctx, b.finding(func(f *platform.Finding) { f.Resolved = true }))
	require.NoError(t, err)
	require.Empty(t, none.ID, "nothing was open")
	fresh, err := b.Report(ctx, b.finding())
	require.NoError(t, err)
	require.NotEqual(t, first.ID, fresh.ID)
	_, err = b.Report(ctx, b.finding(func(f *platform.Finding) { f.Signal = "odd" }))
	code(t, platform.CodeInvalid, err)
}

func TestRecordDiagnosis_FreezesPlansOnceAndLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	i, err := b.Report(ctx, b.finding())
	require.NoError(t, err)
	evidence := []platform.Evidence{{ID: "ev_1", Number: 1, Kind: platform.EvidenceLogs, Title: "lines", Excerpt: "bad \x00 \xff"}}
	d := platform.Diagnosis{
		ID: "diag_1", IncidentID: i.ID, Verdict: platform.VerdictCause, Category: platform.CategoryCodeError, Summary: "v2 errs", Evidence: []platform.EvidenceID{"ev_1"},
		Suggestions: []platform.Suggestion{
			{Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api"}, Reason: "v1 was well", Evidence: []platform.EvidenceID{"ev_1"}},
			{Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api", ToRelease: 9}, Reason: "no such release"},
		},
	}
	plans, err := b.RecordDiagnosis(ctx, evidence, d)
	require.NoError(t, err)
	require.Len(t, plans, 1)
	require.Equal(t, "agent:diagnosis", plans[0].Body.RequestedBy.Principal())
	again, err := b.RecordDiagnosis(ctx, evidence, d)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, plans[0].ID, again[0].ID)
	d.ID, d.Evidence = "diag_2", []platform.EvidenceID{"ev_2"}
	plans2, err := b.RecordDiagnosis(ctx, []platform.Evidence{{ID: "ev_2", Number: 1, Excerpt: "more"}}, d)
	require.NoError(t, err)
	require.Equal(t, plans[0].ID, plans2[0].ID, "the same proposal still waits")
	detail, err := b.GetIncident(ctx, fixer, i.ID)
	require.NoError(t, err)
	require.EqualValues(t, "diag_2", detail.Diagnosis.ID)
	require.Len(t, detail.Evidence, 1)
	require.EqualValues(t, "ev_2", detail.Evidence[0].ID)
	require.Len(t, detail.Plans, 1)
	require.NotEmpty(t, detail.Events)
}

func TestListIncidentEvidence_HasTheFactsThatAnIncidentDoesNotShow(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	i, err := b.Report(t.Context(), b.finding())
	require.NoError(t, err)
	before, err := b.ListIncidentEvidence(t.Context(), vic, i.ID)
	require.NoError(t, err)
	require.Empty(t, before.Items, "nothing was frozen yet")
	items := []platform.Evidence{
		{ID: "ev_0", Number: 1, Excerpt: "of the diagnosis before"},
		{ID: "ev_1", Number: 1, Kind: platform.EvidenceLogs, Excerpt: "line"},
		{ID: "ev_2", Number: 2, Kind: platform.EvidenceFacts, Excerpt: `{"Lines":[]}`},
	}
	_, err = b.RecordDiagnosis(t.Context(), items, platform.Diagnosis{ID: "diag_1", IncidentID: i.ID, Evidence: []platform.EvidenceID{"ev_1", "ev_2"}})
	require.NoError(t, err)
	detail, err := b.GetIncident(t.Context(), vic, i.ID)
	require.NoError(t, err)
	require.Len(t, detail.Evidence, 1, "facts are for an export")
	all, err := b.ListIncidentEvidence(t.Context(), vic, i.ID)
	require.NoError(t, err)
	require.Len(t, all.Items, 2)
	require.Equal(t, platform.EvidenceFacts, all.Items[1].Kind)
	require.Equal(t, all.Items[1].SHA256, all.Items[1].Seal().SHA256)
	_, err = b.ListIncidentEvidence(t.Context(), vic, "inc_none")
	code(t, platform.CodeNotFound, err)
}

func TestRecordDiagnosis_EvidenceHashHoldsAfterTheRoundTrip(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	i, err := b.Report(t.Context(), b.finding())
	require.NoError(t, err)
	e := platform.Evidence{ID: "ev_1", Number: 1, Excerpt: "bad \x00 \xff <line>"}
	_, err = b.RecordDiagnosis(t.Context(), []platform.Evidence{e}, platform.Diagnosis{ID: "diag_1", IncidentID: i.ID, Evidence: []platform.EvidenceID{"ev_1"}})
	require.NoError(t, err)
	detail, err := b.GetIncident(t.Context(), ada, i.ID)
	require.NoError(t, err)
	require.Equal(t, detail.Evidence[0].SHA256, detail.Evidence[0].Seal().SHA256)
}

func TestFinishPlan_FailedLeavesTheIncidentOpen(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	i, err := b.Report(ctx, b.finding())
	require.NoError(t, err)
	plan, err := b.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/api"}, IncidentID: i.ID})
	require.NoError(t, err)
	require.Equal(t, platform.RiskR2, plan.Body.Risk, "the only instance")
	_, err = b.FinishPlan(ctx, plan.ID, true, "too early")
	code(t, platform.CodeConflict, err)
	_, err = b.Decide(ctx, bob, plan.ID, yes())
	require.NoError(t, err)
	plan, err = b.ExecutePlan(ctx, plan.ID, plan.Hash, nil)
	require.NoError(t, err)
	require.NotNil(t, b.slot().RestartedAt)
	plan, err = b.FinishPlan(ctx, plan.ID, false, "Errors go on.")
	require.NoError(t, err)
	require.Equal(t, platform.PlanFailed, plan.State)
	plan, err = b.FinishPlan(ctx, plan.ID, true, "again")
	require.NoError(t, err)
	require.Equal(t, platform.PlanFailed, plan.State, "an end is an end")
	detail, err := b.GetIncident(ctx, ada, i.ID)
	require.NoError(t, err)
	require.Equal(t, platform.IncidentOpen, detail.State)
}

func TestDiagnose_AsksTheWorkerAgain(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	i, err := b.Report(t.Context(), b.finding())
	require.NoError(t, err)
	_, err = b.store.Pool().Exec(t.Context(), "DELETE FROM river_job")
	require.NoError(t, err)
	_, err = b.Diagnose(t.Context(), fixer, i.ID)
	require.NoError(t, err)
	var n int
	require.NoError(t, b.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE kind = 'diagnose_incident'").Scan(&n))
	require.Equal(t, 1, n)
}

func TestReport_SymptomsOfOneTroubleAreOneIncident(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	report := func(change ...func(*platform.Finding)) platform.Incident {
		i, err := b.Report(ctx, b.finding(change...))
		require.NoError(t, err)
		return i
	}
	signal := func(s platform.Signal) func(*platform.Finding) { return func(f *platform.Finding) { f.Signal = s } }
	loop := report(signal(platform.SignalCrashLoop))
	require.Equal(t, loop.ID, report(signal(platform.SignalErrorRate)).ID, "errors of what keeps dying")
	joined := report(signal(platform.SignalHealthLost))
	require.Equal(t, loop.ID, joined.ID)
	require.Equal(t, []string{"error_rate", "health_lost"}, joined.Also)
	require.Len(t, b.events(platform.EventIncidentMerged), 2)
	report(signal(platform.SignalErrorRate))
	require.Len(t, b.events(platform.EventIncidentMerged), 2, "told once each")
	require.Len(t, b.openIncidents(), 1)

	_, err := b.Report(ctx, b.finding(signal(platform.SignalCrashLoop), func(f *platform.Finding) { f.Resolved = true }))
	require.NoError(t, err)
	require.Empty(t, b.openIncidents())
	own := report(signal(platform.SignalErrorRate))
	require.NotEqual(t, loop.ID, own.ID, "what goes on without it is an incident of its own")
	require.NotEqual(t, own.ID, report(signal(platform.SignalOOM)).ID, "a cause is no symptom of its symptom")
}

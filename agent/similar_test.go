package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

// earlier is an incident of the environment that was explained, so long ago.
func earlier(id, service string, ago time.Duration, category platform.Category, quote string) evidence.Explained {
	return evidence.Explained{
		Incident: platform.Incident{
			ID: platform.IncidentID(id), Service: service, Signal: platform.SignalErrorRate, Title: "errors of " + service, State: platform.IncidentResolved,
			OpenedAt: onset.Add(-ago), Resolution: "ada rolled back to release v2.",
		},
		Diagnosis: &platform.Diagnosis{
			Verdict: platform.VerdictCause, Category: category, Summary: "it broke then",
			Causes: []platform.Cause{{Category: category, Service: service, Claims: []platform.Claim{{Text: "it said", Quote: quote}}}},
		},
	}
}

func lastClaim(d platform.Diagnosis) platform.Claim {
	claims := d.Causes[0].Claims
	return claims[len(claims)-1]
}

func TestInvestigate_TheLikeThatWasSeenBeforeIsCited(t *testing.T) {
	t.Parallel()
	plain := errorsOnPredict().investigate(t).Diagnosis
	w := errorsOnPredict()
	w.past = []evidence.Explained{
		earlier("inc_other", "web", time.Hour, platform.CategoryCodeError, "TypeError: fetch failed at line 7"),
		earlier("inc_same", "api", 48*time.Hour, platform.CategoryCodeError, "ZeroDivisionError: division by zero"),
	}
	res := w.investigate(t)
	d := res.Diagnosis
	require.Equal(t, "The like was seen before, in inc_same: ada rolled back to release v2.", lastClaim(d).Text)
	item, ok := find(res, lastClaim(d).Evidence[0])
	require.True(t, ok)
	require.Contains(t, item.Excerpt, "inc_same of api, error_rate: errors of api; explained as code_error: it broke then")
	require.NotContains(t, item.Excerpt, "inc_other")
	require.InDelta(t, plain.Confidence, d.Confidence, 1e-9, "what was once is no proof of what is")
	require.Equal(t, plain.Causes[0].Change, d.Causes[0].Change)
}

func TestInvestigate_AnEarlierIncidentOfAnotherCauseIsFrozenAndNotClaimed(t *testing.T) {
	t.Parallel()
	w := errorsOnPredict()
	w.past = []evidence.Explained{
		earlier("inc_other", "api", time.Hour, platform.CategoryDiskFull, "OSError: [Errno 28] No space left on device"),
		earlier("inc_old", "api", 400*24*time.Hour, platform.CategoryCodeError, "ZeroDivisionError: division by zero"),
		earlier("inc_1", "api", -time.Second, platform.CategoryCodeError, "ZeroDivisionError: division by zero"), // this one
	}
	res := w.investigate(t)
	require.NotContains(t, lastClaim(res.Diagnosis).Text, "seen before")
	frozen := ""
	for _, e := range res.Evidence {
		frozen += e.Excerpt
	}
	require.Contains(t, frozen, "inc_other")
	require.NotContains(t, frozen, "inc_old")
}

func TestInvestigate_EarlierIncidentsThatCannotBeReadAreAGap(t *testing.T) {
	t.Parallel()
	w := errorsOnPredict()
	w.broken["past"] = true
	d := w.investigate(t).Diagnosis
	require.Contains(t, strings.Join(d.Gaps, "\n"), "earlier incidents could not be read")
	require.Equal(t, platform.CategoryCodeError, d.Category)
}

func TestExport_EarlierIncidentsTravelWithTheBundle(t *testing.T) {
	t.Parallel()
	w := errorsOnPredict()
	w.past = []evidence.Explained{earlier("inc_same", "api", time.Hour, platform.CategoryCodeError, "ZeroDivisionError: division by zero")}
	w.past[0].State = platform.IncidentOpen
	res := w.investigate(t)
	d, _, err := agent.ExplainBundle(exported(t, w.incident, res))
	require.NoError(t, err)
	require.Equal(t, lastClaim(res.Diagnosis), lastClaim(d))
	require.Contains(t, lastClaim(d).Text, "still open")
}

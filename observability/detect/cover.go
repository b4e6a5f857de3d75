package detect

import (
	"slices"

	"github.com/fairlead/fairlead/platform"
)

// consequences are the symptoms that a trouble brings by itself: an incident about the first covers findings about the
// others while it is open. A symptom never covers what may be its cause.
var consequences = map[platform.Signal][]platform.Signal{
	platform.SignalOOM:        {platform.SignalHealthLost, platform.SignalErrorRate},
	platform.SignalCrashLoop:  {platform.SignalHealthLost, platform.SignalErrorRate},
	platform.SignalHealthLost: {platform.SignalErrorRate},
}

// ruleConsequences are the same for Fairlead's own alert rules.
var ruleConsequences = map[string][]platform.Signal{
	"error-log-surge":    {platform.SignalOOM, platform.SignalCrashLoop, platform.SignalHealthLost, platform.SignalErrorRate},
	"latency-regression": {platform.SignalOOM, platform.SignalCrashLoop, platform.SignalHealthLost, platform.SignalErrorRate},
	"memory-near-limit":  {platform.SignalOOM},
}

// Covers reports whether an open incident of the same slot is about the trouble that a finding is a symptom of, so that the
// finding is part of it and no incident of its own. A finding about another release or a deploy never is.
func Covers(open platform.Incident, f platform.Finding) bool {
	if open.State != platform.IncidentOpen || open.SlotID != f.SlotID || f.ReleaseID != "" && f.ReleaseID != open.ReleaseID {
		return false
	}
	if f.Signal == platform.SignalAlert {
		return slices.Contains(ruleConsequences[f.Rule], open.Signal)
	}
	return slices.Contains(consequences[open.Signal], f.Signal)
}

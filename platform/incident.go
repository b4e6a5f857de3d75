package platform

import "time"

// Signal is what was seen to be wrong. It is an observation, not a cause.
type Signal string

// The signals that open an incident.
const (
	SignalBuildFailed  Signal = "build_failed"
	SignalDeployFailed Signal = "deploy_failed"
	SignalCrashLoop    Signal = "crash_loop"
	SignalOOM          Signal = "oom"
	SignalHealthLost   Signal = "health_lost"
	SignalErrorRate    Signal = "error_rate"
	SignalAlert        Signal = "alert" // a rule of the service; Incident.Rule names it
)

// Valid reports whether s is one of the signals above.
func (s Signal) Valid() bool {
	switch s {
	case SignalBuildFailed, SignalDeployFailed, SignalCrashLoop, SignalOOM, SignalHealthLost, SignalErrorRate, SignalAlert:
		return true
	}
	return false
}

// IncidentState is open or resolved.
type IncidentState string

// The states of an incident.
const (
	IncidentOpen     IncidentState = "open"
	IncidentResolved IncidentState = "resolved"
)

// Incident is something that broke in a slot. Findings of the same slot, signal, rule and release merge into one, and so do
// those that are only its symptoms.
type Incident struct {
	ID            IncidentID    `json:"id"`
	ProjectID     ProjectID     `json:"project_id"`
	SlotID        SlotID        `json:"slot_id"`
	Project       string        `json:"project"`
	Environment   string        `json:"environment"`
	Service       string        `json:"service"`
	Signal        Signal        `json:"signal"`
	Rule          string        `json:"rule,omitempty"` // name of the alert rule
	Severity      Severity      `json:"severity,omitempty"`
	Title         string        `json:"title"`
	State         IncidentState `json:"state"`
	ReleaseID     ReleaseID     `json:"release_id,omitempty"`
	ReleaseNumber int           `json:"release_number,omitempty"`
	DeployID      DeployID      `json:"deploy_id,omitempty"`
	Count         int           `json:"count"`          // findings merged into it
	Also          []string      `json:"also,omitempty"` // other signals and rules that are symptoms of it
	OnsetAt       time.Time     `json:"onset_at"`       // when the symptom began, as far as the data shows
	OpenedAt      time.Time     `json:"opened_at"`
	LastSeenAt    time.Time     `json:"last_seen_at"`
	ResolvedAt    *time.Time    `json:"resolved_at,omitempty"`
	Resolution    string        `json:"resolution,omitempty"`
	DiagnosisID   DiagnosisID   `json:"diagnosis_id,omitempty"` // newest
}

// Finding is what a detector rule says: open or merge into an incident, or resolve one.
type Finding struct {
	SlotID    SlotID
	Signal    Signal
	Rule      string   // of SignalAlert
	Severity  Severity // of SignalAlert
	ReleaseID ReleaseID
	DeployID  DeployID
	Title     string
	OnsetAt   time.Time
	SeenAt    time.Time
	Resolved  bool // the symptom is gone; Title then says how that was seen
}

package platform

import (
	"strings"
	"time"
)

// InboundSource is what sent an alert.
type InboundSource string

// The sources of alerts from outside.
const (
	InboundAlertmanager InboundSource = "alertmanager"
	InboundGrafana      InboundSource = "grafana"
	InboundGeneric      InboundSource = "generic"
)

// Valid reports whether s is one of the sources above.
func (s InboundSource) Valid() bool {
	return s == InboundAlertmanager || s == InboundGrafana || s == InboundGeneric
}

// InboundState is whether an alert's condition holds, as its source says.
type InboundState string

// The states of an alert from outside.
const (
	InboundFiring   InboundState = "firing"
	InboundResolved InboundState = "resolved"
)

// InboundDecision is what was made of an alert from outside.
type InboundDecision string

// The decisions.
const (
	InboundPage     InboundDecision = "page"     // an incident is open for it, where it names a service
	InboundSuppress InboundDecision = "suppress" // recorded with the reason, and nobody is told
)

// Limits of alerts from outside.
const (
	MaxInboundAlerts = 200 // in one request
	MaxInboundLabels = 64
	MaxInboundText   = 1 << 10             // bytes of a name, label or summary; longer ones are cut
	MaxInboundFiring = 2000                // of one project at a time
	InboundKept      = 30 * 24 * time.Hour // after it was last seen
)

// InboundAlert is an alert from outside as it stands: one for each fingerprint of a source in a project.
type InboundAlert struct {
	ID          InboundID         `json:"id"`
	Project     string            `json:"project"`
	Environment string            `json:"environment"`
	Service     string            `json:"service"` // "" when it names none of the project's
	Source      InboundSource     `json:"source"`
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Severity    string            `json:"severity,omitempty"` // as its source has it; it decides nothing
	Summary     string            `json:"summary,omitempty"`
	Metric      string            `json:"metric,omitempty"`
	Value       *float64          `json:"value,omitempty"`
	Threshold   *float64          `json:"threshold,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Release     string            `json:"release,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	State       InboundState      `json:"state"`
	Decision    InboundDecision   `json:"decision"`
	Kind        string            `json:"kind"` // why, in a word
	Reason      string            `json:"reason"`
	Evidence    []string          `json:"evidence"`
	DuplicateOf string            `json:"duplicate_of,omitempty"`
	IncidentID  IncidentID        `json:"incident_id,omitempty"` // that it opened or merged into
	StartsAt    time.Time         `json:"starts_at"`
	LastSeenAt  time.Time         `json:"last_seen_at"`
	ResolvedAt  *time.Time        `json:"resolved_at,omitempty"`
	Firings     []time.Time       `json:"firings"`          // when it began to fire, within the last hour
	Stayed      Duration          `json:"stayed,omitempty"` // how long it fired the last time
	Count       int               `json:"count"`            // notifications
}

// Rule is the name of the alert as a rule of an incident: a DNS label that begins with its source.
func (a InboundAlert) Rule() string {
	var b strings.Builder
	b.WriteString(string(a.Source))
	dash, last := true, rune(0)
	for _, r := range a.Name {
		upper := r >= 'A' && r <= 'Z'
		switch {
		case upper || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if dash || upper && last >= 'a' && last <= 'z' {
				b.WriteByte('-')
			}
			b.WriteString(strings.ToLower(string(r)))
			dash = false
		default:
			dash = true
		}
		last = r
	}
	rule := b.String()
	return strings.TrimRight(rule[:min(len(rule), MaxNameLength)], "-")
}

// ReceivedAlert is one alert of a notification, brought to one form. Check fills and bounds it.
type ReceivedAlert struct {
	Fingerprint string
	Name        string
	Service     string
	Environment string
	Severity    string
	Summary     string
	Metric      string
	Value       *float64
	Threshold   *float64
	Pattern     string
	Release     string
	Labels      map[string]string
	StartsAt    time.Time
	EndsAt      time.Time
	Resolved    bool
}

// ReceiveAlertsRequest is one notification from outside.
type ReceiveAlertsRequest struct {
	Project     string
	Environment string // of alerts that name none; production when ""
	Service     string // of alerts that name none
	Source      InboundSource
	Alerts      []ReceivedAlert
}

// Check refuses a notification that is not complete or not within the limits.
func (r ReceiveAlertsRequest) Check() error {
	if !r.Source.Valid() {
		return Errorf(CodeInvalid, "%q is no source of alerts.", Truncate(string(r.Source), 40)).WithHint("It is alertmanager, grafana or generic.").WithField("source")
	}
	if len(r.Alerts) == 0 || len(r.Alerts) > MaxInboundAlerts {
		return Errorf(CodeInvalid, "A notification holds 1 to %d alerts, and this one %d.", MaxInboundAlerts, len(r.Alerts)).
			WithHint("Set max_alerts of the webhook, or send several.").WithField("alerts")
	}
	for i, a := range r.Alerts {
		if strings.TrimSpace(a.Name) == "" {
			return Errorf(CodeInvalid, "Alert %d has no name.", i+1).WithHint("Give it the label alertname, or a name in the generic form.").WithField("alerts")
		}
		if len(a.Labels) > MaxInboundLabels {
			return Errorf(CodeInvalid, "Alert %d has %d labels; %d are allowed.", i+1, len(a.Labels), MaxInboundLabels).WithHint("Drop labels at its source.").WithField("alerts")
		}
	}
	return nil
}

// InboundFilter restricts a list of alerts from outside.
type InboundFilter struct {
	SlotRef
	Page
	State    InboundState
	Decision InboundDecision
}

package platform

import "time"

// AlertRule says when a measurement of a service, or a count of its log lines, is an incident. Exactly one of Expr and
// Logs is given. The rules of a service are those of its blueprint and, where it has none of that name, the defaults of
// its kind.
type AlertRule struct {
	Name string `json:"name"` // a DNS label, once per service
	// Expr is PromQL over the series of this service alone; it holds while it yields a value other than 0 and NaN, as in
	// "rate(x[5m]) > 2".
	Expr string    `json:"expr,omitempty"`
	Logs *LogAlert `json:"logs,omitempty"`
	// For is how long the condition must hold before it is an incident, and how long it must be over before that ends.
	For      Duration `json:"for"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary,omitempty"` // what it means, for people; the name when left out
	Default  bool     `json:"default,omitempty"` // Fairlead's own, not written in a blueprint
	Off      bool     `json:"off,omitempty"`     // takes the default of this name away; nothing else is set then
}

// LogAlert counts lines of a service.
type LogAlert struct {
	Level  string   `json:"level,omitempty"` // least: debug, info, warn, error or fatal
	Text   string   `json:"text,omitempty"`  // substring of the message
	Regex  string   `json:"regex,omitempty"` // RE2, over the message
	Window Duration `json:"window"`
	Count  int      `json:"count"` // lines within Window from which on it holds
	// Factor is how many times the usual count of a window must be reached as well, usual being the mean of the twelve
	// windows before; 0 asks for the count alone.
	Factor float64 `json:"factor,omitempty"`
}

// Severity is how soon somebody should look.
type Severity string

// The severities.
const (
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Valid reports whether s is one of the severities above.
func (s Severity) Valid() bool { return s == SeverityWarning || s == SeverityCritical }

// Limits and defaults of alert rules.
const (
	MaxAlertRules  = 50
	MaxAlertExpr   = 4 << 10
	MaxAlertFor    = Duration(24 * time.Hour)
	DefaultFor     = Duration(5 * time.Minute)
	MinLogWindow   = Duration(10 * time.Second)
	MaxLogWindow   = Duration(24 * time.Hour)
	DefaultWindow  = Duration(5 * time.Minute)
	MaxSilence     = Duration(30 * 24 * time.Hour)
	maxReasonBytes = 500
)

// Title is the rule in words.
func (r AlertRule) Title() string {
	if r.Summary != "" {
		return r.Summary
	}
	return r.Name
}

// DefaultAlerts are the rules that every service of a kind has. A blueprint replaces one by naming it.
func DefaultAlerts(kind ServiceKind) []AlertRule {
	rules := []AlertRule{
		{
			Name: "memory-near-limit", Severity: SeverityCritical, For: DefaultFor,
			Expr:    "max(fairlead_instance_memory_bytes / (fairlead_instance_memory_limit_bytes > 0)) > 0.9",
			Summary: "memory is above 90% of its limit",
		},
		{
			Name: "cpu-throttled", Severity: SeverityWarning, For: Duration(10 * time.Minute),
			Expr:    "max(rate(fairlead_instance_cpu_throttled_seconds_total[5m])) > 0.25",
			Summary: "the CPU limit holds the process back for more than a quarter of the time",
		},
		{
			Name: "error-log-surge", Severity: SeverityWarning, For: Duration(time.Minute),
			Logs:    &LogAlert{Level: "error", Window: DefaultWindow, Count: 50, Factor: 10},
			Summary: "ten times as many errors as usual are logged",
		},
		{
			Name: "disk-fills", Severity: SeverityCritical, For: Duration(10 * time.Minute),
			Expr:    "min(fairlead_disk_full_seconds) < 86400",
			Summary: "the disk is full within a day if it goes on as in the last hours",
		},
	}
	if kind == KindWeb {
		rules = append(rules, AlertRule{
			Name: "latency-regression", Severity: SeverityWarning, For: Duration(10 * time.Minute),
			Expr: "histogram_quantile(0.95, sum by (le) (rate(fairlead_request_seconds_bucket[5m]))) > 1 " +
				"and histogram_quantile(0.95, sum by (le) (rate(fairlead_request_seconds_bucket[5m]))) > " +
				"3 * histogram_quantile(0.95, sum by (le) (rate(fairlead_request_seconds_bucket[6h] offset 10m)))",
			Summary: "the slowest twentieth of requests takes more than a second, and three times as long as usual",
		})
	}
	for i := range rules {
		rules[i].Default = true
	}
	return rules
}

// AlertRules returns the rules that hold for a service: the blueprint's, and the defaults that it does not replace.
func (s ServiceSpec) AlertRules() []AlertRule {
	named := make(map[string]bool, len(s.Alerts))
	out := []AlertRule{}
	for _, r := range s.Alerts {
		named[r.Name] = true
		if !r.Off {
			out = append(out, r)
		}
	}
	for _, r := range DefaultAlerts(s.Kind) {
		if !named[r.Name] {
			out = append(out, r)
		}
	}
	return out
}

// Silence keeps findings from opening incidents for a while. Zero fields do not restrict; Project is required.
type Silence struct {
	ID          SilenceID  `json:"id"`
	Project     string     `json:"project"`
	Environment string     `json:"environment,omitempty"`
	Service     string     `json:"service,omitempty"`
	Rule        string     `json:"rule,omitempty"` // an alert rule; "" means every rule and every signal
	Reason      string     `json:"reason"`
	Actor       Actor      `json:"actor"`
	StartsAt    time.Time  `json:"starts_at"`
	EndsAt      time.Time  `json:"ends_at"`
	EndedBy     string     `json:"ended_by,omitempty"` // who ended it before its time
	Kept        int        `json:"kept"`               // findings that it kept quiet
	LastKeptAt  *time.Time `json:"last_kept_at,omitempty"`
}

// Active reports whether the silence holds at that time.
func (s Silence) Active(at time.Time) bool { return !at.Before(s.StartsAt) && at.Before(s.EndsAt) }

// What says in words what the silence is about.
func (s Silence) What() string {
	what := s.Project
	for _, part := range []string{s.Environment, s.Service} {
		if part != "" {
			what += "/" + part
		}
	}
	if s.Rule != "" {
		return "the rule " + s.Rule + " of " + what
	}
	return what
}

// Covers reports whether the silence is about that finding of that slot. What a deploy itself reports is never covered:
// somebody asked for it and waits for the answer.
func (s Silence) Covers(slot Slot, f Finding) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return s.Project == slot.Project && same(s.Environment, slot.Environment) && same(s.Service, slot.Service) && same(s.Rule, f.Rule) &&
		f.Signal != SignalBuildFailed && f.Signal != SignalDeployFailed
}

// CreateSilenceRequest asks for a silence from now on.
type CreateSilenceRequest struct {
	SlotRef
	Rule   string   `json:"rule,omitempty"`
	Reason string   `json:"reason"`
	For    Duration `json:"for"`
}

// Check refuses a request that is not complete or not within the limits.
func (r CreateSilenceRequest) Check() error {
	switch {
	case r.For <= 0 || r.For > MaxSilence:
		return Errorf(CodeInvalid, "A silence lasts more than 0s and at most %s.", MaxSilence).WithHint("Give for, such as 2h.").WithField("for")
	case r.Reason == "" || len(r.Reason) > maxReasonBytes:
		return Errorf(CodeInvalid, "A silence needs a reason of at most %d characters.", maxReasonBytes).
			WithHint("Say why, for those who wonder later.").WithField("reason")
	case r.Rule != "":
		return CheckName("rule", r.Rule)
	}
	return nil
}

// Alert is one rule of a slot and how it stands.
type Alert struct {
	Project     string     `json:"project"`
	Environment string     `json:"environment"`
	Service     string     `json:"service"`
	Rule        AlertRule  `json:"rule"`
	State       AlertState `json:"state"`
	IncidentID  IncidentID `json:"incident_id,omitempty"` // while it fires
	SilencedBy  SilenceID  `json:"silenced_by,omitempty"`
}

// AlertState is how a rule stands.
type AlertState string

// The states of a rule.
const (
	AlertQuiet    AlertState = "quiet"
	AlertFiring   AlertState = "firing"
	AlertSilenced AlertState = "silenced"
)

// RuledSlot is a slot with the rules that hold for it.
type RuledSlot struct {
	Slot  Slot
	Rules []AlertRule
}

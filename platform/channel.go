package platform

import "time"

// Channel is a destination of notifications: the events that pass its filter are sent there, each at least once.
type Channel struct {
	ID      ChannelID   `json:"id"`
	Name    string      `json:"name"`              // a DNS label, once per project
	Project string      `json:"project,omitempty"` // "" means the installation: events of every project and of none
	Kind    ChannelKind `json:"kind"`
	// Exactly one of these is given, by Kind. Who is not an admin sees of a URL its scheme and host only.
	URL          string       `json:"url,omitempty"`
	SlackChannel string       `json:"slack_channel,omitempty"`
	Email        *EmailTarget `json:"email,omitempty"`
	// HasSecret tells that a signing key, bot token or SMTP password is kept. The value is sealed and never shown.
	HasSecret bool          `json:"has_secret"`
	Filter    ChannelFilter `json:"filter"`
	Quiet     *QuietHours   `json:"quiet,omitempty"`
	PerMinute int           `json:"per_minute"` // messages; what is over goes into a digest
	// Dedup is how long events with the same subject and kind are one message with a count; 0 sends each.
	Dedup   Duration `json:"dedup"`
	Enabled bool     `json:"enabled"`
	// DisabledBecause says why Fairlead itself disabled the channel.
	DisabledBecause string     `json:"disabled_because,omitempty"`
	FailingSince    *time.Time `json:"failing_since,omitempty"` // nothing arrived since
	PausedUntil     *time.Time `json:"paused_until,omitempty"`  // the receiver failed and is left alone until then
	CreatedBy       Actor      `json:"created_by"`
	CreatedAt       time.Time  `json:"created_at"`
}

// ChannelKind is how a channel is reached.
type ChannelKind string

// The kinds of channel.
const (
	ChannelWebhook ChannelKind = "webhook" // signed HTTP POST of JSON
	ChannelSlack   ChannelKind = "slack"   // one message per incident, updated as it goes on
	ChannelEmail   ChannelKind = "email"   // SMTP, one thread per incident
)

// Valid reports whether k is one of the kinds above.
func (k ChannelKind) Valid() bool {
	return k == ChannelWebhook || k == ChannelSlack || k == ChannelEmail
}

// EmailTarget says who gets the mail and which server takes it.
type EmailTarget struct {
	To       []string     `json:"to"`   // plain addresses, such as oncall@example.org
	From     string       `json:"from"` // a plain address
	Server   string       `json:"server"`
	Security MailSecurity `json:"security"`
	Username string       `json:"username,omitempty"` // "" sends without authentication
}

// MailSecurity is how the connection to the mail server is protected.
type MailSecurity string

// The ways.
const (
	MailStartTLS MailSecurity = "starttls" // a plain connection that must be upgraded before anything is said
	MailTLS      MailSecurity = "tls"      // TLS from the first byte
	MailPlain    MailSecurity = "none"     // a server on this host only, without a password
)

// ChannelFilter chooses events. Empty fields do not restrict, but Kinds, which becomes DefaultNotified.
type ChannelFilter struct {
	Kinds        []string `json:"kinds,omitempty"` // "incident.opened", "incident.*" or "*"
	Environments []string `json:"environments,omitempty"`
	Services     []string `json:"services,omitempty"`
	MinSeverity  Severity `json:"min_severity,omitempty"` // see EventSeverity
}

// DefaultNotified are the kinds that a channel gets when none are named.
func DefaultNotified() []string {
	return []string{
		"incident.opened", "incident.diagnosed", "incident.resolved", string(EventDeployFailed), string(EventPlanProposed), string(EventPlanFailed),
		string(EventNotificationFailed), string(EventChannelDisabled),
	}
}

// QuietHours is when nothing is sent but what is critical. What is held comes as one digest at the end.
type QuietHours struct {
	Zone string   `json:"zone"`           // IANA name, such as Europe/Berlin
	From string   `json:"from"`           // 22:00
	To   string   `json:"to"`             // 07:00; before From means the next day
	Days []string `json:"days,omitempty"` // mon to sun, those on which From lies; none means all
	// HoldCritical holds critical events as well.
	HoldCritical bool `json:"hold_critical,omitempty"`
}

// Limits and defaults of channels.
const (
	DefaultPerMinute  = 30
	MaxPerMinute      = 600
	DefaultDedup      = Duration(5 * time.Minute)
	MaxDedup          = Duration(24 * time.Hour)
	MaxChannelSecret  = 4 << 10
	MinSigningKey     = 16
	maxTargetLength   = 2000
	maxMailRecipients = 50
	maxFilterItems    = 100
)

// SeverityInfo is below every severity that an alert rule may have.
const SeverityInfo Severity = "info"

// Rank orders severities: info, warning, critical. What is none of them ranks lowest.
func (s Severity) Rank() int {
	switch s {
	case SeverityCritical:
		return 2
	case SeverityWarning:
		return 1
	case SeverityInfo:
	}
	return 0
}

// Urgency is the severity of an incident: its rule's; without a rule, critical where users notice, and warning where a
// build or a deploy failed and the release before still serves.
func (i Incident) Urgency() Severity {
	switch {
	case i.Severity != "":
		return i.Severity
	case i.Signal == SignalBuildFailed || i.Signal == SignalDeployFailed:
		return SeverityWarning
	}
	return SeverityCritical
}

// EventSeverity is how urgent an event is: that of its incident, warning where something failed, else info. incident is
// nil for an event of none.
func EventSeverity(e Event, incident *Incident) Severity {
	if incident != nil {
		return incident.Urgency()
	}
	switch e.Kind {
	case EventDeployFailed, EventPlanFailed, EventInstanceDied, EventInstanceUnhealthy, EventPushRefused, EventNotificationFailed, EventChannelDisabled:
		return SeverityWarning
	default:
		return SeverityInfo
	}
}

// CreateChannelRequest asks for a channel.
type CreateChannelRequest struct {
	Name         string        `json:"name"`
	Project      string        `json:"project,omitempty"`
	Kind         ChannelKind   `json:"kind"`
	URL          string        `json:"url,omitempty"`
	SlackChannel string        `json:"slack_channel,omitempty"`
	Email        *EmailTarget  `json:"email,omitempty"`
	Secret       string        `json:"secret,omitempty"`
	Filter       ChannelFilter `json:"filter"`
	Quiet        *QuietHours   `json:"quiet,omitempty"`
	PerMinute    int           `json:"per_minute,omitempty"` // 0 means DefaultPerMinute
	Dedup        *Duration     `json:"dedup,omitempty"`      // nil means DefaultDedup
}

// UpdateChannelRequest changes what it names. The target stays: another target is another channel.
type UpdateChannelRequest struct {
	Channel   ChannelID      `json:"-"`
	Enabled   *bool          `json:"enabled,omitempty"`
	Secret    string         `json:"secret,omitempty"`
	Filter    *ChannelFilter `json:"filter,omitempty"`
	Quiet     *QuietHours    `json:"quiet,omitempty"` // one without From and To takes quiet hours away
	PerMinute int            `json:"per_minute,omitempty"`
	Dedup     *Duration      `json:"dedup,omitempty"`
}

// Applied is the channel that the request asks for, without id and times.
func (r CreateChannelRequest) Applied() Channel {
	c := Channel{
		Name: r.Name, Project: r.Project, Kind: r.Kind, URL: r.URL, SlackChannel: r.SlackChannel, Email: r.Email,
		HasSecret: r.Secret != "", Filter: r.Filter, Quiet: r.Quiet, PerMinute: r.PerMinute, Dedup: DefaultDedup, Enabled: true,
	}
	if len(c.Filter.Kinds) == 0 {
		c.Filter.Kinds = DefaultNotified()
	}
	if c.PerMinute == 0 {
		c.PerMinute = DefaultPerMinute
	}
	if r.Dedup != nil {
		c.Dedup = *r.Dedup
	}
	return c
}

// Apply returns the channel as the request wants it.
func (r UpdateChannelRequest) Apply(c Channel) Channel {
	if r.Enabled != nil {
		c.Enabled, c.DisabledBecause, c.FailingSince, c.PausedUntil = *r.Enabled, "", nil, nil
	}
	if r.Secret != "" {
		c.HasSecret = true
	}
	if r.Filter != nil {
		c.Filter = *r.Filter
		if len(c.Filter.Kinds) == 0 {
			c.Filter.Kinds = DefaultNotified()
		}
	}
	if r.Quiet != nil {
		c.Quiet = r.Quiet
		if r.Quiet.From == "" && r.Quiet.To == "" {
			c.Quiet = nil
		}
	}
	if r.PerMinute != 0 {
		c.PerMinute = r.PerMinute
	}
	if r.Dedup != nil {
		c.Dedup = *r.Dedup
	}
	return c
}

package platform

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // quiet hours name zones, and a host may know none
)

// CheckChannel refuses a channel that is not complete or not within the limits. secret is what is to be sealed with it,
// "" when none is given or the one that is kept stays.
func CheckChannel(c Channel, secret string) error {
	if err := CheckName("name", c.Name); err != nil {
		return err
	}
	if err := checkTarget(c); err != nil {
		return err
	}
	if err := checkChannelSecret(c, secret); err != nil {
		return err
	}
	if err := c.Filter.check(); err != nil {
		return err
	}
	if c.Quiet != nil {
		if err := c.Quiet.check(); err != nil {
			return err
		}
	}
	if c.PerMinute < 1 || c.PerMinute > MaxPerMinute {
		return badChannel("per_minute", "per_minute %d is out of range.", c.PerMinute).WithHint("Write 1 to %d messages a minute.", MaxPerMinute)
	}
	if c.Dedup < 0 || c.Dedup > MaxDedup {
		return badChannel("dedup", "The dedup window %s is out of range.", c.Dedup).WithHint("Write 0s to %s, for example 5m.", MaxDedup)
	}
	return nil
}

func badChannel(field, format string, args ...any) *Error {
	return Errorf(CodeInvalid, format, args...).WithField(field)
}

func checkTarget(c Channel) error {
	for _, given := range []struct {
		field string
		set   bool
		kind  ChannelKind
	}{{"url", c.URL != "", ChannelWebhook}, {"slack_channel", c.SlackChannel != "", ChannelSlack}, {"email", c.Email != nil, ChannelEmail}} {
		if given.set && given.kind != c.Kind {
			return badChannel(given.field, "%s belongs to a channel of the kind %s.", given.field, given.kind).WithHint("Leave it out, or change the kind.")
		}
	}
	switch c.Kind {
	case ChannelWebhook:
		return checkWebhookURL(c.URL)
	case ChannelSlack:
		return checkSlackChannel(c.SlackChannel)
	case ChannelEmail:
		if c.Email == nil {
			return badChannel("email", "A channel of the kind email needs addresses and a server.").WithHint("Give to, from and server.")
		}
		return c.Email.check()
	}
	return badChannel("kind", "%q is not a kind of channel.", Truncate(string(c.Kind), 40)).WithHint("Choose webhook, slack or email.")
}

func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "" || len(text) > maxTargetLength || err != nil || u.Host == "" || u.Hostname() == "" || hasControl(text):
		return badChannel("url", "%q is not the URL of a webhook.", Truncate(text, 80)).WithHint("Write https://host/path.")
	case u.User != nil:
		return badChannel("url", "The URL of a webhook must not hold a user name or a password.").WithHint("Receivers check the signature; see docs/notifications.md.")
	case u.Fragment != "":
		return badChannel("url", "The URL of a webhook has a fragment, which is never sent.").WithHint("Take away what follows the #.")
	case u.Scheme == "https" || u.Scheme == "http" && IsLoopbackHost(u.Hostname()):
		return nil
	}
	return badChannel("url", "The webhook %s is not https.", Truncate(u.Scheme+"://"+u.Host, 80)).
		WithHint("Use https; http is for a receiver on this host's loopback only.")
}

// IsLoopbackHost reports whether a host names this host itself: localhost or a loopback address.
func IsLoopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func checkSlackChannel(name string) error {
	bare := strings.TrimPrefix(name, "#")
	bad := bare == "" || len(bare) > 80
	for _, r := range bare {
		bad = bad || (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if bad {
		return badChannel("slack_channel", "%q is not a Slack channel.", Truncate(name, 80)).WithHint("Write its id, such as C024BE91L, or its name, such as #alerts.")
	}
	return nil
}

func (e EmailTarget) check() error {
	if len(e.To) == 0 || len(e.To) > maxMailRecipients {
		return badChannel("email.to", "A mail needs 1 to %d addresses.", maxMailRecipients).WithHint("Write each as oncall@example.org.")
	}
	for i, to := range e.To {
		if !plainAddress(to) {
			return badChannel(fmt.Sprintf("email.to[%d]", i), "%q is not a mail address.", Truncate(to, 80)).WithHint("Write it as oncall@example.org, without a name.")
		}
	}
	if !plainAddress(e.From) {
		return badChannel("email.from", "%q is not a mail address.", Truncate(e.From, 80)).WithHint("Write it as fairlead@example.org, without a name.")
	}
	host, port, err := net.SplitHostPort(e.Server)
	if err != nil || host == "" || port == "" || len(e.Server) > 300 || hasControl(e.Server) {
		return badChannel("email.server", "%q is not the address of a mail server.", Truncate(e.Server, 80)).WithHint("Write host:port, such as mail.example.org:587.")
	}
	switch {
	case e.Security == MailStartTLS || e.Security == MailTLS:
	case e.Security != MailPlain:
		return badChannel("email.security", "%q is not a way to protect mail.", Truncate(string(e.Security), 40)).WithHint("Choose starttls, tls or none.")
	case !IsLoopbackHost(host) || e.Username != "":
		return badChannel("email.security", "Mail is sent unprotected to a server on this host only, and without a password.").WithHint("Choose starttls or tls.")
	}
	if len(e.Username) > 300 || hasControl(e.Username) {
		return badChannel("email.username", "The user name is too long or holds control characters.").WithHint("Write the name that the mail server knows.")
	}
	return nil
}

// plainAddress accepts user@host in printable ASCII: no display name, no quoting, nothing that could begin a header.
func plainAddress(text string) bool {
	if len(text) > 254 || strings.ContainsAny(text, " \t\r\n<>\",;:()[]\\") {
		return false
	}
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text
}

func checkChannelSecret(c Channel, secret string) error {
	switch {
	case len(secret) > MaxChannelSecret || hasControl(secret):
		return badChannel("secret", "The secret is longer than %d bytes or holds control characters.", MaxChannelSecret).WithHint("Give it as one line.")
	case c.Kind == ChannelWebhook && (!c.HasSecret || secret != "" && len(secret) < MinSigningKey):
		return badChannel("secret", "A webhook needs a signing key of at least %d characters.", MinSigningKey).WithHint("Make one with: openssl rand -hex 32.")
	case c.Kind == ChannelSlack && (!c.HasSecret || secret != "" && !strings.HasPrefix(secret, "xoxb-")):
		return badChannel("secret", "A Slack channel needs a bot token, which begins with xoxb-.").WithHint("Make an app with the scope chat:write, install it and invite it to the channel.")
	case c.Kind == ChannelEmail && c.Email.Username != "" && !c.HasSecret:
		return badChannel("secret", "The user name %s has no password.", Truncate(c.Email.Username, 80)).WithHint("Give the password as secret, or leave the user name out.")
	case c.Kind == ChannelEmail && c.Email.Username == "" && c.HasSecret:
		return badChannel("email.username", "A password is given without a user name.").WithHint("Give the user name of the mail server.")
	}
	return nil
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (f ChannelFilter) check() error {
	kinds := []string{}
	for _, k := range EventKinds() {
		kinds = append(kinds, string(k))
	}
	for i, pattern := range f.Kinds {
		known := slices.ContainsFunc(kinds, func(kind string) bool { return matchesKind(pattern, kind) })
		if known {
			continue
		}
		e := badChannel(fmt.Sprintf("filter.kinds[%d]", i), "%q names no kind of event.", Truncate(pattern, 60)).WithHint("Write incident.opened, incident.* or *.")
		if near := Nearest(pattern, kinds); near != "" {
			e = e.WithHint("Did you mean %q?", near)
		}
		return e
	}
	for field, list := range map[string][]string{"environments": f.Environments, "services": f.Services, "kinds": f.Kinds} {
		if len(list) > maxFilterItems {
			return badChannel("filter."+field, "More than %d %s are named.", maxFilterItems, field).WithHint("Name fewer, or leave the field out for all.")
		}
		if field == "kinds" {
			continue
		}
		for i, name := range list {
			if err := CheckName(fmt.Sprintf("filter.%s[%d]", field, i), name); err != nil {
				return err
			}
		}
	}
	if f.MinSeverity != "" && f.MinSeverity != SeverityInfo && !f.MinSeverity.Valid() {
		return badChannel("filter.min_severity", "%q is not a severity.", Truncate(string(f.MinSeverity), 40)).WithHint("Choose info, warning or critical.")
	}
	return nil
}

func matchesKind(pattern, kind string) bool {
	if noun, any := strings.CutSuffix(pattern, ".*"); any {
		return strings.HasPrefix(kind, noun+".") && noun != ""
	}
	return pattern == "*" || pattern == kind
}

// Passes reports whether a channel is about an event of that severity. A channel hears nothing of its own failures.
func (c Channel) Passes(e Event, severity Severity) bool {
	within := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	return (c.Project == "" || c.Project == e.Project) && e.Subject != string(c.ID) &&
		slices.ContainsFunc(c.Filter.Kinds, func(pattern string) bool { return matchesKind(pattern, string(e.Kind)) }) &&
		within(c.Filter.Environments, e.Environment) && within(c.Filter.Services, e.Service) && severity.Rank() >= c.Filter.MinSeverity.Rank()
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (q QuietHours) check() error {
	if _, err := time.LoadLocation(q.Zone); err != nil || q.Zone == "" || q.Zone == "Local" {
		return badChannel("quiet.zone", "%q is not a time zone.", Truncate(q.Zone, 60)).WithHint("Write an IANA name, such as Europe/Berlin or UTC.")
	}
	from, err := clockMinutes("quiet.from", q.From)
	if err != nil {
		return err
	}
	to, err := clockMinutes("quiet.to", q.To)
	if err != nil {
		return err
	}
	if from == to {
		return badChannel("quiet.to", "Quiet hours from %s to %s have no length.", q.From, q.To).WithHint("To silence a channel altogether, disable it.")
	}
	for i, day := range q.Days {
		if !slices.Contains(weekdays, day) {
			return badChannel(fmt.Sprintf("quiet.days[%d]", i), "%q is not a day.", Truncate(day, 20)).WithHint("Write mon, tue, wed, thu, fri, sat or sun.")
		}
	}
	return nil
}

func clockMinutes(field, text string) (int, error) {
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != 5 {
		return 0, badChannel(field, "%q is not a time of day.", Truncate(text, 20)).WithHint("Write it as 22:00.")
	}
	return at.Hour()*60 + at.Minute(), nil
}

// Until returns when the quiet hours that hold at that time end, and false when none hold. It follows the wall clock of
// the zone over changes of daylight saving time.
func (q QuietHours) Until(at time.Time) (time.Time, bool) {
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		return time.Time{}, false
	}
	from, fromErr := clockMinutes("", q.From)
	to, toErr := clockMinutes("", q.To)
	if fromErr != nil || toErr != nil {
		return time.Time{}, false
	}
	local := at.In(zone)
	for _, back := range []int{0, 1} { // hours that began today, and those that began yesterday
		day := local.AddDate(0, 0, -back)
		if len(q.Days) > 0 && !slices.Contains(q.Days, weekdays[day.Weekday()]) {
			continue
		}
		begin := time.Date(day.Year(), day.Month(), day.Day(), from/60, from%60, 0, 0, zone)
		end := time.Date(day.Year(), day.Month(), day.Day(), to/60, to%60, 0, 0, zone)
		if to < from {
			end = time.Date(day.Year(), day.Month(), day.Day()+1, to/60, to%60, 0, 0, zone)
		}
		if !at.Before(begin) && at.Before(end) {
			return end.UTC(), true
		}
	}
	return time.Time{}, false
}

// Shown is the channel as an actor may see it: who is not an admin, and every agent, sees of a URL its scheme and host,
// since the path of many a webhook is its password.
func (c Channel) Shown(to Actor) Channel {
	if to.Kind != ActorAgent && to.Role.Includes(RoleAdmin) || c.URL == "" {
		return c
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		c.URL = ""
		return c
	}
	c.URL = u.Scheme + "://" + u.Host + "/..."
	return c
}

// Target says in words where the channel leads.
func (c Channel) Target() string {
	switch c.Kind {
	case ChannelWebhook:
		return c.URL
	case ChannelSlack:
		return "Slack " + c.SlackChannel
	case ChannelEmail:
		return strings.Join(c.Email.To, ", ")
	}
	return ""
}

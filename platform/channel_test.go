package platform

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func goodWebhook() (Channel, string) {
	return CreateChannelRequest{Name: "ops", Kind: ChannelWebhook, URL: "https://hooks.example.org/x", Secret: strings.Repeat("k", 32)}.Applied(), strings.Repeat("k", 32)
}

func goodMail() (Channel, string) {
	r := CreateChannelRequest{Name: "mail", Kind: ChannelEmail, Secret: "pw", Email: &EmailTarget{
		To: []string{"oncall@example.org"}, From: "fairlead@example.org", Server: "mail.example.org:587", Security: MailStartTLS, Username: "fairlead",
	}}
	return r.Applied(), r.Secret
}

func TestCheckChannel_RefusesByFieldWithTheFix(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(c *Channel, secret *string){
		"name":                   func(c *Channel, _ *string) { c.Name = "Ops!" },
		"kind":                   func(c *Channel, _ *string) { c.Kind, c.URL = "pigeon", "" },
		"url":                    func(c *Channel, _ *string) { c.URL = "http://hooks.example.org/x" },
		"url ":                   func(c *Channel, _ *string) { c.URL = "https://user:pw@hooks.example.org/x" },
		"url  ":                  func(c *Channel, _ *string) { c.URL = "https:///x" },
		"url   ":                 func(c *Channel, _ *string) { c.URL = "https://h/x\r\nHost: y" },
		"url    ":                func(c *Channel, _ *string) { c.URL = "file:///etc/passwd" },
		"url     ":               func(c *Channel, _ *string) { c.URL = "https://h/x#y" },
		"slack_channel":          func(c *Channel, _ *string) { c.SlackChannel = "#ops" },
		"secret":                 func(_ *Channel, s *string) { *s = "short" },
		"secret ":                func(c *Channel, s *string) { *s, c.HasSecret = "", false },
		"secret  ":               func(_ *Channel, s *string) { *s = strings.Repeat("k", 20) + "\n" },
		"filter.kinds[1]":        func(c *Channel, _ *string) { c.Filter.Kinds = []string{"*", "incident.opend"} },
		"filter.environments[0]": func(c *Channel, _ *string) { c.Filter.Environments = []string{"Prod"} },
		"filter.min_severity":    func(c *Channel, _ *string) { c.Filter.MinSeverity = "loud" },
		"per_minute":             func(c *Channel, _ *string) { c.PerMinute = 9000 },
		"dedup":                  func(c *Channel, _ *string) { c.Dedup = -1 },
		"quiet.zone":             func(c *Channel, _ *string) { c.Quiet = &QuietHours{Zone: "Mars/Base", From: "22:00", To: "07:00"} },
		"quiet.from":             func(c *Channel, _ *string) { c.Quiet = &QuietHours{Zone: "UTC", From: "25:00", To: "07:00"} },
		"quiet.to":               func(c *Channel, _ *string) { c.Quiet = &QuietHours{Zone: "UTC", From: "07:00", To: "07:00"} },
		"quiet.days[0]": func(c *Channel, _ *string) {
			c.Quiet = &QuietHours{Zone: "UTC", From: "22:00", To: "07:00", Days: []string{"Monday"}}
		},
	} {
		c, secret := goodWebhook()
		require.NoError(t, CheckChannel(c, secret))
		change(&c, &secret)
		requireField(t, strings.TrimSpace(want), CheckChannel(c, secret))
	}
}

func requireField(t *testing.T, field string, err error) {
	t.Helper()
	var e *Error
	require.True(t, errors.As(err, &e), "%s: %v", field, err)
	require.Equal(t, CodeInvalid, e.Code)
	require.Equal(t, field, e.Field)
	require.NotEmpty(t, e.Hint, "%s: %s", field, e.Message)
}

func TestCheckChannel_MailHasNothingThatCouldBeginAHeader(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(e *EmailTarget){
		"email.to":       func(e *EmailTarget) { e.To = nil },
		"email.to[0]":    func(e *EmailTarget) { e.To = []string{"a@b.example\r\nBcc: x@y.example"} },
		"email.to[0] ":   func(e *EmailTarget) { e.To = []string{"On Call <a@b.example>"} },
		"email.from":     func(e *EmailTarget) { e.From = "nobody" },
		"email.server":   func(e *EmailTarget) { e.Server = "mail.example.org" },
		"email.security": func(e *EmailTarget) { e.Security = MailPlain },
		"secret":         nil,
	} {
		c, secret := goodMail()
		require.NoError(t, CheckChannel(c, secret))
		if change == nil {
			c.HasSecret = false
		} else {
			change(c.Email)
		}
		requireField(t, strings.TrimSpace(want), CheckChannel(c, secret))
	}
}

func TestQuietHours_FollowTheClockOnTheWallOverMidnightAndSummertime(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return parsed
	}
	night := QuietHours{Zone: "Europe/Berlin", From: "22:00", To: "07:00", Days: []string{"sat"}}
	for text, want := range map[string]string{
		"2026-03-28T20:59:59Z": "", // 21:59 on Saturday
		"2026-03-28T21:00:00Z": "2026-03-29T05:00:00Z",
		"2026-03-29T03:00:00Z": "2026-03-29T05:00:00Z", // the night is an hour shorter
		"2026-03-29T05:00:00Z": "",
		"2026-03-29T21:00:00Z": "", // Sunday
	} {
		until, holds := night.Until(at(text))
		require.Equal(t, want != "", holds, text)
		if holds {
			require.Equal(t, at(want), until, text)
		}
	}
	noon := QuietHours{Zone: "UTC", From: "12:00", To: "13:00"}
	until, holds := noon.Until(at("2026-05-01T12:30:00Z"))
	require.True(t, holds)
	require.Equal(t, at("2026-05-01T13:00:00Z"), until)
}

func TestPasses_ByKindPlaceAndSeverity(t *testing.T) {
	t.Parallel()
	c := Channel{ID: "chn_1", Project: "shop", Filter: ChannelFilter{Kinds: []string{"incident.*", "deploy.failed"}, Environments: []string{"production"}, MinSeverity: SeverityWarning}}
	e := Event{Kind: EventIncidentOpened, Project: "shop", Environment: "production", Service: "api", Subject: "inc_1"}
	require.True(t, c.Passes(e, SeverityCritical))
	require.False(t, c.Passes(e, SeverityInfo))
	for _, change := range []func(e *Event){
		func(e *Event) { e.Kind = EventDeployLive }, func(e *Event) { e.Project = "other" }, func(e *Event) { e.Environment = "staging" },
		func(e *Event) { e.Kind = "incidents.opened" },
	} {
		other := e
		change(&other)
		require.False(t, c.Passes(other, SeverityCritical), "%+v", other)
	}
	all := Channel{ID: "chn_1", Filter: ChannelFilter{Kinds: []string{"*"}}}
	require.False(t, all.Passes(Event{Kind: EventNotificationFailed, Subject: "chn_1"}, SeverityWarning), "a channel hears nothing of its own failures")
	require.True(t, all.Passes(Event{Kind: EventNotificationFailed, Subject: "chn_2"}, SeverityWarning))
}

func TestBackoff_DoublesToAnHourAndDoesWhatIsAsked(t *testing.T) {
	t.Parallel()
	require.Equal(t, 5*time.Second, Backoff(1, 0))
	require.Equal(t, 10*time.Second, Backoff(2, 0))
	require.Equal(t, time.Hour, Backoff(12, 0))
	require.Equal(t, time.Hour, Backoff(100000, 0))
	require.Equal(t, 90*time.Second, Backoff(1, 90*time.Second))
	require.Equal(t, DeliverFor.D(), Backoff(1, 1000*time.Hour))
}

// Package notify renders notifications and sends them: to webhooks, to Slack and by mail.
//
// It owns the wording, the wire of each kind of channel and the guard that keeps messages out of private networks. It
// must not know when a message is due or what follows from its failure: it makes one attempt and says how that went.
package notify

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Times of one attempt. A message is claimed for a minute, so an attempt ends well before.
const (
	attemptLimit = 15 * time.Second
	dialLimit    = 5 * time.Second
)

// Options configure a Sender.
type Options struct {
	Guard Guard
	// Redactor takes the secret values of a project out of text; nil from it means that they cannot be read now, and the
	// message waits. A nil Redactor leaves text as it is.
	Redactor func(project string) func(string) string
	// SlackURL is the base of Slack's API; "" means the real one. Only tests set it.
	SlackURL string
	// Roots are the authorities that servers' certificates are checked against; nil means the system's.
	Roots *x509.CertPool
	Log   *slog.Logger     // nil means no log
	Now   func() time.Time // nil means the clock
}

// Sender makes attempts. Its methods may be called by many goroutines.
type Sender struct {
	o    Options
	http *http.Client
}

// New builds a sender. It connects at the first message.
func New(o Options) *Sender {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sender{o: o}
	s.http = s.newHTTP(o.Guard.dialer())
	return s
}

// Send makes one attempt and says how it went; it does not fail otherwise. It takes at most a quarter of a minute.
func (s *Sender) Send(ctx context.Context, n platform.Notice) platform.Receipt {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	began := time.Now()
	r := s.attempt(ctx, n)
	r.Took = time.Since(began)
	return r
}

func (s *Sender) attempt(ctx context.Context, n platform.Notice) platform.Receipt {
	n, ok := s.redacted(n)
	if !ok {
		return platform.Receipt{Words: "The secrets of the project cannot be read now, so that nothing can be redacted."}
	}
	switch n.Channel.Kind {
	case platform.ChannelWebhook:
		return s.postWebhook(ctx, n)
	case platform.ChannelSlack:
		return s.postSlack(ctx, n)
	case platform.ChannelEmail:
		return s.sendMail(ctx, n)
	}
	return platform.Receipt{Words: "The channel is of no known kind.", Permanent: true}
}

// redacted takes the secret values of the events' projects out of everything that a message may tell.
func (s *Sender) redacted(n platform.Notice) (platform.Notice, bool) {
	if s.o.Redactor == nil {
		return n, true
	}
	of := map[string]func(string) string{"": func(text string) string { return text }}
	for _, e := range n.Events {
		if of[e.Project] == nil {
			if of[e.Project] = s.o.Redactor(e.Project); of[e.Project] == nil {
				return n, false
			}
		}
	}
	events := make([]platform.Event, 0, len(n.Events))
	for _, e := range n.Events {
		e.Summary = of[e.Project](e.Summary)
		if payload := json.RawMessage(of[e.Project](string(e.Payload))); json.Valid(payload) {
			e.Payload = payload
		} else {
			e.Payload = nil // what was redacted broke it
		}
		events = append(events, e)
	}
	n.Events = events
	if n.Incident == nil {
		return n, true
	}
	clear := of[n.Incident.Project]
	if clear == nil {
		return n, false
	}
	incident := *n.Incident
	incident.Title, incident.Resolution = clear(incident.Title), clear(incident.Resolution)
	n.Incident = &incident
	if n.Diagnosis != nil {
		d := *n.Diagnosis
		d.Summary = clear(d.Summary)
		n.Diagnosis = &d
	}
	plans := make([]platform.Plan, 0, len(n.Plans))
	for _, p := range n.Plans {
		p.Body.Title = clear(p.Body.Title)
		plans = append(plans, p)
	}
	n.Plans = plans
	return n, true
}

// lost is an attempt that the receiver did not answer.
func lost(err error) platform.Receipt {
	return platform.Receipt{Words: plain(err.Error(), 300)}
}

func (g Guard) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialLimit, ControlContext: g.control}
}

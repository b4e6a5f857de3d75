package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Headers of a webhook.
const (
	HeaderDelivery  = "Fairlead-Delivery"
	HeaderEvent     = "Fairlead-Event"
	HeaderTimestamp = "Fairlead-Timestamp"
	HeaderSignature = "Fairlead-Signature"
)

const maxAnswer = 4 << 10

// Sign returns the value of Fairlead-Signature: v1= and the hex HMAC-SHA256, under the channel's secret, of "v1:", the
// timestamp, ":" and the body.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v1:" + timestamp + ":"))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Tolerance is how old a signed message may be, either way, before a receiver should refuse it.
const Tolerance = 5 * time.Minute

// Verify is what a receiver does: it refuses a message whose signature does not fit, or whose time is further from now
// than Tolerance, so that one that was recorded cannot be played again later.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	timestamp := header.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > Tolerance {
		return errors.New("verify a webhook: its timestamp is missing or too far from now")
	}
	if !hmac.Equal([]byte(header.Get(HeaderSignature)), []byte(Sign(secret, timestamp, body))) {
		return errors.New("verify a webhook: its signature does not fit")
	}
	return nil
}

// newHTTP never follows a redirect, uses no proxy, and connects where the guard lets it.
func (s *Sender) newHTTP(dialer *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *Sender) postWebhook(ctx context.Context, n platform.Notice) platform.Receipt {
	body, err := json.Marshal(bodyOf(n))
	if err != nil {
		return platform.Receipt{Words: "The message does not encode.", Permanent: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Channel.URL, bytes.NewReader(body))
	if err != nil {
		return platform.Receipt{Words: "The URL cannot be asked.", Permanent: true}
	}
	timestamp := strconv.FormatInt(s.o.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Fairlead")
	req.Header.Set(HeaderDelivery, string(n.Delivery.ID))
	req.Header.Set(HeaderEvent, kindOf(n))
	req.Header.Set(HeaderTimestamp, timestamp)
	req.Header.Set(HeaderSignature, Sign(n.Secret, timestamp, body))
	res, err := s.http.Do(req)
	if err != nil {
		var broken *url.Error
		if errors.As(err, &broken) {
			err = broken.Err // without the URL, whose path may be a secret
		}
		return lost(err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	r := platform.Receipt{OK: res.StatusCode >= 200 && res.StatusCode < 300, Status: res.StatusCode, Gone: res.StatusCode == http.StatusGone}
	r.Words = plain(fmt.Sprintf("%d %s %s", res.StatusCode, http.StatusText(res.StatusCode), said), 300)
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		r.Words = plain(fmt.Sprintf("%d %s: redirects are not followed", res.StatusCode, http.StatusText(res.StatusCode)), 300)
	}
	r.RetryAfter = retryAfter(res.Header.Get("Retry-After"), s.o.Now())
	return r
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// The body of a webhook, version 1. Fields are added, never changed.
type body struct {
	Version  string               `json:"version"`
	Delivery platform.DeliveryID  `json:"delivery"`
	Kind     string               `json:"kind"`
	Why      platform.DeliveryWhy `json:"why"`
	Severity platform.Severity    `json:"severity"`
	Channel  channelBody          `json:"channel"`
	Count    int                  `json:"count"`
	Event    *eventBody           `json:"event,omitempty"`
	Events   []eventBody          `json:"events,omitempty"`
	Omitted  int                  `json:"omitted,omitempty"`
	Incident *incidentBody        `json:"incident,omitempty"`
	Plans    []planBody           `json:"plans,omitempty"`
	Links    map[string]string    `json:"links,omitempty"`
}

type channelBody struct {
	ID   platform.ChannelID `json:"id"`
	Name string             `json:"name"`
}

type eventBody struct {
	Seq         int64              `json:"seq"`
	ID          platform.EventID   `json:"id"`
	At          time.Time          `json:"at"`
	Kind        platform.EventKind `json:"kind"`
	Actor       actorBody          `json:"actor"`
	Project     string             `json:"project,omitempty"`
	Environment string             `json:"environment,omitempty"`
	Service     string             `json:"service,omitempty"`
	Subject     string             `json:"subject,omitempty"`
	Cause       string             `json:"cause,omitempty"`
	Summary     string             `json:"summary"`
	Payload     json.RawMessage    `json:"payload,omitempty"`
}

type actorBody struct {
	Kind platform.ActorKind `json:"kind"`
	Name string             `json:"name"`
}

type incidentBody struct {
	ID         platform.IncidentID    `json:"id"`
	Title      string                 `json:"title"`
	State      platform.IncidentState `json:"state"`
	Signal     platform.Signal        `json:"signal"`
	Severity   platform.Severity      `json:"severity"`
	Count      int                    `json:"count"`
	OpenedAt   time.Time              `json:"opened_at"`
	ResolvedAt *time.Time             `json:"resolved_at,omitempty"`
	Resolution string                 `json:"resolution,omitempty"`
	Category   platform.Category      `json:"category,omitempty"`
	Diagnosis  string                 `json:"diagnosis,omitempty"`
	Confidence float64                `json:"confidence,omitempty"`
}

type planBody struct {
	ID      platform.PlanID    `json:"id"`
	Title   string             `json:"title"`
	Risk    platform.Risk      `json:"risk"`
	State   platform.PlanState `json:"state"`
	Approve string             `json:"approve,omitempty"` // the command line, while it waits
}

func kindOf(n platform.Notice) string {
	switch {
	case n.Delivery.Why == platform.DeliverTest:
		return "test"
	case n.Delivery.Why.Digest() || len(n.Events) == 0:
		return "digest"
	}
	return string(n.Events[len(n.Events)-1].Kind)
}

func bodyOf(n platform.Notice) body {
	b := body{
		Version: "1", Delivery: n.Delivery.ID, Kind: kindOf(n), Why: n.Delivery.Why, Severity: n.Severity,
		Channel: channelBody{n.Channel.ID, n.Channel.Name}, Count: len(n.Delivery.Events), Omitted: len(n.Delivery.Events) - len(n.Events),
	}
	for _, e := range n.Events {
		b.Events = append(b.Events, eventBody{
			Seq: e.Seq, ID: e.ID, At: e.At, Kind: e.Kind, Actor: actorBody{e.Actor.Kind, e.Actor.Name}, Project: e.Project, Environment: e.Environment,
			Service: e.Service, Subject: e.Subject, Cause: e.Cause, Summary: e.Summary, Payload: e.Payload,
		})
	}
	if len(b.Events) > 0 && !n.Delivery.Why.Digest() {
		b.Event = &b.Events[len(b.Events)-1]
	}
	if len(b.Events) == 1 && b.Event != nil {
		b.Events = nil
	}
	if n.Incident == nil {
		return b
	}
	i := *n.Incident
	b.Incident = &incidentBody{
		ID: i.ID, Title: i.Title, State: i.State, Signal: i.Signal, Severity: i.Urgency(), Count: i.Count, OpenedAt: i.OpenedAt,
		ResolvedAt: i.ResolvedAt, Resolution: i.Resolution,
	}
	b.Links = map[string]string{"incident": link(n, "incidents", string(i.ID)), "command": "fairlead incidents show " + string(i.ID)}
	if n.Diagnosis != nil {
		b.Incident.Category, b.Incident.Diagnosis, b.Incident.Confidence = n.Diagnosis.Category, n.Diagnosis.Summary, n.Diagnosis.Confidence
	}
	for _, p := range n.Plans {
		plan := planBody{ID: p.ID, Title: p.Body.Title, Risk: p.Body.Risk, State: p.State}
		if p.State == platform.PlanPending {
			plan.Approve = "fairlead approve " + string(p.ID)
		}
		b.Plans = append(b.Plans, plan)
	}
	return b
}

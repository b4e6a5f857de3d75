package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// EventQuery chooses events.
type EventQuery struct {
	SlotQuery
	Subject string   `query:"subject" maxLength:"80" doc:"Only about this id: a deploy, an incident, a plan, an instance."`
	Kind    []string `query:"kind" doc:"Only of these kinds, separated by commas."`
	Since   string   `query:"since" doc:"From this time on: RFC 3339, or how long ago, for example 1h."`
	Until   string   `query:"until" doc:"Before this time."`
	After   int64    `query:"after" minimum:"0" doc:"Only with a higher sequence number."`
}

func (q EventQuery) filter() (platform.EventFilter, error) {
	f := platform.EventFilter{Project: q.Project, Environment: q.Environment, Service: q.Service, Subject: q.Subject, AfterSeq: q.After}
	var err error
	if f.Kinds, err = eventKinds(q.Kind); err != nil {
		return f, err
	}
	now := time.Now()
	if f.Since, err = moment("since", q.Since, now); err != nil {
		return f, err
	}
	f.Until, err = moment("until", q.Until, now)
	return f, err
}

// eventKinds refuses a kind that no event has: an empty answer would read as if nothing had happened.
func eventKinds(given []string) ([]platform.EventKind, error) {
	var kinds []platform.EventKind
	for _, k := range given {
		kind := platform.EventKind(k)
		if !slices.Contains(platform.EventKinds(), kind) {
			return nil, unknownKind(k)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

func unknownKind(given string) error {
	var known []string
	for _, k := range platform.EventKinds() {
		known = append(known, string(k))
	}
	return platform.Errorf(platform.CodeInvalid, "There is no kind of event %s.", quote(given)).
		WithHint("%s", didYouMean(given, known, "Known kinds")).WithField("kind")
}

type listEventsInput struct {
	EventQuery
	PageQuery
}

type watchEventsInput struct {
	EventQuery
	LastEventID string `header:"Last-Event-ID" maxLength:"32" doc:"Go on after this event."`
}

func (a *API) registerEvents() {
	handle(a, operation{
		ID: "list-events", Method: http.MethodGet, Path: "/v1/events", Tag: "events", Summary: "List the timeline, oldest first",
		Description: "Every fact: who did what, to what, why.",
	}, func(ctx context.Context, actor platform.Actor, in *listEventsInput) (platform.List[platform.Event], error) {
		f, err := in.filter()
		if err != nil {
			return platform.List[platform.Event]{}, err
		}
		f.Page = in.page()
		return full(a.plane.ListEvents(ctx, actor, f))
	})
	handle(a, operation{
		ID: "verify-events", Method: http.MethodGet, Path: "/v1/events/verification", Tag: "events", Summary: "Verify the hash chain of all events",
	}, func(ctx context.Context, actor platform.Actor, _ *struct{}) (platform.ChainReport, error) {
		return a.plane.VerifyEvents(ctx, actor)
	})
	handleStream(a, operation{
		ID: "watch-events", Method: http.MethodGet, Path: "/v1/events/stream", Tag: "events", Summary: "Stream events as they are committed",
		Description: "Server-sent events named event, whose id is the sequence number; Last-Event-ID goes on after it.",
	}, a.watchEvents)
}

func (a *API) watchEvents(ctx context.Context, actor platform.Actor, in *watchEventsInput) (source, error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	if in.LastEventID != "" {
		seq, err := strconv.ParseInt(in.LastEventID, 10, 64)
		if err != nil {
			return nil, platform.Errorf(platform.CodeInvalid, "Last-Event-ID %q is not a sequence number.", in.LastEventID).
				WithHint("Send the id of the last event that was received.").WithField("Last-Event-ID")
		}
		f.AfterSeq = max(f.AfterSeq, seq)
	}
	// Asked once before the stream begins, so that a refusal is a problem with its status and not an empty stream.
	probe := f
	probe.Page = platform.Page{Limit: 1}
	if _, err := a.plane.ListEvents(ctx, actor, probe); err != nil {
		return nil, err
	}
	return func(ctx context.Context, send func(message) error) error {
		return a.plane.WatchEvents(ctx, actor, f, func(e platform.Event) error {
			return send(message{id: strconv.FormatInt(e.Seq, 10), name: "event", data: e})
		})
	}, nil
}

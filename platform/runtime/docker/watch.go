package docker

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/fairlead/fairlead/platform/runtime"
)

// How long Watch waits before it asks an engine again that broke off: doubled each time, up to the longest.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 3 * time.Second
)

// Watch sends what happens to our containers until ctx ends, and then returns nil. Whenever the stream is up, at first
// and after every break, it sends EventResync.
func (r *Runtime) Watch(ctx context.Context, yield func(runtime.Event)) error {
	wait := firstRetry
	for ctx.Err() == nil {
		if up, _ := r.watchOnce(ctx, yield); up {
			wait = firstRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, longestRetry)
	}
	return nil
}

// watchOnce reads one stream to its end, reports whether the engine gave one, and why it ended.
func (r *Runtime) watchOnce(ctx context.Context, yield func(runtime.Event)) (up bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := r.match(nil)
	args.Add("type", string(events.ContainerEventType))
	for _, action := range []events.Action{events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionDestroy} {
		args.Add("event", string(action))
	}
	// Events returns when the engine has answered, so that what happens from then on is in the stream.
	messages, errs := r.client(ctx).Events(ctx, events.ListOptions{Filters: args})
	select {
	case err := <-errs:
		return false, err
	default:
		yield(runtime.Event{Kind: runtime.EventResync, At: time.Now().UTC()})
	}
	for {
		select {
		case message := <-messages:
			if event, ok := translate(message); ok {
				yield(event)
			}
		case err := <-errs:
			return true, err
		}
	}
}

var eventKinds = map[events.Action]runtime.EventKind{
	events.ActionStart:   runtime.EventStarted,
	events.ActionDie:     runtime.EventDied,
	events.ActionOOM:     runtime.EventOOM,
	events.ActionDestroy: runtime.EventRemoved,
}

func translate(message events.Message) (runtime.Event, bool) {
	kind, ok := eventKinds[message.Action]
	if !ok {
		return runtime.Event{}, false
	}
	event := runtime.Event{Kind: kind, ID: message.Actor.ID, Labels: map[string]string{}, At: time.Unix(0, message.TimeNano).UTC()}
	for key, value := range message.Actor.Attributes {
		// The engine mixes the labels with attributes of its own, such as image and exitCode.
		if strings.HasPrefix(key, "fairlead.") {
			event.Labels[key] = value
		}
	}
	if code, err := strconv.Atoi(message.Actor.Attributes["exitCode"]); err == nil && kind == runtime.EventDied {
		event.ExitCode = code
	}
	return event, true
}

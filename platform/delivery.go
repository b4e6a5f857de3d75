package platform

import (
	"slices"
	"time"
)

// Delivery is one message to one channel: of one event, of several that are the same, or a digest. Its id stays the same
// over every attempt, so that a receiver that got it twice can tell.
type Delivery struct {
	ID        DeliveryID    `json:"id"`
	ChannelID ChannelID     `json:"channel_id"`
	Why       DeliveryWhy   `json:"why"`
	Key       string        `json:"key,omitempty"` // subject and kind, by which events are the same
	Events    []int64       `json:"events"`        // sequence numbers, in order
	State     DeliveryState `json:"state"`
	CreatedAt time.Time     `json:"created_at"`
	DueAt     time.Time     `json:"due_at"` // the next attempt, or when what is being attempted counts as lost
	EndedAt   *time.Time    `json:"ended_at,omitempty"`
	Tries     int           `json:"tries"`
	Attempts  []DeliveryTry `json:"attempts"` // the newest MaxAttemptsKept, oldest first
}

// DeliveryWhy is why events are in a message together.
type DeliveryWhy string

// The reasons.
const (
	DeliverEvent  DeliveryWhy = "event"       // one event, at once
	DeliverAgain  DeliveryWhy = "repeated"    // the same again within the dedup window
	DeliverQuiet  DeliveryWhy = "quiet_hours" // a digest of what quiet hours held
	DeliverExcess DeliveryWhy = "rate_limit"  // a digest of what was over the rate
	DeliverTest   DeliveryWhy = "test"
)

// Digest reports whether the message may hold events of different kinds.
func (w DeliveryWhy) Digest() bool { return w == DeliverQuiet || w == DeliverExcess }

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending DeliveryState = "pending"
	DeliverySending DeliveryState = "sending"
	DeliverySent    DeliveryState = "sent"
	DeliveryFailed  DeliveryState = "failed" // given up
)

// DeliveryTry is one attempt and what the receiver said.
type DeliveryTry struct {
	At     time.Time  `json:"at"`
	OK     bool       `json:"ok"`
	Status int        `json:"status,omitempty"` // HTTP status or SMTP code, where there was one
	Words  string     `json:"words,omitempty"`  // what the receiver said, or what went wrong
	Took   Duration   `json:"took"`
	NextAt *time.Time `json:"next_at,omitempty"` // the next attempt
}

// Limits of deliveries.
const (
	MaxAttemptsKept  = 50
	MaxDigestEvents  = 1000                     // a digest that is full is followed by another
	MaxNoticeEvents  = 100                      // events that a message spells out; the others are counted
	DeliverFor       = Duration(24 * time.Hour) // then a delivery is given up
	DisableAfter     = Duration(72 * time.Hour) // a channel to which nothing arrived for so long is disabled
	DeliveryKept     = Duration(30 * 24 * time.Hour)
	firstRetry       = 5 * time.Second
	longestRetry     = time.Hour
	maxReceiptLength = 500
)

// Notice is a delivery with everything that its message may tell. It never crosses a wire as it is.
type Notice struct {
	Channel  Channel
	Secret   string
	Broken   string // why it cannot be sent as it is, though the next attempt may; "" where it can
	Delivery Delivery
	Events   []Event // the newest MaxNoticeEvents, oldest first
	// Incident is the one that all events are about, with what is known of it now; nil when there is none.
	Incident  *Incident
	Diagnosis *Diagnosis
	Plans     []Plan
	Severity  Severity // the highest of the events
	Thread    string   // what the first message about the incident was called by its receiver; "" before it
	APIURL    string
}

// Receipt is how an attempt went.
type Receipt struct {
	OK         bool
	Status     int
	Words      string
	Took       time.Duration
	RetryAfter time.Duration // asked for by the receiver
	Permanent  bool          // trying again would be refused again
	Gone       bool          // the receiver wants nothing any more
	Thread     string        // set with the first message about an incident
}

// Backoff is the pause after so many attempts: 5 s, doubled each time, at most an hour, and never less than the receiver
// asked for.
func Backoff(tries int, asked time.Duration) time.Duration {
	pause := longestRetry
	if tries >= 1 && tries < 11 {
		pause = min(firstRetry<<(tries-1), longestRetry)
	}
	return max(pause, min(asked, DeliverFor.D()))
}

// After is the delivery after an attempt that ended at that time. It is pure: what is to be done about the channel is
// for the caller.
func (d Delivery) After(r Receipt, at time.Time) Delivery {
	d.Tries++
	attempt := DeliveryTry{At: at, OK: r.OK, Status: r.Status, Words: Truncate(r.Words, maxReceiptLength), Took: Duration(r.Took.Round(time.Millisecond))}
	next := at.Add(Backoff(d.Tries, r.RetryAfter))
	switch {
	case r.OK:
		d.State, d.EndedAt = DeliverySent, &at
	case r.Permanent || r.Gone || d.Why == DeliverTest || next.Sub(d.CreatedAt) > DeliverFor.D()+d.held():
		d.State, d.EndedAt = DeliveryFailed, &at
	default:
		d.State, d.DueAt, attempt.NextAt = DeliveryPending, next, &next
	}
	d.Attempts = append(slices.Clone(d.Attempts), attempt)
	d.Attempts = d.Attempts[max(0, len(d.Attempts)-MaxAttemptsKept):]
	return d
}

// held is how long the first attempt waited: that does not count against the time in which it is tried.
func (d Delivery) held() time.Duration {
	if len(d.Attempts) == 0 {
		return 0
	}
	return max(0, d.Attempts[0].At.Sub(d.CreatedAt))
}

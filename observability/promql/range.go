package promql

import (
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// maxPoints is how many points of one series a query may ask for.
const maxPoints = 11_000

// Range checks the range of q and fills in its defaults: a zero To means now, a zero From the instant To, a zero Step the
// range over 240 and at least 1 s. Its errors are platform invalid errors that name the field.
func Range(q observability.MetricQuery, now time.Time) (observability.MetricQuery, error) {
	if q.To.IsZero() {
		q.To = now
	}
	if q.From.IsZero() {
		q.From = q.To
	}
	if q.From.After(q.To) {
		return q, platform.Errorf(platform.CodeInvalid, "The range is reversed: it begins at %s and ends at %s.", q.From.UTC().Format(time.RFC3339), q.To.UTC().Format(time.RFC3339)).
			WithHint("Give a beginning that is before the end.").WithField("from")
	}
	length := q.To.Sub(q.From)
	if q.Step == 0 {
		q.Step = max(time.Second, (length / 240).Truncate(time.Second))
	}
	if q.Step < time.Millisecond {
		return q, platform.Errorf(platform.CodeInvalid, "A step of %s is too short.", q.Step).WithHint("Use at least 1ms, or leave it out.").WithField("step")
	}
	if length/q.Step > maxPoints {
		return q, platform.Errorf(platform.CodeInvalid, "The range asks for %d points of each series; the limit is %d.", length/q.Step, maxPoints).
			WithHint("Use a step of %s or more, or a shorter range.", (length/maxPoints + time.Second).Truncate(time.Second)).WithField("step")
	}
	return q, nil
}

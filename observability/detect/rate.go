// Package detect holds the rules that say when what was seen is an incident, and when it is over.
//
// It owns the error-rate, crash-loop, out-of-memory and lost-health rules. It is pure: values in, verdicts out; no
// clock, no I/O, no memory of its own. It must not know how things are measured, stored or reported, and it never
// says why something broke: a finding is a symptom.
package detect

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Second is what one release answered in one second.
type Second struct {
	At       time.Time
	Release  int
	Requests uint64
	Errors   uint64 // answered 5xx by the instance
	NoAnswer uint64 // no answer from the instance; the router answered in its place
}

func (s Second) failed() uint64 { return s.Errors + s.NoAnswer }

// RateRule says when the share of failed requests is an incident. DefaultRate is what Fairlead uses.
type RateRule struct {
	Window      time.Duration // over which the share is taken
	Stretch     time.Duration // how far the window grows back while it holds too few requests
	Baseline    time.Duration // before the window
	MinRequests uint64
	MinFailed   uint64
	Share       float64 // that must be exceeded
	Factor      float64 // over the baseline that must be exceeded
	ClearShare  float64 // below which a slot is well
	ClearFor    time.Duration
	ClearMin    uint64        // requests within ClearFor that show it
	QuietFor    time.Duration // without traffic, a healthy slot is well after this
}

// DefaultRate opens within about ten seconds of a path that fails hard, and never on one failed request.
var DefaultRate = RateRule{
	Window: 10 * time.Second, Stretch: time.Minute, Baseline: 5 * time.Minute, MinRequests: 20, MinFailed: 3, Share: 0.05, Factor: 5,
	ClearShare: 0.01, ClearFor: 15 * time.Second, ClearMin: 5, QuietFor: 2 * time.Minute,
}

// Keep is how long seconds are of use to the rule.
func (r RateRule) Keep() time.Duration { return r.Baseline + r.Stretch + r.Window }

// RateVerdict is what the rule says of one slot.
type RateVerdict struct {
	Failing  bool
	Release  int       // of Failing
	Share    float64   // of its requests that failed
	NoAnswer bool      // most of those got no answer at all
	Onset    time.Time // the second in which the present failures began
	Clear    bool      // the slot is well; never together with Failing
	Why      string    // of Clear, a phrase
}

// Decide looks at the seconds of one slot, oldest first, at time now. healthy says that its instances pass their health
// checks and counts only where there is no traffic to judge by.
func (r RateRule) Decide(seconds []Second, healthy bool, now time.Time) RateVerdict {
	worst := RateVerdict{}
	for _, release := range releases(seconds, now.Add(-r.Stretch)) {
		if v := r.failing(seconds, release, now); v.Failing && v.Share > worst.Share {
			worst = v
		}
	}
	if worst.Failing {
		return worst
	}
	return r.clear(seconds, healthy, now)
}

func releases(seconds []Second, since time.Time) []int {
	var out []int
	for _, s := range seconds {
		if !s.At.Before(since) && !slices.Contains(out, s.Release) {
			out = append(out, s.Release)
		}
	}
	slices.Sort(out)
	return out
}

// failing judges one release over the shortest window that holds enough requests.
func (r RateRule) failing(seconds []Second, release int, now time.Time) RateVerdict {
	var total, failed, silent, lately uint64
	start := now
	for i := len(seconds) - 1; i >= 0; i-- {
		s := seconds[i]
		if s.At.Before(now.Add(-r.Window)) && (total >= r.MinRequests || s.At.Before(now.Add(-r.Stretch))) {
			break
		}
		start = s.At
		if s.Release == release {
			total, failed, silent = total+s.Requests, failed+s.failed(), silent+s.NoAnswer
			if !s.At.Before(now.Add(-r.Window)) {
				lately += s.failed()
			}
		}
	}
	share := ratio(failed, total)
	// A release that stopped failing, or stopped serving, is not failing now, however far back the window grew.
	if lately == 0 || total < r.MinRequests || failed < r.MinFailed || share <= r.Share || share <= r.Factor*r.baseline(seconds, release, start) {
		return RateVerdict{}
	}
	return RateVerdict{Failing: true, Release: release, Share: share, NoAnswer: 2*silent > failed, Onset: r.onset(seconds, release)}
}

// baseline returns the usual share of failures before start: of the slot, or of the other releases where that is less,
// so that a release that failed from its first request is not its own measure.
func (r RateRule) baseline(seconds []Second, release int, start time.Time) float64 {
	before := start.Add(-r.Baseline)
	var all, others []Second
	for _, s := range seconds {
		if s.At.Before(before) || !s.At.Before(start) {
			continue
		}
		all = append(all, s)
		if s.Release != release {
			others = append(others, s)
		}
	}
	usual := r.median(all)
	if len(others) > 0 {
		usual = min(usual, r.median(others))
	}
	return usual
}

// median returns the middle of the shares of buckets as long as the window; a burst that is over does not raise it.
func (r RateRule) median(seconds []Second) float64 {
	type bucket struct{ total, failed uint64 }
	buckets := map[int64]*bucket{}
	for _, s := range seconds {
		key := s.At.UnixNano() / int64(r.Window)
		if buckets[key] == nil {
			buckets[key] = &bucket{}
		}
		buckets[key].total += s.Requests
		buckets[key].failed += s.failed()
	}
	var shares []float64
	for _, b := range buckets {
		if b.total > 0 {
			shares = append(shares, ratio(b.failed, b.total))
		}
	}
	if len(shares) == 0 {
		return 0
	}
	slices.Sort(shares)
	return shares[(len(shares)-1)/2]
}

// onset walks back from the newest failure while failures follow one another closely.
func (r RateRule) onset(seconds []Second, release int) time.Time {
	var at time.Time
	for _, s := range slices.Backward(seconds) {
		if s.Release != release || s.failed() == 0 {
			continue
		}
		if !at.IsZero() && at.Sub(s.At) > r.Window/2 {
			break
		}
		at = s.At
	}
	return at
}

// clear judges the whole slot.
func (r RateRule) clear(seconds []Second, healthy bool, now time.Time) RateVerdict {
	var total, failed, lately uint64
	for _, s := range seconds {
		if !s.At.Before(now.Add(-r.ClearFor)) {
			total, failed = total+s.Requests, failed+s.failed()
		}
		if !s.At.Before(now.Add(-r.QuietFor)) {
			lately += s.Requests
		}
	}
	switch {
	case total >= r.ClearMin && ratio(failed, total) < r.ClearShare:
		return RateVerdict{Clear: true, Why: fmt.Sprintf("%d of %d requests failed in the last %s", failed, total, r.ClearFor)}
	case lately == 0 && healthy:
		return RateVerdict{Clear: true, Why: fmt.Sprintf("no requests for %s, and every instance is healthy", r.QuietFor)}
	}
	return RateVerdict{}
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Finding puts the verdict into the words of an incident. release is the id of the release that fails.
func (v RateVerdict) Finding(slot platform.Slot, release platform.ReleaseID, now time.Time) *platform.Finding {
	f := &platform.Finding{SlotID: slot.ID, Signal: platform.SignalErrorRate, SeenAt: now}
	if v.Clear {
		f.Resolved, f.Title = true, slot.Service+": "+v.Why
		return f
	}
	what := "answer 5xx"
	if v.NoAnswer {
		what = "get no answer"
	}
	f.ReleaseID, f.OnsetAt = release, v.Onset
	f.Title = fmt.Sprintf("%s: %d%% of requests %s since %s (release %d)", slot.Service, int(math.Round(100*v.Share)), what, v.Onset.UTC().Format(time.TimeOnly), v.Release)
	return f
}

package router

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/platform/routing"
)

// counterKept is how long the counters of a slot and release that left the table are kept.
const counterKept = 24 * time.Hour

type counterKey struct {
	slot    string
	release int
}

// counter counts what one release of one slot answered. All but gone are atomics that only rise.
type counter struct {
	status  [6]atomic.Uint64 // as routing.RouteCount.Status
	buckets []atomic.Uint64
	sum     atomic.Int64
	gone    time.Time // guarded by Router.mu: when it was first seen outside the table; zero while in it
}

// answered counts an answer of the instance and the time to its first byte.
func (c *counter) answered(status int, took time.Duration) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 5 // an instance that answers with no HTTP status is at fault
	}
	c.status[class].Add(1)
	i := 0
	for i < len(routing.LatencyBounds) && took > routing.LatencyBounds[i] {
		i++
	}
	c.buckets[i].Add(1)
	c.sum.Add(int64(took))
}

// unanswered counts a request that the router had to answer itself.
func (c *counter) unanswered() { c.status[0].Add(1) }

func (c *counter) read(key counterKey) routing.RouteCount {
	out := routing.RouteCount{Slot: key.slot, Release: key.release}
	for i := range c.status {
		out.Status[i] = c.status[i].Load()
	}
	out.Latency.Buckets = make([]uint64, len(c.buckets))
	for i := range c.buckets {
		n := c.buckets[i].Load()
		out.Latency.Buckets[i] = n
		out.Latency.Count += n
	}
	out.Latency.Sum = time.Duration(c.sum.Load())
	return out
}

func (c *counter) untouched() bool {
	for i := range c.status {
		if c.status[i].Load() > 0 {
			return false
		}
	}
	return true
}

func (r *Router) counterLocked(key counterKey) *counter {
	c, ok := r.counters[key]
	if !ok {
		c = &counter{buckets: make([]atomic.Uint64, len(routing.LatencyBounds)+1)}
		r.counters[key] = c
	}
	c.gone = time.Time{}
	return c
}

// forgetCountersLocked drops the counters that have been outside the table for counterKept.
func (r *Router) forgetCountersLocked(next *table, now time.Time) {
	present := make(map[*counter]bool, len(r.counters))
	for _, routes := range next.hosts {
		for _, route := range routes {
			present[route.unserved] = true
			for _, t := range route.targets {
				present[t.counter] = true
			}
		}
	}
	for key, c := range r.counters {
		switch {
		case present[c]:
		case c.gone.IsZero():
			c.gone = now
		case now.Sub(c.gone) > counterKept:
			delete(r.counters, key)
		}
	}
}

// snapshot reads all counters and what is in flight. The version is read before the counts: whoever knows the version
// then reads counts that hold every request of older tables (see README.md).
func (r *Router) snapshot() routing.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := routing.Snapshot{Boot: r.boot, Version: r.table.Load().version, At: time.Now(), Routes: []routing.RouteCount{}, Targets: []routing.TargetStatus{}}
	r.forgetDrainedLocked()
	for _, state := range r.states {
		s.Targets = append(s.Targets, routing.TargetStatus{
			Instance: state.instance, Slot: state.slot, InFlight: state.inFlight.Load(), Draining: state.draining,
		})
	}
	for key, c := range r.counters {
		if !c.untouched() {
			s.Routes = append(s.Routes, c.read(key))
		}
	}
	slices.SortFunc(s.Targets, func(a, b routing.TargetStatus) int { return cmp.Compare(a.Instance, b.Instance) })
	slices.SortFunc(s.Routes, func(a, b routing.RouteCount) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Release, b.Release))
	})
	return s
}

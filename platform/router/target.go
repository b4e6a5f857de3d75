package router

import (
	"context"
	"sync/atomic"
	"time"
)

// targetState is what lives on of an instance from table to table: how many requests it holds, and whether it may go on.
type targetState struct {
	instance string
	slot     string
	inFlight atomic.Int64
	life     atomic.Pointer[life]

	// guarded by Router.mu
	drainFor time.Duration
	draining bool
	deadline *time.Timer // ends life; set while draining
}

// life ends when the drain time of a target that left the table is over: then what it still holds is closed.
type life struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newLife() *life {
	ctx, end := context.WithCancelCause(context.Background())
	return &life{ctx, end}
}

// choice is a target held for one request: it counts as in flight until release.
type choice struct {
	table  *table
	route  *route
	target *target
}

// acquire looks the request up in the served table and counts it on the chosen target. The route is set with
// errNoTargets too.
//
// The order of its three steps is the router's invariant (see README.md): count first, then make sure that the table
// is still the served one. If it is, every later reader that knows of a newer table sees the count. If it is not, the
// count is taken back and the look-up starts again, so that no request uses a target of a table that was replaced.
func (r *Router) acquire(host, path string, tried []string) (choice, error) {
	for {
		t := r.table.Load()
		route, err := t.find(host, path)
		if err != nil {
			return choice{table: t}, err
		}
		target := route.pick(tried)
		if target == nil {
			return choice{table: t, route: route}, errNoTargets
		}
		target.state.inFlight.Add(1)
		if r.table.Load() == t {
			return choice{t, route, target}, nil
		}
		target.state.inFlight.Add(-1)
	}
}

func (c choice) release() { c.target.state.inFlight.Add(-1) }

// stateLocked returns the state of an instance of the table being built, made or kept, and not draining.
func (r *Router) stateLocked(instance, slot string, drainFor time.Duration) *targetState {
	s, ok := r.states[instance]
	if !ok {
		s = &targetState{instance: instance}
		s.life.Store(newLife())
		r.states[instance] = s
	}
	s.slot, s.drainFor = slot, drainFor
	if s.draining {
		s.draining = false
		if !s.deadline.Stop() { // what it held is being closed; what comes now has a life of its own
			s.life.Store(newLife())
		}
	}
	return s
}

// drainLocked starts the drain of every target that the new table does not have, and forgets those that hold nothing.
func (r *Router) drainLocked(next *table) {
	kept := make(map[*targetState]bool, len(r.states))
	for _, routes := range next.hosts {
		for _, route := range routes {
			for _, t := range route.targets {
				kept[t.state] = true
			}
		}
	}
	for _, s := range r.states {
		if kept[s] || s.draining {
			continue
		}
		s.draining = true
		ending := s.life.Load()
		s.deadline = time.AfterFunc(s.drainFor, func() { ending.end(errDrained) })
	}
	r.forgetDrainedLocked()
}

// forgetDrainedLocked drops the targets that have left the table and hold nothing.
func (r *Router) forgetDrainedLocked() {
	for id, s := range r.states {
		if s.draining && s.inFlight.Load() == 0 {
			s.deadline.Stop()
			delete(r.states, id)
		}
	}
}

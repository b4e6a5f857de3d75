package spool

import (
	"time"

	"github.com/fairlead/fairlead/observability"
)

// State is what a spool is doing.
type State string

// The states of a spool.
const (
	StateIdle     State = "idle"     // nothing waits
	StateDraining State = "draining" // lines are on their way
	StateBlocked  State = "blocked"  // the target takes nothing now; Why says why
)

// Stats are the figures of a spool at one moment. Counts of what is gone are since the folder was made.
type Stats struct {
	State      State                          `json:"state"`
	Why        string                         `json:"why,omitempty"`
	Lines      uint64                         `json:"lines"`  // waiting
	Bytes      int64                          `json:"bytes"`  // on disk, those of lines included that the target may still lose
	Oldest     time.Duration                  `json:"oldest"` // how long the oldest waiting line has waited
	Dropped    map[observability.Level]uint64 `json:"dropped,omitempty"`
	Sent       uint64                         `json:"sent"`       // taken by the target since the spool was opened, those found there included
	Rejected   uint64                         `json:"rejected"`   // refused by the target for good
	Unreadable uint64                         `json:"unreadable"` // lost by the disk
	Damaged    uint64                         `json:"damaged"`    // segments that were set aside
}

func levelName(i int) observability.Level {
	if levels[i] == observability.LevelUnknown {
		return "unknown"
	}
	return levels[i]
}

// Stats returns the figures now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{
		State: StateDraining, Lines: s.waiting, Bytes: s.bytes, Sent: s.delivered,
		Rejected: s.saved.rejected, Unreadable: s.saved.unreadable, Damaged: s.saved.damaged,
	}
	dropped := s.saved.dropped
	for _, segment := range s.segments {
		dropped.add(segment.dropped)
		out.Unreadable += segment.lost
	}
	for i, n := range dropped {
		if n > 0 {
			if out.Dropped == nil {
				out.Dropped = map[observability.Level]uint64{}
			}
			out.Dropped[levels[i]] += n
		}
	}
	switch {
	case s.waiting == 0:
		out.State = StateIdle
	case s.blocked != nil:
		out.State, out.Why = StateBlocked, s.blocked.Error()
	}
	out.Oldest = s.oldestLocked()
	return out
}

func (s *Spool) oldestLocked() time.Duration {
	if s.waiting == 0 {
		return 0
	}
	if s.batch != nil && s.batch.count > 0 {
		return time.Since(s.batch.spooled)
	}
	for _, segment := range s.segments {
		if segment.end > s.taken && segment.lines() > 0 {
			return time.Since(segment.began)
		}
	}
	return 0
}

package detect

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// InstanceRule says when deaths and lost health are incidents. DefaultInstance is what Fairlead uses.
type InstanceRule struct {
	Deaths    int           // unexpected ones of one release ...
	Within    time.Duration // ... in this time are a crash loop
	HealAfter time.Duration // a death is over when its successor was ready for so long
}

// DefaultInstance calls three deaths in five minutes a crash loop.
var DefaultInstance = InstanceRule{Deaths: 3, Within: 5 * time.Minute, HealAfter: time.Minute}

// Symptom is a finding that holds now, with a weight that rises when there is more of it.
type Symptom struct {
	platform.Finding
	Weight int
}

// signals of instances, in the order in which they are judged.
var instanceSignals = []platform.Signal{platform.SignalOOM, platform.SignalCrashLoop, platform.SignalHealthLost}

// Decide looks at the instances of a slot: those that run, and those that ended lately. It returns the symptoms that
// hold, and the signals of which the slot is surely free: those without a symptom while an instance of the live
// release is ready and none is unwell. What was stopped on purpose, and releases that are not live, are no symptom.
func (r InstanceRule) Decide(slot platform.Slot, seen []platform.Instance, now time.Time) (holding []Symptom, clear []platform.Signal) {
	live := slices.DeleteFunc(slices.Clone(seen), func(in platform.Instance) bool { return in.ReleaseID != slot.LiveReleaseID || slot.LiveReleaseID == "" })
	slices.SortStableFunc(live, func(a, b platform.Instance) int { return a.StartedAt.Compare(b.StartedAt) })
	open := slices.DeleteFunc(r.deaths(live), func(d platform.Instance) bool { return r.healed(slot, d, live, now) })
	for _, signal := range instanceSignals {
		var s *Symptom
		switch signal { //nolint:exhaustive // the signals of instances only
		case platform.SignalOOM:
			s = outOfMemory(slot, open)
		case platform.SignalCrashLoop:
			s = r.crashLoop(slot, open, r.deaths(live), now)
		case platform.SignalHealthLost:
			s = healthLost(slot, live, now)
		}
		if s == nil {
			if len(open) == 0 && allReady(slot, live) {
				clear = append(clear, signal)
			}
			continue
		}
		s.SlotID, s.Signal, s.ReleaseID, s.SeenAt = slot.ID, signal, slot.LiveReleaseID, now
		holding = append(holding, *s)
	}
	return holding, clear
}

// deaths returns those that nobody asked for, oldest first.
func (r InstanceRule) deaths(live []platform.Instance) []platform.Instance {
	var out []platform.Instance
	for _, in := range live {
		if in.State == platform.InstanceDead && in.EndedAt != nil {
			out = append(out, in)
		}
	}
	slices.SortStableFunc(out, func(a, b platform.Instance) int { return a.EndedAt.Compare(*b.EndedAt) })
	return out
}

// healed reports whether a death is over: its place was given up, or a successor has been ready for long enough.
func (r InstanceRule) healed(slot platform.Slot, death platform.Instance, live []platform.Instance, now time.Time) bool {
	if death.Ordinal >= slot.Replicas {
		return true
	}
	return slices.ContainsFunc(live, func(in platform.Instance) bool {
		return in.State == platform.InstanceReady && in.Ordinal == death.Ordinal && in.ReadyAt != nil &&
			in.ReadyAt.After(*death.EndedAt) && now.Sub(*in.ReadyAt) >= r.HealAfter
	})
}

func outOfMemory(slot platform.Slot, open []platform.Instance) *Symptom {
	killed := slices.DeleteFunc(slices.Clone(open), func(in platform.Instance) bool { return !in.OOMKilled })
	if len(killed) == 0 {
		return nil
	}
	first := killed[0]
	return &Symptom{Weight: len(killed), Finding: platform.Finding{
		DeployID: first.DeployID, OnsetAt: *first.EndedAt,
		Title: fmt.Sprintf("%s: killed by the kernel for using too much memory at %s (release %d, %s)",
			slot.Service, first.EndedAt.UTC().Format(time.TimeOnly), first.ReleaseNumber, times(len(killed))),
	}}
}

// crashLoop holds when enough deaths fell into one stretch of time and the newest of them is not over.
func (r InstanceRule) crashLoop(slot platform.Slot, open, all []platform.Instance, now time.Time) *Symptom {
	if len(open) == 0 || len(all) < r.Deaths {
		return nil
	}
	first := -1
	for i := 0; i+r.Deaths <= len(all) && first < 0; i++ {
		if all[i+r.Deaths-1].EndedAt.Sub(*all[i].EndedAt) <= r.Within {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	last := all[len(all)-1]
	if now.Sub(*last.EndedAt) > 3*r.Within {
		return nil // long over, though nothing took its place
	}
	how := ""
	if last.ExitCode != nil {
		how = fmt.Sprintf(", exit code %d", *last.ExitCode)
	}
	return &Symptom{Weight: len(all) - first, Finding: platform.Finding{
		DeployID: last.DeployID, OnsetAt: *all[first].EndedAt,
		Title: fmt.Sprintf("%s: keeps dying, %s since %s (release %d%s)", slot.Service, times(len(all)-first), all[first].EndedAt.UTC().Format(time.TimeOnly), last.ReleaseNumber, how),
	}}
}

// healthLost holds while an instance that was ready fails its check; the state is set after as many failures in a row as
// the check allows, so one failed probe is not enough.
func healthLost(slot platform.Slot, live []platform.Instance, now time.Time) *Symptom {
	unwell := slices.DeleteFunc(slices.Clone(live), func(in platform.Instance) bool { return in.State != platform.InstanceUnhealthy })
	if len(unwell) == 0 {
		return nil
	}
	first := unwell[0]
	reason := ""
	if first.Reason != "" {
		reason = ": " + platform.Truncate(first.Reason, 160)
	}
	return &Symptom{Weight: len(unwell), Finding: platform.Finding{
		DeployID: first.DeployID, OnsetAt: now,
		Title: fmt.Sprintf("%s: %d of %d instances fail their health check (release %d)%s", slot.Service, len(unwell), max(slot.Replicas, len(unwell)), first.ReleaseNumber, reason),
	}}
}

// allReady reports whether as many instances as wanted are ready and none of the live release is unwell; where none is
// wanted, nothing is left that could be.
func allReady(slot platform.Slot, live []platform.Instance) bool {
	ready := 0
	for _, in := range live {
		switch in.State {
		case platform.InstanceReady:
			ready++
		case platform.InstanceUnhealthy:
			return false
		case platform.InstanceStarting, platform.InstanceDraining, platform.InstanceStopped, platform.InstanceDead:
		}
	}
	return slot.Replicas == 0 || ready > 0 && ready >= slot.Replicas
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

package collect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
)

// reporter opens, merges and resolves incidents; control.Plane has it.
type reporter interface {
	Report(ctx context.Context, f platform.Finding) (platform.Incident, error)
}

// again is how often a finding that goes on is reported although nothing about it changed.
const again = time.Minute

// Detector runs the rules of package detect over what it is told and reports findings without repeating itself. What it
// remembers is lost with the process, which costs nothing: an incident that is open already is merged into, and a
// resolution is told once more.
type Detector struct {
	Reporter reporter
	Rate     detect.RateRule
	Instance detect.InstanceRule
	Log      *slog.Logger

	mu    sync.Mutex // guards the fields below
	slots map[platform.SlotID]*watched
}

// watched is what is remembered of one slot.
type watched struct {
	seconds []detect.Second
	healthy bool
	told    map[platform.Signal]told
}

// told is what was last said of a signal.
type told struct {
	release  platform.ReleaseID
	weight   int
	resolved bool
	at       time.Time
}

// NewDetector returns a detector with the default rules.
func NewDetector(r reporter, log *slog.Logger) *Detector {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Detector{Reporter: r, Rate: detect.DefaultRate, Instance: detect.DefaultInstance, Log: log, slots: make(map[platform.SlotID]*watched)}
}

func (d *Detector) slotLocked(id platform.SlotID) *watched {
	w := d.slots[id]
	if w == nil {
		w = &watched{told: make(map[platform.Signal]told)}
		d.slots[id] = w
	}
	return w
}

// Instances returns what is new about the instances of a slot, seen being those that run and those that ended lately.
// The caller reports it; a finding is returned again after a minute while it goes on, so one that could not be
// reported is not lost.
func (d *Detector) Instances(slot platform.Slot, seen []platform.Instance, now time.Time) []platform.Finding {
	holding, clear := d.Instance.Decide(slot, seen, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.slotLocked(slot.ID)
	w.healthy = len(holding) == 0 && len(clear) > 0
	var out []platform.Finding
	for _, s := range holding {
		if w.news(s.Signal, told{release: s.ReleaseID, weight: s.Weight, at: now}) {
			out = append(out, s.Finding)
		}
	}
	for _, signal := range clear {
		if w.news(signal, told{resolved: true, at: now}) {
			out = append(out, platform.Finding{
				SlotID: slot.ID, Signal: signal, SeenAt: now, Resolved: true, Title: slot.Service + ": " + wellWords(slot),
			})
		}
	}
	return out
}

func wellWords(slot platform.Slot) string {
	if slot.Replicas == 0 {
		return "scaled to zero, so no instance can fail"
	}
	return "every instance is ready and has stayed so"
}

// news reports whether saying it would tell something new, and notes that it is said.
func (w *watched) news(signal platform.Signal, say told) bool {
	last, known := w.told[signal]
	switch {
	case !known, last.resolved != say.resolved, last.release != say.release, say.weight > last.weight:
	case say.resolved, say.at.Sub(last.at) < again:
		return false
	}
	w.told[signal] = say
	return true
}

// Traffic adds what a slot answered in the last second, by release, judges it and reports. A release that is not live
// yet is judged once it is.
func (d *Detector) Traffic(ctx context.Context, slot platform.Slot, seconds []detect.Second, now time.Time) {
	finding, undo := d.judge(slot, seconds, now)
	if finding == nil {
		return
	}
	if _, err := d.Reporter.Report(ctx, *finding); err != nil && ctx.Err() == nil {
		d.Log.WarnContext(ctx, "a finding cannot be reported", "slot", slot.Ref(), "signal", finding.Signal, "error", err)
		undo()
	}
}

func (d *Detector) judge(slot platform.Slot, seconds []detect.Second, now time.Time) (finding *platform.Finding, undo func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.slotLocked(slot.ID)
	w.add(seconds, now.Add(-d.Rate.Keep()))
	verdict := d.Rate.Decide(w.seconds, w.healthy, now)
	say := told{resolved: verdict.Clear, at: now}
	switch {
	case verdict.Failing && verdict.Release == slot.LiveRelease:
		say.release = slot.LiveReleaseID
	case !verdict.Clear:
		return nil, nil
	}
	last, known := w.told[platform.SignalErrorRate]
	if !w.news(platform.SignalErrorRate, say) {
		return nil, nil
	}
	return verdict.Finding(slot, say.release, now), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(w.told, platform.SignalErrorRate)
		if known {
			w.told[platform.SignalErrorRate] = last
		}
	}
}

func (w *watched) add(seconds []detect.Second, oldest time.Time) {
	for _, s := range seconds {
		if s.Requests > 0 {
			w.seconds = append(w.seconds, s)
		}
	}
	old := 0
	for old < len(w.seconds) && w.seconds[old].At.Before(oldest) {
		old++
	}
	w.seconds = w.seconds[old:]
}

// Forget drops what is remembered of slots that keep does not name.
func (d *Detector) Forget(keep func(platform.SlotID) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.slots {
		if !keep(id) {
			delete(d.slots, id)
		}
	}
}

package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/durable"
	"github.com/fairlead/fairlead/platform/routing"
)

// baseline is what routers before the present one answered, by which totals go on rising whichever of the two processes
// starts anew: a total is the baseline and what the present router counted. It is written down when it changes, which is
// when the router starts or a release gets its first request, and not with each request.
//
// A total that is not in the baseline yet begins at zero, and is said to, so that its first requests are a rise and none
// of them is missed. So does every total when the router started anew while the server was away: how much the one before
// had answered by its end nobody knows, and a store would take a new total above the old one for its continuation.
type baseline struct {
	path  string // "" keeps it in memory only
	boot  string // of the router's start; "" before the first look
	base  map[routeKey]*routing.RouteCount
	dirty bool
}

// keptReleases is how many releases of a slot the baseline knows; a release that comes back after so many begins at zero.
const keptReleases = 100

// savedBaseline is the file's form.
type savedBaseline struct {
	Boot   string               `json:"boot"`
	Counts []routing.RouteCount `json:"counts"`
}

// load reads the file. One that is missing or damaged is as on the first start: counters stand for themselves.
func (b *baseline) load() error {
	b.base = map[routeKey]*routing.RouteCount{}
	if b.path == "" {
		return nil
	}
	raw, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var saved savedBaseline
	if err == nil {
		err = json.Unmarshal(raw, &saved)
	}
	if err != nil {
		return fmt.Errorf("read the baseline of the router's counters: %w", err)
	}
	b.boot = saved.Boot
	for _, c := range saved.Counts {
		b.base[routeKey{c.Slot, c.Release}] = &c
	}
	return nil
}

// turn takes in that the router's counters are of a start; seen is what was last read of the start before, nil when this
// server read nothing yet. It reports whether the start is another one than that of seen.
func (b *baseline) turn(boot string, seen map[routeKey]routing.RouteCount) (anew bool) {
	if boot == b.boot {
		return false
	}
	b.dirty = true
	switch {
	case seen != nil:
		for _, count := range seen {
			b.add(count)
		}
	case b.boot != "":
		b.base = map[routeKey]*routing.RouteCount{}
	}
	b.boot = boot
	return seen != nil
}

// meet enters a total that is not known yet and reports whether it was not.
func (b *baseline) meet(key routeKey) (unknown bool) {
	if b.base[key] != nil {
		return false
	}
	b.base[key] = &routing.RouteCount{Slot: key.slot, Release: key.release}
	b.dirty = true
	return true
}

// add raises the baseline by what the router has forgotten.
func (b *baseline) add(count routing.RouteCount) {
	key := routeKey{count.Slot, count.Release}
	b.meet(key)
	accumulate(b.base[key], count)
	b.dirty = true
}

// total is what all starts of the router together have answered.
func (b *baseline) total(count routing.RouteCount) routing.RouteCount {
	sum := routing.RouteCount{Slot: count.Slot, Release: count.Release}
	accumulate(&sum, count)
	if base := b.base[routeKey{count.Slot, count.Release}]; base != nil {
		accumulate(&sum, *base)
	}
	return sum
}

// save writes the baseline down when it changed, without what belongs to slots and releases that are gone. It comes before the samples
// that were reckoned from it: the other way round a kill between the two would count them again.
func (b *baseline) save(ctx context.Context, r *Routes) {
	if !b.dirty || b.path == "" {
		return
	}
	newest := map[string]int{}
	for key := range b.base {
		newest[key.slot] = max(newest[key.slot], key.release)
	}
	saved := savedBaseline{Boot: b.boot, Counts: []routing.RouteCount{}}
	for key, count := range b.base {
		_, known := r.known[platform.SlotID(key.slot)]
		if (known || r.known == nil) && key.release > newest[key.slot]-keptReleases {
			saved.Counts = append(saved.Counts, *count)
		}
	}
	err := durable.Replace(b.path, func(f *os.File) error { return json.NewEncoder(f).Encode(saved) })
	b.dirty = err != nil
	if err != nil {
		r.Log.WarnContext(ctx, "the baseline of the router's counters cannot be saved", "error", err)
	}
}

// Package heap lets the garbage collector of a server take memory that the server may have in place of processor time.
//
// It owns how far the heap may grow between two collections. It must not know what the memory is used for.
package heap

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The heap may grow to Goal before it is collected, but to no more than five times and no less than twice what is live in it:
// twice is what Go does by itself.
const (
	Goal         = 128 << 20
	leastPercent = 100
	mostPercent  = 400
	lookEvery    = time.Second
)

// Percent returns by how much of what is live the heap may grow.
func Percent(live uint64) int {
	if live >= Goal {
		return leastPercent
	}
	return int(max(leastPercent, min(mostPercent, (Goal-live)*100/max(1, live))))
}

// Run keeps the collector at Percent until ctx ends, and returns nil. Whoever set GOGC or GOMEMLIMIT has the last word: then
// it changes nothing.
func Run(ctx context.Context) error {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		<-ctx.Done()
		return nil
	}
	set := Percent(live())
	defer debug.SetGCPercent(debug.SetGCPercent(set))
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if percent := Percent(live()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
	}
}

// live is what was live in the heap when it was last collected.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

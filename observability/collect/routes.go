package collect

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
)

// snapshots reads the router's counters; routing.Client has it.
type snapshots interface {
	Snapshot(ctx context.Context) (routing.Snapshot, error)
}

// slots says what the slot ids of a snapshot stand for; control.Plane has it.
type slots interface {
	ListWorkSlots(ctx context.Context) ([]platform.Slot, error)
}

// Routes turns the router's counters into samples and into what the detector judges, once a second. Totals go on rising
// when the router starts anew, and when the server does.
type Routes struct {
	Router   snapshots
	Slots    slots
	Metrics  observability.Metrics
	Detector *Detector // nil: nothing is judged
	Log      *slog.Logger
	Every    time.Duration // default 1 s
	StateDir string        // a folder that is there; "" forgets, at the server's end, what routers before the present one answered

	known  map[platform.SlotID]platform.Slot
	listed time.Time
	seen   map[routeKey]routing.RouteCount // as the router last gave them
	base   baseline
	held   []observability.Sample // how many requests each instance held, as last told
	begin  map[routeKey]bool      // of the last snapshot, those whose totals began at zero since the one before
}

type routeKey struct {
	slot    string
	release int
}

// slotsFor is how long the list of slots is used before it is read again.
const slotsFor = 2 * time.Second

// Run polls until ctx ends and returns nil. It is called once.
func (r *Routes) Run(ctx context.Context) error {
	if r.Every == 0 {
		r.Every = time.Second
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			err := r.Poll(ctx, now)
			if err != nil && !failed && ctx.Err() == nil {
				r.Log.WarnContext(ctx, "the router's counters cannot be read", "error", err)
			}
			failed = err != nil
		}
	}
}

// Poll reads the router once. Run calls it; tests may.
func (r *Routes) Poll(ctx context.Context, now time.Time) error {
	if now.Sub(r.listed) >= slotsFor || r.known == nil {
		r.refresh(ctx, now)
	}
	snapshot, err := r.Router.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read the router's counters: %w", err)
	}
	deltas := r.advance(ctx, snapshot)
	if err := r.Metrics.Append(ctx, append(r.samples(snapshot, now), r.inFlight(snapshot, now)...)); err != nil {
		r.Log.WarnContext(ctx, "route samples cannot be stored", "error", err)
	}
	if r.Detector == nil {
		return nil
	}
	bySlot := map[platform.SlotID][]detect.Second{}
	for key, d := range deltas {
		bySlot[platform.SlotID(key.slot)] = append(bySlot[platform.SlotID(key.slot)], second(key.release, d, now))
	}
	for id, slot := range r.known {
		r.Detector.Traffic(ctx, slot, bySlot[id], now)
	}
	r.Detector.Forget(func(id platform.SlotID) bool { _, ok := r.known[id]; return ok })
	return nil
}

// refresh reads the slots anew. While they cannot be read (Postgres is away) the last ones serve.
func (r *Routes) refresh(ctx context.Context, now time.Time) {
	list, err := r.Slots.ListWorkSlots(ctx)
	if err != nil {
		if ctx.Err() == nil && r.known == nil {
			r.Log.WarnContext(ctx, "slots cannot be listed", "error", err)
		}
		return
	}
	r.known, r.listed = make(map[platform.SlotID]platform.Slot, len(list)), now
	for _, slot := range list {
		r.known[slot.ID] = slot
	}
}

// baselineFile is where in the state folder the baseline is.
const baselineFile = "router-baseline.json"

// advance takes a snapshot in and returns what each release answered since the one before. The first snapshot of a
// process is where it begins: what was answered before is in the totals, and no news.
func (r *Routes) advance(ctx context.Context, s routing.Snapshot) map[routeKey]routing.RouteCount {
	first := r.seen == nil
	if first {
		if r.StateDir != "" {
			r.base.path = filepath.Join(r.StateDir, baselineFile)
		}
		if err := r.base.load(); err != nil {
			r.Log.WarnContext(ctx, "totals of requests begin anew", "error", err)
		}
	}
	unknown := first && r.base.boot == "" // nothing says whether these counters are in the store already
	if anew := r.base.turn(s.Boot, r.seen); anew || first {
		r.seen = make(map[routeKey]routing.RouteCount)
	}
	deltas := make(map[routeKey]routing.RouteCount)
	r.begin = make(map[routeKey]bool)
	for _, count := range s.Routes {
		key := routeKey{count.Slot, count.Release}
		delta, fell := subtract(count, r.seen[key])
		if fell {
			r.base.add(r.seen[key])
		}
		r.seen[key] = count
		if _, known := r.known[platform.SlotID(key.slot)]; known && r.base.meet(key) && !unknown {
			r.begin[key] = true
		}
		if !first {
			deltas[key] = delta
		}
	}
	r.base.save(ctx, r)
	return deltas
}

// subtract returns what count has more than before. A count that fell began at zero again.
func subtract(count, before routing.RouteCount) (delta routing.RouteCount, fell bool) {
	fell = count.Latency.Count < before.Latency.Count
	for i := range count.Status {
		fell = fell || count.Status[i] < before.Status[i]
	}
	out := count
	out.Latency.Buckets = append([]uint64(nil), count.Latency.Buckets...)
	if fell {
		return out, true
	}
	for i := range out.Status {
		out.Status[i] -= before.Status[i]
	}
	for i := range min(len(out.Latency.Buckets), len(before.Latency.Buckets)) {
		out.Latency.Buckets[i] -= min(out.Latency.Buckets[i], before.Latency.Buckets[i])
	}
	out.Latency.Sum -= before.Latency.Sum
	out.Latency.Count -= before.Latency.Count
	return out, false
}

func accumulate(total *routing.RouteCount, delta routing.RouteCount) {
	for i := range total.Status {
		total.Status[i] += delta.Status[i]
	}
	for len(total.Latency.Buckets) < len(delta.Latency.Buckets) {
		total.Latency.Buckets = append(total.Latency.Buckets, 0)
	}
	for i, n := range delta.Latency.Buckets {
		total.Latency.Buckets[i] += n
	}
	total.Latency.Sum += delta.Latency.Sum
	total.Latency.Count += delta.Latency.Count
}

func second(release int, d routing.RouteCount, now time.Time) detect.Second {
	s := detect.Second{At: now, Release: release, Errors: d.Status[5], NoAnswer: d.Status[0]}
	for _, n := range d.Status {
		s.Requests += n
	}
	return s
}

// classes are the values of the label class, by the index of RouteCount.Status.
var classes = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// samples writes down the totals of the releases that the snapshot names, and where they begin anew, that they do.
func (r *Routes) samples(s routing.Snapshot, now time.Time) []observability.Sample {
	var out []observability.Sample
	for _, count := range s.Routes {
		slot, ok := r.known[platform.SlotID(count.Slot)]
		if !ok {
			continue
		}
		if r.begin[routeKey{count.Slot, count.Release}] {
			zero := routing.RouteCount{Release: count.Release, Latency: routing.Histogram{Buckets: make([]uint64, len(count.Latency.Buckets))}}
			out = append(out, totalSamples(slot, zero, now.Add(-time.Millisecond))...)
		}
		out = append(out, totalSamples(slot, r.base.total(count), now)...)
	}
	return out
}

// inFlight says how many requests each instance holds, and ends the series of instances that hold none any more because
// they are gone.
func (r *Routes) inFlight(s routing.Snapshot, now time.Time) []observability.Sample {
	at := map[string]int{}
	var out []observability.Sample
	for _, target := range s.Targets {
		slot, ok := r.known[platform.SlotID(target.Slot)]
		if !ok {
			continue
		}
		i, twice := at[target.Instance] // in the table, and draining from an older one
		if !twice {
			i, at[target.Instance] = len(out), len(out)
			out = append(out, observability.Sample{Name: observability.MetricInFlight, At: now, Labels: map[string]string{
				"project": slot.Project, "environment": slot.Environment, "service": slot.Service, "instance": target.Instance,
			}})
		}
		out[i].Value += float64(target.InFlight)
	}
	ended := gone(r.held, out, now)
	r.held = slices.Clone(out)
	return append(out, ended...)
}

func totalSamples(slot platform.Slot, total routing.RouteCount, now time.Time) []observability.Sample {
	var out []observability.Sample
	add := func(name, label, value string, v float64) {
		labels := labelsOf(slot.Project, slot.Environment, slot.Service, total.Release)
		if label != "" {
			labels[label] = value
		}
		out = append(out, observability.Sample{Name: name, Labels: labels, At: now, Value: v})
	}
	for i, class := range classes {
		add(observability.MetricRequests, "class", class, float64(total.Status[i]))
	}
	sum := uint64(0)
	for i, n := range total.Latency.Buckets {
		sum += n
		le := "+Inf"
		if i < len(routing.LatencyBounds) {
			le = strconv.FormatFloat(routing.LatencyBounds[i].Seconds(), 'g', -1, 64)
		}
		add(observability.MetricLatencyHist, "le", le, float64(sum))
	}
	add(observability.MetricLatencySum, "", "", total.Latency.Sum.Seconds())
	add(observability.MetricLatencyN, "", "", float64(total.Latency.Count))
	return out
}

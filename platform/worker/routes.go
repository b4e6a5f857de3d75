package worker

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
	"github.com/fairlead/fairlead/platform/runtime"
)

// MaxBodySize is the largest request body that the router passes on.
const MaxBodySize = 1 << 30

// routes builds and publishes the whole route table. A version is taken before the state is read, so that of two
// tables the one with the higher version never holds the older state.
type routes struct {
	o      Options
	prober *prober
	memory *memory

	adopted chan struct{} // closed once what runs is known
	once    sync.Once

	mu   sync.Mutex // one table is built at a time; guards the fields below
	last routing.Table
	boot string // of the router that acknowledged last
}

func newRoutes(o Options, p *prober, m *memory) *routes {
	return &routes{o: o, prober: p, memory: m, adopted: make(chan struct{})}
}

// open lets tables be published from now on.
func (r *routes) open() { r.once.Do(func() { close(r.adopted) }) }

// waitAdopted waits for open.
func (r *routes) waitAdopted(ctx context.Context) error {
	select {
	case <-r.adopted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publish builds the table anew and returns its version once the router serves it or a later one.
func (r *routes) publish(ctx context.Context) (uint64, error) {
	if err := r.waitAdopted(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.publishLocked(ctx)
}

func (r *routes) publishLocked(ctx context.Context) (uint64, error) {
	version, err := r.o.Plane.NextTableVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("take a table version: %w", err)
	}
	table, err := r.build(ctx)
	if err != nil {
		return 0, err
	}
	table.Version = version
	ack, err := r.o.Router.Put(ctx, table)
	if err != nil {
		return 0, fmt.Errorf("publish table %d: %w", version, err)
	}
	if ack.Version < version {
		return 0, platform.Errorf(platform.CodeUnavailable, "The router still serves table %d, not %d.", ack.Version, version)
	}
	r.last = table
	return version, nil
}

// refresh publishes only when the table differs from the one published last, or the router is another one or behind.
func (r *routes) refresh(ctx context.Context) error {
	if err := r.waitAdopted(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	snapshot, err := r.o.Router.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	if r.last.Version > 0 && snapshot.Boot == r.boot && snapshot.Version >= r.last.Version {
		table, err := r.build(ctx)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(table.Routes, r.last.Routes) {
			return nil
		}
	}
	if _, err := r.publishLocked(ctx); err != nil {
		return err
	}
	r.boot = snapshot.Boot
	return nil
}

// build reads what should be and what runs, and says where each host leads. Deploys are read before slots: one that
// becomes live in between is then seen as moving traffic, in a slot where its release is live, which is the same. The
// other way round it would be in neither, and the host would lead to the release that it replaced.
func (r *routes) build(ctx context.Context) (routing.Table, error) {
	open, err := r.o.Plane.OpenDeploys(ctx)
	if err != nil {
		return routing.Table{}, fmt.Errorf("list open deploys: %w", err)
	}
	slots, err := r.o.Plane.ListWorkSlots(ctx)
	if err != nil {
		return routing.Table{}, fmt.Errorf("list slots: %w", err)
	}
	containers, err := r.o.Runtime.List(ctx, map[string]string{
		runtime.LabelInstallation: r.o.Installation, runtime.LabelRole: runtime.RoleInstance,
	})
	if err != nil {
		return routing.Table{}, fmt.Errorf("list instances: %w", err)
	}
	shifting, undecided := map[platform.SlotID]platform.Deploy{}, map[string]bool{}
	for _, d := range open {
		if d.Phase.Committed() {
			shifting[d.SlotID] = d
		} else {
			undecided[string(d.ID)] = true
		}
	}
	bySlot := map[platform.SlotID][]runtime.Container{}
	for _, c := range containers {
		if undecided[c.Labels[runtime.LabelDeploy]] {
			continue // also one of the live release, deployed again: it may be removed yet
		}
		id := platform.SlotID(c.Labels[runtime.LabelSlot])
		bySlot[id] = append(bySlot[id], c)
	}
	sort.Slice(slots, func(i, j int) bool { return slots[i].ID < slots[j].ID })
	taken := map[string]bool{}
	table := routing.Table{Routes: []routing.Route{}}
	for _, slot := range slots {
		if route, ok := r.route(slot, shifting[slot.ID], bySlot[slot.ID], taken); ok {
			table.Routes = append(table.Routes, route)
		}
	}
	return table, nil
}

// route is where the hosts of one slot lead. A host that an earlier slot has is left out: one bad pair must not stop
// every other slot from being published.
func (r *routes) route(slot platform.Slot, d platform.Deploy, containers []runtime.Container, taken map[string]bool) (routing.Route, bool) {
	var hosts []string
	for _, host := range slot.Hosts {
		host = strings.ToLower(host)
		if !taken[host] {
			taken[host] = true
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return routing.Route{}, false
	}
	route := routing.Route{
		Slot: string(slot.ID), Name: slot.Ref(), Hosts: hosts, PathPrefix: "/", DrainFor: platform.MaxDrain.D(),
		MaxBodySize: MaxBodySize, Targets: []routing.Target{},
	}
	if d.ID != "" {
		route.Targets = r.targets(containers, func(c runtime.Container) bool { return c.Labels[runtime.LabelDeploy] == string(d.ID) })
	}
	if len(route.Targets) == 0 && slot.LiveReleaseID != "" {
		route.Targets = r.targets(containers, func(c runtime.Container) bool {
			return c.Labels[runtime.LabelRelease] == string(slot.LiveReleaseID)
		})
	}
	return route, true
}

// targets are the ready instances among the chosen; where none is ready, those that once were: a slow answer is
// better than none.
func (r *routes) targets(containers []runtime.Container, chosen func(runtime.Container) bool) []routing.Target {
	ready, once := []routing.Target{}, []routing.Target{}
	for _, c := range containers {
		id := platform.InstanceID(c.Labels[runtime.LabelInstance])
		if !c.Running || c.Address == "" || !chosen(c) || r.memory.isLeaving(id) {
			continue
		}
		number, _ := strconv.Atoi(c.Labels[runtime.LabelReleaseNo])
		target := routing.Target{Instance: string(id), Release: number, Address: c.Address}
		switch h := r.prober.health(id); {
		case h.ready:
			ready = append(ready, target)
		case h.everReady:
			once = append(once, target)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return once
}

// acked asks the router which table it serves and how many requests each instance holds.
func (r *routes) acked(ctx context.Context) (version uint64, inFlight map[platform.InstanceID]int64, err error) {
	s, err := r.o.Router.Snapshot(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the router: %w", err)
	}
	inFlight = map[platform.InstanceID]int64{}
	for _, t := range s.Targets {
		inFlight[platform.InstanceID(t.Instance)] = t.InFlight
	}
	return s.Version, inFlight, nil
}

// behind reports whether the router that answers now is another one than before or serves an older table than the last.
func (r *routes) behind(ctx context.Context) bool {
	s, err := r.o.Router.Snapshot(ctx)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last.Version > 0 && (s.Boot != r.boot || s.Version < r.last.Version)
}

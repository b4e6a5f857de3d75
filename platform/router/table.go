package router

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform/routing"
)

// Defaults of a route.
const (
	defaultTimeout = 100 * time.Minute
	defaultDrain   = 30 * time.Second
)

var (
	errNoHost    = errors.New("no service has this host")
	errNoPath    = errors.New("no service has this path")
	errNoTargets = errors.New("no instance is ready")
)

// table is one installed table, ready for look-up. It is immutable once stored in Router.table.
type table struct {
	version  uint64
	hosts    map[string][]*route // longest prefix first
	replaced chan struct{}       // closed when a newer table is served
}

// route is one route of one table.
type route struct {
	slot, name string
	prefix     string // normal form
	targets    []*target
	timeout    time.Duration
	maxBody    int64
	unserved   *counter // counts requests that found no target, under release 0
}

// target is one instance in one route of one table. What must outlive the table is in state and counter.
type target struct {
	instance string
	address  string
	release  int
	state    *targetState
	counter  *counter
}

func emptyTable() *table { return &table{replaced: make(chan struct{})} }

// buildTableLocked makes the table ready for look-up, with the states and counters that live on from before.
func (r *Router) buildTableLocked(t routing.Table) *table {
	built := &table{version: t.Version, hosts: make(map[string][]*route, len(t.Routes)), replaced: make(chan struct{})}
	for i := range t.Routes {
		from := &t.Routes[i]
		to := &route{
			slot: from.Slot, name: from.Name, prefix: routing.NormalPrefix(from.PathPrefix),
			timeout: orDefault(from.Timeout, defaultTimeout), maxBody: from.MaxBodySize,
			unserved: r.counterLocked(counterKey{from.Slot, 0}),
			targets:  make([]*target, 0, len(from.Targets)),
		}
		for _, x := range from.Targets {
			to.targets = append(to.targets, &target{
				instance: x.Instance, address: x.Address, release: x.Release,
				state:   r.stateLocked(x.Instance, from.Slot, orDefault(from.DrainFor, defaultDrain)),
				counter: r.counterLocked(counterKey{from.Slot, x.Release}),
			})
		}
		for _, host := range from.Hosts {
			built.hosts[host] = append(built.hosts[host], to)
		}
	}
	for _, routes := range built.hosts {
		slices.SortFunc(routes, func(a, b *route) int { return len(b.prefix) - len(a.prefix) })
	}
	return built
}

// find returns the route with the longest prefix of path among those of host. host is in normal form.
func (t *table) find(host, path string) (*route, error) {
	routes, ok := t.hosts[host]
	if !ok {
		return nil, errNoHost
	}
	for _, r := range routes {
		if underPrefix(path, r.prefix) {
			return r, nil
		}
	}
	return nil, errNoPath
}

// underPrefix reports whether path is prefix or lies below it: /api has /api and /api/x, not /apix.
func underPrefix(path, prefix string) bool {
	if prefix == "/" {
		return true
	}
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// normalHost returns the host of a Host header as tables have it: lower case, without port and final dot.
func normalHost(host string) string {
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			return host[:end+1]
		}
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// pick chooses the target with fewer requests in flight of two random ones, leaving out those already tried.
// nil when none is left.
func (r *route) pick(tried []string) *target {
	a := r.untried(tried, "")
	if a == nil || len(r.targets) == 1 {
		return a
	}
	b := r.untried(tried, a.instance)
	if b != nil && b.state.inFlight.Load() < a.state.inFlight.Load() {
		return b
	}
	return a
}

// untried returns the first target from a random place on that is neither tried nor other.
func (r *route) untried(tried []string, other string) *target {
	n := len(r.targets)
	if n == 0 {
		return nil
	}
	start := 0
	if n > 1 {
		start = rand.IntN(n)
	}
	for i := range n {
		t := r.targets[(start+i)%n]
		if t.instance != other && !slices.Contains(tried, t.instance) {
			return t
		}
	}
	return nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

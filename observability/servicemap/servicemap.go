// Package servicemap says who depends on whom in an environment, from what was counted, traced and declared.
//
// It owns the reading of spans into calls and of variables into names. It is pure: it asks no store and knows no clock.
package servicemap

import (
	"cmp"
	"slices"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Service is one service of the environment.
type Service struct {
	Name      string
	Kind      platform.ServiceKind
	Hosts     []string          // of its routes
	Addresses []string          // of its instances, with or without ports
	Variables map[string]string // that it runs with
	Disk      string            // name of its disk, "" without one
	Host      string            // that its instances run on, "" when none does
}

// Route is what the router counted of one service.
type Route struct {
	Service          string
	Requests, Failed float64
	P50, P95         platform.Duration
}

// Input is what a map is made of. From and To are told of, not looked at.
type Input struct {
	platform.ServiceMap // Project, Environment, From, To, and Notes that the map begins with
	Services            []Service
	Routes              []Route
	Calls               *Calls // nil when there are no spans
}

// Build makes the map.
func Build(in Input) platform.ServiceMap {
	b := &builder{names: newNames(in.Services), edges: map[pair]*platform.MapEdge{}, nodes: map[string]platform.MapNode{}}
	for _, s := range in.Services {
		b.nodes[s.Name] = platform.MapNode{Name: s.Name, Kind: platform.NodeService, Service: s.Kind, Host: s.Host}
	}
	b.routes(in.Routes)
	b.calls(in.Calls)
	b.declared(in.Services)
	b.disks(in.Services)
	out := in.ServiceMap
	out.Notes = append([]string{}, in.Notes...)
	if in.Calls.Empty() {
		out.Notes = append(out.Notes, "No spans came in this time, so calls between services are shown only where a variable declares them.")
	}
	out.Nodes, out.Edges = b.sorted()
	return out
}

// pair is two nodes, and whether their edge is one of sharing: they may share a disk and call each other.
type pair struct {
	from, to string
	shares   bool
}

type builder struct {
	names *names
	edges map[pair]*platform.MapEdge
	nodes map[string]platform.MapNode
}

// edge returns the edge between two nodes with the source noted. What is seen says more of its kind than what is declared.
func (b *builder) edge(from, to string, kind platform.EdgeKind, source platform.EdgeSource) *platform.MapEdge {
	at := pair{from, to, kind == platform.EdgeSharesDisk}
	e := b.edges[at]
	if e == nil {
		e = &platform.MapEdge{Edge: platform.Edge{From: from, To: to, Kind: kind}}
		b.edges[at] = e
	}
	if !slices.Contains(e.Sources, source) {
		e.Sources = append(e.Sources, source)
	}
	return e
}

func (b *builder) routes(routes []Route) {
	for _, r := range routes {
		if r.Requests < 0.5 {
			continue
		}
		if _, known := b.nodes[r.Service]; !known { // it was removed since
			b.nodes[r.Service] = platform.MapNode{Name: r.Service, Kind: platform.NodeOutside}
		}
		b.nodes[platform.RouterNode] = platform.MapNode{Name: platform.RouterNode, Kind: platform.NodeRouter}
		e := b.edge(platform.RouterNode, r.Service, platform.EdgeCalls, platform.SourceRouter)
		e.Requests, e.Failed, e.P50, e.P95 = int64(r.Requests+0.5), int64(r.Failed+0.5), r.P50, r.P95
	}
}

func (b *builder) calls(calls *Calls) {
	if calls == nil {
		return
	}
	for _, c := range calls.resolve(b.names) {
		for _, end := range []struct{ name, system string }{{c.from, ""}, {c.to, c.system}} {
			if _, known := b.nodes[end.name]; !known {
				b.nodes[end.name] = platform.MapNode{Name: end.name, Kind: platform.NodeOutside, System: end.system}
			}
		}
		e := b.edge(c.from, c.to, c.kind, platform.SourceTraces)
		e.Requests, e.Failed = int64(len(c.took)), c.failed
		slices.Sort(c.took)
		e.P50, e.P95 = c.took[len(c.took)/2], c.took[len(c.took)*95/100]
	}
}

func (b *builder) declared(services []Service) {
	for _, s := range services {
		for _, key := range sortedKeys(s.Variables) {
			for _, to := range b.names.in(key, s.Variables[key]) {
				if to == s.Name {
					continue
				}
				kind := platform.EdgeCalls
				if k := b.nodes[to].Service; k == platform.KindPostgres || k == platform.KindKeyValue {
					kind = platform.EdgeUses
				}
				if e := b.edge(s.Name, to, kind, platform.SourceDeclared); e.Via == "" {
					e.Via = key
				}
			}
		}
	}
}

// disks connects services with the same disk, once for each two.
func (b *builder) disks(services []Service) {
	for i, s := range services {
		for _, other := range services[i+1:] {
			from, to := min(s.Name, other.Name), max(s.Name, other.Name)
			if s.Disk == "" || s.Disk != other.Disk || from == to {
				continue
			}
			b.edge(from, to, platform.EdgeSharesDisk, platform.SourceDisk).Via = s.Disk
		}
	}
}

// sorted returns the nodes and edges in the order in which they are shown.
func (b *builder) sorted() ([]platform.MapNode, []platform.MapEdge) {
	rank := map[platform.NodeKind]int{platform.NodeRouter: 0, platform.NodeService: 1, platform.NodeOutside: 2}
	nodes, edges := []platform.MapNode{}, []platform.MapEdge{}
	for _, n := range b.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(x, y platform.MapNode) int {
		return cmp.Or(cmp.Compare(rank[x.Kind], rank[y.Kind]), cmp.Compare(x.Name, y.Name))
	})
	for _, e := range b.edges {
		slices.Sort(e.Sources)
		edges = append(edges, *e)
	}
	order := func(name string) int { return rank[b.nodes[name].Kind] }
	slices.SortFunc(edges, func(x, y platform.MapEdge) int {
		return cmp.Or(cmp.Compare(order(x.From), order(y.From)), cmp.Compare(x.From, y.From), cmp.Compare(order(x.To), order(y.To)), cmp.Compare(x.To, y.To), cmp.Compare(x.Kind, y.Kind))
	})
	return nodes, edges
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// span is what is remembered of one span.
type span struct {
	id, parent string // with the trace's before each
	service    string
	kind       observability.SpanKind
	failed     bool
	took       platform.Duration
	peer       peer
}

// Calls gathers spans for a map. The zero value is ready.
type Calls struct{ spans []span }

// Add takes a span into account.
func (c *Calls) Add(s *observability.Span) {
	out := span{id: s.TraceID + s.SpanID, service: s.Service, kind: s.Kind, failed: s.Failed, took: s.Took}
	if s.ParentID != "" {
		out.parent = s.TraceID + s.ParentID
	}
	if s.Kind == observability.SpanClient || s.Kind == observability.SpanProducer {
		out.peer = peerOf(s)
	}
	c.spans = append(c.spans, out)
}

// Empty reports whether no span was added.
func (c *Calls) Empty() bool { return c == nil || len(c.spans) == 0 }

// call is every call from one node to another.
type call struct {
	from, to string
	kind     platform.EdgeKind
	system   string
	failed   int64
	took     []platform.Duration
}

// resolve finds who called whom: a span whose parent is another service's span is a call of that one; a client's span
// that no span answers is a call of what its attributes name.
func (c *Calls) resolve(n *names) map[pair]*call {
	byID := make(map[string]int, len(c.spans))
	for i := range c.spans {
		byID[c.spans[i].id] = i
	}
	out := map[pair]*call{}
	count := func(from, to, system string, kind platform.EdgeKind, failed bool, took platform.Duration) {
		at := pair{from: from, to: to}
		if out[at] == nil {
			out[at] = &call{from: from, to: to, kind: kind, system: system}
		}
		out[at].took = append(out[at].took, took)
		if failed {
			out[at].failed++
		}
	}
	answered := make([]bool, len(c.spans))
	for i := range c.spans {
		s := &c.spans[i]
		at, found := byID[s.parent]
		if !found || s.parent == "" {
			continue
		}
		parent := &c.spans[at]
		calls := parent.kind == observability.SpanClient || parent.kind == observability.SpanProducer
		switch {
		case parent.service != s.service:
			answered[at] = true
			took := s.took
			if calls { // with the way between them
				took = parent.took
			}
			kind := platform.EdgeCalls
			if s.kind == observability.SpanConsumer || parent.kind == observability.SpanProducer {
				kind, took = platform.EdgeUses, s.took
			}
			count(parent.service, s.service, "", kind, s.failed || calls && parent.failed, took)
		case calls && s.kind == parent.kind:
			answered[at] = true // the inner of two spans for one call counts
		}
	}
	for i := range c.spans {
		s := &c.spans[i]
		if answered[i] || s.peer == (peer{}) {
			continue
		}
		to, known := n.of(s.peer)
		if to == "" || to == s.service {
			continue
		}
		kind, system := platform.EdgeCalls, s.peer.system
		if system != "" {
			kind = platform.EdgeUses
		}
		if known {
			system = ""
		}
		count(s.service, to, system, kind, s.failed, s.took)
	}
	return out
}

package platform

import "time"

// EdgeKind is how one service depends on another.
type EdgeKind string

// The kinds of an edge. The last two have no direction: what is shared may fail for both.
const (
	EdgeCalls      EdgeKind = "calls" // sends requests to it
	EdgeUses       EdgeKind = "uses"  // depends on it in another way: a queue, a database, a library
	EdgeSharesHost EdgeKind = "shares_host"
	EdgeSharesDisk EdgeKind = "shares_disk"
)

// Edge says that one service of an environment depends on another. A failure travels against its direction: from the
// one that is called to the one that waits.
type Edge struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Kind EdgeKind `json:"kind"`
}

// NodeKind is what a node of a service map stands for.
type NodeKind string

// The kinds of a node.
const (
	NodeService NodeKind = "service"
	NodeRouter  NodeKind = "router"  // where requests from outside come in
	NodeOutside NodeKind = "outside" // something that takes part and is no service of the environment
)

// RouterNode is the name of the router's node, which no service can have.
const RouterNode = "(router)"

// EdgeSource is how an edge is known.
type EdgeSource string

// The sources of an edge.
const (
	SourceRouter   EdgeSource = "router"   // requests that the router counted
	SourceTraces   EdgeSource = "traces"   // spans that applications sent
	SourceDeclared EdgeSource = "declared" // a variable names the other service
	SourceDisk     EdgeSource = "disk"     // both have the same disk
)

// MapRequest asks for the service map of an environment (production when none is named) in a range of time; zero times mean
// the last hour.
type MapRequest struct {
	Project     string
	Environment string
	From, To    time.Time
}

// ServiceMap is who depends on whom in one environment: as it was seen from From to To, and as it is declared.
type ServiceMap struct {
	Project     string    `json:"project"`
	Environment string    `json:"environment"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Nodes       []MapNode `json:"nodes"` // the router, services, what is outside; each by name
	Edges       []MapEdge `json:"edges"` // by from, then to
	// Notes say what the map cannot know, for example that no spans came.
	Notes []string `json:"notes"`
}

// MapNode is one end of edges.
type MapNode struct {
	Name    string      `json:"name"`
	Kind    NodeKind    `json:"kind"`
	Service ServiceKind `json:"service_kind,omitempty"` // of a service
	System  string      `json:"system,omitempty"`       // what is outside, where it says so: postgresql, redis, kafka
	Host    string      `json:"host,omitempty"`         // that instances of the service run on; nodes of one host share it
}

// MapEdge is an edge with what is known of it. Numbers are zero where nothing was counted.
type MapEdge struct {
	Edge
	Sources  []EdgeSource `json:"sources"`
	Via      string       `json:"via,omitempty"` // the variable that names the other, or the disk that is shared
	Requests int64        `json:"requests"`
	Failed   int64        `json:"failed"`
	P50      Duration     `json:"p50"`
	P95      Duration     `json:"p95"`
}

// FailedShare is the share of requests that failed, from 0 to 1.
func (e MapEdge) FailedShare() float64 {
	if e.Requests == 0 {
		return 0
	}
	return float64(e.Failed) / float64(e.Requests)
}

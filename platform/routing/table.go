// Package routing is the contract between the control plane and the router: whole versioned route tables down, counters
// up, over a unix socket; and the router's log, in files that the plane reads.
//
// It owns the shape and the validation of a table, the client of the router's socket and the files of the log. It must
// not know how a table is made or how requests are served, and it imports nothing of ours but the nouns, so that the
// router needs nobody.
package routing

import "time"

// Table is the whole of what the router serves. Tables are installed as one and never edited; a higher Version
// replaces a lower one, an equal or lower one is acknowledged without effect.
type Table struct {
	Version uint64  `json:"version"`
	Routes  []Route `json:"routes"`
}

// Route sends the requests of its hosts to its targets. A host belongs to at most one route of a table for one path prefix.
type Route struct {
	Slot        string        `json:"slot"`        // slot id, the key of the counters
	Name        string        `json:"name"`        // project/environment/service, for people
	Hosts       []string      `json:"hosts"`       // lower-case host names without port
	PathPrefix  string        `json:"path_prefix"` // "/" for all
	Targets     []Target      `json:"targets"`     // none: 503 with Retry-After
	DrainFor    time.Duration `json:"drain_ns"`
	Timeout     time.Duration `json:"timeout_ns"` // of one request up to its first response byte; 0 means 100 minutes
	MaxBodySize int64         `json:"max_body_bytes"`
}

// Target is one instance.
type Target struct {
	Instance string `json:"instance"` // instance id
	Release  int    `json:"release"`  // release number, for the counters
	Address  string `json:"address"`  // host:port
}

// Ack says which table the router serves now.
type Ack struct {
	Version uint64 `json:"version"`
}

// Snapshot is what the router counted since it started. Counters only rise while Boot stays the same; a slot and release
// that were out of the table for a day are forgotten and would start again at zero.
type Snapshot struct {
	Boot    string         `json:"boot"` // changes with each start of the router
	Version uint64         `json:"version"`
	At      time.Time      `json:"at"`
	Routes  []RouteCount   `json:"routes"`
	Targets []TargetStatus `json:"targets"` // of the present table and those still draining
}

// RouteCount counts the requests of one slot that one release answered.
type RouteCount struct {
	Slot    string `json:"slot"`
	Release int    `json:"release"`
	// Status counts answers by class: index 1 for 1xx to 5 for 5xx. Index 0 counts requests that got no answer from
	// the instance (the router answered 502, 503 or 504 in its place) and is not counted under 5 as well.
	Status  [6]uint64 `json:"status"`
	Latency Histogram `json:"latency"`
}

// LatencyBounds are the upper bounds of the latency buckets; one more bucket holds the rest.
var LatencyBounds = []time.Duration{
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations to the first response byte in buckets (not cumulative), by LatencyBounds.
type Histogram struct {
	Buckets []uint64      `json:"buckets"`
	Sum     time.Duration `json:"sum_ns"`
	Count   uint64        `json:"count"`
}

// TargetStatus is how many requests an instance holds now.
type TargetStatus struct {
	Instance string `json:"instance"`
	Slot     string `json:"slot"`
	InFlight int64  `json:"in_flight"`
	Draining bool   `json:"draining"` // no longer in the table
}

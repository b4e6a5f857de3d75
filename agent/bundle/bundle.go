// Package bundle reads and writes an incident as a folder of plain files, so that it can be explained with nothing else running.
//
// It owns the format of ../eval/README.md: which files there are, how a line of each is read, and what is counted as a
// gap when it cannot be read. Logs are streamed and folded into groups of like lines, so that a million lines cost
// little memory. It must not know what the files mean: that is for causes to say.
package bundle

import (
	"encoding/json"
	"time"
)

// Bundle is one incident with all that was recorded around it. Every part but Incident may be empty.
type Bundle struct {
	Incident  Incident
	Logs      Logs
	Metrics   []Series // by service, then metric
	Spans     []Span   // oldest first
	Changes   []Change // oldest first
	Topology  []Edge
	Patterns  []Pattern
	Alerts    []Alert // oldest first
	Open      []OpenIncident
	Instances []Instance
	Probes    []Probe // oldest first
	// Frozen is evidence.ndjson as it is written: what Fairlead froze of a live incident, an item a line. Nil in other bundles.
	Frozen []byte
	// Gaps says what is missing or could not be read, in words. Missing data is never evidence.
	Gaps []string
}

// Incident is what was seen to be wrong.
type Incident struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	Service    string    `json:"service"`
	Signal     string    `json:"signal"`
	Summary    string    `json:"summary"`
	DetectedAt time.Time `json:"detected_at"`
}

// Logs is the log stream, folded.
type Logs struct {
	Lines  int // that were read
	Bad    int // that could not be read
	From   time.Time
	To     time.Time
	Groups []Group // by first appearance
}

// Group is lines of one service and level that are alike but for their values.
type Group struct {
	Service   string
	Level     string // debug, info, warn, error or fatal; empty when the line does not say
	Count     int
	First     time.Time
	Last      time.Time
	Buckets   map[int64]int  // lines in each BucketSize since 1970
	Releases  map[string]int // lines of each release that is named
	Instances map[string]int // lines of each instance that is named, the first maxNames of them
	Exemplars []Line         // the first two and the last, oldest first
}

// BucketSize is the width of Group.Buckets.
const BucketSize = 10 * time.Second

// Line is one log record. The fields of a structured record that tell of an error are part of Text.
type Line struct {
	At       time.Time `json:"ts"`
	Service  string    `json:"service"`
	Instance string    `json:"instance,omitempty"`
	Release  string    `json:"release,omitempty"`
	Level    string    `json:"level,omitempty"`
	Text     string    `json:"msg"`
}

// Series is one metric of one service, oldest point first.
type Series struct {
	Service string
	Metric  string
	Labels  map[string]string // further columns, such as instance and release
	Points  []Point
}

// Point is one value of a series.
type Point struct {
	At    time.Time
	Value float64
}

// Span is one timed operation of a request.
type Span struct {
	At         time.Time         `json:"ts"`
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id,omitempty"`
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Took       time.Duration     `json:"-"`
	Status     string            `json:"status,omitempty"`
	Error      string            `json:"error,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Change is something that was changed.
type Change struct {
	At      time.Time `json:"ts"`
	Kind    string    `json:"kind"` // commit, deploy, config, secret, flag, scale, migration or infra
	ID      string    `json:"id"`
	Service string    `json:"service,omitempty"`
	Author  string    `json:"author,omitempty"`
	Message string    `json:"message,omitempty"`
	Files   []string  `json:"files,omitempty"`
	Diff    string    `json:"diff,omitempty"`
	Release string    `json:"release,omitempty"`
	Commit  string    `json:"commit,omitempty"` // what a deploy brought
}

// Edge says that one service depends on another, or that both share something.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Kind string `json:"kind"` // calls, uses, shares_host or shares_disk
}

// Pattern is a log pattern that was counted elsewhere.
type Pattern struct {
	ID        string    `json:"id,omitempty"`
	Signature string    `json:"signature"`
	Service   string    `json:"service,omitempty"`
	Count     int       `json:"count"`
	Delta     *float64  `json:"delta_vs_baseline,omitempty"` // as given; nil when it is not said
	FirstSeen time.Time `json:"first_seen,omitzero"`
	Sentiment string    `json:"sentiment,omitempty"`
}

// Alert is one alert from outside.
type Alert struct {
	ID            string
	At            time.Time
	Service       string
	Name          string
	Metric        string
	Severity      string
	Value         *float64
	Threshold     *float64
	FiredLastHour int
	ResolvedAfter time.Duration // 0 when it did not resolve, or that is not said
	Pattern       string
	Release       string
}

// OpenIncident is an incident that is open already.
type OpenIncident struct {
	ID       string
	Service  string
	Title    string
	Pattern  string
	OpenedAt time.Time
}

// Instance is one container or process of a service.
type Instance struct {
	Service    string
	Instance   string
	Release    string
	State      string
	ExitCode   *int
	OOMKilled  bool
	Restarts   int
	StartedAt  time.Time
	FinishedAt time.Time
	StoppedBy  string // who ended it; empty when nobody did or it is not said
	Reason     string
}

// Probe is one health check.
type Probe struct {
	At       time.Time
	Service  string
	Instance string
	OK       bool
	Status   int
	Took     time.Duration
	Path     string
	Error    string
}

// MarshalJSON writes the span with its duration in milliseconds.
func (s Span) MarshalJSON() ([]byte, error) {
	type plain Span
	return json.Marshal(struct {
		plain
		DurationMS float64 `json:"duration_ms"`
	}{plain(s), float64(s.Took) / float64(time.Millisecond)})
}

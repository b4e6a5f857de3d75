// Package observability is the vocabulary of logs and metrics, and the two contracts that their stores meet.
//
// It owns Line, Sample, the queries and the contracts Logs and Metrics. It must not know where lines come from or
// which store keeps them. Package observabilitytest holds the conformance suites that every store passes.
package observability

import (
	"context"
	"slices"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Level is how grave a line says it is.
type Level string

// The levels. A line that says nothing is "info" on stdout and stays "" in LevelUnknown only when nothing is known.
const (
	LevelUnknown Level = ""
	LevelDebug   Level = "debug"
	LevelInfo    Level = "info"
	LevelWarn    Level = "warn"
	LevelError   Level = "error"
	LevelFatal   Level = "fatal"
)

// Levels are the levels that a line can say it has, gravest last.
var Levels = []Level{LevelDebug, LevelInfo, LevelWarn, LevelError, LevelFatal}

// Valid reports whether l is one of the levels above.
func (l Level) Valid() bool { return l == LevelUnknown || slices.Contains(Levels, l) }

// AtLeast returns the levels that are as grave as l or graver.
func AtLeast(l Level) []Level {
	return slices.Clone(Levels[max(0, slices.Index(Levels, l)):])
}

// Kinds of source, in Line.Source.
const (
	SourceRuntime   = "runtime"    // an instance's output
	SourceBuild     = "build"      // an image build
	SourcePreDeploy = "pre-deploy" // a pre-deploy command
	SourceRouter    = "router"     // the router's access log and what else it says
	SourceSystem    = "fairlead"   // Fairlead's own
)

// Line is one log record, with the parts of a multi-line trace joined into one.
type Line struct {
	At          time.Time         `json:"at"`
	Project     string            `json:"project"`
	Environment string            `json:"environment,omitempty"`
	Service     string            `json:"service,omitempty"`
	Release     int               `json:"release,omitempty"`
	Deploy      string            `json:"deploy,omitempty"`
	Instance    string            `json:"instance,omitempty"`
	Source      string            `json:"source"`
	Stream      string            `json:"stream,omitempty"` // stdout or stderr
	Level       Level             `json:"level,omitempty"`
	Message     string            `json:"message"`          // what was said, envelope removed, escapes stripped, valid UTF-8
	Raw         string            `json:"raw,omitempty"`    // as written, when it differs from Message
	Fields      map[string]string `json:"fields,omitempty"` // of JSON and logfmt lines
	Seq         uint64            `json:"seq"`              // orders lines of one source with the same time
	Truncated   bool              `json:"truncated,omitempty"`
	// EndAt and EndSeq are the place of the last part of a record joined from several; zero when it has one part.
	// With At, Seq and Stream they say exactly which parts of a stream the record holds.
	EndAt  time.Time `json:"end_at,omitzero"`
	EndSeq uint64    `json:"end_seq,omitempty"`
}

// LogQuery chooses lines. Zero fields do not restrict.
type LogQuery struct {
	Project     string
	Environment string
	Service     string
	Release     int
	Deploy      string
	Instance    string
	Source      string
	Levels      []Level
	Text        string // substring
	Regex       string // RE2
	IgnoreCase  bool   // of Text or Regex
	Fields      map[string]string
	From, To    time.Time // From inclusive, To exclusive; zero To means now
	Backward    bool      // newest first; the default reads forward
	Limit       int       // 1 to MaxLogLimit; 0 means DefaultLogLimit
	Cursor      string    // of the page before
}

// Limits of a log query.
const (
	DefaultLogLimit = 100
	MaxLogLimit     = 10000
	// MaxLogRange is the longest range that people and programs may name; what has no beginning is read from its end.
	MaxLogRange = 32 * 24 * time.Hour
	// MaxLineBytes is where an over-long line is cut.
	MaxLineBytes = 64 << 10
)

// LogPage is one page of lines, in the order asked for.
type LogPage struct {
	Lines []Line `json:"lines"`
	Next  string `json:"next,omitempty"` // cursor of the next page, "" at the end
	// Incomplete says why lines are missing that the query asks for; "" when none is.
	Incomplete string `json:"incomplete,omitempty"`
}

// LogCount is how many lines of one level fall into one step of a range.
type LogCount struct {
	At    time.Time `json:"at"` // beginning of the step
	Level Level     `json:"level"`
	Lines int64     `json:"lines"`
}

// Limits of a count.
const (
	MinLogStep  = time.Second
	MaxLogSteps = 2000
)

// Logs is a store of lines.
type Logs interface {
	// Append stores lines. A line with the same Instance (or Deploy, for builds), At and Seq as one stored before may be
	// stored twice: callers that re-read remove doubles themselves. Lines are visible to Query within 2 s.
	Append(ctx context.Context, lines []Line) error
	// Query returns one page. A bad regex or cursor, or a reversed range, is a platform invalid error. A store that knows
	// some of the lines and cannot ask for the others returns those with an *IncompleteError: whoever needs all of them
	// sees an error, and whoever would rather show some than none has them. Count does the same.
	Query(ctx context.Context, q LogQuery) (LogPage, error)
	// Count returns how many lines of the range pass the filters of q, for each step and level: by time, then by level,
	// gravest last. Steps begin at whole multiples of step since the Unix epoch, so that counts of neighbouring ranges add
	// up; the first and the last hold only what lies within the range. A store may know times to the millisecond here, rounded
	// up. What would be zero is absent. q needs From; its
	// cursor, limit and direction play no part. A step under MinLogStep or not of whole milliseconds, a range of more than
	// MaxLogSteps steps, and what Query refuses are platform invalid errors; a count that takes too long for its context
	// is an unavailable one.
	Count(ctx context.Context, q LogQuery, step time.Duration) ([]LogCount, error)
}

// Sample is one measurement. Name follows Prometheus: fairlead_requests_total, with labels project, environment, service ...
type Sample struct {
	Name   string
	Labels map[string]string
	At     time.Time
	Value  float64
}

// Series is one line of a graph: times ascending.
type Series struct {
	Labels map[string]string `json:"labels"`
	Points []Point           `json:"points"`
}

// Point is one value of a series.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// MetricQuery is a PromQL expression over a range; From equal to To asks for one instant.
type MetricQuery struct {
	// Project restricts every selector of the expression to one project, whatever it says; "" restricts nothing.
	// platform.SystemProject is what belongs to no project: the host, the queue and Fairlead itself.
	// Environment and Service, where given, restrict it further within the project.
	Project     string
	Environment string
	Service     string

	Expr     string
	From, To time.Time
	Step     time.Duration // 0 means the range over 240, at least 1 s
}

// Only returns the labels that every series of q carries; it is empty when q restricts nothing.
func (q MetricQuery) Only() map[string]string {
	only := map[string]string{}
	for name, value := range map[string]string{"project": q.Project, "environment": q.Environment, "service": q.Service} {
		if value != "" {
			only[name] = value
		}
	}
	if q.Project == platform.SystemProject {
		only["project"] = "" // as a matcher: the label is absent
	}
	return only
}

// Metrics is a store of samples.
type Metrics interface {
	// Append stores samples; of two with the same series and time the first wins. Out-of-order samples older than an hour
	// are refused. A sample with the value StaleMarker ends its series.
	Append(ctx context.Context, samples []Sample) error
	// Query evaluates PromQL. A bad expression is a platform invalid error.
	Query(ctx context.Context, q MetricQuery) ([]Series, error)
}

// Names of the metrics that Fairlead itself samples.
const (
	MetricRequests    = "fairlead_requests_total"         // labels project environment service release class (2xx 3xx 4xx 5xx none)
	MetricLatencySum  = "fairlead_request_seconds_sum"    // to the first byte
	MetricLatencyHist = "fairlead_request_seconds_bucket" // label le
	MetricLatencyN    = "fairlead_request_seconds_count"  // with the two above, one histogram
	MetricCPU         = "fairlead_instance_cpu_seconds_total"
	MetricMemory      = "fairlead_instance_memory_bytes"
	MetricMemoryLimit = "fairlead_instance_memory_limit_bytes"
	MetricNetRx       = "fairlead_instance_network_receive_bytes_total"
	MetricNetTx       = "fairlead_instance_network_transmit_bytes_total"
	MetricUp          = "fairlead_instance_ready"
	MetricReadBytes   = "fairlead_instance_disk_read_bytes_total"
	MetricWriteBytes  = "fairlead_instance_disk_written_bytes_total"
	MetricThrottled   = "fairlead_instance_cpu_throttled_seconds_total"
	MetricPIDs        = "fairlead_instance_pids"
)

package causes

import (
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// TalkBucket is the width of Talk.Buckets.
const TalkBucket = 10 * time.Second

// Talk is lines of one service that are alike but for their values.
type Talk struct {
	Service  string
	Level    string // debug, info, warn, error or fatal; empty when it is not known
	Text     string // one of them, as it stands in the evidence
	Others   []string
	Count    int
	First    time.Time
	Last     time.Time
	Buckets  map[int64]int // lines in each TalkBucket since 1970
	Releases map[string]int
	// Counted is set for a pattern that was counted elsewhere: it has a count and no lines. Delta is its rise, as given.
	Counted bool
	Delta   *float64
	Cite    platform.EvidenceID
}

// Grave reports whether the lines tell of something wrong by their level.
func (t Talk) Grave() bool { return t.Level == "error" || t.Level == "fatal" }

// Metric is a series with what its name means and what its shape tells.
type Metric struct {
	Service string
	Name    string
	Labels  map[string]string
	Meaning series.Meaning
	series.Shape
	Points []series.Point
	Cite   platform.EvidenceID
}

// Check is one health check of a service.
type Check struct {
	platform.Probe
	Service string
	Path    string
	Quote   string // how the evidence tells of it
	Cite    platform.EvidenceID
}

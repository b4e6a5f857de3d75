package observability

import (
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// LogHistogram is how many lines fall into each step of a range.
type LogHistogram struct {
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Step   platform.Duration `json:"step"`
	Lines  int64             `json:"lines"` // in all
	Counts []LogCount        `json:"counts"`
	// Incomplete says why lines are not counted that the query asks for; "" when all are.
	Incomplete string `json:"incomplete,omitempty"`
}

// PatternQuery asks for the templates of the lines that a query chooses; its limit, direction and cursor play no part.
type PatternQuery struct {
	LogQuery
	Sample  int // how many lines are read, the newest; 0 means DefaultPatternSample, at most MaxPatternSample
	Top     int // how many templates are returned; 0 means DefaultPatterns, at most MaxPatterns
	Compare Comparing
}

// Limits of a query for patterns.
const (
	DefaultPatternSample = 20_000
	MaxPatternSample     = 200_000
	DefaultPatterns      = 50
	MaxPatterns          = 1000
)

// Comparing says what is compared with what: two releases, or the end of the range with what came before. The zero value
// compares nothing.
type Comparing struct {
	OldRelease, NewRelease int
	// Before and After are the lengths of two windows, the second ending where the range ends, the first where the second begins.
	Before, After time.Duration
}

// LogPattern is a group of lines that differ in their variables only.
type LogPattern struct {
	Template string        `json:"template"` // variables are written <*>
	Lines    int           `json:"lines"`
	Share    float64       `json:"share"` // of the lines that were read
	Levels   map[Level]int `json:"levels"`
	First    time.Time     `json:"first"`
	Last     time.Time     `json:"last"`
	Example  string        `json:"example"`
}

// LogPatterns are the templates of the lines of a query, the most frequent first; or a comparison.
type LogPatterns struct {
	LogWindow
	Templates  int            `json:"templates"` // how many there are; Patterns holds the first of them
	Patterns   []LogPattern   `json:"patterns"`
	Comparison *LogComparison `json:"comparison,omitempty"`
}

// LogWindow is a set of lines that templates were taken from.
type LogWindow struct {
	Name  string    `json:"name,omitempty"`
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to"`
	Lines int64     `json:"lines"` // that the query matches
	Read  int64     `json:"read"`  // of them, the newest
	// Truncated says that not all lines were read; counts are of those that were.
	Truncated bool   `json:"truncated"`
	Note      string `json:"note,omitempty"` // how to read all of them
	// Exposure is what the lines were written in, in Unit; for the lines read where that is not all of them.
	Exposure float64 `json:"exposure,omitempty"`
	Unit     string  `json:"unit,omitempty"` // requests, instance-minutes or minutes
}

// LogComparison says how the rates of templates differ between two windows.
type LogComparison struct {
	Before     LogWindow  `json:"before"`
	After      LogWindow  `json:"after"`
	Arithmetic string     `json:"arithmetic"` // how rates, ratio and classes were worked out
	Shifts     []LogShift `json:"shifts"`
}

// LogShift is how one template's rate changed.
type LogShift struct {
	Template    string        `json:"template"`
	Class       string        `json:"class"` // new, surged, gone or same
	Before      int           `json:"before"`
	After       int           `json:"after"`
	RateBefore  float64       `json:"rate_before"`
	RateAfter   float64       `json:"rate_after"`
	Ratio       float64       `json:"ratio"`
	Likelihood  float64       `json:"likelihood"`
	Significant bool          `json:"significant"`
	Levels      map[Level]int `json:"levels"`
	Example     string        `json:"example"`
}

// IsZero reports whether nothing is compared.
func (c Comparing) IsZero() bool { return c == Comparing{} }

// String writes the comparison as ParseComparing reads it.
func (c Comparing) String() string {
	switch {
	case c.NewRelease > 0:
		return "release:" + strconv.Itoa(c.OldRelease) + ".." + strconv.Itoa(c.NewRelease)
	case c.After > 0:
		return "window:" + c.Before.String() + ".." + c.After.String()
	}
	return ""
}

// ParseComparing reads release:11..12 or window:24h..1h; "" compares nothing.
func ParseComparing(s string) (Comparing, error) {
	if s == "" {
		return Comparing{}, nil
	}
	kind, ends, _ := strings.Cut(s, ":")
	old, fresh, found := strings.Cut(ends, "..")
	switch {
	case found && kind == "release":
		a, errA := strconv.Atoi(old)
		b, errB := strconv.Atoi(fresh)
		if errA == nil && errB == nil && a > 0 && b > 0 && a != b {
			return Comparing{OldRelease: a, NewRelease: b}, nil
		}
	case found && kind == "window":
		a, errA := time.ParseDuration(old)
		b, errB := time.ParseDuration(fresh)
		if errA == nil && errB == nil && a >= MinLogStep && b >= MinLogStep && a+b <= MaxLogRange {
			return Comparing{Before: a, After: b}, nil
		}
	}
	return Comparing{}, platform.Errorf(platform.CodeInvalid, "%q does not say what to compare.", platform.Truncate(s, 80)).
		WithHint("Write release:11..12 for two releases, or window:24h..1h for the last hour against the day before it, %d days at most.", int(MaxLogRange.Hours()/24)).
		WithField("compare")
}

// Check refuses what is out of its limits.
func (q PatternQuery) Check() error {
	switch {
	case q.Sample < 0 || q.Sample > MaxPatternSample:
		return platform.Errorf(platform.CodeInvalid, "A sample of %d lines is out of range.", q.Sample).
			WithHint("Read 1 to %d lines; narrow the query to read all that matter.", MaxPatternSample).WithField("sample")
	case q.Top < 0 || q.Top > MaxPatterns:
		return platform.Errorf(platform.CodeInvalid, "%d templates are out of range.", q.Top).WithHint("Ask for 1 to %d.", MaxPatterns).WithField("limit")
	case q.Compare.NewRelease > 0 && q.Release != 0:
		return platform.Errorf(platform.CodeInvalid, "A comparison of releases cannot be restricted to release %d.", q.Release).
			WithHint("Leave release out.").WithField("release")
	}
	return nil
}

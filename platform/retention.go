package platform

import (
	"strconv"
	"strings"
	"time"
)

// LogRetention is how long and how many log lines are kept. Zero fields do not restrict, or leave it to the
// installation where they are a project's. Lines are dropped by whole UTC days, the newest day never.
type LogRetention struct {
	Age   Duration `json:"age,omitempty"`
	Bytes int64    `json:"bytes,omitempty"` // on disk, compressed
}

// Limits of a retention: a day is what a store drops at a time.
const (
	MinLogAge   = Duration(24 * time.Hour)
	MaxLogAge   = Duration(10 * 365 * 24 * time.Hour)
	MinLogBytes = int64(1_000_000)
)

// Check returns an invalid error that names the field at fault.
func (r LogRetention) Check() error {
	switch {
	case r.Age != 0 && (r.Age < MinLogAge || r.Age > MaxLogAge):
		return Errorf(CodeInvalid, "Logs cannot be kept for %s.", r.Age).WithHint("Give at least 24h and at most 87600h, or 0 for the installation's.").WithField("age")
	case r.Bytes != 0 && r.Bytes < MinLogBytes:
		return Errorf(CodeInvalid, "Logs cannot be kept within %d bytes.", r.Bytes).WithHint("Give at least 1MB, or 0 for the installation's.").WithField("bytes")
	}
	return nil
}

// LogsKept is what the log store keeps of a project, and by which limits.
type LogsKept struct {
	LogRetention
	Stored int64 `json:"stored_bytes"` // on disk now
}

// SetRetentionRequest sets the log retention of a project.
type SetRetentionRequest struct {
	Project string `json:"project"`
	LogRetention
}

// sizeUnits are longest first, so that GB is not read as B.
var sizeUnits = []struct {
	name  string
	bytes float64
}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}

// ParseSize reads an amount of bytes with its unit, such as 5GB. The error names the field.
func ParseSize(field, text string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(strings.ToUpper(text), u.name)
		if !ok {
			continue
		}
		if v, err := ParseMicro(number); err == nil && v >= 0 && v.Float()*u.bytes < 1<<60 {
			return int64(v.Float() * u.bytes), nil
		}
		break
	}
	if text == "0" {
		return 0, nil
	}
	return 0, Errorf(CodeInvalid, "%s %q is not a size.", field, Truncate(text, 40)).WithHint("Write a number and a unit (KB, MB, GB or TB), such as 5GB.").WithField(field)
}

// FormatSize writes an amount of bytes with its largest unit and at most one place.
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if v := float64(bytes) / u.bytes; v >= 1 {
			return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + u.name
		}
	}
	return "0B"
}

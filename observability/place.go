package observability

import (
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Place names a line: by its time and, where several lines have that time, its Seq; or by the cursor of the page before it.
type Place struct {
	At     time.Time
	Seq    uint64
	HasSeq bool
	Cursor string
}

// LogContext is a line with those before and after it in the stream of the same instance, oldest first.
type LogContext struct {
	Before []Line `json:"before"`
	Line   Line   `json:"line"`
	After  []Line `json:"after"`
	// Incomplete says why lines may be missing among those; "" when none is.
	Incomplete string `json:"incomplete,omitempty"`
}

// MaxLogContext is how many lines on each side of a line may be asked for.
const MaxLogContext = 1000

// PlaceOf returns the place of a line.
func PlaceOf(l Line) Place { return Place{At: l.At, Seq: l.Seq, HasSeq: true} }

// String writes the place as ParsePlace reads it.
func (p Place) String() string {
	switch {
	case p.Cursor != "":
		return p.Cursor
	case p.HasSeq:
		return p.At.UTC().Format(time.RFC3339Nano) + "+" + strconv.FormatUint(p.Seq, 10)
	}
	return p.At.UTC().Format(time.RFC3339Nano)
}

// ParsePlace reads a time (2026-01-31T12:00:00.123Z), a time and Seq (2026-01-31T12:00:00.123Z+7), the id of a line in a
// stream (nanoseconds.seq), or a cursor.
func ParsePlace(s string) (Place, error) {
	if strings.HasPrefix(s, cursorVersion+".") {
		return Place{Cursor: s}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return Place{At: at.UTC()}, nil
	}
	// In a URL that was not escaped the plus sign arrives as a space.
	if i := strings.LastIndexAny(s, "+ "); i > 0 {
		at, errAt := time.Parse(time.RFC3339Nano, s[:i])
		seq, errSeq := strconv.ParseUint(s[i+1:], 10, 64)
		if errAt == nil && errSeq == nil {
			return Place{At: at.UTC(), Seq: seq, HasSeq: true}, nil
		}
	}
	if nanos, number, found := strings.Cut(s, "."); found {
		at, errAt := strconv.ParseInt(nanos, 10, 64)
		seq, errSeq := strconv.ParseUint(number, 10, 64)
		if errAt == nil && errSeq == nil {
			return Place{At: time.Unix(0, at).UTC(), Seq: seq, HasSeq: true}, nil
		}
	}
	return Place{}, platform.Errorf(platform.CodeInvalid, "%q does not name a line.", platform.Truncate(s, 80)).
		WithHint("Write the line's at and seq with a plus sign between them, for example 2026-01-31T12:00:00.123456789Z+7, or a cursor.").WithField("around")
}

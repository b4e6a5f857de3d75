package observability

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// SpanKind is which side of an exchange a span tells of.
type SpanKind string

// The kinds of span.
const (
	SpanInternal SpanKind = "internal"
	SpanServer   SpanKind = "server"   // a request that it answered
	SpanClient   SpanKind = "client"   // a request that it sent
	SpanProducer SpanKind = "producer" // a message that it sent
	SpanConsumer SpanKind = "consumer" // a message that it took
)

// SpanKinds are the kinds, in the order of OTLP's numbers, of which 0 means internal too.
var SpanKinds = []SpanKind{SpanInternal, SpanServer, SpanClient, SpanProducer, SpanConsumer}

// Span is a span with the environment that it belongs to.
type Span struct {
	platform.Span
	Project     string   `json:"project"`
	Environment string   `json:"environment"`
	Kind        SpanKind `json:"kind"`
}

// End is when the span ended.
func (s *Span) End() time.Time { return s.At.Add(s.Took.D()) }

// SpanQuery chooses spans of one project. Other zero fields do not restrict.
type SpanQuery struct {
	Project     string
	Environment string
	Service     string
	TraceID     string // 32 hexadecimal digits
	Failed      bool   // only failed ones
	MinTook     time.Duration
	From, To    time.Time // that began from From on and before To; zero To means no end
	Slowest     bool      // the longest first; the default is the earliest first
	Limit       int       // 1 to MaxSpanLimit; 0 means DefaultSpanLimit
}

// TraceQuery chooses traces of one project, the newest first. Other zero fields do not restrict.
type TraceQuery struct {
	Project     string
	Environment string
	Service     string        // that have a span of this service
	Failed      bool          // that have a failed span
	MinTook     time.Duration // from the beginning of the first span to the end of the last one
	From, To    time.Time     // that began from From on and before To; zero To means no end
	Limit       int           // 1 to MaxTraceLimit; 0 means DefaultTraceLimit
	Cursor      string        // of the page before
}

// Limits of queries of spans.
const (
	DefaultSpanLimit  = 100
	MaxSpanLimit      = 10000
	DefaultTraceLimit = 50
	MaxTraceLimit     = 500
)

// SpanPage is what a query of spans found. More is true when there are others beyond the limit.
type SpanPage struct {
	Spans []Span `json:"spans"`
	More  bool   `json:"more,omitempty"`
}

// Trace is one trace at a glance: what began it, how long it took, and how it went.
type Trace struct {
	TraceID     string            `json:"trace_id"`
	Environment string            `json:"environment"`
	At          time.Time         `json:"at"` // when its first span began
	Took        platform.Duration `json:"took"`
	Service     string            `json:"service"` // of its root, else of its first span
	Name        string            `json:"name"`
	Spans       int               `json:"spans"`
	Failed      int               `json:"failed"` // spans that failed
	Error       string            `json:"error,omitempty"`
	Services    []string          `json:"services"`
	// Dropped is how many further spans came and were not kept: a trace has a limit.
	Dropped int `json:"dropped,omitempty"`
}

// TracePage is one page of traces.
type TracePage struct {
	Traces []Trace `json:"traces"`
	Next   string  `json:"next,omitempty"` // cursor of the next page, "" at the end
}

// TraceDetail is one trace with its spans, the earliest first.
type TraceDetail struct {
	Trace
	Tree []Span `json:"tree"`
}

// TraceOf tells of a trace by its spans, in whatever order.
func TraceOf(spans []Span) Trace {
	out := Trace{Spans: len(spans)}
	var end, failed time.Time
	var first *Span
	for i := range spans {
		s := &spans[i]
		if out.At.IsZero() || s.At.Before(out.At) {
			out.At, out.TraceID, out.Environment = s.At, s.TraceID, s.Environment
		}
		root := s.ParentID == ""
		if first == nil || root && first.ParentID != "" || root == (first.ParentID == "") && s.At.Before(first.At) {
			first = s
			out.Service, out.Name = s.Service, s.Name
		}
		if s.End().After(end) {
			end = s.End()
		}
		if s.Failed {
			out.Failed++
			if s.Error != "" && (failed.IsZero() || s.End().Before(failed)) {
				out.Error, failed = s.Error, s.End()
			}
		}
		if !slices.Contains(out.Services, s.Service) {
			out.Services = append(out.Services, s.Service)
		}
	}
	slices.Sort(out.Services)
	out.Took = platform.Duration(end.Sub(out.At))
	return out
}

// Spans is a store of spans for as long as an incident is young: it drops the oldest traces by age, and, when they take too
// much room, whole traces that went well before those that failed or were slow.
type Spans interface {
	// Append keeps spans. One whose project, trace and span id were stored before is not stored again. A trace keeps a
	// bounded number of spans. Spans are visible to the queries at once.
	Append(ctx context.Context, spans []Span) error
	// Query returns spans. A reversed range, a bad trace id or limit, and a query of no project are platform invalid errors.
	Query(ctx context.Context, q SpanQuery) (SpanPage, error)
	// Traces returns one page of traces. It refuses what Query refuses, and a cursor that is not its own.
	Traces(ctx context.Context, q TraceQuery) (TracePage, error)
	// Each yields every span that the query chooses, in no order and whatever its limit says, until yield returns false.
	Each(ctx context.Context, q SpanQuery, yield func(*Span) bool) error
}

// Prepare checks q and fills in its defaults. Stores begin with it, so that all refuse the same things with the same words.
func (q SpanQuery) Prepare() (SpanQuery, error) {
	q.TraceID = strings.ToLower(q.TraceID)
	switch {
	case q.TraceID != "" && !IsTraceID(q.TraceID):
		return q, BadTraceID(q.TraceID)
	case q.Limit < 0 || q.Limit > MaxSpanLimit:
		return q, refuse("limit", "The limit "+strconv.Itoa(q.Limit)+" is out of range.", "Ask for 1 to "+strconv.Itoa(MaxSpanLimit)+" spans.")
	}
	if q.Limit == 0 {
		q.Limit = DefaultSpanLimit
	}
	return q, checkSpans(q.Project, q.MinTook, q.From, q.To)
}

// Match reports whether the query chooses the span.
func (q *SpanQuery) Match(s *Span) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return q.Project == s.Project && same(q.Environment, s.Environment) && same(q.Service, s.Service) && same(q.TraceID, s.TraceID) &&
		(!q.Failed || s.Failed) && s.Took.D() >= q.MinTook && (q.From.IsZero() || !s.At.Before(q.From)) && (q.To.IsZero() || s.At.Before(q.To))
}

// Prepare checks q and fills in its defaults. after is the position of its cursor, zero on the first page.
func (q TraceQuery) Prepare() (out TraceQuery, after TracePosition, err error) {
	if q.Limit < 0 || q.Limit > MaxTraceLimit {
		return q, after, refuse("limit", "The limit "+strconv.Itoa(q.Limit)+" is out of range.", "Ask for 1 to "+strconv.Itoa(MaxTraceLimit)+" traces, and use the cursor to read on.")
	}
	if q.Limit == 0 {
		q.Limit = DefaultTraceLimit
	}
	if err := checkSpans(q.Project, q.MinTook, q.From, q.To); err != nil || q.Cursor == "" {
		return q, after, err
	}
	at, id, found := strings.Cut(strings.TrimPrefix(q.Cursor, traceCursor), ".")
	nanos, err := strconv.ParseInt(at, 10, 64)
	if !strings.HasPrefix(q.Cursor, traceCursor) || !found || err != nil || !IsTraceID(id) {
		return q, after, refuse("cursor", "The cursor is not one that a query of traces gave.", "Pass the value of next from the page before, unchanged, or leave the cursor out to begin anew.")
	}
	return q, TracePosition{At: time.Unix(0, nanos).UTC(), TraceID: id}, nil
}

// TracePosition is a place in the order of traces: the newest first, those of one time by their ids.
type TracePosition struct {
	At      time.Time
	TraceID string
}

// Before reports whether p comes before other in that order.
func (p TracePosition) Before(other TracePosition) bool {
	if p.At.Equal(other.At) {
		return p.TraceID < other.TraceID
	}
	return p.At.After(other.At)
}

// traceCursor begins every cursor of traces.
const traceCursor = "t1."

// Cursor returns the cursor of the page after p.
func (p TracePosition) Cursor() string {
	return traceCursor + strconv.FormatInt(p.At.UnixNano(), 10) + "." + p.TraceID
}

// IsTraceID reports whether s is a trace id as W3C writes it: 32 hexadecimal digits in lower case, not all zero.
func IsTraceID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 16 && s == strings.ToLower(s) && strings.Trim(s, "0") != ""
}

// BadTraceID says that s is no trace id.
func BadTraceID(s string) *platform.Error {
	return refuse("trace", strconv.Quote(platform.Truncate(s, 80))+" is not the id of a trace.", "Give its 32 hexadecimal digits, as a list of traces or the field trace_id of a log line shows them.")
}

func checkSpans(project string, minTook time.Duration, from, to time.Time) error {
	switch {
	case project == "":
		return refuse("project", "The query names no project.", "Name one.")
	case minTook < 0:
		return refuse("min_took", "The shortest time is negative.", "Give for example 250ms.")
	case !from.IsZero() && !to.IsZero() && !from.Before(to):
		return refuse("from", "The range is reversed: it begins at "+from.UTC().Format(time.RFC3339Nano)+" and ends at "+to.UTC().Format(time.RFC3339Nano)+".", "Give a beginning that is before the end.")
	}
	return nil
}

func refuse(field, message, hint string) *platform.Error {
	return platform.Errorf(platform.CodeInvalid, "%s", message).WithHint("%s", hint).WithField(field)
}

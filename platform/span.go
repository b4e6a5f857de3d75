package platform

import "time"

// Span is one timed operation of a request, as an application told of it.
type Span struct {
	At         time.Time         `json:"at"` // when it began
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id,omitempty"` // empty for the root of a trace
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Took       Duration          `json:"took"`
	Failed     bool              `json:"failed"`
	Error      string            `json:"error,omitempty"` // in the application's own words
	Attributes map[string]string `json:"attributes,omitempty"`
}

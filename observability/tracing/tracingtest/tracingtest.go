// Package tracingtest receives traces in tests as a collector does: OTLP over HTTP, decoded from the bytes on the wire.
package tracingtest

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead/fairlead/observability/tracing"
)

// Span is one span as it arrived.
type Span struct {
	Service  string // of the resource
	Name     string
	Trace    string
	ID       string
	Parent   string // "" for a root
	Kind     string // SPAN_KIND_SERVER and so on
	Failed   string // the status message of a failed span
	IsFailed bool
	Began    time.Time
	Ended    time.Time
	Attrs    map[string]string
}

// Collector is an OTLP server.
type Collector struct {
	URL string // of the server, without a path

	mu    sync.Mutex // guards the fields below
	spans []Span
	raw   []byte // everything that arrived
}

// New starts a collector, and a tracer that sends to it.
func New(t *testing.T) (*Collector, *tracing.Tracer) {
	t.Helper()
	c := NewCollector(t)
	tracer, err := tracing.Open(t.Context(), tracing.Options{Version: "test", Endpoint: c.URL + "/v1/traces"})
	require.NoError(t, err)
	return c, tracer
}

// NewCollector starts a collector.
func NewCollector(t *testing.T) *Collector {
	t.Helper()
	c, stop := Start()
	t.Cleanup(stop)
	return c
}

// Start starts a collector for as long as the caller likes.
func Start() (c *Collector, stop func()) {
	c = &Collector{}
	server := httptest.NewServer(http.HandlerFunc(c.receive))
	c.URL = server.URL
	return c, server.Close
}

func (c *Collector) receive(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces of OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, raw...)
	for _, from := range request.ResourceSpans {
		service := attributes(from.GetResource().GetAttributes())["service.name"]
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{
					Service: service, Name: s.Name, Kind: s.Kind.String(), Attrs: attributes(s.Attributes),
					Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					IsFailed: s.GetStatus().GetCode() != 0, Failed: s.GetStatus().GetMessage(),
					Began: time.Unix(0, int64(s.StartTimeUnixNano)), Ended: time.Unix(0, int64(s.EndTimeUnixNano)),
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func attributes(pairs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, pair := range pairs {
		switch v := pair.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[pair.Key] = v.StringValue
		default:
			out[pair.Key] = pair.GetValue().String()
		}
	}
	return out
}

// All closes the tracer, so that everything has been sent, and returns every span that arrived, and the bytes.
func (c *Collector) All(t *testing.T, tracer *tracing.Tracer) ([]Span, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	require.NoError(t, tracer.Close(ctx))
	return c.Spans(), c.raw
}

// Spans returns what has arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Named returns the one span of that name.
func Named(t *testing.T, spans []Span, name string) Span {
	t.Helper()
	var found []Span
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	require.Len(t, found, 1, "spans named %q among %v", name, spans)
	return found[0]
}

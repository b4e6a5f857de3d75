package otlp

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// encoding is how a request is written, and so its answer.
type encoding int

const (
	unknownForm encoding = iota
	protobufForm
	jsonForm
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

func formOf(r *http.Request) encoding {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == protobufType:
		return protobufForm
	case err == nil && kind == jsonType:
		return jsonForm
	}
	return unknownForm
}

// write answers in the encoding of the request; where that is not known, in JSON, which people read.
func (e encoding) write(w http.ResponseWriter, code int, message proto.Message) {
	kind, marshal := jsonType, protojson.Marshal
	if e == protobufForm {
		kind, marshal = protobufType, proto.Marshal
	}
	raw, err := marshal(message)
	if err != nil {
		code, raw = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(raw)
}

func statusMessage(code int32, message string) proto.Message {
	return &status.Status{Code: code, Message: strings.ToValidUTF8(message, "\uFFFD")}
}

// read reads a request within the limits.
func (h *Receiver) read(r *http.Request, form encoding) (*collector.ExportTraceServiceRequest, error) {
	limits := h.options.Limits
	if r.ContentLength > limits.Body {
		return nil, tooLarge("bytes", limits.Body)
	}
	raw, err := readUpTo(r.Body, limits.Body)
	if err != nil {
		return nil, err
	}
	switch packing := strings.ToLower(r.Header.Get("Content-Encoding")); packing {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, malformed("The export is not gzip, which its Content-Encoding says: %v.", err)
		}
		if raw, err = readUpTo(unpacked, limits.Decoded); err != nil {
			return nil, err
		}
	default:
		return nil, bad(http.StatusUnsupportedMediaType, "Set OTEL_EXPORTER_OTLP_COMPRESSION to gzip or none.", "The Content-Encoding %q is not read.", packing[:min(len(packing), 60)])
	}
	if form == jsonForm {
		return fromJSON(raw, limits.Messages)
	}
	if err := weigh(raw, limits.Messages); err != nil {
		return nil, err
	}
	out := &collector.ExportTraceServiceRequest{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, out); err != nil {
		return nil, malformed("The export is not an ExportTraceServiceRequest: %v.", err)
	}
	return out, nil
}

func readUpTo(from io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, malformed("The body of the export ends early or is damaged: %v.", err)
	}
	if int64(len(raw)) > limit {
		return nil, tooLarge("bytes", limit)
	}
	return raw, nil
}

// fromJSON reads OTLP's JSON, which is that of protobuf but for its ids: they are hexadecimal.
func fromJSON(raw []byte, limit int) (*collector.ExportTraceServiceRequest, error) {
	if err := weighJSON(raw, limit); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, malformed("The export is not JSON: %v.", err)
	}
	for _, resource := range children(tree, "resourceSpans", "resource_spans") {
		for _, scope := range children(resource, "scopeSpans", "scope_spans") {
			for _, span := range children(scope, "spans") {
				readIDs(span, "traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id")
				for _, link := range children(span, "links") {
					readIDs(link, "traceId", "trace_id", "spanId", "span_id")
				}
			}
		}
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, malformed("The export is not JSON: %v.", err)
	}
	out := &collector.ExportTraceServiceRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(plain, out); err != nil {
		return nil, malformed("The export is not an ExportTraceServiceRequest: %v.", err)
	}
	return out, nil
}

// children returns the elements of the list under one of the names, of which protobuf's JSON knows two.
func children(of any, names ...string) []any {
	object, _ := of.(map[string]any)
	for _, name := range names {
		if list, ok := object[name].([]any); ok {
			return list
		}
	}
	return nil
}

// readIDs writes ids as protobuf's JSON has them. One that is not hexadecimal becomes one byte, which no id is.
func readIDs(of any, names ...string) {
	object, _ := of.(map[string]any)
	for _, name := range names {
		if text, ok := object[name].(string); ok {
			id, err := hex.DecodeString(text)
			if err != nil {
				id = []byte{0xff}
			}
			object[name] = base64.StdEncoding.EncodeToString(id)
		}
	}
}

// weighJSON counts the values of a JSON text before any of them is kept.
func weighJSON(raw []byte, limit int) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for n := 0; ; n++ {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return malformed("The export is not JSON: %v.", err)
		}
		// An attribute is about ten tokens where it is three messages.
		if n > 4*limit {
			return tooLarge("spans, events and attributes", int64(limit))
		}
	}
}

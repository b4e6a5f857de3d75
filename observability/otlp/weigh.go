package otlp

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// shape says under which fields of a message others lie.
type shape map[protowire.Number]shape

// requestShape is what an ExportTraceServiceRequest may hold that takes more memory than bytes.
var requestShape = func() shape {
	leaf := shape{}
	value, pair := shape{}, shape{}
	pair[2] = value
	value[5] = shape{1: value} // an array
	value[6] = shape{1: pair}  // a map
	entity := shape{3: leaf, 4: leaf}
	event, link := shape{3: pair}, shape{4: pair}
	span := shape{9: pair, 11: event, 13: link, 15: leaf}
	scope := shape{1: shape{3: pair}, 2: span}
	resource := shape{1: shape{1: pair, 3: entity}, 2: scope}
	return shape{1: resource}
}()

// maxNesting is how deep values may lie in each other.
const maxNesting = 64

// weigh counts the messages of an export before any of them is allocated: an empty one takes two bytes to send, and a
// hundred to hold.
func weigh(raw []byte, limit int) error {
	left := limit
	return weighIn(raw, requestShape, &left, limit, maxNesting)
}

func weighIn(raw []byte, in shape, left *int, limit, depth int) error {
	if depth == 0 {
		return malformed("Values of the export lie more than %d deep in each other.", maxNesting)
	}
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return malformed("The export is not an ExportTraceServiceRequest: its protobuf is cut or damaged.")
		}
		raw = raw[n:]
		inner, known := in[field]
		if !known || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, raw); n < 0 {
				return malformed("The export is not an ExportTraceServiceRequest: its protobuf is cut or damaged.")
			}
			raw = raw[n:]
			continue
		}
		body, n := protowire.ConsumeBytes(raw)
		if n < 0 {
			return malformed("The export is not an ExportTraceServiceRequest: its protobuf is cut or damaged.")
		}
		if *left--; *left < 0 {
			return tooLarge("spans, events and attributes", int64(limit))
		}
		if err := weighIn(body, inner, left, limit, depth-1); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

package traces

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// A span is kept as one text, in memory and on disk alike: trace id, span id, parent id, kind, whether it failed, when it
// began, how long it took, then its strings, each after its length, and last its attributes in the order of their keys.
const (
	traceIDSize = 16
	spanIDSize  = 8
	fixedSize   = traceIDSize + 2*spanIDSize + 2 // up to the first number of variable length
)

// errBadSpan is a span that was not written by encode.
var errBadSpan = errors.New("the span is torn or corrupt")

// encode appends a span. Ids that are not hexadecimal of their length are written as zero.
func encode(to []byte, s *observability.Span) []byte {
	var ids [traceIDSize + 2*spanIDSize]byte
	putID(ids[:traceIDSize], s.TraceID)
	putID(ids[traceIDSize:traceIDSize+spanIDSize], s.SpanID)
	putID(ids[traceIDSize+spanIDSize:], s.ParentID)
	to = append(to, ids[:]...)
	failed := byte(0)
	if s.Failed {
		failed = 1
	}
	to = append(to, byte(max(0, slices.Index(observability.SpanKinds, s.Kind))), failed)
	to = binary.AppendVarint(to, s.At.UnixNano())
	to = binary.AppendVarint(to, int64(s.Took))
	for _, text := range []string{s.Project, s.Environment, s.Service, s.Name, s.Error} {
		to = appendText(to, text)
	}
	keys := make([]string, 0, len(s.Attributes))
	for key := range s.Attributes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	to = binary.AppendUvarint(to, uint64(len(keys)))
	for _, key := range keys {
		to = appendText(appendText(to, key), s.Attributes[key])
	}
	return to
}

func putID(to []byte, id string) {
	if hex.DecodedLen(len(id)) == len(to) {
		if _, err := hex.Decode(to, []byte(id)); err != nil {
			clear(to)
		}
	}
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// decoder reads an encoded span from its beginning.
type decoder struct {
	text string
	bad  bool
}

func (d *decoder) take(n uint64) string {
	if d.bad || n > uint64(len(d.text)) {
		d.bad = true
		return ""
	}
	out := d.text[:n]
	d.text = d.text[n:]
	return out
}

func (d *decoder) number() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.take(1)
		if d.bad {
			return 0
		}
		n |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return n
		}
	}
	d.bad = true
	return 0
}

func (d *decoder) signed() int64 {
	n := d.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) string() string { return d.take(d.number()) }

// head reads all but the attributes. Its strings are parts of the text.
func (d *decoder) head() observability.Span {
	ids := d.take(fixedSize)
	if d.bad {
		return observability.Span{}
	}
	var s observability.Span
	s.TraceID = hex.EncodeToString([]byte(ids[:traceIDSize]))
	s.SpanID = hex.EncodeToString([]byte(ids[traceIDSize : traceIDSize+spanIDSize]))
	if parent := ids[traceIDSize+spanIDSize : traceIDSize+2*spanIDSize]; parent != noParent {
		s.ParentID = hex.EncodeToString([]byte(parent))
	}
	s.Kind = observability.SpanKinds[min(int(ids[fixedSize-2]), len(observability.SpanKinds)-1)]
	s.Failed = ids[fixedSize-1] == 1
	s.At = time.Unix(0, d.signed()).UTC()
	s.Took = platform.Duration(d.signed())
	s.Project, s.Environment, s.Service, s.Name, s.Error = d.string(), d.string(), d.string(), d.string(), d.string()
	return s
}

const noParent = "\x00\x00\x00\x00\x00\x00\x00\x00"

// decode reads a span that encode wrote.
func decode(text string) (observability.Span, error) {
	d := decoder{text: text}
	s := d.head()
	n := d.number()
	if d.bad || n > uint64(len(d.text)) {
		return s, errBadSpan
	}
	if n > 0 {
		s.Attributes = make(map[string]string, n)
	}
	for range n {
		key := d.string()
		s.Attributes[key] = d.string()
	}
	if d.bad || d.text != "" {
		return s, errBadSpan
	}
	return s, nil
}

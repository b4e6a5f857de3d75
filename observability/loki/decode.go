package loki

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// ReceiveLimits bound one push. Zero values mean the defaults.
type ReceiveLimits struct {
	Body     int64 // bytes as sent; default 8 MiB
	Decoded  int64 // bytes unpacked; default 32 MiB
	Streams  int   // default 1,000
	Entries  int   // of all streams; default 50,000
	Labels   int   // of one stream; default 32
	Metadata int   // pairs of one entry; default 128
	Rate     int64 // bytes of lines that a project may push in a second, five seconds of it at once; default 16 MiB
	// Oldest and Newest are how far the time of a line may lie before and after the present; default a week and ten minutes,
	// as of Loki.
	Oldest, Newest time.Duration
}

const maxReceiveLabels = 32

func (l ReceiveLimits) withDefaults() ReceiveLimits {
	setDefault(&l.Body, 8<<20)
	setDefault(&l.Decoded, 32<<20)
	setDefault(&l.Streams, 1000)
	setDefault(&l.Entries, 50_000)
	setDefault(&l.Labels, maxReceiveLabels)
	setDefault(&l.Metadata, 128)
	setDefault(&l.Rate, 16<<20)
	setDefault(&l.Oldest, 7*24*time.Hour)
	setDefault(&l.Newest, 10*time.Minute)
	return l
}

// pushError is a push that is refused as it is, with the status that says why.
type pushError struct {
	status int
	err    *platform.Error
}

// Error returns what is wrong with the push.
func (b *pushError) Error() string { return b.err.Error() }

// Unwrap returns the invalid error.
func (b *pushError) Unwrap() error { return b.err }

func bad(status int, hint, format string, args ...any) error {
	return &pushError{status: status, err: platform.Errorf(platform.CodeInvalid, format, args...).WithHint("%s", hint)}
}

func malformed(format string, args ...any) error {
	return bad(http.StatusBadRequest, "Nothing of the push was kept. Send what Loki's push API describes.", format, args...)
}

func tooLarge(what string, limit int64) error {
	return bad(http.StatusRequestEntityTooLarge, "Nothing of the push was kept. Send smaller batches.", "The push holds more than %d %s.", limit, what)
}

// Pushed are the lines of a push, and what of it is refused.
type Pushed struct {
	Lines []observability.Line
	Old   int // lines before the oldest time that is taken
	New   int // lines after the newest one
	first string
}

// refused returns what to answer for the lines that are not taken, in Loki's words.
func (p *Pushed) refused() error {
	if p.Old+p.New == 0 {
		return nil
	}
	return bad(http.StatusBadRequest, "The other lines of the push were kept. Mend the clock or the timestamps of the sender.",
		"%d errors like: %s.", p.Old+p.New, p.first)
}

// Place says whose the lines of a stream are, by its labels.
type Place func(labels map[string]string) (platform.TelemetryScope, error)

// Decode reads a push: snappy-packed protobuf, or JSON, either of them plain or in gzip. place says whose each stream is;
// labels and metadata that name a service that is known there, a level or a stream fill these in, and the others become
// fields. Lines whose time is too far from now are counted and left out. A push that is malformed or over a limit is an
// invalid error, and no line of it is returned; an error of place is returned as it is.
func Decode(r *http.Request, place Place, limits ReceiveLimits, now time.Time) (Pushed, error) {
	limits = limits.withDefaults()
	kind, _, err := mime.ParseMediaType(cmp.Or(r.Header.Get("Content-Type"), "application/x-protobuf"))
	if err != nil {
		return Pushed{}, malformed("The Content-Type of the push cannot be read: %v.", err)
	}
	raw, err := body(r, limits)
	if err != nil {
		return Pushed{}, err
	}
	read := received{place: place, limits: limits, oldest: now.Add(-limits.Oldest), newest: now.Add(limits.Newest)}
	switch kind {
	case "application/json":
		err = read.json(raw)
	case "application/x-protobuf", "application/protobuf", "application/octet-stream":
		err = read.protobuf(raw)
	default:
		err = bad(http.StatusUnsupportedMediaType, "Send application/x-protobuf or application/json.", "Pushes of type %q are not read.", platform.Truncate(kind, 60))
	}
	if err != nil {
		return Pushed{}, err
	}
	return read.Pushed, nil
}

// body reads and unpacks what was sent, within the limits.
func body(r *http.Request, limits ReceiveLimits) ([]byte, error) {
	sent, err := readUpTo(r.Body, limits.Body)
	if err != nil {
		return nil, err
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity", "snappy": // protobuf is packed with snappy whether or not the header says so
		return sent, nil
	case "gzip":
		packed, err := gzip.NewReader(bytes.NewReader(sent))
		if err != nil {
			return nil, malformed("The push is not gzip, which its Content-Encoding says: %v.", err)
		}
		return readUpTo(packed, limits.Decoded)
	default:
		return nil, bad(http.StatusUnsupportedMediaType, "Send gzip, or nothing packed.", "The Content-Encoding %q is not read.", platform.Truncate(encoding, 60))
	}
}

func readUpTo(from io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, malformed("The body of the push ends early or is damaged: %v.", err)
	}
	if int64(len(raw)) > limit {
		return nil, tooLarge("bytes", limit)
	}
	return raw, nil
}

// received gathers the lines of one push.
type received struct {
	Pushed
	place          Place
	limits         ReceiveLimits
	oldest, newest time.Time
	streams        int
	entries        int
}

// stream is what the lines of one stream have in common.
type stream struct {
	labels map[string]string
	scope  platform.TelemetryScope
}

func (g *received) streamOf(labels map[string]string) (stream, error) {
	scope, err := g.place(labels)
	return stream{labels, scope}, err
}

func (g *received) addStream() error {
	if g.streams++; g.streams > g.limits.Streams {
		return tooLarge("streams", int64(g.limits.Streams))
	}
	return nil
}

func (g *received) addEntry() error {
	if g.entries++; g.entries > g.limits.Entries {
		return tooLarge("entries", int64(g.limits.Entries))
	}
	return nil
}

func (g *received) protobuf(packed []byte) error {
	size, err := snappy.DecodedLen(packed)
	if err != nil {
		return malformed("The push is not snappy: %v.", err)
	}
	if int64(size) > g.limits.Decoded {
		return tooLarge("bytes", g.limits.Decoded)
	}
	raw, err := snappy.Decode(nil, packed)
	if err != nil {
		return malformed("The push is not snappy: %v.", err)
	}
	if err := g.weigh(raw); err != nil {
		return err
	}
	var request push.PushRequest
	if err := request.Unmarshal(raw); err != nil {
		return malformed("The push is not a PushRequest: %v.", err)
	}
	for i := range request.Streams {
		labels, err := parseLabels(request.Streams[i].Labels, g.limits.Labels)
		if err != nil {
			return err
		}
		of, err := g.streamOf(labels)
		if err != nil {
			return err
		}
		for _, e := range request.Streams[i].Entries {
			meta := make(map[string]string, len(e.StructuredMetadata))
			for _, m := range e.StructuredMetadata {
				meta[m.Name] = m.Value
			}
			if err := g.add(of, e.Timestamp, e.Line, meta); err != nil {
				return err
			}
		}
	}
	return nil
}

// weigh counts streams, entries and metadata before anything of them is allocated: an empty one takes two bytes to send.
func (g *received) weigh(raw []byte) error {
	const streamField, entryField, metadataField = 1, 2, 3
	return walk(raw, streamField, func(stream []byte) error {
		if err := g.addStream(); err != nil {
			return err
		}
		return walk(stream, entryField, func(entry []byte) error {
			if err := g.addEntry(); err != nil {
				return err
			}
			pairs := 0
			return walk(entry, metadataField, func([]byte) error {
				if pairs++; pairs > g.limits.Metadata {
					return tooLarge("pairs of metadata in one entry", int64(g.limits.Metadata))
				}
				return nil
			})
		})
	})
}

func damaged() error {
	return malformed("The push is not a PushRequest: its protobuf is cut or damaged.")
}

// walk calls visit with each message that stands under field in raw, and passes over the rest.
func walk(raw []byte, field uint64, visit func([]byte) error) error {
	for len(raw) > 0 {
		tag, n := binary.Uvarint(raw)
		if n <= 0 {
			return damaged()
		}
		raw = raw[n:]
		size := uint64(0)
		switch tag & 7 { // the wire type
		case 0:
			if _, n = binary.Uvarint(raw); n <= 0 {
				return damaged()
			}
			size = uint64(n)
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(raw)
			if n <= 0 || length > uint64(len(raw)-n) {
				return damaged()
			}
			raw, size = raw[n:], length
			if tag>>3 == field {
				if err := visit(raw[:length]); err != nil {
					return err
				}
			}
		case 5:
			size = 4
		default:
			return damaged()
		}
		if size > uint64(len(raw)) {
			return damaged()
		}
		raw = raw[size:]
	}
	return nil
}

// add makes a line of an entry.
func (g *received) add(of stream, at time.Time, text string, meta map[string]string) error {
	if at.Unix() <= 0 {
		return malformed("An entry has the time %s.", strconv.FormatInt(at.UnixNano(), 10))
	}
	if !g.takes(at) {
		return nil
	}
	l := observability.Line{
		At: at.UTC(), Project: of.scope.Project, Environment: of.scope.Environment, Source: observability.SourceRuntime, Message: text,
		Fields: make(map[string]string, len(of.labels)+len(meta)),
	}
	fill(&l, of.labels, of.scope.Services)
	fill(&l, ownFields(meta), of.scope.Services)
	// The labels said where the line goes, and that stands in it.
	for _, name := range []string{labelProject, labelEnvironment} {
		if meta[name] == "" {
			delete(l.Fields, name)
		}
	}
	if len(l.Fields) == 0 {
		l.Fields = nil
	}
	// Entries of one time keep their order, and are told apart.
	if last := len(g.Lines) - 1; last >= 0 && g.Lines[last].At.Equal(l.At) {
		l.Seq = g.Lines[last].Seq + 1
	}
	g.Lines = append(g.Lines, l)
	return nil
}

// takes reports whether lines of that time are taken, and counts those that are not.
func (g *received) takes(at time.Time) bool {
	why := ""
	switch {
	case at.Before(g.oldest):
		g.Old++
		why = "too old: " + stamp(at) + ", oldest acceptable timestamp is: " + stamp(g.oldest)
	case at.After(g.newest):
		g.New++
		why = "too new: " + stamp(at) + ", newest acceptable timestamp is: " + stamp(g.newest)
	default:
		return true
	}
	if g.first == "" {
		g.first = "entry has timestamp " + why
	}
	return false
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// ownFields takes the fields of a line that another Fairlead pushes out of their names in metadata.
func ownFields(meta map[string]string) map[string]string {
	if meta[metaSeq] == "" || meta[metaSource] == "" {
		return meta
	}
	out := make(map[string]string, len(meta))
	for name, value := range meta {
		switch name {
		case metaSeq, metaEndAt, metaEndSeq, metaRaw, metaTruncated, metaNoProject: // these say how it was kept there
			continue
		}
		if field, ours := fieldOf(name); ours {
			name = field
		}
		out[name] = unescapeValue(value)
	}
	return out
}

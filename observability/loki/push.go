package loki

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

const pushPath = "/loki/api/v1/push"

// Waits between two attempts, when the server does not name one.
const (
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second
)

// Stats count what became of the lines since Open.
type Stats struct {
	Pushed   int64            // lines that the server took
	Rejected map[string]int64 // lines that it refused for good, by reason
	Cut      int64            // lines that it took cut to its limits
	Retries  int64            // pushes that were tried again
	JSON     bool             // whether pushes go as JSON, since the server refused protobuf
}

// Lost returns how many lines were refused for good.
func (s Stats) Lost() int64 {
	var n int64
	for _, lines := range s.Rejected {
		n += lines
	}
	return n
}

type counts struct {
	pushed, cut, retries atomic.Int64
	json                 atomic.Bool

	mu       sync.Mutex // guards the field below
	rejected map[string]int64
}

// Stats returns the counts so far.
func (l *Logs) Stats() Stats {
	l.counts.mu.Lock()
	defer l.counts.mu.Unlock()
	return Stats{
		Pushed: l.counts.pushed.Load(), Cut: l.counts.cut.Load(), Retries: l.counts.retries.Load(),
		JSON: l.counts.json.Load(), Rejected: maps.Clone(l.counts.rejected),
	}
}

// parcel is one push on its way: lines of one stream, and until when it is tried.
type parcel struct {
	stream   string
	lines    []observability.Line
	deadline time.Time
}

func (l *Logs) push(b *batch) error {
	// In order: a server may refuse a line that is older than the one before it.
	slices.SortStableFunc(b.lines, func(a, c observability.Line) int { return a.At.Compare(c.At) })
	return l.deliver(b.life, parcel{stream: b.stream, lines: b.lines, deadline: time.Now().Add(l.options.RetryFor)})
}

// deliver pushes a parcel until the server took every line or refused it for good. Lines that are pushed again, since
// only some of a push were taken, are stored once: the server drops an entry that equals one it has.
func (l *Logs) deliver(ctx context.Context, p parcel) error {
	wait := firstWait
	for {
		asJSON := l.counts.json.Load()
		got, cut, err := l.attempt(ctx, p, asJSON)
		if err == nil && got.ok() {
			l.counts.pushed.Add(int64(len(p.lines)))
			l.counts.cut.Add(cut)
			return nil
		}
		if err != nil {
			if err := l.hold(ctx, p, &wait, 0, err); err != nil {
				return err
			}
			continue
		}
		switch no := understand(got, len(p.lines)); no.verdict {
		case verdictRetry:
			if err := l.hold(ctx, p, &wait, retryAfter(got, time.Now()), l.refused(got)); err != nil {
				return err
			}
		case verdictJSON:
			if asJSON {
				return l.refused(got)
			}
			if !l.counts.json.Swap(true) {
				l.options.Log.WarnContext(ctx, "Loki does not take protobuf; lines go to it as JSON from now on", "says", got.words())
			}
		case verdictFit:
			if !l.learn(no) {
				return l.split(ctx, p, no.reason, got)
			}
			l.options.Log.WarnContext(ctx, "Loki takes only smaller lines; larger ones are cut from now on", "limit", no.limit, "of", no.of)
		case verdictSplit:
			return l.split(ctx, p, no.reason, got)
		case verdictReject:
			l.reject(ctx, p, no.reason, got)
			return nil
		default:
			return l.refused(got)
		}
	}
}

// split delivers the halves of a parcel, so that in the end each line is taken or is alone with its refusal.
func (l *Logs) split(ctx context.Context, p parcel, reason string, got answer) error {
	if len(p.lines) == 1 {
		l.reject(ctx, p, reason, got)
		return nil
	}
	half := len(p.lines) / 2
	for _, lines := range [][]observability.Line{p.lines[:half], p.lines[half:]} {
		if err := l.deliver(ctx, parcel{stream: p.stream, lines: lines, deadline: p.deadline}); err != nil {
			return err
		}
	}
	return nil
}

func (l *Logs) reject(ctx context.Context, p parcel, reason string, got answer) {
	l.counts.mu.Lock()
	if l.counts.rejected == nil {
		l.counts.rejected = make(map[string]int64)
	}
	l.counts.rejected[reason] += int64(len(p.lines))
	l.counts.mu.Unlock()
	l.options.Log.WarnContext(ctx, "Loki refuses lines for good; they are not stored", "lines", len(p.lines), "reason", reason,
		"stream", p.stream, "from", p.lines[0].At, "to", p.lines[len(p.lines)-1].At, "says", got.words())
}

func (l *Logs) learn(no refusal) bool {
	limits := map[string]*atomic.Int64{"line": &l.limits.line, "metadata": &l.limits.metadata, "count": &l.limits.count}
	return lower(limits[no.of], no.limit)
}

// hold waits before the next attempt: what the server asked for, else ever longer. It returns why when there is none.
func (l *Logs) hold(ctx context.Context, p parcel, wait *time.Duration, asked time.Duration, why error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	delay := asked
	if asked > 0 {
		l.pause.extend(time.Now().Add(asked))
	} else {
		delay = *wait*4/5 + rand.N(*wait*2/5)
		*wait = min(2**wait, longWait)
	}
	if time.Now().Add(delay).After(p.deadline) {
		return why
	}
	l.counts.retries.Add(1)
	return sleep(ctx, delay)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt pushes a parcel once, not before the server wants to be talked to again. cut is how many of its lines were cut.
func (l *Logs) attempt(ctx context.Context, p parcel, asJSON bool) (got answer, cut int64, err error) {
	if until := l.pause.end(); until.After(time.Now()) {
		if until.After(p.deadline) {
			return answer{}, 0, platform.Errorf(platform.CodeExhausted, "Loki at %s asked to be left alone until %s.", l.base.Host, until.UTC().Format(time.RFC3339)).
				WithHint("Lines wait until then. Raise Loki's limits (ingestion_rate_mb, per_stream_rate_limit), or log less.")
		}
		if err := sleep(ctx, time.Until(until)); err != nil {
			return answer{}, 0, err
		}
	}
	entries, w := make([]push.Entry, len(p.lines)), writer{limits: &l.limits}
	for i := range p.lines {
		var less bool
		if entries[i], less = w.entry(&p.lines[i]); less {
			cut++
		}
	}
	encode := encodeProtobuf
	if asJSON {
		encode = encodeJSON
	}
	body, header, err := encode(p.stream, entries)
	if err != nil {
		return answer{}, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.address(pushPath, nil), bytes.NewReader(body))
	if err != nil {
		return answer{}, 0, fmt.Errorf("build a push: %w", err)
	}
	req.Header = header
	got, err = l.do(req, maxRefusal)
	return got, cut, err
}

func encodeProtobuf(stream string, entries []push.Entry) ([]byte, http.Header, error) {
	request := push.PushRequest{Streams: []push.Stream{{Labels: stream, Entries: entries}}}
	raw, err := request.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("write a push: %w", err)
	}
	return snappy.Encode(nil, raw), http.Header{"Content-Type": {"application/x-protobuf"}}, nil
}

// jsonPush is a push as JSON; each value is [nanoseconds, line, metadata].
type jsonPush struct {
	Streams []jsonStream `json:"streams"`
}

type jsonStream struct {
	Stream map[string]string `json:"stream"`
	Values [][3]any          `json:"values"`
}

func encodeJSON(stream string, entries []push.Entry) ([]byte, http.Header, error) {
	labels, err := parseLabels(stream, maxReceiveLabels)
	if err != nil {
		return nil, nil, fmt.Errorf("read the labels of a stream: %w", err)
	}
	out := jsonStream{Stream: labels, Values: make([][3]any, len(entries))}
	for i, e := range entries {
		meta := make(map[string]string, len(e.StructuredMetadata))
		for _, m := range e.StructuredMetadata {
			meta[m.Name] = m.Value
		}
		out.Values[i] = [3]any{strconv.FormatInt(e.Timestamp.UnixNano(), 10), e.Line, meta}
	}
	var body bytes.Buffer
	packed := gzip.NewWriter(&body)
	text := json.NewEncoder(packed)
	text.SetEscapeHTML(false)
	if err := text.Encode(jsonPush{Streams: []jsonStream{out}}); err != nil {
		return nil, nil, fmt.Errorf("write a push as JSON: %w", err)
	}
	if err := packed.Close(); err != nil {
		return nil, nil, fmt.Errorf("pack a push: %w", err)
	}
	return body.Bytes(), http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, nil
}

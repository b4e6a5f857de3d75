package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/durable"
)

// Whoever reads a stream again after a kill must know how much of it was appended before. The target knows, but may be away.
// So the spool remembers where each stream of an instance ends: what is in its segments it finds there when it is opened,
// and before it lets go of a segment it writes all ends down.

const (
	endsName = "ends.json"
	// maxEnds is how many ends are remembered; beyond it the oldest go, and with them what was known of that time.
	maxEnds = 1 << 15
)

// streamKey names a stream.
type streamKey struct{ instance, source, stream string }

// streamEnd is the last place of a stream that was appended, and when that was, counted in appends.
type streamEnd struct {
	observability.End
	turn uint64
}

// ends are the ends of streams. Its fields are guarded by Spool.mu.
type ends struct {
	since time.Time // what was appended before may be missing
	known map[streamKey]streamEnd
	turn  uint64
}

// savedEnds is the file.
type savedEnds struct {
	Since time.Time  `json:"since"`
	Ends  []savedEnd `json:"ends"` // oldest first
}

type savedEnd struct {
	Instance string            `json:"instance"`
	Source   string            `json:"source"`
	Stream   string            `json:"stream"`
	End      observability.End `json:"end"`
}

// Appended returns where the streams of an instance end that were ever appended, by the stream's name, and since when that is
// known: whatever was appended from then on is within these ends. It does not ask the target.
func (s *Spool) Appended(instance, source string) (map[string]observability.End, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]observability.End{}
	for _, stream := range []string{"stdout", "stderr"} {
		if end, ok := s.ends.known[streamKey{instance, source, stream}]; ok {
			out[stream] = end.End
		}
	}
	return out, s.ends.since
}

// loadEnds reads the file. One that is missing or broken knows nothing of the time before now.
func (s *Spool) loadEnds() error {
	s.ends.known = map[streamKey]streamEnd{}
	raw, err := os.ReadFile(s.path(endsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the ends of streams: %w", err)
	}
	var saved savedEnds
	if broken := json.Unmarshal(raw, &saved); broken != nil || saved.Since.IsZero() { // nothing is no JSON either
		saved = savedEnds{Since: s.opened.UTC()}
	}
	s.ends.since = saved.Since
	for _, e := range saved.Ends {
		s.ends.note(streamKey{e.Instance, e.Source, e.Stream}, e.End)
	}
	return nil
}

// saveEndsLocked makes the ends durable.
func (s *Spool) saveEndsLocked() error {
	keys := slices.SortedFunc(maps.Keys(s.ends.known), func(a, b streamKey) int {
		return int(int64(s.ends.known[a].turn) - int64(s.ends.known[b].turn))
	})
	saved := savedEnds{Since: s.ends.since, Ends: make([]savedEnd, 0, len(keys))}
	for _, key := range keys {
		saved.Ends = append(saved.Ends, savedEnd{key.instance, key.source, key.stream, s.ends.known[key].End})
	}
	raw, err := json.Marshal(saved)
	if err == nil {
		err = durable.Replace(s.path(endsName), durable.Bytes(raw))
	}
	if err != nil {
		return fmt.Errorf("save the ends of streams: %w", err)
	}
	return nil
}

// see notes a line that was appended. Its strings may be parts of others.
func (e *ends) see(l *observability.Line) {
	if l.Instance == "" || l.Stream == "" {
		return
	}
	at, seq := l.End()
	key, end := streamKey{l.Instance, l.Source, l.Stream}, observability.End{At: at, Seq: seq}
	if _, known := e.known[key]; !known {
		key = streamKey{strings.Clone(key.instance), strings.Clone(key.source), strings.Clone(key.stream)}
	}
	e.note(key, end)
}

func (e *ends) note(key streamKey, end observability.End) {
	e.turn++
	if have, known := e.known[key]; known && end.Before(have.End) {
		end = have.End
	}
	e.known[key] = streamEnd{end, e.turn}
	if len(e.known) > maxEnds {
		e.forget()
	}
}

// forget drops the quarter of the ends that nothing was appended to for the longest.
func (e *ends) forget() {
	keys := slices.SortedFunc(maps.Keys(e.known), func(a, b streamKey) int { return int(int64(e.known[a].turn) - int64(e.known[b].turn)) })
	for _, key := range keys[:len(keys)/4] {
		if after := e.known[key].At.Add(1); after.After(e.since) {
			e.since = after
		}
		delete(e.known, key)
	}
}

// endsOf returns the ends of the streams in lines, in no order.
func endsOf(lines []observability.Line) []observability.Line {
	var out []observability.Line
	for i := range lines {
		l := &lines[i]
		if l.Instance == "" || l.Stream == "" {
			continue
		}
		n := len(out) - 1
		for n >= 0 && (out[n].Stream != l.Stream || out[n].Instance != l.Instance || out[n].Source != l.Source) {
			n--
		}
		at, seq := l.End()
		last := observability.Line{Instance: l.Instance, Source: l.Source, Stream: l.Stream, At: at, Seq: seq}
		switch {
		case n < 0:
			out = append(out, last)
		case !endOf(&last).Before(endOf(&out[n])):
			out[n] = last
		}
	}
	return out
}

func endOf(l *observability.Line) observability.End {
	at, seq := l.End()
	return observability.End{At: at, Seq: seq}
}

package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform"
)

// SystemService is the service, of platform.SystemProject, that Fairlead's own lines belong to.
const SystemService = "fairlead"

// routerService is the one of the router's own lines that belong to no service of the user.
const routerService = "router"

// said is what the router writes as one line.
type said struct {
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Message  string    `json:"msg"`
	Status   int       `json:"status"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Took     int64     `json:"took"` // nanoseconds
	Slot     string    `json:"slot"`
	Instance string    `json:"instance"`
	Release  int       `json:"release"`
	Error    string    `json:"error"`
}

// accessMessage is the message of the router's access log.
const accessMessage = "request"

// timeOf returns the time that a line of the router's log names, before where it names none.
func timeOf(text string, before time.Time) time.Time {
	var s struct {
		Time time.Time `json:"time"`
	}
	if json.Unmarshal([]byte(text), &s) != nil || s.Time.IsZero() {
		return before
	}
	return s.Time.UTC()
}

// errSlotsUnknown holds the router's lines back in their files while nobody can say whose they are.
var errSlotsUnknown = errors.New("the services cannot be listed")

// line turns one line of the router's log into ours. A line that is no JSON is what the Go runtime says when it ends
// the process; it has the time of the line before.
func (r *RouterLog) line(ctx context.Context, raw rawLine, last time.Time) (observability.Line, error) {
	var s said
	if json.Unmarshal([]byte(raw.text), &s) != nil || s.Time.IsZero() {
		s = said{Time: last}
		if last.IsZero() {
			s.Time = time.Now()
		}
	}
	base := observability.Line{
		At: s.Time, Seq: raw.place.seq(), Project: platform.SystemProject, Service: routerService, Source: observability.SourceRouter,
	}
	if s.Slot != "" {
		slot, ok, err := r.known.find(ctx, r.Slots, platform.SlotID(s.Slot))
		if err != nil {
			return base, err
		}
		if ok {
			base.Project, base.Environment, base.Service = slot.Project, slot.Environment, slot.Service
			base.Instance, base.Release = s.Instance, s.Release
		}
	}
	var redact parse.Redact
	if r.Redactor != nil {
		if redact = r.redactors.of(base.Project, time.Now()); redact == nil {
			return base, errNoRedactor
		}
	}
	l := parse.Text(base, raw.text, redact)
	if s.Message == accessMessage && s.Method != "" {
		l = s.access(l, redact)
	}
	return l, nil
}

// access makes an access line legible: GET /path 502 what went wrong.
func (s *said) access(l observability.Line, redact parse.Redact) observability.Line {
	text := s.Method + " " + s.Path + " " + strconv.Itoa(s.Status)
	if s.Status == 0 {
		text = s.Method + " " + s.Path + " no answer"
	}
	if s.Error != "" {
		text += " " + s.Error
	}
	if l.Raw == "" {
		l.Raw = l.Message
	}
	if l.Message = text; redact != nil {
		l.Message = redact(text)
	}
	switch {
	case s.Level == "WARN": // a 5xx, no answer, or an answer that broke off
		l.Level = observability.LevelError
	case s.Status >= 400:
		l.Level = observability.LevelWarn
	}
	for _, name := range []string{"time", "slot", "service", "instance", "release", "took"} {
		delete(l.Fields, name)
	}
	l.Fields["took_ms"] = strconv.FormatFloat(float64(s.Took)/1e6, 'f', 1, 64)
	return l.Normal()
}

// lostLine says that files went before they were read.
func (r *RouterLog) lostLine(files uint64, to logPlace) observability.Line {
	return observability.Line{
		At: time.Now().UTC(), Seq: to.seq(), Project: platform.SystemProject, Service: SystemService, Source: observability.SourceSystem, Level: observability.LevelWarn,
		Message: fmt.Sprintf("%d files of the router's log were rotated away before they could be read: their lines are lost.", files),
	}
}

// joinCrash puts together what the Go runtime wrote line by line: lines that are no JSON, of one time.
func joinCrash(lines []observability.Line) []observability.Line {
	out := lines[:0]
	var joiner *parse.Joiner
	flush := func() {
		if joiner != nil {
			joiner.Flush()
			joiner = nil
		}
	}
	for _, l := range lines {
		if l.Raw != "" || len(l.Fields) > 0 || strings.HasPrefix(l.Message, "{") || l.Source != observability.SourceRouter {
			flush()
			out = append(out, l)
			continue
		}
		if joiner == nil {
			base := l
			base.EndAt, base.EndSeq = time.Time{}, 0
			joiner = parse.NewJoiner(base, nil, func(joined observability.Line) { out = append(out, joined) })
		}
		joiner.Add(parse.Part{At: l.At, Seq: l.Seq, Text: []byte(l.Message)})
	}
	flush()
	return out
}

// slotBook says what slot ids stand for. It is read again for an id that it does not know.
type slotBook struct {
	slots  map[platform.SlotID]platform.Slot
	listed time.Time
}

func (b *slotBook) find(ctx context.Context, from slots, id platform.SlotID) (platform.Slot, bool, error) {
	if slot, ok := b.slots[id]; ok {
		return slot, true, nil
	}
	if b.slots != nil && time.Since(b.listed) < slotsFor {
		return platform.Slot{}, false, nil
	}
	list, err := from.ListWorkSlots(ctx)
	if err != nil {
		return platform.Slot{}, false, fmt.Errorf("%w: %w", errSlotsUnknown, err)
	}
	b.slots, b.listed = make(map[platform.SlotID]platform.Slot, len(list)), time.Now()
	for _, slot := range list {
		b.slots[slot.ID] = slot
	}
	slot, ok := b.slots[id]
	return slot, ok, nil
}

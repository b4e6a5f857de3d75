package parse

import (
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/secret"
)

// Limits of a joined record. A trace that is longer becomes several records.
const (
	maxJoinedLines = 1000
	// slack is read beyond MaxLineBytes, so that a secret across the cut is still seen whole when it is removed.
	slack   = 4 << 10
	maxText = observability.MaxLineBytes + slack
)

// Part is one piece of output as the engine gives it: a line, or with Partial a beginning of one.
type Part struct {
	At      time.Time
	Seq     uint64
	Text    []byte
	Partial bool // the line goes on in the next part
}

// Joiner turns the parts of one stream of one process into lines: it puts split lines together, and makes one record
// of what belongs together: a stack trace of Python, Go, Java or Node, a private key, a JSON object over several lines.
// It is not safe for concurrent use.
type Joiner struct {
	base   observability.Line
	redact Redact
	emit   func(observability.Line)

	piece   record // a line whose end has not come
	pending record // a trace that may go on
	trace   *trace // what kind pending is
	key     secret.KeyBlock
}

// record is text with the place of its first and last part.
type record struct {
	first          string // its text while it is one line
	text           []byte // its text when it is more
	at, endAt      time.Time
	seq, endSeq    uint64
	parts, lines   int
	open, overlong bool
}

// NewJoiner returns a joiner of one stream. base holds what all its lines share, Stream included; redact may be nil.
// Every finished line is handed to emit.
func NewJoiner(base observability.Line, redact Redact, emit func(observability.Line)) *Joiner {
	return &Joiner{base: base.Normal(), redact: redact, emit: emit}
}

// Add takes the next part. Its bytes are copied.
func (j *Joiner) Add(p Part) {
	if !j.piece.open && !p.Partial { // a line in one part
		line := record{at: p.At, endAt: p.At, seq: p.Seq, endSeq: p.Seq, parts: 1, lines: 1, open: true}
		if len(p.Text) > maxText {
			p.Text, line.overlong = p.Text[:maxText], true
		}
		line.first = string(p.Text)
		j.addLine(&line)
		return
	}
	j.piece.add(p)
	if !p.Partial {
		j.endPiece()
	}
}

func (j *Joiner) endPiece() {
	line := j.piece
	line.first, line.text = string(line.text), nil
	j.piece = record{text: j.piece.text[:0]}
	j.addLine(&line)
}

func (j *Joiner) addLine(line *record) {
	text := head(line.first)
	if j.pending.open {
		if j.pending.lines < maxJoinedLines && j.pending.size()+len(line.first) < observability.MaxLineBytes && j.trace.continues(text) {
			j.pending.join(line)
			if j.trace.done {
				j.flushPending()
			}
			return
		}
		j.flushPending()
	}
	if j.trace = beginTrace(text); j.trace != nil && !line.overlong {
		j.pending.join(line)
		return
	}
	j.trace = nil
	j.finish(line)
}

// Pending returns when the oldest part was written that is not in an emitted line yet.
func (j *Joiner) Pending() (since time.Time, waiting bool) {
	switch {
	case j.pending.open:
		return j.pending.at, true
	case j.piece.open:
		return j.piece.at, true
	}
	return time.Time{}, false
}

// FlushTrace emits a trace that waits for more. Callers call it when the stream was silent for a while.
func (j *Joiner) FlushTrace() { j.flushPending() }

// Flush emits everything that waits, a line without its end included. Callers call it at the end of the stream.
func (j *Joiner) Flush() {
	if j.piece.open {
		j.endPiece()
	}
	j.flushPending()
}

func (j *Joiner) flushPending() {
	if !j.pending.open {
		return
	}
	line := j.pending
	j.pending = record{text: j.pending.text[:0]}
	j.finish(&line)
	j.trace = nil
}

func (j *Joiner) finish(r *record) {
	base := j.base
	base.At, base.Seq, base.Truncated = r.at.UTC(), r.seq, r.overlong
	if r.parts > 1 {
		base.EndAt, base.EndSeq = r.endAt.UTC(), r.endSeq
	}
	text := r.first
	if r.lines > 1 {
		text = strings.TrimRight(string(r.text), "\n")
	}
	if j.redact != nil {
		text = j.key.Redact(text)
	}
	line := parseText(base, text, j.redact)
	if j.trace != nil && j.trace.level != "" && r.lines > 1 && (namesException(text) || plainLevel(text) == observability.LevelUnknown) {
		line.Level = j.trace.level
	}
	if r.overlong && !strings.HasSuffix(line.Message, observability.CutMark) { // what was hidden in it made it short again
		line.Message += observability.CutMark
		line = line.Normal()
	}
	j.emit(line)
}

func (r *record) add(p Part) {
	if !r.open {
		r.open, r.at, r.seq, r.lines = true, p.At, p.Seq, 1
	}
	r.endAt, r.endSeq = p.At, p.Seq
	r.parts++
	room := maxText - len(r.text)
	if len(p.Text) > room {
		p.Text, r.overlong = p.Text[:max(0, room)], true
	}
	r.text = append(r.text, p.Text...)
}

func (r *record) size() int { return max(len(r.first), len(r.text)) }

// join appends a whole line to a trace.
func (r *record) join(line *record) {
	switch {
	case !r.open:
		r.open, r.at, r.seq, r.first = true, line.at, line.seq, line.first
	case r.lines == 1:
		r.text = append(append(append(r.text[:0], r.first...), '\n'), line.first...)
	default:
		r.text = append(append(r.text, '\n'), line.first...)
	}
	r.endAt, r.endSeq = line.endAt, line.endSeq
	r.parts += line.parts
	r.lines++
	r.overlong = r.overlong || line.overlong
}

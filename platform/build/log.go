package build

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform/secret"
)

// Bounds of what a step may print into one line of the log, and of how many of its lines are kept for the failure.
const (
	maxLine = 32 << 10
	maxTail = 20
)

// buildLog turns what a builder tells into lines, and keeps what a failure needs.
type buildLog struct {
	mu       sync.Mutex // guards the fields below, and makes calls of yield one at a time
	yield    func(Line)
	redactor *secret.Redactor
	steps    map[string]*step // by the builder's own id
	total    int
	cached   int
}

// step is one step of a build.
type step struct {
	name          string
	began         time.Time
	ended, cached bool
	parts         map[string][]byte // the unfinished line of each stream
	tail          []string          // its last lines
	key           secret.KeyBlock   // a private key that it may be printing
	err           string
}

func newLog(yield func(Line), redactor *secret.Redactor) *buildLog {
	if yield == nil {
		yield = func(Line) {}
	}
	return &buildLog{yield: yield, redactor: redactor, steps: map[string]*step{}}
}

// begin notes that a step began; again is no error.
func (l *buildLog) begin(id, name string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.step(id, name)
	if !s.began.IsZero() {
		return
	}
	s.began = at
	if !quiet(name) {
		l.send(Line{At: at, Kind: KindStep, Step: name, Stream: stdout, Text: name})
	}
}

// end notes that a step ended, well or not; again is no error.
func (l *buildLog) end(id string, outcome Kind, at time.Time, said string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.steps[id]
	if s == nil {
		return
	}
	if s.ended {
		l.cachedAfterAll(s, outcome, at)
		return
	}
	s.ended, s.cached = true, outcome == KindCached
	for stream := range s.parts {
		l.finish(s, stream, at)
	}
	counted := dockerfileStep(s.name)
	if counted {
		l.total++
	}
	switch {
	case outcome == KindError:
		s.err = said
	case outcome == KindCached && counted:
		l.cached++
		l.send(Line{At: at, Kind: KindCached, Step: s.name, Stream: stdout, Text: mark(s.name) + " cached"})
	case outcome == KindDone && !quiet(s.name):
		took := at.Sub(s.began)
		l.send(Line{At: at, Kind: KindDone, Step: s.name, Stream: stdout, Took: took, Text: mark(s.name) + " done in " + round(took)})
	}
}

// cachedAfterAll takes the word of a builder that tells of the end of a step before it tells that the step was cached.
func (l *buildLog) cachedAfterAll(s *step, outcome Kind, at time.Time) {
	if outcome == KindCached && !s.cached && dockerfileStep(s.name) {
		s.cached = true
		l.cached++
		l.send(Line{At: at, Kind: KindCached, Step: s.name, Stream: stdout, Text: mark(s.name) + " cached"})
	}
}

// print takes bytes that a step wrote.
func (l *buildLog) print(id, stream string, data []byte, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.step(id, "")
	rest := append(s.parts[stream], data...)
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole && len(rest) < maxLine {
			break
		}
		if len(line) > maxLine {
			line, after = rest[:maxLine], rest[maxLine:]
		}
		l.output(s, stream, line, at)
		rest = after
	}
	s.parts[stream] = bytes.Clone(rest)
}

// warn passes the builder's advice on.
func (l *buildLog) warn(text string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send(Line{At: at, Kind: KindWarning, Stream: stderr, Text: text})
}

// fail is the last line of a build that failed.
func (l *buildLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send(Line{At: time.Now().UTC(), Kind: KindError, Stream: stderr, Text: err.Error()})
}

// count is how many steps of the Dockerfile ended, and how many of them an earlier build had done.
func (l *buildLog) count() (steps, cached int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, l.cached
}

// failed returns the step that failed with a reason of its own: not one that was broken off because another one failed.
func (l *buildLog) failed() *step {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found *step
	for _, s := range l.steps {
		if s.err == "" || (found != nil && strings.Contains(s.err, "context canceled")) {
			continue
		}
		found = s
	}
	return found
}

const (
	stdout = "stdout"
	stderr = "stderr"
)

func (l *buildLog) step(id, name string) *step {
	s := l.steps[id]
	if s == nil {
		s = &step{parts: map[string][]byte{}}
		l.steps[id] = s
	}
	if name != "" {
		s.name = name
	}
	return s
}

func (l *buildLog) finish(s *step, stream string, at time.Time) {
	if rest := s.parts[stream]; len(rest) > 0 {
		delete(s.parts, stream)
		l.output(s, stream, rest, at)
	}
}

func (l *buildLog) output(s *step, stream string, line []byte, at time.Time) {
	text := strings.TrimRight(string(line), "\r")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:] // a progress bar that was drawn over: its last state
	}
	text = l.redactor.Redact(s.key.Redact(strings.ToValidUTF8(text, "\uFFFD")))
	if s.tail = append(s.tail, text); len(s.tail) > maxTail {
		s.tail = s.tail[1:]
	}
	l.send(Line{At: at, Kind: KindOutput, Step: s.name, Stream: stream, Text: text})
}

func (l *buildLog) send(line Line) {
	line.Step, line.At = l.redactor.Redact(line.Step), line.At.UTC()
	if line.Kind != KindOutput {
		line.Text = l.redactor.Redact(line.Text)
	}
	l.yield(line)
}

// quiet steps are the builder's own book-keeping.
func quiet(name string) bool { return name == "" || strings.HasPrefix(name, "[internal]") }

// numbered steps are those of the Dockerfile: "[2/4] RUN make", "[stage 1/2] COPY . .".
func numbered(name string) bool {
	inside, _, ok := strings.Cut(strings.TrimPrefix(name, "["), "]")
	return ok && strings.HasPrefix(name, "[") && strings.Contains(inside, "/")
}

// dockerfileStep: all numbered steps but FROM, whose base image is neither built nor cached.
func dockerfileStep(name string) bool {
	return numbered(name) && !strings.HasPrefix(strings.TrimPrefix(name, mark(name)+" "), "FROM ")
}

// mark is the short name of a step: "[2/4]", or all of it where it has no number.
func mark(name string) string {
	if !numbered(name) {
		return name
	}
	return name[:strings.Index(name, "]")+1]
}

// round is a duration as people read it.
func round(took time.Duration) string {
	switch {
	case took < time.Second:
		return fmt.Sprintf("%d ms", took.Milliseconds())
	case took < time.Minute:
		return fmt.Sprintf("%.1f s", took.Seconds())
	default:
		return took.Round(time.Second).String()
	}
}

// forget drops the steps of an attempt that is made again in another way.
func (l *buildLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps, l.total, l.cached = map[string]*step{}, 0, 0
}

func now() time.Time { return time.Now().UTC() }

package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Logs streams a container's output. Following, it reads once more after the container has ended: the engine's own
// follower may stop before the last lines, and those of a dead process are the ones that matter.
func (r *Runtime) Logs(ctx context.Context, id string, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
	doing := "read logs of container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if err != nil {
		return err
	}
	reader := &logReader{runtime: r, id: id, since: opts.Since, yield: yield}
	if !opts.Follow {
		return outcome(doing, reader.read(ctx, reader.since, once))
	}
	if found.State.Running {
		err = outcome(doing, reader.follow(ctx))
	} else {
		err = outcome(doing, reader.read(ctx, reader.since, once))
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // that is how a caller ends a follow
	}
	return err
}

// logReader delivers the frames of one container, each once, over as many streams as it takes.
type logReader struct {
	runtime *Runtime
	id      string
	since   time.Time
	yield   func(runtime.LogFrame) error
	recent  window
}

type readMode bool

const (
	once      readMode = false
	following readMode = true
)

// maxIdleReads is how many streams in a row may end with nothing new, of a container that is said to run, before
// the engine counts as broken; it keeps follow from spinning.
const maxIdleReads = 3

func (l *logReader) follow(ctx context.Context) error {
	for idle := 0; idle < maxIdleReads; {
		before := l.recent.delivered
		if err := l.read(ctx, l.recent.resumeAt(l.since), following); err != nil && (ctx.Err() != nil || !broken(err)) {
			return err
		}
		found, err := l.runtime.api.ContainerInspect(ctx, l.id)
		if err != nil {
			return err
		}
		if !found.State.Running {
			return l.read(ctx, l.recent.resumeAt(l.since), once)
		}
		idle++
		if l.recent.delivered > before {
			idle = 0
		}
	}
	return fmt.Errorf("%w: the log stream of a running container ends at once", runtime.ErrUnavailable)
}

// yieldError carries the caller's own error through the engine's reader, unchanged.
type yieldError struct{ err error }

func (e yieldError) Error() string { return e.err.Error() }

// broken reports whether a stream ended because its connection did, not because of what is in it or of who reads it.
func broken(err error) bool {
	var own yieldError
	return !errors.As(err, &own) && unreachable(err)
}

// outcome is what the caller of Logs sees of an error.
func outcome(doing string, err error) error {
	var own yieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.err
	case errors.Is(err, runtime.ErrUnavailable):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fail(doing, err)
	}
}

func (l *logReader) read(ctx context.Context, since time.Time, mode readMode) error {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: mode == following}
	if !since.IsZero() {
		options.Since = stamp(since)
	}
	body, err := l.runtime.api.ContainerLogs(ctx, l.id, options)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	l.recent.begin()
	_, err = stdcopy.StdCopy(&frameWriter{"stdout", l}, &frameWriter{"stderr", l}, body)
	return err
}

// frameWriter takes the messages of one stream: the engine sends each in a frame, and StdCopy writes each frame whole.
type frameWriter struct {
	stream string
	reader *logReader
}

// Write takes one message: a time stamp, a space, and the bytes of one write, with a newline where the line is whole.
func (w *frameWriter) Write(message []byte) (int, error) {
	frame, err := parseMessage(w.stream, message)
	if err != nil {
		return 0, err
	}
	if !w.reader.recent.isNew(frame) {
		return len(message), nil
	}
	if err := w.reader.yield(frame); err != nil {
		return 0, yieldError{err}
	}
	return len(message), nil
}

// engineBuffer is how much of a line the engine puts into one message.
const engineBuffer = 16 << 10

// parseMessage splits the engine's time stamp off. The line is a copy: the engine's buffer is used again.
func parseMessage(stream string, message []byte) (runtime.LogFrame, error) {
	stamp, line, ok := bytes.Cut(message, []byte(" "))
	if !ok {
		return runtime.LogFrame{}, fmt.Errorf("log message without a time stamp: %.40q", message)
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return runtime.LogFrame{}, fmt.Errorf("log message with an unreadable time stamp: %w", err)
	}
	whole := bytes.HasSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\n"))
	// A piece of a long line fills the engine's buffer. A shorter one without newline is the last that was written.
	partial := !whole && len(line) >= engineBuffer
	return runtime.LogFrame{At: at.UTC(), Stream: stream, Line: bytes.Clone(line), Partial: partial}, nil
}

// stamp is a time as the engine reads it, to the nanosecond.
func stamp(at time.Time) string { return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()) }

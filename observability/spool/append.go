package spool

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/durable"
)

// request is one Append on its way to disk.
type request struct {
	frames []frame
	lines  []observability.Line // of the frames, normal, the caller's own; nil when they are many
	ends   []observability.Line // the last of each stream
	done   bool                 // guarded by Spool.writing, like err
	err    error
}

func (r *request) size() (n int64) {
	for i := range r.frames {
		n += int64(len(r.frames[i].bytes))
	}
	return n
}

// Append stores lines on disk. Appends that come while the disk is busy share one write. When an error is returned
// none of the lines was taken: invalid for a line without a time, unavailable while the disk is full or fails.
func (s *Spool) Append(ctx context.Context, lines []observability.Line) error {
	return s.AppendNormal(ctx, observability.NormalLines(lines))
}

// easing is the longest that an Append waits for a target that falls behind.
const easing = 20 * time.Millisecond

// awaitRoom reports whether lines may be kept in memory too. While the target takes lines, but more slowly than they come, it
// waits a little for it: lines that are read back from the disk cost both sides more than they gain by haste.
func (s *Spool) awaitRoom(ctx context.Context, lines int) bool {
	s.mu.Lock()
	room, flows := s.recent.room(lines), s.draining && s.blocked == nil
	s.mu.Unlock()
	if room || !flows {
		return room
	}
	wait := time.NewTimer(easing)
	defer wait.Stop()
	for {
		over := false
		select {
		case <-s.eased:
		case <-wait.C:
			over = true
		case <-ctx.Done():
			over = true
		}
		s.mu.Lock()
		room = s.recent.room(lines)
		s.mu.Unlock()
		if room || over {
			return room
		}
	}
}

// free gives back the memory of the frames.
func (r *request) free() {
	for i := range r.frames {
		r.frames[i].free()
	}
}

// AppendNormal is Append for lines that are in normal form (observability.Line.Normal).
func (s *Spool) AppendNormal(ctx context.Context, lines []observability.Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range lines {
		if lines[i].At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A log line has no time.").WithHint("Set At on every line.").WithField("at")
		}
	}
	if len(lines) == 0 {
		return nil
	}
	room := s.awaitRoom(ctx, len(lines))
	r := &request{ends: endsOf(lines), frames: newFrames(lines)}
	defer r.free()
	if room {
		r.lines = lines
	}
	s.mu.Lock()
	s.queue = append(s.queue, r)
	s.mu.Unlock()

	// Whoever gets the lock writes for everybody who queued up while it was held.
	s.writing.Lock()
	defer s.writing.Unlock()
	if r.done {
		return r.err
	}
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	err := s.write(queue)
	for _, waiting := range queue {
		waiting.done, waiting.err = true, err
	}
	if err == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// write makes the requests durable, all or none. The caller holds writing.
func (s *Spool) write(queue []*request) error {
	size := int64(0)
	for _, r := range queue {
		size += r.size()
	}
	if err := s.makeWritable(size); err != nil {
		return err
	}
	s.mu.Lock()
	seq, active := s.next, s.segments[len(s.segments)-1]
	s.mu.Unlock()
	now := time.Now()
	first := seq
	for _, r := range queue {
		for i := range r.frames {
			r.frames[i].seal(seq, now)
			seq += r.frames[i].lines
		}
	}
	s.reach("before write")
	_, err := s.active.WriteAt(s.together(queue, size), active.size)
	if err == nil {
		err = syncData(s.active)
	}
	if err != nil {
		s.abandon(active.size)
		return platform.Errorf(platform.CodeUnavailable, "The log spool cannot be written: %v.", err).
			WithHint("Look at the disk that holds %s.", s.options.Dir)
	}
	s.reach("after write")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range queue {
		if r.lines != nil && s.recent.room(len(r.lines)) {
			s.recent.add(first, r.lines)
		}
		for i := range r.frames {
			f := &r.frames[i]
			active.note(f, first, now, int64(len(f.bytes)))
			first += f.lines
			s.waiting += f.lines
		}
		for i := range r.ends {
			s.ends.see(&r.ends[i])
		}
	}
	s.next = seq
	s.bytes += size
	return nil
}

// together returns the bytes of all frames of the requests: of a single frame, its own.
func (s *Spool) together(queue []*request, size int64) []byte {
	if len(queue) == 1 && len(queue[0].frames) == 1 {
		return queue[0].frames[0].bytes
	}
	out := slices.Grow(s.written[:0], int(size))
	for _, r := range queue {
		for i := range r.frames {
			out = append(out, r.frames[i].bytes...)
		}
	}
	if s.written = out; cap(out) > mostKept {
		s.written = nil
	}
	return out
}

// abandon leaves the active segment after a failed write. The next one begins at the same seq, so that what may be on
// disk behind size is known not to be accepted, even when it cannot be cut off now.
func (s *Spool) abandon(size int64) {
	if err := s.active.Truncate(size); err != nil {
		s.options.Log.Error("a failed write to the log spool cannot be cut off; it is passed over", "error", err)
	}
	_ = s.active.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = nil
}

// freeEvery is how often the free space of the disk is looked at.
const freeEvery = time.Second

// makeWritable sees that there is an active segment and room for size more bytes.
func (s *Spool) makeWritable(size int64) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return errClosed()
	}
	if now := time.Now(); now.Sub(s.checked) >= freeEvery {
		if err := s.checkFree(); err != nil {
			return err
		}
		s.checked = now
	}
	if err := s.makeRoom(size); err != nil {
		return err
	}
	s.mu.Lock()
	full := s.active != nil && s.segments[len(s.segments)-1].size >= s.options.SegmentBytes
	s.mu.Unlock()
	if s.active != nil && !full {
		return nil
	}
	return s.rotate()
}

// checkFree refuses lines before the disk is full: what waits elsewhere, such as in the engine, is not lost.
func (s *Spool) checkFree() error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(s.options.Dir, &stat); err != nil {
		return fmt.Errorf("read the free space of the spool folder: %w", err)
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < s.options.MinFreeBytes {
		return platform.Errorf(platform.CodeUnavailable, "The disk that holds %s has %d MiB free; the log spool takes no line below %d MiB.",
			s.options.Dir, free>>20, s.options.MinFreeBytes>>20).WithHint("Free space on that disk, or move the state folder with FAIRLEAD_STATE.")
	}
	return nil
}

// rotate ends the active segment and begins the next one.
func (s *Spool) rotate() error {
	s.mu.Lock()
	fresh := &segment{number: s.number + 1, first: s.next, end: s.next, size: segmentHead}
	s.mu.Unlock()
	file, err := durable.Create(s.path(segmentName(fresh.number)), durable.Bytes(fresh.head(0)))
	if err != nil {
		return platform.Errorf(platform.CodeUnavailable, "The log spool cannot begin a new file: %v.", err).
			WithHint("Look at the disk that holds %s.", s.options.Dir)
	}
	if s.active != nil {
		_ = s.active.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = file
	s.number = fresh.number
	s.segments = append(s.segments, fresh)
	s.bytes += fresh.size
	return nil
}

package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/durable"
)

// loadSegments scans the segment files from the last to the first, since where one must end is where the next begins.
// Then it mends the damaged ones from the first to the last, since a lost head says where one began.
func (s *Spool) loadSegments(numbers []uint64) error {
	var damaged []*segment
	limit := uint64(0)
	for _, number := range slices.Backward(numbers) {
		found := &segment{number: number}
		whole, err := s.loadSegment(found, limit)
		switch headless := errors.Is(err, errBadFrame); {
		case headless && limit == 0: // a crash cut its making short
			if err := os.Remove(s.path(segmentName(number))); err != nil {
				return fmt.Errorf("remove an unfinished segment: %w", err)
			}
			continue
		case headless:
			found.first, found.end, found.size = limit, limit, segmentHead
			damaged, limit = append(damaged, found), 0
		case err != nil:
			return fmt.Errorf("read the segment %s: %w", segmentName(number), err)
		default:
			if !whole {
				damaged = append(damaged, found)
			}
			limit = found.first
		}
		s.segments = append(s.segments, found)
	}
	slices.Reverse(s.segments)
	for _, segment := range slices.Backward(damaged) {
		if err := s.setAside(segment); err != nil {
			return fmt.Errorf("set the damaged segment %s aside: %w", segmentName(segment.number), err)
		}
	}
	return nil
}

// loadSegment scans one segment and cuts off what a crash left half written at its end.
func (s *Spool) loadSegment(segment *segment, limit uint64) (whole bool, err error) {
	file, err := os.OpenFile(s.path(segmentName(segment.number)), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	if whole, err = segment.scan(file, limit, s.ends.see); err != nil || !whole {
		return whole, err
	}
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if torn := info.Size() - segment.size; torn > 0 {
		s.options.Log.Warn("the end of a log spool segment was half written and is cut off", "segment", segmentName(segment.number), "bytes", torn)
		if err := file.Truncate(segment.size); err != nil {
			return false, err
		}
		return true, file.Sync()
	}
	return true, nil
}

// setAside keeps a damaged segment under another name, for whoever wants to look at it, and puts what can be read of
// it, frame by frame, in its place.
func (s *Spool) setAside(damaged *segment) error {
	path := s.path(segmentName(damaged.number))
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if damaged.first == damaged.end { // its head is lost
		damaged.first = s.saved.acked
		if i := slices.Index(s.segments, damaged); i > 0 {
			damaged.first = max(damaged.first, s.segments[i-1].end)
		}
		damaged.first = min(damaged.first, damaged.end)
	}
	aside := s.path(damagedPrefix + segmentName(damaged.number))
	if err := ignoreMissing(os.Remove(aside)); err != nil {
		return err
	}
	if err := os.Link(path, aside); err != nil {
		return err
	}
	mended, err := s.rewrite(damaged, salvage(raw, damaged.first, damaged.end), nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += mended.size - damaged.size
	*damaged = *mended
	s.saved.damaged++
	s.options.Log.Error("a log spool segment is damaged; it is set aside, and what can be read of it is kept",
		"segment", aside, "lines_lost", damaged.lost, "lines_kept", damaged.lines())
	return s.position.save(s.saved)
}

// salvage yields every good frame of a damaged file whose lines lie in range, passing over what is bad between them.
func salvage(raw []byte, first, end uint64) frames {
	return func(yield func(storedFrame) error) error {
		file, size := bytes.NewReader(raw), int64(len(raw))
		for offset := int64(min(segmentHead, len(raw))); offset+frameHead <= size; {
			// Only what looks like a frame is worth a checksum.
			if seq := binary.LittleEndian.Uint64(raw[offset+8:]); seq < first || seq >= end {
				offset++
				continue
			}
			f, err := readFrame(file, offset, size)
			if err != nil {
				offset++
				continue
			}
			offset += f.size
			summary, err := f.summary(func(*observability.Line) {})
			if err != nil || f.seq+summary.span > end {
				continue
			}
			first = f.seq + summary.span
			if err := yield(f); err != nil {
				return err
			}
		}
		return nil
	}
}

// frames yields frames until yield returns an error.
type frames func(yield func(storedFrame) error) error

// framesOf yields the frames of an open segment file from offset on.
func framesOf(file io.ReaderAt, offset, size int64) frames {
	return func(yield func(storedFrame) error) error {
		for {
			f, err := readFrame(file, offset, size)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := yield(f); err != nil {
				return err
			}
			offset += f.size
		}
	}
}

// rewrite replaces the file of a segment that is not written to any more by one without the lines that drop, where
// there is one, says to leave out; they are counted as dropped. What else is missing is counted as lost. It returns
// what the segment is then. The caller holds files for writing, or is alone.
func (s *Spool) rewrite(old *segment, read frames, drop func(seq uint64, l *observability.Line) bool) (*segment, error) {
	out := &segment{number: old.number, first: old.first, end: old.end, size: segmentHead, dropped: old.dropped, lost: old.lost, rewritten: old.rewritten + 1}
	file, err := durable.Create(s.path(segmentName(old.number)), func(file *os.File) error {
		err := read(func(stored storedFrame) error {
			f, seq, err := stored.without(drop, &out.dropped)
			if err != nil || f.lines == 0 {
				return err
			}
			f.seal(seq, stored.when)
			if _, err := file.WriteAt(f.bytes, out.size); err != nil {
				return err
			}
			out.note(&f, seq, stored.when, int64(len(f.bytes)))
			return nil
		})
		if err != nil {
			return err
		}
		out.end = old.end
		out.lost = out.end - out.first - out.lines() - out.dropped.total()
		_, err = file.WriteAt(out.head(out.end), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, file.Close()
}

// without returns the frame anew, less the lines that drop names, and the seq of its first line.
func (f *storedFrame) without(drop func(seq uint64, l *observability.Line) bool, dropped *tally) (out frame, first uint64, err error) {
	b := newFrameBuilder(len(f.text))
	err = f.each(func(seq uint64, l *observability.Line) bool {
		if drop != nil && drop(seq, l) {
			dropped[levelIndex(l.Level)]++
			return true
		}
		if b.frame.lines == 0 {
			first = seq
		}
		kept := *l
		b.add(&kept, seq-first)
		return true
	})
	return b.finish(), first, err
}

// countFrom returns how many lines with seq or a later one there are.
func (s *Spool) countFrom(seq uint64) (n uint64, err error) {
	for _, segment := range s.segments {
		if segment.first >= seq {
			n += segment.lines()
		} else if segment.end > seq {
			part, err := s.countIn(segment, seq)
			if err != nil {
				return 0, fmt.Errorf("read the segment %s: %w", segmentName(segment.number), err)
			}
			n += part
		}
	}
	return n, nil
}

func (s *Spool) countIn(segment *segment, seq uint64) (n uint64, err error) {
	file, err := os.Open(s.path(segmentName(segment.number)))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	err = framesOf(file, segment.offset(seq), segment.size)(func(f storedFrame) error {
		return f.each(func(at uint64, _ *observability.Line) bool {
			if at >= seq {
				n++
			}
			return true
		})
	})
	return n, err
}

package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// A frame is what one write of one Append becomes: a head, then its lines.
//
//	 0  u32  bytes of lines
//	 4  u32  CRC-32C of the lines, then of the head from byte 8 on
//	 8  u64  seq of the first line
//	16  i64  when it was spooled, in nanoseconds
//	24  u32  number of lines
//	28       lines
const (
	frameHead = 28
	// maxFrameLines and maxFrameBytes are where an Append begins another frame.
	maxFrameLines = 1024
	maxFrameBytes = 512 << 10
	// maxFrame is more than any frame has: one line of full size may lie over maxFrameBytes.
	maxFrame = 4 << 20
	// mostKept is the most memory that is kept to be used again, of a frame and of what is written at once.
	mostKept = 1 << 20
)

// frameMemory spares each Append the memory for its lines.
var frameMemory = sync.Pool{New: func() any { return new([]byte) }}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one frame whose seqs are not given out yet, in memory.
type frame struct {
	bytes    []byte
	kept     *[]byte // where it came from; nil once it went back
	lines    uint64
	span     uint64 // seqs from its first line to after its last one
	sum      uint32 // of the lines
	counts   tally
	from, to time.Time // of the lines' own times
}

// newFrames encodes lines in normal form into frames.
func newFrames(lines []observability.Line) []frame {
	var out []frame
	for len(lines) > 0 {
		b := newFrameBuilder(min(len(lines), maxFrameLines) * 160)
		n := 0
		for n < len(lines) && n < maxFrameLines && len(b.frame.bytes) < maxFrameBytes {
			b.add(&lines[n], uint64(n))
			n++
		}
		out = append(out, b.finish())
		lines = lines[n:]
	}
	return out
}

// frameBuilder encodes lines into a frame.
type frameBuilder struct {
	frame  frame
	before *observability.Line
	last   uint64
}

func newFrameBuilder(size int) *frameBuilder {
	kept, _ := frameMemory.Get().(*[]byte)
	return &frameBuilder{
		frame: frame{bytes: slices.Grow((*kept)[:0], frameHead+size)[:frameHead], kept: kept}, before: &observability.Line{},
	}
}

// free gives the memory of the frame back.
func (f *frame) free() {
	if f.kept != nil && cap(f.bytes) <= mostKept {
		*f.kept = f.bytes
		frameMemory.Put(f.kept)
	}
	f.bytes, f.kept = nil, nil
}

// add appends a line whose seq is that much after the frame's first. The first line has offset 0. The line may not change
// until the next one was added.
func (b *frameBuilder) add(l *observability.Line, offset uint64) {
	f := &b.frame
	f.bytes = appendLine(f.bytes, b.before, l, offset-b.last)
	f.counts[levelIndex(l.Level)]++
	if f.lines == 0 || l.At.Before(f.from) {
		f.from = l.At
	}
	if f.lines == 0 || l.At.After(f.to) {
		f.to = l.At
	}
	f.lines++
	b.before, b.last = l, offset
	f.span = offset + 1
}

func (b *frameBuilder) finish() frame {
	b.frame.sum = crc32.Checksum(b.frame.bytes[frameHead:], castagnoli)
	return b.frame
}

// seal writes the head, once it is known which seq the first line has.
func (f *frame) seal(seq uint64, now time.Time) {
	head := f.bytes[:frameHead]
	binary.LittleEndian.PutUint32(head[0:], uint32(len(f.bytes)-frameHead))
	binary.LittleEndian.PutUint64(head[8:], seq)
	binary.LittleEndian.PutUint64(head[16:], uint64(now.UnixNano()))
	binary.LittleEndian.PutUint32(head[24:], uint32(f.lines))
	binary.LittleEndian.PutUint32(head[4:], crc32.Update(f.sum, castagnoli, head[8:frameHead]))
}

// storedFrame is one frame as read from disk, its checksum proven.
type storedFrame struct {
	seq    uint64
	when   time.Time // it was spooled
	lines  uint32
	text   string
	offset int64 // in the file
	size   int64
}

// errBadFrame is a frame that was written in part, or that the disk changed since.
var errBadFrame = errors.New("the frame is torn or corrupt")

// readFrame reads the frame at offset of a file that is size long. It returns io.EOF at the end, and errBadFrame.
func readFrame(file io.ReaderAt, offset, size int64) (storedFrame, error) {
	if offset == size {
		return storedFrame{}, io.EOF
	}
	var head [frameHead]byte
	if size-offset < frameHead {
		return storedFrame{}, errBadFrame
	}
	if _, err := file.ReadAt(head[:], offset); err != nil {
		return storedFrame{}, err
	}
	length := int64(binary.LittleEndian.Uint32(head[0:]))
	if length == 0 || length > maxFrame || length > size-offset-frameHead {
		return storedFrame{}, errBadFrame
	}
	payload := make([]byte, length)
	if _, err := file.ReadAt(payload, offset+frameHead); err != nil {
		return storedFrame{}, err
	}
	sum := crc32.Update(crc32.Checksum(payload, castagnoli), castagnoli, head[8:])
	if sum != binary.LittleEndian.Uint32(head[4:]) {
		return storedFrame{}, errBadFrame
	}
	return storedFrame{
		seq: binary.LittleEndian.Uint64(head[8:]), when: time.Unix(0, int64(binary.LittleEndian.Uint64(head[16:]))),
		lines: binary.LittleEndian.Uint32(head[24:]), text: string(payload), offset: offset, size: frameHead + length,
	}, nil
}

// each yields the lines of the frame with their seqs until yield returns false. The line is valid during the call only;
// its strings are parts of the frame's text.
func (f *storedFrame) each(yield func(seq uint64, l *observability.Line) bool) error {
	r := lineReader{text: f.text}
	var l observability.Line
	seq := f.seq
	for range f.lines {
		step, err := r.line(&l)
		if err != nil {
			return err
		}
		seq += step
		if !yield(seq, &l) {
			return nil
		}
	}
	return nil
}

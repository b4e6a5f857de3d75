package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/durable"
)

// A segment is one file of the spool: a head, then frames in the order of their seqs.
//
//	 0  8 bytes  magic
//	 8  u64      seq of the first line it was made for
//	16  u64      seq after its last one; 0 while it grows
//	24  6 u64    lines that the limit took out of it, by level
//	72  u64      lines in it that the disk lost
//	80  u32      CRC-32C of the bytes before
const (
	segmentHead   = 84
	segmentMagic  = "FLSPOOL1"
	segmentSuffix = ".seg"
	damagedPrefix = "damaged-"
	indexEvery    = 256 << 10
)

// segment is what is known of one file. Its fields are guarded by Spool.mu.
type segment struct {
	number     uint64
	first, end uint64 // seqs: of its first line, after its last one
	size       int64  // durable bytes
	counts     tally  // lines in it
	dropped    tally  // lines that the limit took out of it
	lost       uint64 // lines in it that the disk lost
	from, to   time.Time
	began      time.Time // when its first frame was spooled
	index      []mark    // where some of its frames begin, ascending
	rewritten  int       // how often its file was replaced
	stripped   int       // classes of lines that are out of it already
}

// mark is the place of a frame in a file.
type mark struct {
	seq    uint64
	offset int64
}

func (s *segment) lines() uint64 { return s.counts.total() }

// note takes a frame that is in the file now into account.
func (s *segment) note(f *frame, seq uint64, when time.Time, size int64) {
	if n := len(s.index); n == 0 || s.size-s.index[n-1].offset >= indexEvery {
		s.index = append(s.index, mark{seq, s.size})
	}
	if s.lines() == 0 {
		s.began = when
	}
	if s.lines() == 0 || f.from.Before(s.from) {
		s.from = f.from
	}
	if s.lines() == 0 || f.to.After(s.to) {
		s.to = f.to
	}
	s.counts.add(f.counts)
	s.size += size
	s.end = seq + f.span
}

// offset returns where to read on for the line seq: a frame that begins at or before it.
func (s *segment) offset(seq uint64) int64 {
	i, found := slices.BinarySearchFunc(s.index, seq, func(m mark, seq uint64) int {
		if m.seq < seq {
			return -1
		}
		if m.seq > seq {
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		return segmentHead
	}
	return s.index[i].offset
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segmentSuffix) }

func (s *segment) head(end uint64) []byte {
	head := make([]byte, segmentHead)
	copy(head, segmentMagic)
	binary.LittleEndian.PutUint64(head[8:], s.first)
	binary.LittleEndian.PutUint64(head[16:], end)
	for i, n := range s.dropped {
		binary.LittleEndian.PutUint64(head[24+8*i:], n)
	}
	binary.LittleEndian.PutUint64(head[72:], s.lost)
	binary.LittleEndian.PutUint32(head[80:], crc32.Checksum(head[:80], castagnoli))
	return head
}

// readHead reads first, end and dropped. A head that is no head is errBadFrame.
func (s *segment) readHead(file io.ReaderAt) error {
	head := make([]byte, segmentHead)
	if _, err := file.ReadAt(head, 0); errors.Is(err, io.EOF) {
		return errBadFrame
	} else if err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte(segmentMagic)) || crc32.Checksum(head[:80], castagnoli) != binary.LittleEndian.Uint32(head[80:]) {
		return errBadFrame
	}
	s.first, s.end = binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	for i := range s.dropped {
		s.dropped[i] = binary.LittleEndian.Uint64(head[24+8*i:])
	}
	s.lost = binary.LittleEndian.Uint64(head[72:])
	return nil
}

// scan reads a whole segment: what is in it, and how much of the file is good. limit is the first seq of the segment
// after it, 0 for the last one: what a failed write left beyond it was never accepted. whole reports whether every
// line up to the limit is there or was taken out by us. see is called with each line of it.
func (s *segment) scan(file *os.File, limit uint64, see func(*observability.Line)) (whole bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if err := s.readHead(file); err != nil {
		return false, err
	}
	closed := s.end
	s.end, s.size = s.first, segmentHead
	for {
		f, err := readFrame(file, s.size, info.Size())
		if errors.Is(err, io.EOF) || errors.Is(err, errBadFrame) || err == nil && limit != 0 && f.seq >= limit {
			break
		}
		if err != nil {
			return false, err
		}
		if f.seq < s.end {
			break
		}
		summary, err := f.summary(see)
		if err != nil {
			break
		}
		s.note(&summary, f.seq, f.when, f.size)
	}
	limit = max(limit, closed)
	if limit == 0 {
		return true, nil
	}
	whole = s.lines()+s.dropped.total()+s.lost >= limit-s.first
	s.end = limit
	return whole, nil
}

// summary is the frame as note wants it. see is called with each line.
func (f *storedFrame) summary(see func(*observability.Line)) (frame, error) {
	out := frame{lines: uint64(f.lines)}
	err := f.each(func(seq uint64, l *observability.Line) bool {
		see(l)
		out.counts[levelIndex(l.Level)]++
		if out.span == 0 || l.At.Before(out.from) {
			out.from = l.At
		}
		if out.span == 0 || l.At.After(out.to) {
			out.to = l.At
		}
		out.span = seq - f.seq + 1
		return true
	})
	return out, err
}

// listSegments returns the numbers of the segment files in dir, ascending, and removes unfinished files.
func listSegments(dir string) ([]uint64, error) {
	if err := durable.Clear(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the spool folder: %w", err)
	}
	var numbers []uint64
	for _, entry := range entries {
		name := entry.Name()
		if hex, ours := strings.CutSuffix(name, segmentSuffix); ours {
			if number, err := strconv.ParseUint(hex, 16, 64); err == nil && name == segmentName(number) {
				numbers = append(numbers, number)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncData makes the written bytes of a file durable, and its size, but not its times.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

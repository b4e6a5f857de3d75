package traces

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A file holds what some appends brought, a frame for each:
//
//	 0  u32  bytes of spans
//	 4  u32  CRC-32C of the frame from byte 8 on
//	 8  i64  when they came, in nanoseconds
//	16       spans, each after its length
const (
	frameHead     = 16
	maxFrame      = 64 << 20
	segmentSuffix = ".spans"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segments are the files of a store, the oldest first. They are guarded by Store.mu.
type segments struct {
	dir          string
	segmentBytes int64
	maxBytes     int64
	log          *slog.Logger
	files        []segment
	active       *os.File // the last of them; nil before the first append and after a failed one
	failing      bool     // the last write failed, and that was said
}

type segment struct {
	number uint64
	bytes  int64
	newest time.Time // when the last span of it came
}

func (g *segments) path(number uint64) string {
	return filepath.Join(g.dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

// load yields every span that came since then, in the order of their coming. A file is read up to what a crash left torn.
func (g *segments) load(since time.Time, yield func(text string, came time.Time) error) error {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries { // by name, and so by number
		name, found := strings.CutSuffix(entry.Name(), segmentSuffix)
		number, err := strconv.ParseUint(name, 16, 64)
		if !found || err != nil {
			continue
		}
		f := segment{number: number}
		if err := g.read(&f, since, yield); err != nil {
			return err
		}
		g.files = append(g.files, f)
	}
	slices.SortFunc(g.files, func(a, b segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	g.prune(since)
	return nil
}

func (g *segments) read(f *segment, since time.Time, yield func(text string, came time.Time) error) error {
	file, err := os.Open(g.path(f.number))
	if err != nil {
		return err
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		payload, came, err := readFrame(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errBadSpan) {
			g.log.Warn("the end of a file of traces is torn; the spans in it are gone", "file", g.path(f.number), "at", f.bytes)
			return nil
		}
		if err != nil {
			return err
		}
		f.bytes += int64(frameHead + len(payload))
		f.newest = came
		if came.Before(since) {
			continue
		}
		for d := (decoder{text: payload}); d.text != ""; {
			text := d.string()
			if d.bad {
				return nil
			}
			if err := yield(text, came); err != nil {
				g.log.Warn("a span of a file of traces is corrupt", "file", g.path(f.number), "error", err)
				return nil
			}
		}
	}
}

// readFrame returns what a frame holds; io.EOF at the end of the file, errBadSpan where it is torn.
func readFrame(from io.Reader) (payload string, came time.Time, err error) {
	var head [frameHead]byte
	switch _, err := io.ReadFull(from, head[:]); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", came, errBadSpan
	case err != nil:
		return "", came, err
	}
	size := binary.LittleEndian.Uint32(head[0:])
	if size > maxFrame {
		return "", came, errBadSpan
	}
	raw := make([]byte, size)
	switch _, err := io.ReadFull(from, raw); {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "", came, errBadSpan
	case err != nil:
		return "", came, err
	}
	if crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, raw) != binary.LittleEndian.Uint32(head[4:]) {
		return "", came, errBadSpan
	}
	return string(raw), time.Unix(0, int64(binary.LittleEndian.Uint64(head[8:]))), nil
}

// append writes spans to the newest file. What cannot be written is in memory only, which is said once.
func (g *segments) append(texts []string, now time.Time) {
	for len(texts) > 0 {
		frame := make([]byte, frameHead, frameHead+64*len(texts))
		n := 0
		for n < len(texts) && len(frame) < maxFrame/2 {
			frame = appendText(frame, texts[n])
			n++
		}
		texts = texts[n:]
		binary.LittleEndian.PutUint32(frame[0:], uint32(len(frame)-frameHead))
		binary.LittleEndian.PutUint64(frame[8:], uint64(now.UnixNano()))
		binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(frame[8:], castagnoli))
		err := g.write(frame, now)
		if err != nil && !g.failing {
			g.log.Error("spans cannot be written down; a restart would lose them", "error", err)
		}
		g.failing = err != nil
	}
}

func (g *segments) write(frame []byte, now time.Time) error {
	if g.active != nil && g.files[len(g.files)-1].bytes >= g.segmentBytes {
		if err := g.close(); err != nil {
			return err
		}
	}
	if g.active == nil {
		f := segment{number: 1}
		if n := len(g.files); n > 0 {
			f.number = g.files[n-1].number + 1
		}
		file, err := os.OpenFile(g.path(f.number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		g.active, g.files = file, append(g.files, f)
	}
	last := &g.files[len(g.files)-1]
	if _, err := g.active.Write(frame); err != nil {
		// What follows a torn frame in a file is not read: the next one goes into a file of its own.
		return errors.Join(err, g.close())
	}
	last.bytes += int64(len(frame))
	last.newest = now
	g.prune(time.Time{})
	return nil
}

// prune removes files whose spans all came before then, and the oldest ones while all are too large together.
func (g *segments) prune(since time.Time) {
	total := int64(0)
	for _, f := range g.files {
		total += f.bytes
	}
	for len(g.files) > 0 {
		first, isActive := g.files[0], g.active != nil && len(g.files) == 1
		if isActive || !first.newest.Before(since) && total <= g.maxBytes {
			return
		}
		if err := os.Remove(g.path(first.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			g.log.Error("an old file of traces cannot be removed", "error", err)
			return
		}
		total -= first.bytes
		g.files = g.files[1:]
	}
}

// close ends the file that is written to.
func (g *segments) close() error {
	if g.active == nil {
		return nil
	}
	err := g.active.Close()
	g.active = nil
	return err
}

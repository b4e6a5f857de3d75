package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// position is what the spool must remember beside its segments.
type position struct {
	acked      uint64 // the target has every line before it for sure
	sent       uint64 // no line from here on was ever handed to the target
	first      uint64 // number of the first segment that is still needed
	dropped    tally  // lines that the limit took out of segments that are gone
	rejected   uint64 // lines that the target refuses for good
	unreadable uint64 // lines in damaged parts of segments
	damaged    uint64 // segments that were set aside
}

// positionFile holds the position in two places that are written in turn: a write that a crash tears leaves the other.
//
//	 0  u64  generation; the higher one counts
//	 8  the position, 12 u64
//	104 u32  CRC-32C of the bytes before
type positionFile struct {
	file       *os.File
	generation uint64
}

const (
	positionName  = "position"
	positionPlace = 512
	positionSize  = 108
)

func (p *position) numbers() []*uint64 {
	out := []*uint64{&p.acked, &p.sent, &p.first}
	for i := range p.dropped {
		out = append(out, &p.dropped[i])
	}
	return append(out, &p.rejected, &p.unreadable, &p.damaged)
}

// openPosition opens the file at path, making it where there is none.
func openPosition(path string) (*positionFile, position, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, position{}, fmt.Errorf("open the spool's position: %w", err)
	}
	f := &positionFile{file: file}
	var newest position
	for place := range int64(2) {
		raw := make([]byte, positionSize)
		if _, err := file.ReadAt(raw, place*positionPlace); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			_ = file.Close()
			return nil, position{}, fmt.Errorf("read the spool's position: %w", err)
		}
		if crc32.Checksum(raw[:104], castagnoli) != binary.LittleEndian.Uint32(raw[104:]) {
			continue
		}
		if generation := binary.LittleEndian.Uint64(raw); generation > f.generation {
			f.generation = generation
			for i, n := range newest.numbers() {
				*n = binary.LittleEndian.Uint64(raw[8+8*i:])
			}
		}
	}
	return f, newest, nil
}

// save makes p durable.
func (f *positionFile) save(p position) error {
	raw := make([]byte, positionPlace)
	binary.LittleEndian.PutUint64(raw, f.generation+1)
	for i, n := range p.numbers() {
		binary.LittleEndian.PutUint64(raw[8+8*i:], *n)
	}
	binary.LittleEndian.PutUint32(raw[104:], crc32.Checksum(raw[:104], castagnoli))
	_, err := f.file.WriteAt(raw, int64((f.generation+1)%2)*positionPlace)
	if err == nil {
		err = syncData(f.file)
	}
	if err != nil {
		return fmt.Errorf("save the spool's position: %w", err)
	}
	f.generation++
	return nil
}

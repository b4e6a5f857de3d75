package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// A text may be a part of a word, and the library's own filters know whole words only: a search for it would read the
// message of every line. A sieve says of some lines that a text is in none of them, so that they are passed over. It may
// be wrong when it says that a text may be there, never when it says that it is not.

const (
	sieveBits  = 16
	sieveWords = 1 << sieveBits / 64
	sieveBytes = 8 * sieveWords
	gramBytes  = 4
)

// sieve has a bit for each four bytes that stand in a row somewhere in the messages of some lines.
type sieve [sieveWords]uint64

// gramBit is the bit of four bytes.
func gramBit(gram uint32) uint16 { return uint16(gram * 0x9E3779B1 >> (32 - sieveBits)) }

// add notes a message, and appends the bits that it set to fresh.
func (s *sieve) add(message string, fresh []uint16) []uint16 {
	if len(message) < gramBytes {
		return fresh
	}
	gram := uint32(message[0])<<8 | uint32(message[1])<<16 | uint32(message[2])<<24
	for i := gramBytes - 1; i < len(message); i++ {
		gram = gram>>8 | uint32(message[i])<<24
		bit := gramBit(gram)
		if word, mask := &s[bit>>6], uint64(1)<<(bit&63); *word&mask == 0 {
			*word |= mask
			fresh = append(fresh, bit)
		}
	}
	return fresh
}

func (s *sieve) set(bit uint16) { s[bit>>6] |= 1 << (bit & 63) }

func (s *sieve) fill() {
	for i := range s {
		s[i] = ^uint64(0)
	}
}

func (s *sieve) ones() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// textBits are the bits that are set in the sieve of every line that holds the text; none for a text that is too short.
func textBits(text string) []uint16 { return new(sieve).add(text, nil) }

// layer is a sieve with the range of the times of its lines, both ends included.
type layer struct {
	span
	lines uint32
	sieve sieve
}

// note adds a line to the layer.
func (l *layer) note(at int64, message string, fresh []uint16) []uint16 {
	l.widen(span{at, at}, 1)
	return l.sieve.add(message, fresh)
}

func (l *layer) widen(by span, lines uint32) {
	if l.lines == 0 {
		l.span = by
	}
	l.from, l.to = min(l.from, by.from), max(l.to, by.to)
	l.lines += lines
}

// A layer on disk:
//
//	 0  i64  time of the first line, in nanoseconds
//	 8  i64  time of the last one
//	16  u32  number of lines
//	20  u32  CRC-32C of all but these four bytes
//	24       the sieve
const (
	layerHead  = 24
	layerBytes = layerHead + sieveBytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (l *layer) encode() []byte {
	out := make([]byte, layerBytes)
	binary.LittleEndian.PutUint64(out[0:], uint64(l.from))
	binary.LittleEndian.PutUint64(out[8:], uint64(l.to))
	binary.LittleEndian.PutUint32(out[16:], l.lines)
	for i, word := range l.sieve {
		binary.LittleEndian.PutUint64(out[layerHead+8*i:], word)
	}
	binary.LittleEndian.PutUint32(out[20:], layerSum(out))
	return out
}

func layerSum(encoded []byte) uint32 {
	return crc32.Update(crc32.Checksum(encoded[:20], castagnoli), castagnoli, encoded[layerHead:layerBytes])
}

// storedLayer is a layer as it lies on disk, read no further than is asked for.
type storedLayer []byte

func (l storedLayer) span() span {
	return span{int64(binary.LittleEndian.Uint64(l[0:])), int64(binary.LittleEndian.Uint64(l[8:]))}
}

func (l storedLayer) intact() bool { return binary.LittleEndian.Uint32(l[20:]) == layerSum(l) }

// mayHold reports whether a line of the layer may hold a text of these bits.
func (l storedLayer) mayHold(bits []uint16) bool {
	for _, bit := range bits {
		if l[layerHead+bit>>3]&(1<<(bit&7)) == 0 {
			return false
		}
	}
	return true
}

func (s *sieve) mayHold(bits []uint16) bool {
	for _, bit := range bits {
		if s[bit>>6]&(1<<(bit&63)) == 0 {
			return false
		}
	}
	return true
}

// A change is what the lines of one flush did to the layer that is not full yet:
//
//	 0  u32  bytes of the change, these four included
//	 4  u32  CRC-32C of what follows
//	 8  i64  time of the first line, in nanoseconds
//	16  i64  time of the last one
//	24  u32  number of lines
//	28       the bits that they set, two bytes each
const changeHead = 28

// encodeChange appends a change to dst.
func encodeChange(dst []byte, times span, lines uint32, fresh []uint16) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, changeHead)...)
	for _, bit := range fresh {
		dst = binary.LittleEndian.AppendUint16(dst, bit)
	}
	out := dst[start:]
	binary.LittleEndian.PutUint32(out[0:], uint32(len(out)))
	binary.LittleEndian.PutUint64(out[8:], uint64(times.from))
	binary.LittleEndian.PutUint64(out[16:], uint64(times.to))
	binary.LittleEndian.PutUint32(out[24:], lines)
	binary.LittleEndian.PutUint32(out[4:], crc32.Checksum(out[8:], castagnoli))
	return dst
}

// replay applies changes to the layer, up to the first that is not whole: its lines were never stored.
func (l *layer) replay(changes []byte) {
	for len(changes) >= changeHead {
		size := binary.LittleEndian.Uint32(changes)
		if size < changeHead || uint64(size) > uint64(len(changes)) || binary.LittleEndian.Uint32(changes[4:]) != crc32.Checksum(changes[8:size], castagnoli) {
			return
		}
		l.widen(span{int64(binary.LittleEndian.Uint64(changes[8:])), int64(binary.LittleEndian.Uint64(changes[16:]))}, binary.LittleEndian.Uint32(changes[24:]))
		for at := uint32(changeHead); at+1 < size; at += 2 {
			l.sieve.set(binary.LittleEndian.Uint16(changes[at:]))
		}
		changes = changes[size:]
	}
}

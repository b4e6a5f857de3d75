package secret

import "strings"

// filter tells text that holds none of some values from text that may, at about a nanosecond a byte: it looks at each
// four bytes of the text and asks a small table whether a value begins with them. It has no false "no".
type filter struct {
	bits   [filterWords]uint64
	values map[uint32][]string // by their first four bytes
}

const (
	filterBits  = 15
	filterWords = 1 << filterBits / 64
)

func newFilter(values []string) *filter {
	f := &filter{values: make(map[uint32][]string, len(values))}
	for _, v := range values {
		gram := uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24
		f.values[gram] = append(f.values[gram], v)
		h := filterHash(gram)
		f.bits[h>>6] |= 1 << (h & 63)
	}
	return f
}

func filterHash(gram uint32) uint32 { return gram * 0x9E3779B1 >> (32 - filterBits) }

// mayHold reports whether a value stands in text.
func (f *filter) mayHold(text string) bool {
	if len(f.values) == 0 || len(text) < MinLength {
		return false
	}
	gram := uint32(text[0])<<8 | uint32(text[1])<<16 | uint32(text[2])<<24
	for i := 3; i < len(text); i++ {
		gram = gram>>8 | uint32(text[i])<<24
		if h := filterHash(gram); f.bits[h>>6]&(1<<(h&63)) != 0 && f.holdsAt(text[i-3:], gram) {
			return true
		}
	}
	return false
}

func (f *filter) holdsAt(text string, gram uint32) bool {
	for _, v := range f.values[gram] {
		if strings.HasPrefix(text, v) {
			return true
		}
	}
	return false
}

package patterns

import "strings"

// What a word holds, found in one pass.
const (
	holdsDigit = 1 << iota
	holdsSlash
	holdsBackslash
	holdsAt
	holdsColon
	holdsDot
)

var holds = func() (table [256]uint8) {
	for b := '0'; b <= '9'; b++ {
		table[b] = holdsDigit
	}
	table['/'], table['\\'], table['@'], table[':'], table['.'] = holdsSlash, holdsBackslash, holdsAt, holdsColon, holdsDot
	return table
}()

func contents(word string) uint8 {
	var found uint8
	for i := 0; i < len(word); i++ {
		found |= holds[word[i]]
	}
	return found
}

// maskWord masks one word between spaces.
func maskWord(dst []byte, word string) []byte {
	found := contents(word)
	if found == 0 {
		return maskPlain(dst, word)
	}
	if found&(holdsSlash|holdsBackslash) != 0 {
		if start, ok := pathStart(word, found); ok {
			dst = maskParts(dst, word[:start])
			tail := len(word) - len(trimPunct(word))
			if found&holdsSlash != 0 {
				dst = append(dst, '/')
			}
			return append(append(dst, Wildcard...), word[len(word)-tail:]...)
		}
	}
	if found&(holdsColon|holdsDot|holdsAt) != 0 {
		core := strings.Trim(word, "()[]{}<>,;\"'")
		if core != "" && address(core, found) {
			at := strings.Index(word, core)
			return append(append(append(dst, word[:at]...), Wildcard...), word[at+len(core):]...)
		}
	}
	return maskParts(dst, word)
}

// maskPlain masks a word without digits and marks.
func maskPlain(dst []byte, word string) []byte {
	core := trimPunct(word)
	switch core {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
		"Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", // as dates are written
		"true", "false", "null", "True", "False":
		return append(append(dst, Wildcard...), word[len(core):]...)
	}
	switch {
	case word == "()": // a value that is empty this time
		return append(dst, "(<*>)"...)
	case hexWord(word):
		return append(dst, Wildcard...)
	}
	return append(dst, word...)
}

// maskRoute masks the target of an HTTP request: its parts that hold digits, not the whole.
func maskRoute(dst []byte, word string) []byte {
	if !hasDigit(word) {
		return append(dst, word...)
	}
	if at := strings.IndexByte(word, '/'); at >= 0 && manyParts(word[at:], '/') {
		tail := len(word) - len(trimPunct(word))
		return append(append(append(maskParts(dst, word[:at]), '/'), Wildcard...), word[len(word)-tail:]...)
	}
	return maskParts(dst, word)
}

// pathStart returns where a path of several parts begins in a word, or the rest of a URL. One without digits must begin
// where a word or a value does, so that read/write/execute is none.
func pathStart(word string, found uint8) (int, bool) {
	mark := byte('/')
	if found&holdsSlash == 0 {
		mark = '\\'
	}
	at := strings.IndexByte(word, mark)
	if !manyParts(word[at:], mark) {
		return 0, false
	}
	free := at == 0 || !identByte(word[at-1]) && word[at-1] != '.' && word[at-1] != '>'
	if mark == '\\' {
		for at > 0 && (identByte(word[at-1]) || word[at-1] == ':') { // the drive
			at--
		}
		free = true
	}
	return at, free || found&holdsDigit != 0
}

func manyParts(s string, mark byte) bool { return len(s) > 1 && strings.IndexByte(s[1:], mark) >= 0 }

// maskParts masks the identifiers of a word one by one, keeping what stands between them, and joins what masked
// identifiers leave: 10.0.0.1:80 is one variable.
func maskParts(dst []byte, word string) []byte {
	for i := 0; i < len(word); {
		if !identByte(word[i]) {
			if strings.IndexByte("-+<>~", word[i]) >= 0 && i+1 < len(word) && digit(word[i+1]) && (i == 0 || strings.IndexByte("_=:([,", word[i-1]) >= 0) {
				i++ // the sign of a number, or what it is compared with
				continue
			}
			dst = append(dst, word[i])
			i++
			continue
		}
		if end := uuidEnd(word, i); end > i {
			dst = append(dst, Wildcard...)
			i = end
			continue
		}
		if end := hostEnd(word, i); end > i {
			dst = append(dst, Wildcard...)
			i = end
			continue
		}
		end := i
		for end < len(word) && identByte(word[end]) {
			end++
		}
		part := word[i:end]
		i = end
		if hasDigit(part) || hexWord(part) {
			dst = maskIdent(dst, part)
		} else {
			dst = append(dst, part...)
		}
	}
	return dst
}

// maskIdent masks an identifier that holds a digit: its leading letters stay, as in blk_<*> and part-<*>.
func maskIdent(dst []byte, part string) []byte {
	keep := 0
	for keep < len(part) && !digit(part[keep]) {
		keep++
	}
	if hexWord(part) || keep > 0 && !letters(part[:keep]) {
		keep = 0
	}
	dst = append(dst, part[:keep]...)
	// 10.0.0.1:80 and <*>-<*> are one variable
	if n := len(dst); keep == 0 && n > len(Wildcard) && joins(dst[n-1]) && string(dst[n-1-len(Wildcard):n-1]) == Wildcard {
		return dst[:n-1]
	}
	return append(dst, Wildcard...)
}

func joins(b byte) bool { return b == '.' || b == ':' || b == '-' || b == ',' || b == '/' || b == '+' }

func identByte(b byte) bool {
	return b == '_' || digit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

func letter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if digit(s[i]) {
			return false
		}
	}
	return true
}

func hexDigit(b byte) bool { return digit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

func digit(b byte) bool { return b >= '0' && b <= '9' }

func hasDigit(s string) bool {
	for i := 0; i < len(s); i++ {
		if digit(s[i]) {
			return true
		}
	}
	return false
}

// hexWord reports whether a word is a long hexadecimal number, such as a commit or a part of a UUID. Words of letters
// alone count from 16 characters.
func hexWord(s string) bool {
	if len(s) < 6 {
		return false
	}
	digits := 0
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case digit(b):
			digits++
		case b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F':
		default:
			return false
		}
	}
	return digits > 0 || len(s) >= 16
}

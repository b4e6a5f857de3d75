package patterns

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// head is the part of a record that names it: of a stack trace the first line and the last that is not indented.
func head(record string, limit int) string {
	record = strings.TrimSpace(record)
	first, rest, many := strings.Cut(record, "\n")
	if !many {
		return clip(record, limit)
	}
	last := ""
	for rest != "" {
		i := strings.LastIndexByte(rest, '\n')
		line := rest[i+1:]
		if i < 0 {
			rest = ""
		} else {
			rest = rest[:i]
		}
		if line = strings.TrimRight(line, " \r\t"); line != "" && line[0] != ' ' && line[0] != '\t' {
			last = line
			break
		}
	}
	return clip(clip(first, limit/2)+" "+last, limit)
}

// clip cuts s at a rune boundary.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// mask appends the line with its variables replaced: numbers with what joins them (addresses, versions, durations,
// sizes with their unit), identifiers that hold digits, long hexadecimal, paths that hold digits. Words are separated by
// one space.
func mask(dst []byte, line string, maxTokens int) []byte {
	tokens, afterNumber := 0, false
	for i := 0; i < len(line); {
		if space(line[i]) {
			i++
			continue
		}
		end := i
		for end < len(line) && !space(line[end]) {
			end++
		}
		word := line[i:end]
		i = end
		if afterNumber && unit(trimPunct(word)) { // "5.1 KB" is one value
			dst = append(dst, word[len(trimPunct(word)):]...)
			afterNumber = false
			continue
		}
		if tokens == maxTokens {
			break
		}
		if tokens > 0 {
			dst = append(dst, ' ')
		}
		tokens++
		start := len(dst)
		dst = maskWord(dst, word)
		afterNumber = string(dst[start:]) == Wildcard
	}
	return dst
}

func space(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

func trimPunct(s string) string { return strings.TrimRight(s, ",;.)]") }

func unit(s string) bool {
	switch s {
	case "B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "kB", "bytes", "ms", "us", "ns", "s", "sec", "secs", "seconds", "minutes", "min", "hours", "h":
		return true
	}
	return false
}

// maskWord masks one word between spaces.
func maskWord(dst []byte, word string) []byte {
	if dateWord(word) {
		return append(dst, Wildcard...)
	}
	if word == "()" { // a value that is empty this time
		return append(dst, "(<*>)"...)
	}
	if !hasDigit(word) {
		if long := hexWord(word); long {
			return append(dst, Wildcard...)
		}
		return append(dst, word...)
	}
	if at := strings.IndexByte(word, '/'); at >= 0 && path(word[at:]) {
		dst = maskParts(dst, word[:at])
		tail := len(word) - len(trimPunct(word))
		dst = append(append(dst, '/'), Wildcard...)
		return append(dst, word[len(word)-tail:]...)
	}
	return maskParts(dst, word)
}

// path reports whether s is a path of several parts, or the rest of a URL.
func path(s string) bool { return len(s) > 1 && (strings.IndexByte(s[1:], '/') >= 0) }

// maskParts masks the identifiers of a word one by one, keeping what stands between them, and joins what masked
// identifiers leave: 10.0.0.1:80 is one variable.
func maskParts(dst []byte, word string) []byte {
	for i := 0; i < len(word); {
		if !identByte(word[i]) {
			if word[i] == '-' && i+1 < len(word) && digit(word[i+1]) && (i == 0 || strings.IndexByte("_=:([,", word[i-1]) >= 0) {
				i++ // the sign of a number
				continue
			}
			dst = append(dst, word[i])
			i++
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

// hostEnd returns where a dotted name that holds letters and digits ends, such as a host's, or start where none begins.
func hostEnd(word string, start int) int {
	end, dots, digits, letter := start, 0, false, false
	for end < len(word) && (identByte(word[end]) || word[end] == '.' || word[end] == '-') {
		b := word[end]
		if b == '.' {
			dots++
		}
		digits = digits || digit(b)
		letter = letter || b != '.' && b != '-' && !digit(b)
		end++
	}
	if dots < 2 || !digits || !letter {
		return start
	}
	for word[end-1] == '.' {
		end--
	}
	return end
}

// dateWord reports whether a word is the name of a day or a month, as dates are written.
func dateWord(s string) bool {
	switch s {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
		"Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec":
		return true
	}
	return false
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

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if digit(s[i]) {
			return false
		}
	}
	return true
}

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

func sortTemplates(all []Template) {
	sort.Slice(all, func(i, j int) bool {
		if all[i].Count != all[j].Count {
			return all[i].Count > all[j].Count
		}
		return all[i].ID < all[j].ID
	})
}

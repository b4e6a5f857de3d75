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
// sizes with their unit), identifiers that hold digits, long hexadecimal, paths, addresses of hosts and people, truth
// values, names of users. Words are separated by one space; a list of values counts as one.
func mask(dst []byte, line string, maxTokens int) []byte {
	w := masker{dst: dst, fields: strings.Count(line, "=") > manyFields && strings.Count(line, ",") >= manyFields}
	for i := 0; i < len(line); {
		if space(line[i]) {
			i++
			continue
		}
		end := i
		for end < len(line) && !space(line[end]) {
			end++
		}
		if w.fields {
			end = quoteEnd(line, i, end)
		}
		word := line[i:end]
		if w.value || w.measure {
			if unit(trimPunct(word)) && w.value { // "5.1 KB" is one value
				w.dst = append(w.dst, word[len(trimPunct(word)):]...)
				w.value, w.measure = false, true
				i = end
				continue
			}
			if again := retold(line, i, end); again > i && w.measure { // "5120 bytes (5 KB)" too
				i = again
				continue
			}
		}
		i = end
		if w.tokens == maxTokens {
			break
		}
		w.add(word)
	}
	return w.dst
}

// masker is what mask knows of the words before.
type masker struct {
	dst     []byte
	tokens  int
	last    int    // where the last token begins
	repeat  int    // how many tokens in a row were equal to it
	value   bool   // it is a value
	measure bool   // it is a value with its unit
	fields  bool   // the line prints a structure: key=value, key=value
	before  string // the word that became it
	second  string // the word before that
}

// manyFields is how many commas, with more equal signs, make a line the print of a structure, key=value, key=value, whose
// values vary whatever they are.
const manyFields = 2

// quoteEnd moves the end of a word to the end of the quotes that its value begins: tag="View Lock".
func quoteEnd(line string, start, end int) int {
	at := strings.Index(line[start:end], "=\"")
	if at < 1 || strings.IndexByte(line[start+at+2:end], '"') >= 0 {
		return end
	}
	closing := strings.IndexByte(line[end:], '"')
	if closing < 0 {
		return end
	}
	for end += closing; end < len(line) && !space(line[end]); {
		end++
	}
	return end
}

// retold returns where a measure in parentheses ends that says the one before it again, or start where none begins.
func retold(line string, start, end int) int {
	if end-start < 2 || line[start] != '(' || !digit(line[start+1]) {
		return start
	}
	if line[end-1] == ')' || line[end-1] == ',' && line[end-2] == ')' {
		return end
	}
	next := end
	for next < len(line) && space(line[next]) {
		next++
	}
	for end = next; end < len(line) && !space(line[end]); {
		end++
	}
	if word := line[next:end]; strings.IndexByte(word, ')') > 0 && unit(trimPunct(word)) {
		return end
	}
	return start
}

// maskField masks the value of key=value, and reports whether the word is one.
func maskField(dst []byte, word string) ([]byte, bool) {
	at := strings.IndexByte(word, '=')
	if at < 1 || at == len(word)-1 || !identByte(word[at-1]) {
		return dst, false
	}
	marks := closers
	if word[at+1] == '"' {
		marks = ",;"
	}
	value := strings.TrimRight(word[at+1:], marks)
	if value == "" || strings.ContainsAny(value, "=({[") { // several in one word, or something with parts
		return dst, false
	}
	dst = maskParts(dst, word[:at])
	return append(append(append(dst, '='), Wildcard...), word[at+1+len(value):]...), true
}

func (w *masker) add(word string) {
	length := len(w.dst)
	if w.tokens > 0 {
		w.dst = append(w.dst, ' ')
	}
	start := len(w.dst)
	switch {
	case w.before == "user" && w.second == "for" && trimPunct(word) != "":
		w.dst = append(append(w.dst, Wildcard...), word[len(trimPunct(word)):]...)
	case method(w.before):
		w.dst = maskRoute(w.dst, word)
	default:
		field := false
		if w.fields {
			w.dst, field = maskField(w.dst, word)
		}
		if !field {
			w.dst = maskWord(w.dst, word)
		}
	}
	w.measure = false
	w.second, w.before = w.before, word
	token := w.dst[start:]
	w.value = string(token) == Wildcard
	if w.tokens > 0 && string(token) == string(w.dst[w.last:length]) && variable(token) {
		// Values in a row are a list: of one kind from the second on, bare ones from the fourth.
		if w.repeat++; w.repeat >= 3 || !w.value {
			w.dst = w.dst[:length]
			return
		}
	} else {
		w.repeat = 0
	}
	w.tokens++
	w.last = start
}

// variable reports whether a token holds a variable, so that it can be an element of a list of values.
func variable(token []byte) bool { return strings.Contains(string(token), Wildcard) }

// method reports whether a word is the method of an HTTP request: what follows is a route, which tells requests apart.
func method(word string) bool {
	if len(word) > 1 && (word[0] == '"' || word[0] == '\'') {
		word = word[1:]
	}
	switch word {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS":
		return true
	}
	return false
}

func space(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

func trimPunct(s string) string {
	for n := len(s); n > 0; n-- {
		switch s[n-1] {
		case ',', ';', '.', ')', ']':
		default:
			return s[:n]
		}
	}
	return ""
}

func unit(s string) bool {
	switch s {
	case "B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "kB", "bytes", "ms", "us", "ns", "s", "sec", "secs", "seconds", "minutes", "min", "hours", "h", "AM", "PM", "UTC", "GMT":
		return true
	}
	return false
}

func sortTemplates(all []Template) {
	sort.Slice(all, func(i, j int) bool {
		if all[i].Count != all[j].Count {
			return all[i].Count > all[j].Count
		}
		return all[i].ID < all[j].ID
	})
}

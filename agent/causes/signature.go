package causes

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// signature is how real software tells of one category. The words are lower case; a phrase matches a line that holds its
// parts in their order, where * stands for anything between.
type signature struct {
	category platform.Category
	weight   float64 // how surely the words mean the category, 0 to 1
	phrases  string  // one a line
	unless   string  // phrases that speak for another category
}

// phrase is one way of saying it: parts that follow each other.
type phrase []string

// wording is a signature, ready to be looked for.
type wording struct {
	signature
	phrases []phrase
	unless  []phrase
}

// wordings is the catalogue of words. Weights from 0.8 up leave little doubt; 0.5 and below only hint, since other faults use
// the words as well. To add a wording, add a line to one of the wording files and a case to signature_test.go.
var wordings = func() []wording {
	out := make([]wording, 0, len(startWords)+len(machineWords)+len(runWords)+len(trustWords)+len(loadWords))
	for _, s := range slices.Concat(startWords, machineWords, runWords, trustWords, loadWords) {
		out = append(out, wording{signature: s, phrases: phrasesOf(s.phrases), unless: phrasesOf(s.unless)})
	}
	return out
}()

func phrasesOf(table string) []phrase {
	var out []phrase
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		if line != "" {
			out = append(out, strings.Split(line, "*"))
		}
	}
	return out
}

// in returns where the phrase begins and ends in a lower-case line, and false when it does not stand there. A part begins
// where a word does, and one that is only digits is a number of its own.
func (p phrase) in(line string) (from, to int, ok bool) {
	at := 0
	for n, part := range p {
		if part == "" {
			continue
		}
		i := indexPart(line[at:], part)
		if i < 0 {
			return 0, 0, false
		}
		if n == 0 {
			from = at + i
		}
		at += i + len(part)
	}
	return from, at, true
}

func indexPart(s, part string) int {
	i := strings.Index(s, part)
	if i < 0 {
		return i
	}
	first, last := part[0], part[len(part)-1]
	for from := 0; i >= 0; {
		at := from + i
		clear := (!wordByte(first) || at == 0 || !wordByte(s[at-1])) &&
			(!isDigitByte(last) || !onlyDigits(part) || at+len(part) >= len(s) || !isDigitByte(s[at+len(part)])) && (!onlyDigits(part) || at == 0 || !numberByte(s[at-1]))
		if clear {
			return at
		}
		from = at + 1
		i = strings.Index(s[from:], part)
	}
	return -1
}

func onlyDigits(part string) bool {
	for i := range len(part) {
		if !isDigitByte(part[i]) {
			return false
		}
	}
	return true
}

func wordByte(b byte) bool    { return b >= 'a' && b <= 'z' || isDigitByte(b) }
func isDigitByte(b byte) bool { return b >= '0' && b <= '9' }
func numberByte(b byte) bool  { return isDigitByte(b) || b == '.' || b == ':' || b == '-' }

// match is a signature found in a line.
type match struct {
	category platform.Category
	weight   float64
	quote    string // as it stands in the line
}

// matches returns the categories whose words stand in the text, with the longest phrase of each.
func matches(text string) []match {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // some letters change their length: quotes would be cut wrongly
		lower = strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, text)
	}
	var out []match
	for i := range wordings {
		w := &wordings[i]
		if m, ok := w.find(lower); ok {
			out = append(out, match{w.category, w.weight, quoteAround(text, m[0], m[1])})
		}
	}
	return out
}

func (w *wording) find(lower string) (at [2]int, ok bool) {
	for _, p := range w.phrases {
		from, to, found := p.in(lower)
		if !found || strings.Contains(lower[from:to], "\n") || to-from > 300 {
			continue
		}
		line := lineAround(lower, from, to)
		vetoed := false
		for _, u := range w.unless {
			_, _, veto := u.in(line)
			vetoed = vetoed || veto
		}
		if !vetoed && (!ok || to-from > at[1]-at[0]) {
			at, ok = [2]int{from, to}, true
		}
	}
	return at, ok
}

func lineAround(s string, from, to int) string {
	start := strings.LastIndexByte(s[:from], '\n') + 1
	end := strings.IndexByte(s[to:], '\n')
	if end < 0 {
		return s[start:]
	}
	return s[start : to+end]
}

// quoteAround returns the line that the words stand in, shortened to what is near them.
func quoteAround(s string, from, to int) string {
	const reach = 120
	start := strings.LastIndexByte(s[:from], '\n') + 1
	end := strings.IndexByte(s[to:], '\n')
	if end < 0 {
		end = len(s)
	} else {
		end += to
	}
	if from-start > reach {
		start = boundary(s, from-reach)
	}
	if end-to > reach {
		end = boundary(s, to+reach)
	}
	return strings.TrimSpace(s[start:end])
}

// boundary moves a place in a text forward to the start of a letter.
func boundary(s string, i int) int {
	for i < len(s) && s[i]&0xC0 == 0x80 {
		i++
	}
	return min(i, len(s))
}

package blueprint

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var yamlLine = regexp.MustCompile(`line (\d+): `)

var unknownAnchor = regexp.MustCompile(`unknown anchor '([^']+)' referenced`)

// firstPlace is the line and column of the first occurrence of word.
func firstPlace(text []byte, word string) (line, column int) {
	before := text[:max(0, bytes.Index(text, []byte(word)))]
	lastLine := before[bytes.LastIndexByte(before, '\n')+1:]
	return bytes.Count(before, []byte("\n")) + 1, len([]rune(string(lastLine))) + 1
}

// searchBudget bounds the bytes that the search for a mistake reads, for it reads beginnings of the text many times.
const searchBudget = 16 << 20

// syntaxProblem says where the text stops being YAML. The parser itself names a line at best, often that of the block
// around the mistake, and never a column.
func syntaxProblem(text []byte, err error) *problem {
	p := &problem{line: 1, column: 1}
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(said); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			p.line = line
		}
		said = strings.Replace(said, m[0], "", 1)
	}
	if line, column, ok := mistake(text); ok {
		p.line, p.column = line, column
	}
	p.message = "this is not YAML: " + said
	if m := unknownAnchor.FindStringSubmatch(said); m != nil {
		p.line, p.column = firstPlace(text, "*"+m[1])
		p.hint = "Define it before its first use with &" + m[1] + ", or put the value in quotes if the star belongs to it."
		return p
	}
	lines := bytes.Split(text, []byte("\n"))
	if p.line <= len(lines) {
		p.hint = syntaxHint(lines[p.line-1], p.column)
	}
	return p
}

func syntaxHint(line []byte, column int) string {
	if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; bytes.ContainsRune(indent, '\t') {
		return "The line is indented with a tab; YAML takes spaces only."
	}
	at := byte(' ')
	if column <= len(line) {
		at = line[column-1]
	}
	switch at {
	case '[', '{':
		return "Check that the bracket which opens here is closed, with commas between its items."
	case '"', '\'':
		return "Check that the quote which opens here is closed."
	case '*', '&', '!', '|', '>', '%', '@', '`':
		return `Put a value with special characters in quotes: key: "value".`
	default:
		return "Check the indentation and the quotes and brackets around this place."
	}
}

// mistake finds the line and column from which on every longer beginning of the text is broken. A beginning that merely
// ends inside a bracket or a quote is mended by what follows, so the place is where an unclosed one opens.
// It gives up, ok false, on a text that takes too long.
func mistake(text []byte) (line, column int, ok bool) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	ends := make([]int, len(lines)+1) // ends[i] is the length of the first i lines
	for i, l := range lines {
		ends[i+1] = ends[i] + len(l)
	}
	budget := searchBudget
	good := len(lines)
	for good > 0 && !isYAML(text[:ends[good]], &budget) {
		good--
	}
	if good == len(lines) {
		return good, 1, true // a later document is at fault, and each alone is fine
	}
	bad := lines[good]
	column = len(bad)
	for column > 0 && !isYAML(text[:ends[good]+column], &budget) {
		column--
	}
	return good + 1, len([]rune(string(bad[:column]))) + 1, budget > 0
}

// isYAML takes what it reads from the budget; once that is spent it says yes, to end the search.
func isYAML(text []byte, budget *int) bool {
	if *budget -= len(text); *budget <= 0 {
		return true
	}
	var n yaml.Node
	return yaml.Unmarshal(text, &n) == nil
}

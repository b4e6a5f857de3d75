package blueprint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// decoder walks the YAML nodes by hand, so that every problem knows its place and all of them are found in one reading.
type decoder struct {
	format   format
	problems []*problem
	nodes    int // values read so far, aliases expanded
	tooMany  bool
}

// format is what a text is, for the words of its errors.
type format struct {
	file, noun string
	begin      string // how an empty one is mended
	single     string // why there is one document
	most       int    // bytes
}

// problem is one thing that is wrong, where it is, and how to mend it.
type problem struct {
	line, column int
	message      string
	hint         string
}

func (p *problem) String() string {
	return fmt.Sprintf("line %d, column %d: %s", p.line, p.column, p.message)
}

// maxListed is how many problems an error lists; a file with more is most likely no blueprint at all.
const maxListed = 20

// add notes a problem of the field at the node. The message follows the field's path.
func (d *decoder) add(n *yaml.Node, at, format string, args ...any) *problem {
	text := fmt.Sprintf(format, args...)
	if at != "" {
		text = at + " " + text
	}
	return d.addAt(n.Line, n.Column, "%s", text)
}

func (d *decoder) addAt(line, column int, format string, args ...any) *problem {
	p := &problem{line: max(line, 1), column: max(column, 1), message: fmt.Sprintf(format, args...)}
	d.problems = append(d.problems, p)
	return p
}

// err turns the problems into the error that users see.
func (d *decoder) err() error {
	slices.SortStableFunc(d.problems, func(a, b *problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	// One mistake in an anchor shows at every alias of it.
	d.problems = slices.CompactFunc(d.problems, func(a, b *problem) bool { return *a == *b })
	first, rest := d.problems[0], d.problems[1:]
	var hint strings.Builder
	hint.WriteString(first.hint)
	for i, p := range rest {
		if i == 0 {
			fmt.Fprintf(&hint, "\n%d more:", len(rest))
		}
		if i == maxListed {
			fmt.Fprintf(&hint, "\n  and %d that are not listed", len(rest)-i)
			break
		}
		fmt.Fprintf(&hint, "\n  %s.", p)
		if p.hint != "" {
			hint.WriteString(" " + p.hint)
		}
	}
	return platform.Errorf(platform.CodeInvalid, "%s, %s.", d.format.file, first).
		WithHint("%s", strings.TrimPrefix(hint.String(), "\n")).WithField(d.format.file)
}

// fields are the keys of a mapping and what reads each, in the order in which messages list them.
type fields []struct {
	key  string
	read func(n *yaml.Node, at string)
}

func (f fields) keys() []string {
	keys := make([]string, len(f))
	for i := range f {
		keys[i] = f[i].key
	}
	return keys
}

// mapping reads a mapping with a closed set of keys and sees that the required ones are there.
func (d *decoder) mapping(n *yaml.Node, at string, known fields, required ...string) {
	pairs, ok := d.pairs(n, at, "a mapping with the keys "+strings.Join(known.keys(), ", "))
	if !ok {
		return
	}
	for _, p := range pairs {
		if at == "" && strings.HasPrefix(p.key.Value, "x-") {
			continue // a place for anchors that services share
		}
		i := slices.Index(known.keys(), p.key.Value)
		if i < 0 {
			d.unknown(p.key, at, known.keys())
			continue
		}
		known[i].read(p.value, child(at, p.key.Value))
	}
	for _, key := range required {
		if !slices.ContainsFunc(pairs, func(p pair) bool { return p.key.Value == key }) {
			d.add(n, child(at, key), "is missing")
		}
	}
}

func (d *decoder) unknown(key *yaml.Node, at string, known []string) {
	where := "here"
	if at != "" {
		where = "in " + at
	}
	p := d.add(key, "", "%s is not a key that may stand %s", quote(key.Value), where)
	near := platform.Nearest(key.Value, known)
	if near != "" {
		p.hint = fmt.Sprintf("Did you mean %s? ", near)
	}
	if near == "" || len(known) <= shortList {
		p.hint += fmt.Sprintf("Expected one of: %s.", strings.Join(known, ", "))
	}
	p.hint = strings.TrimSpace(p.hint)
}

// shortList is how many keys are always listed, for short words have near neighbours that mean something else.
const shortList = 8

type pair struct{ key, value *yaml.Node }

// pairs returns the keys and values of a mapping, merge keys (<<) resolved, aliases followed and duplicates noted.
func (d *decoder) pairs(n *yaml.Node, at, expected string) ([]pair, bool) {
	n = d.follow(n)
	if n == nil {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, orFile(at), "is %s; expected %s", describe(n), expected)
		return nil, false
	}
	var own []pair
	var merged []*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := d.follow(n.Content[i]), n.Content[i+1]
		switch {
		case key == nil:
			return nil, false
		case key.Kind != yaml.ScalarNode:
			d.add(n.Content[i], "", "a key must be a word, and this is %s", describe(key))
		case key.Tag == "!!merge":
			merged = append(merged, value)
		case seen[key.Value]:
			d.add(n.Content[i], child(at, key.Value), "is given twice")
		default:
			seen[key.Value] = true
			own = append(own, pair{key, value})
		}
	}
	for _, m := range merged {
		own = d.merge(own, seen, m, at)
	}
	return own, !d.tooMany
}

// merge adds the keys of << that the mapping does not give itself: its value is one mapping or a list of them.
func (d *decoder) merge(own []pair, seen map[string]bool, value *yaml.Node, at string) []pair {
	from := d.follow(value)
	if from == nil {
		return own
	}
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	for _, source := range sources {
		pairs, ok := d.pairs(source, child(at, "<<"), "an alias of a mapping")
		if !ok {
			return own
		}
		for _, p := range pairs {
			if !seen[p.key.Value] {
				seen[p.key.Value] = true
				own = append(own, p)
			}
		}
	}
	return own
}

// sequence returns the items of a list, or nil with the problem noted.
func (d *decoder) sequence(n *yaml.Node, at, expected string) []*yaml.Node {
	n = d.follow(n)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.add(n, at, "is %s; expected %s", describe(n), expected)
		return nil
	}
	if n.Content == nil {
		return []*yaml.Node{}
	}
	return n.Content
}

// follow resolves an alias and counts the value. It returns nil once too much was read: every reader then gives up.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && d.count(n) {
		n = n.Alias
	}
	if !d.count(n) {
		return nil
	}
	return n
}

func (d *decoder) count(n *yaml.Node) bool {
	d.nodes++
	if d.nodes > maxNodes && !d.tooMany {
		d.tooMany = true
		d.add(n, "", "the file holds more than %d values once its aliases are expanded", maxNodes).hint = "Write less, or fewer aliases of aliases."
	}
	return !d.tooMany
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// describe says what a node is, for "is X; expected Y".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(n) {
			return "empty"
		}
		return quote(n.Value)
	default:
		return "something else"
	}
}

func quote(s string) string { return strconv.Quote(platform.Truncate(s, 60)) }

func orFile(at string) string {
	if at == "" {
		return "the file"
	}
	return at
}

func child(at, key string) string {
	key = platform.Truncate(key, 60)
	if at == "" {
		return key
	}
	return at + "." + key
}

func index(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }

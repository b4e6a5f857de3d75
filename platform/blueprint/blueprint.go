// Package blueprint reads the texts that people write about a project: fairlead.yaml, which describes its services, and
// its policy.
//
// It owns the formats: their fields, defaults and limits, and the words of their errors. It is pure: text in, specs or
// errors with line and column out. It must not know hosts, engines, databases or what runs now.
package blueprint

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// FileName is where a repository keeps its blueprint, at the root.
const FileName = "fairlead.yaml"

// Limits of one file.
const (
	MaxSize     = 1 << 20 // bytes
	MaxServices = 100
	// maxNodes bounds the values that are read, aliases expanded: a small file can name billions.
	maxNodes = 20_000
)

// DefaultBranch is the branch whose pushes deploy, unless the file names another.
const DefaultBranch = "main"

// Blueprint is a valid fairlead.yaml with every default filled in.
type Blueprint struct {
	Project  string                 `json:"project"`
	Branch   string                 `json:"branch"`
	Services []platform.ServiceSpec `json:"services"` // in the order of the file
}

// Service returns the service of that name.
func (b *Blueprint) Service(name string) (platform.ServiceSpec, bool) {
	for _, s := range b.Services {
		if s.Name == name {
			return s, true
		}
	}
	return platform.ServiceSpec{}, false
}

// Parse reads, checks and completes the text of a blueprint. An error is a *platform.Error with code invalid: its
// message is the first problem with its line and column, and its hint says how to mend it and lists the others.
// Nothing is returned with an error: a blueprint is valid or it is not.
func Parse(text []byte) (*Blueprint, error) {
	d := &decoder{format: blueprintFormat}
	if root := d.document(text); root != nil {
		if b := d.blueprint(root); len(d.problems) == 0 {
			return b, nil
		}
	}
	return nil, d.err()
}

var blueprintFormat = format{
	file: FileName, noun: "a blueprint", begin: "Begin with project: and services:.", single: "One file describes one project", most: MaxSize,
}

// document returns the root mapping of the text's only YAML document, or nil with the problem noted.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > d.format.most {
		d.addAt(1, 1, "the file has %d bytes, and %s may have %d", len(text), d.format.noun, d.format.most)
		return nil
	}
	if line, column, ok := invalidUTF8(text); ok {
		d.addAt(line, column, "this is not UTF-8 text").hint = "Save the file as UTF-8."
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := reader.Decode(&doc); errors.Is(err, io.EOF) || err == nil && isEmpty(&doc) {
		d.addAt(1, 1, "the file is empty").hint = d.format.begin
		return nil
	} else if err != nil {
		d.problems = append(d.problems, syntaxProblem(text, err))
		return nil
	}
	if err := reader.Decode(&more); err == nil {
		d.add(&more, "", "a second YAML document begins here").hint = d.format.single + ": remove the --- line and what follows."
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.problems = append(d.problems, syntaxProblem(text, err))
		return nil
	}
	return doc.Content[0]
}

func isEmpty(doc *yaml.Node) bool {
	return doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || isNull(doc.Content[0])
}

func (d *decoder) blueprint(root *yaml.Node) *Blueprint {
	b := &Blueprint{Branch: DefaultBranch}
	d.mapping(root, "", fields{
		{"project", func(n *yaml.Node, at string) { b.Project = d.name(n, at) }},
		{"branch", func(n *yaml.Node, at string) { b.Branch = d.branch(n, at) }},
		{"services", func(n *yaml.Node, at string) { b.Services = d.services(n, at) }},
	}, "project", "services")
	return b
}

func (d *decoder) services(n *yaml.Node, at string) []platform.ServiceSpec {
	items := d.sequence(n, at, "a list of services, each beginning with - name:")
	if items == nil {
		return nil
	}
	if len(items) == 0 {
		d.add(n, at, "is empty; expected at least one service")
	}
	if len(items) > MaxServices {
		d.add(n, at, "has %d services; a project may have %d", len(items), MaxServices)
		return nil
	}
	taken := claims{}
	specs := make([]platform.ServiceSpec, 0, len(items))
	for i, item := range items {
		specs = append(specs, d.service(item, index(at, i), taken))
	}
	return specs
}

// branch refuses what Git refuses (git check-ref-format), and what would be read as an option.
func (d *decoder) branch(n *yaml.Node, at string) string {
	name, ok := d.text(n, at, "the name of a branch")
	if !ok {
		return ""
	}
	bad := name == "" || len(name) > 200 || strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.Contains(name, "..") ||
		strings.Contains(name, "@{") || strings.Contains(name, "//") || strings.HasPrefix(name, "-") ||
		strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || name == "@"
	for _, part := range strings.Split(name, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 }) {
		d.add(n, at, "is %s; expected the name of a Git branch, such as main", quote(name))
	}
	return name
}

// invalidUTF8 finds the first byte that is not UTF-8.
func invalidUTF8(text []byte) (line, column int, found bool) {
	if utf8.Valid(text) {
		return 0, 0, false
	}
	line, column = 1, 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		text = text[size:]
	}
	return line, column, true
}

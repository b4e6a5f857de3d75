// Package scenarios holds real faults for the evaluation: small stacks, the commits and triggers that break them, and
// what a right diagnosis says.
//
// It owns the files of a scenario (a shared stack, add-ons, innocent commits, one case a file), their reading and their
// checks. It runs nothing and must not know the engine: rules and scenarios never see each other's words.
package scenarios

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

//go:embed all:base all:with cases innocent.yaml
var files embed.FS

// Change words of a case that names no commit.
const (
	ChangeNone   = "none"
	ChangeGuilty = "guilty" // the commit or the setting of that name
)

// Case is one scenario.
type Case struct {
	Name  string `yaml:"-"`
	About string `yaml:"about"` // the story in one sentence
	// Verdict is cause unless it says otherwise.
	Verdict  platform.Verdict  `yaml:"verdict"`
	Category platform.Category `yaml:"category"`
	// Accept are further categories that are right too, each with a reason in a comment of the file.
	Accept []platform.Category `yaml:"accept_categories"`
	// Service failed first; AcceptServices are right too.
	Service        string   `yaml:"service"`
	AcceptServices []string `yaml:"accept_services"`
	// Change is guilty or none.
	Change string   `yaml:"change"`
	With   []string `yaml:"with"` // add-ons
	// Blueprint edits the stack's fairlead.yaml before the first push.
	Blueprint []Replacement `yaml:"blueprint"`
	Steps     []Step        `yaml:"steps"`
	Incident  Incident      `yaml:"incident"`
	// Alone is true where other scenarios beside it would blur what it measures.
	Alone bool `yaml:"alone"`
}

// Incident says which one is waited for.
type Incident struct {
	Service string            `yaml:"service"` // default: Case.Service
	Signals []platform.Signal `yaml:"signals"` // any where empty
	Within  time.Duration     `yaml:"within"`  // default 75 s
}

// Step is one thing that the harness does; exactly one field is set.
type Step struct {
	Commit *Commit  `yaml:"commit"`
	Use    string   `yaml:"use"`    // an innocent commit, by its name
	Push   *Push    `yaml:"push"`   // and wait until every deploy of it has ended
	Env    *Env     `yaml:"env"`    // set variables of a slot, and wait for the deploy
	Load   *Load    `yaml:"load"`   // until the end of the scenario, or until the next load of the same service
	Calm   string   `yaml:"calm"`   // end the load of that service
	Ask    *Ask     `yaml:"ask"`    // one request
	Scale  *Scale   `yaml:"scale"`  // the wanted instances
	Again  string   `yaml:"again"`  // restart that service
	Seen   string   `yaml:"seen"`   // wait until this metric query has an answer
	Quiet  Duration `yaml:"quiet"`  // watch for so long that no detector opens an incident
	Answer *Answer  `yaml:"answer"` // wait until a request gets that status
}

// Duration reads 20s.
type Duration = time.Duration

// Replacement is a text that stands once in its file, and what takes its place.
type Replacement [2]string

// Commit is one commit of the project's repository.
type Commit struct {
	Name    string                   `yaml:"name"`
	Message string                   `yaml:"message"`
	Author  string                   `yaml:"author"`
	Edit    map[string][]Replacement `yaml:"edit"`
	Write   map[string]string        `yaml:"write"` // bytes are written as !!binary
	Remove  []string                 `yaml:"remove"`
	// Certificate makes a CA and a certificate that expires after Valid.
	Certificate *Certificate `yaml:"certificate"`
}

// Certificate is written as ca.pem, tls.crt and tls.key into folders of the repository.
type Certificate struct {
	Host  string   `yaml:"host"`
	Valid Duration `yaml:"valid"`
	CA    []string `yaml:"ca"`  // folders that get ca.pem
	Own   []string `yaml:"own"` // folders that get tls.crt and tls.key
}

// Push says how the deploys of a push end.
type Push struct {
	Failing []string `yaml:"failing"` // services whose deploy fails; all others go live
}

// Env changes variables.
type Env struct {
	Name    string            `yaml:"name"`
	Service string            `yaml:"service"`
	Set     map[string]string `yaml:"set"`
	Secret  bool              `yaml:"secret"`
	Unset   []string          `yaml:"unset"`
}

// Load is traffic through the router.
type Load struct {
	Service string   `yaml:"service"` // default api
	Paths   []string `yaml:"paths"`
	Rate    int      `yaml:"rate"`
	Body    int      `yaml:"body"` // bytes of a POST; 0 sends GET
	Timeout Duration `yaml:"timeout"`
}

// Ask is one request through the router.
type Ask struct {
	Service string `yaml:"service"`
	Path    string `yaml:"path"`
}

// Answer is one request that is repeated until it gets the status.
type Answer struct {
	Ask    `yaml:",inline"`
	Status int `yaml:"status"`
}

// Scale sets the number of instances.
type Scale struct {
	Name     string `yaml:"name"`
	Service  string `yaml:"service"`
	Replicas int    `yaml:"replicas"`
}

// Set is everything that can be run.
type Set struct {
	Cases    []Case // by name
	innocent map[string]Commit
}

// LoadAll reads the scenarios of this package and refuses what is not complete.
func LoadAll() (Set, error) {
	s := Set{innocent: map[string]Commit{}}
	raw, err := files.ReadFile("innocent.yaml")
	if err != nil {
		return s, err
	}
	var innocent []Commit
	if err := decode(raw, &innocent); err != nil {
		return s, fmt.Errorf("read innocent.yaml: %w", err)
	}
	for _, c := range innocent {
		s.innocent[c.Name] = c
	}
	entries, err := files.ReadDir("cases")
	if err != nil {
		return s, err
	}
	for _, entry := range entries {
		raw, err := files.ReadFile("cases/" + entry.Name())
		if err != nil {
			return s, err
		}
		var c Case
		if err := decode(raw, &c); err != nil {
			return s, fmt.Errorf("read cases/%s: %w", entry.Name(), err)
		}
		c.Name = strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
		c.defaults()
		if err := s.check(c); err != nil {
			return s, fmt.Errorf("cases/%s: %w", entry.Name(), err)
		}
		s.Cases = append(s.Cases, c)
	}
	sort.Slice(s.Cases, func(i, j int) bool { return s.Cases[i].Name < s.Cases[j].Name })
	return s, nil
}

func decode(raw []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	return d.Decode(into)
}

const defaultWithin = 75 * time.Second

func (c *Case) defaults() {
	if c.Verdict == "" {
		c.Verdict = platform.VerdictCause
	}
	if c.Change == "" {
		c.Change = ChangeNone
	}
	if c.Incident.Service == "" {
		c.Incident.Service = c.Service
	}
	if c.Incident.Within == 0 {
		c.Incident.Within = defaultWithin
	}
}

// check refuses a case that could not be scored.
func (s Set) check(c Case) error {
	var all []error
	fail := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if c.About == "" || c.Category == "" || c.Service == "" {
		fail("about, category and service are needed")
	}
	if c.Change != ChangeNone && c.Change != ChangeGuilty {
		fail("change is %q; expected guilty or none", c.Change)
	}
	guilty, innocents := 0, 0
	for i, step := range c.Steps {
		n := step.kinds()
		if n != 1 {
			fail("step %d has %d fields; expected one", i+1, n)
		}
		switch name := step.named(); {
		case name == ChangeGuilty:
			guilty++
		case step.Use != "":
			if _, known := s.innocent[step.Use]; !known {
				fail("step %d uses %q, which innocent.yaml does not have", i+1, step.Use)
			}
			innocents++
		case step.Commit != nil:
			innocents++
		}
	}
	if c.Change == ChangeGuilty && guilty != 1 || c.Change == ChangeNone && guilty != 0 {
		fail("%d steps are called guilty, and change is %s", guilty, c.Change)
	}
	if innocents < 2 {
		fail("has %d innocent commits; expected two at least", innocents)
	}
	return errors.Join(all...)
}

func (s Step) kinds() int {
	n := 0
	for _, given := range []bool{
		s.Commit != nil, s.Use != "", s.Push != nil, s.Env != nil, s.Load != nil, s.Calm != "", s.Ask != nil, s.Scale != nil,
		s.Again != "", s.Seen != "", s.Quiet != 0, s.Answer != nil,
	} {
		if given {
			n++
		}
	}
	return n
}

func (s Step) named() string {
	switch {
	case s.Commit != nil:
		return s.Commit.Name
	case s.Env != nil:
		return s.Env.Name
	case s.Scale != nil:
		return s.Scale.Name
	}
	return ""
}

// Find returns the cases with the names, or all where there are none.
func (s Set) Find(names []string) ([]Case, error) {
	if len(names) == 0 {
		return s.Cases, nil
	}
	var found []Case
	for _, name := range names {
		i := slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == name })
		if i < 0 {
			return nil, platform.Errorf(platform.CodeNotFound, "There is no scenario %s.", name).WithHint("List them with -list.")
		}
		found = append(found, s.Cases[i])
	}
	return found, nil
}

// Innocent returns a shared innocent commit.
func (s Set) Innocent(name string) Commit { return s.innocent[name] }

// Tree returns the files of the first commit of a case: the shared stack with its add-ons, in a project of the given name.
func Tree(c Case, project string) (map[string][]byte, error) {
	tree := map[string][]byte{}
	if err := addTree(tree, "base"); err != nil {
		return nil, err
	}
	blueprint := strings.Replace(string(tree["fairlead.yaml"]), "project: shop", "project: "+project, 1)
	for _, with := range c.With {
		if err := addTree(tree, "with/"+with); err != nil {
			return nil, err
		}
		services, env := tree["services.yaml"], tree["env.yaml"]
		delete(tree, "services.yaml")
		delete(tree, "env.yaml")
		const anchor = "      CATALOG_URL: http://catalog:9000\n"
		blueprint = strings.Replace(blueprint, anchor, anchor+string(env), 1) + string(services)
	}
	for _, r := range c.Blueprint {
		edited, err := r.Apply(blueprint)
		if err != nil {
			return nil, fmt.Errorf("edit fairlead.yaml: %w", err)
		}
		blueprint = edited
	}
	tree["fairlead.yaml"] = []byte(blueprint)
	return tree, nil
}

func addTree(tree map[string][]byte, root string) error {
	return fs.WalkDir(files, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := files.ReadFile(name)
		tree[strings.TrimPrefix(name, root+"/")] = raw
		return err
	})
}

// Apply replaces the one place where the first text stands.
func (r Replacement) Apply(text string) (string, error) {
	if n := strings.Count(text, r[0]); n != 1 {
		return "", fmt.Errorf("%q stands %d times; expected once", r[0], n)
	}
	return strings.Replace(text, r[0], r[1], 1), nil
}

// Apply changes a tree as the commit does, and returns the paths it touched.
func (c Commit) Apply(tree map[string][]byte) ([]string, error) {
	var touched []string
	for name, replacements := range c.Edit {
		text := string(tree[name])
		for _, r := range replacements {
			var err error
			if text, err = r.Apply(text); err != nil {
				return nil, fmt.Errorf("commit %q edits %s: %w", c.Message, name, err)
			}
		}
		tree[name] = []byte(text)
		touched = append(touched, name)
	}
	for name, text := range c.Write {
		tree[name] = []byte(text)
		touched = append(touched, name)
	}
	for _, name := range c.Remove {
		delete(tree, name)
		touched = append(touched, name)
	}
	sort.Strings(touched)
	return touched, nil
}

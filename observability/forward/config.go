package forward

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Kind is the protocol of a receiver.
type Kind string

// The kinds of receivers.
const (
	KindSyslog Kind = "syslog" // RFC 5424 over tcp:// or tls://
	KindOTLP   Kind = "otlp"   // OTLP over HTTP, protobuf
	KindLoki   Kind = "loki"   // Loki's push protocol
)

// schemes are what the URL of a receiver may begin with.
var schemes = map[Kind][]string{
	KindSyslog: {"tcp", "tls"}, KindOTLP: {"http", "https"}, KindLoki: {"http", "https"},
}

// Receiver is one place outside that lines go to.
type Receiver struct {
	Name      string
	Kind      Kind
	URL       *url.URL
	TLS       TLS
	TokenFile string // holds a bearer token, read for each request
	Tenant    string // of Loki
	Filter    Filter
}

// TLS names PEM files; "" means the system's authorities, no client certificate, and the name in the URL.
type TLS struct {
	CA, Certificate, Key, ServerName string
}

// Filter chooses lines; empty fields do not restrict. Level is the least grave one that goes.
type Filter struct {
	Project, Service string
	Level            observability.Level
}

// FileName is the file in the state folder that names the receivers.
const FileName = "forward.yaml"

// maxFile is more than any list of receivers needs.
const maxFile = 256 << 10

// Load reads the file at path. A file that is not there names no receivers.
func Load(path string) ([]Receiver, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The file %s cannot be read: %v.", path, err).WithHint("Give the server the right to read it, or name another with --forward.")
	}
	return Parse(raw, filepath.Dir(path))
}

// Parse reads the text of a file of receivers; relative file names in it are below dir. An error is a platform invalid
// error that names the line and the fix, and then nothing is returned.
func Parse(text []byte, dir string) ([]Receiver, error) {
	d := &decoder{dir: dir}
	if len(text) > maxFile {
		return nil, d.fail(&yaml.Node{Line: 1, Column: 1}, "the file has %d bytes, and may have %d", len(text), maxFile)("Name fewer receivers.")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "%s is not YAML: %s.", FileName, strings.TrimPrefix(err.Error(), "yaml: ")).
			WithHint("Check the indentation, the quotes and the brackets around that line.").WithField(FileName)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	var out []Receiver
	err := d.mapping(doc.Content[0], keys{{"forward", func(n *yaml.Node) error {
		if n.Kind != yaml.SequenceNode {
			return d.fail(n, "forward must be a list of receivers")("Begin each with - name:")
		}
		for _, item := range n.Content {
			r, err := d.receiver(item)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(out, func(other Receiver) bool { return other.Name == r.Name }) {
				return d.fail(item, "there are two receivers called %q", r.Name)("Give each a name of its own.")
			}
			out = append(out, r)
		}
		return nil
	}}})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// decoder reads YAML nodes by hand, so that every problem knows its line.
type decoder struct{ dir string }

// fail begins the error of what is wrong at a node; called with the fix, it returns the error.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) func(hint string) error {
	return func(hint string) error {
		return platform.Errorf(platform.CodeInvalid, "%s, line %d, column %d: %s.", FileName, n.Line, n.Column, fmt.Sprintf(format, args...)).
			WithHint("%s", hint).WithField(FileName)
	}
}

// keys are the keys that a mapping may have, and what reads each.
type keys []struct {
	name string
	read func(n *yaml.Node) error
}

func (d *decoder) mapping(n *yaml.Node, known keys) error {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].name
	}
	expected := "Expected: " + strings.Join(names, ", ") + "."
	if n.Kind != yaml.MappingNode {
		return d.fail(n, "a mapping is expected here")(expected)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.Index(names, key.Value)
		if at < 0 {
			hint := expected
			if near := platform.Nearest(key.Value, names); near != "" {
				hint = "Did you mean " + near + "? " + expected
			}
			return d.fail(key, "%q is not a key that may stand here", platform.Truncate(key.Value, 60))(hint)
		}
		if seen[key.Value] {
			return d.fail(key, "%s is given twice", key.Value)("Keep one of them.")
		}
		seen[key.Value] = true
		if err := known[at].read(value); err != nil {
			return err
		}
	}
	return nil
}

// text returns what reads a plain value into to.
func (d *decoder) text(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
			return d.fail(n, "a value is expected here")("Write it after the key, in quotes if it has special characters; or leave the key out.")
		}
		*to = n.Value
		return nil
	}
}

// file returns what reads the name of a file that must be there.
func (d *decoder) file(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var name string
		if err := d.text(&name)(n); err != nil {
			return err
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(d.dir, name)
		}
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			return d.fail(n, "there is no file %s", name)("Write the path of a file that the server may read; a relative one begins at the folder of " + FileName + ".")
		}
		*to = name
		return nil
	}
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

func (d *decoder) receiver(n *yaml.Node) (Receiver, error) {
	var r Receiver
	var kind, address string
	where := map[string]*yaml.Node{}
	note := func(name string, read func(*yaml.Node) error) func(*yaml.Node) error {
		return func(n *yaml.Node) error { where[name] = n; return read(n) }
	}
	err := d.mapping(n, keys{
		{"name", note("name", d.text(&r.Name))},
		{"kind", note("kind", d.text(&kind))},
		{"url", note("url", d.text(&address))},
		{"tls", note("tls", func(n *yaml.Node) error {
			return d.mapping(n, keys{
				{"ca", d.file(&r.TLS.CA)}, {"certificate", d.file(&r.TLS.Certificate)}, {"key", d.file(&r.TLS.Key)}, {"server_name", d.text(&r.TLS.ServerName)},
			})
		})},
		{"token_file", note("token_file", d.file(&r.TokenFile))},
		{"tenant", note("tenant", d.text(&r.Tenant))},
		{"filter", func(n *yaml.Node) error { return d.filter(n, &r.Filter) }},
	})
	if err != nil {
		return r, err
	}
	for _, name := range []string{"name", "kind", "url"} {
		if where[name] == nil {
			return r, d.fail(n, "a receiver has no %s", name)("Every receiver needs name, kind and url.")
		}
	}
	if !nameForm.MatchString(r.Name) {
		return r, d.fail(where["name"], "%q is not a name for a receiver", platform.Truncate(r.Name, 60))("Use 1 to 40 lower-case letters, digits and dashes.")
	}
	r.Kind = Kind(kind)
	if schemes[r.Kind] == nil {
		return r, d.fail(where["kind"], "there is no kind of receiver %q", platform.Truncate(kind, 60))("Use syslog, otlp or loki.")
	}
	return r, d.place(&r, address, where)
}

// place checks what depends on the kind: the URL, and the keys that go with it.
func (d *decoder) place(r *Receiver, address string, where map[string]*yaml.Node) error {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Hostname() == "" || !slices.Contains(schemes[r.Kind], parsed.Scheme) {
		return d.fail(where["url"], "%q is not the URL of a %s receiver", platform.Truncate(address, 200), r.Kind)(
			"Write " + strings.Join(schemes[r.Kind], ":// or ") + "://, a host, and a port.")
	}
	switch {
	case r.Kind == KindSyslog && parsed.Port() == "":
		return d.fail(where["url"], "the URL of a syslog receiver needs a port")("Syslog over TLS usually listens on 6514: " + parsed.Scheme + "://" + parsed.Hostname() + ":6514.")
	case parsed.User != nil:
		return d.fail(where["url"], "a URL here holds no user and password")("Put a token in a file of its own, and name it with token_file.")
	case where["tls"] != nil && parsed.Scheme != "tls" && parsed.Scheme != "https":
		return d.fail(where["tls"], "tls is given, but the URL begins with %s://", parsed.Scheme)("Begin the URL with " + schemes[r.Kind][1] + "://, or remove tls.")
	case where["token_file"] != nil && r.Kind == KindSyslog:
		return d.fail(where["token_file"], "syslog knows no token")("Use tls with a client certificate, or remove token_file.")
	case where["tenant"] != nil && r.Kind != KindLoki:
		return d.fail(where["tenant"], "only Loki has tenants")("Remove tenant.")
	case (r.TLS.Certificate == "") != (r.TLS.Key == ""):
		return d.fail(where["tls"], "a client certificate needs both certificate and key")("Add the other one.")
	}
	r.URL = parsed
	if _, err := r.TLS.config(); err != nil {
		return d.fail(where["tls"], "%v", err)("Name PEM files that belong together.")
	}
	return nil
}

func (d *decoder) filter(n *yaml.Node, to *Filter) error {
	return d.mapping(n, keys{
		{"project", d.text(&to.Project)},
		{"service", d.text(&to.Service)},
		{"level", func(n *yaml.Node) error {
			var name string
			if err := d.text(&name)(n); err != nil {
				return err
			}
			to.Level = observability.Level(name)
			if !slices.Contains(observability.Levels, to.Level) {
				return d.fail(n, "there is no level %q", platform.Truncate(name, 40))("Use debug, info, warn, error or fatal.")
			}
			return nil
		}},
	})
}

package blueprint

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// Bounds of a health check.
const (
	maxInterval = platform.Duration(time.Hour)
	minTimeout  = platform.Duration(100 * time.Millisecond)
	maxTimeout  = platform.Duration(5 * time.Minute)
	maxGrace    = platform.Duration(24 * time.Hour)
	maxFailures = 100
)

// health reads the check, or makes the default one:
//
//	web      GET /healthz
//	private  a connection to the port, or GET path where a path is given
//	worker   running is enough, or the command where one is given
func (r *serviceReader) health() platform.HealthCheck {
	h := platform.HealthCheck{
		Interval: platform.DefaultHealthInterval, Timeout: platform.DefaultHealthTimeout,
		Grace: platform.DefaultHealthGrace, Failures: platform.DefaultHealthFailures,
	}
	at := child(r.at, "healthCheck")
	given := map[string]*yaml.Node{}
	note := func(key string, n *yaml.Node) { given[key] = n }
	if n, ok := r.given["healthCheck"]; ok {
		r.mapping(n, at, fields{
			{"type", func(n *yaml.Node, at string) {
				note("type", n)
				h.Kind = platform.HealthKind(r.choice(n, at, "http", "tcp", "command", "none"))
			}},
			{"path", func(n *yaml.Node, at string) { note("path", n); h.Path = r.urlPath(n, at) }},
			{"command", func(n *yaml.Node, at string) { note("command", n); h.Command = r.argv(n, at) }},
			{"interval", func(n *yaml.Node, at string) { h.Interval = r.duration(n, at, minInterval, maxInterval) }},
			{"timeout", func(n *yaml.Node, at string) { h.Timeout = r.duration(n, at, minTimeout, maxTimeout) }},
			{"grace", func(n *yaml.Node, at string) { h.Grace = r.duration(n, at, 0, maxGrace) }},
			{"failures", func(n *yaml.Node, at string) { h.Failures = r.integer(n, at, 1, maxFailures) }},
		})
	}
	if _, ok := given["type"]; !ok {
		h.Kind = defaultHealth(r.spec.Kind, given)
	}
	r.checkHealth(h, at, given)
	if h.Kind == platform.HealthHTTP && h.Path == "" {
		h.Path = platform.DefaultHealthPath
	}
	return h
}

func defaultHealth(kind platform.ServiceKind, given map[string]*yaml.Node) platform.HealthKind {
	switch {
	case given["command"] != nil:
		return platform.HealthCommand
	case given["path"] != nil || kind == platform.KindWeb:
		return platform.HealthHTTP
	case kind == platform.KindPrivate:
		return platform.HealthTCP
	default:
		return platform.HealthNone
	}
}

// checkHealth sees that the fields fit the kind of check, and the kind fits the service.
func (r *serviceReader) checkHealth(h platform.HealthCheck, at string, given map[string]*yaml.Node) {
	if h.Kind == "" {
		return // noted where it was read
	}
	if n := given["path"]; n != nil && h.Kind != platform.HealthHTTP {
		r.add(n, child(at, "path"), "is for checks of type http, and this one is of type %s", h.Kind)
	}
	if n := given["command"]; n != nil && h.Kind != platform.HealthCommand {
		r.add(n, child(at, "command"), "is for checks of type command, and this one is of type %s", h.Kind)
	}
	if n := given["type"]; n != nil && h.Kind == platform.HealthCommand && given["command"] == nil {
		r.add(n, child(at, "command"), "is missing; a check of type command needs one, such as [python, check.py]")
	}
	needsPort := h.Kind == platform.HealthHTTP || h.Kind == platform.HealthTCP
	if r.spec.Kind == platform.KindWorker && needsPort {
		n := given["type"]
		if n == nil {
			n = given["path"]
		}
		r.add(n, at, "is of type %s, and a worker has no port; expected command or none", h.Kind)
	}
}

func (r *serviceReader) urlPath(n *yaml.Node, at string) string {
	const expected = "a path that begins with /, such as /healthz"
	word, ok := r.text(n, at, expected)
	bad := !strings.HasPrefix(word, "/") || strings.HasPrefix(word, "//") || len(word) > 2000 ||
		strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' || c > 0x7f })
	if ok && bad {
		r.add(n, at, "is %s; expected %s", quote(word), expected)
	}
	return word
}

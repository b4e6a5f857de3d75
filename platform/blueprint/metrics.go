package blueprint

import (
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// Bounds of how often an application's own metrics are read.
const (
	minMetricsEvery = platform.Duration(5 * time.Second)
	maxMetricsEvery = platform.Duration(5 * time.Minute)
)

// metrics reads where the service exposes its own metrics; nothing is read where the file does not ask for it.
func (r *serviceReader) metrics() *platform.MetricsSpec {
	n, ok := r.given["metrics"]
	if !ok {
		return nil
	}
	at := child(r.at, "metrics")
	m := &platform.MetricsSpec{Path: platform.DefaultMetricsPath, Port: r.spec.Port, Every: platform.DefaultMetricsEvery}
	hasPort, before := false, len(r.problems)
	r.mapping(n, at, fields{
		{"path", func(n *yaml.Node, at string) { m.Path = r.urlPath(n, at) }},
		{"port", func(n *yaml.Node, at string) { hasPort = true; m.Port = r.integer(n, at, 1, 65535) }},
		{"every", func(n *yaml.Node, at string) { m.Every = r.duration(n, at, minMetricsEvery, maxMetricsEvery) }},
	})
	if _, called := r.given["port"]; !called && !hasPort && len(r.problems) == before {
		r.add(n, child(at, "port"), "is missing; the service has no port of its own on which its metrics could be read")
	}
	return m
}

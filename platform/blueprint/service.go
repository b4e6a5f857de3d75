package blueprint

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// claims remembers what only one service of a project may have: "name api", "host x.example.com", "disk models".
type claims map[string]string

// serviceReader reads one entry of services. Fields that depend on others keep their nodes until all are read.
type serviceReader struct {
	*decoder
	at    string
	node  *yaml.Node
	taken claims
	spec  platform.ServiceSpec
	given map[string]*yaml.Node // fields of the file, by key
}

const (
	minMemory = 6 << 20 // what the engine itself refuses to go below
	minShared = 1 << 10
	maxGPUs   = 64
)

func (d *decoder) service(n *yaml.Node, at string, taken claims) platform.ServiceSpec {
	r := &serviceReader{decoder: d, at: at, node: n, taken: taken, given: map[string]*yaml.Node{}}
	r.spec = platform.ServiceSpec{Replicas: 1, Drain: platform.DefaultDrain, AutoDeploy: true}
	s := &r.spec
	before := len(d.problems)
	d.mapping(n, at, fields{
		{"name", func(n *yaml.Node, at string) { s.Name = d.name(n, at); r.claim(n, "name", "name", s.Name) }},
		{"type", func(n *yaml.Node, at string) { s.Kind = r.kind(n, at) }},
		{"context", r.later},
		{"dockerfile", r.later},
		{"buildArgs", r.later},
		{"buildSecrets", r.later},
		{"image", r.later},
		{"command", func(n *yaml.Node, at string) { s.Command = d.argv(n, at) }},
		{"preDeploy", func(n *yaml.Node, at string) { s.PreDeploy = d.argv(n, at) }},
		{"port", func(n *yaml.Node, at string) { r.later(n, at); s.Port = d.integer(n, at, 1, 65535) }},
		{"healthCheck", r.later},
		{"resources", func(n *yaml.Node, at string) { s.Resources = d.resources(n, at) }},
		{"env", func(n *yaml.Node, at string) { s.Env = r.env(n, at) }},
		{"disk", func(n *yaml.Node, at string) { s.Disk = r.disk(n, at) }},
		{"replicas", func(n *yaml.Node, at string) { r.later(n, at); s.Replicas = d.integer(n, at, 1, platform.MaxReplicas) }},
		{"drain", func(n *yaml.Node, at string) { s.Drain = d.duration(n, at, platform.MinDrain, platform.MaxDrain) }},
		{"hosts", func(n *yaml.Node, at string) { r.later(n, at); s.Hosts = r.hosts(n, at) }},
		{"metrics", r.later},
		{"autoDeploy", func(n *yaml.Node, at string) { s.AutoDeploy = d.flag(n, at) }},
		{"alerts", func(n *yaml.Node, at string) { s.Alerts = r.alerts(n, at) }},
	}, "name", "type")
	r.source()
	if s.Kind == "" && len(d.problems) > before {
		return r.spec // without a kind nothing below can be judged
	}
	r.ports()
	s.Health = r.health()
	s.Metrics = r.metrics()
	r.scale()
	return r.spec
}

func (r *serviceReader) later(n *yaml.Node, at string) {
	r.given[strings.TrimPrefix(at, r.at+".")] = n
}

// claim notes a problem when another service already has what this one asks for.
func (r *serviceReader) claim(n *yaml.Node, key, what, name string) {
	if name == "" {
		return
	}
	if owner, ok := r.taken[what+" "+name]; ok {
		r.add(n, child(r.at, key), "is %s, and %s has the same %s", quote(name), owner, what)
		return
	}
	r.taken[what+" "+name] = r.at
}

func (r *serviceReader) kind(n *yaml.Node, at string) platform.ServiceKind {
	word, ok := r.text(n, at, "web, private or worker")
	if !ok {
		return ""
	}
	switch kind := platform.ServiceKind(word); kind {
	case platform.KindWeb, platform.KindPrivate, platform.KindWorker:
		return kind
	case platform.KindCron, platform.KindStatic, platform.KindPostgres, platform.KindKeyValue:
		r.add(n, at, "is %s, which blueprints do not support yet; expected web, private or worker", word)
		return ""
	default:
		r.choice(n, at, "web", "private", "worker")
		return ""
	}
}

var imageRef = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,254}$`)

// source reads how the image comes to be: a ready one, or a build.
func (r *serviceReader) source() {
	if n, ok := r.given["image"]; ok {
		r.image(n)
		return
	}
	b := &platform.BuildSpec{Context: "."}
	if n, ok := r.given["context"]; ok {
		b.Context = r.within(n, child(r.at, "context"), ".")
	}
	b.Dockerfile = path.Join(b.Context, "Dockerfile")
	if n, ok := r.given["dockerfile"]; ok {
		b.Dockerfile = r.within(n, child(r.at, "dockerfile"), b.Context)
	}
	if n, ok := r.given["buildArgs"]; ok {
		b.Args = r.variables(n, child(r.at, "buildArgs"))
	}
	if n, ok := r.given["buildSecrets"]; ok {
		b.Secrets = r.buildSecrets(n, child(r.at, "buildSecrets"))
	}
	r.spec.Build = b
}

func (r *serviceReader) image(n *yaml.Node) {
	at := child(r.at, "image")
	for _, key := range []string{"context", "dockerfile", "buildArgs", "buildSecrets"} {
		if build, ok := r.given[key]; ok {
			r.add(build, child(r.at, key), "is for a build, and %s asks for a ready image", at).hint = "Keep one of the two."
		}
	}
	word, ok := r.text(n, at, "an image, such as repo/name:tag")
	if ok && !imageRef.MatchString(word) {
		r.add(n, at, "is %s; expected an image, such as repo/name:tag", quote(word))
	}
	r.spec.Image = word
}

func (r *serviceReader) buildSecrets(n *yaml.Node, at string) []string {
	var names []string
	for i, item := range r.sequence(n, at, "a list of variable names, such as [NPM_TOKEN]") {
		name, ok := r.text(item, index(at, i), "the name of a variable")
		if !ok {
			continue
		}
		r.checkEnvName(item, index(at, i), name)
		if slices.Contains(names, name) {
			r.add(item, index(at, i), "is %s, which is there twice", name)
		}
		names = append(names, name)
	}
	return names
}

// ports sees that services which are called say where, and that workers do not.
func (r *serviceReader) ports() {
	port, hasPort := r.given["port"]
	hosts, hasHosts := r.given["hosts"]
	called := r.spec.Kind == platform.KindWeb || r.spec.Kind == platform.KindPrivate
	switch {
	case called && !hasPort:
		r.add(r.node, child(r.at, "port"), "is missing; a %s service needs the port that its process listens on", r.spec.Kind)
	case !called && hasPort:
		r.add(port, child(r.at, "port"), "is given, and nothing connects to a worker").hint = "Remove it, or make the type private."
	}
	if hasHosts && r.spec.Kind != platform.KindWeb {
		r.add(hosts, child(r.at, "hosts"), "is given, and only web services are reached from outside").hint = "Remove it, or make the type web."
	}
}

func (d *decoder) resources(n *yaml.Node, at string) platform.Resources {
	var res platform.Resources
	d.mapping(n, at, fields{
		{"cpus", func(n *yaml.Node, at string) { res.CPUs = d.cpus(n, at) }},
		{"memory", func(n *yaml.Node, at string) { res.MemoryBytes = d.size(n, at, minMemory) }},
		{"gpus", func(n *yaml.Node, at string) { res.GPUs = d.integer(n, at, 0, maxGPUs) }},
		{"shm", func(n *yaml.Node, at string) { res.SharedBytes = d.size(n, at, minShared) }},
	})
	return res
}

// env reads the plain variables. Those that Fairlead sets itself are refused, for its own would win in silence.
func (r *serviceReader) env(n *yaml.Node, at string) map[string]string {
	vars := r.variables(n, at)
	pairs, _ := (&decoder{}).pairs(n, at, "")
	for _, p := range pairs {
		if key := p.key.Value; key == "PORT" {
			r.add(p.key, child(at, key), "is set by Fairlead from port").hint = "Remove it and set port."
		} else if strings.HasPrefix(key, "FAIRLEAD_") {
			r.add(p.key, child(at, key), "begins with FAIRLEAD_, which Fairlead keeps for itself").hint = "Choose another name."
		}
	}
	return vars
}

const maxDiskGB = 65536

func (r *serviceReader) disk(n *yaml.Node, at string) *platform.DiskSpec {
	disk := &platform.DiskSpec{SizeGB: 1, Swap: platform.SwapHold}
	r.mapping(n, at, fields{
		{"name", func(n *yaml.Node, at string) { disk.Name = r.name(n, at); r.claim(n, "disk.name", "disk", disk.Name) }},
		{"mountPath", func(n *yaml.Node, at string) { disk.MountPath = r.mountPath(n, at) }},
		{"sizeGB", func(n *yaml.Node, at string) { disk.SizeGB = r.integer(n, at, 1, maxDiskGB) }},
		{"swap", func(n *yaml.Node, at string) { disk.Swap = r.swap(n, at) }},
	}, "name", "mountPath")
	return disk
}

func (r *serviceReader) mountPath(n *yaml.Node, at string) string {
	const expected = "an absolute folder other than /, such as /models"
	word, ok := r.text(n, at, expected)
	clean := path.Clean(word)
	if ok && (!path.IsAbs(word) || clean == "/" || strings.ContainsAny(word, ":\\") || strings.Contains(word, "..")) {
		r.add(n, at, "is %s; expected %s", quote(word), expected)
	}
	return clean
}

func (r *serviceReader) swap(n *yaml.Node, at string) platform.DiskSwap {
	word := r.choice(n, at, string(platform.SwapHold), string(platform.SwapOverlap), string(platform.SwapSnapshotFirst))
	if word == string(platform.SwapSnapshotFirst) {
		r.add(n, at, "is snapshot-first, which is not available yet; expected hold or overlap")
	}
	return platform.DiskSwap(word)
}

// scale refuses two writers of one disk.
func (r *serviceReader) scale() {
	if s := r.spec; s.Disk != nil && s.Disk.Swap == platform.SwapHold && s.Replicas > 1 {
		r.add(r.given["replicas"], child(r.at, "replicas"), "is %d, and only one instance may write the disk %s", s.Replicas, quote(s.Disk.Name)).
			hint = "Set replicas to 1, or disk.swap to overlap if the instances can share what is on it."
	}
}

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (r *serviceReader) hosts(n *yaml.Node, at string) []string {
	var hosts []string
	for i, item := range r.sequence(n, at, "a list of host names, such as [api.example.com]") {
		const expected = "a host name, such as api.example.com"
		host, ok := r.text(item, index(at, i), expected)
		if !ok {
			continue
		}
		host = strings.ToLower(host)
		if len(host) > 253 || !hostName.MatchString(host) {
			p := r.add(item, index(at, i), "is %s; expected %s", quote(host), expected)
			if strings.ContainsAny(host, "/:") {
				p.hint = "Write the name alone, without http:// and without a port."
			}
			continue
		}
		r.claim(item, strings.TrimPrefix(index(at, i), r.at+"."), "host", host)
		hosts = append(hosts, host)
	}
	return hosts
}

// minInterval keeps a check from being a load test of its own service.
const minInterval = platform.Duration(time.Second)

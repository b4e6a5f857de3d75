package blueprint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// Change is one difference between two blueprints. It prints as one line.
type Change struct {
	Service string `json:"service"`
	Field   string `json:"field,omitempty"` // as written in fairlead.yaml; "" when the whole service came or went
	Old     string `json:"old,omitempty"`   // "" when the field was not set
	New     string `json:"new,omitempty"`   // "" when the field is not set any more
}

// Added reports whether the whole service is new.
func (c Change) Added() bool { return c.Field == "" && c.Old == "" }

// Removed reports whether the whole service is gone.
func (c Change) Removed() bool { return c.Field == "" && c.New == "" }

// String is the change as one line: "+ api (web)", "- api (web)", "~ api port: 8000 -> 9000".
func (c Change) String() string {
	switch {
	case c.Added():
		return fmt.Sprintf("+ %s (%s)", c.Service, c.New)
	case c.Removed():
		return fmt.Sprintf("- %s (%s)", c.Service, c.Old)
	case c.Old == "":
		return fmt.Sprintf("~ %s %s: set to %s", c.Service, c.Field, shown(c.New))
	case c.New == "":
		return fmt.Sprintf("~ %s %s: no longer %s", c.Service, c.Field, shown(c.Old))
	}
	return fmt.Sprintf("~ %s %s: %s -> %s", c.Service, c.Field, shown(c.Old), shown(c.New))
}

func shown(value string) string { return platform.Truncate(value, 80) }

// Diff lists what turns the old specs into the new ones, by service name and then in the order of the fields.
// It is empty when nothing changed.
func Diff(old, new []platform.ServiceSpec) []Change {
	before, after := byName(old), byName(new)
	names := slices.Sorted(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []Change
	for _, name := range names {
		was, existed := before[name]
		is, exists := after[name]
		switch {
		case !existed:
			changes = append(changes, Change{Service: name, New: string(is.Kind)})
		case !exists:
			changes = append(changes, Change{Service: name, Old: string(was.Kind)})
		default:
			changes = append(changes, diffService(was, is)...)
		}
	}
	return changes
}

func byName(specs []platform.ServiceSpec) map[string]platform.ServiceSpec {
	m := make(map[string]platform.ServiceSpec, len(specs))
	for _, s := range specs {
		m[s.Name] = s
	}
	return m
}

func diffService(was, is platform.ServiceSpec) []Change {
	before, after := flatten(was), flatten(is)
	old, new := values(before), values(after)
	for _, f := range before {
		if _, ok := new[f.name]; !ok {
			after = append(after, field{name: f.name})
		}
	}
	slices.SortStableFunc(after, func(a, b field) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	var changes []Change
	for _, f := range after {
		if old[f.name] != new[f.name] {
			changes = append(changes, Change{Service: is.Name, Field: f.name, Old: old[f.name], New: new[f.name]})
		}
	}
	return changes
}

// field is one value of a spec under the name that fairlead.yaml gives it. Values are never empty.
type field struct{ name, value string }

func values(fs []field) map[string]string {
	m := make(map[string]string, len(fs))
	for _, f := range fs {
		m[f.name] = f.value
	}
	return m
}

// order is that of the fields in the format's description.
var order = []string{
	"type", "context", "dockerfile", "buildArgs", "buildSecrets", "image", "command", "preDeploy", "port", "healthCheck",
	"resources", "env", "disk", "replicas", "drain", "hosts", "metrics", "autoDeploy", "alerts",
}

func rank(name string) int {
	first, _, _ := strings.Cut(name, ".")
	return slices.Index(order, first)
}

func flatten(s platform.ServiceSpec) []field {
	var fs []field
	set := func(name, value string) {
		if value != "" {
			fs = append(fs, field{name, value})
		}
	}
	set("type", string(s.Kind))
	if b := s.Build; b != nil {
		set("context", b.Context)
		set("dockerfile", b.Dockerfile)
		setAll(set, "buildArgs", b.Args)
		set("buildSecrets", strings.Join(b.Secrets, ", "))
	}
	set("image", s.Image)
	set("command", argvText(s.Command))
	set("preDeploy", argvText(s.PreDeploy))
	set("port", number(s.Port))
	set("healthCheck.type", string(s.Health.Kind))
	set("healthCheck.path", s.Health.Path)
	set("healthCheck.command", argvText(s.Health.Command))
	set("healthCheck.interval", short(s.Health.Interval))
	set("healthCheck.timeout", short(s.Health.Timeout))
	set("healthCheck.grace", short(s.Health.Grace))
	set("healthCheck.failures", number(s.Health.Failures))
	set("resources.cpus", cpuText(s.Resources.CPUs))
	set("resources.memory", sizeOrNothing(s.Resources.MemoryBytes))
	set("resources.gpus", number(s.Resources.GPUs))
	set("resources.shm", sizeOrNothing(s.Resources.SharedBytes))
	setAll(set, "env", s.Env)
	if d := s.Disk; d != nil {
		set("disk.name", d.Name)
		set("disk.mountPath", d.MountPath)
		set("disk.sizeGB", number(d.SizeGB))
		set("disk.swap", string(d.Swap))
	}
	set("replicas", strconv.Itoa(s.Replicas))
	set("drain", short(s.Drain))
	set("hosts", strings.Join(s.Hosts, ", "))
	if m := s.Metrics; m != nil {
		set("metrics.path", m.Path)
		set("metrics.port", number(m.Port))
		set("metrics.every", short(m.Every))
	}
	set("autoDeploy", strconv.FormatBool(s.AutoDeploy))
	setAlerts(set, s.Alerts)
	return fs
}

// setAll sets each variable, quoted so that an empty value differs from none.
func setAll(set func(name, value string), name string, vars map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		set(child(name, key), strconv.Quote(vars[key]))
	}
}

func argvText(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", args)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func cpuText(c float64) string {
	if c == 0 {
		return ""
	}
	return strconv.FormatFloat(c, 'g', -1, 64)
}

func sizeOrNothing(b int64) string {
	if b == 0 {
		return ""
	}
	return formatBytes(b)
}

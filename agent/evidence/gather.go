package evidence

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

// Gatherer reads the sources and freezes what it finds. It is safe for use by several goroutines at once.
type Gatherer struct {
	src Sources
	opt Options
}

// New returns a Gatherer over the sources.
func New(src Sources, opt Options) *Gatherer { return &Gatherer{src: src, opt: opt.withDefaults()} }

// Gather freezes what is known about the incident. Reads that fail become gaps; errors are the
// context's, and that the project's secrets cannot be read: evidence is never written down with them in it.
func (g *Gatherer) Gather(ctx context.Context, incident platform.Incident) (Bundle, error) {
	redact := g.opt.Redactor(incident.Project)
	if redact == nil {
		return Bundle{}, fmt.Errorf("gather evidence of incident %s: the secrets of %s cannot be read now", incident.ID, incident.Project)
	}
	b := Bundle{Facts: &causes.Facts{Incident: incident}}
	w := &writer{incident: incident, opt: g.opt, now: g.opt.Now().UTC(), redact: redact, bundle: &b}
	b.Facts.Now = w.now
	r := &run{Gatherer: g, w: w, f: b.Facts, ctx: ctx, records: map[string]string{}, held: map[lineKey]bool{}}
	for _, step := range []func(){r.releases, r.difference, r.instances, r.buildLog, r.preDeployLog, r.logs, r.patterns, r.routes, r.memory, r.commits, r.changes, r.neighbours, r.environment, r.measures, r.alert, r.serviceMap, r.spans, r.similar} {
		if err := ctx.Err(); err != nil {
			return Bundle{}, fmt.Errorf("gather evidence of incident %s: %w", incident.ID, err)
		}
		step()
	}
	w.record()
	return b, nil
}

// run is one gathering.
type run struct {
	*Gatherer
	w   *writer
	f   *causes.Facts
	ctx context.Context
	// previousEnd is when the suspect began to take over from the previous release.
	previousEnd time.Time
	records     map[string]string // the frozen text of each raw one: queries overlap, and lines repeat
	held        map[lineKey]bool  // lines of the suspect that an item holds
	around      []platform.SlotDetail
	looked      bool // whether around was read
}

// onset is when the symptom began, as far as the incident says.
func (r *run) onset() time.Time {
	if !r.f.Incident.OnsetAt.IsZero() {
		return r.f.Incident.OnsetAt
	}
	if !r.f.Incident.OpenedAt.IsZero() {
		return r.f.Incident.OpenedAt
	}
	return r.w.now
}

// releases reads the deploy, the suspect release and the last healthy one before it.
func (r *run) releases() {
	in := r.f.Incident
	if r.src.Releases == nil {
		r.w.gap("deploys and releases are not readable here")
		return
	}
	if in.ReleaseID != "" {
		rel, err := r.src.Releases.Release(r.ctx, in.ReleaseID)
		if err != nil {
			r.w.failed("the release "+string(in.ReleaseID), err)
		} else {
			r.f.Release, r.f.Spec = &rel, rel.Spec
		}
	}
	r.deploy()
	if r.f.Release != nil && r.f.Deploy == nil {
		r.w.gap("the deploy of the release is not known")
	}
	before := 0
	if r.f.Release != nil {
		before = r.f.Release.Number
	}
	previous, err := r.src.Releases.PreviousHealthyRelease(r.ctx, in.SlotID, before)
	switch {
	case err == nil:
		r.f.Previous = &previous
	case platform.CodeOf(err) != platform.CodeNotFound:
		r.w.failed("the previous healthy release", err)
	}
	r.previousEnd = r.onset()
	if r.f.Deploy != nil && !r.f.Deploy.CreatedAt.IsZero() && r.f.Deploy.CreatedAt.Before(r.previousEnd) {
		r.previousEnd = r.f.Deploy.CreatedAt
	}
}

func (r *run) deploy() {
	id := r.f.Incident.DeployID
	if id == "" && r.f.Release != nil {
		id = r.f.Release.DeployID
	}
	if id == "" {
		return
	}
	dep, err := r.src.Releases.Deploy(r.ctx, id)
	if err != nil {
		r.w.failed("the deploy "+string(id), err)
		return
	}
	dep.Message, dep.Author = r.w.clean(dep.Message, r.opt.Line), r.w.clean(dep.Author, 200)
	if r.f.Release == nil {
		r.f.Spec = dep.Spec
		if dep.ReleaseID != "" && r.f.Incident.ReleaseID == "" {
			if rel, err := r.src.Releases.Release(r.ctx, dep.ReleaseID); err == nil {
				r.f.Release, r.f.Spec = &rel, rel.Spec
			}
		}
	}
	d := r.w.draft(platform.EvidenceEvents, fmt.Sprintf("Deploy of %s: %s", dep.Service, dep.Phase), "deploy:"+string(dep.ID))
	d.From = dep.CreatedAt
	d.writef("deploy %s, trigger %s, phase %s, queued %s", dep.ID, dep.Trigger, dep.Phase, stamp(dep.CreatedAt))
	if dep.Commit != "" {
		d.writef("commit %s %s", dep.Commit, dep.Message)
	}
	if dep.Failure != nil {
		failure := *dep.Failure
		failure.Message, failure.Hint = r.w.clean(failure.Message, r.opt.Line), r.w.clean(failure.Hint, r.opt.Line)
		if !d.writef("failed in %s: %s: %s", failure.Phase, failure.Reason, failure.Message) {
			failure.Message = ""
		}
		if failure.ExitCode != nil {
			d.writef("exit code %d", *failure.ExitCode)
		}
		dep.Failure = &failure
	}
	r.f.Deploy = &causes.Deploy{Deploy: dep, Cite: r.w.freeze(d)}
}

// difference compares the suspect with the previous release: image, environment keys and spec. Values are never shown.
func (r *run) difference() {
	if r.src.Releases == nil || r.f.Deploy == nil && r.f.Release == nil {
		return
	}
	version, image, commit := r.suspectIdentity()
	cfg, ok := r.config(version)
	d := r.w.draft(platform.EvidenceRelease, "What the release runs with", "releases")
	if ok {
		d.Title = "What the release runs with, and how that differs from the one before"
		r.f.Config = &causes.Config{Version: version, Keys: keySet(cfg), Cite: d.ID}
		d.writef("configuration version %d sets: %s", version, listKeys(keySet(cfg)))
	}
	d.writef("spec sets: %s", listKeys(mapKeys(r.f.Spec.Env)))
	if p := r.f.Previous; p != nil {
		diff := &causes.Difference{Cite: d.ID, SameCommit: commit == p.Commit, SameImage: image != "" && image == p.ImageID}
		if old, okOld := r.config(p.ConfigVersion); okOld && ok {
			r.f.PreviousConfig = &causes.Config{Version: p.ConfigVersion, Keys: keySet(old), Cite: d.ID}
			diff.AddedKeys, diff.RemovedKeys, diff.ChangedKeys = diffKeys(old, p.Spec.Env, cfg, r.f.Spec.Env)
		}
		diff.ChangedSpec = diffSpec(p.Spec, r.f.Spec)
		diff.MemoryBefore, diff.MemoryAfter = p.Spec.Resources.MemoryBytes, r.f.Spec.Resources.MemoryBytes
		writeDifference(d, p, diff)
		r.f.Difference = diff
	}
	r.w.freeze(d)
}

func (r *run) suspectIdentity() (config int64, image, commit string) {
	if rel := r.f.Release; rel != nil {
		return rel.ConfigVersion, rel.ImageID, rel.Commit
	}
	return r.f.Deploy.ConfigVersion, "", r.f.Deploy.Commit
}

func (r *run) config(version int64) (platform.Config, bool) {
	cfg, err := r.src.Releases.Config(r.ctx, r.f.Incident.SlotID, version)
	if err != nil {
		r.w.failed(fmt.Sprintf("configuration version %d", version), err)
		return platform.Config{}, false
	}
	return cfg, true
}

func writeDifference(d *draft, p *platform.Release, diff *causes.Difference) {
	d.writef("compared with release v%d:", p.Number)
	if diff.SameImage {
		d.write("image: unchanged")
	} else {
		d.write("image: changed")
	}
	for _, part := range []struct {
		name string
		keys []string
	}{{"added", diff.AddedKeys}, {"removed", diff.RemovedKeys}, {"changed", diff.ChangedKeys}} {
		if len(part.keys) > 0 {
			d.writef("environment %s: %s", part.name, strings.Join(part.keys, ", "))
		}
	}
	for _, s := range diff.ChangedSpec {
		d.write(s)
	}
}

func keySet(c platform.Config) map[string]bool {
	out := map[string]bool{}
	for _, v := range c.Vars {
		out[v.Key] = true
	}
	return out
}

func mapKeys(m map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

func listKeys(set map[string]bool) string {
	if len(set) == 0 {
		return "nothing"
	}
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return strings.Join(keys, ", ")
}

// diffKeys compares the environments of two releases. A secret's value is not known here, so that a changed secret is
// seen only through its event.
func diffKeys(old platform.Config, oldEnv map[string]string, cfg platform.Config, env map[string]string) (added, removed, changed []string) {
	before, after := values(old, oldEnv), values(cfg, env)
	for k, v := range after {
		switch was, ok := before[k]; {
		case !ok:
			added = append(added, k)
		case was != v:
			changed = append(changed, k)
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			removed = append(removed, k)
		}
	}
	sort.Strings(added)
	sort.Strings(removed)
	sort.Strings(changed)
	return added, removed, changed
}

func values(c platform.Config, env map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range env {
		out[k] = v
	}
	for _, v := range c.Vars {
		out[v.Key] = v.Value
	}
	return out
}

// diffSpec lists the fields of a spec that matter to a failure and differ, as "field: before -> after".
func diffSpec(a, b platform.ServiceSpec) []string {
	var out []string
	add := func(name string, x, y any) {
		if before, after := fmt.Sprint(x), fmt.Sprint(y); before != after {
			out = append(out, fmt.Sprintf("%s: %s -> %s", name, before, after))
		}
	}
	add("port", a.Port, b.Port)
	add("command", a.Command, b.Command)
	add("pre-deploy command", a.PreDeploy, b.PreDeploy)
	add("health path", a.Health.Path, b.Health.Path)
	add("health kind", a.Health.Kind, b.Health.Kind)
	add("health timeout", a.Health.Timeout, b.Health.Timeout)
	add("startup grace", a.Health.Grace, b.Health.Grace)
	add("memory limit in bytes", a.Resources.MemoryBytes, b.Resources.MemoryBytes)
	add("cpus", a.Resources.CPUs, b.Resources.CPUs)
	add("gpus", a.Resources.GPUs, b.Resources.GPUs)
	add("shared memory in bytes", a.Resources.SharedBytes, b.Resources.SharedBytes)
	add("replicas", a.Replicas, b.Replicas)
	add("drain", a.Drain, b.Drain)
	add("disk", diskWords(a.Disk), diskWords(b.Disk))
	return out
}

func diskWords(d *platform.DiskSpec) string {
	if d == nil {
		return "none"
	}
	return d.Name + " at " + d.MountPath
}

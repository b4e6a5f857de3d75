package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/blueprint"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// readBlueprint parses the text, compares it with the host, and sees that its alert rules can be evaluated.
func (p *Plane) readBlueprint(ctx context.Context, text string) (*blueprint.Blueprint, error) {
	bp, err := blueprint.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	for _, spec := range bp.Services {
		if err := p.fitsHost(ctx, spec); err != nil {
			return nil, err
		}
		if err := p.checkAlerts(ctx, bp.Project, spec); err != nil {
			return nil, err
		}
	}
	return bp, nil
}

// fitsHost refuses limits that the machine cannot meet. A machine that does not answer is not compared: the engine
// itself refuses later.
func (p *Plane) fitsHost(ctx context.Context, spec platform.ServiceSpec) error {
	if p.o.Host == nil {
		return nil
	}
	host, err := p.o.Host(ctx)
	if err != nil {
		p.o.Log.Warn("limits are not compared with the host", "error", err)
		return nil
	}
	field := "services." + spec.Name + ".resources."
	set := "In fairlead.yaml, set resources.%s of %s to at most %s."
	want := spec.Resources
	switch {
	case host.MemoryBytes > 0 && want.MemoryBytes > host.MemoryBytes:
		return platform.Errorf(platform.CodeInvalid, "%s asks for %s of memory, and this host has %s.", spec.Name, size(want.MemoryBytes), size(host.MemoryBytes)).
			WithHint(set, "memory", spec.Name, yamlSize(host.MemoryBytes)).WithField(field + "memory")
	case host.CPUs > 0 && want.CPUs > float64(host.CPUs):
		return platform.Errorf(platform.CodeInvalid, "%s asks for %g CPUs, and this host has %d.", spec.Name, want.CPUs, host.CPUs).
			WithHint(set, "cpus", spec.Name, strconv.Itoa(host.CPUs)).WithField(field + "cpus")
	case want.GPUs > host.GPUs:
		return platform.Errorf(platform.CodeInvalid, "%s asks for %d GPUs, and this host has %d.", spec.Name, want.GPUs, host.GPUs).
			WithHint(set, "gpus", spec.Name, strconv.Itoa(host.GPUs)).WithField(field + "gpus")
	}
	return nil
}

// size writes bytes the way people do.
func size(n int64) string {
	const unit = 1024
	switch {
	case n >= unit*unit*unit:
		return trimZero(fmt.Sprintf("%.1f", float64(n)/(unit*unit*unit))) + " GiB"
	case n >= unit*unit:
		return trimZero(fmt.Sprintf("%.1f", float64(n)/(unit*unit))) + " MiB"
	}
	return fmt.Sprintf("%d bytes", n)
}

// yamlSize writes bytes as fairlead.yaml takes them, rounded down so that the result still fits.
func yamlSize(n int64) string { return fmt.Sprintf("%dMi", n>>20) }

func trimZero(s string) string { return strings.TrimSuffix(s, ".0") }

// applied is what a blueprint led to.
type applied struct {
	slots    map[string]platform.Slot // by service; those of the file, in production
	services map[string]platform.Service
	notes    []string
}

// applyBlueprint adds and updates the services of the file and their slots. Services that the file no longer names are
// left as they are, with a note: removing what serves traffic is a decision of its own.
func (p *Plane) applyBlueprint(ctx context.Context, tx *store.Tx, actor platform.Actor, project platform.Project, bp *blueprint.Blueprint, cause string) (applied, error) {
	a := applied{slots: map[string]platform.Slot{}, services: map[string]platform.Service{}}
	slots, err := tx.LockSlots(ctx, project.ID)
	if err != nil {
		return a, err
	}
	services, err := tx.ListServices(ctx, project.ID)
	if err != nil {
		return a, err
	}
	environments, err := tx.ListEnvironments(ctx, project.ID)
	if err != nil {
		return a, err
	}
	was := map[string]platform.Service{}
	specs := []platform.ServiceSpec{}
	for _, s := range services {
		was[s.Name] = s
		specs = append(specs, s.Spec)
	}
	held, err := tx.PolicyOf(ctx, project)
	if err != nil {
		return a, err
	}
	ap := applying{plane: p, tx: tx, project: project, environments: environments, slots: slots, policy: held.Policy}
	for _, spec := range bp.Services {
		if err := ap.service(ctx, &a, was, spec); err != nil {
			return a, err
		}
	}
	a.notes = append(a.notes, left(services, bp)...)
	p.recordBlueprint(tx, actor, project, blueprint.Diff(specs, bp.Services), cause)
	return a, nil
}

func left(services []platform.Service, bp *blueprint.Blueprint) []string {
	var notes []string
	for _, s := range services {
		if _, named := bp.Service(s.Name); !named {
			notes = append(notes, s.Name+": no longer in fairlead.yaml, left running")
		}
	}
	return notes
}

func (p *Plane) recordBlueprint(tx *store.Tx, actor platform.Actor, project platform.Project, changes []blueprint.Change, cause string) {
	if len(changes) == 0 {
		return
	}
	lines := []string{}
	for _, c := range changes[:min(len(changes), 20)] {
		lines = append(lines, c.String())
	}
	p.record(tx, fact{
		kind: platform.EventBlueprintApplied, actor: actor, at: inProject(project), subject: string(project.ID), cause: cause,
		summary: fmt.Sprintf("The blueprint of %s was applied: %s.", project.Name, plural(len(changes), "change")),
		payload: map[string]any{"changes": lines},
	})
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// applying is one application of a blueprint.
type applying struct {
	plane        *Plane
	tx           *store.Tx
	project      platform.Project
	environments []platform.Environment
	slots        []platform.Slot
	policy       platform.Policy // that holds
}

func (ap applying) service(ctx context.Context, a *applied, was map[string]platform.Service, spec platform.ServiceSpec) error {
	service, known := was[spec.Name]
	old := service.Spec
	if !known {
		service = platform.Service{
			ID: platform.NewID[platform.ServiceID](platform.PrefixService), ProjectID: ap.project.ID, Name: spec.Name, CreatedAt: ap.plane.now(),
		}
	}
	service.Kind, service.Spec = spec.Kind, spec
	put := ap.tx.UpdateService
	if !known {
		put = ap.tx.InsertService
	}
	if err := put(ctx, service); err != nil {
		return err
	}
	a.services[spec.Name] = service
	for _, env := range ap.environments {
		slot, err := ap.slot(ctx, env, service, old)
		if err != nil {
			return err
		}
		if env.Name == platform.ProductionName {
			a.slots[spec.Name] = slot
		}
	}
	return nil
}

// slot adds or updates the slot of a service in an environment. The number of instances follows the file only when the
// file changed it, so that a push does not undo a scaling by hand.
func (ap applying) slot(ctx context.Context, env platform.Environment, service platform.Service, old platform.ServiceSpec) (platform.Slot, error) {
	i := slices.IndexFunc(ap.slots, func(s platform.Slot) bool { return s.EnvironmentID == env.ID && s.ServiceID == service.ID })
	slot := platform.Slot{
		ID: platform.NewID[platform.SlotID](platform.PrefixSlot), ProjectID: ap.project.ID, EnvironmentID: env.ID, ServiceID: service.ID,
		Project: ap.project.Name, Environment: env.Name, Service: service.Name, Generation: 1,
		Autonomy: policy.Autonomy(ap.policy, env.Name, service.Name), CreatedAt: ap.plane.now(),
	}
	if i >= 0 {
		slot = ap.slots[i]
	}
	before := slot
	slot.Kind, slot.AutoDeploy, slot.Hosts = service.Kind, service.Spec.AutoDeploy, ap.plane.hosts(slot, service.Spec)
	if i < 0 || service.Spec.Replicas != old.Replicas {
		slot.Replicas = service.Spec.Replicas
	}
	if i < 0 {
		if err := ap.tx.InsertSlot(ctx, slot); err != nil {
			return slot, err
		}
		return slot, ap.tx.ClaimHosts(ctx, slot)
	}
	if sameJSON(before, slot) {
		return slot, nil
	}
	if slot.Replicas != before.Replicas {
		slot.Generation++
	}
	ap.tx.Enqueue(jobs.ReconcileSlot{SlotID: slot.ID})
	if err := ap.tx.UpdateSlot(ctx, slot); err != nil {
		return slot, err
	}
	return slot, ap.tx.ClaimHosts(ctx, slot)
}

// hosts are the stable host and, in production, those of the file.
func (p *Plane) hosts(slot platform.Slot, spec platform.ServiceSpec) []string {
	if !spec.Kind.Routed() {
		return nil
	}
	hosts := []string{platform.DefaultHost(slot.Project, slot.Environment, slot.Service, p.o.BaseDomain)}
	if slot.Environment == platform.ProductionName {
		for _, h := range spec.Hosts {
			if h = strings.ToLower(h); !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

func sameJSON(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && string(left) == string(right)
}

package worker

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/runtime"
)

// Times of the end of an instance.
const (
	drainedLimit = 5 * time.Second  // how long its last output may take to be collected
	routedGrace  = 10 * time.Second // from SIGTERM to SIGKILL, once the router holds no request on it
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// deployInstance is the identity of one ordinal of a deploy: always the same, so that a crash between any two steps
// never makes two.
func deployInstance(id platform.DeployID, ordinal int) platform.InstanceID {
	sum := sha256.Sum256([]byte(string(id) + "/" + strconv.Itoa(ordinal)))
	return platform.InstanceID(platform.PrefixInstance + "_" + idEncoding.EncodeToString(sum[:13]))
}

// preDeployInstance is the identity of the pre-deploy command's container.
func preDeployInstance(id platform.DeployID) platform.InstanceID { return deployInstance(id, -1) }

// NetworkName is the private network of an environment.
func NetworkName(project, environment string) string {
	return "fairlead-" + project + "-" + environment
}

// VolumeName is the volume of a disk.
func VolumeName(project, environment, disk string) string {
	return "fairlead-" + project + "-" + environment + "-" + disk
}

// plan is one instance that should exist: its record and what it runs.
type plan struct {
	row  platform.Instance
	work control.Work
	spec platform.ServiceSpec
}

// instanceSpec is everything the engine needs to know about the instance.
func (w *Worker) instanceSpec(p plan) runtime.Spec {
	s := runtime.Spec{
		Name:    containerName(p.row),
		Image:   p.work.Release.ImageID,
		Command: p.spec.Command,
		Env:     environment(p.work.Env, p.row, p.spec),
		Labels:  w.labels(p.row, runtime.RoleInstance),
		Network: NetworkName(p.row.Project, p.row.Environment),
		Aliases: []string{p.row.Service},
		Port:    p.spec.Port,
		CPUs:    p.spec.Resources.CPUs, MemoryBytes: p.spec.Resources.MemoryBytes, GPUs: p.spec.Resources.GPUs,
		SharedBytes: p.spec.Resources.SharedBytes,
		StopGrace:   stopGrace(p.work.Slot, p.spec),
	}
	if p.spec.Metrics != nil {
		s.Labels[runtime.LabelMetrics] = metricsLabel(*p.spec.Metrics, p.spec.Port)
	}
	if s.Image == "" {
		s.Image = p.work.Release.ImageRef
	}
	if p.spec.Disk != nil {
		s.Mounts = []runtime.Mount{{Volume: VolumeName(p.row.Project, p.row.Environment, p.spec.Disk.Name), Path: p.spec.Disk.MountPath}}
	}
	return s
}

// metricsLabel tells the collector where to read the instance's own metrics.
func metricsLabel(m platform.MetricsSpec, port int) string {
	if m.Port == port {
		m.Port = 0
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic("worker: a metrics spec cannot be written: " + err.Error()) // it holds only words and numbers
	}
	return string(raw)
}

func containerName(in platform.Instance) string {
	short := strings.TrimPrefix(string(in.ID), platform.PrefixInstance+"_")
	return strings.Join([]string{"fairlead", in.Project, in.Environment, in.Service, short[max(0, len(short)-10):]}, "-")
}

// stopGrace is the time between asking and killing. Requests have left a routed instance before it is asked, so that a
// process which ignores the signal does not hold up every deploy for its whole drain time.
func stopGrace(slot platform.Slot, spec platform.ServiceSpec) time.Duration {
	drain := spec.Drain.D()
	if drain <= 0 {
		drain = platform.DefaultDrain.D()
	}
	if len(slot.Hosts) > 0 {
		return min(drain, routedGrace)
	}
	return drain
}

func (w *Worker) labels(in platform.Instance, role string) map[string]string {
	return map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: w.o.Installation,
		runtime.LabelProject: in.Project, runtime.LabelEnvironment: in.Environment, runtime.LabelService: in.Service,
		runtime.LabelSlot: string(in.SlotID), runtime.LabelRelease: string(in.ReleaseID),
		runtime.LabelReleaseNo: strconv.Itoa(in.ReleaseNumber), runtime.LabelDeploy: string(in.DeployID),
		runtime.LabelInstance: string(in.ID), runtime.LabelOrdinal: strconv.Itoa(in.Ordinal), runtime.LabelRole: role,
	}
}

func (w *Worker) shared(project, environment string) map[string]string {
	return map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: w.o.Installation,
		runtime.LabelProject: project, runtime.LabelEnvironment: environment,
	}
}

// environment adds what only the instance knows to what control resolved; a value that is set already stays.
func environment(env []string, in platform.Instance, spec platform.ServiceSpec) []string {
	set := map[string]bool{}
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		set[key] = true
	}
	full := append([]string(nil), env...)
	add := func(key, value string) {
		if !set[key] && value != "" {
			full = append(full, key+"="+value)
		}
	}
	if spec.Port > 0 {
		add("PORT", strconv.Itoa(spec.Port))
	}
	add("FAIRLEAD_INSTANCE", string(in.ID))
	if in.ReleaseNumber > 0 {
		add("FAIRLEAD_RELEASE", strconv.Itoa(in.ReleaseNumber))
	}
	return full
}

// newRow is the record of an instance of the work's release that is about to start.
func newRow(work control.Work, id platform.InstanceID, ordinal int, reason string) platform.Instance {
	row := platform.Instance{
		ID: id, ProjectID: work.Slot.ProjectID, SlotID: work.Slot.ID, Project: work.Slot.Project,
		Environment: work.Slot.Environment, Service: work.Slot.Service, Ordinal: ordinal,
		State: platform.InstanceStarting, Reason: reason, StartedAt: time.Now().UTC(),
	}
	if work.Release != nil {
		row.ReleaseID, row.ReleaseNumber, row.DeployID = work.Release.ID, work.Release.Number, work.Release.DeployID
	}
	return row
}

// begin records the instance, then creates or adopts its container, then records where it is. The record comes first:
// after a crash in between, the row is found without a container and the same identity is started.
func (w *Worker) begin(ctx context.Context, p plan, cause string) (err error) {
	ctx, span := tracing.Start(ctx, "start instance", instanceAttrs(p.row)...)
	defer func() { span.End(err) }()
	if err := w.o.Plane.RecordInstance(ctx, p.row, cause); err != nil {
		return fmt.Errorf("record instance %s: %w", p.row.ID, err)
	}
	if err := w.prepare(ctx, p); err != nil {
		return err
	}
	c, err := w.o.Runtime.Start(ctx, w.instanceSpec(p))
	if err != nil {
		return fmt.Errorf("start instance %s: %w", p.row.ID, err)
	}
	p.row.RuntimeID, p.row.Address = c.ID, c.Address
	if !c.StartedAt.IsZero() {
		p.row.StartedAt = c.StartedAt.UTC()
	}
	if err := w.o.Plane.RecordInstance(ctx, p.row, cause); err != nil {
		return fmt.Errorf("record instance %s: %w", p.row.ID, err)
	}
	if c.Running {
		w.prober.watch(targetOf(p.row, c, p.spec))
	}
	return nil
}

// prepare makes what the instance needs around it. One at a time: engines let two calls at once make two networks of
// one name.
func (w *Worker) prepare(ctx context.Context, p plan) error {
	select {
	case w.preparing <- struct{}{}:
		defer func() { <-w.preparing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	shared := w.shared(p.row.Project, p.row.Environment)
	network := NetworkName(p.row.Project, p.row.Environment)
	if err := w.o.Runtime.EnsureNetwork(ctx, network, shared); err != nil {
		return fmt.Errorf("make network %s: %w", network, err)
	}
	if p.spec.Disk == nil {
		return nil
	}
	volume := VolumeName(p.row.Project, p.row.Environment, p.spec.Disk.Name)
	labels := maps.Clone(shared)
	labels[runtime.LabelService], labels[runtime.LabelDisk] = p.row.Service, p.spec.Disk.Name
	if err := w.o.Runtime.EnsureVolume(ctx, volume, labels); err != nil {
		return fmt.Errorf("make volume %s: %w", volume, err)
	}
	return nil
}

func targetOf(row platform.Instance, c runtime.Container, spec platform.ServiceSpec) target {
	return target{
		instance: row.ID, deploy: row.DeployID, slot: row.SlotID, container: c.ID, address: c.Address, port: spec.Port,
		check: spec.Health, startedAt: c.StartedAt,
		wasReady: row.State == platform.InstanceReady || row.State == platform.InstanceUnhealthy || row.State == platform.InstanceDraining,
	}
}

// end stops a member, waits until its output is collected, records its end and removes its container. A process that
// ended by itself is recorded as dead with how; one that this call stops as stopped, with the reason.
func (w *Worker) end(ctx context.Context, m member, grace time.Duration, reason, cause string) (row platform.Instance, err error) {
	row = m.row
	ctx, span := tracing.Start(ctx, "end instance", instanceAttrs(row)...)
	defer func() { span.End(err) }()
	byItself := m.exists && !m.c.Running && row.State != platform.InstanceDraining && row.State != platform.InstanceStopped
	if m.exists && m.c.Running {
		if row.State != platform.InstanceDraining && m.known {
			row.State, row.Reason = platform.InstanceDraining, reason
			if err := w.o.Plane.RecordInstance(ctx, row, cause); err != nil {
				return row, fmt.Errorf("record instance %s: %w", row.ID, err)
			}
		}
		w.prober.forget(row.ID)
		if err := w.o.Runtime.Stop(ctx, m.c.ID, grace); err != nil {
			return row, fmt.Errorf("stop instance %s: %w", row.ID, err)
		}
		if c, err := w.o.Runtime.Inspect(ctx, m.c.ID); err == nil {
			m.c = c
		}
	}
	w.prober.forget(row.ID)
	w.awaitOutput(ctx, m)
	row = ended(row, m, byItself, reason)
	if m.known {
		if err := w.o.Plane.RecordInstance(ctx, row, cause); err != nil {
			return row, fmt.Errorf("record the end of instance %s: %w", row.ID, err)
		}
	}
	w.memory.left(row.ID)
	if m.exists {
		if err := w.o.Runtime.Remove(ctx, m.c.ID); err != nil && !errors.Is(err, runtime.ErrNotFound) {
			return row, fmt.Errorf("remove instance %s: %w", row.ID, err)
		}
	}
	return row, nil
}

// ended fills in how an instance ended.
func ended(row platform.Instance, m member, byItself bool, reason string) platform.Instance {
	now := time.Now().UTC()
	row.EndedAt, row.State, row.Reason = &now, platform.InstanceStopped, reason
	if m.exists && !m.c.EndedAt.IsZero() {
		at := m.c.EndedAt.UTC()
		row.EndedAt = &at
	}
	if m.exists && !m.c.StartedAt.IsZero() {
		code := m.c.ExitCode
		row.ExitCode, row.OOMKilled = &code, m.c.OOMKilled
	}
	switch {
	case !m.exists && m.row.RuntimeID != "":
		row.State, row.Reason = platform.InstanceDead, "its container was removed by somebody else"
	case byItself && m.c.OOMKilled:
		row.State, row.Reason = platform.InstanceDead, "killed by the kernel: out of memory"
	case byItself && m.c.Error != "":
		row.State, row.Reason = platform.InstanceDead, "could not start: "+m.c.Error
	case byItself:
		row.State, row.Reason = platform.InstanceDead, fmt.Sprintf("its process ended with exit code %d", m.c.ExitCode)
	}
	return row
}

// awaitOutput gives the collector its time to read what the container wrote last, so that no line of a dead one is lost.
func (w *Worker) awaitOutput(ctx context.Context, m member) {
	if w.o.Drained == nil || !m.exists {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, drainedLimit)
	defer cancel()
	if err := w.o.Drained(bounded, m.row.ID); err != nil {
		w.log.WarnContext(ctx, "output not collected in time", "instance", m.row.ID, "error", err)
	}
}

// together runs fn for each member at once and returns the errors joined.
func together[T any](items []T, fn func(T) error) error {
	errs := make([]error, len(items))
	var all sync.WaitGroup
	for i, item := range items {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = fn(item)
		}()
	}
	all.Wait()
	return errors.Join(errs...)
}

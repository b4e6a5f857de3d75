package collect

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
)

// Figures samples what the database records: the queue, instances, deploys, builds, incidents. read is asked for it;
// store.Store has it.
func Figures(read func(ctx context.Context) (platform.Figures, error)) Source {
	var told []observability.Sample // whether each instance is ready, as last told
	return func(ctx context.Context, now time.Time) ([]observability.Sample, error) {
		found, err := read(ctx)
		if err != nil {
			return nil, fmt.Errorf("count what is recorded: %w", err)
		}
		out := figureSamples(found, now)
		ready := readiness(found, now)
		out = append(append(out, ready...), gone(told, ready, now)...)
		told = ready
		return out, nil
	}
}

// readiness says of each instance that runs whether its last health check passed.
func readiness(found platform.Figures, now time.Time) []observability.Sample {
	var out []observability.Sample
	for _, s := range found.Slots {
		for _, in := range s.Running {
			labels := labelsOf(s.Project, s.Environment, s.Service, in.Release)
			labels["instance"] = string(in.ID)
			sample := observability.Sample{Name: observability.MetricUp, Labels: labels, At: now}
			if in.Ready {
				sample.Value = 1
			}
			out = append(out, sample)
		}
	}
	return out
}

// gone ends the series of instances that were told of and are not any more.
func gone(before, present []observability.Sample, now time.Time) []observability.Sample {
	there := make(map[string]bool, len(present))
	for _, s := range present {
		there[s.Labels["instance"]] = true
	}
	ended := slices.DeleteFunc(before, func(s observability.Sample) bool { return there[s.Labels["instance"]] })
	return stale(ended, now)
}

// states of instances and phases of deploys that are told even when none is there, so that a graph falls to zero.
var (
	shownStates = []platform.InstanceState{platform.InstanceStarting, platform.InstanceReady, platform.InstanceUnhealthy, platform.InstanceDraining}
	endPhases   = []platform.Phase{platform.PhaseLive, platform.PhaseFailed, platform.PhaseCanceled, platform.PhaseSuperseded}
)

func figureSamples(found platform.Figures, now time.Time) []observability.Sample {
	f := &figureTaker{now: now}
	f.queue(found.Queue)
	for _, s := range found.Slots {
		f.slot(s)
	}
	return f.out
}

type figureTaker struct {
	now time.Time
	out []observability.Sample
}

func (f *figureTaker) add(name string, value float64, labels map[string]string) {
	f.out = append(f.out, observability.Sample{Name: name, Labels: labels, At: f.now, Value: value})
}

// jobStates are told for each kind of job, so that a queue that was worked off reads zero.
var jobStates = []string{"available", "running", "scheduled", "retryable"}

func (f *figureTaker) queue(found []platform.QueueFigure) {
	waiting, oldest := map[string]map[string]int{}, map[string]time.Duration{}
	for _, kind := range jobs.Kinds() {
		waiting[kind] = map[string]int{}
	}
	for _, q := range found {
		if waiting[q.Kind] == nil {
			waiting[q.Kind] = map[string]int{}
		}
		waiting[q.Kind][q.State] = q.Jobs
		oldest[q.Kind] = max(oldest[q.Kind], q.Oldest)
	}
	for kind, byState := range waiting {
		for _, state := range jobStates {
			f.add(observability.MetricQueueJobs, float64(byState[state]), map[string]string{"kind": kind, "state": state})
		}
		f.add(observability.MetricQueueOldest, oldest[kind].Seconds(), map[string]string{"kind": kind})
	}
}

func (f *figureTaker) slot(s platform.SlotFigure) {
	own := func(name string, value float64, more ...string) {
		labels := map[string]string{"project": s.Project, "environment": s.Environment, "service": s.Service}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		f.add(name, value, labels)
	}
	own(observability.MetricReplicas, float64(s.Replicas))
	for _, state := range shownStates {
		own(observability.MetricInstances, float64(s.Instances[state]), "state", string(state))
	}
	own(observability.MetricRestarts, float64(s.Deaths))
	own(observability.MetricSlotOOMKills, float64(s.OOMKills))
	for _, phase := range endPhases {
		own(observability.MetricDeploys, float64(s.Deploys[phase]), "result", string(phase))
	}
	for _, phase := range platform.Phases {
		if !phase.Terminal() {
			own(observability.MetricDeploysOpen, float64(s.Deploys[phase]), "phase", string(phase))
		}
	}
	histogram(own, observability.MetricDeploySeconds, s.DeployTook)
	histogram(own, observability.MetricBuildSeconds, s.BuildTook)
	for signal, n := range s.Incidents {
		own(observability.MetricIncidents, float64(n), "signal", string(signal))
		own(observability.MetricIncidentsOpen, float64(s.OpenIncidents[signal]), "signal", string(signal))
	}
	if s.Disk != nil {
		own(observability.MetricDiskCapacity, float64(s.Disk.SizeGB)*(1<<30), "disk", s.Disk.Name)
	}
}

func histogram(own func(name string, value float64, more ...string), name string, d platform.DurationFigure) {
	total := 0
	for i, n := range d.Buckets {
		total += n
		le := "+Inf"
		if i < len(platform.FigureBounds) {
			le = strconv.FormatFloat(platform.FigureBounds[i].Seconds(), 'g', -1, 64)
		}
		own(name+"_bucket", float64(total), "le", le)
	}
	if d.Buckets == nil {
		return
	}
	own(name+"_sum", d.Sum.Seconds())
	own(name+"_count", float64(total))
}
